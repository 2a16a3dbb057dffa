"""The journal of a video: a line for every event, appended and flushed before Chroma is written.

A line is a JSON object with the name of its `event`: `caption`, `watched`, `gap`, `cleared` (gaps of a range that is
watched again), `facts`, `note`, `removed`, `dropped` (all of a source), `vectors` and `frames` (base64 of float16
matrices). Chroma can be made anew from it, and `videochat memory export` writes the same lines.
"""

from __future__ import annotations

import base64
import json
import math
import os
import re
import uuid
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from videochat.errors import InvalidArgument, StoreError
from videochat.intervals import check_interval
from videochat.memory.store_files import file_error, private
from videochat.printable import printable
from videochat.records import Caption

FORMAT, VERSION = "videochat captions", 2
VIDEO_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")
"""What an id of a video looks like; it names the journal's file."""

Event = dict[str, Any]
_FIELDS: dict[str, dict[str, Any]] = {
    "watched": {"source": str, "version": str},
    "tail": {"source": str},
    "reopened": {"source": str},
    "gap": {"source": str, "reason": str},
    "cleared": {"source": str},
    "facts": {"facts": dict},
    "note": {"name": str, "value": object},
    "removed": {"ids": list},
    "dropped": {"source": str},
    "vectors": {"embedder": str, "ids": list, "vectors": (str, np.ndarray)},
    "frames": {"source": str, "times": list, "vectors": (str, np.ndarray)},
}
_WITH_RANGE = ("watched", "tail", "reopened", "gap", "cleared")
_FACTS: dict[str, type | tuple[type, ...]] = {
    "name": str,
    "path": str,
    "duration_seconds": (int, float),
    "size": list,
    "places": list,
    "watched_at": str,
    "line_up": str,
    "pace": (int, float),
}
# Names of our own in the rows of Chroma.
_RESERVED = {"captions", "told", "event", "video_id", "journal", "journal_end", "writer", "revision"}
_LARGEST = 2**53
_CHECK = re.compile(rb',"check":"([0-9a-f]{8})"\}$')
_MOST_TEXT = 100_000


def header(video_id: str | None = None) -> Event:
    """Return the first line of a journal, or of an export of several."""
    return {"format": FORMAT, "version": VERSION} | ({"video_id": video_id, "id": uuid.uuid4().hex} if video_id else {})


def line_of(event: Event) -> bytes:
    """Return an event as a line, with a checksum of what is before it."""
    data = {name: value for name, value in event.items() if not isinstance(value, Caption)}
    # Shown on a terminal, it steers nothing.
    text = printable(json.dumps(data, ensure_ascii=False, separators=(",", ":"))).encode("utf-8", "replace")
    return text[:-1] + f',"check":"{zlib.crc32(text[:-1]):08x}"}}\n'.encode()


def parse_line(line: bytes) -> Event:
    """Return the JSON object of a line.

    Raises:
        InvalidArgument: it is none, or its checksum does not fit.
    """
    found = _CHECK.search(line.rstrip())
    if found and zlib.crc32(line.rstrip()[: found.start()]) != int(found[1], 16):
        raise InvalidArgument("it was changed or damaged: its checksum does not fit")
    try:
        data = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InvalidArgument(f"it is no JSON ({type(error).__name__})") from error
    if not isinstance(data, dict):
        raise InvalidArgument(f"it is no JSON object but {type(data).__name__}")
    data.pop("check", None)
    return data


def check_event(event: Event) -> Event:
    """Hold an event to its form, and return it; a caption is read, and stands under `caption`.

    Raises:
        InvalidArgument, UnknownName: it has another form; the message says where.
    """
    name, video_id = event.get("event"), event.get("video_id")
    if not isinstance(video_id, str) or not VIDEO_ID.fullmatch(video_id):
        raise InvalidArgument(f"{str(video_id)[:60]!r} is no id of a video")
    if name == "caption":
        return event | {"caption": Caption.from_dict(event)}
    if not isinstance(name, str) or name not in _FIELDS:
        raise InvalidArgument(f"there is no event {str(name)[:40]!r}")
    _check_fields(event, _FIELDS[name], name)
    if name in _WITH_RANGE:
        start, end = event.get("start_seconds"), event.get("end_seconds")
        check_interval(cast("float", start), cast("float", end))  # where it is none, that is said there
    for field in ("facts", "value"):
        if field in event:
            event[field] = _plain(event[field])
    if name == "facts":
        if wrong := [fact for fact in event["facts"] if fact in _RESERVED or not fact.isidentifier()]:
            raise InvalidArgument(f"no fact can be called {wrong[0][:40]!r}")
        _check_fields(event["facts"], {k: v for k, v in _FACTS.items() if event["facts"].get(k) is not None}, "facts")
        length = event["facts"].get("duration_seconds")
        if length is not None and not (math.isfinite(length) and length > 0):
            raise InvalidArgument(f"a video lasts more than 0 seconds, got {length!r}")
    if name == "frames":
        for start, end in event["times"]:
            check_interval(start, end)
    if name in ("vectors", "frames"):
        unpack(event["vectors"], len(event["ids" if name == "vectors" else "times"]))
    return event


def _plain(value: Any) -> Any:
    """Return JSON without halves of signs and numbers that nothing can hold."""
    if isinstance(value, dict):
        return {_plain(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, int) and abs(value) > _LARGEST:
        raise InvalidArgument("a number in it is none that can be kept")
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def _check_fields(data: Event, types: dict[str, type | tuple[type, ...]], what: str) -> None:
    for field, kind in types.items():
        value = data.get(field)
        if field not in data or not isinstance(value, kind) or isinstance(value, bool):
            raise InvalidArgument(f"{field} of {what} cannot be {str(value)[:60]!r}")
        if isinstance(value, str) and field in ("source", "version", "name", "path", "reason", "embedder"):
            # Half a surrogate pair is no text.
            data[field] = value.encode("utf-8", "replace").decode()[:_MOST_TEXT]
        if isinstance(value, list) and field in ("ids", "places") and not all(isinstance(each, str) for each in value):
            raise InvalidArgument(f"{field} of {what} must be texts")


def pack(vectors: Any) -> str:
    """Return vectors, shape (n, d), as base64 of unit vectors in float16."""
    matrix = np.asarray(vectors, np.float32)
    lengths = np.linalg.norm(matrix, axis=-1, keepdims=True)
    return base64.b64encode((matrix / np.where(lengths > 0, lengths, 1)).astype(np.float16).tobytes()).decode()


def unpack(text: str | np.ndarray, count: int) -> np.ndarray:
    """Return what `pack` packed: float16, shape (count, d).

    Raises:
        InvalidArgument: it is no such matrix.
    """
    if isinstance(text, np.ndarray):
        text = pack(text)
    try:
        values = np.frombuffer(base64.b64decode(text, validate=True), np.float16)
        matrix = values.reshape(count, -1) if count else np.zeros((0, 0), np.float16)
    except ValueError as error:
        raise InvalidArgument(f"the vectors are no matrix of {count} rows ({error})") from error
    if count and not matrix.shape[1]:
        raise InvalidArgument("a vector has no numbers")
    if not np.isfinite(matrix).all():
        raise InvalidArgument("a vector has a number that is not finite")
    return matrix


class Journal:
    """The journal of one video, shared with other processes: what they append is read at the next `read`.

    Args:
        file: `<store>/journal/<video id>.jsonl`; made at the first event.
        video_id: the video.
    """

    def __init__(self, file: Path, video_id: str) -> None:
        self.file, self.video_id = file, video_id
        self.id = ""
        """Made with the file: a journal that was written anew has another one."""
        self.end = 0
        """Up to which byte it was read."""
        self.damage: list[str] = []
        """Lines that cannot be read, a sentence each."""

    def read(self) -> tuple[bool, list[Event]]:
        """Return whether all must be forgotten that was read before, and the events since then.

        Raises:
            StoreError: the file cannot be read.
        """
        try:
            with open(self.file, "rb", opener=private) as lines:
                size = os.fstat(lines.fileno()).st_size
                first = _read_id(lines.readline()) if size else ""
                anew = first != self.id or size < self.end
                if anew:
                    self.id, self.end, self.damage = first, 0, []
                if size == self.end:
                    return anew, []
                lines.seek(self.end)
                data = lines.read(size - self.end)
        except FileNotFoundError:
            anew, self.id, self.end, self.damage = self.end > 0, "", 0, []
            return anew, []
        except OSError as error:
            raise file_error(self.file, error) from error
        return anew, list(self._events(data[: data.rfind(b"\n") + 1]))

    def events_from(self, start: int) -> list[Event]:
        """Return the events after byte `start`, up to where it was read."""
        with self.file.open("rb") as lines:
            lines.seek(start)
            return [event for line in lines.read(self.end - start).splitlines() if (event := _try(line)[0])]

    def _events(self, data: bytes) -> Iterator[Event]:
        for line in data.splitlines(keepends=True):
            event, fault = _try(line) if self.end else _try_header(line)
            if event is None or (event and event["video_id"] != self.video_id):
                self.damage.append(f"the line at byte {self.end} of its journal was left out: {fault or 'of another'}")
            elif event:
                yield event
            self.end += len(line)

    def append(self, events: Sequence[Event]) -> None:
        """Append events, after what is there; whoever calls it holds the lock of the store and has read to the end.

        Raises:
            StoreError: it cannot be written; then nothing of these events counts.
        """
        if not events:
            return
        data = b"".join(map(line_of, ([] if self.end else [header(self.video_id)]) + list(events)))
        try:
            if self.end and not self.file.exists():
                raise FileNotFoundError(2, "No such file or directory")
            self.file.parent.mkdir(mode=0o700, exist_ok=True)
            with open(self.file, "ab", opener=private) as out:
                # Of a process that was killed while it wrote: half a line, which nobody was told of.
                out.truncate(self.end)
                try:
                    out.write(data)
                    out.flush()
                except OSError:
                    out.truncate(self.end)
                    raise
        except OSError as error:
            raise file_error(self.file, error) from error
        self.id = self.id or str(json.loads(data[: data.index(b"\n")])["id"])
        self.end += len(data)

    def sent(self) -> None:
        """Nothing: how much of it Chroma has stands in Chroma."""

    def replace(self, events: Iterable[Event]) -> None:
        """Write it anew, whole or not at all; whoever calls it holds the lock of the store.

        Raises:
            StoreError: it cannot be written.
        """
        fresh = Journal(self.file.with_suffix(f".{os.getpid()}"), self.video_id)
        try:
            fresh.append(list(events) or [{"event": "facts", "video_id": self.video_id, "facts": {}}])
            if self.damage and self.file.exists():
                # Nobody knows what it was.
                kept = self.file.parent.parent / "damaged"
                kept.mkdir(mode=0o700, exist_ok=True)
                self.file.replace(kept / f"{self.file.stem}.{uuid.uuid4().hex[:8]}.jsonl")
            fresh.file.replace(self.file)
        except OSError as error:
            raise file_error(self.file, error) from error
        finally:
            fresh.file.unlink(missing_ok=True)


def _read_id(line: bytes) -> str:
    try:
        data = parse_line(line)
    except InvalidArgument:
        return f"?{zlib.crc32(line)}"
    if data.get("format") == FORMAT and isinstance(data.get("version"), int) and data["version"] > VERSION:
        raise StoreError(f"A journal has version {data['version']}, this videochat reads {VERSION}. Update videochat.")
    return str(data.get("id", "")) if data.get("format") == FORMAT else ""


def _try_header(line: bytes) -> tuple[Event | None, str]:
    found = _read_id(line)
    return (None, "it was damaged") if found.startswith("?") else ({}, "") if found else _try(line)


def _try(line: bytes) -> tuple[Event | None, str]:
    try:
        return check_event(parse_line(line)), ""
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        return None, str(error)
