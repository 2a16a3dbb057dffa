"""Summaries at four scales and what they cost."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter

import pytest

from tests.fakes.stored_captions import FILM_SECONDS, FILM_TITLES, film
from videochat.errors import InvalidArgument, UnknownName
from videochat.fence import DATA
from videochat.memory import VideoCaptions, browse, summarize
from videochat.memory.summaries import scale_of
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
    assert DATA in str(model.sent[0][0].content)
    assert "<video>" in str(model.sent[0][1].content)
    assert sum(summarize(stored, 60).made.values()) == 0, "without a model nothing is thrown away"
    later = ScriptedLLM("Better.", "All better.")
    assert summarize(stored, 60, later).made == {"30s": 1, "whole": 1}, "only what failed, and what rests on it"


def as_before_attributes(stored: VideoCaptions) -> dict[str, str]:
    """Make the summaries of a video what an older version stored; return their texts by id."""
    new = stored.between(kinds=["summary"])
    old = {caption.id: dataclasses.replace(caption, attributes={}) for caption in new}
    notes = stored.notes("summary/")
    for note in notes.values():
        note["caption_id"] = old[note["caption_id"]].id
    stored.replace(list(old), list(old.values()), notes)
    return {caption.id: caption.text for caption in old.values()}


def test_summaries_of_an_older_version_get_their_scale_without_asking_the_model_again(stored: VideoCaptions) -> None:
    stored.record(list(film(1)))
    summarize(stored, 60, ScriptedLLM("They talk of stones.", "They talk of rivers.", "A film about stones."))
    old = as_before_attributes(stored)
    assert browse(stored, "whole") == [], "nothing reads the scale out of prose"
    assert all(scale_of(caption) == "" for caption in stored.between(kinds=["summary"]))

    silent = ScriptedLLM()
    report = summarize(stored, 60, silent)
    assert silent.sent == []
    assert (sum(report.made.values()), sum(report.kept.values())) == (0, 3)
    now = stored.between(kinds=["summary"])
    assert sorted(caption.text for caption in now) == sorted(old.values())
    assert {caption.id for caption in now}.isdisjoint(old)
    assert sorted(scale_of(caption) for caption in now) == ["30s", "30s", "whole"]
    assert browse(stored, "whole")[0].text == "A film about stones."
    # Once is enough, and what is replaced later is found by its new id.
    before = list(stored.state.events())
    summarize(stored, 60, silent)
    assert list(stored.state.events()) == before
    stored.record([Caption("film", 31, 33, "ocr", "BREAKING NEWS", "ocr")])
    summarize(stored, 60)
    assert len(stored.between(kinds=["summary"])) == 3


def test_every_summary_carries_its_scale(stored: VideoCaptions) -> None:
    stored.record(list(film(40)))
    summarize(stored, 2400)
    counts = Counter(caption.attributes["scale"] for caption in stored.between(kinds=["summary"]))
    assert counts == {"30s": 80, "3min": 14, "30min": 2, "whole": 1}


@pytest.mark.parametrize("duration", [0, -1.0, math.inf, math.nan])
def test_a_video_without_a_length_has_no_summaries(stored: VideoCaptions, duration: float) -> None:
    with pytest.raises(InvalidArgument, match=f"a duration above 0 seconds, got {duration}"):
        summarize(stored, duration)


def test_a_range_that_is_none_cannot_be_browsed(stored: VideoCaptions) -> None:
    with pytest.raises(InvalidArgument, match="0 <= start_seconds < end_seconds, got 9 to 3 seconds"):
        browse(stored, None, 9, 3)
