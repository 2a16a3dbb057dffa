"""A fall is told from chance, and named."""

from __future__ import annotations

from pathlib import Path

import pytest

from videochat.errors import InvalidArgument
from videochat.evaluation.history import Entry, append_history, read_history
from videochat.evaluation.items import Item
from videochat.evaluation.predictions import Prediction
from videochat.evaluation.scoring import score

ITEMS = [
    Item(str(n), "v", "Which?", ("a", "b"), 0, spans=((0.0, 9.0),), groups=(("type", "speech" if n % 2 else "text"),))
    for n in range(40)
]


def entry(*wrong: int, missed: int = 0, invented: int = 0) -> Entry:
    scores = [
        score(
            item,
            Prediction("x", item.id, "AB"[n in wrong], "grounded", ((20.0 if n < missed else 1.0, 21.0),), invented),
        )
        for n, item in enumerate(ITEMS)
    ]
    return Entry.of(scores, "2026-11-28", "abc")


def test_scores_by_name() -> None:
    assert entry(0, 1).scores == {"accuracy": 95.0, "hit": 100.0, "speech": 95.0, "text": 95.0, "invented": 0}


def test_one_question_is_chance_and_many_are_a_fall() -> None:
    before = entry(0)
    assert entry(0, 1).falls(before, ITEMS) == []
    assert entry().falls(before, ITEMS) == []
    falls = entry(*range(1, 20, 2)).falls(before, ITEMS)
    assert [fall.split(" fell")[0] for fall in falls] == ["accuracy", "speech"]
    assert falls[0].endswith("since abc; lost: 1, 3, 5, 7, 9, 11, 13, 15, 17, 19")


def test_citations_that_miss_or_are_invented_are_falls() -> None:
    assert entry(missed=8).falls(entry(), ITEMS)[0].startswith("hit fell by 20.0 points")
    assert entry(invented=1).falls(entry(), ITEMS) == ["40 citations are invented"]


def test_the_file_grows_by_a_line(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    assert read_history(path) == []
    append_history(path, entry(0))
    append_history(path, entry())
    assert read_history(path) == [entry(0), entry()]
    path.write_text("{}\n")
    with pytest.raises(InvalidArgument, match="Line 1 of"):
        read_history(path)
