"""Media files from object stores (`s3://`, `gs://`), fetched by ranges into the data folder.

fsspec reads them, with the package of each store and its own credentials. A range that fails is asked for again, a file
that was begun is gone on with, and an object that was changed is another file.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from filelock import FileLock

from videochat.errors import MediaError, first_line
from videochat.home import home

SCHEMES = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "hdfs", "webhdfs", "oci"})
"""Schemes of addresses that are left to fsspec; its others reach into archives, this machine or other programs."""
_RANGE_BYTES = 16 * 2**20
_TRIES, _PAUSE_SECONDS = 4, 1.0


def is_object(text: str) -> bool:
    """Whether a text is the address of an object in a store."""
    found = re.match(r"([a-z][a-z0-9]*)://", text)
    return found is not None and found[1] in SCHEMES


def fetch_object(text: str, check: Callable[[Path], object]) -> Path:
    """Fetch an object into the data folder, once as long as it does not change, and return where it lies.

    Args:
        text: its address.
        check: opens the file, and raises MediaError where it is no video; it is not kept then.

    Raises:
        MediaError: the package of the store is not installed, nobody may read the object, there is none, or it is no
            video.
    """
    address = text.strip()
    if "::" in address:
        raise MediaError(f"{address!r} is a chain of addresses; give that of the object itself.")
    try:
        from fsspec.core import url_to_fs

        store, path = url_to_fs(address)
        info = store.info(path)
        folder = (
            home() / "downloads" / hashlib.blake2b(f"{address} {store.ukey(path)}".encode(), digest_size=8).hexdigest()
        )
        if info.get("type") == "directory":
            raise MediaError(f"{address} is a folder of a store; give the addresses of the objects in it.")
        return _fetch(store, path, int(info["size"]), folder / _name(address), address, check)
    except MediaError:
        raise
    except ImportError as error:
        raise MediaError(f"{address} needs a package: {first_line(error)[:200]}.") from error
    except FileNotFoundError as error:
        raise MediaError(f"There is no object {address}. Check the address.") from error
    except Exception as error:
        # Each store has errors of its own.
        raise MediaError(
            f"{address} cannot be read ({type(error).__name__}: {first_line(error)[:200]}). Check the address, and the "
            "credentials of this machine."
        ) from error


def _fetch(store: Any, path: str, size: int, file: Path, address: str, check: Callable[[Path], object]) -> Path:
    if size == 0:
        raise MediaError(f"{address} is empty (0 bytes).")
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with FileLock(file.parent / "lock", mode=0o600):
        if file.is_file():
            return file
        part = file.with_name(f"{file.name}.part")
        part.touch(mode=0o600)
        with part.open("ab") as out:
            while (done := out.tell()) < size:
                block = _range(store, path, done, min(done + _RANGE_BYTES, size))
                if not block:
                    raise MediaError(f"{address} broke off after {done:,} of {size:,} bytes. Try again.")
                out.write(block)
        # By its own name: formats are told by endings too.
        whole = part.replace(file)
        try:
            check(whole)
        except MediaError as error:
            whole.unlink()
            raise MediaError(f"{address} is no video: {str(error).replace(str(whole), address)}") from error
    return whole


def _range(store: Any, path: str, start: int, end: int) -> bytes:
    for attempt in range(_TRIES):
        try:
            block: bytes = store.cat_file(path, start=start, end=end)
        except FileNotFoundError:
            raise
        except Exception:
            if attempt == _TRIES - 1:
                raise
            time.sleep(_PAUSE_SECONDS * 2**attempt)
        else:
            return block
    return b""


def _name(address: str) -> str:
    last = unquote(urlsplit(address).path).rsplit("/", 1)[-1]
    return re.sub(r"[\x00-\x1f\x7f/\\]", "", last).strip(" .")[-120:] or "video"
