"""The SQLite file of one video: opened, locked, written in transactions, checked."""

from __future__ import annotations

import json
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from videochat.errors import InvalidArgument, StoreError
from videochat.memory.directory_lock import lock_directory
from videochat.memory.sqlite_schema import VIDEO_FORMAT, VIDEO_SCHEMA
from videochat.memory.storage_errors import fault_of, remedy_of
from videochat.memory.store_records import Changes
from videochat.records import Caption


class CaptionFile:
    """A video's SQLite file, which one process owns at a time.

    Args:
        directory: made if it is not there; None keeps everything in memory.
        video_id: the video, for messages.
        embedder_name: what the vectors are made with; those of another embedder are dropped.
        before_change: called before the first change since `changing` was last set to False.

    Raises:
        StoreInUse: another process has it open.
        StoreError: it cannot be written, is damaged, or is of a newer version.
    """

    def __init__(
        self,
        directory: Path | None,
        video_id: str,
        embedder_name: str,
        before_change: Callable[[], None] | None = None,
    ) -> None:
        self.directory, self.video_id = directory, video_id
        self.changing = False
        """Whether something was written since somebody set it to False."""
        self._before_change = before_change
        self._guard = threading.RLock()
        self._lock: FileLock | None = None
        self._place = "memory" if directory is None else repr(str(directory))
        try:
            if directory is not None:
                directory.mkdir(parents=True, exist_ok=True)
                self._lock = lock_directory(directory)
            file = ":memory:" if directory is None else str(directory / "captions.sqlite3")
            self._db = sqlite3.connect(file, check_same_thread=False)
            self._prepare(embedder_name)
        except BaseException as error:
            if hasattr(self, "_db"):
                self._db.close()
            if self._lock is not None:
                self._lock.release()
            if isinstance(error, OSError | sqlite3.Error):
                raise StoreError(
                    f"The captions in {self._place} cannot be opened for writing ({error}). {remedy_of(error)}"
                ) from error
            raise

    def _prepare(self, embedder_name: str) -> None:
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version > VIDEO_FORMAT:
            raise StoreError(
                f"The captions in {self._place} have format {version}, this version reads up to {VIDEO_FORMAT}. "
                "Update videochat, or use another directory."
            )
        first = self._db.execute("SELECT 1 FROM sqlite_master WHERE name = 'captions'").fetchone() is None
        self._db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;" + VIDEO_SCHEMA)
        with self._db:
            if version < VIDEO_FORMAT and not first:
                # Before, Chroma had the vectors, in a folder of its own.
                self._db.execute("INSERT INTO changes (id) SELECT id FROM captions ORDER BY number")
                if self.directory is not None:
                    shutil.rmtree(self.directory / "chroma", ignore_errors=True)
            row = self._db.execute("SELECT value FROM notes WHERE name = 'embedder'").fetchone()
            if row is None or json.loads(row[0]) != embedder_name:
                drop_vectors(self._db)
                self._db.execute("INSERT OR REPLACE INTO notes VALUES ('embedder', ?)", (json.dumps(embedder_name),))
            self._db.execute(f"PRAGMA user_version = {VIDEO_FORMAT}")

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Hold the database.

        Raises:
            StoreError: SQLite cannot do what is asked; the message says why.
        """
        with self._guard:
            try:
                yield self._db
            except sqlite3.Error as error:
                what_to_do = (
                    remedy_of(error)
                    if fault_of(error) in ("full", "forbidden")
                    else "`videochat memory verify` says what is damaged."
                )
                raise StoreError(
                    f"The captions of {self.video_id} in {self._place} cannot be used ({error}). {what_to_do}"
                ) from error

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Hold the database for one transaction.

        Raises:
            StoreError: SQLite cannot do what is asked; nothing is changed then.
        """
        with self.reading() as db:
            if not self.changing and self._before_change is not None:
                self._before_change()
            self.changing = True
            with db:
                yield db

    def close(self) -> None:
        """Let go of the file and of the directory."""
        with self._guard:
            self._db.close()
            if self._lock is not None:
                self._lock.release()

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


def insert_captions(db: sqlite3.Connection, video_id: str, captions: Iterable[Caption]) -> int:
    """Insert captions that are not there yet into a video's file; return how many.

    Args:
        db: the file.
        video_id: the video.
        captions: of this video.

    Raises:
        InvalidArgument: a caption is of another video.
    """
    added = 0
    for caption in captions:
        if caption.video_id != video_id:
            raise InvalidArgument(f"a caption of video {caption.video_id} does not belong to {video_id}")
        cursor = db.execute(
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


def drop_vectors(db: sqlite3.Connection) -> None:
    """Drop the vectors of a video's file, and list all captions as being without one."""
    db.execute("DELETE FROM vectors")
    db.execute("INSERT OR REPLACE INTO without_vector SELECT number FROM captions")


def read_changes(db: sqlite3.Connection, seen: int, limit: int) -> Changes:
    """Return what changed in a video's file after a change.

    Args:
        db: the file.
        seen: number of the last change that is known already.
        limit: how many changes at most. A caption without a vector ends the list before.
    """
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
