"""Ranges that are being watched; with other processes see tests/stories/test_store_processes.py."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from videochat.memory.store_files import lock_of
from videochat.memory.watch_locks import watching


def test_a_range_is_held_and_let_go(tmp_path: Path) -> None:
    with watching(lock_of(tmp_path), "film", {"ocr"}, (0.0, 9.0)):
        (file,) = (tmp_path / "watching").glob("*.json")
        assert json.loads(file.read_text())["span"] == [0.0, 9.0]
        with watching(lock_of(tmp_path), "film", {"ocr"}, (0.0, 9.0)):
            pass  # agents of one process wait for each other, elsewhere
    assert list((tmp_path / "watching").iterdir()) == []


@pytest.mark.parametrize("text", ["", "{}", '{"span": 5, "process": 1, "sources": []}'])
def test_what_a_dead_process_left_is_removed_whatever_it_holds(tmp_path: Path, text: str) -> None:
    (tmp_path / "watching").mkdir()
    (tmp_path / "watching" / "film.1-ab.json").write_text(text)
    with watching(lock_of(tmp_path), "film", {"ocr"}, (0.0, 9.0)):
        assert len(list((tmp_path / "watching").glob("*.json"))) == 1
