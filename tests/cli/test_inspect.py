"""`videochat presets`, `download`, `doctor` and `demo`."""

import json
from pathlib import Path

import pytest

from videochat.cli import main


def test_presets_and_doctor(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["presets"]) == 0
    assert "builtin: needs no downloads" in capsys.readouterr().out
    assert main(["doctor", "--json"]) == 0
    assert {"ffmpeg", "memory", "language model"} <= {part["part"] for part in json.loads(capsys.readouterr().out)}


def test_for_builtin_hearing_and_meaning_are_fetched(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["download", "builtin"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("Systran/faster-whisper-base (MIT, about 149 MB)")
    assert "The preset 'builtin' needs the model Systran/faster-whisper-base" in said
    assert "HF_HUB_OFFLINE" in said


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("huge", "known ones are OWNER/MODEL, base, builtin"),
        ("small", "The preset 'small' needs the model openai/whisper-base"),
        ("embeddings", "Search by meaning needs the model sentence-transformers/all-MiniLM-L6-v2"),
        ("find_frames", "The search for pictures needs the model google/siglip2-base-patch16-224"),
        ("find_objects", "The search for things needs the model IDEA-Research/grounding-dino-tiny"),
        ("acme/eye", "The download needs the model acme/eye"),
    ],
)
def test_what_cannot_be_had_is_one_sentence(what: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["download", what]) == 1
    said = capsys.readouterr().err
    assert words in said
    assert what == "huge" or "HF_HUB_OFFLINE" in said


def test_demo_is_run_where_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []
    monkeypatch.setattr("videochat.demo.run_demo", ran.append)
    assert main(["demo", str(tmp_path / "tea.mp4")]) == 0
    assert main(["demo"]) == 0
    assert ran == [str(tmp_path / "tea.mp4"), "videochat-demo.mp4"]
