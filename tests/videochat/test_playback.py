"""What browsers play as it is, and what ffmpeg makes of the rest."""

from __future__ import annotations

import io
import random
import subprocess
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from videochat.errors import MediaError
from videochat.ffmpeg import ffmpeg_exe
from videochat.media import Video
from videochat.playback import browser_stream, clip_of, playback_of
from videochat.testing import Scene, draw_video, read_frame_number


def remade(clip: Video, target: Path, *codecs: str) -> Video:
    subprocess.run([ffmpeg_exe(), "-v", "error", "-i", str(clip.path), "-sn", *codecs, str(target)], check=True)
    return Video(target)


def test_h264_in_mp4_is_played_as_it_is(clip: Video, sound_only: Video) -> None:
    assert playback_of(clip).way == "file"
    assert playback_of(sound_only).media_type == "audio/mp4"


def test_another_container_is_rewrapped_and_other_pictures_are_encoded(clip: Video, tmp_path: Path) -> None:
    wrapped = playback_of(remade(clip, tmp_path / "a.mkv", "-c", "copy"))
    assert (wrapped.way, wrapped.why) == ("rewrapped", "H.264 in Matroska")
    old = playback_of(remade(clip, tmp_path / "a.mpg", "-c:v", "mpeg2video", "-r", "25"))
    assert old.way == "encoded"
    assert "MPEG2VIDEO" in old.why


@pytest.mark.parametrize(("way", "seconds"), [("encoded", 0.0), ("encoded", 4.3), ("rewrapped", 7.2)])
def test_a_stream_begins_where_it_says(tmp_path: Path, way: str, seconds: float) -> None:
    video = Video(
        draw_video(tmp_path / "n.mp4", [Scene(10, "", "gray")], numbered=True, start_seconds=1.5, speech=[(1, 9)])
    )
    with browser_stream(video, seconds, way=way) as (start, pipe):
        data = pipe.read()
    with av.open(io.BytesIO(data), "r") as container:
        frame = next(container.decode(video=0))
        assert container.streams.audio
        shown = read_frame_number(np.asarray(frame.to_ndarray(format="rgb24")))
    begins = start + (frame.time or 0)
    assert begins <= seconds + 0.1
    assert seconds - begins < (0.11 if way == "encoded" else 5.01)
    assert shown == pytest.approx(begins * 10, abs=1)


@pytest.mark.parametrize(
    ("name", "codecs", "way"),
    [
        ("a.ts", ["-c:v", "mpeg2video", "-r", "25", "-q:v", "2", "-g", "12", "-c:a", "mp2"], "encoded"),
        ("c.avi", ["-c:v", "mpeg4", "-q:v", "2", "-g", "20", "-c:a", "libmp3lame"], "encoded"),
        ("b.ts", ["-c:v", "libx264", "-g", "25", "-c:a", "aac"], "rewrapped"),
        ("d.mkv", ["-c:v", "libx264", "-g", "20", "-c:a", "ac3"], "rewrapped"),  # with pictures out of order
        ("e.mkv", ["-c:v", "libx264", "-bf", "0", "-g", "20", "-c:a", "ac3"], "rewrapped"),
    ],
)
def test_what_no_browser_plays_is_made_so_from_any_second(
    tmp_path: Path, name: str, codecs: list[str], way: str
) -> None:
    source = Video(
        draw_video(tmp_path / "n.mp4", [Scene(6, "", "gray")], numbered=True, frame_rate=10, speech=[(1, 5)])
    )
    video = remade(source, tmp_path / name, *codecs)
    assert playback_of(video).way == way
    for seconds in (0.0, random.uniform(2.6, 5.5)):
        with browser_stream(video, seconds, way=way) as (start, pipe):
            data = pipe.read()
        with av.open(io.BytesIO(data), "r") as container:
            frame = next(container.decode(video=0))
        with av.open(io.BytesIO(data), "r") as container:
            heard = start + (next(container.decode(audio=0)).time or 0)
        begins = start + (frame.time or 0)
        assert abs(heard - begins) < 0.15, "sound and pictures stay together"
        assert begins <= seconds + 0.11
        shown = read_frame_number(np.asarray(frame.to_ndarray(format="rgb24")))
        expected = read_frame_number(video.frame_at(begins + 0.001).image)
        assert shown is not None
        assert expected is not None
        # Pictures that are made anew come at even times.
        assert abs(shown - expected) <= (0 if way == "rewrapped" else 1)


def test_a_clip_is_small_and_of_the_moment(tmp_path: Path) -> None:
    video = Video(draw_video(tmp_path / "n.mp4", [Scene(20, "", "gray")], numbered=True))
    data = clip_of(video, 6.0, 9.0)
    assert data is not None
    with av.open(io.BytesIO(data), "r") as container:
        assert (container.duration or 0) / av.time_base == pytest.approx(3.0, abs=0.3)
        frame = next(container.decode(video=0))
        assert read_frame_number(np.asarray(frame.to_ndarray(format="rgb24"))) == pytest.approx(60, abs=1)
    (tmp_path / "n.mp4").unlink()
    with pytest.raises(MediaError, match="can no longer be read .*put it back"):
        clip_of(video, 6.0, 9.0)


@pytest.mark.parametrize("suffix", ["jpg", "webp"])
def test_a_picture_plays_for_a_second(tmp_path: Path, suffix: str) -> None:
    Image.new("RGB", (101, 61), (200, 30, 20)).save(tmp_path / f"wall.{suffix}")
    picture = Video(tmp_path / f"wall.{suffix}")
    way = playback_of(picture)
    assert (way.way, way.media_type, way.why) == ("encoded", "video/mp4", "a picture")
    with browser_stream(picture, 0.0, way=way.way) as (began, pipe):
        (tmp_path / "played.mp4").write_bytes(pipe.read())
    played = Video(tmp_path / "played.mp4")
    assert began == 0
    assert played.duration_seconds == pytest.approx(1.0, abs=0.25)
    assert abs(int(played.frame_at(0.5).image[30, 50, 0]) - 200) < 12
