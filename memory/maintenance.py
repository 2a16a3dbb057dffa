"""Maintenance of a caption store: check it, and make its indexes anew from the captions."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from langchain_core.embeddings import Embeddings

from videochat.errors import StoreError, StoreInUse
from videochat.memory.caption_store import CaptionStore
from videochat.memory.embeddings import resolve_embedder
from videochat.memory.store_metadata import FORMAT, StoreHeader, write_header
from videochat.renamed import getter

if not TYPE_CHECKING:
    __getattr__ = getter(__name__)


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
