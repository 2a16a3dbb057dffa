"""Shots and key moments: where the picture is cut, and where it changes suddenly within a shot."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from statistics import median
from typing import ClassVar

import numpy as np

from videochat.frames import Frame, Sampling
from videochat.media import Video
from videochat.records import AttributeValue, Caption, Kind
from videochat.tools.base import Needs, PerceptionTool, Settled

USUAL_THRESHOLD = 27.0
"""Mean change of hue, saturation and lightness between two pictures that is a cut."""

_MIN_SHOT_SECONDS = 0.5
_HOLE_SECONDS = 0.5
_FLICKER_SECONDS = 0.1
# A shot that goes on gets captions piece by piece, so that a lecture of an hour is not silent until its end.
_MAX_PIECE_SECONDS = 120.0
# A sudden change stands this far above what is usual in the shot, and well above coding noise.
_SUDDEN_RATIO = 5.0
_SUDDEN_SCORE = 9.0


class ShotDetector(PerceptionTool):
    """PySceneDetect's content detector over every picture, so a cut is exact to the picture.

    Args:
        threshold: mean change of hue, saturation and lightness (0-255) between two pictures that is a cut.
    """

    name: ClassVar[str] = "shots"
    kind: ClassVar[Kind] = "shot"
    sees: ClassVar[str] = "cuts between shots and sudden changes within a shot, exact to the picture"
    follows_motion: ClassVar[bool] = True

    def __init__(self, threshold: float = USUAL_THRESHOLD) -> None:
        self.threshold = threshold
        self.needs: Needs = Sampling(every_seconds=None, max_side=256)

    def usual_source(self) -> str:
        """Return the detector and its threshold."""
        return f"scenedetect-content-{self.threshold:g}"

    def version(self, video: Video) -> str:
        """Return the detector, and that its captions say by `event` what they are."""
        return f"{self.source} with attributes"

    def perceive(
        self, stream: Iterable[Frame], video: Video, start_seconds: float, end_seconds: float
    ) -> Iterator[Caption | Settled]:
        """Yield one caption a shot, and one for each sudden change inside it.

        The attribute `event` is `shot` or `sudden_change`; a part of a shot that goes on also has `continues`.
        """
        shot: _Shot | None = None
        ended: tuple[_Shot, bool] | None = None  # told when the one after it turns out to be more than a flicker
        for frame in stream:
            if shot is not None and frame.seconds > shot.end_seconds + _HOLE_SECONDS:
                # Nothing of what lies between can be seen.
                yield from self._last(ended, shot, video)
                yield Settled(frame.seconds)
                shot = ended = None
            if shot is None:
                shot = _Shot(frame, self.threshold)
                continue
            is_cut = shot.add(frame)
            if ended is not None and shot.length_seconds >= _FLICKER_SECONDS:
                yield from self._captions(ended[0], video, shot.start_seconds, goes_on=ended[1])
                yield Settled(shot.start_seconds)
                ended = None
            if is_cut or frame.seconds - shot.start_seconds >= _MAX_PIECE_SECONDS:
                ended, shot = (shot, not is_cut), _Shot(frame, self.threshold)
        if shot is not None:
            yield from self._last(ended, shot, video)
        yield Settled(end_seconds)

    def _last(self, ended: tuple[_Shot, bool] | None, shot: _Shot, video: Video) -> Iterator[Caption]:
        """Yield the last two shots; a last one that is no more than a flicker belongs to the one before."""
        if ended is not None and shot.length_seconds < _FLICKER_SECONDS:
            yield from self._captions(ended[0], video, shot.end_seconds, goes_on=False)
            return
        if ended is not None:
            yield from self._captions(ended[0], video, shot.start_seconds, goes_on=ended[1])
        yield from self._captions(shot, video, shot.end_seconds, goes_on=False)

    def _captions(self, shot: _Shot, video: Video, end_seconds: float, *, goes_on: bool) -> Iterator[Caption]:
        seconds = end_seconds - shot.start_seconds
        length = f"{seconds:.1f} s" if seconds >= _FLICKER_SECONDS else f"{seconds:.3f} s"
        text = f"{length} of one shot, which goes on" if goes_on else f"one shot of {length}"
        facts: dict[str, AttributeValue] = {"event": "shot"}
        if goes_on:
            facts["continues"] = True
        yield Caption(video.id, shot.start_seconds, end_seconds, self.kind, text, self.source, attributes=facts)
        for moment, duration_seconds in shot.sudden_changes():
            text = "the picture changes suddenly within the shot"
            yield Caption(
                video.id,
                moment,
                moment + duration_seconds,
                self.kind,
                text,
                self.source,
                attributes={"event": "sudden_change"},
            )


class CutDetector:
    """Tells whether a picture begins a new shot; a fresh one for every shot, so that a resumed watch sees the same.

    Args:
        threshold: see `ShotDetector`.
    """

    def __init__(self, threshold: float = USUAL_THRESHOLD) -> None:
        from scenedetect import ContentDetector, FrameTimecode
        from scenedetect.detector import FlashFilter

        self._timecode = FrameTimecode
        self._detector = ContentDetector(
            threshold=threshold, min_scene_len=_MIN_SHOT_SECONDS, filter_mode=FlashFilter.Mode.SUPPRESS
        )
        self.change = 0.0
        """How much the last picture differs from the one before, 0-255."""

    def add(self, frame: Frame) -> bool:
        """Take the next picture; return whether it begins a new shot."""
        moment = self._timecode(float(frame.seconds), fps=1000.0)
        cuts = self._detector.process_frame(moment, np.ascontiguousarray(frame.image[:, :, ::-1]))
        self.change = float(self._detector._frame_score or 0.0)
        return bool(cuts)


class _Shot:
    """The pictures since the last cut."""

    def __init__(self, first: Frame, threshold: float) -> None:
        self._detector = CutDetector(threshold)
        self.start_seconds = first.seconds
        self._scores: list[tuple[float, float]] = []  # (seconds, change against the picture before)
        self.add(first)

    def add(self, frame: Frame) -> bool:
        """Take the next picture; return whether it begins a new shot."""
        self.end_seconds = max(frame.end_seconds, frame.seconds + 0.001)
        is_cut = self._detector.add(frame)
        self._scores.append((frame.seconds, self._detector.change))
        return is_cut

    @property
    def length_seconds(self) -> float:
        """How long it has lasted."""
        return self.end_seconds - self.start_seconds

    def sudden_changes(self) -> list[tuple[float, float]]:
        """Return (seconds, duration) of changes far above the usual, at most one a second."""
        # Right after a cut the picture may still settle (fades, flashes), and the last one is the next cut.
        inner = [(t, score) for t, score in self._scores[:-1] if t - self.start_seconds >= _MIN_SHOT_SECONDS]
        if not inner:
            return []
        limit = max(_SUDDEN_SCORE, _SUDDEN_RATIO * median(score for _, score in inner))
        found: list[tuple[float, float]] = []
        for seconds, score in inner:
            if score >= limit and (not found or seconds - found[-1][0] >= 1.0):
                found.append((seconds, 0.5))
        return found
