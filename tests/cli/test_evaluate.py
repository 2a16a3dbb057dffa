"""`videochat evaluate` as a person meets it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.fakes.benchmark_files import natural, own, write_lines
from videochat.cli import main, make_parser
from videochat.cli.evaluate import BENCHMARK_NAMES, line_up
from videochat.evaluation.benchmarks import BENCHMARKS


@pytest.fixture
def data(tmp_path: Path, tea: Path) -> Path:
    folder = own(tmp_path / "data")
    shutil.copyfile(tea, folder / "tea.mp4")
    return folder


def test_the_parser_knows_every_benchmark() -> None:
    assert set(BENCHMARK_NAMES) == BENCHMARKS.keys()


def test_tables_files_and_the_next_run(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out" / "own.jsonl"
    asked = [
        "evaluate",
        "jsonl",
        "--data",
        str(data),
        "--llm",
        "extractive",
        "--preset",
        "subtitles",
        "--out",
        str(out),
    ]
    assert main([*asked, "--forecast"]) == 0
    assert "3 questions about 1 videos" in capsys.readouterr().err
    assert not out.exists()
    assert main(asked) == 0
    shown, err = capsys.readouterr()
    assert "extractive - blind:extractive" in shown
    assert f"Wrote {out}" in err
    assert {path.suffix for path in out.parent.iterdir() if path.is_file()} == {".jsonl", ".md", ".html", ".png"}

    natural(tmp_path / "more")
    shutil.copyfile(data / "tea.mp4", tmp_path / "more" / "tea.mp4")
    more = ["evaluate", "natural", "--data", str(tmp_path / "more"), "--with", "extractive", "--preset", "subtitles"]
    more += ["--out", str(tmp_path / "natural.jsonl"), "--with-results", str(out), "--json"]
    assert main(more) == 0
    both = json.loads(capsys.readouterr().out)
    assert [each["benchmark"] for each in both] == ["Natural questions", "A benchmark of one's own"]


def test_what_the_public_cannot_score_is_written_for_the_server(data: Path, tmp_path: Path) -> None:
    row = {"id": "s1", "video": "tea.mp4", "question": "What is poured last?", "options": ["the milk", "water"]}
    path = write_lines(data / "hidden.jsonl", [row])
    asked = ["evaluate", "jsonl", "--data", str(data), "--questions", str(path), "--with", "extractive"]
    assert main([*asked, "--preset", "subtitles", "--out", str(tmp_path / "r.jsonl")]) == 0
    assert json.loads((tmp_path / "r.submission-1.json").read_text()) == {"s1": 0}


def test_mistakes_are_sentences(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["evaluate", "jsonl", "--out", str(tmp_path / "r.jsonl"), "--data"]
    assert main([*asked, str(data)]) == 1
    assert "There is nobody to ask" in capsys.readouterr().err
    assert main([*asked, str(tmp_path / "no"), "--llm", "extractive"]) == 1
    assert "There is no folder" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["evaluate", "videomme", "--data", "x"])
    assert "Did you mean 'video-mme'?" in capsys.readouterr().err


def test_a_sense_comes_beside_the_preset() -> None:
    options = make_parser().parse_args(["evaluate", "senses", "--data", "x", "--add-sense", "objects=yolo.pt"])
    senses = line_up(options)
    assert isinstance(senses, list)
    assert [sense.name for sense in senses][-1] == "objects"
    assert len(senses) > 3
