"""Summaries at four scales and what they cost."""

from __future__ import annotations

import pytest

from tests.fakes.stored_captions import FILM_SECONDS, FILM_TITLES, film
from videochat.errors import UnknownName
from videochat.memory import VideoCaptions, browse, summarize
from videochat.records import Caption
from videochat.testing import ScriptedLLM


def test_the_whole_names_the_scenes_in_order_and_ten_more_minutes_cost_only_themselves(stored: VideoCaptions) -> None:
    stored.record(list(film(120)))
    assert summarize(stored, FILM_SECONDS).made == {"30s": 240, "3min": 40, "30min": 4, "whole": 1}
    (whole,) = browse(stored, "whole")
    places = [whole.text.index(scene) for scene in FILM_TITLES]
    assert places == sorted(places)
    assert summarize(stored, FILM_SECONDS).made == {"30s": 0, "3min": 0, "30min": 0, "whole": 0}
    stored.record(list(film(130, first=120)))
    again = summarize(stored, FILM_SECONDS + 600)
    assert again.made == {"30s": 20, "3min": 4, "30min": 1, "whole": 1}
    assert again.kept == {"30s": 240, "3min": 40, "30min": 4, "whole": 0}
    assert len(stored.between(kinds=["summary"])) == 260 + 44 + 5 + 1


def test_one_new_caption_touches_one_stretch_of_each_scale(stored: VideoCaptions) -> None:
    stored.record(list(film(40)))
    summarize(stored, 2400)
    stored.record([Caption("film", 601, 603, "ocr", "BREAKING NEWS", "ocr")])
    assert summarize(stored, 2400).made == {"30s": 1, "3min": 1, "30min": 1, "whole": 1}
    assert any("BREAKING NEWS" in summary.text for summary in browse(stored, "30s", 600, 630))


@pytest.mark.parametrize(("duration", "scales"), [(12, 1), (31, 2), (200, 3), (1801, 4)])
def test_a_short_video_has_only_the_scales_that_fit(stored: VideoCaptions, duration: float, scales: int) -> None:
    stored.record([Caption("film", 0, 5, "speech", "Hello there.", "test")])
    assert len(summarize(stored, duration).made) == scales
    assert browse(stored)[0].end_seconds == duration


def test_nothing_seen_is_nothing_summed(stored: VideoCaptions) -> None:
    report = summarize(stored, 100)
    assert sum(report.made.values()) == 0
    assert browse(stored) == []
    with pytest.raises(UnknownName, match="no scale '5min'; the known ones are 30min, 30s, 3min, whole"):
        browse(stored, "5min")


def test_browse_without_a_scale_takes_the_one_that_suits_the_range(stored: VideoCaptions) -> None:
    stored.record(list(film(120)))
    summarize(stored, FILM_SECONDS)
    everything = browse(stored)
    assert (everything[0].start_seconds, everything[0].end_seconds) == (0, FILM_SECONDS)
    assert len(everything) == 1 + 4
    assert {c.end_seconds - c.start_seconds for c in browse(stored, None, 600, 900)} == {30}
    assert {c.end_seconds - c.start_seconds for c in browse(stored, None, 600, 3600)} == {180}


def test_a_language_model_writes_and_what_it_wrote_stays(stored: VideoCaptions) -> None:
    stored.record(list(film(1)))
    model = ScriptedLLM("They talk of stones.", RuntimeError("busy"), "A film about stones.")
    report = summarize(stored, 60, model)
    assert (sum(report.made.values()), report.failed) == (3, 1)
    assert browse(stored, "whole")[0].text == "A film about stones."
    assert "stones" in str(model.sent[0][1].content)
    assert "instructions" in str(model.sent[0][0].content)
    assert sum(summarize(stored, 60).made.values()) == 0, "without a model nothing is thrown away"
    later = ScriptedLLM("Better.", "All better.")
    assert summarize(stored, 60, later).made == {"30s": 1, "whole": 1}, "only what failed, and what rests on it"
