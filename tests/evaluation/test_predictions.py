"""The results file survives what ends a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from videochat.errors import InvalidArgument
from videochat.evaluation.predictions import Prediction, Results
from videochat.records import Usage

RUN = {"benchmark": "jsonl", "questions": "abc"}
SAME = ("benchmark", "questions")


def test_a_prediction_comes_back_as_it_was(tmp_path: Path) -> None:
    prediction = Prediction(
        "x", "q1", "(A) “ä” [00:01-00:02]", "grounded", ((1.0, 2.0),), 1, "", Usage(1.5, 2, 1, 10, 3, 4)
    )
    with Results.appending(tmp_path / "r.jsonl", RUN, SAME) as results:
        results.add(prediction)
    found = Results.read(tmp_path / "r.jsonl")
    assert found.predictions == {("x", "q1"): prediction}
    assert found.runs == [RUN]


def test_the_last_line_of_an_item_counts_and_a_failed_one_is_open(tmp_path: Path) -> None:
    with Results.appending(tmp_path / "r.jsonl", RUN, SAME) as results:
        results.add(Prediction("x", "q1", problem="down"))
        assert not results.has("x", "q1")
        results.add(Prediction("x", "q1", "A"))
        assert results.has("x", "q1")
    assert Results.read(tmp_path / "r.jsonl").predictions["x", "q1"].text == "A"


def test_broken_lines_are_counted_and_half_a_line_is_ended(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    with Results.appending(path, RUN, SAME) as results:
        results.add(Prediction("x", "q1", "A"))
    with path.open("a") as file:
        file.write('nonsense\n{"prediction": {"item": "q9"}}\n{"prediction": {"contender": "x", "it')
    with Results.appending(path, RUN, SAME) as results:
        results.add(Prediction("x", "q2", "B"))
    found = Results.read(path)
    assert (len(found.predictions), found.broken, len(found.runs)) == (2, 2, 2)


def test_another_benchmark_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    with Results.appending(path, RUN, SAME):
        pass
    with (
        pytest.raises(InvalidArgument, match="holds results with questions 'abc', and this run has 'def'"),
        Results.appending(path, RUN | {"questions": "def"}, SAME),
    ):
        pass
    assert not list(tmp_path.glob(".*")), "no lock is left behind"


def test_files_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="cannot be read"):
        Results.read(tmp_path / "no")
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(InvalidArgument, match="cannot be written"),
        Results.appending(tmp_path / "file" / "r", RUN, SAME),
    ):
        pass
