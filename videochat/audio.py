"""Sound of a video: blocks of 16 kHz mono samples, each with its second."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import ffmpeg
import numpy as np

from videochat.ffmpeg import running

SAMPLE_RATE = 16_000
"""Samples per second of all sound handed out."""


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


def decode_audio(
    source: Any, start: float, end: float, *, zero_seconds: float, block_seconds: float, name: str
) -> Iterator[AudioBlock]:
    """Yield the sound of a range in blocks; pauses in the recording come as silence, so times stay true.

    Args:
        source: audio stream of an ffmpeg-python input that keeps its timestamps.
        start: first second of the range.
        end: first second no longer.
        zero_seconds: timestamp from which seconds count.
        block_seconds: length of a block; the last may be shorter.
        name: of the file, for messages.

    Raises:
        MediaError: the sound cannot be decoded.
    """
    sound = (
        source.filter("aresample", SAMPLE_RATE)
        .filter("asetpts", f"PTS-({zero_seconds:.6f})/TB")
        .filter("atrim", start=f"{start:.6f}", end=f"{end:.6f}")
        .filter("aresample", **{"async": 1, "first_pts": round(start * SAMPLE_RATE)})
    )
    job = ffmpeg.output(sound, "pipe:", format="f32le", acodec="pcm_f32le", ac=1, ar=SAMPLE_RATE)
    seconds = start
    with running(job, name) as pipe:
        while data := pipe.read(round(block_seconds * SAMPLE_RATE) * 4):
            samples = np.frombuffer(data[: len(data) // 4 * 4], np.float32)
            yield AudioBlock(seconds, samples)
            seconds += len(samples) / SAMPLE_RATE
