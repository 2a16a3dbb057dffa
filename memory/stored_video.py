"""StoredVideo: a video that a store has captions of, how far it was watched, by what, when, and where it lies."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from videochat.intervals import clock_range
from videochat.memory.video_state import VideoState
from videochat.records import DERIVED_KINDS

_SAME_SECONDS = 1e-3


@dataclass(frozen=True)
class StoredVideo:
    """A video that a store has captions of."""

    id: str
    """`Video.id`."""
    name: str
    """File name, or the id where nobody has said."""
    path: str | None = None
    """The file that was watched last."""
    duration_seconds: float | None = None
    """How long it is; None where nobody has said."""
    captions: int = 0
    """How many, summaries aside."""
    places: list[str] = field(default_factory=list)
    """Every path and address at which this content was watched, the first one first."""
    watched: dict[str, list[list[float]]] = field(default_factory=dict)
    """What each sense has watched, by `Caption.source`: ranges in seconds, in order."""
    watched_at: str | None = None
    """When it was watched last: ISO 8601, in UTC; None where nobody has said."""
    line_up: str | None = None
    """Which senses watched last, with their models."""
    pace: float | None = None
    """Seconds that the last watch took for a second of the video."""

    @classmethod
    def of(cls, video_id: str, row: Mapping[str, Any]) -> StoredVideo:
        """Return the video of a row of facts."""
        told = json.loads(row.get("told") or "{}")
        path = row.get("path")
        return cls(
            id=video_id,
            name=str(row.get("name") or video_id),
            path=path,
            duration_seconds=row.get("duration_seconds"),
            captions=int(row.get("captions", 0)),
            places=told.get("places") or ([path] if path else []),
            watched=told.get("watched", {}),
            watched_at=row.get("watched_at"),
            line_up=row.get("line_up"),
            pace=row.get("pace"),
        )

    def extent(self) -> str:
        """Return in words how far which senses have come, as `all by ocr, shots; 00:00-00:10 by whisper`."""
        by_range: dict[str, list[str]] = {}
        for source, spans in self.watched.items():
            if spans:
                whole = self.duration_seconds and _covers(spans, self.duration_seconds)
                said = "all" if whole else ", ".join(clock_range(start, end) for start, end in spans)
                by_range.setdefault(said, []).append(source)
        return "; ".join(f"{said} by {', '.join(sorted(sources))}" for said, sources in sorted(by_range.items()))

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return dict(vars(self))


def row_of(state: VideoState) -> dict[str, Any]:
    """Return what the row of a video in the collection `watches` says of it; `StoredVideo.of` reads it."""
    told = {
        "places": state.facts.get("places", []),
        "watched": {source: [list(span) for span in spans] for source, (_, spans) in state.watched.items() if spans},
    }
    facts = {name: value for name, value in state.facts.items() if isinstance(value, str | int | float)}
    count = sum(caption.kind not in DERIVED_KINDS for caption in state.captions.values())
    return facts | {"video_id": state.video_id, "captions": count, "told": json.dumps(told)}


def _covers(spans: Sequence[Sequence[float]], length: float) -> bool:
    return len(spans) == 1 and spans[0][0] <= _SAME_SECONDS and spans[0][1] >= length - _SAME_SECONDS
