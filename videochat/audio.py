"""Sound of a video: blocks of 16 kHz mono samples, each with its second."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import av
import numpy as np
from av.error import FFmpegError

from videochat.decoding import Track, decoded_from
from videochat.errors import MediaError

SAMPLE_RATE = 16_000
"""Samples per second of all sound handed out."""

# Sound whose time is off by more than this from where the samples so far end is a pause, or overlaps them.
_DRIFT_SECONDS = 0.1
# What comes after a longer pause is not read: filling it with silence would take for ever.
LONGEST_PAUSE_SECONDS = 86_400.0
"""Where a file has no sound for longer, reading ends before it."""


@dataclass(frozen=True)
class AudioBlock:
    """A stretch of mono sound."""

    seconds: float
    """When its first sample is heard, in seconds from where a player starts to count."""
    samples: np.ndarray = field(repr=False)
    """float32 in [-1, 1], shape (n,), `SAMPLE_RATE` per second."""

    @property
    def end_seconds(self) -> float:
        """When the sample after the last would be heard."""
        return self.seconds + len(self.samples) / SAMPLE_RATE


def decode_audio(track: Track, start: float, end: float, *, block_seconds: float, name: str) -> Iterator[AudioBlock]:
    """Yield the sound of a range in blocks; pauses in the recording come as silence, so times stay true.

    A pause of more than `LONGEST_PAUSE_SECONDS` ends the reading.

    Args:
        track: the stream of sound.
        start: first second of the range.
        end: first second no longer.
        block_seconds: length of a block; the last may be shorter.
        name: of the file, for messages.

    Raises:
        MediaError: none of the sound can be decoded.
    """
    count = max(round(block_seconds * SAMPLE_RATE), 1)
    first = position = round(start * SAMPLE_RATE)
    stop = round(end * SAMPLE_RATE)
    held: list[np.ndarray] = []
    size = 0
    for at, samples in _pieces(track, start, name):
        if at - position > LONGEST_PAUSE_SECONDS * SAMPLE_RATE:
            break
        while position < min(at, stop):
            silence = np.zeros(min(min(at, stop) - position, count), np.float32)
            held.append(silence)
            size, position = size + len(silence), position + len(silence)
            while size >= count:
                block, held, size = _split(held, count)
                yield AudioBlock(first / SAMPLE_RATE, block)
                first += count
        new = samples[max(position - at, 0) : max(stop - at, 0)]
        held.append(new)
        size, position = size + len(new), position + len(new)
        while size >= count:
            block, held, size = _split(held, count)
            yield AudioBlock(first / SAMPLE_RATE, block)
            first += count
        if position >= stop:
            break
    if size:
        yield AudioBlock(first / SAMPLE_RATE, np.concatenate(held))


def _split(held: list[np.ndarray], count: int) -> tuple[np.ndarray, list[np.ndarray], int]:
    whole = np.concatenate(held)
    return whole[:count], [whole[count:]], len(whole) - count


def _pieces(track: Track, start: float, name: str) -> Iterator[tuple[int, np.ndarray]]:
    """Yield resampled sound, as (number of its first sample since second 0, samples)."""
    resampler: Any = None
    came = False
    form: tuple[Any, ...] = ()
    at, begun, heard = 0, 0.0, 0.0  # next sample; where this run of sound began, and how much of it was decoded
    for item in decoded_from(track, start):
        came = True
        frame = item.frame
        new_form = (frame.format.name, frame.layout.name, frame.sample_rate)
        if resampler is None or new_form != form or abs(begun + heard - item.seconds) > _DRIFT_SECONDS:
            if resampler is not None:
                yield at, _samples(resampler, None)
            # Half a second at once: the packets of most codecs hold a fiftieth.
            resampler = av.AudioResampler("flt", "mono", SAMPLE_RATE, SAMPLE_RATE // 2)
            form, begun, heard = new_form, item.seconds, 0.0
            at = round(begun * SAMPLE_RATE)
        frame.pts = None
        samples = _samples(resampler, frame)
        heard += item.length_seconds
        yield at, samples
        at += len(samples)
    if resampler is not None:
        yield at, _samples(resampler, None)
    if not came and next(decoded_from(track, 0.0), None) is None:
        raise MediaError(f"The sound of {name!r} cannot be decoded. Play it elsewhere to check it, or re-encode it.")


def _samples(resampler: Any, frame: Any) -> np.ndarray:
    try:
        parts = [part.to_ndarray()[0] for part in resampler.resample(frame)]
    except (FFmpegError, ValueError):
        parts = []  # the last of a run that was empty
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)
