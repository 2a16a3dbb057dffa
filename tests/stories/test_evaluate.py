"""Evaluation from outside: the regression's own files, and the task that lmms-eval loads."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from benchmarks.regression.__main__ import HISTORY, QUESTIONS
from benchmarks.regression.clips import BAKERY, GARDEN, GARDEN_WORDS, LIGHTS, REAL
from videochat.evaluation.history import read_history
from videochat.evaluation.readers import read_jsonl

ROOT = Path(__file__).parents[2]


def test_the_regression_has_a_hundred_questions_with_balanced_letters() -> None:
    reading = read_jsonl(QUESTIONS.parent, QUESTIONS)
    assert (len(reading.items), list(reading.problems)) == (100, [])
    assert {item.video for item in reading.items} <= {*REAL, "bakery.mp4", "garden.mp4", "lights.mp4"}
    letters = Counter(item.right for item in reading.items if item.options)
    assert set(letters.values()) == {12}, "who always says A gets a quarter"


def test_what_is_right_is_what_was_drawn() -> None:
    """The right option stands in the words of a scene or a cue that shares a moment with the spans."""
    shown: dict[str, list[tuple[float, float, str]]] = {"garden.mp4": list(GARDEN_WORDS), "bakery.mp4": []}
    start = 0.0
    for scene in BAKERY:
        shown["bakery.mp4"].append((start, start + scene.seconds, scene.text.replace("\n", " ")))
        start += scene.seconds
    checked = 0
    for item in read_jsonl(QUESTIONS.parent, QUESTIONS).items:
        if item.options and item.video in shown:
            assert item.right is not None
            there = [text for a, b, text in shown[item.video] if any(a < e and s < b for s, e in item.spans)]
            right = item.options[item.right].removeprefix("in ").casefold()
            assert any(right in text.casefold() for text in there), item
            checked += 1
    assert checked == 18
    assert sum(scene.seconds for scene in GARDEN) == 30
    assert sum(scene.seconds for scene in LIGHTS) == 20


def test_the_history_is_of_these_questions() -> None:
    history = read_history(HISTORY)
    items = read_jsonl(QUESTIONS.parent, QUESTIONS).items
    assert history[-1].outcomes.keys() == {item.id for item in items}
    assert history[-1].scores["invented"] == 0
    assert history[-1].falls(history[-1], items) == []


@pytest.fixture
def task(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The task's functions, with a stand-in for the one part of lmms-eval that they use."""
    for name in ("lmms_eval", "lmms_eval.tasks", "lmms_eval.tasks._task_utils"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    extract = SimpleNamespace(
        extract_mcq_answer=lambda text, choices: next((c for c in choices if f"({c})" in text), "")
    )
    monkeypatch.setitem(sys.modules, "lmms_eval.tasks._task_utils.mcq_extract", extract)
    from benchmarks.lmms_eval import utils

    return utils


def test_the_task_of_lmms_eval_scores_citations(task: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    document = {"video": "a.mp4", "question": "Which?", "options": ["x", "y"], "answer": "B", "spans": [[10, 20]]}
    monkeypatch.setenv("VIDEOCHAT_VIDEOS", "/data")
    assert task.video(document) == ["/data/a.mp4"]
    assert task.question(document).splitlines()[:3] == ["Which?", "A. x", "B. y"]
    assert task.scores(document, ["(B) It is y [00:15-00:25]."]) == {
        "accuracy": 1.0,
        "citation_hit": 1.0,
        "citation_iou": pytest.approx(1 / 3),
        "citation_iop": 0.5,
    }
    assert task.scores(document, [""]) == dict.fromkeys(
        ("accuracy", "citation_hit", "citation_iou", "citation_iop"), 0.0
    )
    assert task.scores(document | {"spans": None}, ["(B)"])["citation_hit"] is None
    assert task.first_citation("at [1:02:05]") == (3725.0, 3726.0)
    assert task.first_citation("see [film.mp4 01:05-01:10]") == (65.0, 70.0)
    assert task.mean_of_located([None, 1.0, 0.0]) == 0.5


def test_the_task_names_what_exists(task: Any) -> None:
    text = (ROOT / "benchmarks" / "lmms_eval" / "videochat_citations.yaml").read_text()
    for name in {line.split("utils.")[1] for line in text.splitlines() if "!function" in line}:
        assert callable(getattr(task, name))
    assert json.loads(QUESTIONS.read_text().splitlines()[0])["video"]
