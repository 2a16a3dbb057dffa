"""What every test of a sense does: run it over a video as a watch would, from any second."""

import os
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from videochat.media import Frame, Sampling, Video
from videochat.records import Caption
from videochat.tools import PerceptionTool, Settled
from videochat.tools.device import Place

# Comparing batches with single pictures needs floats whose rounding does not show.
CPU = Place("cpu", torch.float32)

needs_cuda = pytest.mark.skipif(
    not torch.cuda.is_available() and os.environ.get("VIDEOCHAT_REQUIRE_CUDA") != "1",
    reason="no CUDA here; with VIDEOCHAT_REQUIRE_CUDA=1 its absence would be a failure",
)


def run(tool: PerceptionTool, video: Video, start: float = 0.0, end: float | None = None) -> list[Caption | Settled]:
    """Return all that a sense says about a range."""
    tool.prepare()
    start, end = video.span(start, end)
    return list(tool.perceive(frames_for(tool, video, start, end), video, start, end))


def frames_for(tool: PerceptionTool, video: Video, start: float, end: float) -> Iterator[Frame]:
    assert isinstance(tool.needs, Sampling)
    return video.frames(tool.needs.every_seconds, start, end, max_side=tool.needs.max_side)


def captions_of(items: list[Any]) -> list[Caption]:
    return [item for item in items if isinstance(item, Caption)]


def check_resume(tool: PerceptionTool, video: Video) -> int:
    """Start again at every mark: what came before it and what comes then must be what came in one go.

    Returns:
        At how many marks.
    """
    items = run(tool, video)
    whole = captions_of(items)
    marks = [(i, item.seconds) for i, item in enumerate(items) if isinstance(item, Settled)]
    assert marks[-1][1] == video.duration_seconds
    assert [seconds for _, seconds in marks] == sorted(seconds for _, seconds in marks)
    inner = [(i, seconds) for i, seconds in marks if seconds < video.duration_seconds - 1e-6]
    for i, seconds in inner:
        before = captions_of(items[:i])
        assert all(caption.start_seconds < seconds for caption in before)
        assert before + captions_of(run(tool, video, seconds)) == whole
    return len(inner)
