"""Maintenance of a caption store: check it, make its indexes anew, export and import captions as JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from langchain_core.embeddings import Embeddings

from videochat.errors import StoreError, StoreInUse
from videochat.memory.caption_store import CaptionStore
from videochat.memory.embeddings import resolve_embedder
from videochat.memory.store_header import FORMAT, StoreHeader, write_header
from videochat.records import KINDS, Caption
from videochat.renamed import getter

if not TYPE_CHECKING:
    __getattr__ = getter(__name__)

_EXPORT = "videochat captions"
_EXPORT_VERSION = 1
_BATCH = 1000


@dataclass
class Health:
    """What `check_store` found."""

    videos: int = 0
    """Videos that could be read."""
    captions: int = 0
    """Of all kinds, summaries too."""
    faults: list[str] = field(default_factory=list)
    """What is wrong, a sentence each; `rebuild` repairs what concerns indexes."""


def check_store(store: CaptionStore) -> Health:
    """Check the file of every video, and the index over all videos against them; changes no caption.

    A video that cannot be read, or that another process uses, is named among the faults; so is a folder that is
    none of a video.

    Raises:
        StoreInUse: another process owns the index, and something changed since it was last read.
    """
    health = Health()
    health.faults += [
        f"the folder {name!r} among the videos has no video's id as its name; it is left alone"
        for name in store.other_folders()
    ]
    library = {video.id: video for video in store.videos()}
    for video_id in store.video_ids():
        try:
            stored = store.captions_of(video_id)
            found = stored.check()
            count = stored.count()
        except StoreInUse as error:
            health.faults.append(f"{video_id} was not checked: {error}")
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
        write_header(path, StoreHeader(FORMAT, embedder.name, given))
    with CaptionStore(path, embeddings=embeddings) as store:
        store.clear_library()
        for video_id in store.video_ids():
            store.captions_of(video_id).rebuild()
        store.sync()
        return check_store(store)


def export_captions(store: CaptionStore, out: IO[str], video_ids: Iterable[str] | None = None) -> int:
    """Write captions, and what was watched, as JSON lines; return how many captions.

    Args:
        store: where they are.
        out: a text file.
        video_ids: only of these videos; None for all.

    Raises:
        StoreInUse: another process has one of the videos open.
        StoreError: one of the videos cannot be read.
    """
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
        StoreError: a line does not belong into such a file; what stood before it is stored.
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
