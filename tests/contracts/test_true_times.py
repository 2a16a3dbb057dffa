"""The picture handed out for second t is the one a player shows, in every container and at every rate."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from videochat.decoding import Decoded, decoded_from
from videochat.frames import Frame
from videochat.media import Video
from videochat.testing import Scene, draw_video, read_frame_number

NTSC_FILM, NTSC = Fraction(24_000, 1001), Fraction(30_000, 1001)


TICK_SECONDS = {".mp4": 1 / 90_000, ".ts": 1 / 90_000, ".mkv": 1 / 1000}


LENGTH_SECONDS = 6


def uneven(number: int) -> Fraction:
    """Five quick pictures, then a long pause, again and again."""
    return number // 5 * Fraction(13, 10) + number % 5 * Fraction(37, 1000)


@dataclass
class Clock:
    """A drawn video that shows the number of each picture, and when each should be on the screen."""

    video: Video
    at: Callable[[int], Fraction | float]
    tick_seconds: float
    begins: float = 0.0
    """When the first picture is shown: later than 0 where the sound begins before it."""

    def shown_from(self, number: int) -> float:
        """When a picture is shown; the first one also before it comes."""
        return self.begins + float(self.at(number)) if number else 0.0

    def error_seconds(self, frame: Frame, seconds: float) -> float:
        """How far `seconds` lies outside the time during which the picture is shown."""
        number = read_frame_number(frame.image)
        return max(self.shown_from(number) - seconds, seconds - self.shown_from(number + 1), 0.0)

    @property
    def pictures(self) -> int:
        number = 0
        while float(self.at(number)) < LENGTH_SECONDS - 1e-6:
            number += 1
        return number


CLOCKS: dict[str, dict[str, Any]] = {
    "10fps.mp4": {"frame_rate": 10},
    "10fps.mkv": {"frame_rate": 10},
    "10fps.ts": {"frame_rate": 10},
    "23.976fps.mp4": {"frame_rate": NTSC_FILM},
    "23.976fps.mkv": {"frame_rate": NTSC_FILM},
    "23.976fps.ts": {"frame_rate": NTSC_FILM},
    "25fps.mp4": {"frame_rate": 25},
    "25fps.ts": {"frame_rate": 25},
    "29.97fps.mp4": {"frame_rate": NTSC},
    "29.97fps.mkv": {"frame_rate": NTSC},
    "29.97fps.ts": {"frame_rate": NTSC},
    "50fps.mp4": {"frame_rate": 50},
    "50fps.mkv": {"frame_rate": 50},
    "variable.mp4": {"frame_seconds": uneven},
    "variable.mkv": {"frame_seconds": uneven},
    "variable.ts": {"frame_seconds": uneven},
    "starts-late.mp4": {"frame_rate": 25, "start_seconds": 1.075},
    "starts-late.mkv": {"frame_rate": NTSC, "start_seconds": 3.3},
    "starts-late.ts": {"frame_rate": NTSC_FILM, "start_seconds": 100.4},
    "rotated-90.mp4": {"frame_rate": 10, "rotate": 90},
    "rotated-180.mp4": {"frame_rate": NTSC, "rotate": 180},
    "rotated-270.mkv": {"frame_rate": 25, "rotate": 270},
    "sound-late.mp4": {"frame_rate": 25, "speech": [(1, 2)], "sound_delay_seconds": 0.7},
    "sound-late.mkv": {"frame_rate": NTSC, "speech": [(1, 2)], "sound_delay_seconds": 0.7},
    "sound-early.ts": {"frame_rate": 25, "speech": [(1, 2)], "start_seconds": 2, "sound_delay_seconds": -0.5},
    "sound-early.mkv": {"frame_rate": 25, "speech": [(1, 2)], "start_seconds": 2, "sound_delay_seconds": -0.5},
    "all-at-once.mkv": {
        "frame_seconds": uneven,
        "start_seconds": 5.25,
        "speech": [(1, 2)],
        "sound_delay_seconds": 0.4,
    },
}


@pytest.fixture(scope="module", params=CLOCKS)
def clock(request: pytest.FixtureRequest, drawn: Path) -> Clock:
    how = CLOCKS[request.param]
    path = drawn / f"clock-{request.param}"
    # Stillness, motion and cuts: pictures that a codec stores in different ways.
    scenes = [Scene(2, "ONE", "white"), Scene(2, "", "navy", moving=True), Scene(2, "THREE", "grey")]
    draw_video(path, scenes, size=(160, 90), numbered=True, **how)
    at = how.get("frame_seconds") or (lambda number: number / Fraction(how["frame_rate"]))
    begins = max(-how.get("sound_delay_seconds", 0.0), 0.0)
    if begins and path.suffix == ".ts":
        begins += 1024 / 16_000  # a transport stream cannot say that AAC's first 1024 samples are not to be heard
    return Clock(Video(path), at, TICK_SECONDS[path.suffix], begins)


@pytest.fixture(scope="module")
def held(measured: list[str]) -> Iterator[Callable[[Clock, Frame, float], None]]:
    """Hold a picture to a second; at the end of the run the worst error of all is printed."""
    errors: list[tuple[float, str]] = []

    def hold(clock: Clock, frame: Frame, seconds: float) -> None:
        error = clock.error_seconds(frame, seconds)
        errors.append((error, clock.video.name))
        # A container rounds a picture's time to its ticks; nothing else may be lost.
        assert error <= clock.tick_seconds, (
            f"{clock.video.name}: for second {seconds} came picture {read_frame_number(frame.image)}, {error:.4f} s off"
        )

    yield hold
    if errors:
        worst, name = max(errors)
        measured.append(f"burned-in clocks: worst error {worst * 1000:.3f} ms ({name}) over {len(errors)} pictures")


def test_pictures_at_a_rate_are_those_shown(clock: Clock, held: Callable[..., None]) -> None:
    for every in (1.0, 0.4, 0.25):
        frames = list(clock.video.frames(every))
        slots = [round(i * every, 6) for i in range(len(frames))]
        assert [frame.seconds for frame in frames] == slots
        # The grid reaches the last picture: nothing after it is shown that was not seen.
        assert frames[-1].seconds >= clock.shown_from(clock.pictures - 1) - every
        for frame in frames:
            held(clock, frame, frame.seconds)


def test_every_picture_comes_once_with_its_second(clock: Clock, held: Callable[..., None]) -> None:
    frames = list(clock.video.frames(None))
    assert [read_frame_number(frame.image) for frame in frames] == list(range(clock.pictures))
    for number, frame in enumerate(frames):
        assert frame.seconds == pytest.approx(clock.shown_from(number), abs=clock.tick_seconds + 1e-6)
        held(clock, frame, frame.seconds + frame.duration_seconds / 2)
    for frame, following in pairwise(frames):
        assert frame.end_seconds == pytest.approx(following.seconds, abs=1e-6)


def test_pictures_at_given_seconds_are_those_shown(clock: Clock, held: Callable[..., None]) -> None:
    # Forward, back, twice the same, near a picture's edge, and at the very start.
    wanted = [0.0, 0.05, 2.349, 2.35, 5.0, 1.2, 1.2, 3.999, 4.0, 0.0, 5.5, 0.61]
    frames = list(clock.video.frames(at_seconds=wanted))
    assert [frame.seconds for frame in frames] == wanted
    for frame, seconds in zip(frames, wanted, strict=True):
        held(clock, frame, seconds)


@pytest.mark.parametrize(("start", "end"), [(0.0, 1.5), (1.3, 3.0), (2.71, 5.2), (4.9, None)])
def test_pictures_of_a_range_are_those_shown(
    clock: Clock, held: Callable[..., None], start: float, end: float | None
) -> None:
    frames = list(clock.video.frames(0.2, start, end))
    last = min(end or LENGTH_SECONDS, clock.shown_from(clock.pictures - 1) + 0.001)
    slots = [round(i * 0.2, 6) for i in range(100) if start - 1e-9 <= i * 0.2 < last - 1e-9]
    assert [frame.seconds for frame in frames][: len(slots)] == slots
    for frame in frames:
        assert start <= frame.seconds < (end or clock.video.duration_seconds)
        held(clock, frame, frame.seconds)
    every = list(clock.video.frames(None, start, end))
    expected = [n for n in range(clock.pictures) if start <= clock.shown_from(n) < (end or 100)]
    assert [read_frame_number(frame.image) for frame in every] == expected


def test_what_lies_after_a_range_is_not_decoded(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    came: list[float] = []

    def noted(*arguments: Any) -> Iterator[Decoded]:
        for picture in decoded_from(*arguments):
            came.append(picture.seconds)
            yield picture

    monkeypatch.setattr("videochat.frames.decoded_from", noted)
    assert all(frame.seconds < 1.2 for frame in clock.video.frames(0.04, 1.0, 1.2))
    assert sum(seconds >= 1.2 for seconds in came) <= 1, "decoding went on to the end of the file"


def test_a_range_without_a_picture_of_the_grid_starts_nothing(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("videochat.frames.decoded_from", None)
    assert list(clock.video.frames(5.0, 1.0, 3.0)) == []


def test_the_upright_picture_has_the_announced_size(clock: Clock) -> None:
    assert clock.video.size == (160, 90)
    for frame in (clock.video.frame_at(1), next(clock.video.frames())):
        assert frame.image.shape == (90, 160, 3)
        assert frame.image.dtype == np.uint8
    small = clock.video.frame_at(1, max_side=80)
    assert small.image.shape == (45, 80, 3)
    assert next(clock.video.frames(max_side=80)).image.shape == (45, 80, 3)
    assert next(clock.video.frames(max_side=4000)).image.shape == (90, 160, 3)


def test_past_the_end_the_last_picture_stays(clock: Clock) -> None:
    last = clock.video.frame_at(10_000)
    assert read_frame_number(last.image) == clock.pictures - 1
