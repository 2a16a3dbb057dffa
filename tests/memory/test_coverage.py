"""How much of a question captions share."""

from __future__ import annotations

import pytest

from tests.fakes.stored_captions import captions
from videochat.memory.coverage import coverage
from videochat.memory.words import content_words


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
