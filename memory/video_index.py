"""The captions of one video in memory, to be ranked exactly: their vectors, words (BM25), times and kinds."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

import numpy as np

from videochat.memory.words import all_words, guess_language, tokens
from videochat.records import DERIVED_KINDS, KINDS, Caption, Kind

_COMMON = 2000  # captions; a word that more of them have says nothing that ranks, and costs time
_MOST_WORDS = 128
_FILLER, _FILLER_WORDS = 30, 8


class WordIndex:
    """Which texts share words with a question, ranked by BM25 (SQLite's FTS5, in memory)."""

    def __init__(self) -> None:
        self.db = sqlite3.connect(":memory:", check_same_thread=False)
        self.db.execute("CREATE VIRTUAL TABLE words USING fts5 (tokens, tokenize='unicode61')")
        # Of two captions, a word that one has would say nothing; rows of filler make the weights those of a corpus.
        filler = [(-number, "x0 " * _FILLER_WORDS) for number in range(1, _FILLER + 1)]
        self.db.executemany("INSERT INTO words (rowid, tokens) VALUES (?, ?)", filler)

    def add(self, rows: Iterable[tuple[int, Caption]]) -> None:
        """Add texts by their numbers."""
        self.db.executemany(
            "INSERT INTO words (rowid, tokens) VALUES (?, ?)",
            [
                (number, _written(tokens(all_words(caption.text), language=caption.language)))
                for number, caption in rows
            ],
        )

    def remove(self, numbers: Iterable[int]) -> None:
        """Remove texts by their numbers."""
        self.db.executemany("DELETE FROM words WHERE rowid = ?", [(number,) for number in numbers])

    def scores(self, words: Sequence[str], count: int) -> dict[int, float]:
        """Return by number how much of a question's words texts have, best first: BM25 as a share of what is possible.

        A word counts the more the fewer of the texts have it; one that none has counts most, so that a question about
        something absent stays uncovered.

        Args:
            words: of the question, as `content_words` gives them.
            count: how many texts at most.
        """
        language = guess_language(list(words))
        groups = [[_written([token]) for token in tokens([word], language=language)] for word in words[:_MOST_WORDS]]
        (size,) = self.db.execute("SELECT count(*) FROM words_docsize").fetchone()
        counts = {token: self._having(token) for group in groups for token in group}
        possible = sum(_rarity(size, max(counts[token] for token in group)) for group in groups)
        wanted: list[str] = []
        total = 0
        for token in sorted(counts, key=lambda token: counts[token]):
            total += counts[token]
            if total > _COMMON and (wanted or counts[token] > _COMMON):
                break
            wanted.append(token)
        if not wanted or possible <= 0:
            return {}
        found = self.db.execute(
            "SELECT rowid, -bm25(words) FROM words WHERE words MATCH ? ORDER BY bm25(words), rowid LIMIT ?",
            (" OR ".join(f'"{token}"' for token in wanted), count),
        )
        return {number: min(score / possible, 1.0) for number, score in found}

    def _having(self, token: str) -> int:
        counted = "SELECT count(*) FROM (SELECT 1 FROM words WHERE words MATCH ? LIMIT ?)"
        return int(self.db.execute(counted, (f'"{token}"', _COMMON + 1)).fetchone()[0])


class VideoIndex:
    """Captions of one video with their vectors."""

    def __init__(self) -> None:
        self.captions: list[Caption] = []
        """By row; those that were removed stay until it is made anew."""
        self.starts = self.ends = np.zeros(0)
        self._kinds = np.zeros(0, np.uint8)
        self._alive = np.zeros(0, bool)
        self._matrix = np.zeros((0, 0), np.float32)
        self._rows: dict[str, int] = {}

    @cached_property
    def _words(self) -> WordIndex:
        # Of a thousand videos that are only listed, none needs it.
        return WordIndex()

    @property
    def bytes(self) -> int:
        """About how much memory it takes."""
        return self._matrix.nbytes + 1500 * len(self.captions)

    def update(self, captions: Mapping[str, Caption], vectors: Mapping[str, np.ndarray]) -> None:
        """Make it hold exactly these captions, each with its vector, by id."""
        for id_ in [id_ for id_ in self._rows if id_ not in captions]:
            row = self._rows.pop(id_)
            self._alive[row] = False
            self._words.remove([row])
        fresh = [caption for id_, caption in captions.items() if id_ not in self._rows and id_ in vectors]
        if not fresh:
            return
        first = len(self.captions)
        self.captions += fresh
        self._rows |= {caption.id: first + i for i, caption in enumerate(fresh)}
        self.starts = np.append(self.starts, [caption.start_seconds for caption in fresh])
        self.ends = np.append(self.ends, [caption.end_seconds for caption in fresh])
        self._kinds = np.append(self._kinds, np.array([KINDS.index(caption.kind) for caption in fresh], np.uint8))
        self._alive = np.append(self._alive, np.ones(len(fresh), bool))
        matrix = np.asarray([vectors[caption.id] for caption in fresh], np.float32)
        self._matrix = np.concatenate([self._matrix, matrix]) if first else matrix
        self._words.add(enumerate(fresh, first))

    def rows(self, kinds: Iterable[Kind] | None = None, start: float = 0.0, end: float = math.inf) -> np.ndarray:
        """Return the rows that share a moment with a range, of some kinds; None for all but summaries."""
        wanted = set(KINDS) - DERIVED_KINDS if kinds is None else set(kinds)
        fits = self._alive & (self.ends > start) & (self.starts < end)
        return np.flatnonzero(fits & np.array([kind in wanted for kind in KINDS])[self._kinds])

    def cosines(self, vector: Sequence[float], rows: np.ndarray) -> np.ndarray:
        """Return the cosines of a unit vector and rows."""
        if not len(rows):
            return np.zeros(0, np.float32)
        query = np.asarray(vector, np.float32)
        # Gathering rows copies them, which pays only where few are left.
        few = len(rows) < len(self.captions) / 4
        return np.asarray(self._matrix[rows] @ query if few else (self._matrix @ query)[rows])

    def bm25(self, words: Sequence[str], rows: np.ndarray) -> np.ndarray:
        """Return the scores by words of rows, in [0, 1]; 0 where they share none."""
        scores = np.zeros(len(self.captions))
        for row, score in self._words.scores(words, _COMMON).items():
            scores[row] = score
        return np.asarray(scores[rows])


def _rarity(size: int, having: int) -> float:
    # As FTS5 weighs a word, so that shares are of the same kind; a word that all have still says a little.
    return max(math.log((size - having + 0.5) / (having + 0.5)), 0.05)


def _written(words: Iterable[str]) -> str:
    # FTS5 would cut what is not a letter to it, such as the vowels of Thai.
    return " ".join(word if word.isascii() and word.isalnum() else f"x{word.encode().hex()}" for word in words)
