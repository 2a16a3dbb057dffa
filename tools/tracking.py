"""Tracking: things followed from picture to picture, so that each has one number and is counted once.

The idea is ByteTrack's (Zhang et al., 2022): sure sightings are matched first, then unsure ones keep alive what
was there already, but start nothing. Motion is in pixels per second, so the pictures may come at any rate.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np

Box = tuple[float, float, float, float]
"""(x1, y1, x2, y2) in pixels, x1 < x2 and y1 < y2."""

# Boxes grow by this share of their size on every side before they are compared: between two pictures half a
# second apart a dancer leaves her own box.
_GROWTH = 0.3
_MIN_OVERLAP = 0.15
# Two boxes of one thing in one picture.
_TWICE = 0.7
# Nothing is extrapolated further than this: things that hide mostly stay where they hid.
_MAX_GLIDE_SECONDS = 1.0
# Room for this many new things in one picture before two numbers could meet.
_PLACES = 1000


@dataclass(frozen=True)
class Sighting:
    """One thing in one picture."""

    label: str
    """What the detector calls it."""
    score: float
    """How sure the detector is, in [0, 1]."""
    box: Box
    """Where it is."""


@dataclass
class Track:
    """One thing over time."""

    track_id: int
    """The number of the picture it was first seen in, times 1000, plus its place among the new ones."""
    label: str
    """What the detector calls it."""
    box: Box
    """Where it was seen last."""
    speed: tuple[float, float]
    """Of its centre, (x, y) in pixels per second."""
    seen_seconds: float
    """When it was seen last."""
    sightings: int = 1
    """In how many pictures it was seen."""

    def expected_at(self, seconds: float) -> Box:
        """Return where it should be, if it goes on as it did."""
        glide = min(seconds - self.seen_seconds, _MAX_GLIDE_SECONDS)
        dx, dy = self.speed[0] * glide, self.speed[1] * glide
        x1, y1, x2, y2 = self.box
        return x1 + dx, y1 + dy, x2 + dx, y2 + dy

    def see(self, seconds: float, box: Box) -> None:
        """Take in a further sighting."""
        passed = max(seconds - self.seen_seconds, 1e-3)
        old, new = _centre(self.box), _centre(box)
        moved = [(b - a) / passed for a, b in zip(old, new, strict=True)]
        self.speed = (0.5 * (self.speed[0] + moved[0]), 0.5 * (self.speed[1] + moved[1]))
        self.box, self.seen_seconds = box, seconds
        self.sightings += 1


class Tracker:
    """Gives every thing one number for as long as it is seen at least every `lost_seconds`.

    Args:
        every_seconds: step of the pictures; numbers count in it.
        min_score: what a sighting needs to start a track; less only continues one.
        lost_seconds: how long a thing may hide and still be itself.
        state: what was being followed, as `state()` of another tracker returned it.
    """

    def __init__(self, every_seconds: float, min_score: float, lost_seconds: float, state: str = "[]") -> None:
        self.every_seconds, self.min_score, self.lost_seconds = every_seconds, min_score, lost_seconds
        self.tracks: list[Track] = []
        for row in json.loads(state):
            row["box"], row["speed"] = tuple(row["box"]), tuple(row["speed"])
            self.tracks.append(Track(**row))

    def state(self) -> str:
        """Return all that is needed to go on in another process, as JSON."""
        return json.dumps([asdict(track) for track in self.tracks])

    def drop_lost(self, seconds: float) -> list[Track]:
        """Forget, and return, what has not been seen for `lost_seconds` before the picture at `seconds`."""
        lost = [track for track in self.tracks if seconds - track.seen_seconds > self.lost_seconds]
        self.tracks = [track for track in self.tracks if seconds - track.seen_seconds <= self.lost_seconds]
        return lost

    def update(self, seconds: float, sightings: Iterable[Sighting]) -> list[tuple[Track, Sighting]]:
        """Take in one picture and return what was seen in it, with the track that each belongs to."""
        everything = sorted(sightings, key=lambda sighting: -sighting.score)
        sure = [sighting for sighting in everything if sighting.score >= self.min_score]
        unsure = [sighting for sighting in everything if sighting.score < self.min_score]
        pairs = self._match(seconds, self.tracks, sure)
        met = {id(track) for track, _ in pairs}
        pairs += self._match(seconds, [track for track in self.tracks if id(track) not in met], unsure)
        for track, sighting in pairs:
            track.see(seconds, sighting.box)
        taken = {id(sighting) for _, sighting in pairs}
        first_id = round(seconds / self.every_seconds) * _PLACES
        for sighting in sure:
            if id(sighting) in taken or any(_same_thing(sighting, other) for _, other in pairs):
                continue
            place = sum(track.track_id >= first_id for track in self.tracks)
            track = Track(first_id + place, sighting.label, sighting.box, (0.0, 0.0), seconds)
            self.tracks.append(track)
            pairs.append((track, sighting))
        return pairs

    def _match(
        self, seconds: float, tracks: Sequence[Track], sightings: Sequence[Sighting]
    ) -> list[tuple[Track, Sighting]]:
        from scipy.optimize import linear_sum_assignment

        if not tracks or not sightings:
            return []
        expected = _grown(np.array([track.expected_at(seconds) for track in tracks]))
        overlap = overlaps(expected, _grown(np.array([sighting.box for sighting in sightings])))
        alike = np.array([[track.label == sighting.label for sighting in sightings] for track in tracks])
        # What may not meet must not tempt the assignment either.
        overlap[~alike | (overlap < _MIN_OVERLAP)] = 0.0
        rows, columns = linear_sum_assignment(overlap, maximize=True)
        return [(tracks[i], sightings[j]) for i, j in zip(rows, columns, strict=True) if overlap[i, j] > 0]


def overlaps(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return intersection over union of every box with every other.

    Args:
        boxes: shape (n, 4), x1, y1, x2, y2.
        others: shape (m, 4).

    Returns:
        float in [0, 1], shape (n, m).
    """
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=2)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)[:, None] + (others[:, 2:] - others[:, :2]).prod(axis=1)
    union: np.ndarray = areas - shared
    ratio: np.ndarray = shared / np.maximum(union, 1e-9)
    return ratio


def _grown(boxes: np.ndarray) -> np.ndarray:
    size = boxes[:, 2:] - boxes[:, :2]
    return np.hstack([boxes[:, :2] - _GROWTH * size, boxes[:, 2:] + _GROWTH * size])


def _centre(box: Box) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def _same_thing(one: Sighting, other: Sighting) -> bool:
    if one.label != other.label:
        return False
    return bool(overlaps(np.array([one.box]), np.array([other.box]))[0, 0] >= _TWICE)
