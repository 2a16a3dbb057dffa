"""What a store remembers of itself: its format, and the embedder that its vectors are made with."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from videochat.errors import StoreError
from videochat.memory.storage_errors import remedy_of

FORMAT = 2
"""Of a store as a whole; older ones are read."""


@dataclass(frozen=True)
class StoreHeader:
    """The header of a store."""

    format: int
    """From 1 to `FORMAT`."""
    embedder: str
    """Name of the embedder."""
    given: str | None = None
    """How the user named the embedder; None where it was given as an object."""

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return asdict(self)


def parse_header(data: dict[str, Any], store: str) -> StoreHeader:
    """Return the header that `StoreHeader.as_dict` made.

    Args:
        data: plain data.
        store: name of the store, for the message.

    Raises:
        StoreError: it is no header, or one of a newer version.
    """
    try:
        version, embedder = data["format"], data["embedder"]
    except (KeyError, TypeError) as error:
        raise _unreadable(store, error) from error
    if not (isinstance(version, int) and 1 <= version <= FORMAT and isinstance(embedder, str)):
        raise StoreError(
            f"The store {store!r} has format {version!r}, this version reads 1 to {FORMAT}. "
            "Update videochat, or use another directory."
        )
    return StoreHeader(version, embedder, data.get("given"))


def read_header(directory: Path) -> StoreHeader | None:
    """Return the header of a store's directory; None where there is no store yet.

    Raises:
        StoreError: the directory is a file, or the header cannot be read, is none, or is of a newer version.
    """
    file = directory / "store.json"
    try:
        if not directory.exists():
            return None
        if not directory.is_dir():
            raise StoreError(f"{str(directory)!r} is a file; a store needs a directory.")
        if not file.exists():
            return None
        data = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise _unreadable(str(directory), error) from error
    return parse_header(data, str(directory))


def write_header(directory: Path, header: StoreHeader) -> None:
    """Write the header into a store's directory, whole or not at all.

    Raises:
        StoreError: the directory cannot be written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        fresh = directory / f"store.json.{os.getpid()}"
        fresh.write_text(json.dumps(header.as_dict(), indent=2))
        fresh.replace(directory / "store.json")
    except OSError as error:
        raise StoreError(
            f"The store {str(directory)!r} cannot be written ({error.strerror or error}). {remedy_of(error)}"
        ) from error


def _unreadable(store: str, error: Exception) -> StoreError:
    return StoreError(
        f"The store {store!r} cannot be read ({error}). If its store.json is damaged, remove that file: "
        "the captions are not in it."
    )
