"""Frames, blocks of sound and samplings check themselves."""

import math
from pathlib import Path

import ffmpeg
import numpy as np
import pytest
from PIL import Image

from videochat.errors import InvalidArgument
from videochat.ffmpeg import ffmpeg_exe
from videochat.frames import Frame, Sampling, first_slot
from videochat.media import Video
from videochat.testing import Scene, draw_video


def test_a_frame_that_is_no_picture_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="uint8 of shape"):
        Frame(0, np.zeros((4, 4), np.uint8))


def test_a_frame_ends_where_it_no_longer_stands_for_anything() -> None:
    assert Frame(2.0, np.zeros((4, 6, 3), np.uint8), 0.5).end_seconds == 2.5


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"every_seconds": 0}, "every_seconds must be at least 0.001, got 0"),
        ({"every_seconds": "a"}, "every_seconds must be a number, got 'a'"),
        ({"every_seconds": math.inf}, "every_seconds must be at least 0.001"),
        ({"max_side": 1}, "max_side must be at least 2 pixels, got 1"),
        ({"min_change": -1}, "min_change must be 0-255"),
        ({"every_seconds": None, "min_change": 3}, "0 where every picture is wanted"),
    ],
)
def test_a_sampling_says_what_is_allowed(settings: dict[str, float], words: str) -> None:
    with pytest.raises(InvalidArgument, match=words):
        Sampling(**settings)  # type: ignore[arg-type]  # the refusal is what is tested


@pytest.mark.parametrize(("start", "every", "slot"), [(0, 1, 0), (0.2, 1, 1), (3, 1, 3), (0.3, 0.1, 0.3)])
def test_the_first_second_of_a_grid_is_not_before_the_start(start: float, every: float, slot: float) -> None:
    assert first_slot(start, every) == pytest.approx(slot)


@pytest.mark.parametrize("mirrored", [None, "display_hflip", "display_vflip"])
@pytest.mark.parametrize("turned", [0, 90, 180, 270])
def test_a_turned_or_mirrored_picture_is_shown_as_a_player_does(
    tmp_path: Path, turned: int, mirrored: str | None
) -> None:
    drawn = draw_video(tmp_path / "plain.mp4", [Scene(1, "F", "navy")], frame_rate=5, size=(96, 64))
    shown = tmp_path / "shown.mp4"
    how = {"display_rotation": turned} | ({mirrored: None} if mirrored else {})
    ffmpeg.input(str(drawn), **how).output(str(shown), c="copy").run(cmd=ffmpeg_exe(), quiet=True)
    upright = tmp_path / "upright.png"
    ffmpeg.input(str(shown)).output(str(upright), vframes=1).run(cmd=ffmpeg_exe(), quiet=True)
    wanted = np.asarray(Image.open(upright).convert("RGB")).astype(int)
    video = Video(shown)
    found = video.frame_at(0.0).image
    assert video.size == (found.shape[1], found.shape[0])
    assert np.abs(wanted - found).mean() < 3


@pytest.mark.parametrize("every_seconds", [0.999985, 1.00001, 1.02])
def test_a_second_just_before_or_after_the_end_of_the_last_picture_is_sampled(
    tmp_path: Path, every_seconds: float
) -> None:
    # The pictures end at 2.0 s, the sound later; a range ends anywhere, as those of a live recording do.
    video = Video(draw_video(tmp_path / "two.mp4", [Scene(2, "F", "navy")], speech=[(0, 1)], sound_delay_seconds=0.1))
    frames = video.frames(every_seconds=every_seconds, end_seconds=2.045)
    assert [frame.seconds for frame in frames] == pytest.approx([0, every_seconds, 2 * every_seconds])
