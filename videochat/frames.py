"""Pictures of a video, each with the second at which a player shows it: sampled from one decoding pass, or sought."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from PIL import Image

from videochat.decoding import Decoded, Track, decoded_from
from videochat.errors import InvalidArgument, MediaError, check_number

# Times pass through microseconds and floats on their way: a picture this little after t is shown at t.
_SLACK_SECONDS = 0.00005

# A picture that stands for longer is not shown; the file holds nothing there. After damage that is so much sooner.
_LONGEST_STILL_SECONDS = 3600.0
_LONGEST_DAMAGE_SECONDS = 1.0

_EXACT_PIXELS = 640 * 480

# What is stored with a picture is held back until the next one that differs.
_STILL_SECONDS = 30.0


@dataclass(frozen=True)
class Frame:
    """One picture of a video."""

    seconds: float
    """When it was sampled, in seconds from where a player starts to count."""
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
        for name in ("every_seconds", "max_side", "min_change"):
            if getattr(self, name) is not None:
                check_number(name, getattr(self, name))
        if self.every_seconds is not None and not 0.001 <= self.every_seconds < math.inf:
            raise InvalidArgument(f"every_seconds must be at least 0.001, got {self.every_seconds!r}")
        if self.max_side is not None and self.max_side < 2:
            raise InvalidArgument(f"max_side must be at least 2 pixels, got {self.max_side!r}")
        if not 0 <= self.min_change <= 255 or (self.min_change and self.every_seconds is None):
            raise InvalidArgument(
                f"min_change must be 0-255, and 0 where every picture is wanted; got {self.min_change!r}"
            )


def orientation_of(picture: Any) -> tuple[int, bool]:
    """Return how a decoded picture stands upright: `PictureStream.rotation` and `PictureStream.mirrored`."""
    rotation = round(picture.rotation / 90) * 90 % 360
    stored = picture.side_data.get("DISPLAYMATRIX")
    if stored is None:
        return rotation, False
    a, b, _, c, d = np.frombuffer(bytes(stored), np.int32)[:5].astype(float)
    mirrored = bool(a * d - b * c < 0)
    # FFmpeg reads the angle from where the left edge comes to lie, which mirroring has exchanged with the right.
    return (rotation + 180) % 360 if mirrored else rotation, mirrored


@dataclass(frozen=True)
class PictureStream:
    """The pictures of a file: where they lie, and how they are turned upright."""

    track: Track
    """The stream."""
    name: str
    """What people call the file, for messages."""
    size: tuple[int, int]
    """(width, height) of the upright picture in pixels."""
    rotation: int
    """Degrees by which a stored picture is turned counterclockwise to stand upright: 0, 90, 180 or 270."""
    mirrored: bool
    """Whether its left and right are exchanged before it is turned."""
    frame_rate: float | None
    """Average pictures per second, for how long the last one lasts; never used to compute times."""

    def sample(self, samplings: Sequence[Sampling], start: float, end: float) -> Iterator[tuple[int, Frame]]:
        """Yield pictures for several consumers from one decoding pass, as (index into `samplings`, frame).

        Where damage leaves no picture for more than a second, or a file none for more than an hour, nothing is
        yielded for what lies between.

        Args:
            samplings: which pictures each consumer wants.
            start: first second of the range.
            end: first second no longer.

        Raises:
            MediaError: there is no picture.
        """
        consumers = [_Consumer(self, index, sampling, start, end) for index, sampling in enumerate(samplings)]
        consumers = [consumer for consumer in consumers if consumer.lacks]
        if not consumers:
            return
        shown: Decoded | None = None
        for picture in decoded_from(self.track, start):
            if shown is None:
                # The first picture of a file is also shown before it comes.
                shown = replace(picture, seconds=0.0) if picture.seconds > start else picture
                continue
            for consumer in consumers:
                yield from consumer.take(shown, picture.seconds, after_damage=picture.after_damage)
            if not any(consumer.lacks for consumer in consumers):
                break
            shown = picture
        else:
            if shown is None:
                raise MediaError(
                    f"No picture of {self.name!r} could be decoded from second {start:g} on. It is cut short or "
                    "damaged; get it again."
                )
            usual = shown.length_seconds or (1 / self.frame_rate if self.frame_rate else 0.04)
            until = shown.seconds + max(usual, 0.001)
            if end - until < usual / 2:
                # The next picture of a live recording comes with the next range; between them is no moment of none.
                until = max(until, end + _SLACK_SECONDS)
            for consumer in consumers:
                yield from consumer.take(shown, until)
        for consumer in consumers:
            yield from consumer.rest()

    def at(self, at_seconds: Sequence[float], max_side: int | None) -> Iterator[Frame]:
        """Yield the picture that a player shows at each second, in the order given; past the end the last one.

        Raises:
            InvalidArgument: a second is none.
            MediaError: a picture cannot be decoded.
        """
        for seconds in at_seconds:
            if not (math.isfinite(seconds) and seconds >= 0):
                raise InvalidArgument(f"at_seconds must be finite and not negative, got {seconds!r}")
        seeker, pixels = _Seeker(self.track), self.pixels(max_side)
        for seconds in at_seconds:
            shown = seeker.shown_at(seconds)
            if shown is None:
                raise MediaError(f"No picture of {self.name!r} could be decoded at second {seconds:g}.")
            yield Frame(seconds, pixels(shown.frame))

    def pixels(self, max_side: int | None) -> Callable[[Any], np.ndarray]:
        """Return what makes uint8 RGB arrays, shape (height, width, 3), upright, of decoded pictures."""
        width, height = self.fit(max_side)
        if self.rotation in (90, 270):
            width, height = height, width
        scaler = VideoReformatter()  # its tables are made once
        exact = Interpolation.AREA | Interpolation.FULL_CHR_H_INT | Interpolation.ACCURATE_RND

        def convert(picture: Any) -> np.ndarray:
            # Without scaling, exact rounding takes ten times as long; large pictures may be a level too dark instead.
            fast = (picture.width, picture.height) == (width, height) and width * height > _EXACT_PIXELS
            how = Interpolation.AREA if fast else exact
            scaled = scaler.reformat(picture, width, height, "rgb24", interpolation=how)
            stored = scaled.to_ndarray()
            return np.ascontiguousarray(np.rot90(stored[:, ::-1] if self.mirrored else stored, self.rotation // 90))

        return convert

    def fit(self, max_side: int | None) -> tuple[int, int]:
        """Return the (width, height) of upright pictures whose longer side is at most `max_side`."""
        width, height = self.size
        scale = 1.0 if max_side is None else min(1.0, max_side / max(width, height))
        return max(round(width * scale), 1), max(round(height * scale), 1)


class _Consumer:
    """Picks from the pictures of one pass what one sampling wants."""

    def __init__(self, stream: PictureStream, index: int, sampling: Sampling, start: float, end: float) -> None:
        self.index, self.sampling, self.start, self.end = index, sampling, start, end
        self._pixels = stream.pixels(sampling.max_side)
        self._slot = math.ceil(start / sampling.every_seconds - 1e-9) if sampling.every_seconds else 0
        self._still = _Still(sampling.min_change) if sampling.min_change else None
        self.lacks = sampling.every_seconds is None or first_slot(start, sampling.every_seconds) < end - 1e-9

    def take(self, shown: Decoded, until: float, *, after_damage: bool = False) -> Iterator[tuple[int, Frame]]:
        """Yield what is wanted of a picture that is shown until the next one comes."""
        most = _LONGEST_DAMAGE_SECONDS if after_damage else _LONGEST_STILL_SECONDS
        visible = min(until, max(shown.seconds, self.start) + most)
        if self.sampling.every_seconds is None:
            seconds = round(shown.seconds, 6)
            if self.start - 2 * _SLACK_SECONDS <= seconds < self.end - _SLACK_SECONDS:
                last = round(min(visible, self.end), 6)
                yield self.index, Frame(seconds, self._pixels(shown.frame), max(last - seconds, 0.001))
            self.lacks = until < self.end - _SLACK_SECONDS
            return
        every, image, small = self.sampling.every_seconds, None, None
        while (seconds := round(self._slot * every, 6)) < min(until - _SLACK_SECONDS, self.end - 1e-9):
            self._slot += 1
            if seconds >= visible - _SLACK_SECONDS:
                # Nothing is known of what comes between.
                self._slot = math.ceil((min(until, self.end) - _SLACK_SECONDS) / every - 1e-9)
                break
            image = self._pixels(shown.frame) if image is None else image.copy()
            frame = Frame(seconds, image, min(every, self.end - seconds))
            if self._still is None:
                yield self.index, frame
                continue
            small = _thumbnail(image) if small is None else small
            if over := self._still.add(frame, small):
                yield self.index, over
        self.lacks = self._slot * every < self.end - 1e-9

    def rest(self) -> Iterator[tuple[int, Frame]]:
        """Yield what was held back."""
        if self._still is not None and self._still.frame:
            yield self.index, self._still.frame


class _Still:
    """A picture and how long what is shown hardly differs from it."""

    def __init__(self, min_change: float) -> None:
        self.min_change = min_change
        self.frame: Frame | None = None
        self.thumbnail: np.ndarray | None = None

    def add(self, frame: Frame, thumbnail: np.ndarray) -> Frame | None:
        """Take the next picture; return the earlier one if this one is another."""
        held = self.frame
        if (
            held is not None
            and self.thumbnail is not None
            and frame.seconds < min(held.end_seconds + 0.001, held.seconds + _STILL_SECONDS)
        ):
            apart = np.abs(thumbnail - self.thumbnail).reshape(8, 4, 8, 4, 3).mean((1, 3, 4))
            if apart.max() < self.min_change:
                self.frame = replace(held, duration_seconds=frame.end_seconds - held.seconds)
                return None
        self.frame, self.thumbnail = frame, thumbnail
        return held


def _thumbnail(image: np.ndarray) -> np.ndarray:
    small = Image.fromarray(image).resize((32, 32), Image.Resampling.BOX)
    return np.asarray(small, np.int16)


class _Seeker:
    """Finds the picture shown at a second, going forward where that is nearer than seeking."""

    def __init__(self, track: Track) -> None:
        self.track = track
        self.shown: Decoded | None = None  # the latest picture not after the wanted second
        self.next: Decoded | None = None  # the one after it, already decoded
        self.pictures: Iterator[Decoded] = iter(())

    def shown_at(self, seconds: float) -> Decoded | None:
        """Return the picture that a player shows at a second, or None."""
        shown, after = self.shown, self.next or self.shown
        if shown is None or after is None or not shown.seconds <= seconds + _SLACK_SECONDS <= after.seconds + 2.0:
            self.pictures = decoded_from(self.track, seconds)
            self.shown = next(self.pictures, None)
            self.next = next(self.pictures, None)
        while self.next is not None and self.next.seconds <= seconds + _SLACK_SECONDS:
            self.shown, self.next = self.next, next(self.pictures, None)
        return self.shown


def first_slot(start: float, every_seconds: float) -> float:
    """Return the first second of a grid from 0 that is not before `start`."""
    return math.ceil(start / every_seconds - 1e-9) * every_seconds
