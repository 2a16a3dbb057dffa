"""Looking after a store: is it whole, make its indexes anew, carry captions in and out as text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from langchain_core.embeddings import Embeddings

from videochat.errors import StoreError, StoreInUse
from videochat.memory.caption_store import FORMAT, CaptionStore, write_header
from videochat.memory.embeddings import resolve_embedder
from videochat.records import KINDS, Caption

_EXPORT = "videochat captions"
_EXPORT_VERSION = 1
_BATCH = 1000


@dataclass
class Health:
    """What `verify` found."""

    videos: int = 0
    captions: int = 0
    """Of all kinds, summaries too."""
    faults: list[str] = field(default_factory=list)
    """What is wrong, a sentence each; `rebuild` mends what concerns indexes."""


def verify(store: CaptionStore) -> Health:
    """Hold every video's file against itself, and the library against the videos; changes nothing."""
    health = Health()
    library = {video.id: video for video in store.videos()}
    for video_id in store.video_ids():
        try:
            stored = store.captions_of(video_id)
            found = stored.check()
            count = stored.count()
        except StoreInUse as error:
            health.faults.append(f"{video_id} was not looked at: {error}")
            continue
        except StoreError as error:
            health.faults.append(str(error))
            continue
        health.videos += 1
        health.captions += count
        health.faults += [f"{video_id}: {fault}" for fault in found]
        if store.library_count(video_id) != count:
            health.faults.append(f"{video_id}: the library does not hold the same captions")
        if not count and video_id in library and library[video_id].duration_seconds is None:
            health.faults.append(f"{video_id}: there is a directory but nothing in it; `memory forget` removes it")
    return health


def rebuild(path: Path, embeddings: Embeddings | str | None = None) -> Health:
    """Make all indexes anew from the captions: words, vectors, and the library.

    Args:
        path: directory of the store.
        embeddings: from now on another embedder; None for the one it was made with.

    Raises:
        StoreInUse: another process uses a part of it.
        MissingDependency: the embedder cannot be had.
    """
    if embeddings is not None and (path / "store.json").exists():
        embedder = resolve_embedder(embeddings, say=lambda _: None)
        given = embeddings if isinstance(embeddings, str) else None
        # A video whose vectors are of another embedder makes them anew when it is opened.
        write_header(path, {"format": FORMAT, "embedder": embedder.name, "given": given})
    with CaptionStore(path, embeddings=embeddings) as store:
        store.clear_library()
        for video_id in store.video_ids():
            store.captions_of(video_id).rebuild()
        store.sync()
        return verify(store)


def export_captions(store: CaptionStore, out: IO[str], video_ids: Iterable[str] | None = None) -> int:
    """Write captions and what was watched as JSON lines; return how many captions."""
    out.write(json.dumps({"format": _EXPORT, "version": _EXPORT_VERSION}) + "\n")
    count = 0
    for video_id in store.video_ids() if video_ids is None else video_ids:
        stored = store.captions_of(video_id)
        out.write(json.dumps({"video_id": video_id, "state": stored.state()}, ensure_ascii=False) + "\n")
        for caption in stored.between(kinds=KINDS):
            out.write(json.dumps(caption.as_dict(), ensure_ascii=False) + "\n")
            count += 1
    return count


def import_captions(store: CaptionStore, lines: Iterable[str]) -> int:
    """Read what `export_captions` wrote; what is there already stays. Return how many captions were new.

    Raises:
        StoreError: a line is none of such a file; what stood before it is stored.
    """
    added = 0
    batch: list[Caption] = []
    for number, data in _read(lines):
        try:
            if "state" in data:
                added += store.add(batch)
                batch = []
                store.captions_of(data["video_id"]).add_state(data["state"])
                continue
            batch.append(Caption.from_dict(data))
        except (KeyError, TypeError, ValueError) as error:
            raise StoreError(f"Line {number} is no caption ({error}); the lines before it were taken in.") from error
        if len(batch) >= _BATCH:
            added += store.add(batch)
            batch = []
    return added + store.add(batch)


def _read(lines: Iterable[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            data = json.loads(line)
        except ValueError:
            data = None
        if number == 1:
            if not isinstance(data, dict) or data.get("format") != _EXPORT:
                raise StoreError("This is no file of captions; `videochat memory export` writes such files.")
            if data.get("version") != _EXPORT_VERSION:
                raise StoreError(
                    f"The file of captions has version {data.get('version')!r}, this videochat reads "
                    f"{_EXPORT_VERSION}. Update videochat."
                )
            continue
        if not isinstance(data, dict):
            raise StoreError(f"Line {number} is no JSON object; the lines before it were taken in.")
        yield number, data
