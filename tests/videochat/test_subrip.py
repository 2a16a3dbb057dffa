"""Text goes through a SubRip file unchanged, and nothing in it is markup there."""

from __future__ import annotations

import random
import re

import pytest

from videochat.subrip import WORD_JOINER, guarded, unguarded

PIECES = ["<", "i>", "</b>", "!--", "{", "\\an8}", "-", "-->", "->", ">", "0:00:01", ",500", ".5", "1:2:3", " ", "milk"]


@pytest.mark.parametrize(
    ("text", "as_markup"),
    [
        ("a < b <i>c</i> <FONT x=1>", r"<[a-z/]"),
        ("{\\an8}up {y:i}", r"\{[\\y]"),
        ("1:00:01,000 --> 1:00:02.000", r"-->|:\d\d[.,]"),
        ("<1:00:01.000>", r":\d\d[.,]"),
    ],
)
def test_nothing_is_markup_in_it(text: str, as_markup: str) -> None:
    assert re.search(as_markup, text, re.IGNORECASE)
    assert not re.search(as_markup, guarded(text), re.IGNORECASE)
    assert guarded(text).replace(WORD_JOINER, "") == text


def test_any_text_comes_back_as_it_was() -> None:
    chance = random.Random(18)
    for _ in range(3000):
        text = "".join(chance.choice([*PIECES, WORD_JOINER]) for _ in range(chance.randrange(1, 9)))
        assert unguarded(guarded(text)) == text


@pytest.mark.parametrize("text", ["a b", "5 > 3 < 4", "10:30, at last", "a - b"])
def test_other_text_is_left_as_it_is(text: str) -> None:
    assert guarded(text) == text
    assert unguarded(text) == text
