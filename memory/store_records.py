"""What the caption store hands out beside captions: hits, gaps, and the videos it has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from videochat.intervals import Interval
from videochat.records import Caption


@dataclass(frozen=True)
class Hit:
    """A caption that a search found."""

    caption: Caption
    score: float = 0.0
    """Dense and lexical, fused; higher is better, only comparable within one search."""
    similarity: float = 0.0
    """Cosine of question and caption in [-1, 1], by the store's embedder; 0 where it was found by words only."""
    span: Interval | None = None
    """Of equal captions that touch, the interval that they fill together; the best of them stands for all."""

    @property
    def start_seconds(self) -> float:
        """First moment of it."""
        return self.span[0] if self.span else self.caption.start_seconds

    @property
    def end_seconds(self) -> float:
        """First moment no longer."""
        return self.span[1] if self.span else self.caption.end_seconds


@dataclass(frozen=True)
class Gap:
    """A range that a perception tool could not see."""

    source: str
    """Name of the tool."""
    start_seconds: float
    """First moment."""
    end_seconds: float
    """First moment no longer."""
    reason: str
    """Why, as the tool said it."""


@dataclass(frozen=True)
class StoredVideo:
    """A video that a store has captions of."""

    id: str
    """`Video.id`."""
    name: str
    """File name, or the id where nobody has said."""
    path: str | None = None
    """Where it was watched last: a path or an address."""
    duration_seconds: float | None = None
    """How long it is; None where nobody has said."""
    captions: int = 0
    """How many, summaries aside."""

    @classmethod
    def of(cls, video_id: str, row: Mapping[str, Any]) -> StoredVideo:
        """Return the video of a row of facts."""
        length, count = row.get("duration_seconds"), int(row.get("captions", 0))
        return cls(video_id, str(row.get("name") or video_id), row.get("path"), length, count)

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return dict(vars(self))
