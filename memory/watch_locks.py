"""Which ranges of a video are being watched: two processes must not watch the same with the same sense."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Set
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from videochat.errors import StoreInUse
from videochat.intervals import Interval, clock_range
from videochat.memory.store_files import StoreLock, file_error, private


@contextmanager
def watching(lock: StoreLock, video_id: str, sources: Set[str], span: Interval) -> Iterator[None]:
    """Hold a range of a video for some senses.

    Each watch holds the lock of a file of its own below `<store>/watching`, which the system lets go when the process
    dies.

    Args:
        lock: that of the store.
        video_id: the video.
        sources: names of the senses.
        span: the range.

    Raises:
        StoreInUse: another process is watching a part of it with one of these senses.
        StoreError: the directory cannot be written.
    """
    folder = lock.directory / "watching"
    file = folder / f"{video_id}.{os.getpid()}-{os.urandom(4).hex()}.json"
    mine = FileLock(file.with_suffix(".lock"), timeout=0, mode=0o600, thread_local=False)
    with lock.held():
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            for other in folder.glob(f"{video_id}.*.json"):
                _check(other, sources, span)
            mine.acquire()
            told = {"process": os.getpid(), "program": Path(sys.argv[0]).name or "python", "sources": sorted(sources)}
            with open(file, "w", encoding="utf-8", opener=private) as out:
                json.dump(told | {"span": span}, out)
        except OSError as error:
            raise file_error(folder, error) from error
    try:
        yield
    finally:
        with suppress(OSError):
            file.unlink(missing_ok=True)
            mine.release()
            file.with_suffix(".lock").unlink(missing_ok=True)


def _check(other: Path, sources: Set[str], span: Interval) -> None:
    theirs = FileLock(other.with_suffix(".lock"), timeout=0, thread_local=False)
    try:
        theirs.acquire()
    except Timeout:
        with suppress(OSError, ValueError, KeyError, TypeError):
            told = json.loads(other.read_text(encoding="utf-8"))
            start, end = told["span"]
            if told["process"] != os.getpid() and start < span[1] and span[0] < end and sources & set(told["sources"]):
                raise StoreInUse(
                    f"Process {told['process']} ({told['program']}) is watching {clock_range(start, end)} of this "
                    "video already. Wait until it is done, or ask of what it has seen so far."
                ) from None
        return
    # Of a process that is dead.
    theirs.release()
    for file in (other, other.with_suffix(".lock")):
        with suppress(OSError):
            file.unlink(missing_ok=True)
