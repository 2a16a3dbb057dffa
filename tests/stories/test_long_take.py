"""More than two minutes without a change: what lasts is told in pieces, without holes."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tests.fakes.senses import seen
from videochat.media import Video
from videochat.tools import make_tool
from videochat.tools.ocr import TextReader


def test_text_that_stays_is_one_line_told_minute_by_minute(long_take: Video) -> None:
    read = seen(TextReader(), long_take)
    # The sound goes on for a moment after the last picture, which stays.
    assert [(c.start_seconds, c.end_seconds) for c in read] == [(30, 60), (60, 120), (120, long_take.duration_seconds)]
    assert long_take.duration_seconds == pytest.approx(135, abs=0.1)
    assert len({c.text for c in read}) == 1


def test_a_long_speech_is_told_in_pieces_without_holes(long_take: Video) -> None:
    told = seen(make_tool("speech_regions"), long_take)
    assert told[0].start_seconds == pytest.approx(1, abs=0.2)
    assert told[-1].end_seconds == pytest.approx(130, abs=0.2)
    for caption, following in pairwise(told):
        assert following.start_seconds - caption.end_seconds <= 1.0
    assert all(c.end_seconds - c.start_seconds <= 61 for c in told)


def test_a_still_picture_is_one_shot(long_take: Video) -> None:
    shots = [c for c in seen(make_tool("shots"), long_take) if c.attributes["event"] == "shot"]
    assert [c.start_seconds for c in shots] == [0.0, 120.0]
    assert shots[0].text == "120.0 s of one shot, which goes on"
    assert [c.attributes.get("continues") for c in shots] == [True, None]
