"""Loudness: how loud the sound is, as measurements that anyone can check."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from videochat.audio import SAMPLE_RATE, AudioBlock
from videochat.media import Video
from videochat.records import Caption, Kind
from videochat.tools.base import Needs, PerceptionTool, Settled

SILENT_DB = -60.0
"""What is not louder, in decibels of full scale (root mean square), counts as silence."""

MOMENT_SECONDS = 0.5
"""Length of the stretches of which the loudest and the quietest are told."""

_WINDOW_SECONDS = 2.0
_LEAST_DB, _QUIET_DB, _LOUD_DB = -100.0, -35.0, -18.0
# Windows that differ by no more than this are told as one, for at most so long.
_SAME_DB, _MOST_SECONDS = 3.0, 60.0


@dataclass(frozen=True)
class _Moment:
    """A short stretch of sound within a run."""

    start_seconds: float
    level: float


@dataclass
class _Run:
    """Sound that stays about as loud."""

    start_seconds: float
    end_seconds: float
    power: float
    """Sum of squares of its samples."""
    samples: int
    moments: list[_Moment] = field(default_factory=list)
    """Its quietest and its loudest half second, or all of a window that is not complete."""

    @property
    def level(self) -> float:
        """How loud it is, in decibels of full scale."""
        return _level(self.power, self.samples)

    @property
    def extremes(self) -> tuple[_Moment, _Moment]:
        """Its quietest and its loudest half second, the first of several."""
        return min(self.moments, key=lambda m: m.level), max(self.moments, key=lambda m: m.level)

    def goes_on_in(self, window: _Run) -> bool:
        """Whether the window after it is as loud."""
        same = _word(self.level) == _word(window.level)
        near = self.level < SILENT_DB or abs(self.level - window.level) <= _SAME_DB
        return same and near and window.end_seconds - self.start_seconds <= _MOST_SECONDS

    def take_in(self, window: _Run) -> None:
        """Add the window after it."""
        self.end_seconds, self.power = window.end_seconds, self.power + window.power
        self.samples += window.samples
        self.moments = list(_Run(0.0, 0.0, 0.0, 0, self.moments + window.moments).extremes)


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

        Its attributes are the phrase `sound` and the number `loudness`, in decibels of full scale (root mean square);
        and of its loudest and its quietest half second the level and when it begins: `loudest`, `loudest_seconds`,
        `quietest`, `quietest_seconds`.
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
        quietest, loudest = run.extremes
        phrase = word if word == "silent" else f"{word} ({level:.0f} dB)"
        return Caption(
            video.id,
            run.start_seconds,
            run.end_seconds,
            self.kind,
            f"sound: {phrase}",
            self.source,
            attributes={
                "sound": phrase,
                "loudness": level,
                "loudest": loudest.level,
                "loudest_seconds": loudest.start_seconds,
                "quietest": quietest.level,
                "quietest_seconds": quietest.start_seconds,
            },
        )


def _level(power: float, samples: int) -> float:
    mean = power / max(samples, 1)
    return max(10 * math.log10(mean), _LEAST_DB) if mean > 0 else _LEAST_DB


def _word(level: float) -> str:
    if level < SILENT_DB:
        return "silent"
    return "quiet" if level < _QUIET_DB else "loud" if level > _LOUD_DB else "moderate"


def _windows(stream: Iterable[AudioBlock], start_seconds: float, end_seconds: float) -> Iterator[_Run]:
    """Yield the sound in windows that begin at multiples of their length, the first and the last cut to the range."""
    size, moment = round(_WINDOW_SECONDS * SAMPLE_RATE), round(MOMENT_SECONDS * SAMPLE_RATE)
    at = round(start_seconds * SAMPLE_RATE)
    window, begun, power, samples = _Run(start_seconds, start_seconds, 0.0, 0), at, 0.0, 0

    def close() -> None:
        nonlocal power, samples, begun
        if samples:
            window.moments.append(_Moment(begun / SAMPLE_RATE, round(_level(power, samples), 1)))
            window.power, window.samples = window.power + power, window.samples + samples
            window.end_seconds = min(at / SAMPLE_RATE, end_seconds)
        power, samples, begun = 0.0, 0, at

    for block in stream:
        rest = block.samples
        while len(rest):
            part = rest[: moment - at % moment]
            rest, at = rest[len(part) :], at + len(part)
            power, samples = power + float(np.square(part, dtype=np.float64).sum()), samples + len(part)
            if at % moment == 0:
                close()
            if at % size == 0:
                yield window
                window = _Run(window.end_seconds, window.end_seconds, 0.0, 0)
    close()
    if window.end_seconds > window.start_seconds:
        yield window
