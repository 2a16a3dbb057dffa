"""Perception tools: each turns frames, sound or subtitles into timestamped captions."""

from videochat.tools.base import Needs, PerceptionTool, Settled, at_rate
from videochat.tools.clip_models import VideoModel
from videochat.tools.presets import (
    DEFAULT_PRESET,
    PRESETS,
    TOOLS,
    Preset,
    best_present,
    make_refiner,
    make_tool,
    make_tools,
    tool_class,
)

__all__ = [
    "DEFAULT_PRESET",
    "PRESETS",
    "TOOLS",
    "Needs",
    "PerceptionTool",
    "Preset",
    "Settled",
    "VideoModel",
    "at_rate",
    "best_present",
    "make_refiner",
    "make_tool",
    "make_tools",
    "tool_class",
]
