"""A full disk, a missing permission and damage are three things, with three remedies."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from videochat.memory.storage_errors import fault_of, remedy_of


def full(path: Path) -> None:
    db = sqlite3.connect(path)
    db.executescript("PRAGMA max_page_count = 2; CREATE TABLE t (x);")
    db.execute("INSERT INTO t VALUES (zeroblob(100000))")


def read_only(path: Path) -> None:
    db = sqlite3.connect(path)
    db.executescript("CREATE TABLE t (x); PRAGMA query_only = ON;")
    db.execute("INSERT INTO t VALUES (1)")


def no_place(path: Path) -> None:
    sqlite3.connect(path / "nowhere" / "file")


def noise(path: Path) -> None:
    path.write_bytes(b"noise" * 1000)
    sqlite3.connect(path).execute("SELECT * FROM t")


def cut_short(path: Path) -> None:
    db = sqlite3.connect(path)
    db.executescript("CREATE TABLE t (x); INSERT INTO t VALUES (zeroblob(100000));")
    db.close()
    path.write_bytes(path.read_bytes()[:8192])
    sqlite3.connect(path).execute("SELECT length(x), x FROM t").fetchall()


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [(full, "full"), (read_only, "forbidden"), (no_place, "forbidden"), (noise, "damaged"), (cut_short, "damaged")],
)
def test_what_sqlite_says_is_told_apart(tmp_path: Path, spoil: Callable[[Path], None], fault: str) -> None:
    with pytest.raises(sqlite3.Error) as caught:
        spoil(tmp_path / "file")
    assert fault_of(caught.value) == fault


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "The disk is full"),
        (PermissionError(errno.EACCES, "Permission denied"), "check the permissions"),
        (OSError(errno.EROFS, "Read-only file system"), "check the permissions"),
        (sqlite3.OperationalError("something else"), "permissions and free space"),
        (OSError("something else"), "permissions and free space"),
    ],
)
def test_each_fault_has_its_remedy(error: Exception, remedy: str) -> None:
    assert remedy in remedy_of(error)
    assert remedy_of(error).count("The disk is full") == (error.args[0] == errno.ENOSPC)
