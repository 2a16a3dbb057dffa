"""Summaries at four scales and what they cost; who and what appears; what to show under a budget."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from videochat.errors import InvalidArgument, UnknownName
from videochat.memory import CaptionStore, Hit, VideoCaptions, appearances, browse, select, summarize, textualize
from videochat.memory.context_budget import tokens_of
from videochat.records import Caption
from videochat.testing import ScriptedLLM

HOURS = 7200.0
SCENES = ["THE OPENING", "THE KITCHEN", "THE HARBOUR", "GARDEN PARTY", "NIGHT TRAIN", "THE LIBRARY"]


def film(minutes: int, first: int = 0) -> Iterator[Caption]:
    """Yield the captions of a film: a title every twenty minutes, a remark every ten seconds."""
    for minute in range(first, minutes):
        at = 60.0 * minute
        if minute % 20 == 0:
            yield Caption("film", at, at + 6, "ocr", SCENES[minute // 20 % 6], "ocr")
        for i in range(6):
            text = f"Remark {i} of minute {minute} about stones and rivers."
            yield Caption("film", at + 10 * i, at + 10 * i + 5, "speech", text, "subtitles")
        yield Caption("film", at, at + 60, "tags", "light: bright; colours: white 90%", "facts")


@pytest.fixture
def stored(tmp_path: Path) -> Iterator[VideoCaptions]:
    with CaptionStore(tmp_path / "memory") as store:
        yield store.captions_of("film")


def test_the_whole_names_the_scenes_in_order_and_ten_more_minutes_cost_only_themselves(stored: VideoCaptions) -> None:
    stored.record(list(film(120)))
    assert summarize(stored, HOURS).made == {"30s": 240, "3min": 40, "30min": 4, "whole": 1}
    (whole,) = browse(stored, "whole")
    places = [whole.text.index(scene) for scene in SCENES]
    assert places == sorted(places)
    assert summarize(stored, HOURS).made == {"30s": 0, "3min": 0, "30min": 0, "whole": 0}
    stored.record(list(film(130, first=120)))
    again = summarize(stored, HOURS + 600)
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
    summarize(stored, HOURS)
    everything = browse(stored)
    assert (everything[0].start_seconds, everything[0].end_seconds) == (0, HOURS)
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


def test_things_are_counted_once() -> None:
    def thing(start: float, end: float, name: str, track: int | None, source: str = "yolo") -> Caption:
        return Caption("film", start, end, "objects", name, source, box=(0, 0, 9, 9), track_id=track)

    seen = appearances(
        [
            thing(0, 60, "person", 1),
            thing(60, 90, "person", 1),
            thing(10, 20, "person", 2),
            thing(5, 8, "Car", 3),
            thing(30, 31, "car", 4),
            thing(0, 1, "car", 1, "other detector"),
            thing(40, 42, "dog", None),
            thing(41, 43, "dog", None),
            Caption("film", 0, 9, "speech", "person", "test"),
        ]
    )
    assert [(a.name, a.count, a.at_once, a.first_seconds, a.last_seconds) for a in seen] == [
        ("person", 2, 2, 0, 90),
        ("car", 2, 1, 5, 31),
        ("dog", 2, 2, 40, 43),
    ]
    assert seen[1].spans == ((5, 8), (30, 31))
    captions = [c for a in seen for c in a.captions]
    assert [a.name for a in appearances(captions, "Cars")] == ["car"]
    assert [a.name for a in appearances(captions, "people")] == ["person"]
    assert appearances(captions, "giraffe") == []


def test_a_budget_shows_the_moment_densely_and_the_rest_by_summaries(stored: VideoCaptions) -> None:
    stored.record(list(film(120)))
    summarize(stored, HOURS)
    hits = stored.search("Remark 3 of minute 77", k=3)
    chosen = select(stored, hits, budget_tokens=2500)
    assert chosen.tokens == tokens_of(chosen.captions) <= 2500
    starts = [caption.start_seconds for caption in chosen.captions]
    assert starts == sorted(starts)
    texts = {caption.text for caption in chosen.captions}
    assert "Remark 3 of minute 77 about stones and rivers." in texts
    assert "Remark 2 of minute 77 about stones and rivers." in texts, "its neighbour in time"
    assert any(caption.kind == "summary" for caption in chosen.captions)
    assert texts <= {caption.text for caption in [*stored.between(), *stored.between(kinds=["summary"])]}, "none is cut"
    assert "of 846 captions are not shown" in chosen.left_out
    assert "summaries stand for them" in chosen.left_out


def test_what_fits_is_shown_whole_and_nothing_is_left_out(stored: VideoCaptions) -> None:
    stored.record(list(film(1)))
    chosen = select(stored, [], budget_tokens=3000)
    assert chosen.captions == stored.between()
    assert chosen.left_out == ""
    small = select(stored, [Hit(caption, 1, 1) for caption in stored.between()], budget_tokens=25)
    assert len(small.captions) == 1
    with pytest.raises(InvalidArgument, match="at least 1 token"):
        select(stored, [], budget_tokens=0)


def test_several_videos_are_told_apart_in_the_text() -> None:
    captions = [Caption(video, 0, 2, "speech", f"Hello from {video}.", "test") for video in ("a", "b")]
    assert textualize(captions, names={"a": "first.mp4"}) == (
        "Video first.mp4:\n00:00-00:02: Hello from a.\n\nVideo b:\n00:00-00:02: Hello from b."
    )
