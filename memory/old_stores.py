"""Stores of the formats 1 and 2, which kept each video in an SQLite file of its own, brought over when opened."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from videochat.errors import InvalidArgument
from videochat.memory.chroma import Chroma
from videochat.memory.journal import VIDEO_ID, Event, Journal, check_event
from videochat.memory.store_files import file_error, lock_of
from videochat.memory.video_state import VideoState

_TABLES = {
    "facts": "SELECT * FROM facts",
    "watched": "SELECT * FROM watched",
    "gaps": "SELECT * FROM gaps",
    "notes": "SELECT * FROM notes",
}
_KEPT = "before-format-3"


def bring_over(directory: Path | None, chroma: Chroma, embedder_name: str, say: Callable[[str], None]) -> None:
    """Turn a store of an older format into one of this; what it had is kept beside it.

    Args:
        directory: of the store; None for a server.
        chroma: where captions are stored.
        embedder_name: what the vectors were made with.
        say: called with a sentence about a video that cannot be read.

    Raises:
        StoreError: it cannot be written.
    """
    if directory is None:
        _bring_over_server(chroma, embedder_name)
        return
    kept = directory / _KEPT
    with lock_of(directory).held():
        try:
            kept.mkdir(mode=0o700, exist_ok=True)
            for folder in sorted((directory / "videos").glob("*/")):
                if VIDEO_ID.fullmatch(folder.name) and (folder / "captions.sqlite3").is_file():
                    _bring_over_video(directory, folder, embedder_name, kept, say)
            for name in ("library", "library.sqlite3", "library.sqlite3-wal", "library.sqlite3-shm"):
                if (directory / name).exists():
                    (directory / name).rename(kept / name)
            with contextlib.suppress(OSError):
                (directory / "videos").rmdir()  # unless something was left in it
        except OSError as error:
            raise file_error(directory, error) from error


def _bring_over_video(
    directory: Path, folder: Path, embedder_name: str, kept: Path, say: Callable[[str], None]
) -> None:
    journal = Journal(directory / "journal" / f"{folder.name}.jsonl", folder.name)
    state = VideoState(folder.name, embedder_name)
    try:
        with closing(sqlite3.connect(folder / "captions.sqlite3")) as db:
            for event in _read(db, folder.name, embedder_name):
                state.apply(event)
    except (sqlite3.Error, ValueError, TypeError, KeyError, OverflowError) as error:
        say(
            f"The captions of {folder.name} in the old format cannot be read ({error}). They are left in "
            f"{str(folder)!r}; watch the video again. Other videos are not concerned."
        )
        return
    journal.file.parent.mkdir(mode=0o700, exist_ok=True)
    journal.replace(state.events())
    folder.rename(kept / folder.name)


def _read(db: sqlite3.Connection, video_id: str, embedder_name: str) -> Iterator[Event]:
    names = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if "captions" not in names:
        raise InvalidArgument("it holds no captions")
    ids: dict[int, str] = {}
    for number, id_, rest in db.execute("SELECT number, id, rest FROM captions ORDER BY number"):
        event = check_event({"event": "caption"} | json.loads(rest))
        # Before attributes counted, the same caption had another id.
        ids[number] = event["caption"].id if event["caption"].id != id_ else id_
        yield event
    made_with = [json.loads(v) for (v,) in db.execute("SELECT value FROM notes WHERE name = 'embedder'")]
    if "vectors" in names and embedder_name in made_with:
        for number, vector in db.execute("SELECT number, vector FROM vectors"):
            if number in ids:
                matrix = np.frombuffer(vector, np.float16)[None]
                base = {"event": "vectors", "video_id": video_id, "embedder": embedder_name}
                yield base | {"ids": [ids[number]], "vectors": matrix}
    if "frames" in names:
        for source, start, end, vector in db.execute("SELECT source, start_seconds, end_seconds, vector FROM frames"):
            matrix = np.frombuffer(vector, np.float16)[None]
            base = {"event": "frames", "video_id": video_id, "source": source}
            yield base | {"times": [[start, end]], "vectors": matrix}
    for table, select in _TABLES.items():
        for row in db.execute(select):
            if row[0] != "embedder":
                yield state_event(video_id, table, row)


def state_event(video_id: str, table: str, row: Sequence[Any]) -> Event:
    """Return the event of a row of an older format: of a table `facts`, `watched`, `gaps` or `notes`.

    Raises:
        InvalidArgument: it has another form.
    """
    try:
        if table == "facts":
            fields = {"event": "facts", "facts": {row[0]: json.loads(row[1])}}
        elif table == "notes":
            fields = {"event": "note", "name": row[0], "value": json.loads(row[1])}
        elif table == "watched":
            fields = dict(zip(("source", "version", "start_seconds", "end_seconds"), row, strict=True))
            fields["event"] = "watched"
        elif table == "gaps":
            fields = dict(zip(("source", "start_seconds", "end_seconds", "reason"), row, strict=True))
            fields["event"] = "gap"
        else:
            raise InvalidArgument(f"there is no table {str(table)[:40]!r}")
    except (ValueError, TypeError, IndexError, RecursionError) as error:
        raise InvalidArgument(f"a row of {table} cannot be {str(row)[:60]}") from error
    return check_event(fields | {"video_id": video_id})


def _bring_over_server(chroma: Chroma, embedder_name: str) -> None:
    states: dict[str, VideoState] = {}
    with chroma.session(write=True):
        for page in chroma.pages("state", {"video_id": {"$ne": ""}}, ["documents", "metadatas"]):
            for document, metadata in zip(page["documents"], page["metadatas"], strict=True):
                video_id = str(metadata["video_id"])
                state = states.setdefault(video_id, VideoState(video_id, embedder_name))
                table, *row = json.loads(document)
                state.apply(state_event(video_id, table, row))
        for video_id, state in states.items():
            count = sum(len(page["ids"]) for page in chroma.pages("captions", {"video_id": video_id}, []))
            facts = {name: value for name, value in state.facts.items() if isinstance(value, str | int | float)}
            row = {"video_id": video_id, "event": "video", "captions": count} | facts
            name = str(state.facts.get("name") or video_id)
            chroma.put_watches(state.rows(), None, (video_id, [1.0], name, row))
        chroma.client.delete_collection("state")
