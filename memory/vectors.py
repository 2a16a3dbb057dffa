"""The vectors of one video in memory, compared exactly: ten thousand captions take a third of a millisecond."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from videochat.records import KINDS, Kind

Row = tuple[int, float, float, str, bytes]
"""Number of the caption, start and end in seconds, kind, and its unit vector as float16."""


class Vectors:
    """A matrix of unit vectors with the times and kinds of their captions beside it."""

    def __init__(self) -> None:
        self._numbers = np.zeros(0, np.int64)
        self._starts = np.zeros(0)
        self._ends = np.zeros(0)
        self._kinds = np.zeros(0, np.uint8)
        self._matrix = np.zeros((0, 0), np.float32)
        self._waiting: list[Row] = []

    def __len__(self) -> int:
        return len(self._numbers) + len(self._waiting)

    @property
    def bytes(self) -> int:
        """How much memory the matrix takes."""
        return self._matrix.nbytes

    def extend(self, rows: Iterable[Row]) -> None:
        """Add rows; they join the matrix at the next search, many at once."""
        self._waiting += rows

    def nearest(
        self,
        vector: Sequence[float],
        count: int,
        kinds: Iterable[Kind] | None = None,
        start_seconds: float = 0.0,
        end_seconds: float = math.inf,
    ) -> dict[int, float]:
        """Return the cosines of the nearest captions by number, best first.

        Args:
            vector: a unit vector.
            count: how many at most.
            kinds: only these; None for all but summaries.
            start_seconds: only captions that end after this.
            end_seconds: only captions that start before this.
        """
        self._settle()
        fits = (self._ends > start_seconds) & (self._starts < end_seconds)
        wanted = set(KINDS) - {"summary"} if kinds is None else set(kinds)
        fits &= np.array([kind in wanted for kind in KINDS])[self._kinds]
        rows = np.flatnonzero(fits)
        if not len(rows):
            return {}
        query = np.asarray(vector, np.float32)
        # Gathering rows copies them, which pays only where few are left.
        few = len(rows) < len(self._numbers) / 4
        cosines = self._matrix[rows] @ query if few else (self._matrix @ query)[rows]
        if count < len(rows):
            best = np.argpartition(-cosines, count - 1)[:count]
            rows, cosines = rows[best], cosines[best]
        order = np.lexsort((self._starts[rows], -cosines))
        return {int(self._numbers[rows[i]]): float(cosines[i]) for i in order}

    def cosines(self, vector: Sequence[float], numbers: Sequence[int]) -> dict[int, float]:
        """Return the cosines of given captions; those without a vector are left out."""
        self._settle()
        known = np.isin(self._numbers, np.asarray(numbers, np.int64))
        values = self._matrix[known] @ np.asarray(vector, np.float32) if known.any() else np.zeros(0)
        return {int(n): float(v) for n, v in zip(self._numbers[known], values, strict=True)}

    def _settle(self) -> None:
        if not self._waiting:
            return
        numbers, starts, ends, kinds, vectors = zip(*self._waiting, strict=True)
        fresh = np.frombuffer(b"".join(vectors), np.float16).astype(np.float32).reshape(len(vectors), -1)
        self._matrix = np.concatenate([self._matrix, fresh]) if len(self._numbers) else fresh
        self._numbers = np.append(self._numbers, np.array(numbers, np.int64))
        self._starts, self._ends = np.append(self._starts, starts), np.append(self._ends, ends)
        self._kinds = np.append(self._kinds, np.array([KINDS.index(kind) for kind in kinds], np.uint8))
        self._waiting = []


def pack(vector: Sequence[float] | np.ndarray) -> bytes:
    """Return a vector as unit length float16 bytes, half the size of what searching needs."""
    values = np.asarray(vector, np.float32)
    length = float(np.linalg.norm(values))
    return (values / length if length else values).astype(np.float16).tobytes()
