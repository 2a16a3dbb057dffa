"""What the caption store hands out beside captions: hits and gaps."""

from __future__ import annotations

from dataclasses import dataclass

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
