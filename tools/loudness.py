"""Loudness: how loud the sound is, as measurements that anyone can check."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from videochat.audio import SAMPLE_RATE, AudioBlock
from videochat.media import Video
from videochat.records import Caption, Kind
from videochat.tools.base import Needs, PerceptionTool, Settled

SILENT_DB = -60.0
"""What is not louder, in decibels of full scale (root mean square), counts as silence."""

_WINDOW_SECONDS = 2.0
_LEAST_DB, _QUIET_DB, _LOUD_DB = -100.0, -35.0, -18.0
# Windows that differ by no more than this are told as one, for at most so long.
_SAME_DB, _MOST_SECONDS = 3.0, 60.0


@dataclass
class _Run:
    """Sound that stays about as loud."""

    start_seconds: float
    end_seconds: float
    power: float
    """Sum of squares of its samples."""
    samples: int

    @property
    def level(self) -> float:
        """How loud it is, in decibels of full scale."""
        mean = self.power / max(self.samples, 1)
        return max(10 * math.log10(mean), _LEAST_DB) if mean > 0 else _LEAST_DB

    def goes_on_in(self, window: _Run) -> bool:
        """Whether the window after it is as loud."""
        same = _word(self.level) == _word(window.level)
        near = self.level < SILENT_DB or abs(self.level - window.level) <= _SAME_DB
        return same and near and window.end_seconds - self.start_seconds <= _MOST_SECONDS

    def take_in(self, window: _Run) -> None:
        """Add the window after it."""
        self.end_seconds, self.power = window.end_seconds, self.power + window.power
        self.samples += window.samples


class Loudness(PerceptionTool):
    """Root mean square of the sound in windows of two seconds; those that are equally loud are one caption."""

    name: ClassVar[str] = "loudness"
    kind: ClassVar[Kind] = "measure"
    sees: ClassVar[str] = "how loud the sound is, and where it is silent, exact to two seconds"
    needs: Needs = "sound"

    def usual_source(self) -> str:
        """Return what is measured, and the length of a window."""
        return f"loudness per {_WINDOW_SECONDS:g} s"

    def perceive(
        self, stream: Iterable[AudioBlock], video: Video, start_seconds: float, end_seconds: float
    ) -> Iterator[Caption | Settled]:
        """Yield one caption for windows of two seconds of the video's own time, as long as they are equally loud.

        Its attributes are the phrase `sound` and the number `loudness`, in decibels of full scale (root mean square).
        """
        run: _Run | None = None
        for window in _windows(stream, start_seconds, end_seconds):
            if run is not None and run.goes_on_in(window):
                run.take_in(window)
                continue
            if run is not None:
                yield self._caption(run, video)
                yield Settled(window.start_seconds)
            run = window
        if run is not None:
            yield self._caption(run, video)
        yield Settled(end_seconds)

    def _caption(self, run: _Run, video: Video) -> Caption:
        word, level = _word(run.level), round(run.level, 1)
        phrase = word if word == "silent" else f"{word} ({level:.0f} dB)"
        return Caption(
            video.id,
            run.start_seconds,
            run.end_seconds,
            self.kind,
            f"sound: {phrase}",
            self.source,
            attributes={"sound": phrase, "loudness": level},
        )


def _word(level: float) -> str:
    if level < SILENT_DB:
        return "silent"
    return "quiet" if level < _QUIET_DB else "loud" if level > _LOUD_DB else "moderate"


def _windows(stream: Iterable[AudioBlock], start_seconds: float, end_seconds: float) -> Iterator[_Run]:
    """Yield the sound in windows that begin at multiples of their length, the first and the last cut to the range."""
    size = round(_WINDOW_SECONDS * SAMPLE_RATE)
    at = round(start_seconds * SAMPLE_RATE)
    window = _Run(start_seconds, start_seconds, 0.0, 0)
    for block in stream:
        samples = block.samples
        while len(samples):
            part = samples[: size - at % size]
            samples, at = samples[len(part) :], at + len(part)
            window.power += float(np.square(part, dtype=np.float64).sum())
            window.samples += len(part)
            window.end_seconds = min(at / SAMPLE_RATE, end_seconds)
            if at % size == 0:
                yield window
                window = _Run(window.end_seconds, window.end_seconds, 0.0, 0)
    if window.end_seconds > window.start_seconds:
        yield window
