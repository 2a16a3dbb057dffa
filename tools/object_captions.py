"""Object captions: detections of picture after picture become one caption for each thing, in source pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from videochat.batches import Batcher, chunks
from videochat.frames import Frame
from videochat.media import Video
from videochat.records import Caption
from videochat.tools.colours import colour_of, shares_in_box
from videochat.tools.tracking import Sighting, Track, Tracker

MIN_SCORE_TO_STAY = 0.15
"""A sighting this unsure continues a thing that was there already, but starts none."""
LOST_SECONDS = 2.0
"""How long a thing may be out of sight and keep its number."""
MAX_SIDE = 960
"""Longer side, in pixels, of the pictures that detectors get."""

# How long a thing may go by another name and still be told in one piece.
_MOST_SECONDS_BETWEEN = 2 * LOST_SECONDS
# A name that a thing has in so many of the pictures in which it is seen is its own for as long as it moves on.
_OWN_NAME = 0.2
# The colour of a person is that of clothes.
_UNCOLOURED = frozenset({"person", "people", "man", "woman", "child", "boy", "girl"})
# A thing seen in one picture only is noise, unless the detector is this sure.
_SURE = 0.6


def detect_in_frames(
    detect: Callable[[Sequence[np.ndarray]], list[list[Sighting]]],
    stream: Iterable[Frame],
    video: Video,
    batcher: Batcher,
) -> Iterator[tuple[Frame, list[Sighting]]]:
    """Yield each picture with what is in it, boxes in source pixels.

    Args:
        detect: returns what is in each of a few pictures, boxes in their own pixels.
        stream: pictures, in order.
        video: where they come from.
        batcher: runs `detect` on as many pictures as fit into memory.
    """
    for frames in chunks(stream, batcher.size):
        found = batcher(lambda batch: detect([frame.image for frame in batch]), frames)
        for frame, sightings in zip(frames, found, strict=True):
            yield frame, _in_source_pixels(sightings, frame, video)


@dataclass
class _Piece:
    """A part of a thing's time under one label: since it was first seen, or since its last caption."""

    track: Track
    start_seconds: float
    end_seconds: float
    best: Sighting
    moving_since: float = 0.0
    """When it was first seen of the unbroken motion in which it got this label."""
    sightings: int = 0
    colours: dict[str, float] = field(default_factory=dict)
    """How much of it has each colour, summed over pictures."""

    def see(self, frame: Frame, sighting: Sighting, video: Video) -> None:
        """Take in a further sighting."""
        self.end_seconds = max(frame.end_seconds, frame.seconds + 0.001)
        self.sightings += 1
        if sighting.score > self.best.score:
            self.best = sighting
        height, width, _ = frame.image.shape
        full_width, full_height = video.size or (width, height)
        x, y = width / full_width, height / full_height
        x1, y1, x2, y2 = sighting.box
        for name, share in shares_in_box(frame.image, (x1 * x, y1 * y, x2 * x, y2 * y)).items():
            self.colours[name] = self.colours.get(name, 0.0) + share


class ObjectCaptions:
    """Turns the sightings of a video, picture by picture, into one caption for each thing.

    A thing that the detector calls by several names gets one for each, with the same `track_id`.

    Args:
        tracker: gives each thing its number.
        video: what the captions are about.
        source: of the captions.
    """

    def __init__(self, tracker: Tracker, video: Video, source: str) -> None:
        self.tracker, self.video, self.source = tracker, video, source
        self._pieces: dict[tuple[int, str], _Piece] = {}
        self._told_until = self._last_seen()
        self._ended: list[_Piece] = []

    def add(self, frame: Frame, sightings: list[Sighting]) -> None:
        """Take in the next picture and what is in it, boxes in source pixels."""
        for track, sighting in self.tracker.update(frame.seconds, sightings):
            key = track.track_id, sighting.label
            piece = self._pieces.get(key)
            if piece is not None and frame.seconds - piece.end_seconds > _MOST_SECONDS_BETWEEN:
                self._ended.append(piece)
                piece = None
            if piece is None:
                piece = self._pieces[key] = _Piece(track, frame.seconds, frame.seconds, sighting)
                # What moves on without a break is one thing, whatever it was called before.
                piece.moving_since = max(min(track.moving_since, frame.seconds), self._told_until)
            piece.see(frame, sighting, self.video)

    def take_lost(self, seconds: float) -> Iterator[Caption]:
        """Yield captions of things that have been out of sight too long at `seconds`."""
        lost = {track.track_id for track in self.tracker.drop_lost(seconds)}
        # It may not have been seen since its last caption.
        for key in [key for key in self._pieces if key[0] in lost]:
            self._ended.append(self._pieces.pop(key))
        yield from self._take(self._ended)
        self._ended = []

    def take_all(self) -> Iterator[Caption]:
        """Yield captions of all that was seen since the last ones; what stays in sight keeps its number."""
        yield from self._take([*self._ended, *self._pieces.values()])
        self._told_until = self._last_seen()
        self._ended, self._pieces = [], {}

    def _last_seen(self) -> float:
        return max((track.seen_seconds for track in self.tracker.tracks), default=0.0)

    def _take(self, pieces: list[_Piece]) -> Iterator[Caption]:
        for piece in pieces:
            best = piece.best
            # What was never called so for sure is another name of something else.
            if best.score >= self.tracker.min_score and (piece.sightings > 1 or best.score >= _SURE):
                own = piece.sightings >= _OWN_NAME * piece.track.sightings
                colour = "" if best.label in _UNCOLOURED else colour_of(piece.colours)
                yield Caption(
                    self.video.id,
                    piece.moving_since if own else piece.start_seconds,
                    piece.end_seconds,
                    "objects",
                    best.label,
                    self.source,
                    score=round(min(best.score, 1.0), 3),
                    box=best.box,
                    track_id=piece.track.track_id,
                    attributes={"colour": colour} if colour else {},
                )


def _in_source_pixels(sightings: list[Sighting], frame: Frame, video: Video) -> list[Sighting]:
    """Scale boxes from the sampled picture to the source, to whole pixels inside it; drop what has no area."""
    height, width, _ = frame.image.shape
    full_width, full_height = video.size or (width, height)
    result = []
    for sighting in sightings:
        x1, x2 = (float(round(min(max(x / width, 0), 1) * full_width)) for x in sighting.box[::2])
        y1, y2 = (float(round(min(max(y / height, 0), 1) * full_height)) for y in sighting.box[1::2])
        if x1 < x2 and y1 < y2:
            result.append(Sighting(sighting.label, sighting.score, (x1, y1, x2, y2)))
    return result
