"""Words of a question, and those that carry its meaning."""

from __future__ import annotations

import pytest

from videochat.memory.words import all_words, content_words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("When is the MILK poured into the milk?", ["milk", "poured"]),
        ("Find the footage in which the chef's knife appears", ["chef", "knife"]),
        ("What happens at the end of the video?", []),
        ("牛奶 在哪里", ["牛奶", "在哪里"]),
        ("", []),
    ],
)
def test_words_that_carry_the_meaning(text: str, words: list[str]) -> None:
    assert content_words(text) == words


def test_all_words_in_order() -> None:
    assert all_words("The chef’s knife, THE knife.") == ["the", "chef", "knife", "the", "knife"]
