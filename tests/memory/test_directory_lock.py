"""A directory has one owner, which is named."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from filelock import FileLock

from videochat.errors import StoreInUse
from videochat.memory.directory_lock import LOCK_FILES, lock_directory


def test_one_process_locks_a_directory_as_often_as_it_likes(tmp_path: Path) -> None:
    first, second = lock_directory(tmp_path), lock_directory(tmp_path)
    assert (tmp_path / "owner").read_text().startswith(f"{os.getpid()} (")
    assert {path.name for path in tmp_path.iterdir()} == set(LOCK_FILES)
    first.release()
    second.release()
    assert not second.is_locked


def test_the_owner_of_a_locked_directory_is_named(tmp_path: Path) -> None:
    # A lock of its own, not shared as those of one process are, stands for another process.
    other = FileLock(tmp_path / "lock", is_singleton=False)
    (tmp_path / "owner").write_text("4711 (videochat)")
    with other, pytest.raises(StoreInUse, match=r"being used by process 4711 \(videochat\). Wait until it is done"):
        lock_directory(tmp_path)
    lock_directory(tmp_path).release()
