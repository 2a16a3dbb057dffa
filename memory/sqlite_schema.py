"""Tables of the SQLite files: one file for each video, one index over all videos; and conditions on captions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from videochat.records import Kind

_WORDS_TABLE = (
    "CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5 (text, content='captions', content_rowid='number',"
    " tokenize='porter unicode61 remove_diacritics 2');"
)
"""Full-text index (FTS5) over the texts of the table `captions`: words by their stems, without accents."""

VIDEO_FORMAT = 2
"""`user_version` of a video's file."""

VIDEO_SCHEMA = f"""
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
{_WORDS_TABLE}
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
"""`rest` is the caption as JSON, `changes` numbers every insertion and deletion, `frames` holds pictures as vectors."""

STATE_TABLES = ("watched", "gaps", "facts", "notes")
"""What a video's file knows beside captions and what is derived from them."""

INDEX_FORMAT = 1
"""`user_version` of the index over all videos."""

INDEX_SCHEMA = f"""
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
{_WORDS_TABLE}
CREATE TRIGGER IF NOT EXISTS captions_added AFTER INSERT ON captions BEGIN
    INSERT INTO words (rowid, text) VALUES (new.number, new.text);
END;
CREATE TRIGGER IF NOT EXISTS captions_dropped AFTER DELETE ON captions BEGIN
    INSERT INTO words (words, rowid, text) VALUES ('delete', old.number, old.text);
END;
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
"""`videos.seen` is the number of the last change of a video's file that the index has; `changed` lists videos that
have changed since."""

RANKING_SCHEMA = f"CREATE TABLE captions (number INTEGER PRIMARY KEY, start_seconds REAL, text TEXT);{_WORDS_TABLE}"
"""The least that ranking texts by words needs."""


def conditions(start_seconds: float, end_seconds: float, kinds: Iterable[Kind] | None) -> tuple[str, list[Any]]:
    """Return an SQL condition on captions, and its values: sharing a moment with a range, of some kinds.

    Args:
        start_seconds: only captions that end after this.
        end_seconds: only captions that start before this; may be infinite.
        kinds: only these; None for all but summaries.
    """
    where = "end_seconds > ? AND start_seconds < ?"
    values: list[Any] = [start_seconds, min(end_seconds, 1e12)]
    if kinds is None:
        where += " AND kind != 'summary'"
    else:
        wanted = list(kinds)
        where += f" AND kind IN ({', '.join('?' * len(wanted))})"
        values += wanted
    return where, values
