"""One video's captions in one SQLite file: captions, words (FTS5), vectors, what was watched, and gaps.

All of it changes in one transaction, so a killed process loses at most what was not yet settled; vectors follow, and
what has none yet gets one at the next opening. Search within a video is exact: no caption is unreachable, and its
cost depends on this video alone.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from videochat.errors import StoreError, StoreInUse
from videochat.intervals import merge_intervals
from videochat.memory.embeddings import Embedder
from videochat.memory.ranking import by_words, fuse, ways
from videochat.memory.vectors import Vectors, pack
from videochat.records import Caption, Kind

_FORMAT = 2
_SCHEMA = """
CREATE TABLE IF NOT EXISTS captions (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    start_seconds REAL NOT NULL,
    end_seconds REAL NOT NULL,
    kind TEXT NOT NULL,
    source TEXT NOT NULL,
    text TEXT NOT NULL,
    rest TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS captions_by_time ON captions (start_seconds, end_seconds);
CREATE INDEX IF NOT EXISTS captions_by_kind ON captions (kind, start_seconds);
CREATE TABLE IF NOT EXISTS vectors (number INTEGER PRIMARY KEY, vector BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS without_vector (number INTEGER PRIMARY KEY);
CREATE TABLE IF NOT EXISTS changes (number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL);
CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5 (
    text, content='captions', content_rowid='number', tokenize='porter unicode61 remove_diacritics 2'
);
DROP TRIGGER IF EXISTS captions_added;
DROP TRIGGER IF EXISTS captions_dropped;
CREATE TRIGGER captions_added AFTER INSERT ON captions BEGIN
    INSERT INTO words (rowid, text) VALUES (new.number, new.text);
    INSERT OR REPLACE INTO without_vector VALUES (new.number);
    INSERT INTO changes (id) VALUES (new.id);
END;
CREATE TRIGGER captions_dropped AFTER DELETE ON captions BEGIN
    INSERT INTO words (words, rowid, text) VALUES ('delete', old.number, old.text);
    DELETE FROM vectors WHERE number = old.number;
    DELETE FROM without_vector WHERE number = old.number;
    INSERT INTO changes (id) VALUES (old.id);
END;
CREATE TABLE IF NOT EXISTS watched (
    source TEXT NOT NULL, version TEXT NOT NULL, start_seconds REAL NOT NULL, end_seconds REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS gaps (
    source TEXT NOT NULL, start_seconds REAL NOT NULL, end_seconds REAL NOT NULL, reason TEXT NOT NULL,
    UNIQUE (source, start_seconds, end_seconds)
);
CREATE TABLE IF NOT EXISTS frames (
    source TEXT NOT NULL, start_seconds REAL NOT NULL, end_seconds REAL NOT NULL, vector BLOB NOT NULL,
    PRIMARY KEY (source, start_seconds)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
_STATE = ("watched", "gaps", "facts", "notes")
_INDEX_BATCH = 256
_INDEX_SECONDS = 2.0  # while a video is being read, the vectors lag no longer than this


@dataclass(frozen=True)
class Hit:
    """A caption that a search found."""

    caption: Caption
    score: float = 0.0
    """Fused rank, higher is better; only comparable within one search."""
    similarity: float = 0.0
    """Cosine of question and caption in [-1, 1], by the store's embedder; 0 where it was found by words only."""


@dataclass(frozen=True)
class Gap:
    """A stretch that a tool could not see."""

    source: str
    start_seconds: float
    end_seconds: float
    reason: str


@dataclass
class Changes:
    """What changed in a stored since somebody looked."""

    upto: int
    """Number of the last change in it."""
    added: list[tuple[Caption, bytes]]
    """Captions with their vectors (see `vectors.pack`)."""
    gone: list[str]
    """Ids of captions that are no longer there."""


class VideoCaptions:
    """The captions of one video, which one process owns at a time.

    Args:
        directory: made if it is not there; None keeps everything in memory.
        video_id: the video.
        embedder: what the vectors are made with; those of another one are made anew.
        before_change: called before the first change since `changes_taken`.

    Raises:
        StoreInUse: another process has it open.
        StoreError: it cannot be written, is damaged, or is of a newer version.
    """

    def __init__(
        self,
        directory: Path | None,
        video_id: str,
        embedder: Embedder,
        before_change: Callable[[], None] | None = None,
    ) -> None:
        self.directory, self.video_id, self.embedder = directory, video_id, embedder
        self._guard = threading.RLock()
        self._vectors: Vectors | None = None
        self._before_change = before_change
        self._changing = False
        self._data_version = -1
        self._indexed_at = time.monotonic()
        self._lock: FileLock | None = None
        place = "memory" if directory is None else repr(str(directory))
        try:
            if directory is not None:
                directory.mkdir(parents=True, exist_ok=True)
                self._lock = own(directory)
            file = ":memory:" if directory is None else str(directory / "captions.sqlite3")
            self._db = sqlite3.connect(file, check_same_thread=False)
            self._open_schema(place)
        except BaseException as error:
            if hasattr(self, "_db"):
                self._db.close()
            if self._lock is not None:
                self._lock.release()
            if isinstance(error, OSError | sqlite3.Error):
                raise StoreError(
                    f"The captions in {place} cannot be opened for writing ({error}). "
                    "Check the directory's permissions and free space, or give another."
                ) from error
            raise

    def _open_schema(self, place: str) -> None:
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version > _FORMAT:
            raise StoreError(
                f"The captions in {place} have format {version}, this version reads up to {_FORMAT}. "
                "Update videochat, or use another directory."
            )
        first = self._db.execute("SELECT 1 FROM sqlite_master WHERE name = 'captions'").fetchone() is None
        self._db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;" + _SCHEMA)
        with self._db:
            if version < _FORMAT and not first:
                # Before, Chroma had the vectors, in a folder of its own.
                self._db.execute("INSERT INTO changes (id) SELECT id FROM captions ORDER BY number")
                if self.directory is not None:
                    shutil.rmtree(self.directory / "chroma", ignore_errors=True)
            if self._note("embedder") != self.embedder.name:
                self._make_all_vectors()
                self._db.execute(
                    "INSERT OR REPLACE INTO notes VALUES ('embedder', ?)", (json.dumps(self.embedder.name),)
                )
            self._db.execute(f"PRAGMA user_version = {_FORMAT}")

    def _make_all_vectors(self) -> None:
        self._db.execute("DELETE FROM vectors")
        self._db.execute("INSERT OR REPLACE INTO without_vector SELECT number FROM captions")
        self._vectors = None

    def _note(self, name: str) -> Any:
        row = self._db.execute("SELECT value FROM notes WHERE name = ?", (name,)).fetchone()
        return None if row is None else json.loads(row[0])

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """Hold the database; what SQLite says is wrong becomes a sentence."""
        with self._guard:
            try:
                yield self._db
            except sqlite3.Error as error:
                raise StoreError(
                    f"The captions of {self.video_id} in {str(self.directory)!r} cannot be used ({error}). "
                    "`videochat memory verify` says what is damaged."
                ) from error

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """Hold the database for one transaction."""
        with self._reading() as db:
            if not self._changing and self._before_change is not None:
                self._before_change()
            self._changing = True
            with db:
                yield db

    def close(self, *, index: bool = True) -> None:
        """Make the vectors that are missing, unless `index` is False, and let go of the directory."""
        with self._guard:
            try:
                if index:
                    self.index()
            finally:
                self._db.close()
                if self._lock is not None:
                    self._lock.release()

    @property
    def changed(self) -> bool:
        """Whether something was written since `changes_taken`."""
        return self._changing

    @property
    def bytes(self) -> int:
        """How much memory its vectors take."""
        return self._vectors.bytes if self._vectors is not None else 0

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
        with self._writing():
            added = self._insert(captions)
            if source is not None and watched is not None:
                spans = merge_intervals([*self.watched(source, version), watched])
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
        with self._reading():
            return self._db.execute(
                "SELECT start_seconds, end_seconds FROM watched WHERE source = ? AND version = ?"
                " ORDER BY start_seconds",
                (source, version),
            ).fetchall()

    def drop_other_versions(self, source: str, version: str) -> None:
        """Forget what another version of a source said (e.g. subtitles that were corrected since)."""
        with self._reading():
            old = self._db.execute(
                "SELECT 1 FROM watched WHERE source = ? AND version != ? LIMIT 1", (source, version)
            ).fetchone()
            if not old:
                return
            with self._writing():
                for table in ("captions", "watched", "gaps"):
                    self._db.execute(f"DELETE FROM {table} WHERE source = ?", (source,))
                self._vectors = None

    def record_frame_vectors(self, source: str, frames: Iterable[tuple[float, float, np.ndarray]]) -> None:
        """Store pictures as vectors: start and end in seconds, and a unit vector, of what `source` saw."""
        with self._reading() as db, db:
            rows = [(source, start, end, pack(vector)) for start, end, vector in frames]
            db.executemany("INSERT OR REPLACE INTO frames VALUES (?, ?, ?, ?)", rows)

    def frame_vectors(self, source: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return starts and ends in seconds, shapes (n,), and unit vectors, float32, shape (n, d), by time."""
        with self._reading() as db:
            rows = db.execute(
                "SELECT start_seconds, end_seconds, vector FROM frames WHERE source = ? ORDER BY start_seconds",
                (source,),
            ).fetchall()
        vectors = np.frombuffer(b"".join(row[2] for row in rows), np.float16).astype(np.float32)
        times = np.array([row[:2] for row in rows], float).reshape(-1, 2)
        return times[:, 0], times[:, 1], vectors.reshape(len(rows), -1) if rows else np.zeros((0, 0), np.float32)

    def record_gap(self, gap: Gap) -> None:
        """Remember that a stretch could not be seen."""
        with self._writing():
            self._db.execute(
                "INSERT OR REPLACE INTO gaps VALUES (?, ?, ?, ?)",
                (gap.source, gap.start_seconds, gap.end_seconds, gap.reason),
            )

    def clear_gaps(self, source: str, start_seconds: float, end_seconds: float) -> None:
        """Forget gaps of a source within a stretch that is about to be watched again; the rest of them stays."""
        with self._writing():
            inside = "source = ? AND start_seconds < ? AND end_seconds > ?"
            values = (source, end_seconds, start_seconds)
            rows = self._db.execute(f"SELECT * FROM gaps WHERE {inside}", values).fetchall()
            self._db.execute(f"DELETE FROM gaps WHERE {inside}", values)
            rest = [(name, a, start_seconds, why) for name, a, _, why in rows if a < start_seconds]
            rest += [(name, end_seconds, b, why) for name, _, b, why in rows if b > end_seconds]
            self._db.executemany("INSERT OR REPLACE INTO gaps VALUES (?, ?, ?, ?)", rest)

    def gaps(self) -> list[Gap]:
        """Return what could not be seen, in temporal order."""
        with self._reading():
            rows = self._db.execute("SELECT * FROM gaps ORDER BY start_seconds").fetchall()
        return [Gap(*row) for row in rows]

    def facts(self) -> dict[str, Any]:
        """Return what is known of the video (name, path, duration_seconds ...)."""
        with self._reading():
            return {name: json.loads(value) for name, value in self._db.execute("SELECT * FROM facts")}

    def set_facts(self, **facts: Any) -> None:
        """Remember facts about the video."""
        with self._writing():
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
        where, values = conditions(start_seconds, end_seconds, kinds)
        with self._reading():
            rows = self._db.execute(
                f"SELECT rest FROM captions WHERE {where} ORDER BY start_seconds, end_seconds, number",
                values,
            ).fetchall()
        return [Caption.from_dict(json.loads(row[0])) for row in rows]

    def stamps(self) -> list[tuple[float, float, str]]:
        """Return start, end and id of every caption that is no summary, in temporal order."""
        with self._reading():
            return self._db.execute(
                "SELECT start_seconds, end_seconds, id FROM captions WHERE kind != 'summary' ORDER BY start_seconds"
            ).fetchall()

    def notes(self, prefix: str) -> dict[str, Any]:
        """Return what was noted under names that begin with `prefix`."""
        with self._reading():
            rows = self._db.execute(
                "SELECT name, value FROM notes WHERE name >= ? AND name < ?", (prefix, f"{prefix}\U0010ffff")
            )
            return {name: json.loads(value) for name, value in rows}

    def swap(self, gone: Sequence[str], captions: Sequence[Caption], notes: Mapping[str, Any]) -> None:
        """Drop captions by id, store others, and note values (None removes one), all in one step."""
        if not (gone or captions or notes):
            return
        with self._writing():
            self._db.executemany("DELETE FROM captions WHERE id = ?", [(id_,) for id_ in gone])
            self._insert(captions)
            self._db.executemany("DELETE FROM notes WHERE name = ?", [(name,) for name in notes])
            self._db.executemany(
                "INSERT INTO notes VALUES (?, ?)",
                [(name, json.dumps(value)) for name, value in notes.items() if value is not None],
            )
            if gone:
                self._vectors = None

    def end_seconds(self) -> float:
        """Return where the last caption ends; 0 without captions."""
        with self._reading() as db:
            return float(db.execute("SELECT coalesce(max(end_seconds), 0) FROM captions").fetchone()[0])

    def count(self) -> int:
        """Return how many captions there are."""
        with self._reading():
            return int(self._db.execute("SELECT count(*) FROM captions").fetchone()[0])

    def search(
        self,
        query: str,
        *,
        k: int = 8,
        kinds: Iterable[Kind] | None = None,
        start_seconds: float = 0.0,
        end_seconds: float = math.inf,
        by: str = "hybrid",
    ) -> list[Hit]:
        """Return the `k` best captions, best first: likeness and words, fused by reciprocal rank."""
        kinds = None if kinds is None else list(kinds)
        vector = self.embedder.query(query)
        nearest = self.nearest(vector, 4 * k, kinds, start_seconds, end_seconds)
        words = self.by_words(query, 4 * k, kinds, start_seconds, end_seconds)
        best = dict(list(fuse(*ways(by, words, nearest)).items())[:k])
        with self._guard:
            cosines = self._loaded().cosines(vector, list(best))
        found = self.numbered(best)
        return [Hit(found[n], score, cosines.get(n, 0.0)) for n, score in best.items()]

    def nearest(
        self, vector: Sequence[float], count: int, kinds: Iterable[Kind] | None, start: float, end: float
    ) -> dict[int, float]:
        """Return cosines by caption number, best first; exact, over this video alone."""
        self.index()
        with self._guard:
            return self._loaded().nearest(vector, count, kinds, start, end)

    def by_words(
        self, query: str, count: int, kinds: Iterable[Kind] | None, start: float, end: float
    ) -> dict[int, float]:
        """Return BM25 scores by caption number, best first."""
        with self._reading() as db:
            return by_words(db, query, count, *conditions(start, end, kinds))

    def numbered(self, numbers: Iterable[int]) -> dict[int, Caption]:
        """Return captions by their numbers within this video."""
        wanted = list(numbers)
        found: dict[int, Caption] = {}
        with self._reading() as db:
            for i in range(0, len(wanted), 500):
                part = wanted[i : i + 500]
                marks = ", ".join("?" * len(part))
                rows = db.execute(f"SELECT number, rest FROM captions WHERE number IN ({marks})", part)
                found |= {number: Caption.from_dict(json.loads(rest)) for number, rest in rows}
        return found

    def index(self) -> None:
        """Make the vectors of captions that have none yet."""
        missing = (
            "SELECT number, start_seconds, end_seconds, kind, text FROM without_vector JOIN captions USING (number)"
            " ORDER BY number LIMIT ?"
        )
        with self._reading() as db:
            while rows := db.execute(missing, (_INDEX_BATCH,)).fetchall():
                made = self.embedder.embeddings.embed_documents([row[4] for row in rows])
                vectors = [(*row[:4], pack(vector)) for row, vector in zip(rows, made, strict=True)]
                with db:
                    db.executemany(
                        "INSERT OR REPLACE INTO vectors VALUES (?, ?)", [(row[0], row[4]) for row in vectors]
                    )
                    db.executemany("DELETE FROM without_vector WHERE number = ?", [(row[0],) for row in vectors])
                if self._vectors is not None:
                    self._vectors.extend(vectors)
            self._indexed_at = time.monotonic()

    def _pending(self) -> int:
        with self._reading() as db:
            return int(db.execute("SELECT count(*) FROM without_vector").fetchone()[0])

    def _loaded(self) -> Vectors:
        # Another store of this process may have written to the same file.
        (version,) = self._db.execute("PRAGMA data_version").fetchone()
        if self._vectors is None or version != self._data_version:
            self._data_version = version
            self._vectors = Vectors()
            self._vectors.extend(
                self._db.execute(
                    "SELECT number, start_seconds, end_seconds, kind, vector FROM captions JOIN vectors USING (number)"
                    " ORDER BY number"
                )
            )
        return self._vectors

    def changes(self, seen: int, limit: int) -> Changes:
        """Return what was added or dropped after change number `seen`, at most `limit` captions."""
        self.index()
        with self._reading() as db:
            return read_changes(db, seen, limit)

    def changes_taken(self, upto: int, done: Callable[[], None]) -> bool:
        """Call `done` if nothing has changed since change number `upto`; return whether that is so."""
        with self._reading() as db:
            if db.execute("SELECT 1 FROM changes WHERE number > ? LIMIT 1", (upto,)).fetchone():
                return False
            done()
            self._changing = False
            return True

    def last_change(self) -> int:
        """Return the number of the last change."""
        with self._reading() as db:
            return int(db.execute("SELECT coalesce(max(number), 0) FROM changes").fetchone()[0])

    def take_over(self, captions: Sequence[Caption], vectors: Iterable[Sequence[float]]) -> None:
        """Store captions that have vectors already."""
        with self._writing() as db:
            self._insert(captions)
            db.executemany(
                "INSERT OR REPLACE INTO vectors SELECT number, ? FROM captions WHERE id = ?",
                [(pack(vector), caption.id) for caption, vector in zip(captions, vectors, strict=True)],
            )
            db.execute("DELETE FROM without_vector WHERE number IN (SELECT number FROM vectors)")
            self._vectors = None

    def state(self) -> list[list[Any]]:
        """Return all but the captions as rows: the table, then its values."""
        with self._reading() as db:
            return [
                [table, *row]
                for table in _STATE
                for row in db.execute(f"SELECT * FROM {table}").fetchall()
                if row[0] != "embedder"
            ]

    def add_state(self, rows: Iterable[Sequence[Any]]) -> None:
        """Add rows of `state`, of this video as somebody else has watched it."""
        with self._writing() as db:
            for table, *row in rows:
                if table in _STATE:
                    marks = ", ".join("?" * len(row))
                    db.execute(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", row)
            versions = db.execute("SELECT DISTINCT source, version FROM watched").fetchall()
            for source, version in versions:
                spans = merge_intervals(self.watched(source, version))
                db.execute("DELETE FROM watched WHERE source = ? AND version = ?", (source, version))
                db.executemany("INSERT INTO watched VALUES (?, ?, ?, ?)", [(source, version, *span) for span in spans])

    def check(self) -> list[str]:
        """Return what is wrong with the file, as sentences; empty if nothing is."""
        found: list[str] = []
        with self._guard:
            try:
                for (said,) in self._db.execute("PRAGMA integrity_check"):
                    if said != "ok":
                        found.append(f"SQLite: {said}")
                for id_, rest in self._db.execute("SELECT id, rest FROM captions"):
                    if Caption.from_dict(json.loads(rest)).id != id_:
                        found.append(f"caption {id_} was changed from outside")
                try:
                    self._db.execute("INSERT INTO words (words, rank) VALUES ('integrity-check', 1)")
                except sqlite3.DatabaseError:
                    found.append("the index of words does not fit the captions")
                pending = self._db.execute(
                    "SELECT count(*) FROM captions LEFT JOIN vectors USING (number) WHERE vector IS NULL"
                ).fetchone()[0]
                if pending:
                    found.append(f"{pending} captions have no vector")
            except (sqlite3.Error, ValueError) as error:
                found.append(f"the file cannot be read ({error})")
        return found

    def rebuild(self) -> None:
        """Make the index of words and all vectors anew from the captions."""
        with self._writing() as db:
            db.execute("INSERT INTO words (words) VALUES ('rebuild')")
            self._make_all_vectors()
        self.index()


def own(directory: Path) -> FileLock:
    """Return the lock of a directory, held.

    Raises:
        StoreInUse: another process holds it; the message names that process.
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


def read_changes(db: sqlite3.Connection, seen: int, limit: int) -> Changes:
    """Return what changed in a stored's file after change number `seen`; captions without a vector wait."""
    rows = db.execute(
        "SELECT max(changed.number), changed.id, rest, vector FROM"
        " (SELECT number, id FROM changes WHERE number > ? ORDER BY number LIMIT ?) AS changed"
        " LEFT JOIN captions ON captions.id = changed.id LEFT JOIN vectors ON vectors.number = captions.number"
        " GROUP BY changed.id ORDER BY 1",
        (seen, limit),
    ).fetchall()
    changes = Changes(seen, [], [])
    for number, id_, rest, vector in rows:
        if rest is None:
            changes.gone.append(id_)
        elif vector is None:
            break
        else:
            changes.added.append((Caption.from_dict(json.loads(rest)), vector))
        changes.upto = number
    return changes


def conditions(start: float, end: float, kinds: Iterable[Kind] | None) -> tuple[str, list[Any]]:
    """Return an SQL condition on captions, and its values: sharing a moment with a range, of some kinds.

    Without kinds: all but summaries.
    """
    where = "end_seconds > ? AND start_seconds < ?"
    values: list[Any] = [start, min(end, 1e12)]
    if kinds is None:
        where += " AND kind != 'summary'"
    else:
        wanted = list(kinds)
        where += f" AND kind IN ({', '.join('?' * len(wanted))})"
        values += wanted
    return where, values
