"""Files of older, newer and damaged stores."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from tests.fakes.stored_captions import captions, found
from videochat.errors import StoreError
from videochat.memory import CaptionStore
from videochat.memory.caption_file import CaptionFile
from videochat.memory.directory_lock import lock_directory
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


def write(file: CaptionFile, *statements: str) -> None:
    with file.writing() as db:
        for statement in statements:
            db.execute(statement)


def test_a_file_that_was_changed_says_so_before_it_is(tmp_path: Path) -> None:
    told: list[str] = []
    file = CaptionFile(tmp_path / "kitchen", "kitchen", "builtin", lambda: told.append("about to change"))
    write(file, "INSERT INTO notes VALUES ('a', '1')")
    write(file, "INSERT INTO notes VALUES ('b', '1')")
    assert file.changing
    file.changing = False
    write(file, "INSERT INTO notes VALUES ('c', '1')")
    assert told == ["about to change"] * 2
    file.close()


def test_a_transaction_that_breaks_changes_nothing() -> None:
    file = CaptionFile(None, "kitchen", "builtin")
    with pytest.raises(StoreError, match="syntax error"):
        write(file, "INSERT INTO facts VALUES ('name', '1')", "no SQL")
    with file.reading() as db:
        assert db.execute("SELECT count(*) FROM facts").fetchone() == (0,)
    file.close()


def test_vectors_of_another_embedder_are_dropped(tmp_path: Path) -> None:
    with CaptionStore(tmp_path) as store:
        store.add(captions())
    folder = tmp_path / "videos" / "kitchen"
    for embedder, count in (("builtin", 7), ("another", 0)):
        file = CaptionFile(folder, "kitchen", embedder)
        with file.reading() as db:
            assert db.execute("SELECT count(*) FROM vectors").fetchone() == (count,)
        file.close()


def test_a_damaged_file_and_a_full_disk_are_told_apart(tmp_path: Path) -> None:
    folder = tmp_path / "kitchen"
    file = CaptionFile(folder, "kitchen", "builtin")
    with pytest.raises(StoreError, match=r"cannot be used \(database or disk is full\). The disk is full: free some"):
        write(file, "PRAGMA max_page_count = 1", "INSERT INTO notes VALUES ('big', zeroblob(1000000))")
    with pytest.raises(StoreError, match="It may not be written: check the permissions"):
        write(file, "PRAGMA query_only = ON", "INSERT INTO notes VALUES ('small', '1')")
    file.close()
    (folder / "captions.sqlite3").write_bytes(b"noise" * 2000)
    with pytest.raises(StoreError, match="The file is damaged: bring back a copy") as caught:
        CaptionFile(folder, "kitchen", "builtin")
    assert "free space" not in str(caught.value)
    # Who could not open it holds no lock.
    lock_directory(folder).release()


def test_a_directory_that_cannot_be_made_is_no_damage(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be opened for writing") as caught:
        CaptionFile(tmp_path / "file" / "kitchen", "kitchen", "builtin")
    assert "damaged" not in str(caught.value)


def test_a_caption_that_somebody_changed_is_found(tmp_path: Path) -> None:
    with CaptionStore(tmp_path) as store:
        store.add(captions())
        store.captions_of("kitchen").index()
        assert store.captions_of("kitchen").check() == []
    with sqlite3.connect(tmp_path / "videos" / "kitchen" / "captions.sqlite3") as database:
        database.execute("UPDATE captions SET rest = replace(rest, 'milk', 'beer')")
    database.close()
    with CaptionStore(tmp_path) as store:
        (fault,) = store.captions_of("kitchen").check()
        assert "was changed from outside" in fault
