"""One index over the captions of all videos of a store, so that searching them all opens none of them.

Nothing here is the truth: Chroma (vectors) and SQLite (words, names) are filled from the shelves and can be thrown
away. A stored is marked before it changes; what is marked is read again before the next search.
"""

from __future__ import annotations

import json
import math
import shutil
import sqlite3
import threading
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from videochat.errors import StoreError
from videochat.memory.embeddings import Embedder
from videochat.memory.ranking import by_words, fuse, ways
from videochat.memory.video_captions import Changes, Hit, conditions, own
from videochat.records import Caption, Kind

_FORMAT = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS videos (
    id TEXT PRIMARY KEY, seen INTEGER NOT NULL, name TEXT, path TEXT, duration_seconds REAL, captions INTEGER
);
CREATE TABLE IF NOT EXISTS changed (video_id TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS captions (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    video_id TEXT NOT NULL,
    start_seconds REAL NOT NULL,
    end_seconds REAL NOT NULL,
    kind TEXT NOT NULL,
    text TEXT NOT NULL,
    rest TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS captions_by_video ON captions (video_id);
CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5 (
    text, content='captions', content_rowid='number', tokenize='porter unicode61 remove_diacritics 2'
);
CREATE TRIGGER IF NOT EXISTS captions_added AFTER INSERT ON captions BEGIN
    INSERT INTO words (rowid, text) VALUES (new.number, new.text);
END;
CREATE TRIGGER IF NOT EXISTS captions_dropped AFTER DELETE ON captions BEGIN
    INSERT INTO words (words, rowid, text) VALUES ('delete', old.number, old.text);
END;
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
BATCH = 2000  # Chroma takes at most 5,461 at once
_FEWEST_NEAR = 64
_MOST_NEAR = 4000  # Chroma filters by walking all rows, so a filter here takes more neighbours and sieves them
_WAIT_SECONDS = 30.0


@dataclass(frozen=True)
class StoredVideo:
    """A video that a store has captions of."""

    id: str
    name: str
    """File name, or the id where nobody has said."""
    path: str | None = None
    """Where it was watched last."""
    duration_seconds: float | None = None
    captions: int = 0
    """How many, summaries aside."""

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return dict(vars(self))


class Library:
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
        self._lock: Any = None

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
                # It holds nothing that the shelves do not.
                for part in file.parent.glob(f"{file.name}*"):
                    part.unlink()
                self._open_db = self._connect(file)
        return self._open_db

    def _connect(self, file: Path) -> sqlite3.Connection:
        db = sqlite3.connect(file, check_same_thread=False, timeout=_WAIT_SECONDS)
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if version > _FORMAT:
            raise StoreError(
                f"The library in {str(file)!r} has format {version}, this version reads up to {_FORMAT}. "
                "Update videochat, or use another directory."
            )
        db.executescript(
            f"PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA user_version={_FORMAT};" + _SCHEMA
        )
        return db

    @contextmanager
    def _using(self) -> Iterator[sqlite3.Connection]:
        with self._guard:
            try:
                yield self._db
            except Exception as error:
                if isinstance(error, StoreError) or not _is_damage(error):
                    raise
                raise StoreError(
                    f"The library in {str(self.directory)!r} cannot be used ({error}). "
                    "`videochat memory rebuild` makes it anew from the captions."
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

    def take(self) -> None:
        """Become the only process that uses the vectors.

        Raises:
            StoreInUse: another process does; the message names it.
        """
        with self._using() as db:
            if self._lock is not None:
                return
            folder = self.directory / "library"
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = own(folder)
            row = db.execute("SELECT value FROM facts WHERE name = 'embedder'").fetchone()
            there = (folder / "chroma.sqlite3").exists()
            if row is None or json.loads(row[0]) != self.embedder.name or not there:
                self._empty(db)

    def clear(self) -> None:
        """Throw the index away; the next search fills it again.

        Raises:
            StoreInUse: another process uses it.
        """
        self.take()
        with self._using() as db:
            self._empty(db)

    def _empty(self, db: sqlite3.Connection) -> None:
        self._close_client()
        for part in (self.directory / "library").iterdir():
            if part.name not in ("lock", "owner"):
                shutil.rmtree(part) if part.is_dir() else part.unlink()
        with db:
            db.execute("DELETE FROM captions")
            db.execute("DELETE FROM videos")
            db.execute("INSERT OR REPLACE INTO facts VALUES ('embedder', ?)", (json.dumps(self.embedder.name),))

    def seen(self, video_id: str) -> int:
        """Return the number of the last change of a stored that is in the index."""
        with self._using() as db:
            row = db.execute("SELECT seen FROM videos WHERE id = ?", (video_id,)).fetchone()
        return row[0] if row else 0

    def put(self, video: StoredVideo, changes: Changes) -> None:
        """Take over what changed in a stored, and what is known of its video."""
        self.take()
        with self._using() as db:
            put_vectors(self._collection, changes)
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
        self.take()
        with self._using() as db:
            ids = [row[0] for row in db.execute("SELECT id FROM captions WHERE video_id = ?", (video_id,))]
            for i in range(0, len(ids), BATCH):
                put_vectors(self._collection, Changes(0, [], ids[i : i + BATCH]))
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
        """Return the `k` best captions of all videos, or some of them, best first."""
        self.take()
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
            best = dict(list(fuse(*ways(by, words, near)).items())[:k])
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
            for name in _collections(kinds):
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
        for name in _collections(kinds) if numbers else []:
            near = near | {numbers[i]: c for i, c in cosines_of(self._collection(name), vector, list(numbers)).items()}
        return dict(sorted(near.items(), key=lambda item: -item[1]))

    def _collection(self, name: str) -> Any:
        if self._client is None:
            import chromadb
            from chromadb.config import Settings

            self._client = chromadb.PersistentClient(
                str(self.directory / "library"), settings=Settings(anonymized_telemetry=False)
            )
        return collection(self._client, name)

    def vectorstore(self) -> Any:
        """Return the captions as a `langchain_chroma.Chroma`, for reading."""
        from langchain_chroma import Chroma

        self.take()
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


def _is_damage(error: Exception) -> bool:
    return isinstance(error, OSError | sqlite3.Error) or type(error).__module__.startswith("chromadb")


def collection(client: Any, name: str) -> Any:
    """Return a Chroma collection of captions, compared by cosine, that never makes vectors by itself."""
    return client.get_or_create_collection(name, embedding_function=None, configuration={"hnsw": {"space": "cosine"}})


def cosines_of(collection: Any, vector: list[float], ids: list[str]) -> dict[str, float]:
    """Return the cosines of rows by id."""
    if not ids:
        return {}
    found = collection.get(ids=ids, include=["embeddings"])
    matrix = np.asarray(found["embeddings"], np.float32).reshape(len(found["ids"]), -1)
    lengths = np.linalg.norm(matrix, axis=1) if len(matrix) else np.ones(0)
    values = matrix @ np.asarray(vector, np.float32) / np.maximum(lengths, 1e-9) if len(matrix) else lengths
    return {id_: float(value) for id_, value in zip(found["ids"], values, strict=True)}


def put_vectors(open_collection: Any, changes: Changes) -> None:
    """Write changes to the collections that `open_collection(name)` gives; writing them twice changes nothing."""
    by_name: dict[str, list[tuple[Caption, bytes]]] = {}
    for caption, vector in changes.added:
        by_name.setdefault(_collections([caption.kind])[0], []).append((caption, vector))
    for name, rows in by_name.items():
        open_collection(name).upsert(
            ids=[caption.id for caption, _ in rows],
            embeddings=[np.frombuffer(vector, np.float16).astype(np.float32) for _, vector in rows],
            documents=[caption.text for caption, _ in rows],
            metadatas=[_metadata(caption) for caption, _ in rows],
        )
    if changes.gone:
        for name in ("captions", "summaries"):
            open_collection(name).delete(ids=changes.gone)


def _collections(kinds: Iterable[Kind] | None) -> list[str]:
    """Return where captions of these kinds lie; summaries lie apart, since no search wants both."""
    if kinds is None:
        return ["captions"]
    return sorted({"summaries" if kind == "summary" else "captions" for kind in kinds})


def _metadata(caption: Caption) -> dict[str, Any]:
    return {name: value for name, value in caption.as_dict().items() if name not in ("id", "text")}
