"""What is known of one video, as the events of its journal add up."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from videochat.intervals import Interval, merge_intervals, missing_intervals
from videochat.memory.journal import Event, pack, unpack
from videochat.memory.store_records import Gap
from videochat.records import Caption

_VECTORS_A_LINE = 256


class VideoState:
    """Captions, what was watched, gaps, facts and notes of one video.

    Args:
        video_id: the video.
        embedder_name: whose vectors count; those of another are passed over.
    """

    def __init__(self, video_id: str, embedder_name: str) -> None:
        self.video_id, self.embedder_name = video_id, embedder_name
        self.captions: dict[str, Caption] = {}
        """By id."""
        self.bare: dict[str, Caption] = {}
        """Those that have no vector yet."""
        self.vectors: dict[str, np.ndarray] = {}
        """Unit vectors by id of their captions, float16, shape (d,)."""
        self.width = 0
        """Numbers in a vector; 0 as long as there is none."""
        self.watched: dict[str, tuple[str, list[Interval]]] = {}
        """Version and ranges, by source."""
        self.tails: dict[str, list[Interval]] = {}
        """Ends of watched ranges whose captions depend on what lies beyond, by source."""
        self.gaps: dict[tuple[str, float, float], Gap] = {}
        """By source and range."""
        self.facts: dict[str, Any] = {}
        self.notes: dict[str, Any] = {}
        self.frames: dict[str, dict[float, tuple[float, np.ndarray]]] = {}
        """End and vector of pictures by their start, by source."""

    def shown(self) -> dict[str, Caption]:
        """Return the captions without those that a closer look of the same sense has replaced, by id.

        A closer look is a watch of the same source at more pictures a second; it replaces what lies mostly in its
        ranges.
        """
        rates = {source: _rate(source) for source in {*self.watched, *(c.source for c in self.captions.values())}}
        closer: dict[str, list[tuple[float, Interval]]] = {}
        for source, (_, spans) in self.watched.items():
            name, rate = rates[source]
            if rate > 0:
                closer.setdefault(name, []).extend((rate, span) for span in spans)
        if not closer:
            return self.captions

        def replaced(caption: Caption) -> bool:
            name, rate = rates[caption.source]
            length = caption.end_seconds - caption.start_seconds
            return any(
                more > rate and min(end, caption.end_seconds) - max(start, caption.start_seconds) >= length / 2
                for more, (start, end) in closer.get(name, ())
            )

        return {id_: caption for id_, caption in self.captions.items() if not replaced(caption)}

    def apply(self, event: Event) -> None:
        """Take in an event that was checked."""
        getattr(self, f"_{event['event']}")(event)

    def _caption(self, event: Event) -> None:
        caption: Caption = event["caption"]
        if caption.id not in self.captions:
            self.captions[caption.id] = self.bare[caption.id] = caption

    def _removed(self, event: Event) -> None:
        for id_ in event["ids"]:
            self.captions.pop(id_, None)
            self.vectors.pop(id_, None)
            self.bare.pop(id_, None)

    def _dropped(self, event: Event) -> None:
        source = event["source"]
        self._removed({"ids": [id_ for id_, caption in self.captions.items() if caption.source == source]})
        self.watched.pop(source, None)
        self.tails.pop(source, None)
        self.gaps = {key: gap for key, gap in self.gaps.items() if gap.source != source}

    def _watched(self, event: Event) -> None:
        version, spans = self.watched.get(event["source"], ("", []))
        more = [(event["start_seconds"], event["end_seconds"])]
        self.watched[event["source"]] = (
            event["version"],
            merge_intervals([*spans, *more] if version == event["version"] else more),
        )

    def _tail(self, event: Event) -> None:
        span = (event["start_seconds"], event["end_seconds"])
        self.tails[event["source"]] = sorted({*self.tails.get(event["source"], ()), span})

    def _reopened(self, event: Event) -> None:
        source, start, end = event["source"], event["start_seconds"], event["end_seconds"]
        found = [c for c in self.captions.values() if c.source == source]
        self._removed({"ids": [c.id for c in found if start <= c.start_seconds < end]})
        version, spans = self.watched.get(source, ("", []))
        self.watched[source] = (version, [part for span in spans for part in missing_intervals([(start, end)], *span)])
        self.tails[source] = [(a, b) for a, b in self.tails.get(source, ()) if b <= start or a >= end]

    def _gap(self, event: Event) -> None:
        gap = Gap(event["source"], event["start_seconds"], event["end_seconds"], event["reason"])
        self.gaps[gap.source, gap.start_seconds, gap.end_seconds] = gap

    def _cleared(self, event: Event) -> None:
        start, end = event["start_seconds"], event["end_seconds"]
        inside = [g for g in self.gaps.values() if g.source == event["source"] and _overlap(g, start, end)]
        for gap in inside:
            del self.gaps[gap.source, gap.start_seconds, gap.end_seconds]
            for a, b in ((gap.start_seconds, start), (end, gap.end_seconds)):
                if a < b:
                    self._gap({"source": gap.source, "start_seconds": a, "end_seconds": b, "reason": gap.reason})

    def _facts(self, event: Event) -> None:
        self.facts |= event["facts"]

    def _note(self, event: Event) -> None:
        self.notes[event["name"]] = event["value"]
        if event["value"] is None:
            del self.notes[event["name"]]

    def _vectors(self, event: Event) -> None:
        if event["embedder"] == self.embedder_name:
            matrix = unpack(event["vectors"], len(event["ids"]))
            self.width = self.width or matrix.shape[-1]
            for id_, vector in zip(event["ids"], matrix, strict=True):
                if id_ in self.captions and len(vector) == self.width:
                    self.vectors[id_] = vector
                    self.bare.pop(id_, None)

    def _frames(self, event: Event) -> None:
        seen = self.frames.setdefault(event["source"], {})
        width = next((len(vector) for _, vector in seen.values()), 0)
        rows = zip(event["times"], unpack(event["vectors"], len(event["times"])), strict=True)
        seen |= {start: (end, vector) for (start, end), vector in rows if len(vector) == (width or len(vector))}

    def events(self, *, rows: bool = True) -> Iterator[Event]:
        """Yield the events that add up to it: as few as there can be.

        Args:
            rows: whether captions, their vectors and pictures are among them.
        """
        base: Event = {"video_id": self.video_id}
        if self.facts:
            yield base | {"event": "facts", "facts": self.facts}
        if rows:
            for caption in self.captions.values():
                yield caption_event(caption)
            yield from vector_events(self.video_id, self.embedder_name, self.vectors, self.captions)
            for source, seen in self.frames.items():
                for part in _parts(list(seen.items())):
                    times = [[start, end] for start, (end, _) in part]
                    vectors = pack([vector for _, (_, vector) in part])
                    yield base | {"event": "frames", "source": source, "times": times, "vectors": vectors}
        for source, (version, spans) in self.watched.items():
            for start, end in spans:
                yield base | {"event": "watched", "source": source, "version": version} | _range(start, end)
            for start, end in self.tails.get(source, ()):
                yield base | {"event": "tail", "source": source} | _range(start, end)
        for gap in self.gaps.values():
            yield (
                base
                | {"event": "gap", "source": gap.source, "reason": gap.reason}
                | _range(gap.start_seconds, gap.end_seconds)
            )
        for name, value in self.notes.items():
            yield base | {"event": "note", "name": name, "value": value}

    def rows(self) -> dict[str, Event]:
        """Return what Chroma's collection `watches` holds of it, by id of the row."""
        return {
            hashlib.blake2b(json.dumps(event, sort_keys=True).encode(), digest_size=16).hexdigest(): event
            for event in self.events(rows=False)
        }


def caption_event(caption: Caption) -> Event:
    """Return the event that a caption was written."""
    return {"event": "caption"} | caption.as_dict() | {"caption": caption}


def vector_events(
    video_id: str, embedder_name: str, vectors: dict[str, np.ndarray], ids: Iterable[str]
) -> Iterator[Event]:
    """Yield events that captions were given vectors.

    Args:
        video_id: the video.
        embedder_name: what made them.
        vectors: by id of the caption.
        ids: of the captions that are meant.
    """
    for part in _parts([id_ for id_ in ids if id_ in vectors]):
        packed = pack([vectors[id_] for id_ in part])
        yield {"event": "vectors", "video_id": video_id, "embedder": embedder_name, "ids": part, "vectors": packed}


def _parts(items: list[Any]) -> Iterator[list[Any]]:
    for i in range(0, len(items), _VECTORS_A_LINE):
        yield items[i : i + _VECTORS_A_LINE]


def _range(start: float, end: float) -> Event:
    return {"start_seconds": start, "end_seconds": end}


def _overlap(gap: Gap, start: float, end: float) -> bool:
    return gap.start_seconds < end and gap.end_seconds > start


def _rate(source: str) -> tuple[str, float]:
    """Return a source without the pictures a second at which it looked, and these; 0 at its usual rate."""
    name, _, rate = source.rpartition("@")
    return (name, float(rate[:-3])) if re.fullmatch(r"[\d.]+fps", rate) else (source, 0.0)
