"""What is to come, by what was."""

from __future__ import annotations

import pytest

from videochat.evaluation.forecast import forecast
from videochat.evaluation.items import Item
from videochat.evaluation.predictions import Prediction
from videochat.records import Usage

ITEMS = [Item(str(number), "v", "Which?", ("a", "b"), 0) for number in range(10)]


def test_nothing_is_known_before_the_first() -> None:
    (found,) = forecast(ITEMS, ["x"], {}, (1.0, 2.0))
    assert (found.questions, found.tokens, found.cost) == (10, None, None)
    assert str(found) == "x: 10 questions; what one takes is known after the first (--limit 5)"


def test_the_mean_of_what_was_answered_goes_on() -> None:
    done = {
        ("x", "0"): Prediction("x", "0", "A", usage=Usage(30.0, 1, 0, 1000, 10)),
        ("x", "1"): Prediction("x", "1", "A", usage=Usage(60.0, 1, 0, 3000, 30)),
        ("x", "2"): Prediction("x", "2", problem="down"),
    }
    (found,) = forecast(ITEMS, ["x"], done, (2.0, 10.0))
    assert (found.questions, found.tokens, found.seconds) == (8, (16000.0, 160.0), 360.0)
    assert found.cost == pytest.approx(0.0336)
    assert str(found).startswith(
        "x: 8 questions, 0.1 h one after another, 0.02 M tokens read, 0.00 M written, cost 0.03"
    )


def test_nothing_is_left() -> None:
    (found,) = forecast(ITEMS[:1], ["x"], {("x", "0"): Prediction("x", "0", "A", usage=Usage(30.0))})
    assert str(found) == "x: everything has been answered"


def test_tokens_that_are_not_reported_are_not_invented() -> None:
    done = {("x", "0"): Prediction("x", "0", "A", usage=Usage(36.0))}
    (found,) = forecast(ITEMS, ["x"], done, (2.0, 10.0))
    assert (found.tokens, found.cost, found.seconds) == (None, None, 324.0)
