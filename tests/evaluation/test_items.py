"""Items check themselves, and answers of any form become an option."""

from __future__ import annotations

from typing import Any

import pytest

from videochat.errors import InvalidArgument
from videochat.evaluation.items import Expected, Item, index_of, without_letters


@pytest.mark.parametrize(
    ("answer", "index"),
    [
        ("B", 1),
        ("(B)", 1),
        ("b)", None),
        (1, 1),
        ("1", 1),
        ("blue", 1),
        ("Blue ", 1),
        ("E", None),
        (None, None),
        (9, None),
    ],
)
def test_answers(answer: Any, index: int | None) -> None:
    if index is None:
        with pytest.raises(InvalidArgument, match="is none of the 3 options"):
            index_of(answer, ("red", "blue", "grey"))
    else:
        assert index_of(answer, ("red", "blue", "grey")) == index


def test_text_comes_before_letters_and_numbers() -> None:
    assert index_of("0", ("3", "0")) == 1
    assert index_of("A", ("B", "A")) == 1


def test_letters_go_where_all_have_them() -> None:
    assert without_letters(["A. red", "B. blue"]) == ("red", "blue")
    assert without_letters(["(A) red", "(B) blue"]) == ("red", "blue")
    assert without_letters(["A. red", "blue "]) == ("A. red", "blue")


@pytest.mark.parametrize("wrong", [{"id": ""}, {"question": " "}, {"options": ("a",)}, {"right": 2}, {"right": -1}])
def test_broken_items_are_not_born(wrong: dict[str, Any]) -> None:
    usual: dict[str, Any] = {"id": "1", "video": "v", "question": "Which?", "options": ("a", "b"), "right": 0}
    with pytest.raises(InvalidArgument):
        Item(**(usual | wrong))


def test_what_an_open_answer_must_hold() -> None:
    expected = Expected.read({"says": [["milk", "cream"], "poured"], "never": ["oil"]})
    assert expected.holds("The Cream is poured.")
    assert not expected.holds("The cream is there.")
    assert not expected.holds("Milk and oil are poured.")
    with pytest.raises(InvalidArgument, match="lists of patterns"):
        Expected.read({"says": [["("]]})
