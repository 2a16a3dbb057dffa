"""The picture handed out for second t is the one a player shows at t, and the sound fits it."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from PIL import Image

from videochat.errors import InvalidArgument, MediaError
from videochat.frames import SAMPLE_RATE, Frame, Sampling
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

    def error_seconds(self, frame: Frame, seconds: float) -> float:
        """How far `seconds` lies outside the time during which the picture is shown."""
        number = read_frame_number(frame.image)
        return max(float(self.at(number)) - seconds, seconds - float(self.at(number + 1)), 0.0)

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
    return Clock(Video(path), at, TICK_SECONDS[path.suffix])


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
        assert frames[-1].seconds >= float(clock.at(clock.pictures - 1)) - every
        for frame in frames:
            held(clock, frame, frame.seconds)


def test_every_picture_comes_once_with_its_second(clock: Clock, held: Callable[..., None]) -> None:
    frames = list(clock.video.frames(None))
    assert [read_frame_number(frame.image) for frame in frames] == list(range(clock.pictures))
    for number, frame in enumerate(frames):
        assert frame.seconds == pytest.approx(float(clock.at(number)), abs=clock.tick_seconds + 1e-6)
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
    last = min(end or LENGTH_SECONDS, float(clock.at(clock.pictures - 1)) + 0.001)
    slots = [round(i * 0.2, 6) for i in range(100) if start - 1e-9 <= i * 0.2 < last - 1e-9]
    assert [frame.seconds for frame in frames][: len(slots)] == slots
    for frame in frames:
        assert start <= frame.seconds < (end or clock.video.duration_seconds)
        held(clock, frame, frame.seconds)
    every = list(clock.video.frames(None, start, end))
    expected = [n for n in range(clock.pictures) if start <= float(clock.at(n)) < (end or LENGTH_SECONDS)]
    assert [read_frame_number(frame.image) for frame in every] == expected


def test_what_lies_after_a_range_is_not_decoded(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[subprocess.Popen] = []
    start = subprocess.Popen

    def noted(*arguments: Any, **options: Any) -> subprocess.Popen:
        made.append(start(*arguments, **options))
        return made[-1]

    monkeypatch.setattr(subprocess, "Popen", noted)
    assert all(frame.seconds < 1.2 for frame in clock.video.frames(0.04, 1.0, 1.2))
    assert [process.returncode for process in made] == [-signal.SIGKILL], "ffmpeg went on to the end of the file"


def test_a_range_without_a_picture_of_the_grid_starts_nothing(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "Popen", None)
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


def test_one_pass_serves_several_consumers(voiced: Video) -> None:
    samplings = [Sampling(1.0), Sampling(None, 64), Sampling(0.5, 160)]
    together: list[list[Frame]] = [[], [], []]
    for index, frame in voiced.sample(samplings, 2.0, 8.0):
        together[index].append(frame)
    for sampling, frames in zip(samplings, together, strict=True):
        alone = list(voiced.frames(sampling.every_seconds, 2.0, 8.0, max_side=sampling.max_side))
        assert [f.seconds for f in frames] == [f.seconds for f in alone]
        assert all(np.array_equal(a.image, b.image) for a, b in zip(frames, alone, strict=True))


def test_a_consumer_without_a_picture_does_not_stop_the_others(drawn: Path) -> None:
    slides = Video(draw_video(drawn / "slides.mp4", [Scene(10, "ONE"), Scene(10, "TWO")], frame_rate=0.2))
    consumers = [Sampling(1.0), Sampling(None), Sampling(10.0), Sampling(4.0)]
    found: list[list[float]] = [[] for _ in consumers]
    for index, frame in slides.sample(consumers, 16.0, 19.5):
        found[index].append(frame.seconds)
    assert found == [[16.0, 17.0, 18.0, 19.0], [], [], [16.0]]


@pytest.mark.parametrize("rotate", [0, 90, 180, 270])
def test_rotation_is_undone(drawn: Path, rotate: int) -> None:
    path = drawn / f"upright-{rotate}.mp4"
    draw_video(path, [Scene(1, "", "red", moving=True)], size=(128, 64), rotate=rotate)
    for image in (Video(path).frame_at(0).image, next(Video(path).frames()).image):
        assert image.shape == (64, 128, 3)
        # The disc starts at the left, three quarters down.
        dark = np.argwhere(image.max(axis=2) < 100)
        y, x = dark.mean(axis=0)
        assert x < 20
        assert 40 < y < 56


def onset_seconds(video: Video, **where: Any) -> float:
    blocks = list(video.audio(**where))
    samples = np.concatenate([block.samples for block in blocks])
    loud = np.flatnonzero(np.abs(samples) > 0.05)
    return blocks[0].seconds + float(loud[0]) / SAMPLE_RATE


@pytest.mark.parametrize("ending", [".mp4", ".mkv", ".ts"])
@pytest.mark.parametrize(("start_seconds", "delay_seconds"), [(0.0, 0.0), (0.0, 0.75), (1.4, 0.5), (2.0, -0.75)])
def test_sound_is_heard_at_its_second(tmp_path: Path, ending: str, start_seconds: float, delay_seconds: float) -> None:
    path = draw_video(
        tmp_path / f"sound{ending}",
        [Scene(4)],
        speech=[(1.0, 2.0)],
        start_seconds=start_seconds,
        sound_delay_seconds=delay_seconds,
    )
    video = Video(path)
    # The drawn voice swells; it is loud 12 ms after its start.
    assert onset_seconds(video) == pytest.approx(1.012 + delay_seconds, abs=0.005)
    assert onset_seconds(video, start_seconds=0.2) == pytest.approx(1.012 + delay_seconds, abs=0.005)
    assert video.frame_at(0).seconds == 0


def test_sound_comes_in_blocks_without_holes(voiced: Video) -> None:
    blocks = list(voiced.audio(1.5, 9.25, block_seconds=2))
    assert blocks[0].seconds == 1.5
    for block, following in pairwise(blocks):
        assert following.seconds == pytest.approx(block.end_seconds)
    assert blocks[-1].end_seconds == pytest.approx(9.25, abs=1e-4)
    assert all(block.samples.dtype == np.float32 for block in blocks)


def test_a_pause_in_the_recording_is_silence(tmp_path: Path, voiced: Video) -> None:
    import av

    path = tmp_path / "pause.mkv"
    with av.open(str(voiced.path)) as source, av.open(str(path), "w") as target:
        copies = {s.index: target.add_stream_from_template(s) for s in source.streams}
        for packet in source.demux():
            sounds = packet.stream.type == "audio"
            if packet.pts is None or (sounds and 3.5 < float(packet.pts * packet.time_base) < 6.0):
                continue
            packet.stream = copies[packet.stream.index]
            target.mux(packet)
    video = Video(path)
    samples = np.concatenate([block.samples for block in video.audio()])
    assert len(samples) / SAMPLE_RATE == pytest.approx(12, abs=0.1)
    assert np.abs(samples[round(3.6 * SAMPLE_RATE) : round(5.9 * SAMPLE_RATE)]).max() < 0.01
    # What comes after the pause is not moved forward by it.
    assert onset_seconds(video, start_seconds=3.1) == pytest.approx(6.512, abs=0.005)


def test_a_file_of_sound_alone_is_heard(sound_only: Video, voiced: Video) -> None:
    assert sound_only.has_audio
    assert not sound_only.has_video
    assert sound_only.size is None
    assert sound_only.duration_seconds == pytest.approx(12, abs=0.1)
    assert onset_seconds(sound_only) == pytest.approx(onset_seconds(voiced), abs=0.005)
    with pytest.raises(MediaError, match="sound but no pictures"):
        sound_only.frames()


def test_a_video_without_sound_says_so(silent: Video) -> None:
    assert not silent.has_audio
    with pytest.raises(MediaError, match=r"'silent.mp4' has no sound track"):
        next(silent.audio())


def children() -> set[int]:
    return {child.pid for child in psutil.Process().children(recursive=True)}


@pytest.mark.parametrize("read", [Video.frames, Video.audio], ids=["pictures", "sound"])
def test_a_reader_that_has_enough_stops_ffmpeg(voiced: Video, read: Callable[..., Iterator[Any]]) -> None:
    before = children()
    stream: Any = read(voiced) if read is Video.frames else voiced.audio(block_seconds=0.1)
    next(stream)
    stream.close()
    assert children() <= before


def test_memory_does_not_grow_with_the_length(tmp_path: Path) -> None:
    scenes = [Scene(60, "LONG", "grey", moving=True)]
    video = Video(draw_video(tmp_path / "long.mp4", scenes, frame_rate=10, size=(640, 360)))
    process, most, start = psutil.Process(), 0, 0
    for number, frame in enumerate(video.frames(None)):
        assert frame.image.nbytes == 640 * 360 * 3  # 415 MB for all 600
        if number == 50:
            start = process.memory_info().rss
        most = max(most, process.memory_info().rss)
    assert number == 599
    assert most - start < 40e6


def test_the_first_picture_does_not_wait_for_the_last(tmp_path: Path) -> None:
    def first(seconds: float) -> float:
        path = draw_video(tmp_path / f"{seconds}.mp4", [Scene(seconds, "", "grey")], frame_rate=5, size=(64, 36))
        video = Video(path)
        began = time.perf_counter()
        stream = video.frames()
        next(stream)
        took = time.perf_counter() - began
        stream.close()  # an iterator by its type, a generator by nature
        return took

    assert first(600) < first(5) + 0.5


def test_the_id_is_of_the_content(tmp_path: Path, silent: Video) -> None:
    copy = tmp_path / "another name.mp4"
    shutil.copy(silent.path, copy)
    assert Video(copy).id == silent.id
    with copy.open("ab") as file:
        file.write(b"\0")
    assert Video(copy).id != silent.id
    assert len(silent.id) == 32


def test_a_video_prints_what_it_is(clip: Video) -> None:
    assert repr(clip) == f"Video({str(clip.path)!r}: 12.00 s, 320x180, 10.000 fps, sound)"


def directory(folder: Path, _: Path) -> Path:
    return folder


def missing(folder: Path, _: Path) -> Path:
    return folder / "nowhere.mp4"


def empty(folder: Path, _: Path) -> Path:
    (folder / "empty.mp4").touch()
    return folder / "empty.mp4"


def text(folder: Path, _: Path) -> Path:
    (folder / "text.mp4").write_text("not a video at all\n" * 30)
    return folder / "text.mp4"


def truncated(folder: Path, whole: Path) -> Path:
    data = whole.read_bytes()
    (folder / "cut.mp4").write_bytes(data[: len(data) // 2])
    return folder / "cut.mp4"


def picture(folder: Path, _: Path) -> Path:
    Image.new("RGB", (64, 64), "red").save(folder / "still.png")
    return folder / "still.png"


def picture_named_mp4(folder: Path, _: Path) -> Path:
    Image.new("RGB", (64, 64), "red").save(folder / "still.jpg")
    return (folder / "still.jpg").rename(folder / "still.mp4")


def readme(folder: Path, _: Path) -> Path:
    (folder / "README.txt").write_text("Words about a video.\n")
    return folder / "README.txt"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (missing, "There is no file .*nowhere.mp4.*Check the path"),
        (directory, "is a directory; give the path of one video file"),
        (empty, "is empty .0 bytes.. Copy or download it again"),
        (text, "is not a video that can be opened"),
        (truncated, "is not a video that can be opened .*cut short"),
        (picture, "is a still image .png., not a video"),
        (picture_named_mp4, "is a still image"),
        (readme, "neither pictures nor sound|is not a video that can be opened"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_is_no_video_is_refused_in_a_sentence(
    tmp_path: Path, silent: Video, make: Callable[[Path, Path], Path], words: str
) -> None:
    with pytest.raises(MediaError, match=words) as caught:
        Video(make(tmp_path, silent.path))
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda v: v.frames(1.0, 5, 5), "holds nothing.*lasts 12.00 s"),
        (lambda v: v.frames(1.0, 12.5), "holds nothing"),
        (lambda v: v.frames(1.0, -1), "holds nothing"),
        (lambda v: v.frames(1.0, float("nan")), "holds nothing"),
        (lambda v: v.frames(0), "every_seconds must be at least"),
        (lambda v: v.frames(max_side=0), "max_side must be at least"),
        (lambda v: next(v.frames(at_seconds=[-1])), "not negative"),
        (lambda v: next(v.frames(at_seconds=[float("inf")])), "finite"),
        (lambda v: next(v.audio(3, 2)), "holds nothing"),
    ],
)
def test_a_range_that_is_none_is_refused(clip: Video, ask: Callable[[Video], Any], words: str) -> None:
    with pytest.raises(InvalidArgument, match=words):
        ask(clip)


def test_subtitle_files_beside_are_found_and_others_are_not(tmp_path: Path, silent: Video) -> None:
    shutil.copy(silent.path, tmp_path / "film.mp4")
    for name in ("film.en.srt", "film.vtt", "film2.srt", "other.srt", "film.txt"):
        (tmp_path / name).write_text("")
    assert [p.name for p in Video(tmp_path / "film.mp4").subtitle_files()] == ["film.vtt", "film.en.srt"]


def test_embedded_subtitles_are_listed_with_their_language(clip: Video) -> None:
    (track,) = clip.subtitle_tracks
    assert track.language == "eng"
    assert "First, boil the water." in clip.subtitle_text(track)
