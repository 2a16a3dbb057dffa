"""The picture handed out for second t is the one a player shows at t, and the sound fits it."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Generator, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from videochat.audio import SAMPLE_RATE
from videochat.errors import InvalidArgument, MediaError
from videochat.frames import Frame, Sampling
from videochat.media import Video
from videochat.testing import Scene, draw_video


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
    # A transport stream cannot say that the first 1024 samples of AAC are not to be heard, and an MP4 written at
    # once does not say it where the sound comes first: they count.
    counts = ending == ".ts" or (ending == ".mp4" and delay_seconds < 0)
    sound_begins = delay_seconds - (1024 / SAMPLE_RATE if counts else 0.0)
    # The drawn voice swells; it is loud 12 ms after its start. Second 0 is the earliest of picture and sound.
    onset = 1.012 + delay_seconds - min(sound_begins, 0.0)
    assert onset_seconds(video) == pytest.approx(onset, abs=0.005)
    assert onset_seconds(video, start_seconds=0.2) == pytest.approx(onset, abs=0.005)
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
    # What comes after the pause is not moved forward by it; a copy without the note on AAC's start counts it too.
    assert onset_seconds(video, start_seconds=3.1) == pytest.approx(6.512 + 1024 / SAMPLE_RATE, abs=0.005)


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
def test_a_reader_that_has_enough_leaves_nothing_running(voiced: Video, read: Callable[..., Iterator[Any]]) -> None:
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
        assert isinstance(stream, Generator)
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


def pipe(folder: Path, _: Path) -> Path:
    os.mkfifo(folder / "pipe.mp4")
    return folder / "pipe.mp4"


def text(folder: Path, _: Path) -> Path:
    (folder / "text.mp4").write_text("not a video at all\n" * 30)
    return folder / "text.mp4"


def truncated(folder: Path, whole: Path) -> Path:
    data = whole.read_bytes()
    (folder / "cut.mp4").write_bytes(data[: len(data) // 2])
    return folder / "cut.mp4"


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
        (pipe, "is a pipe or a device"),
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


def test_embedded_subtitles_are_listed_with_their_language(clip: Video) -> None:
    (track,) = clip.subtitle_tracks
    assert track.language == "eng"
    assert (track.codec, track.default, track.partial) == ("mov_text", True, False)
    assert b"First, boil the water." in b"".join(clip.subtitle_stream(track))


@pytest.mark.parametrize("source", [3, None, ""])
def test_what_is_no_path_is_refused(source: Any) -> None:
    with pytest.raises(MediaError, match=r"needs a path or an http\(s\) address, got"):
        Video(source)
