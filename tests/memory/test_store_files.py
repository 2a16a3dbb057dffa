"""The header and the lock of a store's directory, and the sentences about files that fail."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from tests.fakes.stored_captions import captions
from videochat.errors import StoreError
from videochat.memory import CaptionStore
from videochat.memory.store_files import FORMAT, StoreHeader, file_error, lock_of, read_header, write_header


def test_a_header_comes_back(tmp_path: Path) -> None:
    assert read_header(tmp_path / "nowhere") is None
    assert read_header(tmp_path) is None
    write_header(tmp_path / "store", StoreHeader(FORMAT, "builtin", "builtin"))
    assert read_header(tmp_path / "store") == StoreHeader(FORMAT, "builtin", "builtin")


@pytest.mark.parametrize("version", [0, FORMAT + 1])
def test_a_newer_format_is_refused(tmp_path: Path, version: int) -> None:
    (tmp_path / "store.json").write_text(json.dumps({"format": version, "embedder": "builtin"}))
    with pytest.raises(StoreError, match=rf"has format {version}, this version reads 1 to {FORMAT}. Update"):
        CaptionStore(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]", b'{"format": "x"}'])
def test_of_a_damaged_header_the_embedder_is_read_off_the_journals(tmp_path: Path, content: bytes) -> None:
    with CaptionStore(tmp_path, embeddings="builtin") as store:
        store.add(captions())
    (tmp_path / "store.json").write_bytes(content)
    with CaptionStore(tmp_path) as store:
        assert store.embedder.name == "builtin"
        assert store.search("milk", k=1)[0].caption.text == "Then pour the milk into the bowl."


def test_a_file_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="is a file; a store needs a directory"):
        CaptionStore(tmp_path / "file")


@pytest.mark.parametrize(
    ("error", "match"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "The disk is full"),
        (OSError(errno.EROFS, "Read-only file system"), "may not be written"),
        (RuntimeError("attempt to write a readonly database"), "may not be written"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory"), "removed or moved while it was open"),
        (RuntimeError("file is not a database"), "memory rebuild` mends it"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_with_its_remedy(error: Exception, match: str) -> None:
    assert match in str(file_error("store", error))


def test_one_lock_for_a_directory_may_be_held_twice_by_one_thread(tmp_path: Path) -> None:
    lock = lock_of(tmp_path)
    assert lock_of(tmp_path) is lock
    with lock.held(), lock.held():
        pass


def test_a_store_that_is_removed_while_open_says_so_at_the_next_write(tmp_path: Path) -> None:
    import shutil

    with CaptionStore(tmp_path / "memory") as store:
        store.add(captions())
        shutil.rmtree(tmp_path / "memory")
        with pytest.raises(StoreError, match="removed or moved while it was open"):
            store.add(captions("garden"))


@pytest.mark.timeout(60)
def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "store.json")
    (tmp_path / "journal").mkdir()
    os.mkfifo(tmp_path / "journal" / "a.jsonl")
    assert read_header(tmp_path) is None
