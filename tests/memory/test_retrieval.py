"""From a question to the moment that answers it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.fakes.stored_captions import captions, texts
from videochat.errors import VideoChatError
from videochat.memory import CaptionStore
from videochat.memory.query import Query
from videochat.memory.retrieval import recall, recall_library
from videochat.records import Caption


@pytest.mark.parametrize(
    ("question", "check"),
    [
        ("When is the milk poured?", lambda found: found[0].text == "Then pour the milk into the bowl."),
        ("What is said at 4 seconds?", lambda found: found[0].text == "First, melt the butter slowly."),
        ("What is written at the end?", lambda found: found[0].text == "BAKE 40 MINUTES"),
        ("What is said between 6 and 9 seconds?", lambda found: found[0].start_seconds == 6),
        ("What happens in this video?", lambda found: len(found) == 7),
        ("After the butter is melted, what is said?", lambda found: found[0].start_seconds == 6),
        ("What follows the butter?", lambda found: found[0].start_seconds == 6),
        ("What is said right before the milk?", lambda found: found[0].start_seconds == 3),
        ("When the butter is melted, what is on the screen?", lambda found: found[0].overlaps(3, 6)),
        ("What is said between the cake and the milk?", lambda found: found[0].start_seconds == 3),
        ("What is said in the second shot?", lambda found: found[0].kind == "speech"),
        ("What is written in the first scene?", lambda found: found[0].text == "WELCOME / TO THE KITCHEN"),
    ],
)
def test_recall_brings_the_moment_first(
    store: CaptionStore, question: str, check: Callable[[list[Caption]], bool]
) -> None:
    store.add(captions())
    found = [hit.caption for hit in recall(store.captions_of("kitchen"), question, duration_seconds=12).hits]
    assert check(found), texts(found)
    assert len({c.id for c in found}) == len(found)


def test_recall_over_videos_reads_times_and_order_in_each(library: CaptionStore) -> None:
    best = recall_library(library, "What is said after the butter is melted?", k=3).hits[0].caption
    assert best.text == "Then pour the milk into the bowl."
    best = (
        recall_library(library, "What is the last thing said about roses?", k=3, video_ids=["garden"]).hits[0].caption
    )
    assert best.text == "Cut the hedge with care."


def shots(sudden: dict[str, str]) -> list[Caption]:
    """Return two shots, the first with a sudden change in it that has the given attributes."""
    return [
        Caption("street", 0, 4, "shot", "one shot of 4.0 s", "shots", attributes={"event": "shot"}),
        Caption("street", 2, 3, "shot", "the light goes out", "shots", attributes=sudden),
        Caption("street", 4, 9, "shot", "one shot of 5.0 s", "shots"),
        Caption("street", 5, 6, "speech", "Look at that.", "speech"),
    ]


def test_a_sudden_change_is_no_shot_whatever_its_text(store: CaptionStore) -> None:
    store.add(shots({"event": "sudden_change"}))
    stored = store.captions_of("street")
    for question in ("What is said in the second shot?", "Show the second shot"):
        assert recall(stored, question, duration_seconds=9).hits[0].caption.start_seconds >= 4


def test_without_the_attribute_every_caption_of_the_kind_is_a_shot(store: CaptionStore) -> None:
    store.add(shots({}))
    found = recall(store.captions_of("street"), "What is in the second shot?", duration_seconds=9)
    assert found.hits[0].caption.start_seconds == 2


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"k": 0}, "k of at least 1, got 0"),
        ({"start_seconds": -1.0}, "got -1.0 to inf seconds"),
        ({"start_seconds": 9.0, "end_seconds": 9.0}, "got 9.0 to 9.0 seconds"),
        ({"kinds": ["speach"]}, "Did you mean 'speech'"),
    ],
)
def test_what_cannot_be_recalled_is_a_sentence(library: CaptionStore, arguments: dict[str, Any], match: str) -> None:
    with pytest.raises(VideoChatError, match=match):
        recall(library.captions_of("kitchen"), "milk", duration_seconds=12, **arguments)
    with pytest.raises(VideoChatError, match=match):
        recall_library(library, "milk", **arguments)


def test_filters_hold_whatever_the_question_names(library: CaptionStore) -> None:
    stored = library.captions_of("kitchen")
    for question in ("What is said at 4 seconds?", "What follows the butter?", "What happens?", "milk"):
        for hit in recall(stored, question, duration_seconds=12, kinds=["ocr"], start_seconds=6).hits:
            assert hit.caption.kind == "ocr"
            assert hit.caption.end_seconds > 6
    assert recall(stored, "What is said at 4 seconds?", duration_seconds=12, start_seconds=8).hits == []


def test_a_question_that_was_read_is_taken_as_it_is(library: CaptionStore) -> None:
    stored = library.captions_of("kitchen")
    question = "What is said right before the milk?"
    assert recall(stored, Query.parse(question, 12), duration_seconds=12) == recall(
        stored, question, duration_seconds=12
    )


def test_a_time_past_the_end_finds_nothing_and_a_clock_time_that_is_content_is_found(store: CaptionStore) -> None:
    rows: list[Any] = [(5, 8, "speech", "The 10:30 train leaves from platform two."), (9, 12, "ocr", "JOHN 3:16")]
    store.add(captions(rows=rows))
    stored = store.captions_of("kitchen")
    assert recall(stored, "What is said at 99:59?", duration_seconds=12).hits == []
    for question, text in (("From which platform does the 10:30 train leave?", rows[0][3]), ("John 3:16", rows[1][3])):
        assert recall(stored, question, duration_seconds=12).hits[0].caption.text == text


def test_captions_that_say_the_same_and_touch_are_one_hit(store: CaptionStore) -> None:
    rows: list[Any] = [(i, i + 1, "objects", "tree trunk") for i in range(6)]
    rows += [(20, 21, "objects", "tree trunk"), (3, 4, "speech", "A tree, and its trunk."), (8, 9, "ocr", "TREE")]
    store.add(captions(rows=rows))
    hits = recall(store.captions_of("kitchen"), "tree trunk", duration_seconds=30).hits
    trunks = [(hit.start_seconds, hit.end_seconds) for hit in hits if hit.caption.text == "tree trunk"]
    assert sorted(trunks) == [(0, 6), (20, 21)]
    assert len(hits) == 4


def test_measurements_come_first_only_where_they_are_asked_for(store: CaptionStore) -> None:
    rows: list[Any] = [
        (0, 2, "measure", "light: bright; camera: pans left"),
        (4, 5, "objects", "pan"),
        (6, 8, "speech", "Hot."),
    ]
    store.add(captions(rows=rows))
    stored = store.captions_of("kitchen")
    assert recall(stored, "What is in the pan?", duration_seconds=9).hits[0].caption.kind == "objects"
    assert recall(stored, "How does the camera move?", duration_seconds=9).hits[0].caption.kind == "measure"


def test_what_a_model_claimed_is_not_found(store: CaptionStore) -> None:
    rows: list[Any] = [(0, 4, "claim", "A cat sleeps in the pan."), (4, 8, "speech", "The pan is hot.")]
    store.add(captions(rows=rows))
    stored = store.captions_of("kitchen")
    for question in ("Where does the cat sleep?", "What happens at 2 seconds?", "What happens?"):
        assert "claim" not in {hit.caption.kind for hit in recall(stored, question, duration_seconds=9).hits}
        assert "claim" not in {hit.caption.kind for hit in recall_library(store, question).hits}


@pytest.mark.parametrize("over_videos", [False, True])
def test_where_a_sense_has_looked_again_only_what_it_said_then_is_found(store: CaptionStore, over_videos: bool) -> None:
    def note(start: float, end: float, text: str, source: str) -> Caption:
        return Caption("kitchen", start, end, "objects", text, source)

    first = [note(0, 4, "blurry cat", "eyes"), note(4, 8, "white cat", "eyes")]
    stored = store.captions_of("kitchen")
    stored.record(first, source="eyes", version="1", watched=(0, 8))
    stored.record([note(5, 6, "white dog", "eyes@4fps")], source="eyes@4fps", version="1", watched=(4, 8))
    store.add(captions("garden"))
    found = recall_library(store, "white cat") if over_videos else recall(stored, "white cat", duration_seconds=8)
    seen = {hit.caption.text for hit in found.hits if hit.caption.kind == "objects"}
    assert seen == {"blurry cat", "white dog"}


def test_the_first_of_what_is_meant_comes_first(store: CaptionStore) -> None:
    rows: list[Any] = [
        (20, 22, "objects", "car"),
        (4, 6, "objects", "car"),
        (1, 2, "objects", "dog"),
        (9, 11, "objects", "car"),
    ]
    store.add(captions(rows=rows))
    for question, start in (("When does the first car appear?", 4), ("the last car", 20), ("second car", 9)):
        assert (
            recall(store.captions_of("kitchen"), question, duration_seconds=30).hits[0].caption.start_seconds == start
        )


def test_each_video_has_its_share_of_a_question_that_tells_none_apart(library: CaptionStore) -> None:
    hits = recall_library(library, "What is said at the beginning?", k=2).hits
    assert {hit.caption.video_id for hit in hits} == {"kitchen", "garden"}
    assert all(hit.caption.kind == "speech" for hit in hits)
