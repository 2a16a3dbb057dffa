"""What the tests of senses have in common."""

import os
from typing import Any

import pytest
import torch

from videochat.devices import Device
from videochat.media import Video
from videochat.records import Caption
from videochat.tools import PerceptionTool, Settled

# Comparing batches with single pictures needs floats whose rounding does not show.
CPU = Device("cpu", torch.float32)

needs_cuda = pytest.mark.skipif(
    not torch.cuda.is_available() and os.environ.get("VIDEOCHAT_REQUIRE_CUDA") != "1",
    reason="no CUDA here; with VIDEOCHAT_REQUIRE_CUDA=1 its absence would be a failure",
)


def run(tool: PerceptionTool, video: Video, start: float = 0.0, end: float | None = None) -> list[Caption | Settled]:
    """Return all that a sense says about a range."""
    return list(tool.run(video, start, end))


def seen(tool: PerceptionTool, video: Video, *where: float) -> list[Caption]:
    """Return the captions of a range."""
    return captions_of(run(tool, video, *where))


def captions_of(items: list[Any]) -> list[Caption]:
    return [item for item in items if isinstance(item, Caption)]
