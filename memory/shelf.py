"""One video's captions: SQLite holds them, Chroma finds them by likeness.

SQLite is the truth: captions, what has been watched, and gaps are written there in one transaction, so a
killed process loses at most what was not yet settled. Chroma is an index that catches up when opened.
A directory per video keeps search in one video independent of how many others there are.
"""

from __future__ import annotations

import json
import math
import os
import sqlite3
import sys
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from videochat.errors import StoreError, StoreInUse
from videochat.memory.embeddings import Embedder
from videochat.memory.words import content_words
from videochat.records import Caption, Kind

_SCHEMA = """
CREATE TABLE IF NOT EXISTS captions (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    start_seconds REAL NOT NULL,
    end_seconds REAL NOT NULL,
    kind TEXT NOT NULL,
    source TEXT NOT NULL,
    text TEXT NOT NULL,
    rest TEXT NOT NULL,
    indexed INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS captions_by_time ON captions (start_seconds, end_seconds);
CREATE INDEX IF NOT EXISTS captions_to_index ON captions (indexed) WHERE indexed = 0;
CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5 (
    text, content='captions', content_rowid='number', tokenize='porter unicode61 remove_diacritics 2'
);
CREATE TRIGGER IF NOT EXISTS captions_added AFTER INSERT ON captions BEGIN
    INSERT INTO words (rowid, text) VALUES (new.number, new.text);
END;
CREATE TRIGGER IF NOT EXISTS captions_dropped AFTER DELETE ON captions BEGIN
    INSERT INTO words (words, rowid, text) VALUES ('delete', old.number, old.text);
END;
CREATE TABLE IF NOT EXISTS watched (
    source TEXT NOT NULL, version TEXT NOT NULL, start_seconds REAL NOT NULL, end_seconds REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS gaps (
    source TEXT NOT NULL, start_seconds REAL NOT NULL, end_seconds REAL NOT NULL, reason TEXT NOT NULL,
    UNIQUE (source, start_seconds, end_seconds)
);
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
_INDEX_BATCH = 256
_INDEX_SECONDS = 2.0  # while a video is being read, the index lags no longer than this
_RANK_OFFSET = 60  # of reciprocal rank fusion, Cormack et al. 2009


@dataclass(frozen=True)
class Hit:
    """A caption that a search found."""

    caption: Caption
    score: float
    """Fused rank, higher is better; only comparable within one search."""
    similarity: float
    """Cosine of question and caption in [-1, 1], by the store's embedder; 0 where it was found by words only."""


@dataclass(frozen=True)
class Gap:
    """A stretch that a tool could not see."""

    source: str
    start_seconds: float
    end_seconds: float
    reason: str


class Shelf:
    """The captions of one video in one directory, which one process owns at a time.

    Args:
        directory: made if it is not there.
        video_id: the video.
        embedder: what the vectors are made with.

    Raises:
        StoreInUse: another process has it open.
        StoreError: it cannot be written, or is damaged.
    """

    def __init__(self, directory: Path, video_id: str, embedder: Embedder) -> None:
        self.directory, self.video_id, self.embedder = directory, video_id, embedder
        self._guard = threading.RLock()
        self._chroma: Any = None
        self._client: Any = None
        self._indexed_at = time.monotonic()
        try:
            directory.mkdir(parents=True, exist_ok=True)
            # Two processes that write one Chroma directory lose vectors without an error.
            self._lock = FileLock(directory / "lock", timeout=0, is_singleton=True, thread_local=False)
            self._lock.acquire()
            (directory / "owner").write_text(f"{os.getpid()} ({Path(sys.argv[0]).name or 'python'})")
            self._db = sqlite3.connect(directory / "captions.sqlite3", check_same_thread=False)
            self._db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;" + _SCHEMA)
        except Timeout as error:
            owner = directory / "owner"
            who = owner.read_text() if owner.exists() else "unknown"
            raise StoreInUse(
                f"The captions in {str(directory)!r} are being used by process {who}. Wait until it is done, "
                "or stop it."
            ) from error
        except (OSError, sqlite3.Error) as error:
            if hasattr(self, "_lock"):
                self._lock.release()
            raise StoreError(
                f"The captions in {str(directory)!r} cannot be opened for writing ({error}). "
                "Check the directory's permissions and free space, or give another."
            ) from error

    def close(self) -> None:
        """Index what is left and let go of the directory."""
        with self._guard:
            try:
                self.index()
            finally:
                self._db.close()
                if self._client is not None:
                    self._client.close()
                self._lock.release()

    def record(
        self,
        captions: Sequence[Caption],
        *,
        source: str | None = None,
        version: str = "",
        watched: tuple[float, float] | None = None,
    ) -> int:
        """Store captions, and in the same step that `source` has watched a stretch.

        Returns:
            How many captions were new.
        """
        with self._guard, self._db:
            added = self._insert(captions)
            if source is not None and watched is not None:
                spans = merge_spans([*self.watched(source, version), watched])
                self._db.execute("DELETE FROM watched WHERE source = ?", (source,))
                self._db.executemany(
                    "INSERT INTO watched VALUES (?, ?, ?, ?)", [(source, version, *span) for span in spans]
                )
        if time.monotonic() - self._indexed_at >= _INDEX_SECONDS or self._pending() >= _INDEX_BATCH:
            self.index()
        return added

    def _insert(self, captions: Sequence[Caption]) -> int:
        added = 0
        for caption in captions:
            if caption.video_id != self.video_id:
                raise ValueError(f"a caption of video {caption.video_id} does not belong to {self.video_id}")
            cursor = self._db.execute(
                "INSERT OR IGNORE INTO captions (id, start_seconds, end_seconds, kind, source, text, rest)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    caption.id,
                    caption.start_seconds,
                    caption.end_seconds,
                    caption.kind,
                    caption.source,
                    caption.text,
                    json.dumps(caption.as_dict()),
                ),
            )
            added += cursor.rowcount
        return added

    def watched(self, source: str, version: str) -> list[tuple[float, float]]:
        """Return the stretches that this version of a source has watched, in order, not touching."""
        with self._guard:
            return self._db.execute(
                "SELECT start_seconds, end_seconds FROM watched WHERE source = ? AND version = ?"
                " ORDER BY start_seconds",
                (source, version),
            ).fetchall()

    def drop_other_versions(self, source: str, version: str) -> None:
        """Forget what another version of a source said (e.g. subtitles that were corrected since)."""
        with self._guard:
            old = self._db.execute(
                "SELECT 1 FROM watched WHERE source = ? AND version != ? LIMIT 1", (source, version)
            ).fetchone()
            if not old:
                return
            ids = [row[0] for row in self._db.execute("SELECT id FROM captions WHERE source = ?", (source,))]
            with self._db:
                for table in ("captions", "watched", "gaps"):
                    self._db.execute(f"DELETE FROM {table} WHERE source = ?", (source,))
            if ids:
                self._vectors().delete(ids=ids)

    def record_gap(self, gap: Gap) -> None:
        """Remember that a stretch could not be seen."""
        with self._guard, self._db:
            self._db.execute(
                "INSERT OR REPLACE INTO gaps VALUES (?, ?, ?, ?)",
                (gap.source, gap.start_seconds, gap.end_seconds, gap.reason),
            )

    def clear_gaps(self, source: str, start_seconds: float, end_seconds: float) -> None:
        """Forget gaps of a source within a stretch that is about to be watched again; the rest of them stays."""
        with self._guard, self._db:
            inside = "source = ? AND start_seconds < ? AND end_seconds > ?"
            values = (source, end_seconds, start_seconds)
            rows = self._db.execute(f"SELECT * FROM gaps WHERE {inside}", values).fetchall()
            self._db.execute(f"DELETE FROM gaps WHERE {inside}", values)
            rest = [(name, a, start_seconds, why) for name, a, _, why in rows if a < start_seconds]
            rest += [(name, end_seconds, b, why) for name, _, b, why in rows if b > end_seconds]
            self._db.executemany("INSERT OR REPLACE INTO gaps VALUES (?, ?, ?, ?)", rest)

    def gaps(self) -> list[Gap]:
        """Return what could not be seen, in temporal order."""
        with self._guard:
            rows = self._db.execute("SELECT * FROM gaps ORDER BY start_seconds").fetchall()
        return [Gap(*row) for row in rows]

    def facts(self) -> dict[str, Any]:
        """Return what is known of the video (name, path, duration_seconds ...)."""
        with self._guard:
            return {name: json.loads(value) for name, value in self._db.execute("SELECT * FROM facts")}

    def set_facts(self, **facts: Any) -> None:
        """Remember facts about the video."""
        with self._guard, self._db:
            self._db.executemany(
                "INSERT OR REPLACE INTO facts VALUES (?, ?)",
                [(name, json.dumps(value)) for name, value in facts.items()],
            )

    def between(
        self, start_seconds: float = 0.0, end_seconds: float = math.inf, kinds: Iterable[Kind] | None = None
    ) -> list[Caption]:
        """Return the captions that share a moment with `[start_seconds, end_seconds)`, in temporal order.

        Without `kinds`, all but summaries: these say again what the others say.
        """
        where, values = _conditions(start_seconds, end_seconds, kinds)
        with self._guard:
            rows = self._db.execute(
                f"SELECT rest FROM captions WHERE {where} ORDER BY start_seconds, end_seconds, number",
                values,
            ).fetchall()
        return [Caption.from_dict(json.loads(row[0])) for row in rows]

    def stamps(self) -> list[tuple[float, float, str]]:
        """Return start, end and id of every caption that is no summary, in temporal order."""
        with self._guard:
            return self._db.execute(
                "SELECT start_seconds, end_seconds, id FROM captions WHERE kind != 'summary' ORDER BY start_seconds"
            ).fetchall()

    def notes(self, prefix: str) -> dict[str, Any]:
        """Return what was noted under names that begin with `prefix`."""
        with self._guard:
            rows = self._db.execute(
                "SELECT name, value FROM notes WHERE name >= ? AND name < ?", (prefix, f"{prefix}\U0010ffff")
            )
            return {name: json.loads(value) for name, value in rows}

    def swap(self, gone: Sequence[str], captions: Sequence[Caption], notes: Mapping[str, Any]) -> None:
        """Drop captions by id, store others, and note values (None removes one), all in one step."""
        with self._guard:
            with self._db:
                self._db.executemany("DELETE FROM captions WHERE id = ?", [(id_,) for id_ in gone])
                self._insert(captions)
                self._db.executemany("DELETE FROM notes WHERE name = ?", [(name,) for name in notes])
                self._db.executemany(
                    "INSERT INTO notes VALUES (?, ?)",
                    [(name, json.dumps(value)) for name, value in notes.items() if value is not None],
                )
            if gone:
                self._vectors().delete(ids=list(gone))

    def count(self) -> int:
        """Return how many captions there are."""
        with self._guard:
            return int(self._db.execute("SELECT count(*) FROM captions").fetchone()[0])

    def search(
        self,
        query: str,
        *,
        k: int = 8,
        kinds: Iterable[Kind] | None = None,
        start_seconds: float = 0.0,
        end_seconds: float = math.inf,
    ) -> list[Hit]:
        """Return the `k` best captions, best first: likeness and words, fused by reciprocal rank."""
        kinds = None if kinds is None else list(kinds)
        by_words = self._search_words(query, 4 * k, kinds, start_seconds, end_seconds)
        by_likeness = self._search_vectors(query, 4 * k, kinds, start_seconds, end_seconds)
        scores: dict[str, float] = {}
        for ranking in (by_words, list(by_likeness)):
            for rank, id_ in enumerate(ranking):
                scores[id_] = scores.get(id_, 0.0) + 1 / (_RANK_OFFSET + rank + 1)
        best = sorted(scores, key=lambda id_: -scores[id_])[:k]
        found = self._by_id(best)
        return [Hit(found[id_], scores[id_], by_likeness.get(id_, 0.0)) for id_ in best if id_ in found]

    def _search_words(self, query: str, k: int, kinds: list[Kind] | None, start: float, end: float) -> list[str]:
        words = content_words(query)
        if not words:
            return []
        where, values = _conditions(start, end, kinds)
        match = " OR ".join(f'"{word}"' for word in words)
        with self._guard:
            rows = self._db.execute(
                "SELECT captions.id FROM words JOIN captions ON captions.number = words.rowid"
                f" WHERE words MATCH ? AND {where} ORDER BY bm25(words), start_seconds LIMIT ?",
                (match, *values, k),
            ).fetchall()
        return [row[0] for row in rows]

    def _search_vectors(
        self, query: str, k: int, kinds: list[Kind] | None, start: float, end: float
    ) -> dict[str, float]:
        self.index()
        clauses: list[dict[str, Any]] = []
        if kinds is not None:
            clauses.append({"kind": {"$in": kinds}})
        if start > 0:
            clauses.append({"end_seconds": {"$gt": start}})
        if end < math.inf:
            clauses.append({"start_seconds": {"$lt": end}})
        where = clauses[0] if len(clauses) == 1 else {"$and": clauses} if clauses else None
        with self._guard:
            hits = self._vectors().similarity_search_with_score(query, k=k, filter=where)
        return {str(document.id): 1.0 - float(distance) for document, distance in hits}

    def _by_id(self, ids: Sequence[str]) -> dict[str, Caption]:
        marks = ", ".join("?" * len(ids))
        with self._guard:
            rows = self._db.execute(f"SELECT id, rest FROM captions WHERE id IN ({marks})", list(ids))
            return {id_: Caption.from_dict(json.loads(rest)) for id_, rest in rows}

    def _pending(self) -> int:
        with self._guard:
            return int(self._db.execute("SELECT count(*) FROM captions WHERE indexed = 0").fetchone()[0])

    def index(self) -> None:
        """Bring Chroma up to date with SQLite."""
        with self._guard:
            while rows := self._db.execute(
                "SELECT number, rest FROM captions WHERE indexed = 0 ORDER BY number LIMIT ?", (_INDEX_BATCH,)
            ).fetchall():
                captions = [Caption.from_dict(json.loads(rest)) for _, rest in rows]
                self._vectors().add_texts(
                    [caption.text for caption in captions],
                    metadatas=[_metadata(caption) for caption in captions],
                    ids=[caption.id for caption in captions],
                )
                with self._db:
                    self._db.executemany(
                        "UPDATE captions SET indexed = 1 WHERE number = ?", [(number,) for number, _ in rows]
                    )
            self._indexed_at = time.monotonic()

    def _vectors(self) -> Any:
        if self._chroma is None:
            import chromadb
            from chromadb.config import Settings
            from langchain_chroma import Chroma

            settings = Settings(anonymized_telemetry=False)
            self._client = chromadb.PersistentClient(str(self.directory / "chroma"), settings=settings)
            self._chroma = Chroma(
                client=self._client,
                collection_name="captions",
                embedding_function=self.embedder.embeddings,
                collection_configuration={"hnsw": {"space": "cosine"}},
            )
        return self._chroma


def merge_spans(spans: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the union of intervals as ordered intervals that do not touch."""
    merged: list[tuple[float, float]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1] + 1e-6:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        elif start < end:
            merged.append((start, end))
    return merged


def _conditions(start: float, end: float, kinds: Iterable[Kind] | None) -> tuple[str, list[Any]]:
    where = "end_seconds > ? AND start_seconds < ?"
    values: list[Any] = [start, min(end, 1e12)]
    if kinds is None:
        where += " AND kind != 'summary'"
    else:
        wanted = list(kinds)
        where += f" AND kind IN ({', '.join('?' * len(wanted))})"
        values += wanted
    return where, values


def _metadata(caption: Caption) -> dict[str, Any]:
    data = caption.as_dict()
    return {name: value for name, value in data.items() if name not in ("id", "text")}
