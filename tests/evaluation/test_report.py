"""The report as files: nothing in it steers a page, and it says where it comes from."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.evaluation.test_summary import ITEMS, ONE, TWO
from videochat.errors import InvalidArgument
from videochat.evaluation.benchmarks import BENCHMARKS
from videochat.evaluation.predictions import Results
from videochat.evaluation.report import Section, markdown, page, plot, section, write
from videochat.evaluation.run import Evaluated


@pytest.fixture
def shown() -> Section:
    results = Results(Path("r.jsonl"))
    results.predictions = {(s.prediction.contender, s.item.id): s.prediction for s in (*ONE, *TWO)}
    run = {"commit": "abc+", "machine": "Linux, 2 cores", "models": {"speech": "base@1"}, "packages": {"torch": "2"}}
    results.runs = [run, run | {"commit": "def"}]
    evaluated = Evaluated(
        BENCHMARKS["jsonl"], ITEMS, ["<b>line 3</b>: broken"], {"v|1": "there is none"}, results, ["two"]
    )
    return section(evaluated)


def test_contenders_stand_in_the_order_that_was_given(shown: Section) -> None:
    assert [row[0] for row in shown.tables[0].rows] == ["two", "one"]


def test_markdown_says_where_it_comes_from(shown: Section) -> None:
    text = markdown([shown], ["r.png"])
    assert "| one | 3 | 3 | 100.0 [100.0, 100.0] |" in text
    assert "- commit: abc+; def" in text
    assert "- models: speech: base@1" in text
    assert "v\\|1: there is none" in text
    assert "![Accuracy over cost](r.png)" in text


def test_the_page_needs_nothing_else(shown: Section) -> None:
    text = page([shown, shown])
    assert text.count("data:image/png;base64,") == 2
    assert "<b>line" not in text
    assert "http" not in text.replace('http-equiv="', "")


def test_the_plot_is_a_picture_also_of_one_point() -> None:
    assert plot({"one": ONE}).startswith(b"\x89PNG")


def test_files(shown: Section, tmp_path: Path) -> None:
    names = [path.name for path in write([shown, shown], tmp_path / "r")]
    assert names == ["r.md", "r.html", "r.png", "r-2.png"]
    with pytest.raises(InvalidArgument, match="cannot be written"):
        write([shown], tmp_path / "no" / "r")
