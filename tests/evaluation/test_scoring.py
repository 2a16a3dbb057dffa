"""What a prediction is worth, by hand."""

from __future__ import annotations

import pytest

from videochat.evaluation.items import Expected, Item
from videochat.evaluation.predictions import Prediction
from videochat.evaluation.scoring import located_rank, score, score_all, submission

CHOICE = Item("1", "v", "Which?", ("red", "blue"), 1, spans=((10.0, 20.0),))
OPEN = Item("2", "v", "What?", expected=Expected((("milk",),)), spans=((10.0, 20.0),))
ABSENT = Item("3", "v", "Does a cat jump?", expected=Expected(refuses=True))


def said(item: Item, text: str, *cited: tuple[float, float], status: str = "grounded", problem: str = "") -> Prediction:
    return Prediction("x", item.id, text, status, cited, problem=problem)


@pytest.mark.parametrize(
    ("text", "outcome"), [("B", "right"), ("A", "wrong"), ("", "unreadable"), ("either A or B", "unreadable")]
)
def test_options(text: str, outcome: str) -> None:
    assert score(CHOICE, said(CHOICE, text)).outcome == outcome


def test_a_failure_is_no_answer() -> None:
    assert score(CHOICE, said(CHOICE, "", problem="down")).outcome == "failed"


def test_open_answers_say_what_they_must_and_where() -> None:
    assert score(OPEN, said(OPEN, "milk", (12, 13))).outcome == "right"
    assert score(OPEN, said(OPEN, "milk", (30, 33))).outcome == "wrong"
    assert score(OPEN, said(OPEN, "milk")).outcome == "wrong"
    assert score(OPEN, said(OPEN, "milk", (12, 13), status="not_found")).outcome == "wrong"


def test_only_a_refusal_is_right_where_nothing_answers() -> None:
    refused = score(ABSENT, said(ABSENT, "Nothing noted answers this.", status="not_found"))
    assert (refused.outcome, refused.refused) == ("right", True)
    assert score(ABSENT, said(ABSENT, "At noon.")).outcome == "wrong"


def test_citations_are_held_against_where_the_answer_is() -> None:
    found = score(CHOICE, said(CHOICE, "B", (15, 25), (30, 40), (19, 20)))
    assert (found.hit, found.precise, found.iop) == (1.0, 2, 0.5)
    assert found.iou == pytest.approx(1 / 3)
    assert found.set_iou == pytest.approx(5 / 25)
    none = score(CHOICE, said(CHOICE, "B"))
    assert (none.hit, none.precise, none.iou, none.span) == (0.0, 0, 0.0, None)


def test_the_rank_of_what_lies_in_a_span_by_half() -> None:
    assert located_rank(OPEN, said(OPEN, "", (0, 11), (5, 15))) == 2
    assert located_rank(OPEN, said(OPEN, "", (0, 11))) == 0


def test_what_a_server_takes() -> None:
    known = {("x", "1"): said(CHOICE, "B"), ("x", "2"): said(OPEN, "milk"), ("y", "1"): said(CHOICE, "A")}
    assert submission([CHOICE, OPEN], known, "x") == {"1": 1}
    assert submission([CHOICE], {("x", "1"): said(CHOICE, "?")}, "x") == {"1": -1}


def test_what_cannot_be_scored_is_left_out() -> None:
    hidden = Item("4", "v", "Which?", ("red", "blue"))
    known = {("x", item.id): said(item, "B") for item in (hidden, CHOICE)} | {("x", "gone"): said(CHOICE, "B")}
    assert [s.item.id for s in score_all([hidden, CHOICE], known)["x"]] == ["1"]
