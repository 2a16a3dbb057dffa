"""Tracking: things followed from picture to picture, so that each has one number and is counted once.

The idea is ByteTrack's (Zhang et al., 2022): sure sightings are matched first, then unsure ones keep alive what
was there already, but start nothing. Motion is in pixels per second, so the pictures may come at any rate. Detectors
change their mind (a car seen from above is a phone for a second), so a thing may have several labels: what stands
where a thing was is that thing, whatever it is called, unless something of the right label is there too.
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
# How much (of the boxes as they are) a sighting with another label must overlap a thing to be that thing, and how long
# ago it may have been seen: what comes later to the place of something else is another.
_MIN_OVERLAP_RENAMED, _RENAMED_SECONDS = 0.4, 1.0
# A second thing of one sort that lies so much within the first, or the first within it, must be so sure.
_NESTED, _SURE_OF_ANOTHER = 0.9, 0.6
# A thing has moved on if its middle did by this share of its longer side.
_MOVED = 0.1
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


_Place = list[Sighting]


@dataclass
class Track:
    """One thing over time."""

    track_id: int
    """The number of the picture it was first seen in, times 1000, plus its place among the new ones."""
    labels: list[str]
    """What the detector has called it, in the order in which it first did."""
    box: Box
    """Where it was seen last."""
    speed: tuple[float, float]
    """Of its centre, (x, y) in pixels per second."""
    seen_seconds: float
    """When it was seen last."""
    moving_since: float
    """Since when it has moved on between any two sightings; when it was seen last, if it then stood where it was."""
    sightings: int = 1
    """In how many pictures it was seen, by whatever name."""

    def expected_at(self, seconds: float) -> Box:
        """Return where it should be, if it goes on as it did."""
        glide = min(seconds - self.seen_seconds, _MAX_GLIDE_SECONDS)
        dx, dy = self.speed[0] * glide, self.speed[1] * glide
        x1, y1, x2, y2 = self.box
        return x1 + dx, y1 + dy, x2 + dx, y2 + dy

    def see(self, seconds: float, box: Box) -> None:
        """Take in where it is seen in a further picture."""
        passed = max(seconds - self.seen_seconds, 1e-3)
        old, new = _centre(self.box), _centre(box)
        moved = [(b - a) / passed for a, b in zip(old, new, strict=True)]
        self.speed = (0.5 * (self.speed[0] + moved[0]), 0.5 * (self.speed[1] + moved[1]))
        size = max(box[2] - box[0], box[3] - box[1])
        if max(abs(value) for value in moved) * passed < _MOVED * size:
            self.moving_since = seconds
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
        """Take in one picture and return what was seen in it, with the track that each belongs to.

        A track comes once for each label that the detector gives it in this picture.
        """
        groups = _by_place(sightings, self.min_score)
        sure = [group for group in groups if group[0].score >= self.min_score]
        unsure = [group for group in groups if group[0].score < self.min_score]
        pairs = self._match(seconds, sure, [])
        pairs += self._match(seconds, unsure, pairs)
        pairs += self._match(seconds, sure, pairs, renamed=True)
        for track, group in pairs:
            track.see(seconds, group[0].box)
            track.labels += [s.label for s in group if s.label not in track.labels]
        taken = {id(group) for _, group in pairs}
        first_id = round(seconds / self.every_seconds) * _PLACES
        for group in sure:
            if id(group) in taken:
                continue
            label = group[0].label
            there = [(track, other[0].label) for track, other in pairs if _share_place(group[0], other[0])]
            if any(label == other for _, other in there) or self._is_part(group[0], pairs):
                continue
            if known := [track for track, _ in there if label in track.labels]:
                pairs.append((known[0], group))
                continue
            place = sum(track.track_id >= first_id for track in self.tracks)
            track = Track(first_id + place, [s.label for s in group], group[0].box, (0.0, 0.0), seconds, seconds)
            self.tracks.append(track)
            pairs.append((track, group))
        return [(track, sighting) for track, group in pairs for sighting in group]

    def _is_part(self, sighting: Sighting, pairs: Sequence[tuple[Track, _Place]]) -> bool:
        """Whether it may be a part of what is there, or the whole of which that is a part: a hand, and whose it is."""
        same = [s.box for _, place in pairs for s in place if s.label == sighting.label]
        return sighting.score < _SURE_OF_ANOTHER and any(_inside(box, sighting.box) >= _NESTED for box in same)

    def _match(
        self,
        seconds: float,
        groups: Sequence[_Place],
        before: Sequence[tuple[Track, _Place]],
        *,
        renamed: bool = False,
    ) -> list[tuple[Track, _Place]]:
        """Return which of the tracks and places that were not matched before belong together, by label or place."""
        from scipy.optimize import linear_sum_assignment

        met, taken = {id(track) for track, _ in before}, {id(group) for _, group in before}
        tracks = [track for track in self.tracks if id(track) not in met]
        if renamed:
            tracks = [track for track in tracks if seconds - track.seen_seconds <= _RENAMED_SECONDS]
        groups = [group for group in groups if id(group) not in taken]
        if not tracks or not groups:
            return []
        expected = np.array([track.expected_at(seconds) for track in tracks])
        seen = np.array([group[0].box for group in groups])
        if renamed:
            overlap = np.maximum(overlaps(expected, seen), overlaps(np.array([track.box for track in tracks]), seen))
            overlap[overlap < _MIN_OVERLAP_RENAMED] = 0.0
        else:
            overlap = overlaps(_grown(expected), _grown(seen))
            alike = np.array([[any(s.label in track.labels for s in group) for group in groups] for track in tracks])
            # What may not meet must not tempt the assignment either.
            overlap[~alike | (overlap < _MIN_OVERLAP)] = 0.0
        rows, columns = linear_sum_assignment(overlap, maximize=True)
        return [(tracks[i], groups[j]) for i, j in zip(rows, columns, strict=True) if overlap[i, j] > 0]


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


def _by_place(sightings: Iterable[Sighting], min_score: float) -> list[_Place]:
    """Return the sightings of one picture by place, surest first; an unsure one is another name of what is there."""
    places: list[_Place] = []
    for sighting in sorted(sightings, key=lambda sighting: -sighting.score):
        there = [p for p in places if _share_place(p[0], sighting) and all(sighting.label != o.label for o in p)]
        if there and sighting.score < min_score:
            there[0].append(sighting)
        else:
            places.append([sighting])
    return places


def _grown(boxes: np.ndarray) -> np.ndarray:
    size = boxes[:, 2:] - boxes[:, :2]
    return np.hstack([boxes[:, :2] - _GROWTH * size, boxes[:, 2:] + _GROWTH * size])


def _centre(box: Box) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def _shared(one: Box, other: Box) -> float:
    """Return the area that two boxes share. One pair at a time NumPy is fifty times slower."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return max(width, 0.0) * max(height, 0.0)


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _inside(one: Box, other: Box) -> float:
    """Return how much of the smaller of two boxes lies in the other."""
    return _shared(one, other) / max(min(_area(one), _area(other)), 1e-9)


def _share_place(one: Sighting, other: Sighting) -> bool:
    shared = _shared(one.box, other.box)
    return shared >= _TWICE * max(_area(one.box) + _area(other.box) - shared, 1e-9)
