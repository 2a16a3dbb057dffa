"""`videochat watch` of a live source, and `videochat alert`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.fakes.live_sender import write_numbers
from videochat import live_readers
from videochat.cli import main


@pytest.fixture
def grown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(live_readers, "SILENCE_SECONDS", 0.3)
    return f"live:{write_numbers(tmp_path / 'grown.ts', range(30), words='GATE 7')}"


def test_watch_and_ask(grown: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    memory = ["--memory", str(tmp_path / "memory")]
    assert main(["watch", grown, "--preset", "shots,visual_facts", "--every", "1s", "--json", *memory]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["recorded_seconds"] == pytest.approx(3.0)
    assert "has ended" in printed.err
    assert main(["captions", grown, *memory]) == 0
    assert "shot" in capsys.readouterr().out
    assert main(["ask", grown, "How long is it?", "--preset", "shots", "--llm", "extractive", *memory]) == 0
    assert "00:03" in capsys.readouterr().out


def test_alert(grown: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--preset", "shots,visual_facts", "--memory", str(tmp_path / "memory"), "--json"]
    assert main(["alert", grown, "the motion is strong", *arguments]) == 0
    printed = capsys.readouterr()
    lines = [json.loads(line) for line in printed.out.splitlines()]
    assert lines[0]["judgement"] == "confirmed"
    assert Path(lines[0]["picture"]).read_bytes().startswith(b"\xff\xd8")
    assert b"ftyp" in Path(lines[0]["clip"]).read_bytes()[:16]
    assert lines[-1]["confirmed"] == 1
    assert "No sense of the line-up names people or things" in printed.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["watch", "tcp://camera"], "names no port"),
        (["watch", "live:nothing.mkv"], "There is no file"),
        (["watch", "live:nothing.mkv", "--start", "3"], "watched from now on"),
        (["alert", "clip.mp4", "a person enters"], "is no live source"),
        (["alert", "live:nothing.mkv", "a person enters", "--on", "mail"], "--on takes log"),
        (["ask", "rtsp://camera/1", "What?"], "Nothing of rtsp://camera/1 has been recorded"),
    ],
)
def test_what_goes_wrong_is_said(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 1
    assert words in capsys.readouterr().err


def test_lengths(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["watch", "tcp://camera:1", "--keep", "long"])
    assert stop.value.code == 2
    assert "no length of time" in capsys.readouterr().err
