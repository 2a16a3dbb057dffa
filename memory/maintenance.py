"""Maintenance of a caption store: check it, make Chroma anew from the journals, export and import."""

from __future__ import annotations

import contextlib
import json
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np
from langchain_core.embeddings import Embeddings

from videochat.errors import InvalidArgument, StoreError, VideoChatError
from videochat.memory.caption_store import CaptionStore
from videochat.memory.embeddings import resolve_embedder
from videochat.memory.journal import FORMAT as FILE_FORMAT
from videochat.memory.journal import VERSION, VIDEO_ID, Event, Journal, check_event, header, line_of, parse_line, unpack
from videochat.memory.old_stores import state_event
from videochat.memory.store_files import FORMAT, StoreHeader, read_header, write_header
from videochat.renamed import getter

if not TYPE_CHECKING:
    __getattr__ = getter(__name__)

_BATCH = 1000
_NAMED = 20
_ALIKE = 0.99  # cosine; Chroma keeps float32 of what the journal has in float16


@dataclass
class Health:
    """What `check_store` found."""

    videos: int = 0
    """Videos that could be read."""
    captions: int = 0
    """Of all kinds, summaries too."""
    faults: list[str] = field(default_factory=list)
    """What is wrong, a sentence each; `rebuild` mends it."""
    remarks: list[str] = field(default_factory=list)
    """What is odd and left alone."""


def check_store(store: CaptionStore) -> Health:
    """Compare the journal of every video with Chroma, captions and vectors; changes nothing.

    A video that cannot be read is named among the faults, a file that is of no video among the remarks.
    """
    health = Health()
    health.remarks += [
        f"{name!r} among the journals is named like no video; it is left alone" for name in store.other_files()
    ]
    health.remarks += [
        f"the captions of {folder.name} in an older format could not be read; they are in {str(folder)!r}"
        for folder in sorted((store.path / "videos").glob("*/"))
        if store.lock is not None and VIDEO_ID.fullmatch(folder.name)
    ]
    sent: set[str] = set()
    if store.lock is None or (store.path / "chroma").is_dir():
        try:
            with store.chroma.session():
                pages = store.chroma.pages("watches", {"event": "video"}, ["metadatas"])
                sent = {str(row["video_id"]) for page in pages for row in page["metadatas"]}
        except StoreError as error:
            health.faults.append(str(error))
            sent = {""}
    videos = store.video_ids()
    for video_id in videos:
        try:
            stored = store.captions_of(video_id)
            state = stored.state
            health.faults += [f"{video_id}: {fault}" for fault in stored.log.damage]
            if "" not in sent:
                health.faults += [f"{video_id}: {fault}" for fault in _differences(store, video_id)]
        except StoreError as error:
            health.faults.append(f"{video_id}: {error}")
            continue
        health.videos += 1
        health.captions += len(state.captions)
    lost = sorted(sent - {"", *videos})
    health.faults += [f"{video_id}: Chroma has it, but its journal is gone" for video_id in lost]
    return health


def _differences(store: CaptionStore, video_id: str) -> Iterator[str]:
    state = store.captions_of(video_id).state
    texts: dict[str, str] = {}
    vectors: dict[str, np.ndarray] = {}
    with store.chroma.session():
        for name in ("captions", "summaries"):
            for page in store.chroma.pages(name, {"video_id": video_id}, ["documents", "embeddings"]):
                texts |= zip(page["ids"], page["documents"], strict=True)
                vectors |= zip(page["ids"], page["embeddings"], strict=True)
    missing = [id_ for id_ in state.captions if id_ not in texts]
    odd = [id_ for id_ in texts if id_ not in state.captions]
    other = [id_ for id_, caption in state.captions.items() if texts.get(id_, caption.text) != caption.text]
    far = [id_ for id_, vector in state.vectors.items() if id_ in vectors and vector @ vectors[id_] < _ALIKE]
    for ids, what in (
        (missing, "captions are not in Chroma"),
        (odd, "captions of Chroma are not in its journal"),
        (other, "captions have another text in Chroma"),
        (far, "captions have another vector in Chroma"),
        (list(state.bare), "captions have no vector"),
    ):
        if ids:
            yield f"{len(ids)} {what}"


def rebuild(path: Path, embeddings: Embeddings | str | None = None) -> Health:
    """Make Chroma and the index of words anew from the journals; what a journal has lost comes back from Chroma.

    Args:
        path: directory of the store.
        embeddings: from now on another embedder; None for the one it was made with.

    Raises:
        StoreError: it cannot be written.
        MissingDependency: the embedder cannot be had.
    """
    remembered = read_header(path)
    if embeddings is not None and remembered is not None and remembered.format == FORMAT:
        embedder = resolve_embedder(embeddings, say=lambda _: None)
        given = embeddings if isinstance(embeddings, str) else None
        write_header(path, StoreHeader(FORMAT, embedder.name, given))
    with CaptionStore(path, embeddings=embeddings) as store, contextlib.ExitStack() as stack:
        if store.lock is None:
            raise StoreError("A Chroma server keeps its own index; rebuild works on a directory.")
        stack.enter_context(store.lock.held())
        kept: set[str] = set()
        try:
            with store.chroma.session():
                pages = store.chroma.pages("watches", {"event": "video"}, ["metadatas"])
                kept = {str(row["video_id"]) for page in pages for row in page["metadatas"]}
        except StoreError:
            pass  # the journals have it all
        for video_id in sorted({*store.video_ids(), *kept}):
            if VIDEO_ID.fullmatch(video_id):
                _mend(store, video_id, vectors=embeddings is None)
        store.chroma.remove()
        for video_id in store.video_ids():
            with contextlib.suppress(StoreError):  # the check says it
                store.captions_of(video_id).publish()
        return check_store(store)


def _mend(store: CaptionStore, video_id: str, *, vectors: bool) -> None:
    """Write a journal anew: without what is damaged, with what Chroma has besides."""
    try:
        stored = store.captions_of(video_id)
        try:
            with store.chroma.session():
                stored.salvage(vectors=vectors)
        except StoreError:
            if isinstance(stored.log, Journal):
                stored.log.replace(stored.state.events())
    except StoreError as error:
        warnings.warn(f"{error} It is left as it is.", UserWarning, stacklevel=3)


def export_captions(store: CaptionStore, out: IO[str], video_ids: Iterable[str] | None = None) -> int:
    """Write all that is known of videos as lines of their journals; return how many captions.

    Of all videos, one that cannot be read is left out, and a warning names it.

    Args:
        store: where they are.
        out: a text file.
        video_ids: only of these videos; None for all.

    Raises:
        StoreError: one of the videos that were named cannot be read.
    """
    out.write(line_of(header()).decode())
    count = 0
    for video_id in store.video_ids() if video_ids is None else video_ids:
        try:
            events = list(store.captions_of(video_id).state.events())
        except StoreError as error:
            if video_ids is not None:
                raise
            warnings.warn(f"{error} It was left out.", UserWarning, stacklevel=2)
            continue
        for event in events:
            out.write(line_of(event).decode())
            count += event["event"] == "caption"
    return count


@dataclass
class ImportReport:
    """What `import_captions` did."""

    added: int = 0
    """New captions."""
    left_out: list[str] = field(default_factory=list)
    """Lines that were not taken in, a sentence each; of many the first few."""
    left_out_count: int = 0

    def leave_out(self, number: int, reason: object) -> None:
        """Note a line that is not taken in."""
        self.left_out_count += 1
        if len(self.left_out) < _NAMED:
            self.left_out.append(f"line {number}: {reason}")


def import_captions(store: CaptionStore, lines: Iterable[str | bytes]) -> ImportReport:
    """Read what `export_captions` wrote, in this version or the one before; what is there already stays.

    A line that is none is left out and named, the others are taken in.

    Raises:
        StoreError: it is no such file, or one of a newer version.
    """
    report = ImportReport()
    waiting: dict[str, list[Event]] = {}
    width = 0
    for number, line in enumerate(lines, 1):
        line = line.encode("utf-8", "surrogatepass") if isinstance(line, str) else line
        line = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
        if not line.strip():
            continue
        try:
            data = parse_line(line)
            if number == 1:
                _check_header(data)
                continue
            for event in _events_of(data):
                if event["event"] == "vectors" and event["embedder"] == store.embedder.name:
                    width = width or len(store.embedder.query("width"))
                    if unpack(event["vectors"], len(event["ids"])).shape[-1] != width:
                        raise InvalidArgument(f"its vectors have not {width} numbers, as those of this store")
                waiting.setdefault(event["video_id"], []).append(event)
        except InvalidArgument as error:
            if number == 1:
                raise _no_export() from error
            report.leave_out(number, error)
        except (VideoChatError, ValueError, TypeError, KeyError, OverflowError) as error:
            if number == 1:
                raise
            report.leave_out(number, error)
        if sum(map(len, waiting.values())) >= _BATCH:
            _take(store, waiting, report)
    _take(store, waiting, report)
    return report


def _check_header(data: Event) -> None:
    if data.get("format") != FILE_FORMAT:
        raise _no_export()
    if data.get("version") not in (1, VERSION):
        raise StoreError(
            f"The file of captions has version {str(data.get('version'))[:20]!r}, this videochat reads 1 to {VERSION}. "
            "Update videochat."
        )


def _no_export() -> StoreError:
    return StoreError("This is no file of captions; `videochat memory export` writes such files.")


def _events_of(data: Event) -> Iterator[Event]:
    if data.get("format") == FILE_FORMAT:
        return  # the head of the next journal
    if "event" in data:
        yield check_event(data)
    elif "state" in data:
        # Version 1 had all but the captions of a video in one line.
        if not isinstance(data["state"], list) or not all(isinstance(r, list) and r for r in data["state"]):
            raise InvalidArgument(f"the state of a video cannot be {json.dumps(data['state'])[:60]}")
        rows = [(table, row) for table, *row in data["state"] if (table, row[:1]) != ("notes", ["embedder"])]
        yield from [state_event(data.get("video_id", ""), table, row) for table, row in rows]
    else:
        yield check_event({"event": "caption"} | data)


def _take(store: CaptionStore, waiting: dict[str, list[Event]], report: ImportReport) -> None:
    for video_id, events in waiting.items():
        stored = store.captions_of(video_id)
        report.added += stored.take(events)
        stored.publish()
    waiting.clear()
