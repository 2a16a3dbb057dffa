"""The demo draws a clip, watches it, and answers what can be checked by eye."""

from pathlib import Path

import pytest

from videochat.demo import QUESTIONS, run_demo


def test_the_demo_answers_its_questions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_demo(tmp_path / "deep" / "demo.mp4")
    printed = capsys.readouterr().out
    assert (tmp_path / "deep" / "demo.mp4").stat().st_size > 10_000
    milk, screen, cat = (printed.split(f"> {question}")[1].split("\n> ")[0] for question in QUESTIONS)
    assert "Now the milk is poured" in milk
    assert "[00:14-00:18]" in milk
    assert "2. Let it steep" in screen
    assert "not_found" in cat
