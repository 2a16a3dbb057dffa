"""Pictures of a video, each with the second at which a player shows it: sampled from one decoding pass, or sought."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import ffmpeg
import numpy as np
from av.error import FFmpegError

from videochat.errors import InvalidArgument, MediaError, check_number
from videochat.ffmpeg import running, seek_options

# Times pass through microseconds and floats on their way: a picture this little after t is shown at t.
_SLACK_SECONDS = 0.00005

# What is stored with a picture is held back until the next one that differs.
_STILL_SECONDS = 30.0


@dataclass(frozen=True)
class Frame:
    """One picture of a video."""

    seconds: float
    """When it was sampled, in seconds from the first picture."""
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


@dataclass(frozen=True)
class PictureStream:
    """The pictures of a file: where they lie, and how they are decoded, timed and turned upright."""

    path: Path
    """The file."""
    name: str
    """What people call it, for messages."""
    index: int
    """Of the stream in the file."""
    zero_seconds: float
    """Timestamp of the first picture."""
    container_start: float
    """Timestamp at which the container starts."""
    size: tuple[int, int]
    """(width, height) of the upright picture in pixels."""
    rotation: int
    """Degrees by which a stored picture is turned counterclockwise to stand upright: 0, 90, 180 or 270."""
    frame_rate: float | None
    """Average pictures per second, for how long the last one lasts; never used to compute times."""

    def sample(self, samplings: Sequence[Sampling], start: float, end: float) -> Iterator[tuple[int, Frame]]:
        """Yield pictures for several consumers from one decoding pass, as (index into `samplings`, frame).

        Args:
            samplings: which pictures each consumer wants.
            start: first second of the range.
            end: first second no longer.

        Raises:
            MediaError: ffmpeg failed before the first picture.
        """
        wanted = [
            index
            for index, sampling in enumerate(samplings)
            if sampling.every_seconds is None or first_slot(start, sampling.every_seconds) < end - 1e-9
        ]
        if not wanted:
            return
        came = False
        try:
            for place, frame in self._decode([samplings[index] for index in wanted], start, end):
                came = True
                yield wanted[place], frame
        except MediaError:
            if came or len(wanted) == 1:
                raise
            # ffmpeg gives nothing at all where one of several outputs stays empty, as that of new pictures does
            # while a slide stands. Alone, an empty one is no error.
            for index in wanted:
                for _, frame in self._decode([samplings[index]], start, end):
                    yield index, frame

    def at(self, at_seconds: Sequence[float], max_side: int | None) -> Iterator[Frame]:
        """Yield the picture that a player shows at each second, in the order given; past the end the last one.

        Raises:
            InvalidArgument: a second is none.
            MediaError: a picture cannot be decoded.
        """
        for seconds in at_seconds:
            if not (math.isfinite(seconds) and seconds >= 0):
                raise InvalidArgument(f"at_seconds must be finite and not negative, got {seconds!r}")
        with av.open(str(self.path), metadata_errors="ignore") as container:
            stream: Any = container.streams[self.index]
            stream.thread_type = "AUTO"
            reader = _Seeker(container, stream, self.zero_seconds)
            for seconds in at_seconds:
                shown = reader.shown_at(seconds)
                if shown is None:
                    raise MediaError(f"No picture of {self.name!r} could be decoded at second {seconds:g}.")
                yield Frame(seconds, self._upright(shown, max_side))

    def _upright(self, frame: Any, max_side: int | None) -> np.ndarray:
        width, height = self._fit(max_side)
        if self.rotation in (90, 270):
            width, height = height, width
        image = frame.to_ndarray(format="rgb24", width=width, height=height, interpolation="AREA")
        return np.ascontiguousarray(np.rot90(image, self.rotation // 90))

    def _fit(self, max_side: int | None) -> tuple[int, int]:
        """Return the (width, height) of upright pictures whose longer side is at most `max_side`."""
        width, height = self.size
        scale = 1.0 if max_side is None else min(1.0, max_side / max(width, height))
        return max(round(width * scale), 1), max(round(height * scale), 1)

    def _safe_start(self, start_seconds: float) -> float:
        """Return a second from which a decoder reaches the picture shown at `start_seconds`.

        Containers without an index (MPEG-TS) put a reader between two key pictures, and pictures begin only
        after the next one.
        """
        if start_seconds <= 0:
            return 0.0
        with av.open(str(self.path), metadata_errors="ignore") as container:
            stream = container.streams[self.index]
            for back in (0.0, 2.0, 10.0, 60.0):
                seconds = max(start_seconds - back, 0.0)
                reader = _Seeker(container, stream, self.zero_seconds, seconds)
                if reader.next is not None and reader.seconds(reader.next) <= start_seconds:
                    return seconds
        return 0.0

    def _decode(self, samplings: Sequence[Sampling], start: float, end: float) -> Iterator[tuple[int, Frame]]:
        seek = seek_options(self._safe_start(start), self.zero_seconds, self.container_start)
        source = ffmpeg.input(str(self.path), copyts=None, nostdin=None, **seek)
        # Microseconds since the first picture, less the slack.
        shift = round((self.zero_seconds + _SLACK_SECONDS) * 1e6)
        decoded = source[str(self.index)].filter("settb", "1/1000000").filter("setpts", f"PTS-({shift})")
        branches = decoded.filter_multi_output("split", len(samplings)) if len(samplings) > 1 else [decoded]
        outputs = []
        for index, sampling in enumerate(samplings):
            branch = branches[index]
            if sampling.every_seconds is None:
                branch = branch.filter("trim", start=f"{start - 2 * _SLACK_SECONDS:.6f}")
                branch = branch.filter("setpts", f"PTS+{round(_SLACK_SECONDS * 1e6)}")
            else:
                # round=up puts into slot t the last picture with a time <= t: what a player shows at t.
                branch = branch.filter(
                    "fps",
                    fps=str(1 / Fraction(sampling.every_seconds).limit_denominator(10_000)),
                    round="up",
                    start_time=f"{first_slot(start, sampling.every_seconds):.6f}",
                )
            if sampling.max_side is not None:
                branch = branch.filter("scale", *self._fit(sampling.max_side), flags="area")
            outputs.append(branch)
        job = ffmpeg.output(
            *outputs,
            "pipe:",
            format="nut",
            vcodec="rawvideo",
            pix_fmt="rgb24",
            fps_mode="passthrough",
            enc_time_base="1/1000000",
        )
        with running(job, self.name) as pipe:
            yield from _read_pictures(pipe, samplings, start, end, self.frame_rate)


def _read_pictures(
    pipe: io.BufferedReader, samplings: Sequence[Sampling], start: float, end: float, frame_rate: float | None
) -> Iterator[tuple[int, Frame]]:
    try:
        container = av.open(pipe, mode="r", format="nut")
    except FFmpegError:
        return  # nothing came; running() says why
    # A picture of an every-picture stream lasts until the next one, so it is handed out one late.
    waiting: dict[int, Frame] = {}
    stills = {index: _Still(sampling.min_change) for index, sampling in enumerate(samplings) if sampling.min_change}
    # ffmpeg would go on to the end of the file; the reader leaves when nobody lacks a picture of the range.
    lacking = set(range(len(samplings)))
    with container:
        for packet in container.demux():
            if not lacking:
                break
            pictures: list[Any] = list(packet.decode()) if packet.pts is not None else []
            for decoded in pictures:
                index = packet.stream_index
                every = samplings[index].every_seconds
                seconds = float(decoded.pts * decoded.time_base)
                image = decoded.to_ndarray(format="rgb24")
                if every is not None:
                    # The grid, free of the pipe's microseconds.
                    seconds = round(round(seconds / every) * every, 6)
                    if seconds + every >= end - 1e-9:
                        lacking.discard(index)
                    if start - 1e-9 <= seconds < end - 1e-9:
                        frame = Frame(seconds, image, min(every, end - seconds))
                        if index not in stills:
                            yield index, frame
                        elif over := stills[index].add(frame, _thumbnail(decoded)):
                            yield index, over
                    continue
                seconds = max(round(seconds, 6), 0.0)
                if held := waiting.pop(index, None):
                    yield index, Frame(held.seconds, held.image, min(seconds, end) - held.seconds)
                if seconds < end - _SLACK_SECONDS:
                    waiting[index] = Frame(seconds, image)
                else:
                    lacking.discard(index)
    for index, still in stills.items():
        if still.frame:
            yield index, still.frame
    for index, held in waiting.items():
        usual = 1 / frame_rate if frame_rate else 0.04
        yield index, Frame(held.seconds, held.image, max(min(usual, end - held.seconds), 0.001))


class _Still:
    """A picture and how long what is shown hardly differs from it."""

    def __init__(self, min_change: float) -> None:
        self.min_change = min_change
        self.frame: Frame | None = None
        self.thumbnail: np.ndarray | None = None

    def add(self, frame: Frame, thumbnail: np.ndarray) -> Frame | None:
        """Take the next picture; return the earlier one if this one is another."""
        held = self.frame
        if held is not None and self.thumbnail is not None and frame.seconds - held.seconds < _STILL_SECONDS:
            apart = np.abs(thumbnail - self.thumbnail).reshape(8, 4, 8, 4, 3).mean((1, 3, 4))
            if apart.max() < self.min_change:
                self.frame = replace(held, duration_seconds=frame.end_seconds - held.seconds)
                return None
        self.frame, self.thumbnail = frame, thumbnail
        return held


def _thumbnail(decoded: Any) -> np.ndarray:
    small: np.ndarray = decoded.to_ndarray(format="rgb24", width=32, height=32, interpolation="AREA")
    return small.astype(np.int16)


class _Seeker:
    """Finds the picture shown at a second, going forward where that is nearer than seeking."""

    def __init__(self, container: Any, stream: Any, zero_seconds: float, start_seconds: float = 0.0) -> None:
        self.container, self.stream, self.zero_seconds = container, stream, zero_seconds
        self.shown: Any = None  # the latest picture not after the wanted second
        self.next: Any = None  # the one after it, already decoded
        self.frames: Iterator[Any] = iter(())
        self.seek(start_seconds)

    def seconds(self, frame: Any) -> float:
        """Return when a picture is shown, less the slack."""
        return float(frame.pts * frame.time_base) - self.zero_seconds - _SLACK_SECONDS

    def seek(self, seconds: float) -> None:
        """Begin to decode at the key picture before a second."""
        ticks = math.floor((self.zero_seconds + seconds) / self.stream.time_base)
        self.container.seek(ticks, stream=self.stream, backward=True)
        self.frames = (frame for frame in self.container.decode(self.stream) if frame.pts is not None)
        self.shown, self.next = None, self._decode()

    def _decode(self) -> Any:
        while True:
            try:
                return next(self.frames, None)
            except FFmpegError:
                # A damaged picture: go on with the next. At the end of the file the iterator is exhausted.
                continue

    def shown_at(self, seconds: float) -> Any:
        """Return the picture that a player shows at a second, or None."""
        ahead = self.next if self.next is not None else self.shown
        if self.shown is None or not self.seconds(self.shown) <= seconds <= self.seconds(ahead) + 2.0:
            # Key pictures are sometimes listed late; step back until one lies before the wanted second.
            for back in (0.0, 1.0, 10.0, 60.0):
                self.seek(max(seconds - back, 0.0))
                if self.next is not None and self.seconds(self.next) <= seconds:
                    break
            else:
                self.seek(0.0)
        while self.next is not None and (self.shown is None or self.seconds(self.next) <= seconds):
            self.shown, self.next = self.next, self._decode()
        return self.shown


def first_slot(start: float, every_seconds: float) -> float:
    """Return the first second of a grid from 0 that is not before `start`."""
    return math.ceil(start / every_seconds - 1e-9) * every_seconds
