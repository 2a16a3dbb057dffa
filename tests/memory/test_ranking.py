"""Rankings by words, and several rankings fused."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest

from videochat.memory.ranking import by_words, fuse, rankings_for
from videochat.memory.sqlite_schema import RANKING_SCHEMA


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    db = sqlite3.connect(":memory:")
    db.executescript(RANKING_SCHEMA)
    yield db
    db.close()


def fill(db: sqlite3.Connection, texts: list[str]) -> None:
    db.executemany("INSERT INTO captions VALUES (?, ?, ?)", [(i, float(i), text) for i, text in enumerate(texts)])
    db.execute("INSERT INTO words (words) VALUES ('rebuild')")


def test_what_stands_high_in_several_rankings_comes_first() -> None:
    assert list(fuse(["a", "b", "c"], ["b", "c", "d"])) == ["b", "c", "a", "d"]
    assert list(fuse(["a"], [])) == ["a"]
    assert fuse() == {}


@pytest.mark.parametrize(("by", "chosen"), [("hybrid", [[1], [2]]), ("lexical", [[1]]), ("dense", [[2]])])
def test_the_rankings_that_a_search_asks_for(by: str, chosen: list[list[int]]) -> None:
    assert rankings_for(by, [1], [2]) == chosen


def test_rare_words_count_more_and_stems_and_accents_do_not_matter(db: sqlite3.Connection) -> None:
    fill(db, ["a dog runs", "a dog barks", "Été: a dog and a café", "nothing of it"])
    assert list(by_words(db, "dogs barking", 10)) == [1, 0, 2]
    assert list(by_words(db, "the cafe in ete", 10)) == [2]
    assert list(by_words(db, "dog", 10, "captions.start_seconds > ?", [1.0])) == [2]
    assert by_words(db, "of the and", 10) == {}
    assert len(by_words(db, "dog", 2)) == 2


def test_words_that_thousands_of_captions_share_rank_nothing(db: sqlite3.Connection) -> None:
    fill(db, [*("river stone" for _ in range(3000)), "river otter"])
    assert list(by_words(db, "river otter", 10)) == [3000]
    assert by_words(db, "river", 10) == {}
