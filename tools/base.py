"""The contract of every perception tool: frames, sound or subtitles in, timestamped captions out."""

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

    from videochat.devices import Device
    from videochat.tools.langchain_tool import Memory

Needs = Sampling | Literal["sound", "subtitles"]
"""The input of a tool: pictures at a rate and size (`Sampling`), the sound track, or subtitles."""


MIN_CHANGE = 12.0
"""Usual `Sampling.min_change` of tools that describe whole pictures; `benchmarks/near_duplicates.py` measures what it
costs and saves."""


@dataclass(frozen=True)
class Missed:
    """A range that a sense could not make out, though it went on: it becomes a gap."""

    start_seconds: float
    """First moment."""
    end_seconds: float
    """First moment no longer."""
    reason: str
    """Why, as a sentence without a full stop."""


@dataclass(frozen=True)
class Settled:
    """A checkpoint in a tool's output: every caption that starts before `seconds` has been given.

    A watch stores the captions up to a checkpoint together with it, in one step. After an interruption it starts the
    tool again at the last checkpoint, so from there on a tool must give what it would have given in one go.
    """

    seconds: float
    """Seconds from the start of the video."""


class PerceptionTool(ABC):
    """A model or a classical algorithm that turns a video into captions of one kind.

    Constructing one is cheap; models load at the first `perceive`. One object may be used for many videos, one after
    another.

    A subclass says what it is by `name`, `kind`, `sees`, `needs` and `usual_source()` (or by setting `source`), and
    implements `perceive`.
    """

    name: ClassVar[str]
    """The word by which presets and people call it."""
    kind: ClassVar[Kind]
    """The kind of its captions."""
    sees: ClassVar[str]
    """What it finds, as a phrase for people and language models."""
    has_own_rate: ClassVar[bool] = False
    """Whether its model alone decides how often it looks, so that `at_rate` changes nothing."""
    source_tells_rate: ClassVar[bool] = False
    """Whether `usual_source()` is made from `needs`, so that nothing is added at another rate."""
    reads_ahead: ClassVar[bool] = False
    """Whether it takes its input long before it has worked on it, so that only its marks tell how far it is."""
    follows_motion: ClassVar[bool] = False
    """Whether it needs pictures that follow one another."""
    needs: Needs
    """Its input."""
    weights: Weights | None = None
    """The model that must be on this machine; None if all it needs is installed with the package."""
    fps: float | None = None
    """Pictures a second, where `at_rate` has set them; None for its usual rate."""

    _given_source: str = ""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if isinstance(source := vars(cls).get("source"), str):
            # A text in the place of the property would be the same at every rate.
            cls._given_source = source
            del cls.source

    def usual_source(self) -> str:
        """Return the model and settings behind its captions, at its usual rate."""
        return self._given_source

    @property
    def source(self) -> str:
        """What its captions name as `Caption.source`; another model, setting or rate is another source."""
        if self.fps is None or self.source_tells_rate:
            return self.usual_source()
        return f"{self.usual_source()}@{self.fps:g}fps"

    @source.setter
    def source(self, source: str) -> None:
        self._given_source = source

    @property
    def device(self) -> Device:
        """Where its model runs: the best device there is, unless its constructor was given another."""
        from videochat.devices import choose_device

        return choose_device()

    @property
    def service(self) -> str | None:
        """Whom it asks over a network; None where it works on this machine alone."""
        return None

    def unfit(self, video: Video) -> str | None:
        """Return why this tool has nothing to do on `video`, or None if it has."""
        if isinstance(self.needs, Sampling) and not video.has_video:
            return "there are no pictures"
        if self.follows_motion and video.is_picture:
            return "it is one picture, in which nothing moves"
        if self.needs == "sound" and not video.has_audio:
            return "there is no sound track"
        return None

    def prepare(self) -> None:
        """Find the weights, without loading them. A watch calls this before the first picture is decoded.

        `source` and `needs` may become more exact by it: the revision of a model, and the pictures that it wants,
        are written beside its weights.

        Raises:
            MissingDependency: they are not on this machine; the message names tool, model, reason and remedy.
        """

    def version(self, video: Video) -> str:
        """Return what decides the captions of `video`; when it changes, the video is watched anew."""
        return self.source

    def forecast(self, video: Video, start_seconds: float, end_seconds: float) -> str | None:
        """Return what a watch of a range will ask of a service that may cost money, as a clause; None for nothing.

        Args:
            video: what will be watched.
            start_seconds: first moment.
            end_seconds: first moment no longer.
        """
        return None

    def remarks(self, video: Video) -> list[str]:
        """Return what people should know of how `video` is watched, such as which of several inputs it reads.

        Each is a sentence without a full stop.
        """
        return []

    def memory_bytes(self) -> int:
        """Estimate what its model takes once loaded, in bytes on its own device; 0 without a model."""
        return 0 if self.weights is None else memory_of(self.weights, self.device.dtype.itemsize)

    @abstractmethod
    def perceive(
        self, stream: Iterable[Any], video: Video, start_seconds: float, end_seconds: float
    ) -> Iterator[Caption | Missed | Settled]:
        """Yield captions, a `Missed` for what could not be made out, and a `Settled` checkpoint.

        A checkpoint comes whenever nothing earlier is still open.

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
        """Perceive a range of a video, in a decoding pass of its own; a watch feeds all tools from one pass.

        Args:
            video: what to perceive.
            start_seconds: first moment.
            end_seconds: first moment no longer; None for the end.

        Raises:
            InvalidArgument: the range holds nothing.
            MediaError: the video lacks the input that the tool needs, or it cannot be read.
            MissingDependency: the weights are not on this machine.
        """
        self.prepare()
        start, end = video.span(start_seconds, end_seconds)
        stream: Iterable[Any] = ()
        if isinstance(self.needs, Sampling):
            stream = (frame for _, frame in video.sample([self.needs], start, end))
        elif self.needs == "sound":
            stream = video.audio(start, end)
        for item in self.perceive(stream, video, start, end):
            # Gaps are kept by a watch; here they are only silence.
            if not isinstance(item, Missed):
                yield item

    def as_langchain_tool(self, video: Video, memory: Memory) -> BaseTool:
        """Return a LangChain tool that runs this tool on a range of `video`, at a rate where it has one.

        Its text names times and places for the model, its artifact is each caption as a plain dict. Errors that a
        person or a model can mend (an empty range, a video without sound, missing weights) come back as a sentence.

        Args:
            video: what it perceives.
            memory: keeps every caption, such as a `CaptionStore`.
        """
        from videochat.tools.langchain_tool import run_on_demand

        return run_on_demand(self, video, memory, at_rate if has_rate(self) else None)

    def interrupt(self) -> None:
        """End a running `perceive` soon, where it waits for an answer from outside; called from another thread."""

    def close(self) -> None:
        """Free what was loaded; the next `perceive` loads it again."""


def has_rate(tool: PerceptionTool) -> bool:
    """Return whether a tool samples pictures at a rate that `at_rate` can change."""
    return isinstance(tool.needs, Sampling) and tool.needs.every_seconds is not None and not tool.has_own_rate


def at_rate(tool: PerceptionTool, fps: float) -> PerceptionTool:
    """Return a copy of a tool that looks at `fps` pictures a second; the tool itself if it has no such rate.

    Raises:
        InvalidArgument: fps is not between 0.001 and 1000.
    """
    if not has_rate(tool):
        return tool
    if not 0.001 <= fps <= 1000:
        raise InvalidArgument(f"fps must be between 0.001 and 1000 pictures a second, got {fps!r}")
    other = copy.copy(tool)
    other.needs = replace(cast("Sampling", tool.needs), every_seconds=1 / fps)
    other.fps = fps
    return other
