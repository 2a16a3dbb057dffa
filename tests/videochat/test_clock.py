"""Lengths are read where they are only estimated, and joined recordings go on."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.fakes.senses import seen
from videochat.audio import SAMPLE_RATE
from videochat.clock import Clock, Follower, Stretch
from videochat.ffmpeg import ffmpeg_exe
from videochat.media import Video
from videochat.testing import Scene, draw_video
from videochat.tools import make_tool


def recording(folder: Path, name: str, colours: tuple[str, str], start_seconds: float, *, speech: bool) -> bytes:
    path = draw_video(
        folder / f"{name}.ts",
        [Scene(3, "", colours[0]), Scene(3, "", colours[1])],
        size=(64, 48),
        start_seconds=start_seconds,
        speech=[(1.0, 2.0)] if speech else (),
    )
    return path.read_bytes()


@pytest.mark.parametrize("second_start", [0.0, 3.0, 30.0, 3612.0])
@pytest.mark.parametrize("speech", [False, True], ids=["silent", "voiced"])
def test_joined_recordings_are_seen_whole(tmp_path: Path, second_start: float, speech: bool) -> None:
    first = recording(tmp_path, "a", ("white", "navy"), 10.0, speech=speech)
    second = recording(tmp_path, "b", ("gold", "black"), second_start, speech=speech)
    (tmp_path / "joined.ts").write_bytes(first + second)
    video = Video(tmp_path / "joined.ts")
    assert video.duration_seconds == pytest.approx(12, abs=0.2)
    ((start, end, reason),) = video.gaps
    assert start < 6.1 < end + 0.1
    assert "the clock of the file jumps" in reason
    lightness = [frame.image.mean() for frame in video.frames(at_seconds=[1.5, 4.5, 7.5, 10.5, 2.0])]
    assert lightness == pytest.approx([255, 43, 157, 0, 255], abs=6)
    assert [frame.image.mean() for frame in video.frames(1.5)][1::2] == pytest.approx([255, 43, 157, 0], abs=6)
    shots = [c for c in seen(make_tool("shots"), video) if c.attributes["event"] == "shot"]
    assert [c.start_seconds for c in shots] == pytest.approx([0, 3, 6, 9], abs=0.2)
    if speech:
        samples = np.concatenate([block.samples for block in video.audio()])
        loud = np.flatnonzero(np.abs(samples) > 0.05) / SAMPLE_RATE
        assert loud[0] == pytest.approx(1.05, abs=0.1)
        assert loud[loud > 4][0] == pytest.approx(7.05, abs=0.2)


def test_one_damaged_timestamp_moves_nothing(tmp_path: Path) -> None:
    data = bytearray(recording(tmp_path, "a", ("white", "navy"), 10.0, speech=False))
    at = -1
    for _ in range(20):
        at = data.index(b"\x00\x00\x01\xe0", at + 1)  # a packet of pictures begins
    data[at + 10] ^= 0x20  # a high bit of its presentation time
    (tmp_path / "flipped.ts").write_bytes(bytes(data))
    video = Video(tmp_path / "flipped.ts")
    assert video.duration_seconds == pytest.approx(6, abs=0.3)
    assert [video.frame_at(t).image.mean() > 128 for t in (2.5, 3.5)] == [True, False]


def test_a_follower_tells_two_stretches_apart_that_count_alike() -> None:
    clock = Clock((Stretch(0, 6, 0, ranges={0: (0.0, 5.9)}), Stretch(0, 6, 6, ranges={0: (0.0, 5.9)})), 12.0)
    follower = Follower(clock)
    assert [follower.seconds(0, raw) for raw in (0.0, 5.9, 0.0, 5.9, 300.0)] == [0.0, 5.9, 6.0, 11.9, None]


def test_what_goes_on_in_another_stream_is_said(tmp_path: Path) -> None:
    first = recording(tmp_path, "a", ("white", "navy"), 10.0, speech=False)
    recording(tmp_path, "b", ("gold", "black"), 10.0, speech=False)
    other = [ffmpeg_exe(), "-v", "error", "-i", str(tmp_path / "b.ts"), "-c", "copy", "-streamid", "0:300"]
    subprocess.run([*other, str(tmp_path / "other.ts")], check=True)
    (tmp_path / "joined.ts").write_bytes(first + (tmp_path / "other.ts").read_bytes())
    ((start, end, reason),) = Video(tmp_path / "joined.ts").gaps
    assert start < 6.1 < end + 0.1
    assert reason == "the file goes on for 00:05 in another stream (its PID or program changes), which is not read"
    assert Video(tmp_path / "a.ts").gaps == []
