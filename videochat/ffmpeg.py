"""ffmpeg as a process that streams pictures or sound, and exact seeking by PyAV."""

from __future__ import annotations

import contextlib
import io
import math
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import cache
from typing import Any, cast

import av
import ffmpeg
import numpy as np
from av.error import FFmpegError

from videochat.errors import MediaError
from videochat.frames import Frame, Sampling

SLACK_SECONDS = 0.00005
"""Times pass through microseconds and floats on their way: a picture this little after t is shown at t."""

# What is stored with a picture is held back until the next one that differs.
_STILL_SECONDS = 30.0


@cache
def ffmpeg_exe() -> str:
    """Return the ffmpeg to run: the system's if it is 5.1 or newer, else the one of the imageio-ffmpeg wheel."""
    system = shutil.which("ffmpeg")
    if system:
        banner = subprocess.run([system, "-version"], capture_output=True, text=True, check=False).stdout
        # Builds from git are called N-12345-g...; they are newer than any release that matters here.
        version = re.match(r"ffmpeg version n?(\d+)\.(\d+)", banner)
        if banner.startswith("ffmpeg version N-") or (version and (int(version[1]), int(version[2])) >= (5, 1)):
            return system
    import imageio_ffmpeg

    return str(imageio_ffmpeg.get_ffmpeg_exe())


@contextlib.contextmanager
def running(job: Any, name: str) -> Iterator[io.BufferedReader]:
    """Run an ffmpeg job and give its standard output; stop it when the reader has enough.

    Raises:
        MediaError: it failed without giving a single byte.
    """
    # A file, not a pipe: nobody reads it meanwhile, and a full pipe would stop ffmpeg.
    with tempfile.TemporaryFile() as complaints:
        process = subprocess.Popen(
            job.compile(cmd=[ffmpeg_exe(), "-v", "error"]),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=complaints,
        )
        pipe = cast("io.BufferedReader", process.stdout)
        try:
            if not pipe.peek(1) and process.wait() != 0:
                complaints.seek(0)
                said = complaints.read().decode(errors="replace").strip().splitlines()
                raise MediaError(f"ffmpeg could not read {name!r}: {said[0] if said else 'no reason given'}")
            yield pipe
        finally:
            pipe.close()
            process.kill()
            process.wait()


def decode_pictures(
    source: Any,
    samplings: Sequence[Sampling],
    sizes: Sequence[tuple[int, int] | None],
    start: float,
    end: float,
    *,
    zero_seconds: float,
    frame_rate: float | None,
    name: str,
) -> Iterator[tuple[int, Frame]]:
    """Yield pictures for several consumers from one ffmpeg process, as (index into `samplings`, frame).

    Args:
        source: video stream of an ffmpeg-python input that keeps its timestamps.
        samplings: which pictures each consumer wants.
        sizes: (width, height) that each wants them in; None for as they are.
        start: first second of the range, from the first picture.
        end: first second no longer.
        zero_seconds: timestamp of the first picture.
        frame_rate: pictures per second, for how long the last one lasts; None if not known.
        name: of the file, for messages.

    Raises:
        MediaError: ffmpeg failed before the first picture.
    """
    # Microseconds since the first picture, less the slack.
    shift = round((zero_seconds + SLACK_SECONDS) * 1e6)
    decoded = source.filter("settb", "1/1000000").filter("setpts", f"PTS-({shift})")
    branches = decoded.filter_multi_output("split", len(samplings)) if len(samplings) > 1 else [decoded]
    outputs = []
    for index, (sampling, size) in enumerate(zip(samplings, sizes, strict=True)):
        branch = branches[index]
        if sampling.every_seconds is None:
            branch = branch.filter("trim", start=f"{start - 2 * SLACK_SECONDS:.6f}")
            branch = branch.filter("setpts", f"PTS+{round(SLACK_SECONDS * 1e6)}")
        else:
            # round=up puts into slot t the last picture with a time <= t: what a player shows at t.
            branch = branch.filter(
                "fps",
                fps=str(1 / Fraction(sampling.every_seconds).limit_denominator(10_000)),
                round="up",
                start_time=f"{first_slot(start, sampling.every_seconds):.6f}",
            )
        if size is not None:
            branch = branch.filter("scale", *size, flags="area")
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
    with running(job, name) as pipe:
        yield from _read_pictures(pipe, samplings, start, end, frame_rate)


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
                if seconds < end - SLACK_SECONDS:
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


class Seeker:
    """Finds the picture shown at a second, going forward where that is nearer than seeking."""

    def __init__(self, container: Any, stream: Any, zero_seconds: float, start_seconds: float = 0.0) -> None:
        self.container, self.stream, self.zero_seconds = container, stream, zero_seconds
        self.shown: Any = None  # the latest picture not after the wanted second
        self.next: Any = None  # the one after it, already decoded
        self.frames: Iterator[Any] = iter(())
        self.seek(start_seconds)

    def seconds(self, frame: Any) -> float:
        """Return when a picture is shown, less the slack."""
        return float(frame.pts * frame.time_base) - self.zero_seconds - SLACK_SECONDS

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


def reason(error: BaseException) -> str:
    """Return what FFmpeg's libraries say is wrong, in a line."""
    text = getattr(error, "strerror", None) or str(error)
    return str(text).split("\n")[0].strip()
