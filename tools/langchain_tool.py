"""LangChain tools that run a perception tool on a range of one video, and keep the captions."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, Protocol, TypeVar

from langchain_core.tools import BaseTool, StructuredTool, ToolException
from pydantic import BaseModel, Field

from videochat.errors import InvalidArgument, VideoChatError
from videochat.fence import failure, fenced
from videochat.intervals import clock, clock_range
from videochat.media import Video
from videochat.records import Caption

# A language model gets this many lines; the artifact holds all captions.
_MAX_LINES = 80

ContentAndArtifact = tuple[str, list[dict[str, Any]]]
"""Text for the model, and each caption as `Caption.as_dict()`."""


class Runnable(Protocol):
    """What can run on a range of a video: a `PerceptionTool`."""

    @property
    def name(self) -> str:
        """What the LangChain tool is called."""
        ...

    @property
    def sees(self) -> str:
        """What it finds, as a phrase."""
        ...

    def unfit(self, video: Video) -> str | None:
        """Return why it has nothing to do on `video`, or None."""
        ...

    def run(self, video: Video, start_seconds: float, end_seconds: float) -> Iterator[Any]:
        """Yield captions, and checkpoints that are no captions."""
        ...

    def close(self) -> None:
        """Free what was loaded."""
        ...


_Tool = TypeVar("_Tool", bound=Runnable)


class Memory(Protocol):
    """Where what was perceived is kept, such as a `CaptionStore`."""

    def add(self, captions: Iterable[Caption]) -> int:
        """Store captions; return how many were new."""
        ...


class RangeInput(BaseModel):
    """A range of the video, as a language model gives it."""

    start: float = Field(ge=0, description="first second of the range")
    end: float = Field(gt=0, description="end of the range in seconds")


class RateInput(RangeInput):
    """A range, and how often to look."""

    rate: float | None = Field(None, ge=0.001, le=1000, description="pictures a second; omit for the usual rate")


class SearchInput(RateInput):
    """A range, how often to look, and a thing to search for."""

    what: str = Field(min_length=1, description='the thing in a few words, such as "a red car"')


def run_on_demand(
    tool: _Tool, video: Video, memory: Memory, at_rate: Callable[[_Tool, float], _Tool] | None = None
) -> BaseTool:
    """Return a LangChain tool that runs a perception tool; see `PerceptionTool.as_langchain_tool`.

    Args:
        tool: the perception tool.
        video: what it perceives.
        memory: keeps every caption.
        at_rate: makes a copy of the tool that looks at so many pictures a second; None where it has no rate.
    """
    return tool_of(
        _OnDemand(tool, video, memory, at_rate),
        video,
        name=tool.name,
        description=f"Perceive a stretch of the video again, on its own: {tool.sees}. What is found is kept with its "
        "times. Use it when the stored captions do not tell; a minute or less is quick.",
        schema=RangeInput if at_rate is None else RateInput,
    )


def tool_of(
    find: Callable[..., list[Caption]], video: Video, *, name: str, description: str, schema: type[RangeInput]
) -> BaseTool:
    """Return a LangChain tool that gives the captions of a function; its errors go to the model, as a sentence.

    Args:
        find: takes `start_seconds`, `end_seconds` (never beyond the end of the video), `fps` where `schema` has a
            rate, and its other fields by name.
        video: what is looked at.
        name: of the tool.
        description: what it does and when to use it, for the model.
        schema: its arguments.
    """

    def call(start: float, end: float, **arguments: Any) -> ContentAndArtifact:
        try:
            start_seconds, end_seconds = video.span(start, end)
            if "rate" in arguments:
                arguments["fps"] = arguments.pop("rate")
            captions = find(start_seconds=start_seconds, end_seconds=end_seconds, **arguments)
        except VideoChatError as error:
            raise ToolException(failure(error)) from error
        return _content_and_artifact(captions, clock_range(start_seconds, end_seconds))

    return StructuredTool.from_function(
        call,
        name=name,
        description=description,
        args_schema=schema,
        response_format="content_and_artifact",
        handle_tool_error=True,
    )


class _OnDemand(Generic[_Tool]):
    """Runs one perception tool; captions before the last checkpoint are stored even if it fails later."""

    def __init__(
        self, tool: _Tool, video: Video, memory: Memory, at_rate: Callable[[_Tool, float], _Tool] | None
    ) -> None:
        self.tool, self.video, self.memory, self.at_rate = tool, video, memory, at_rate
        self._copy: tuple[float, _Tool] | None = None  # for the rate asked for last
        self._lock = threading.Lock()

    def __call__(self, start_seconds: float, end_seconds: float, fps: float | None = None) -> list[Caption]:
        if reason := self.tool.unfit(self.video):
            raise InvalidArgument(f"{self.tool.name} has nothing to do on {self.video.name!r}: {reason}.")
        found: list[Caption] = []
        held: list[Caption] = []
        # LangChain runs the tool calls of one message in parallel threads; a perception tool takes one range at a time.
        with self._lock:
            for item in self._tool_at(fps).run(self.video, start_seconds, end_seconds):
                if isinstance(item, Caption):
                    held.append(item)
                    continue
                self.memory.add(held)
                found += held
                held = []
        return found

    def _tool_at(self, fps: float | None) -> _Tool:
        if fps is None or self.at_rate is None:
            return self.tool
        if self._copy is None or self._copy[0] != fps:
            if self._copy is not None:
                self._copy[1].close()  # its model may be a second load of the same
            self._copy = (fps, self.at_rate(self.tool, fps))
        return self._copy[1]


def _content_and_artifact(captions: list[Caption], when: str) -> ContentAndArtifact:
    captions = sorted(captions, key=lambda caption: (caption.start_seconds, caption.end_seconds))
    if not captions:
        return f"Nothing was found in {when}.", []
    text = fenced("\n".join(str(caption) for caption in captions[:_MAX_LINES]))
    if len(captions) > _MAX_LINES:
        since = clock(captions[_MAX_LINES].start_seconds)
        text += f"\n({len(captions) - _MAX_LINES} more from {since} on; ask for that range next.)"
    return text, [caption.as_dict() for caption in captions]
