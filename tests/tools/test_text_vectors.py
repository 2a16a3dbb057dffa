"""Word lists, and vectors that are computed once."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from videochat.errors import InvalidArgument
from videochat.home import home
from videochat.tools.text_vectors import digest_of, stored_vectors, word_list, words_from


def test_words_are_taken_once_in_order(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("dog\n\n cat \ndog\n")
    assert words_from(tmp_path / "words.txt") == words_from(["dog", " cat", "dog", " "]) == ("dog", "cat")
    with pytest.raises(InvalidArgument, match="at least one"):
        words_from([" "])
    with pytest.raises(InvalidArgument, match=r"list of words '.*no.txt' cannot be read"):
        words_from(tmp_path / "no.txt")


@pytest.mark.parametrize("name", ["tags.txt", "kinetics400.txt"])
def test_the_lists_of_the_package_have_no_blanks_and_no_doubles(name: str) -> None:
    words = word_list(name)
    assert words == words_from(words)


def test_a_digest_tells_where_one_text_ends() -> None:
    assert digest_of("ab", "c") != digest_of("a", "bc")
    assert digest_of("ab", "c") == digest_of("ab", "c")


def test_vectors_are_computed_once_for_a_model_and_its_texts() -> None:
    computed: list[tuple[str, ...]] = []

    def embed(texts: Sequence[str]) -> np.ndarray:
        computed.append(tuple(texts))
        return np.full((len(computed[-1]), 3), len(computed), np.float32)

    first = stored_vectors("model", ["dog", "cat"], embed)
    np.testing.assert_array_equal(stored_vectors("model", ["dog", "cat"], embed), first)
    assert computed == [("dog", "cat")]
    stored_vectors("other", ["dog", "cat"], embed)
    stored_vectors("model", ["cat", "dog"], embed)
    assert len(computed) == 3
    for file in (home() / "text_vectors").iterdir():
        file.write_bytes(b"cut short")
    assert stored_vectors("model", ["dog", "cat"], embed)[0, 0] == 4
