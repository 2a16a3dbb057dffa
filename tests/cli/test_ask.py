"""`videochat ask` and `videochat chat`."""

import json
import random
import readline
import stat
from pathlib import Path

import pytest

from videochat.cli import main
from videochat.cli.ask import kept_lines


def test_ask_prints_one_object_for_programs(
    demo_clip: Path, demo_memory: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ask", str(demo_clip), "When is the milk poured?", "--memory", demo_memory, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["status"] == "grounded"
    best = answer["citations"][0]
    assert (best["start_seconds"], best["end_seconds"], best["kind"]) == (14.5, 17.5, "speech")
    assert "milk" in best["text"]


def test_ask_writes_a_page_whose_citations_play(
    demo_clip: Path, demo_memory: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "answer.html"
    question = ["ask", str(demo_clip), "When is the milk poured?", "--memory", demo_memory]
    assert main([*question, "--html", str(page)]) == 0
    written = page.read_text()
    assert 'data-start="14.500" data-end="17.500"' in written
    assert f"{demo_clip.resolve().as_uri()}#t=14.5,17.5" in written
    assert "data:image/jpeg;base64," in written
    beside = demo_clip.parent / "answer.html"
    assert main([*question, "--html", str(beside)]) == 0
    assert 'src="tea.mp4#t=14.5,17.5"' in beside.read_text(), "both can be moved together"
    assert main([*question, "--html", str(tmp_path / "nowhere" / "answer.html")]) == 1
    assert "cannot be written" in capsys.readouterr().err


def test_ask_prints_the_answer_for_people(
    demo_clip: Path, demo_memory: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ask", str(demo_clip), "When does the cat jump?", "--memory", demo_memory]) == 0
    assert "Nothing noted in the video answers this (watched for: speech" in capsys.readouterr().out


def test_chat_remembers_and_survives_a_bad_turn(
    demo_clip: Path, demo_memory: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = iter(["When is the milk poured?", "What is said at 10 seconds?"])

    def read() -> str:
        try:
            return next(lines)
        except StopIteration:
            raise EOFError from None

    monkeypatch.setattr("builtins.input", read)
    assert main(["chat", str(demo_clip), "--memory", demo_memory]) == 0
    printed = capsys.readouterr().out
    assert "[00:14-00:18]" in printed
    assert "[00:09-00:13]" in printed


def test_chat_has_commands_of_its_own(
    demo_clip: Path, demo_memory: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = iter(["/help", "/reset", "/exit"])
    monkeypatch.setattr("builtins.input", lambda: next(lines))
    assert main(["chat", str(demo_clip), "--memory", demo_memory]) == 0
    printed = capsys.readouterr()
    assert "/reset forgets" in printed.err
    assert "/exit" in printed.err
    assert printed.out == ""


def test_lines_come_back_in_later_runs_and_are_private(tmp_path: Path) -> None:
    file = tmp_path / "home" / "chat_history"
    said = [f"question {random.random()}" for _ in range(3)]
    with kept_lines(file):
        assert readline.get_current_history_length() == 0
    assert not file.exists(), "nothing was asked"
    for line in said:
        with kept_lines(file):
            readline.add_history(line)
    with kept_lines(file):
        readline.add_history("here")
        with file.open("a") as other:  # a chat that ended meanwhile
            other.write("there\n")
    with kept_lines(file):
        count = readline.get_current_history_length()
        lines = [readline.get_history_item(number) for number in range(1, count + 1)]
    assert lines == [*said, "there", "here"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_question_before_the_file_is_told(demo_clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ask", "When is the milk poured?", str(demo_clip)]) == 1
    assert "The question comes last" in capsys.readouterr().err


def test_a_question_without_quotes_is_told(demo_clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ask", str(demo_clip), "When", "is", "milk", "poured?"]) == 1
    said = capsys.readouterr().err
    assert "needs quotes" in said
    assert said.endswith(f"videochat ask {demo_clip} 'When is milk poured?'\n")


@pytest.mark.parametrize(
    "question", ["When is the milk poured, " * 40, "When is caf\udce9 poured?"], ids=["long", "latin-1"]
)
def test_any_text_is_a_question(
    question: str, demo_clip: Path, demo_memory: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ask", str(demo_clip), question, "--memory", demo_memory, "--llm", "extractive"]) == 0
    assert "Traceback" not in capsys.readouterr().err
