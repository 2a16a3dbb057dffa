"""The contract of every sense: a stream of frames or sound in, captions with true seconds out."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast

from videochat.errors import InvalidArgument
from videochat.frames import Sampling
from videochat.hub import Weights, memory_of
from videochat.media import Video
from videochat.records import Caption, Kind

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool

    from videochat.tools.langchain_tool import Memory

Needs = Sampling | Literal["sound", "subtitles"]
"""What a tool consumes: pictures at a rate and size, the sound track, or text that lies with the video."""


MIN_CHANGE = 12.0
"""Usual `Sampling.min_change` of senses that describe whole pictures; `benchmarks/near_duplicates.py` says what it
costs and saves."""


@dataclass(frozen=True)
class Settled:
    """A mark in a tool's output: every caption that starts before `seconds` has been given.

    What was given up to a mark is stored with it in one step. An interrupted watch starts the tool again at
    its last mark, so after a mark a tool must go on as if it had just been started there.
    """

    seconds: float


class PerceptionTool(ABC):
    """A model or a classical algorithm that turns a video into captions of one kind.

    Constructing one is cheap; what is heavy loads at the first `perceive`. One object may be used for many
    videos, one after another.
    """

    name: ClassVar[str]
    """The word by which presets and people call it."""
    kind: ClassVar[Kind]
    """The kind of its captions."""
    sees: ClassVar[str]
    """One sentence for people: what it finds."""
    has_own_rate: ClassVar[bool] = False
    """Whether its model, and nobody else, decides how often it looks."""
    needs: Needs
    """What it consumes."""
    source: str
    """The model behind it, as captions name it; another model or setting is another source."""
    weights: Weights | None = None
    """What it must have on this machine; None if it brings everything along."""

    def unfit(self, video: Video) -> str | None:
        """Return why this tool has nothing to do on `video`, or None if it has."""
        if isinstance(self.needs, Sampling) and not video.has_video:
            return "there are no pictures"
        if self.needs == "sound" and not video.has_audio:
            return "there is no sound track"
        return None

    def prepare(self) -> None:
        """Find the weights, without loading them. A watch calls this before the first picture is decoded.

        `source` and `needs` may become more exact by it: what a model wants to see is written beside its weights.

        Raises:
            MissingDependency: they are not on this machine; the message names tool, model, reason and remedy.
        """

    def version(self, video: Video) -> str:
        """Return what decides the captions of `video`; when it changes, the video is watched anew."""
        return self.source

    def memory_bytes(self) -> int:
        """Estimate what its model takes once loaded; 0 without one. Senses of the same weights share one."""
        if self.weights is None:
            return 0
        from videochat.devices import choose_device

        return memory_of(self.weights, choose_device().dtype.itemsize)

    @abstractmethod
    def perceive(
        self, stream: Iterable[Any], video: Video, start_seconds: float, end_seconds: float
    ) -> Iterator[Caption | Settled]:
        """Yield captions, and a `Settled` mark whenever nothing earlier is still open.

        Args:
            stream: `Frame`s as `needs` asks, or `AudioBlock`s, in order, from `[start_seconds, end_seconds)`;
                nothing for a tool that needs subtitles.
            video: where the stream comes from; its `id` goes into every caption.
            start_seconds: first moment to report on.
            end_seconds: first moment no longer to report on.
        """

    def run(
        self, video: Video, start_seconds: float = 0.0, end_seconds: float | None = None
    ) -> Iterator[Caption | Settled]:
        """Perceive a range alone, in a decoding pass of its own; a watch feeds all senses from one.

        Raises:
            InvalidArgument: the range holds nothing.
            MediaError: there is nothing of what it needs, or it cannot be read.
            MissingDependency: the weights are not on this machine.
        """
        self.prepare()
        start, end = video.span(start_seconds, end_seconds)
        stream: Iterable[Any] = ()
        if isinstance(self.needs, Sampling):
            stream = (frame for _, frame in video.sample([self.needs], start, end))
        elif self.needs == "sound":
            stream = video.audio(start, end)
        yield from self.perceive(stream, video, start, end)

    def as_langchain_tool(self, video: Video, memory: Memory) -> BaseTool:
        """Return a LangChain tool that runs this sense on a range of `video`, at a rate if it has one.

        Its text names times and places for the model, its artifact is each caption as a plain dict. What a person
        or a model can mend (a range that is none, a video without sound, missing weights) comes back as a sentence.

        Args:
            video: what it perceives.
            memory: keeps every caption, such as a `CaptionStore`.
        """
        from videochat.tools.langchain_tool import sense_as_tool

        return sense_as_tool(self, video, memory)

    def close(self) -> None:
        """Free what was loaded; the next `perceive` loads it again."""


def has_rate(tool: PerceptionTool) -> bool:
    """Return whether a tool samples pictures at a rate that is ours to choose."""
    return isinstance(tool.needs, Sampling) and tool.needs.every_seconds is not None and not tool.has_own_rate


def at_rate(tool: PerceptionTool, fps: float) -> PerceptionTool:
    """Return the tool looking at `fps` pictures a second; itself if its rate is not ours to choose.

    Raises:
        InvalidArgument: fps is not a rate between 0.001 and 1000.
    """
    if not has_rate(tool):
        return tool
    if not 0.001 <= fps <= 1000:
        raise InvalidArgument(f"fps must be between 0.001 and 1000 pictures a second, got {fps!r}")
    other = copy.copy(tool)
    other.needs = replace(cast("Sampling", tool.needs), every_seconds=1 / fps)
    other.source = f"{tool.source}@{fps:g}fps"
    return other
