"""Export and import of captions as JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import IO, Any

from videochat.errors import StoreError
from videochat.memory.caption_store import CaptionStore
from videochat.records import KINDS, Caption

_FORMAT = "videochat captions"
_VERSION = 1
_BATCH = 1000


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
    out.write(json.dumps({"format": _FORMAT, "version": _VERSION}) + "\n")
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
            if not isinstance(data, dict) or data.get("format") != _FORMAT:
                raise StoreError("This is no file of captions; `videochat memory export` writes such files.")
            if data.get("version") != _VERSION:
                raise StoreError(
                    f"The file of captions has version {data.get('version')!r}, this videochat reads "
                    f"{_VERSION}. Update videochat."
                )
            continue
        if not isinstance(data, dict):
            raise StoreError(f"Line {number} is no JSON object; the lines before it were taken in.")
        yield number, data
