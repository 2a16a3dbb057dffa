"""One index over the captions of all videos of a store, so that searching them all opens none of them.

The captions themselves are in the files of the videos. What is here (vectors in Chroma, words and names in SQLite) is
copied from them and can be thrown away. A video is marked before its captions change; what is marked is read again
before the next search.
"""

from __future__ import annotations

import json
import math
import shutil
import sqlite3
import threading
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from videochat.errors import StoreError
from videochat.memory.chroma_collections import BATCH, collections_of, cosines_of, get_collection, put_changes
from videochat.memory.directory_lock import LOCK_FILES, lock_directory
from videochat.memory.embeddings import Embedder
from videochat.memory.ranking import by_words, fuse, rankings_for
from videochat.memory.sqlite_schema import INDEX_FORMAT, INDEX_SCHEMA, conditions
from videochat.memory.storage_errors import fault_of, remedy_of
from videochat.memory.store_records import Changes, Hit, StoredVideo
from videochat.records import Caption, Kind

if TYPE_CHECKING:
    from langchain_chroma import Chroma

_FEWEST_NEAR = 64
_MOST_NEAR = 4000  # Chroma filters by walking all rows, so a filter here takes more neighbours and sieves them
_WAIT_SECONDS = 30.0


class LibraryIndex:
    """The index of a store's directory; only one process at a time may search or fill it.

    Args:
        directory: of the store.
        embedder: what the vectors are made with; those of another one are dropped.
    """

    def __init__(self, directory: Path, embedder: Embedder) -> None:
        self.directory, self.embedder = directory, embedder
        self._guard = threading.RLock()
        self._open_db: sqlite3.Connection | None = None
        self._client: Any = None
        self._lock: FileLock | None = None

    @property
    def _db(self) -> sqlite3.Connection:
        if self._open_db is None:
            self.directory.mkdir(parents=True, exist_ok=True)
            file = self.directory / "library.sqlite3"
            try:
                self._open_db = self._connect(file)
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError):
                    raise
                # It holds nothing that the files of the videos do not.
                for part in file.parent.glob(f"{file.name}*"):
                    part.unlink()
                self._open_db = self._connect(file)
        return self._open_db

    def _connect(self, file: Path) -> sqlite3.Connection:
        db = sqlite3.connect(file, check_same_thread=False, timeout=_WAIT_SECONDS)
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if version > INDEX_FORMAT:
            raise StoreError(
                f"The library in {str(file)!r} has format {version}, this version reads up to {INDEX_FORMAT}. "
                "Update videochat, or use another directory."
            )
        db.executescript(
            f"PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA user_version={INDEX_FORMAT};" + INDEX_SCHEMA
        )
        return db

    @contextmanager
    def _using(self) -> Iterator[sqlite3.Connection]:
        with self._guard:
            try:
                yield self._db
            except Exception as error:
                if isinstance(error, StoreError) or not _is_file_error(error):
                    raise
                what_to_do = (
                    remedy_of(error)
                    if fault_of(error) in ("full", "forbidden")
                    else "`videochat memory rebuild` makes it anew from the captions."
                )
                raise StoreError(
                    f"The library in {str(self.directory)!r} cannot be used ({error}). {what_to_do}"
                ) from error

    def mark(self, video_id: str) -> None:
        """Remember, before it happens, that a video's captions change."""
        with self._using() as db, db:
            db.execute("INSERT OR IGNORE INTO changed VALUES (?)", (video_id,))

    def outdated(self, present: Collection[str]) -> tuple[list[str], list[str]]:
        """Return which of the videos that are there must be read again, and which are no longer there."""
        with self._using() as db:
            known = {row[0] for row in db.execute("SELECT id FROM videos")}
            changed = {row[0] for row in db.execute("SELECT video_id FROM changed")}
        there = set(present)
        return sorted((changed & there) | (there - known)), sorted((known | changed) - there)

    def acquire(self) -> None:
        """Become the only process that uses the vectors.

        Raises:
            StoreInUse: another process does; the message names it.
        """
        with self._using() as db:
            if self._lock is not None:
                return
            folder = self.directory / "library"
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = lock_directory(folder)
            row = db.execute("SELECT value FROM facts WHERE name = 'embedder'").fetchone()
            there = (folder / "chroma.sqlite3").exists()
            if row is None or json.loads(row[0]) != self.embedder.name or not there:
                self._empty(db)

    def clear(self) -> None:
        """Throw the index away; the next search fills it again.

        Raises:
            StoreInUse: another process uses it.
        """
        self.acquire()
        with self._using() as db:
            self._empty(db)

    def _empty(self, db: sqlite3.Connection) -> None:
        self._close_client()
        for part in (self.directory / "library").iterdir():
            if part.name not in LOCK_FILES:
                shutil.rmtree(part) if part.is_dir() else part.unlink()
        with db:
            db.execute("DELETE FROM captions")
            db.execute("DELETE FROM videos")
            db.execute("INSERT OR REPLACE INTO facts VALUES ('embedder', ?)", (json.dumps(self.embedder.name),))

    def seen(self, video_id: str) -> int:
        """Return the number of the last change of a video that is in the index."""
        with self._using() as db:
            row = db.execute("SELECT seen FROM videos WHERE id = ?", (video_id,)).fetchone()
        return row[0] if row else 0

    def put(self, video: StoredVideo, changes: Changes) -> None:
        """Take over what changed among a video's captions, and what is known of it."""
        self.acquire()
        with self._using() as db:
            put_changes(self._collection, changes)
            with db:
                gone = [(id_,) for id_ in (*changes.gone, *(caption.id for caption, _ in changes.added))]
                db.executemany("DELETE FROM captions WHERE id = ?", gone)
                db.executemany(
                    "INSERT INTO captions (id, video_id, start_seconds, end_seconds, kind, text, rest)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?)",
                    [
                        (c.id, c.video_id, c.start_seconds, c.end_seconds, c.kind, c.text, json.dumps(c.as_dict()))
                        for c, _ in changes.added
                    ],
                )
                values = (video.id, changes.upto, video.name, video.path, video.duration_seconds, video.captions)
                db.execute("INSERT OR REPLACE INTO videos VALUES (?, ?, ?, ?, ?, ?)", values)

    def unmark(self, video_id: str) -> None:
        """Say that all changes of a video are in the index."""
        with self._using() as db, db:
            db.execute("DELETE FROM changed WHERE video_id = ?", (video_id,))

    def drop(self, video_id: str) -> None:
        """Forget a video."""
        self.acquire()
        with self._using() as db:
            ids = [row[0] for row in db.execute("SELECT id FROM captions WHERE video_id = ?", (video_id,))]
            for i in range(0, len(ids), BATCH):
                put_changes(self._collection, Changes(0, [], ids[i : i + BATCH]))
            with db:
                for table, column in (("captions", "video_id"), ("videos", "id"), ("changed", "video_id")):
                    db.execute(f"DELETE FROM {table} WHERE {column} = ?", (video_id,))

    def videos(self) -> list[StoredVideo]:
        """Return the videos of the index, by name."""
        with self._using() as db:
            rows = db.execute("SELECT id, name, path, duration_seconds, captions FROM videos ORDER BY name, id")
            return [StoredVideo(*row) for row in rows]

    def count(self, video_id: str) -> int:
        """Return how many captions of a video are in the index."""
        with self._using() as db:
            return int(db.execute("SELECT count(*) FROM captions WHERE video_id = ?", (video_id,)).fetchone()[0])

    def search(
        self,
        query: str,
        *,
        k: int,
        video_ids: Collection[str] | None = None,
        kinds: Collection[Kind] | None = None,
        start_seconds: float = 0.0,
        end_seconds: float = math.inf,
        by: str = "hybrid",
    ) -> list[Hit]:
        """Return the `k` best captions of all videos, or some of them, best first.

        Args:
            query: words to look for.
            k: how many at most.
            video_ids: only of these videos; None for all.
            kinds: only of these kinds; None for all but summaries.
            start_seconds: only captions that end after this.
            end_seconds: only captions that start before this.
            by: one of `SEARCH_BY`.

        Raises:
            StoreInUse: another process uses the vectors.
            StoreError: the index is damaged.
        """
        self.acquire()
        where, values = conditions(start_seconds, end_seconds, kinds)
        if video_ids is not None:
            where += f" AND video_id IN ({', '.join('?' * len(video_ids))})"
            values += video_ids
        filtered = video_ids is not None or kinds is not None or start_seconds > 0 or end_seconds < math.inf
        vector = self.embedder.query(query)
        with self._using() as db:
            near = self._nearest(db, vector, max(4 * k, _FEWEST_NEAR), where, values, kinds, filtered)
            words = by_words(db, query, 4 * k, where, values)
            near = self._with_unreached(db, vector, near, words, kinds)
            best = dict(list(fuse(*rankings_for(by, words, near)).items())[:k])
            marks = ", ".join("?" * len(best))
            rows = db.execute(f"SELECT number, rest FROM captions WHERE number IN ({marks})", list(best))
            found = {number: Caption.from_dict(json.loads(rest)) for number, rest in rows}
        return [Hit(found[number], score, near.get(number, 0.0)) for number, score in best.items()]

    def _nearest(
        self,
        db: sqlite3.Connection,
        vector: list[float],
        count: int,
        where: str,
        values: list[Any],
        kinds: Collection[Kind] | None,
        filtered: bool,
    ) -> dict[int, float]:
        wanted = min(count, _MOST_NEAR)
        take = min(4 * wanted, _MOST_NEAR) if filtered else wanted
        while True:
            cosines: dict[str, float] = {}
            more = False
            for name in collections_of(kinds):
                collection = self._collection(name)
                there = collection.count()
                more |= take < there
                if there:
                    found = collection.query(
                        query_embeddings=[vector], n_results=min(take, there), include=["distances"]
                    )
                    cosines |= {i: 1.0 - d for i, d in zip(found["ids"][0], found["distances"][0], strict=True)}
            marks = ", ".join("?" * len(cosines))
            rows = db.execute(
                f"SELECT number, id FROM captions WHERE id IN ({marks}) AND {where}", [*cosines, *values]
            ).fetchall()
            if len(rows) >= wanted or not more or take >= _MOST_NEAR:
                ranked = sorted(rows, key=lambda row: -cosines[row[1]])
                return {number: cosines[id_] for number, id_ in ranked[:count]}
            take = min(4 * take, _MOST_NEAR)

    def _with_unreached(
        self,
        db: sqlite3.Connection,
        vector: list[float],
        near: dict[int, float],
        words: Iterable[int],
        kinds: Collection[Kind] | None,
    ) -> dict[int, float]:
        """Return cosines also of what only words have found; Chroma's graph does not reach every row."""
        missing = [number for number in words if number not in near]
        marks = ", ".join("?" * len(missing))
        rows = db.execute(f"SELECT id, number FROM captions WHERE number IN ({marks})", missing)
        numbers: dict[str, int] = dict(rows.fetchall())
        for name in collections_of(kinds) if numbers else []:
            near = near | {numbers[i]: c for i, c in cosines_of(self._collection(name), vector, list(numbers)).items()}
        return dict(sorted(near.items(), key=lambda item: -item[1]))

    def _collection(self, name: str) -> Any:
        if self._client is None:
            import chromadb
            from chromadb.config import Settings

            self._client = chromadb.PersistentClient(
                str(self.directory / "library"), settings=Settings(anonymized_telemetry=False)
            )
        return get_collection(self._client, name)

    def vectorstore(self) -> Chroma:
        """Return the captions as a `langchain_chroma.Chroma`, for reading."""
        from langchain_chroma import Chroma

        self.acquire()
        self._collection("captions")
        return Chroma(client=self._client, collection_name="captions", embedding_function=self.embedder.embeddings)

    def _close_client(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def close(self) -> None:
        """Let go of the files; they are opened again when needed."""
        with self._guard:
            self._close_client()
            if self._open_db is not None:
                self._open_db.close()
                self._open_db = None
            if self._lock is not None:
                self._lock.release()
                self._lock = None


def _is_file_error(error: Exception) -> bool:
    return isinstance(error, OSError | sqlite3.Error) or type(error).__module__.startswith("chromadb")
