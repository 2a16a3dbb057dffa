"""Files of older, newer and damaged stores."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from tests.fakes.stored_captions import captions, found
from videochat.errors import StoreError
from videochat.memory import CaptionStore
from videochat.memory.maintenance import check_store


def test_a_store_of_the_first_format_is_taken_over(tmp_path: Path) -> None:
    with CaptionStore(tmp_path) as store:
        store.add(captions())
    header = json.loads((tmp_path / "store.json").read_text())
    (tmp_path / "store.json").write_text(json.dumps(header | {"format": 1}))
    (tmp_path / "library.sqlite3").unlink()
    folder = tmp_path / "videos" / "kitchen"
    (folder / "chroma").mkdir()
    with sqlite3.connect(folder / "captions.sqlite3") as database:
        database.executescript(
            "DROP TRIGGER captions_added; DROP TRIGGER captions_dropped; DROP TABLE vectors; DROP TABLE changes;"
            "DROP TABLE notes; ALTER TABLE captions ADD COLUMN indexed INTEGER NOT NULL DEFAULT 1;"
            "PRAGMA user_version = 0"
        )
    database.close()
    with CaptionStore(tmp_path) as store:
        assert len(store.between("kitchen")) == 7
        assert found(store, "milk", k=1, by="dense") == ["Then pour the milk into the bowl."]
        assert not (folder / "chroma").exists()
        assert check_store(store).faults == []
    assert json.loads((tmp_path / "store.json").read_text())["format"] == 2


def test_a_video_or_library_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    with CaptionStore(tmp_path) as store:
        store.add(captions())
    for file in (tmp_path / "videos" / "kitchen" / "captions.sqlite3", tmp_path / "library.sqlite3"):
        with sqlite3.connect(file) as database:
            database.execute("PRAGMA user_version = 99")
        database.close()
    with pytest.raises(StoreError, match="have format 99, this version reads up to 2. Update videochat"):
        CaptionStore(tmp_path).between("kitchen")
    with pytest.raises(StoreError, match="has format 99, this version reads up to 1. Update videochat"):
        CaptionStore(tmp_path).search("milk")
