"""Why a file of the store cannot be used: a full disk, a missing permission, or damage; and what to do then."""

from __future__ import annotations

import errno
import sqlite3
from typing import Literal

Fault = Literal["full", "forbidden", "damaged", "unknown"]

_ERRNO: dict[int | None, Fault] = {
    errno.ENOSPC: "full",
    errno.EDQUOT: "full",
    errno.EACCES: "forbidden",
    errno.EPERM: "forbidden",
    errno.EROFS: "forbidden",
}
_SQLITE: dict[int, Fault] = {
    sqlite3.SQLITE_FULL: "full",
    sqlite3.SQLITE_READONLY: "forbidden",
    sqlite3.SQLITE_PERM: "forbidden",
    sqlite3.SQLITE_AUTH: "forbidden",
    sqlite3.SQLITE_CANTOPEN: "forbidden",
    sqlite3.SQLITE_CORRUPT: "damaged",
    sqlite3.SQLITE_NOTADB: "damaged",
}
_REMEDIES: dict[Fault, str] = {
    "full": "The disk is full: free some space, or give another directory.",
    "forbidden": "It may not be written: check the permissions of the directory, or give another.",
    "damaged": "The file is damaged: bring back a copy of it, or delete its folder and watch the video again; other "
    "videos are not concerned.",
    "unknown": "Check the directory's permissions and free space, or give another.",
}


def fault_of(error: BaseException) -> Fault:
    """Return what is wrong with a file, from the error of the system or of SQLite."""
    if isinstance(error, sqlite3.Error):
        # The upper bits of an extended code say more than is needed here.
        return _SQLITE.get(getattr(error, "sqlite_errorcode", 0) & 0xFF, "unknown")
    return _ERRNO.get(error.errno, "unknown") if isinstance(error, OSError) else "unknown"


def remedy_of(error: BaseException) -> str:
    """Return a sentence that says what is wrong with a file and what to do."""
    return _REMEDIES[fault_of(error)]
