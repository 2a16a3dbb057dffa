"""The arguments of each tool, as pydantic models: what the language model is told it may give."""

from __future__ import annotations

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


class CountInput(_Arguments):
    """Arguments of `count`."""

    what: Text = Field("", description="One sort of thing, such as car or person; omit for all.")
    start: Seconds = Field(0.0, description="Only what is seen after this second.")
    end: Seconds | None = Field(None, description="Only what is seen before this second; omit for the end.")
    video: VideoName = None
