"""Every odd file either works with true seconds or fails with its sentence; none is left out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from videochat.errors import MediaError
from videochat.media import Video

pytestmark = pytest.mark.material


@dataclass(frozen=True)
class Works:
    """What a file holds, as counted by decoding it without this package."""

    size: tuple[int, int]
    duration_seconds: float
    pictures: int
    last_picture_seconds: float
    sound_seconds: float | None = None


@dataclass(frozen=True)
class SoundOnly:
    duration_seconds: float


@dataclass(frozen=True)
class Fails:
    words: str


ODD: dict[str, Works | SoundOnly | Fails] = {
    "asl_book.mkv": Works((640, 480), 3.633, 109, 3.6),
    "audio_only.m4a": SoundOnly(13.056),
    "av1_video.mkv": Works((640, 360), 5.0, 125, 4.96),
    "empty.mp4": Fails("is empty .0 bytes."),
    "h264_10bits.mp4": Works((200, 200), 1.0, 30, 0.9667),
    "h265_10bits.mp4": Works((200, 200), 1.0, 30, 0.9667),
    "h265_video.mp4": Works((128, 128), 1.0, 10, 0.9),
    "name with späces & 'quote'.mp4": Works((640, 480), 3.067, 92, 3.0333),
    "no_audio.mp4": Works((640, 480), 6.167, 185, 6.1333),
    "no_duration.webm": Works((1280, 720), 4.938, 74, 4.872, sound_seconds=4.875),
    "not_a_video.mp4": Fails("is not a video that can be opened"),
    "odd_dims_yuv444.mp4": Works((427, 321), 3.0, 90, 2.9667),
    "one_frame.mp4": Works((64, 48), 1.0, 1, 0.0),
    "psd_delayed_start.mp4": Works((480, 320), 0.96, 24, 0.92),
    "psd_fades.mp4": Works((480, 320), 10.0, 250, 9.96),
    "rotate90_meta.mp4": Works((480, 640), 6.167, 185, 6.1333, sound_seconds=6.153),
    "silent_audio.mp4": Works((128, 128), 3.0, 10, 0.9, sound_seconds=3.0),
    "transparent.webm": Works((200, 200), 5.0, 150, 4.967, sound_seconds=4.943),
    "truncated.mp4": Fails("is not a video that can be opened .*cut short"),
    # Its header stops at 9.44 s, before the last two pictures.
    "vfr.mp4": Works((480, 270), 10.043, 163, 9.8098),
    "video_with_failing_audio.mp4": Works((640, 360), 11.233, 280, 11.16, sound_seconds=11.233),
}


def test_every_odd_file_has_a_row(material: Path) -> None:
    there = {path.name for path in (material / "videos" / "odd").iterdir()}
    assert there == set(ODD), "a file without a row, or a row without a file"


def rows(kind: type) -> list[str]:
    return [name for name, row in ODD.items() if isinstance(row, kind)]


@pytest.mark.parametrize("name", rows(Works))
def test_it_works_with_true_seconds(material: Path, name: str) -> None:
    row = ODD[name]
    assert isinstance(row, Works)
    video = Video(material / "videos" / "odd" / name)
    assert video.size == row.size
    assert video.duration_seconds == pytest.approx(row.duration_seconds, abs=0.001)

    every = list(video.frames(None, max_side=64))
    seconds = [frame.seconds for frame in every]
    assert seconds[0] == 0
    assert seconds[-1] == pytest.approx(row.last_picture_seconds, abs=0.001)
    assert seconds == sorted(set(seconds))
    assert len(every) == row.pictures
    assert every[0].image.shape[:2] == tuple(round(side * 64 / max(row.size)) for side in row.size[::-1])

    # A picture sampled for second t is the one shown at t, whichever way it is asked for.
    for frame in video.frames(0.5, max_side=64):
        shown = every[int(np.searchsorted(seconds, frame.seconds + 1e-4)) - 1]
        assert np.abs(frame.image.astype(int) - shown.image).mean() < 1
    sampled = list(video.frames(1.0))
    pointed = list(video.frames(at_seconds=[frame.seconds for frame in sampled]))
    for by_rate, by_seek in zip(sampled, pointed, strict=True):
        assert np.abs(by_rate.image.astype(int) - by_seek.image).mean() < 4  # colours are rounded differently

    assert video.has_audio is (row.sound_seconds is not None)
    if row.sound_seconds is not None:
        assert list(video.audio())[-1].end_seconds == pytest.approx(row.sound_seconds, abs=0.05)


@pytest.mark.parametrize("name", rows(SoundOnly))
def test_it_is_heard(material: Path, name: str) -> None:
    row = ODD[name]
    assert isinstance(row, SoundOnly)
    video = Video(material / "videos" / "odd" / name)
    assert not video.has_video
    assert video.duration_seconds == pytest.approx(row.duration_seconds, abs=0.01)
    assert list(video.audio())[-1].end_seconds == pytest.approx(row.duration_seconds, abs=0.05)


@pytest.mark.parametrize("name", rows(Fails))
def test_it_fails_with_its_sentence(material: Path, name: str) -> None:
    row = ODD[name]
    assert isinstance(row, Fails)
    with pytest.raises(MediaError, match=row.words) as caught:
        Video(material / "videos" / "odd" / name)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)
