"""Words that are right, by hand."""

from __future__ import annotations

import pytest

from videochat.evaluation.word_errors import aligned, word_error_rate, words_found, words_of


def test_words_without_punctuation_and_speakers() -> None:
    assert words_of("NAR: NASA’s clean-rooms, in the world.") == ["nasas", "clean", "rooms", "in", "the", "world"]


def test_errors_are_the_fewest() -> None:
    assert aligned(["a", "b", "c"], ["a", "x", "c"]) == (1, [(0, 0), (2, 2)])
    assert aligned([], ["a", "b"]) == (2, [])
    assert word_error_rate("ask not what", "as not what you") == pytest.approx(2 / 3)


def test_words_that_are_found_in_any_order() -> None:
    assert words_found("Rye bread 4.50", "bread\nRYE") == 0.5
