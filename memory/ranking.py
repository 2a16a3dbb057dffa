"""Rankings by words, and the fusion of several rankings."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from videochat.memory.words import content_words

_RANK_OFFSET = 60  # of reciprocal rank fusion, Cormack et al. 2009
# Words of a question beyond these, and words that more captions share than these, say nothing that ranks.
_MOST_WORDS = 64
_COMMON = 2000

SEARCH_BY = ("hybrid", "lexical", "dense")
"""What a search may rank by: words and vectors fused, words (BM25), vectors."""

Key = TypeVar("Key")


def fuse(*rankings: Iterable[Key]) -> dict[Key, float]:
    """Return the fused scores of what stands in any of the rankings, best first (reciprocal rank fusion)."""
    scores: dict[Key, float] = {}
    for ranking in rankings:
        for rank, key in enumerate(ranking):
            scores[key] = scores.get(key, 0.0) + 1 / (_RANK_OFFSET + rank + 1)
    return dict(sorted(scores.items(), key=lambda item: -item[1]))


def rankings_for(by: str, words: Iterable[Key], near: Iterable[Key]) -> list[Iterable[Key]]:
    """Return the rankings to fuse.

    Args:
        by: one of `SEARCH_BY`.
        words: keys by shared words, best first.
        near: keys by likeness of vectors, best first.
    """
    return [words, near] if by == "hybrid" else [words] if by == "lexical" else [near]


def by_words(
    db: sqlite3.Connection, query: str, count: int, where: str = "1", values: Sequence[Any] = ()
) -> dict[int, float]:
    """Return the numbers of the captions that share the rarest words with a query, best first (BM25).

    Args:
        db: has the tables `captions` and, over their text, the FTS5 table `words`.
        query: any text; none of it is taken as syntax.
        count: how many at most.
        where: condition on `captions`.
        values: of the parameters in `where`.
    """
    words = content_words(query)[:_MOST_WORDS]
    words = _rare(db, words)
    if not words:
        return {}
    rows = db.execute(
        "SELECT captions.number, -bm25(words) FROM words JOIN captions ON captions.number = words.rowid"
        f" WHERE words MATCH ? AND {where} ORDER BY bm25(words), captions.start_seconds LIMIT ?",
        (" OR ".join(f'"{word}"' for word in words), *values, min(count, 2**31)),
    )
    return dict(rows.fetchall())


def _rare(db: sqlite3.Connection, words: list[str]) -> list[str]:
    """Return the words that few enough captions have, so that ranking them all stays quick."""
    (size,) = db.execute("SELECT coalesce(max(number), 0) FROM captions").fetchone()
    if size <= _COMMON:
        return words
    counted = "SELECT count(*) FROM (SELECT 1 FROM words WHERE words MATCH ? LIMIT ?)"
    counts = {word: db.execute(counted, (f'"{word}"', _COMMON + 1)).fetchone()[0] for word in words}
    kept: list[str] = []
    total = 0
    for word in sorted(words, key=lambda word: counts[word]):
        total += counts[word]
        if total > _COMMON and (kept or counts[word] > _COMMON):
            break
        kept.append(word)
    return kept
