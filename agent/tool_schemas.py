"""Schemas of the tools: what the language model is told of each, and the arguments it may give, as pydantic models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from videochat.records import Kind

MOST_PICTURES = 16
"""What `frames` gives at once at most."""

Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
"""Seconds of the video, from 0 on."""
Text = Annotated[str, Field(max_length=2000)]
"""Words; more would fill the window of the model."""
VideoName = Annotated[
    str | None, Field(description="Name of the video, as browse gives it. Omit where there is only one.")
]


class _Arguments(BaseModel):
    model_config = ConfigDict(extra="forbid")


class BrowseInput(_Arguments):
    """Arguments of `browse`."""

    question: Text = Field("", description="What you want to know; omit for an overview.")
    video: VideoName = None


class SearchInput(_Arguments):
    """Arguments of `search`."""

    query: Text = Field(description="What to look for: the question itself, or the words of it that matter.")
    start: Seconds = Field(0.0, description="Only moments after this second of the video.")
    end: Seconds | None = Field(None, description="Only moments before this second; omit for the end.")
    kinds: list[Kind] | None = Field(
        None, description="Only what these senses noted, e.g. speech (what is said) or ocr (text on screen)."
    )
    videos: list[str] | None = Field(None, description="Only in these videos, by name; omit for all.")


class ReadInput(_Arguments):
    """Arguments of `read`."""

    start: Seconds = Field(description="First second to read.")
    end: Seconds = Field(description="Where to stop, in seconds.")
    video: VideoName = None


class LookInput(_Arguments):
    """Arguments of `look`."""

    start: Seconds = Field(description="First second to look at.")
    end: Seconds = Field(description="Where to stop, in seconds; at most two minutes after the start.")
    question: Text = Field("", description="What to find out; it decides which sense looks where no tool is named.")
    tool: str | None = Field(None, description="Name of the sense that looks, e.g. ocr, objects, captions.")
    rate: Annotated[float, Field(gt=0, le=60, allow_inf_nan=False)] | None = Field(
        None, description="Pictures per second; omit for four."
    )
    video: VideoName = None


class WatchClipInput(_Arguments):
    """Arguments of `watch_clip`."""

    question: Text = Field(min_length=1, description="What to find out, as a full question.")
    start: Seconds = Field(description="First second to watch.")
    end: Seconds = Field(description="Where to stop, in seconds; at most a minute is seen well.")
    video: VideoName = None


class FramesInput(_Arguments):
    """Arguments of `frames`."""

    start: Seconds = Field(description="First second.")
    end: Seconds = Field(description="Where to stop, in seconds.")
    n: int = Field(4, ge=1, le=MOST_PICTURES, description="How many pictures, evenly spread over the range.")
    video: VideoName = None


class FindFramesInput(_Arguments):
    """Arguments of `find_frames`."""

    what: Text = Field(min_length=1, description="What the picture shows, such as a red car.")
    start: Seconds = Field(0.0, description="Only moments after this second of the video.")
    end: Seconds | None = Field(None, description="Only moments before this second; omit for the end.")
    video: VideoName = None


class FindObjectsInput(_Arguments):
    """Arguments of `find_objects`."""

    what: Text = Field(min_length=1, description="A thing in words, such as a red car.")
    start: Seconds = Field(description="First second to look at.")
    end: Seconds = Field(description="Where to stop, in seconds; at most two minutes after the start.")
    video: VideoName = None


class CountInput(_Arguments):
    """Arguments of `count`."""

    what: Text = Field("", description="One sort of thing, such as car or person; omit for all.")
    start: Seconds = Field(0.0, description="Only what is seen after this second.")
    end: Seconds | None = Field(None, description="Only what is seen before this second; omit for the end.")
    video: VideoName = None


SCHEMAS: Mapping[str, type[BaseModel]] = {
    "browse": BrowseInput,
    "search": SearchInput,
    "read": ReadInput,
    "look": LookInput,
    "count": CountInput,
    "find_frames": FindFramesInput,
    "find_objects": FindObjectsInput,
    "watch_clip": WatchClipInput,
    "frames": FramesInput,
}
"""Arguments by name of the tool."""

DESCRIPTIONS: Mapping[str, str] = {
    "browse": (
        "Get an overview: what happens when, and who and what appears. Of several videos, their names and what "
        "each is about. Use it first for questions about the whole, and to find the part that matters."
    ),
    "search": (
        "Find moments that fit a question or some words: what was said, read on screen, seen or measured, "
        "each with its time and number."
    ),
    "read": (
        "Read everything noted within a range of seconds, in temporal order. Use it to confirm a moment, and "
        "to see what comes before or after it."
    ),
    "look": (
        "Look at a short range again, more closely than the first time, when what was noted does not settle "
        "the question. Senses that can look again: {senses}. What is seen is kept."
    ),
    "count": (
        "Count things that were followed through the video, each once: how many, when first and last seen. "
        "Use it for how many and how often."
    ),
    "find_frames": (
        "Find the moments whose pictures look most like some words, over the whole video, also of things that no note "
        "names. What it finds are candidates."
    ),
    "find_objects": (
        "Look through a short range for a thing described in words, and get when and where in the picture it is. "
        "Use it for things that no note names. It is slow."
    ),
    "watch_clip": (
        "Ask a model that watches moving pictures about a range: how something is done, in what order, or "
        "why. What it says is a claim and cannot be cited; it tells you where and for what to look. Best for up to a "
        "minute."
    ),
    "frames": "See pictures of a range with your own eyes. Use it to settle doubts.",
}
"""What the model is told of each tool; `{senses}` stands for the names of senses that can look again."""
