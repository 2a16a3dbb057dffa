"""The Chroma directory or server where captions are stored: collections, rows, and how processes share them.

The collections are `captions`, `summaries`, `frames` (vectors of pictures) and `watches` (what was watched, facts).
A directory is locked for one operation; a process that finds that another has written opens Chroma anew before it
touches it, since Chroma does not see what other processes write and would lose it.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import shutil
import sqlite3
import tempfile
import threading
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np

from videochat.errors import StoreError, first_line
from videochat.memory.journal import Event
from videochat.memory.server_patience import ServerPatience
from videochat.memory.store_files import file_error, lock_of, private
from videochat.records import DERIVED_KINDS, Caption, Kind

if TYPE_CHECKING:
    from chromadb.api import ClientAPI

BATCH = 2000
"""Rows to write or read at once; Chroma takes at most 5,461."""
Page = dict[str, Any]
Row = tuple[str, Any, str, dict[str, Any]]
"""Id, vector, text and metadata."""
_EVENTS = {"event": {"$nin": ["video", "revision"]}}
_ATTRIBUTE = "attribute_"
_OPENED_BY: set[int] = set()
_SPELLINGS = itertools.count()
_READ_FIRST = {
    "migrations": "SELECT * FROM migrations",
    "tenants": "SELECT * FROM tenants",
    "databases": "SELECT * FROM databases",
    "collections": "SELECT * FROM collections",
    "segments": "SELECT * FROM segments",
    "collection_metadata": "SELECT * FROM collection_metadata",
    "max_seq_id": "SELECT * FROM max_seq_id",
}
"""What Chroma reads when it opens a directory, by table."""


class Chroma:
    """A Chroma directory, server or client, used by one operation at a time.

    Args:
        place: `<store>/chroma`, the address of a server (`http://host:port`), or a Chroma client.

    Raises:
        StoreError: a server does not answer.
    """

    def __init__(self, place: Path | str | ClientAPI) -> None:
        self.directory = place if isinstance(place, Path) else None
        """None where a server keeps the captions."""
        self.name = str(place) if isinstance(place, str | Path) else "the given client"
        self.generation = ""
        """Changes with every write of another process."""
        self.openings = 0
        """How often the directory was opened."""
        self._opened: int | None = None
        self._guard = threading.RLock()
        self._server = ServerPatience(self.name)
        self._lock = lock_of(place.parent) if isinstance(place, Path) else None
        self._collections: dict[str, Any] = {}
        self._copy: tempfile.TemporaryDirectory[str] | None = None
        self._client: Any = (
            self._connect(place) if isinstance(place, str) else None if isinstance(place, Path) else place
        )

    def _connect(self, url: str) -> ClientAPI:
        import chromadb
        from chromadb.config import Settings

        try:
            parts = urlsplit(url)
            return chromadb.HttpClient(
                host=parts.hostname or "localhost",
                port=parts.port or (443 if parts.scheme == "https" else 8000),
                ssl=parts.scheme == "https",
                settings=Settings(anonymized_telemetry=False),
            )
        except Exception as error:
            raise StoreError(
                f"The Chroma server at {url} does not answer ({first_line(error)[:120]}). Start one with "
                "`chroma run --path DIR`, or give a directory instead."
            ) from error

    @contextmanager
    def session(self, *, write: bool = False) -> Iterator[None]:
        """Hold Chroma for one operation, as others have left it.

        Args:
            write: whether something is written.

        Raises:
            StoreError: it cannot be opened, or this process was forked after Chroma had been opened.
            StoreInUse: another process holds it for minutes.
        """
        with self._guard:
            if self.directory is None or self._lock is None:
                yield
                return
            check_fork(self.name)
            with self._lock.held():
                self._open(self.directory)
                if write:
                    self.generation = uuid.uuid4().hex
                    try:
                        with open(self.directory.parent / "generation", "w", opener=private) as out:
                            out.write(self.generation)
                    except OSError as error:
                        raise file_error(self.directory.parent, error) from error
                yield
                if write:
                    _hide(self.directory)

    def _open(self, directory: Path) -> None:
        mark = directory.parent / "generation"
        try:
            now = mark.read_text() if mark.exists() else ""
        except (OSError, UnicodeDecodeError):
            now = "?"
        if self._client is not None and (now, _identity(directory)) == (self.generation, self._opened):
            return
        self.close()
        self.generation = now
        self.openings += 1
        import chromadb
        from chromadb.config import Settings

        _OPENED_BY.add(os.getpid())
        with self._failures():
            if directory.exists() and not os.access(directory, os.W_OK):
                # Chroma cannot open what it may not write.
                self._copy = tempfile.TemporaryDirectory(prefix="videochat-")
                copy = Path(self._copy.name) / "chroma"
                directory = Path(shutil.copytree(directory, copy, copy_function=shutil.copyfile))
                for folder in (copy, *copy.glob("*/")):
                    folder.chmod(0o700)
            _check_file(directory / "chroma.sqlite3")
            if not directory.exists():
                directory.mkdir(mode=0o700)
            # Chroma shares what it has opened by the spelling of the path, also when the directory was replaced.
            spelling = f"{directory}{f'{os.sep}.' * (next(_SPELLINGS) % 500)}"
            self._client = chromadb.PersistentClient(spelling, settings=Settings(anonymized_telemetry=False))
        self._opened = _identity(directory) if self._copy is None else _identity(self.directory or directory)

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            # Chroma's Rust half ends in panics, which are no Exceptions.
            if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
                raise
            self._collections.clear()
            if self.directory is None:
                raise StoreError(
                    f"The Chroma server at {self.name} did not do what was asked ({type(error).__name__}: "
                    f"{first_line(error)[:120]}). What was sent before is kept; try again."
                ) from error
            self.close()
            raise file_error(self.name, error) from error

    @property
    def client(self) -> Any:
        """The client; within a `session`."""
        if self._client is None:
            raise RuntimeError("Chroma is used outside of a session")
        return self._client

    def call(self, name: str, method: str, **arguments: Any) -> Any:
        """Call a method of a collection within a `session`, and return what it returns.

        Args:
            name: of the collection, made if it is not there: compared by cosine, never making vectors by itself.
            method: of `chromadb.Collection`.
            arguments: of the method.

        Raises:
            StoreError: Chroma did not do it.
        """

        def do() -> Any:
            if name not in self._collections:
                self._collections[name] = self.client.get_or_create_collection(
                    name, embedding_function=None, configuration={"hnsw": {"space": "cosine"}}
                )
            return getattr(self._collections[name], method)(**arguments)

        with self._failures():
            return do() if self.directory is not None else self._server.ask(do)

    def waiting(self) -> AbstractContextManager[None]:
        """While it is entered, wait for a server that is away; whoever writes waits, who asks is told at once."""
        return self._server.waiting()

    def pages(self, name: str, where: Mapping[str, Any], include: Sequence[str]) -> Iterator[Page]:
        """Yield the rows of a collection that fit `where`, many at a time; within a `session`."""
        offset = 0
        while True:
            page = self.call(name, "get", where=where, include=list(include), limit=BATCH, offset=offset)
            if page["ids"]:
                yield page
            offset += BATCH
            if len(page["ids"]) < BATCH:
                return

    def put(self, name: str, rows: Sequence[Row]) -> None:
        """Write rows: id, vector, text, metadata; writing them twice changes nothing."""
        for i in range(0, len(rows), BATCH):
            ids, vectors, texts, metadatas = zip(*rows[i : i + BATCH], strict=True)
            matrix = np.asarray(vectors, np.float32)
            self.call(
                name, "upsert", ids=list(ids), embeddings=matrix, documents=list(texts), metadatas=list(metadatas)
            )

    def put_captions(self, captions: Iterable[Caption], vectors: Mapping[str, np.ndarray]) -> None:
        """Write captions with their vectors, by id."""
        rows: dict[str, list[Row]] = {}
        for caption in captions:
            row = (caption.id, vectors[caption.id], caption.text, metadata_of(caption))
            rows.setdefault(collections_of([caption.kind])[0], []).append(row)
        for name, some in rows.items():
            self.put(name, some)

    def put_frames(self, event: Event, vectors: np.ndarray) -> None:
        """Write pictures of an event `frames`; of a second model with longer vectors, into a collection of its own."""
        rows = []
        for (start, end), vector in zip(event["times"], vectors, strict=True):
            metadata = {"video_id": event["video_id"], "source": event["source"]}
            id_ = hashlib.blake2b(json.dumps([*metadata.values(), start]).encode(), digest_size=16).hexdigest()
            metadata |= {"start_seconds": float(start), "end_seconds": float(end)}
            rows.append((id_, vector, event["source"], metadata))
        try:
            self.put("frames", rows)
        except StoreError as error:
            if "dimension" not in str(error):
                raise
            self._open(self.directory) if self.directory is not None else None
            self.put(f"frames-{vectors.shape[1]}", rows)

    def put_watches(self, rows: Mapping[str, Event], known: Set[str] | None, video: Row) -> None:
        """Make the rows of a video in `watches` those that are given.

        Args:
            rows: events by id of the row.
            known: ids of the rows that were there when it was read; others may have come since, and stay. None for
                all that are there.
            video: the row of the video itself; it comes last, since it says up to where all is written.
        """
        video_id = video[0]
        if known is None:
            where = {"$and": [{"video_id": video_id}, _EVENTS]}
            known = {id_ for page in self.pages("watches", where, []) for id_ in page["ids"]}
        if gone := sorted(known - set(rows)):
            self.delete("watches", gone)
        fresh = [(id_, [1.0], *_watch_row(event)) for id_, event in rows.items() if id_ not in known]
        self.put("watches", [*fresh, video])

    def delete(self, name: str, ids: Sequence[str]) -> None:
        """Delete rows; those that are not there are passed over."""
        for i in range(0, len(ids), BATCH):
            self.call(name, "delete", ids=list(ids[i : i + BATCH]))

    def forget(self, video_id: str) -> None:
        """Delete all of a video."""
        for name in self.collection_names():
            self.call(name, "delete", where={"video_id": video_id})

    def collection_names(self) -> list[str]:
        """Return the names of the collections that hold rows of videos; within a `session`."""
        with self._failures():
            names = {collection.name for collection in self.client.list_collections()}
        return sorted(name for name in names if name in COLLECTIONS or name.startswith("frames-"))

    def events(self, video_id: str, embedder_name: str) -> Iterator[Event]:
        """Yield all that is known of a video as events of a journal, to be checked; within a `session`."""
        where: dict[str, Any] = {"video_id": video_id}
        for name in ("captions", "summaries"):
            for page in self.pages(name, where, ["documents", "metadatas", "embeddings"]):
                for id_, text, metadata in zip(page["ids"], page["documents"], page["metadatas"], strict=True):
                    yield {"event": "caption", "id": id_} | _fields_of(text, metadata)
                yield {
                    "event": "vectors",
                    "video_id": video_id,
                    "embedder": embedder_name,
                    "ids": page["ids"],
                    "vectors": np.asarray(page["embeddings"], np.float32),
                }
        for name in self.collection_names():
            if name.startswith("frames"):
                for page in self.pages(name, where, ["metadatas", "embeddings"]):
                    for metadata, vector in zip(page["metadatas"], page["embeddings"], strict=True):
                        times = [[metadata["start_seconds"], metadata["end_seconds"]]]
                        base = {"event": "frames", "video_id": video_id, "source": metadata["source"]}
                        yield base | {"times": times, "vectors": np.asarray([vector], np.float32)}
        for page in self.pages("watches", {"$and": [where, _EVENTS]}, ["documents"]):
            yield from map(json.loads, page["documents"])

    def close(self) -> None:
        """Let go of the files of a directory; the next session opens them again."""
        with self._guard:
            self._collections.clear()
            if self.directory is not None and self._client is not None:
                client, self._client = self._client, None
                with contextlib.suppress(Exception):
                    client.close()
            if self._copy is not None:
                self._copy.cleanup()
                self._copy = None

    def remove(self) -> None:
        """Delete the whole directory; the next session makes it anew. Others open theirs anew as well."""
        if self.directory is not None and self._lock is not None:
            with self._guard, self._lock.held():
                self.close()
                shutil.rmtree(self.directory, ignore_errors=True)
                if self.directory.is_file():
                    self.directory.unlink()


COLLECTIONS = ("captions", "summaries", "frames", "watches")
"""Names of the collections."""


def _hide(directory: Path) -> None:
    """Take from what Chroma has made the permissions that its directory does not give."""
    allowed = 0o700 | directory.stat().st_mode
    for path in directory.rglob("*"):
        with contextlib.suppress(OSError):
            if (mode := path.stat().st_mode & 0o777) & ~allowed:
                path.chmod(mode & allowed)


def _identity(directory: Path) -> int | None:
    """Return what tells whether a directory's file was replaced or emptied; None where there is none."""
    with contextlib.suppress(OSError):
        stat = (directory / "chroma.sqlite3").stat()
        return stat.st_ino if stat.st_size else None
    return None


def _check_file(file: Path) -> None:
    """Read what Chroma reads first: of a damaged schema it does not raise, but ends the process.

    Raises:
        sqlite3.Error, UnicodeDecodeError: it is damaged.
    """
    if file.is_file():
        with contextlib.closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=rw", uri=True)) as db:
            for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                if name in _READ_FIRST:
                    db.execute(_READ_FIRST[name]).fetchall()


def check_fork(name: str) -> None:
    """Hold a process to Chroma that it opened itself.

    Raises:
        StoreError: it was forked from one that had opened Chroma, whose threads it has not.
    """
    if _OPENED_BY and os.getpid() not in _OPENED_BY:
        raise StoreError(
            f"The store {name!r} cannot be used in this process: it was forked from one that had opened a store, and "
            "Chroma does not survive that. Start workers with multiprocessing.get_context('spawn'), or fork before the "
            "first store is opened."
        )


def collections_of(kinds: Iterable[Kind] | None) -> list[str]:
    """Return the names of the collections where captions of these kinds lie; None for all but `DERIVED_KINDS`."""
    if kinds is None:
        return ["captions"]
    return sorted({"summaries" if kind in DERIVED_KINDS else "captions" for kind in kinds})


def metadata_of(caption: Caption) -> dict[str, Any]:
    """Return what is known of a caption beside its text and id, as flat values that can be filtered by.

    Each of its `attributes` stands under its own name, as `attribute_scale`.
    """
    data = caption.as_dict()
    attributes = data.pop("attributes", {})
    flat = {name: value for name, value in data.items() if name not in ("id", "text")}
    times = {name: float(data[name]) for name in ("start_seconds", "end_seconds")}
    return flat | times | {f"{_ATTRIBUTE}{name}": value for name, value in attributes.items()}


def caption_of(text: str, metadata: Mapping[str, Any]) -> Caption:
    """Return the caption of a row: the inverse of `metadata_of`."""
    return Caption.from_dict(_fields_of(text, metadata))


def _fields_of(text: str, metadata: Mapping[str, Any]) -> dict[str, Any]:
    attributes = {
        name.removeprefix(_ATTRIBUTE): value for name, value in metadata.items() if name.startswith(_ATTRIBUTE)
    }
    return {"text": text, **metadata, "attributes": attributes}


def _watch_row(event: Event) -> tuple[str, dict[str, Any]]:
    flat = {name: value for name, value in event.items() if isinstance(value, str | int | float)}
    return json.dumps(event), flat
