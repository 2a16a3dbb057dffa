"""Clips begin with the right picture, and say what is in them."""

import random
import stat
import subprocess
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from videochat.clips import Clip, cut_clip, file_address, player_command, stamp
from videochat.errors import InvalidArgument, MediaError
from videochat.ffmpeg import ffmpeg_exe
from videochat.media import Video
from videochat.testing import Scene, draw_video, read_frame_number

FILES: dict[str, dict[str, Any]] = {
    "even.mp4": {"frame_rate": 25, "speech": [(0.5, 5)]},
    "ntsc.mkv": {"frame_rate": Fraction(30000, 1001), "speech": [(1, 3)], "start_seconds": 1.4},
    "turned.mp4": {"rotate": 90, "frame_seconds": lambda n: n * 0.1 if n < 50 else 5 + (n - 50) * 0.7},
    "late.mp4": {"frame_rate": 24, "start_seconds": 0.5, "speech": [(0, 6)], "sound_delay_seconds": 0.3},
}


def number_at(video: Video, seconds: float) -> int:
    number = read_frame_number(video.frame_at(seconds).image)
    assert number is not None
    return number


@pytest.fixture(scope="module", params=FILES)
def video(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Video:
    path = tmp_path_factory.mktemp("clips") / request.param
    return Video(draw_video(path, [Scene(8, "x", moving=True)], numbered=True, **FILES[request.param]))


def test_an_exact_clip_begins_where_it_was_asked_to(video: Video, tmp_path: Path) -> None:
    rng = random.Random(video.name)
    for name in ("clip.mp4", "clip.webm"):
        start = round(rng.uniform(0, 5), 2)
        end = round(start + rng.uniform(0.8, 2.5), 2)
        clip = cut_clip(video, [(start, end)], tmp_path / name)
        assert clip.ranges == [(start, end)]
        cut = Video(clip.path)
        assert abs(cut.duration_seconds - (end - start)) <= 0.06
        assert number_at(cut, 0) == number_at(video, start)
        # Each picture is shown at its time, or within one picture after it.
        for seconds in (0.3, 0.7):
            assert 0 <= number_at(video, start + seconds) - number_at(cut, seconds) <= 1
        assert cut.has_audio == video.has_audio
        assert cut.size == video.size


def test_a_fast_clip_says_which_times_came_out(video: Video, tmp_path: Path) -> None:
    clip = cut_clip(video, [(3.1, 4.4)], tmp_path / f"fast{video.path.suffix}", fast=True)
    cut = Video(clip.path)
    ((start, end),) = clip.ranges
    assert start <= 3.1
    assert end >= 4.3
    assert clip.duration_seconds == cut.duration_seconds
    for seconds in (0.1, 0.5, 1.0):
        assert number_at(cut, seconds) == number_at(video, start + seconds)
    assert "key picture" in str(clip)


@pytest.mark.parametrize("name", ["out_of_order.mkv", "out_of_order.ts"])
def test_a_fast_clip_begins_at_the_key_picture_also_where_pictures_are_stored_out_of_order(
    name: str, tmp_path: Path
) -> None:
    drawn = draw_video(tmp_path / "film.mp4", [Scene(8, "x", moving=True)], numbered=True, speech=[(1, 7)])
    path = tmp_path / name
    command = [ffmpeg_exe(), "-v", "error", "-i", str(drawn), "-sn", "-c:v", "libx264", "-g", "25", "-bf", "2"]
    subprocess.run([*command, str(path)], check=True)
    source = Video(path)
    wanted = random.uniform(2.6, 6)
    clip = cut_clip(source, [(wanted, wanted + 1.2)], tmp_path / f"fast{path.suffix.replace('.ts', '.mp4')}", fast=True)
    cut, ((start, _),) = Video(clip.path), clip.ranges
    assert wanted - 2.6 < start <= wanted
    for seconds in (0.0, 0.5, 1.0):
        assert number_at(cut, seconds) == number_at(source, start + seconds + 0.001)


def test_sound_stays_with_the_pictures(tmp_path: Path) -> None:
    source = Video(draw_video(tmp_path / "talk.mp4", [Scene(6, "x")], speech=[(2, 3)]))
    clip = Video(cut_clip(source, [(1.5, 4.0)], tmp_path / "clip.mp4").path)
    loudness = np.concatenate([np.abs(block.samples) for block in clip.audio()])
    loud = np.flatnonzero(loudness > 0.05) / 16_000
    assert abs(loud[0] - 0.5) < 0.08
    assert abs(loud[-1] - 1.5) < 0.08


def test_ranges_are_joined(tmp_path: Path) -> None:
    source = Video(draw_video(tmp_path / "film.mp4", [Scene(6, "x", moving=True)], frame_rate=20, numbered=True))
    joined = cut_clip(source, [(4, 5), (1, 2.5)], tmp_path / "joined.mp4")
    cut = Video(joined.path)
    assert abs(cut.duration_seconds - 2.5) < 0.06
    assert (number_at(cut, 0), number_at(cut, 1.0)) == (80, 20)
    assert "00:04.000-00:05.000, 00:01.000-00:02.500" in str(joined)
    talk = Video(draw_video(tmp_path / "talk.mp4", [Scene(4, "x")], speech=[(0, 4)]))
    sound = Video(cut_clip(talk, [(0, 1), (2, 3)], tmp_path / "joined.mp3").path)
    assert not sound.has_video
    assert abs(sound.duration_seconds - 2) < 0.1


def test_what_cannot_be_cut_is_told(tmp_path: Path) -> None:
    source = Video(draw_video(tmp_path / "film.mp4", [Scene(3, "x")]))
    before = source.path.read_bytes()
    for ranges, name, error, words in [
        ([(1, 2)], "film.mp4", InvalidArgument, "the video itself"),
        ([(1, 2)], "clip.docx", InvalidArgument, "must end with one of"),
        ([(5, 6)], "clip.mp4", InvalidArgument, "lasts 3.00 s"),
        ([], "clip.mp4", InvalidArgument, "no range"),
        ([(1, 2)], "clip.mp3", MediaError, "no sound track"),
        ([(1, 2)], "no/such/folder/clip.mp4", MediaError, "cannot be written"),
    ]:
        with pytest.raises(error, match=words):
            cut_clip(source, ranges, tmp_path / name)
    with pytest.raises(InvalidArgument, match="copies one range"):
        cut_clip(source, [(0, 1), (1, 2)], tmp_path / "clip.mp4", fast=True)
    with pytest.raises(MediaError, match="may not fit into .webm"):
        cut_clip(source, [(0, 1)], tmp_path / "clip.webm", fast=True)
    assert source.path.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["film.mp4"]


def test_players_are_found_and_told_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Video(draw_video(tmp_path / "-a film.mp4", [Scene(3, "x")]))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert player_command(source, 1) is None
    for name in ("ffplay", "mpv"):
        player = tmp_path / name
        player.write_text("#!/bin/sh\n")
        player.chmod(player.stat().st_mode | stat.S_IXUSR)
        command = player_command(source, 1.25, 2)
        assert command is not None
        assert command[0] == str(player)
        assert str(source.path) in command
        assert ("--start=1.250" in command and "--end=2.000" in command) or command[3:7] == [
            "-ss",
            "1.250",
            "-t",
            "0.750",
        ]
    assert file_address(source, 1, 2.5).endswith("/-a%20film.mp4#t=1.000,2.500")


def test_times_are_written_to_the_millisecond() -> None:
    assert [stamp(t) for t in (0, 42.0004, 59.9996, 3661.5)] == ["00:00.000", "00:42.000", "01:00.000", "1:01:01.500"]
    assert str(Clip(Path("x.mp4"), [(0, 1)], True, 1.0)) == "Wrote x.mp4: 00:00.000-00:01.000 (1.000 s; encoded anew)"
