"""Text on the screen is read where and while it is shown."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.fakes.senses import seen
from videochat.frames import Frame
from videochat.media import Video
from videochat.records import Caption
from videochat.testing import Scene, draw_video
from videochat.tools.ocr import TextReader


@pytest.fixture(scope="module")
def reader() -> Iterator[TextReader]:
    made = TextReader()
    yield made
    made.close()


def test_text_is_read_where_and_while_it_is_shown(clip: Video, reader: TextReader) -> None:
    welcome, water = seen(reader, clip)
    assert (welcome.start_seconds, welcome.end_seconds) == (0.0, 3.0)
    assert welcome.text == "WELCOME / TO THE KITCHEN"
    assert (water.start_seconds, water.end_seconds) == (6.0, 9.0)
    assert water.text == "BOIL THE WATER"
    for caption in (welcome, water):
        assert caption.box is not None
        x1, y1, x2, y2 = caption.box
        # Drawn centred, at two fifths of the height.
        assert (x1 + x2) / 2 == pytest.approx(160, abs=8)
        assert (y1 + y2) / 2 == pytest.approx(72, abs=8)
        assert caption.score is not None
        assert caption.score > 0.8


def test_nothing_is_read_where_nothing_is_written(tmp_path: Path, reader: TextReader) -> None:
    scenes = [Scene(2, "", colour, moving=True) for colour in ("white", "navy", "grey")]
    assert seen(reader, Video(draw_video(tmp_path / "plain.mp4", scenes))) == []


def test_text_that_appears_after_a_silent_minute_is_one_line(tmp_path: Path, reader: TextReader) -> None:
    scenes = [Scene(60, "", "navy"), Scene(6, "AT LAST", "navy")]
    video = Video(draw_video(tmp_path / "late.mp4", scenes, frame_rate=1))
    read = seen(reader, video)
    assert [(c.start_seconds, c.end_seconds) for c in read] == [(60, 66)]


@pytest.mark.material
def test_slides_are_read(material: Path, reader: TextReader) -> None:
    told = seen(reader, Video(material / "videos" / "jfk_slides.mp4"))
    assert [(c.start_seconds, c.end_seconds, c.text) for c in told] == [
        (0, 3, "INAUGURAL ADDRESS / January 20, 1961 Washington, D.C."),
        (3, 6, "Lecture 7: Famous Speeches / - audience and purpose / - rhetorical devices: chiasmus"),
        (6, 11, "Homework due Friday / Room B204, bring your notebook"),
    ]


@pytest.mark.material
def test_no_text_is_invented_where_there_is_none(material: Path, reader: TextReader) -> None:
    assert seen(reader, Video(material / "videos" / "yoga.mp4")) == []


def test_a_picture_in_which_no_letter_fits_has_none(clip: Video) -> None:
    noise = np.random.default_rng(18).integers(0, 256, (2, 1280, 3), np.uint8)
    frames = [Frame(0.0, noise, 1.0), Frame(1.0, np.ascontiguousarray(noise.transpose(1, 0, 2)), 1.0)]
    assert [item for item in TextReader().perceive(frames, clip, 0.0, 2.0) if isinstance(item, Caption)] == []
