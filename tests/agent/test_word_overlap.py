"""How much of a question captions share."""

from __future__ import annotations

import pytest

from tests.fakes.stored_captions import captions
from videochat.agent.word_overlap import coverage
from videochat.memory.words import content_words
from videochat.records import Caption, Kind


@pytest.mark.parametrize(
    ("question", "best", "at_least", "at_most"),
    [
        ("When is the milk poured?", "Then pour the milk into the bowl.", 0.9, 1.0),
        ("Who melts butter?", "First, melt the butter slowly.", 0.9, 1.0),
        ("Where is the giraffe?", None, 0.0, 0.0),
        ("Does the giraffe drink milk?", "Then pour the milk into the bowl.", 0.1, 0.6),
        ("Welcom to the kitchn", "WELCOME / TO THE KITCHEN", 0.6, 1.0),
    ],
)
def test_coverage_is_how_much_of_a_question_is_answered(
    question: str, best: str | None, at_least: float, at_most: float
) -> None:
    stored = captions()
    share = coverage(content_words(question), stored)
    assert set(share) == {c.id for c in stored}
    top = max(stored, key=lambda c: share[c.id])
    assert at_least <= share[top.id] <= at_most
    if best is not None:
        assert top.text == best


@pytest.mark.parametrize(
    ("word", "kind", "text", "share"),
    [
        ("milk", "speech", "The milk.", 1.0),
        ("theft", "speech", "Somebody stole it.", 0.7),
        ("mood", "speech", "He is in a bad humor.", 0.7),
        ("pouring", "speech", "It is poured.", 1.0),
        ("kitchn", "speech", "the kitchen", 0.0),
        ("kitchn", "ocr", "THE KITCHEN", 0.7),
        ("hotdog", "speech", "a hot dog", 0.9),
        ("book", "speech", "a notebook", 0.6),
        ("milk", "speech", "The cat.", 0.0),
    ],
)
def test_a_word_is_shared_in_full_in_part_or_not(word: str, kind: Kind, text: str, share: float) -> None:
    caption = Caption("film", 0, 1, kind, text, "test")
    assert coverage([word], [caption])[caption.id] == pytest.approx(share)


def test_a_rare_word_counts_more_than_one_that_all_have() -> None:
    both = captions(rows=[(0, 1, "speech", "the red car"), (1, 2, "speech", "the red boat"), (2, 3, "speech", "red")])
    share = coverage(["red", "boat"], both)
    assert share[both[1].id] == pytest.approx(1.0)
    assert share[both[0].id] == share[both[2].id] < 0.5
    assert coverage([], both) == {caption.id: 0.0 for caption in both}
    assert coverage(["red"], []) == {}
