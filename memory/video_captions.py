"""The captions of one video: kept in its SQLite file, searched exactly, by words and by vectors.

With captions stand what was watched, what could not be seen, and facts about the video. All of it changes in one
transaction, so a killed process loses at most what was not yet committed; vectors follow, and what has none yet gets
one at the next opening. A search costs what this video costs, and reaches every caption.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from videochat.intervals import merge_intervals
from videochat.memory.caption_file import CaptionFile, drop_vectors, insert_captions, read_changes
from videochat.memory.embeddings import Embedder
from videochat.memory.ranking import by_words, fuse, rankings_for
from videochat.memory.sqlite_schema import STATE_TABLES, conditions
from videochat.memory.store_records import Changes, Gap, Hit
from videochat.memory.vectors import Vectors, pack
from videochat.records import Caption, Kind

if TYPE_CHECKING:
    import sqlite3

_INDEX_BATCH = 256
_INDEX_SECONDS = 2.0  # while a video is being read, the vectors lag no longer than this


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
        self._vectors: Vectors | None = None
        self._data_version = -1
        self._indexed_at = time.monotonic()
        self._file = CaptionFile(directory, video_id, embedder.name, before_change)

    def close(self, *, index: bool = True) -> None:
        """Make the vectors that are missing, unless `index` is False, and let go of the directory."""
        try:
            if index:
                self.index()
        finally:
            self._file.close()

    @property
    def changed(self) -> bool:
        """Whether something was written since `changes_taken`."""
        return self._file.changing

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
        """Store captions, and in the same transaction that `source` has watched a range of the video.

        Args:
            captions: of this video.
            source: name of the tool that has watched.
            version: of the tool; what it watched in another version no longer counts.
            watched: start and end in seconds.

        Returns:
            How many captions were new.

        Raises:
            InvalidArgument: a caption is of another video; nothing is stored then.
            StoreError: the file cannot be written.
        """
        with self._file.writing() as db:
            added = insert_captions(db, self.video_id, captions)
            if source is not None and watched is not None:
                spans = merge_intervals([*self.watched(source, version), watched])
                db.execute("DELETE FROM watched WHERE source = ?", (source,))
                db.executemany("INSERT INTO watched VALUES (?, ?, ?, ?)", [(source, version, *span) for span in spans])
        if time.monotonic() - self._indexed_at >= _INDEX_SECONDS or self._pending() >= _INDEX_BATCH:
            self.index()
        return added

    def watched(self, source: str, version: str) -> list[tuple[float, float]]:
        """Return the ranges that this version of a source has watched, in order, not touching."""
        with self._file.reading() as db:
            return db.execute(
                "SELECT start_seconds, end_seconds FROM watched WHERE source = ? AND version = ?"
                " ORDER BY start_seconds",
                (source, version),
            ).fetchall()

    def drop_other_versions(self, source: str, version: str) -> None:
        """Forget what another version of a source said (e.g. subtitles that were corrected since)."""
        with self._file.reading() as db:
            old = db.execute(
                "SELECT 1 FROM watched WHERE source = ? AND version != ? LIMIT 1", (source, version)
            ).fetchone()
            if not old:
                return
            with self._file.writing() as db:
                for table in ("captions", "watched", "gaps"):
                    db.execute(f"DELETE FROM {table} WHERE source = ?", (source,))
                self._vectors = None

    def record_frame_vectors(self, source: str, frames: Iterable[tuple[float, float, np.ndarray]]) -> None:
        """Store pictures as vectors: start and end in seconds, and a unit vector, of what `source` saw."""
        with self._file.reading() as db, db:
            rows = [(source, start, end, pack(vector)) for start, end, vector in frames]
            db.executemany("INSERT OR REPLACE INTO frames VALUES (?, ?, ?, ?)", rows)

    def frame_vectors(self, source: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return starts and ends in seconds, shapes (n,), and unit vectors, float32, shape (n, d), by time."""
        with self._file.reading() as db:
            rows = db.execute(
                "SELECT start_seconds, end_seconds, vector FROM frames WHERE source = ? ORDER BY start_seconds",
                (source,),
            ).fetchall()
        vectors = np.frombuffer(b"".join(row[2] for row in rows), np.float16).astype(np.float32)
        times = np.array([row[:2] for row in rows], float).reshape(-1, 2)
        return times[:, 0], times[:, 1], vectors.reshape(len(rows), -1) if rows else np.zeros((0, 0), np.float32)

    def record_gap(self, gap: Gap) -> None:
        """Remember that a range could not be seen."""
        with self._file.writing() as db:
            db.execute(
                "INSERT OR REPLACE INTO gaps VALUES (?, ?, ?, ?)",
                (gap.source, gap.start_seconds, gap.end_seconds, gap.reason),
            )

    def clear_gaps(self, source: str, start_seconds: float, end_seconds: float) -> None:
        """Forget gaps of a source within a range that is about to be watched again; the rest of them stays.

        Args:
            source: name of the tool.
            start_seconds: first moment of the range.
            end_seconds: first moment no longer.
        """
        with self._file.writing() as db:
            inside = "source = ? AND start_seconds < ? AND end_seconds > ?"
            values = (source, end_seconds, start_seconds)
            rows = db.execute(f"SELECT * FROM gaps WHERE {inside}", values).fetchall()
            db.execute(f"DELETE FROM gaps WHERE {inside}", values)
            rest = [(name, a, start_seconds, why) for name, a, _, why in rows if a < start_seconds]
            rest += [(name, end_seconds, b, why) for name, _, b, why in rows if b > end_seconds]
            db.executemany("INSERT OR REPLACE INTO gaps VALUES (?, ?, ?, ?)", rest)

    def gaps(self) -> list[Gap]:
        """Return what could not be seen, in temporal order."""
        with self._file.reading() as db:
            rows = db.execute("SELECT * FROM gaps ORDER BY start_seconds").fetchall()
        return [Gap(*row) for row in rows]

    def facts(self) -> dict[str, Any]:
        """Return what is known of the video (name, path, duration_seconds ...)."""
        with self._file.reading() as db:
            return {name: json.loads(value) for name, value in db.execute("SELECT * FROM facts")}

    def set_facts(self, **facts: Any) -> None:
        """Remember facts about the video."""
        with self._file.writing() as db:
            db.executemany(
                "INSERT OR REPLACE INTO facts VALUES (?, ?)",
                [(name, json.dumps(value)) for name, value in facts.items()],
            )

    def between(
        self, start_seconds: float = 0.0, end_seconds: float = math.inf, kinds: Iterable[Kind] | None = None
    ) -> list[Caption]:
        """Return the captions that share a moment with `[start_seconds, end_seconds)`, in temporal order.

        Args:
            start_seconds: only captions that end after this.
            end_seconds: only captions that start before this; may be infinite.
            kinds: only these; None for all but summaries, which repeat what the others say.
        """
        where, values = conditions(start_seconds, end_seconds, kinds)
        with self._file.reading() as db:
            rows = db.execute(
                f"SELECT rest FROM captions WHERE {where} ORDER BY start_seconds, end_seconds, number",
                values,
            ).fetchall()
        return [Caption.from_dict(json.loads(row[0])) for row in rows]

    def intervals(self) -> list[tuple[float, float, str]]:
        """Return start, end and id of every caption that is no summary, in temporal order."""
        with self._file.reading() as db:
            return db.execute(
                "SELECT start_seconds, end_seconds, id FROM captions WHERE kind != 'summary' ORDER BY start_seconds"
            ).fetchall()

    def notes(self, prefix: str) -> dict[str, Any]:
        """Return what was noted under names that begin with `prefix`."""
        with self._file.reading() as db:
            rows = db.execute(
                "SELECT name, value FROM notes WHERE name >= ? AND name < ?", (prefix, f"{prefix}\U0010ffff")
            )
            return {name: json.loads(value) for name, value in rows}

    def replace(self, gone: Sequence[str], captions: Sequence[Caption], notes: Mapping[str, Any]) -> None:
        """Drop captions, store others, and note values, all in one transaction.

        Args:
            gone: ids of captions to drop.
            captions: captions to store.
            notes: values for JSON, by name; None removes one.
        """
        if not (gone or captions or notes):
            return
        with self._file.writing() as db:
            db.executemany("DELETE FROM captions WHERE id = ?", [(id_,) for id_ in gone])
            insert_captions(db, self.video_id, captions)
            db.executemany("DELETE FROM notes WHERE name = ?", [(name,) for name in notes])
            db.executemany(
                "INSERT INTO notes VALUES (?, ?)",
                [(name, json.dumps(value)) for name, value in notes.items() if value is not None],
            )
            if gone:
                self._vectors = None

    def end_seconds(self) -> float:
        """Return where the last caption ends; 0 without captions."""
        with self._file.reading() as db:
            return float(db.execute("SELECT coalesce(max(end_seconds), 0) FROM captions").fetchone()[0])

    def count(self) -> int:
        """Return how many captions there are."""
        with self._file.reading() as db:
            return int(db.execute("SELECT count(*) FROM captions").fetchone()[0])

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
        """Return the `k` best captions, best first.

        Args:
            query: words to look for.
            k: how many at most.
            kinds: only of these kinds; None for all but summaries.
            start_seconds: only captions that end after this.
            end_seconds: only captions that start before this.
            by: one of `SEARCH_BY`.
        """
        kinds = None if kinds is None else list(kinds)
        vector = self.embedder.query(query)
        nearest = self.nearest(vector, 4 * k, kinds, start_seconds, end_seconds)
        words = self.by_words(query, 4 * k, kinds, start_seconds, end_seconds)
        best = dict(list(fuse(*rankings_for(by, words, nearest)).items())[:k])
        with self._file.reading() as db:
            cosines = self._loaded(db).cosines(vector, list(best))
        found = self.by_number(best)
        return [Hit(found[n], score, cosines.get(n, 0.0)) for n, score in best.items()]

    def nearest(
        self, vector: Sequence[float], count: int, kinds: Iterable[Kind] | None, start: float, end: float
    ) -> dict[int, float]:
        """Return cosines by caption number, best first; exact, over this video alone.

        Args:
            vector: of unit length.
            count: how many at most.
            kinds: only of these kinds; None for all but summaries.
            start: only captions that end after this second.
            end: only captions that start before this second.
        """
        self.index()
        with self._file.reading() as db:
            return self._loaded(db).nearest(vector, count, kinds, start, end)

    def by_words(
        self, query: str, count: int, kinds: Iterable[Kind] | None, start: float, end: float
    ) -> dict[int, float]:
        """Return BM25 scores by caption number, best first.

        Args:
            query: words to look for.
            count: how many at most.
            kinds: only of these kinds; None for all but summaries.
            start: only captions that end after this second.
            end: only captions that start before this second.
        """
        with self._file.reading() as db:
            return by_words(db, query, count, *conditions(start, end, kinds))

    def by_number(self, numbers: Iterable[int]) -> dict[int, Caption]:
        """Return captions by their numbers within this video."""
        wanted = list(numbers)
        found: dict[int, Caption] = {}
        with self._file.reading() as db:
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
        with self._file.reading() as db:
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
        with self._file.reading() as db:
            return int(db.execute("SELECT count(*) FROM without_vector").fetchone()[0])

    def _loaded(self, db: sqlite3.Connection) -> Vectors:
        # Another store of this process may have written to the same file.
        (version,) = db.execute("PRAGMA data_version").fetchone()
        if self._vectors is None or version != self._data_version:
            self._data_version = version
            self._vectors = Vectors()
            self._vectors.extend(
                db.execute(
                    "SELECT number, start_seconds, end_seconds, kind, vector FROM captions JOIN vectors USING (number)"
                    " ORDER BY number"
                )
            )
        return self._vectors

    def changes(self, seen: int, limit: int) -> Changes:
        """Return what was added or dropped after change number `seen`, at most `limit` captions."""
        self.index()
        with self._file.reading() as db:
            return read_changes(db, seen, limit)

    def changes_taken(self, upto: int, done: Callable[[], None]) -> bool:
        """Call `done` if nothing has changed since change number `upto`; return whether that is so."""
        with self._file.reading() as db:
            if db.execute("SELECT 1 FROM changes WHERE number > ? LIMIT 1", (upto,)).fetchone():
                return False
            done()
            self._file.changing = False
            return True

    def last_change(self) -> int:
        """Return the number of the last change."""
        with self._file.reading() as db:
            return int(db.execute("SELECT coalesce(max(number), 0) FROM changes").fetchone()[0])

    def add_with_vectors(self, captions: Sequence[Caption], vectors: Iterable[Sequence[float]]) -> None:
        """Store captions that have vectors already."""
        with self._file.writing() as db:
            insert_captions(db, self.video_id, captions)
            db.executemany(
                "INSERT OR REPLACE INTO vectors SELECT number, ? FROM captions WHERE id = ?",
                [(pack(vector), caption.id) for caption, vector in zip(captions, vectors, strict=True)],
            )
            db.execute("DELETE FROM without_vector WHERE number IN (SELECT number FROM vectors)")
            self._vectors = None

    def state(self) -> list[list[Any]]:
        """Return all but the captions as rows: the table, then its values."""
        with self._file.reading() as db:
            return [
                [table, *row]
                for table in STATE_TABLES
                for row in db.execute(f"SELECT * FROM {table}").fetchall()
                if row[0] != "embedder"
            ]

    def add_state(self, rows: Iterable[Sequence[Any]]) -> None:
        """Add rows of `state`, of this video as somebody else has watched it."""
        with self._file.writing() as db:
            for table, *row in rows:
                if table in STATE_TABLES:
                    marks = ", ".join("?" * len(row))
                    db.execute(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", row)
            versions = db.execute("SELECT DISTINCT source, version FROM watched").fetchall()
            for source, version in versions:
                spans = merge_intervals(self.watched(source, version))
                db.execute("DELETE FROM watched WHERE source = ? AND version = ?", (source, version))
                db.executemany("INSERT INTO watched VALUES (?, ?, ?, ?)", [(source, version, *span) for span in spans])

    def check(self) -> list[str]:
        """Return what is wrong with the file, as sentences; empty if nothing is."""
        return self._file.check()

    def rebuild(self) -> None:
        """Make the index of words and all vectors anew from the captions."""
        with self._file.writing() as db:
            db.execute("INSERT INTO words (words) VALUES ('rebuild')")
            drop_vectors(db)
            self._vectors = None
        self.index()
