"""The tables: words follow the captions, and conditions keep to ranges and kinds."""

from __future__ import annotations

import math
import sqlite3

import pytest

from videochat.memory.sqlite_schema import INDEX_SCHEMA, RANKING_SCHEMA, VIDEO_SCHEMA, conditions
from videochat.records import Kind

_INSERT = "INSERT INTO captions (number, id, start_seconds, end_seconds, kind, source, text, rest) VALUES "


@pytest.mark.parametrize("schema", [VIDEO_SCHEMA, INDEX_SCHEMA])
def test_a_schema_can_be_applied_again(schema: str) -> None:
    db = sqlite3.connect(":memory:")
    db.executescript(schema)
    db.executescript(schema)
    assert db.execute("SELECT count(*) FROM captions").fetchone() == (0,)
    db.close()


def test_words_changes_and_missing_vectors_follow_the_captions() -> None:
    db = sqlite3.connect(":memory:")
    db.executescript(VIDEO_SCHEMA)
    db.execute(_INSERT + "(1, 'a', 0, 1, 'speech', 'test', 'pouring milk', '{}')")
    assert db.execute("SELECT rowid FROM words WHERE words MATCH 'poured'").fetchall() == [(1,)]
    assert db.execute("SELECT number FROM without_vector").fetchall() == [(1,)]
    db.execute("DELETE FROM captions")
    assert db.execute("SELECT rowid FROM words WHERE words MATCH 'milk'").fetchall() == []
    assert db.execute("SELECT id FROM changes ORDER BY number").fetchall() == [("a",), ("a",)]
    assert db.execute("SELECT number FROM without_vector").fetchall() == []
    db.close()


def test_all_word_indexes_split_texts_alike() -> None:
    def tokenizer(schema: str) -> str:
        return schema.split("tokenize='")[1].split("'")[0]

    assert tokenizer(VIDEO_SCHEMA) == tokenizer(INDEX_SCHEMA) == tokenizer(RANKING_SCHEMA)


@pytest.mark.parametrize(
    ("start", "end", "kinds", "ids"),
    [
        (0.0, math.inf, None, ["a", "b"]),
        (1.0, math.inf, None, ["b"]),
        (0.0, 1.0, None, ["a"]),
        (0.0, math.inf, ["summary"], ["c"]),
        (0.0, math.inf, [], []),
    ],
)
def test_conditions(start: float, end: float, kinds: list[Kind] | None, ids: list[str]) -> None:
    db = sqlite3.connect(":memory:")
    db.executescript(VIDEO_SCHEMA)
    db.execute(_INSERT + "(1, 'a', 0, 1, 'speech', 't', 'x', '{}'), (2, 'b', 1, 2, 'ocr', 't', 'x', '{}')")
    db.execute(_INSERT + "(3, 'c', 0, 2, 'summary', 't', 'x', '{}')")
    where, values = conditions(start, end, kinds)
    assert [row[0] for row in db.execute(f"SELECT id FROM captions WHERE {where} ORDER BY id", values)] == ids
    db.close()
