"""What a store's directory holds beside captions: its header, the lock of one operation, and why a file fails."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from filelock import FileLock, Timeout

from videochat.errors import StoreError, StoreInUse

FORMAT = 3
"""Of a store; 1 and 2 are brought over when they are opened."""

_LOCK_SECONDS = 120.0
_FULL = (errno.ENOSPC, errno.EDQUOT)
FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
"""Numbers of the system's errors that say that something may not be written."""


@dataclass(frozen=True)
class StoreHeader:
    """What a store remembers of itself."""

    format: int
    """From 1 to `FORMAT`."""
    embedder: str
    """Name of the embedder that its vectors are made with."""
    given: str | None = None
    """How the user named the embedder; None where it was given as an object."""

    @classmethod
    def parse(cls, data: Any, store: str) -> StoreHeader:
        """Return the header from plain data.

        Args:
            data: as `as_dict` made it.
            store: name of the store, for the message.

        Raises:
            StoreError: it is no header, or one of a newer version.
        """
        version, embedder = (data.get("format"), data.get("embedder")) if isinstance(data, dict) else (None, None)
        if not (isinstance(version, int) and 1 <= version <= FORMAT and isinstance(embedder, str)):
            raise StoreError(
                f"The store {store!r} has format {version!r}, this version reads 1 to {FORMAT}. Update videochat, or "
                "use another directory."
            )
        return cls(version, embedder, data.get("given"))

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return asdict(self)


def read_header(directory: Path) -> StoreHeader | None:
    """Return the header of a store's directory; None where there is no store yet.

    Of a damaged one, the embedder is read off the journals.

    Raises:
        StoreError: the directory is a file, or the header cannot be read or is of a newer version.
    """
    if directory.exists() and not directory.is_dir():
        raise StoreError(f"{str(directory)!r} is a file; a store needs a directory.")
    try:
        with open(directory / "store.json", "rb", opener=private) as file:
            data = json.loads(file.read())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise file_error(directory, error) from error
    except (ValueError, RecursionError):
        data = None
    known = isinstance(data, dict) and isinstance(data.get("format"), int)
    if not known or (data["format"] <= FORMAT and not isinstance(data.get("embedder"), str)):
        files = (file for file in directory.glob("journal/*.jsonl") if file.is_file())
        names = (re.search(rb'"embedder":"([^"]+)"', file.read_bytes()) for file in files)
        name = next((found[1].decode("utf-8", "replace") for found in names if found), None)
        return None if name is None else StoreHeader(FORMAT, name, name)
    return StoreHeader.parse(data, str(directory))


def write_header(directory: Path, header: StoreHeader) -> None:
    """Write the header into a store's directory, whole or not at all.

    Raises:
        StoreError: the directory cannot be written.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(directory / "store.json", json.dumps(header.as_dict(), indent=2))
    except OSError as error:
        raise file_error(directory, error) from error


def private(path: str, flags: int) -> int:
    """Open a file that only its owner may read, since what was said and shown in a video is the user's; for `open`.

    A pipe in the place of a file is not waited for.
    """
    return os.open(path, flags | os.O_NONBLOCK, 0o600)


def write_whole(file: Path, text: str) -> None:
    """Write a file whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    fresh = file.with_name(f"{file.name}.{os.getpid()}")
    try:
        with open(fresh, "w", encoding="utf-8", opener=private) as out:
            out.write(text)
        fresh.replace(file)
    finally:
        fresh.unlink(missing_ok=True)


def file_error(place: Path | str, error: BaseException) -> StoreError:
    """Return a store's error for one of the system or of a database, with what to do about it."""
    number, said = getattr(error, "errno", None), str(error).casefold()
    if number in _FULL or "disk is full" in said or "no space left" in said:
        remedy = "The disk is full: free some space, or give another directory."
    elif number in FORBIDDEN or "readonly" in said or "permission denied" in said:
        remedy = "It may not be written: check the permissions of the directory, or give another."
    elif number == errno.ENOTDIR:
        remedy = "A part of its path is a file: give another directory."
    elif number == errno.ENOENT:
        remedy = "It was removed or moved while it was open: bring it back, or open another."
    else:
        remedy = "`videochat memory verify` says what is damaged, `videochat memory rebuild` mends it."
    text = str(getattr(error, "strerror", None) or error) or type(error).__name__
    return StoreError(f"The store {str(place)!r} cannot be used ({text.splitlines()[0][:160]}). {remedy}")


class StoreLock:
    """The lock that one operation on a directory holds, against other threads and other processes.

    Where the directory may not be written, nothing is locked: there is nothing to write either.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._guard = threading.RLock()
        self._file = FileLock(
            directory / "lock", timeout=_LOCK_SECONDS, mode=0o600, thread_local=False, poll_interval=0.005
        )

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold it; the same thread may do so twice.

        Raises:
            StoreInUse: another process holds it for minutes.
            StoreError: the directory is gone.
        """
        with self._guard, contextlib.ExitStack() as stack:
            if not self.directory.is_dir():
                raise file_error(self.directory, FileNotFoundError(errno.ENOENT, "No such file or directory"))
            try:
                stack.enter_context(self._file)
            except Timeout as error:
                raise StoreInUse(
                    f"The store {str(self.directory)!r} is being written by another process since "
                    f"{_LOCK_SECONDS:.0f} seconds (a rebuild takes that long). Wait until it is done, or stop it."
                ) from error
            except OSError as error:
                if error.errno not in FORBIDDEN:
                    raise file_error(self.directory, error) from error
            yield


_LOCKS: WeakValueDictionary[tuple[int, Path], StoreLock] = WeakValueDictionary()
_GUARD = threading.Lock()


def lock_of(directory: Path) -> StoreLock:
    """Return the lock of a directory: one for all stores of this process."""
    with _GUARD:
        key = (os.getpid(), directory.absolute())
        lock = _LOCKS.get(key)
        if lock is None:
            lock = _LOCKS[key] = StoreLock(directory)
        return lock
