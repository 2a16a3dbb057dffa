"""Object captions: detections of picture after picture become one caption for each thing, in source pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from videochat.batches import Batcher, chunks
from videochat.frames import Frame
from videochat.media import Video
from videochat.records import Caption
from videochat.tools.tracking import Sighting, Track, Tracker

MIN_SCORE_TO_STAY = 0.15
"""A sighting this unsure continues a thing that was there already, but starts none."""
LOST_SECONDS = 2.0
"""How long a thing may be out of sight and keep its number."""
MAX_SIDE = 960
"""Longer side, in pixels, of the pictures that detectors get."""

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
    """A part of a thing's time: since it was first seen, or since its last caption."""

    track: Track
    start_seconds: float
    end_seconds: float
    best: Sighting


class ObjectCaptions:
    """Turns the sightings of a video, picture by picture, into one caption for each thing.

    Args:
        tracker: gives each thing its number.
        video: what the captions are about.
        source: of the captions.
    """

    def __init__(self, tracker: Tracker, video: Video, source: str) -> None:
        self.tracker, self.video, self.source = tracker, video, source
        self._pieces: dict[int, _Piece] = {}

    def add(self, frame: Frame, sightings: list[Sighting]) -> None:
        """Take in the next picture and what is in it, boxes in source pixels."""
        end = max(frame.end_seconds, frame.seconds + 0.001)
        for track, sighting in self.tracker.update(frame.seconds, sightings):
            piece = self._pieces.setdefault(track.track_id, _Piece(track, frame.seconds, end, sighting))
            piece.end_seconds = end
            if sighting.score > piece.best.score:
                piece.best = sighting

    def take_lost(self, seconds: float) -> Iterator[Caption]:
        """Yield captions of things that have been out of sight too long at `seconds`."""
        for track in self.tracker.drop_lost(seconds):
            # It may not have been seen since its last caption.
            if piece := self._pieces.pop(track.track_id, None):
                yield from self._captions(piece)

    def take_all(self) -> Iterator[Caption]:
        """Yield captions of all that was seen since the last ones; what stays in sight keeps its number."""
        for piece in self._pieces.values():
            yield from self._captions(piece)
        self._pieces = {}

    def _captions(self, piece: _Piece) -> Iterator[Caption]:
        if piece.track.sightings > 1 or piece.best.score >= _SURE:
            yield Caption(
                self.video.id,
                piece.start_seconds,
                piece.end_seconds,
                "objects",
                piece.best.label,
                self.source,
                score=round(min(piece.best.score, 1.0), 3),
                box=piece.best.box,
                track_id=piece.track.track_id,
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
