"""Dense and lexical scores of captions, and the one place that fuses them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from videochat.memory.embeddings import Embedder
from videochat.memory.store_records import Hit
from videochat.memory.video_index import VideoIndex
from videochat.memory.words import all_words, content_words

SEARCH_BY = ("hybrid", "lexical", "dense")
"""What a search may rank by: words and vectors fused, words (BM25), vectors."""

# How much likeness of vectors counts beside shared words; found on one half of benchmarks/retrieval_questions.json.
_MEANING_WEIGHT = 1.0
_RERANKED = 30
_SPELLING_WEIGHT = 0.5  # where vectors compare words and not meaning


def fuse(cosines: np.ndarray, lexical: np.ndarray, semantic: bool, by: str = "hybrid") -> np.ndarray:
    """Return the fused scores of captions.

    Args:
        cosines: of question and captions, in [-1, 1], shape (n,).
        lexical: how much of the question's words they have, in [0, 1], shape (n,).
        semantic: whether cosines compare meaning, or only words.
        by: one of `SEARCH_BY`.
    """
    if by == "lexical" or not len(cosines):
        return lexical
    if by == "dense":
        return cosines
    low = cosines.min()
    room = float(cosines.max() - low) or 1.0
    return np.asarray(lexical + (_MEANING_WEIGHT if semantic else _SPELLING_WEIGHT) * (cosines - low) / room)


def search_video(
    index: VideoIndex,
    query: str,
    vector: Sequence[float],
    rows: np.ndarray,
    embedder: Embedder,
    by: str = "hybrid",
    count: int = 1000,
) -> list[Hit]:
    """Return captions of one video, best first; exact.

    Args:
        index: the video's captions.
        query: words to look for.
        vector: of the query, of unit length.
        rows: which captions.
        embedder: that of the vectors.
        by: one of `SEARCH_BY`.
        count: how many at most.
    """
    cosines = index.cosines(vector, rows)
    lexical = index.bm25(content_words(query) or all_words(query), rows)
    scores = fuse(cosines, lexical, embedder.semantic, by)
    best = np.argpartition(-scores, count)[:count] if count < len(rows) else np.arange(len(rows))
    order = best[np.lexsort((index.starts[rows[best]], -scores[best]))]
    if by == "lexical":
        order = order[scores[order] > 0]
    if embedder.rerank is not None and by == "hybrid" and len(order):
        head = order[:_RERANKED]
        fits = embedder.rerank(query, [index.captions[rows[i]].text for i in head])
        scores[head] = scores[order[0]] * (1 + fits)
        order = np.concatenate([head[np.argsort(-fits, kind="stable")], order[_RERANKED:]])
    return [Hit(index.captions[rows[i]], float(scores[i]), float(cosines[i])) for i in order]
