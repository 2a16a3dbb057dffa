"""The lock by which one process owns a directory of the store."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from filelock import FileLock, Timeout

from videochat.errors import StoreInUse

LOCK_FILES = ("lock", "owner")
"""What the lock leaves in the directory."""


def lock_directory(directory: Path) -> FileLock:
    """Return the lock of a directory, held; stores of one process share it.

    Raises:
        StoreInUse: another process holds it; the message names that process.
        OSError: the directory cannot be written.
    """
    lock = FileLock(directory / "lock", timeout=0, is_singleton=True, thread_local=False)
    owner = directory / "owner"
    try:
        lock.acquire()
        owner.write_text(f"{os.getpid()} ({Path(sys.argv[0]).name or 'python'})")
    except Timeout as error:
        who = owner.read_text() if owner.exists() else "unknown"
        raise StoreInUse(
            f"The captions in {str(directory)!r} are being used by process {who}. Wait until it is done, or stop it."
        ) from error
    return lock
