"""A benchmark of a drawn clip with questions, and a model that knows some answers."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.fakes.benchmark_files import write_lines
from tests.fakes.knowing_model import KnowingModel

QUESTIONS = 16


@pytest.fixture
def own(tmp_path: Path, tea: Path) -> Path:
    """A folder with two videos, one of which is missing, and questions about three."""
    folder = tmp_path / "data"
    (folder / "videos").mkdir(parents=True)
    for name in ("one", "two"):
        shutil.copyfile(tea, folder / "videos" / f"{name}.mp4")
    rows = [
        {
            "id": f"q{number}",
            "video": f"{('one', 'two', 'three')[number % 3 if number < 6 else number % 2]}.mp4",
            "question": f"Question {number:03d}: what is it?",
            "options": ["boiling", "steeping", "milk", "the end"],
            "answer": "ABCD"[number % 4],
            "spans": [[4, 8]],
            "groups": {"type": "speech" if number % 2 else "text"},
        }
        for number in range(QUESTIONS)
    ]
    write_lines(folder / "questions.jsonl", [*rows, "{"])
    return folder


@pytest.fixture
def knowing() -> KnowingModel:
    return KnowingModel({f"Question {number:03d}": "ABCD"[number % 4] for number in range(1000)})
