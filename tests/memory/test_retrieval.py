"""From a question to the moment that answers it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.fakes.stored_captions import captions, texts
from videochat.memory import CaptionStore
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
