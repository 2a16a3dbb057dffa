"""The commands over the memory as a whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.fakes.stored_captions import fill
from videochat.cli import main
from videochat.memory import CaptionStore


def test_the_command_line_looks_after_the_memory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with CaptionStore(tmp_path / "memory") as store:
        fill(store)
    where = ["--memory", str(store.path)]
    assert main(["search", "roses", "--library", *where]) == 0
    assert capsys.readouterr().out.startswith("garden.mp4 [00:00-00:05] speech: Water the roses")
    assert main(["search", "milk", "--video", "kitchen.mp4", "-k", "1", "--json", *where]) == 0
    assert json.loads(capsys.readouterr().out)[0]["video"] == "kitchen.mp4"
    assert main(["memory", "list", "--json", *where]) == 0
    assert [video["name"] for video in json.loads(capsys.readouterr().out)] == ["garden.mp4", "kitchen.mp4"]
    assert main(["memory", "export", str(tmp_path / "all.jsonl"), *where]) == 0
    assert main(["memory", "forget", "garden.mp4", *where]) == 0
    assert main(["memory", "import", str(tmp_path / "all.jsonl"), *where]) == 0
    assert "Took in 2 new captions" in capsys.readouterr().err
    assert main(["memory", "rebuild", *where]) == 0
    assert main(["memory", "verify", *where]) == 0
    assert capsys.readouterr().out.endswith("2 videos, 9 captions: whole.\n")
    assert main(["memory", "forget", "nothing.mp4", *where]) == 1
    assert "There is no video 'nothing.mp4'" in capsys.readouterr().err
    assert main(["memory", "rebuild", "--memory", str(tmp_path / "nowhere")]) == 1
    assert "There is no store at" in capsys.readouterr().err
