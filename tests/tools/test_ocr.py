"""Text on the screen is read where and while it is shown."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from tests.fakes.senses import seen
from videochat.frames import Frame
from videochat.media import Video
from videochat.records import Caption
from videochat.testing import Scene, draw_video
from videochat.tools.ocr import TextReader, _Line


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


def test_a_title_whose_two_lines_touch_is_read_as_two(clip: Video, reader: TextReader) -> None:
    image = Image.new("RGB", (1280, 720), (40, 70, 40))
    font = ImageFont.load_default(200)
    draw = ImageDraw.Draw(image)
    for text, top in (("RED LAKE", 150), ("BOATMEN", 300)):
        draw.text((300, top), text, fill="white", font=font, stroke_width=9)
    whole = Frame(0.0, np.asarray(image), 1.0)
    (told,) = [c for c in reader.perceive([whole], clip, 0.0, 1.0) if isinstance(c, Caption)]
    assert told.text == "RED LAKE / BOATMEN"


def test_a_piece_of_a_line_that_is_found_again_is_no_other_line() -> None:
    whole = _Line(0.0, "THE PEACH OPEN MOVIE PROJECT", 0.99, (100.0, 100.0, 800.0, 150.0))
    assert _Line(1.0, "MOPEN MOVI", 0.9, (250.0, 102.0, 500.0, 148.0)).is_part_of(whole)
    assert not _Line(1.0, "OPEN MOVIE", 0.9, (250.0, 202.0, 500.0, 248.0)).is_part_of(whole)
    assert not _Line(1.0, "CHAPTER TWO", 0.9, (250.0, 102.0, 500.0, 148.0)).is_part_of(whole)
