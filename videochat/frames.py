"""Pictures and sound on their way from a video to whoever perceives them, each with its second."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from videochat.errors import InvalidArgument

SAMPLE_RATE = 16_000
"""Samples per second of all sound handed out."""


@dataclass(frozen=True)
class Frame:
    """One picture of a video."""

    seconds: float
    """When it was sampled, in seconds from the first picture."""
    image: np.ndarray = field(repr=False)
    """uint8 RGB array, shape (height, width, 3), upright."""
    duration_seconds: float = 0.0
    """How long the sample stands for: the sampling step, or the time until the next picture."""

    def __post_init__(self) -> None:
        if self.image.dtype != np.uint8 or self.image.ndim != 3 or self.image.shape[2] != 3:
            raise InvalidArgument(
                f"image must be uint8 of shape (height, width, 3), got {self.image.dtype} {self.image.shape}"
            )

    @property
    def end_seconds(self) -> float:
        """First moment the sample no longer stands for."""
        return self.seconds + self.duration_seconds


@dataclass(frozen=True)
class AudioBlock:
    """A stretch of mono sound."""

    seconds: float
    """When its first sample is heard, in seconds from the first picture."""
    samples: np.ndarray = field(repr=False)
    """float32 in [-1, 1], shape (n,), `SAMPLE_RATE` per second."""

    @property
    def end_seconds(self) -> float:
        """When the sample after the last would be heard."""
        return self.seconds + len(self.samples) / SAMPLE_RATE


@dataclass(frozen=True)
class Sampling:
    """Which pictures a consumer wants."""

    every_seconds: float | None = 1.0
    """The picture shown at 0, every, 2 x every ... seconds; None for every picture of the file."""
    max_side: int | None = None
    """Scale down so that the longer side has at most this many pixels; None keeps the source size."""
    min_change: float = 0.0
    """Leave out pictures that look like the last one given, which then stands for them too, for half a minute at
    most. The measure: the mean difference, in levels of 0-255, of the eighth-by-eighth part of the picture that
    changed most, seen at 32 x 32 pixels. 0 leaves out none; `every_seconds` must be given otherwise."""

    def __post_init__(self) -> None:
        if self.every_seconds is not None and not 0.001 <= self.every_seconds < math.inf:
            raise InvalidArgument(f"every_seconds must be at least 0.001, got {self.every_seconds!r}")
        if self.max_side is not None and self.max_side < 2:
            raise InvalidArgument(f"max_side must be at least 2 pixels, got {self.max_side!r}")
        if not 0 <= self.min_change <= 255 or (self.min_change and self.every_seconds is None):
            raise InvalidArgument(
                f"min_change must be 0-255, and 0 where every picture is wanted; got {self.min_change!r}"
            )


@dataclass(frozen=True)
class SubtitleTrack:
    """A text subtitle stream inside the file."""

    index: int
    """Stream index in the file."""
    language: str | None
    """ISO 639 code, where the file says it."""
    default: bool
    """Whether players show it without being asked."""
