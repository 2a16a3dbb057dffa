"""Senses on demand: a LangChain tool that perceives a range of one video and keeps what it found."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from langchain_core.tools import BaseTool, StructuredTool, ToolException
from pydantic import BaseModel, Field

from videochat.errors import VideoChatError
from videochat.intervals import clock, clock_range
from videochat.media import Video
from videochat.records import Caption
from videochat.tools.base import PerceptionTool, at_rate, has_rate

# A language model gets this many lines; the artifact holds them all.
_TELL_AT_MOST = 80

Told = tuple[str, list[dict[str, Any]]]
"""Text for the model, and each caption as `Caption.as_dict()`."""


class Memory(Protocol):
    """Where what was perceived is kept, such as a `CaptionStore`."""

    def add(self, captions: Iterable[Caption]) -> int:
        """Store captions; return how many were new."""
        ...


class RangeInput(BaseModel):
    """What the agent gives."""

    start: float = Field(ge=0, description="first second of the range")
    end: float = Field(gt=0, description="end of the range in seconds")


class RateInput(RangeInput):
    """What the agent gives to a sense that samples pictures at a rate."""

    rate: float | None = Field(None, ge=0.001, le=1000, description="pictures a second; omit for the usual rate")


class ThingInput(RateInput):
    """What the agent gives to a search for a thing."""

    what: str = Field(min_length=1, description='the thing in a few words, such as "a red car"')


def sense_as_tool(sense: PerceptionTool, video: Video, memory: Memory) -> BaseTool:
    """Return a tool that runs a sense on a range; see `PerceptionTool.as_langchain_tool`."""
    return tool_of(
        _OnDemand(sense, video, memory),
        video,
        name=sense.name,
        description=f"Perceive a stretch of the video again, on its own: {sense.sees}. What is found is kept with its "
        "times. Use it when the stored captions do not tell; a minute or less is quick.",
        schema=RateInput if has_rate(sense) else RangeInput,
    )


def tool_of(
    find: Callable[..., list[Caption]], video: Video, *, name: str, description: str, schema: type[RangeInput]
) -> BaseTool:
    """Return a tool that tells the captions of a function; its errors go to the model, in a sentence.

    Args:
        find: takes `start_seconds`, `end_seconds` (never beyond the end of the video), `fps` where `schema` has a
            rate, and its other fields by name.
        video: what is looked at.
        name: of the tool.
        description: what it does and when to use it, for the model.
        schema: its arguments.
    """

    def call(start: float, end: float, **arguments: Any) -> Told:
        try:
            start_seconds, end_seconds = video.span(start, end)
            if "rate" in arguments:
                arguments["fps"] = arguments.pop("rate")
            captions = find(start_seconds=start_seconds, end_seconds=end_seconds, **arguments)
        except VideoChatError as error:
            raise ToolException(str(error)) from error
        return _told(captions, clock_range(start_seconds, end_seconds))

    return StructuredTool.from_function(
        call,
        name=name,
        description=description,
        args_schema=schema,
        response_format="content_and_artifact",
        handle_tool_error=True,
    )


class _OnDemand:
    """Runs one sense; what has settled is stored even if it fails later."""

    def __init__(self, sense: PerceptionTool, video: Video, memory: Memory) -> None:
        self.sense, self.video, self.memory = sense, video, memory
        self._at_rate: tuple[float, PerceptionTool] | None = None
        self._lock = threading.Lock()

    def __call__(self, start_seconds: float, end_seconds: float, fps: float | None = None) -> list[Caption]:
        if reason := self.sense.unfit(self.video):
            raise ToolException(f"{self.sense.name} has nothing to do on {self.video.name!r}: {reason}.")
        found: list[Caption] = []
        held: list[Caption] = []
        # Tool calls of one turn come in parallel threads, and a sense works on one range at a time.
        with self._lock:
            for item in self._looking(fps).run(self.video, start_seconds, end_seconds):
                if isinstance(item, Caption):
                    held.append(item)
                    continue
                self.memory.add(held)
                found += held
                held = []
        return found

    def _looking(self, fps: float | None) -> PerceptionTool:
        if fps is None:
            return self.sense
        if self._at_rate is None or self._at_rate[0] != fps:
            if self._at_rate is not None and self._at_rate[1] is not self.sense:
                self._at_rate[1].close()  # its model may be a second load of the same
            self._at_rate = (fps, at_rate(self.sense, fps))
        return self._at_rate[1]


def _told(captions: list[Caption], when: str) -> Told:
    captions = sorted(captions, key=lambda caption: (caption.start_seconds, caption.end_seconds))
    if not captions:
        return f"Nothing was found in {when}.", []
    lines = [str(caption) for caption in captions[:_TELL_AT_MOST]]
    if len(captions) > _TELL_AT_MOST:
        since = clock(captions[_TELL_AT_MOST].start_seconds)
        lines.append(f"({len(captions) - _TELL_AT_MOST} more from {since} on; ask for that range next.)")
    return "\n".join(lines), [caption.as_dict() for caption in captions]
