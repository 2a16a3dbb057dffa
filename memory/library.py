"""Search over all videos of a store: Chroma's graph by meaning, Chroma's texts by words, both ranked here."""

from __future__ import annotations

import contextlib
import math
import re
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from videochat.errors import StoreError
from videochat.intervals import Interval
from videochat.memory.chroma import Chroma, caption_of, collections_of
from videochat.memory.embeddings import Embedder
from videochat.memory.ranking import fuse, search_video
from videochat.memory.store_records import Hit
from videochat.memory.stored_video import StoredVideo, row_of
from videochat.memory.video_captions import VideoCaptions
from videochat.memory.video_index import WordIndex
from videochat.memory.words import content_words
from videochat.records import DERIVED_KINDS, Caption, Kind

if TYPE_CHECKING:
    from langchain_chroma import Chroma as ChromaVectorStore

_POOL = 100
# To find a word Chroma reads all texts: so many captions times words take a tenth of a second.
_READ = 100_000
_MOST_WORDS, _WITH_WORD = 4, 60
Filters = tuple[list[str] | None, list[Kind] | None, Interval]


class Library:
    """All videos of a store, for searches and lists.

    Args:
        journals: directory of the journals; None for a server.
        chroma: where captions are stored.
        embedder: what the vectors are made with.
        captions_of: returns one video's captions.
        video_ids: returns the ids of the videos of a directory.
    """

    def __init__(
        self,
        journals: Path | None,
        chroma: Chroma,
        embedder: Embedder,
        captions_of: Callable[[str], VideoCaptions],
        video_ids: Callable[[], list[str]],
    ) -> None:
        self._journals, self._chroma, self._embedder = journals, chroma, embedder
        self._captions_of, self._video_ids = captions_of, video_ids
        self._synced: tuple[int, dict[str, int]] | None = None
        self._counted: tuple[str, dict[str, int]] = ("", {})

    def search(self, query: str, k: int, filters: Filters, by: str) -> list[Hit]:
        """Return the `k` best captions of all videos, or some of them, best first.

        Args:
            query: words to look for.
            k: how many at most.
            filters: ids of videos and kinds, None for all (but summaries), and a range of seconds.
            by: one of `SEARCH_BY`.

        Raises:
            StoreError: the server does not answer.
        """
        if [] in filters or (self._journals is not None and not self._journals.is_dir()):
            return []
        vector = self._embedder.query(query)
        try:
            self.sync()
            with self._chroma.session():
                found, cosines = self._candidates(query, vector, max(2 * k, _POOL), filters)
        except StoreError as error:
            if self._journals is None:
                raise
            warnings.warn(f"{error} Until then videos are searched one by one.", UserWarning, stacklevel=3)
            return self.search_each(query, k, (filters[0] or self._video_ids(), *filters[1:]), by)
        words, captions = WordIndex(), list(found.values())
        words.add(enumerate(captions))
        lexical = words.scores(content_words(query), len(captions))
        scores = fuse(
            np.array([cosines.get(caption.id, 0.0) for caption in captions]),
            np.array([lexical.get(number, 0.0) for number in range(len(captions))]),
            self._embedder.semantic,
            by,
        )
        hits = [Hit(c, float(score), cosines.get(c.id, 0.0)) for c, score in zip(captions, scores, strict=True)]
        hits.sort(key=lambda hit: -hit.score)
        return [hit for hit in hits if by != "lexical" or hit.score > 0][:k]

    def search_each(self, query: str, k: int, filters: Filters, by: str) -> list[Hit]:
        """Return the `k` best captions of some videos, each searched exactly; args as of `search`."""
        vector, hits = self._embedder.query(query), list[Hit]()
        for video_id in filters[0] or ():
            with contextlib.suppress(StoreError):
                index = self._captions_of(video_id).index()
                hits += search_video(index, query, vector, index.rows(filters[1], *filters[2]), self._embedder, by, k)
        return sorted(hits, key=lambda hit: -hit.score)[:k]

    def _candidates(
        self, query: str, vector: Sequence[float], count: int, filters: Filters
    ) -> tuple[dict[str, Caption], dict[str, float]]:
        """Return captions by id that are near or have a word, and the cosines of all; within a session."""
        found: dict[str, Caption] = {}
        cosines: dict[str, float] = {}
        where = _where(filters)
        for name in collections_of(filters[1]):
            total = self._count(name)
            if not total:
                continue
            # Chroma's filters cost a scan, so it is asked for more without them first.
            for condition, wanted in ((None, count if where is None else 2 * count), (where, count)):
                page = self._chroma.call(
                    name,
                    "query",
                    query_embeddings=[list(vector)],
                    n_results=min(wanted, total),
                    where=condition,
                    include=["documents", "metadatas", "distances"],
                )
                near = _captions({key: value[0] for key, value in page.items() if value}, filters)
                distances = dict(zip(page["ids"][0], page["distances"][0], strict=True))
                if condition is where or len(near) >= min(count, total) / 4:
                    break
            found |= near
            cosines |= {id_: 1.0 - distances[id_] for id_ in near}
            # The longest words are likely the rarest.
            words = sorted(content_words(query), key=len, reverse=True)[: min(max(_READ // total, 1), _MOST_WORDS)]
            fresh: dict[str, Caption] = {}
            for word in words:
                # Whatever the case costs twice the time.
                any_case = word.isascii() and total <= _READ
                pattern = {"$regex": rf"(?i)\b{re.escape(word)}"} if any_case else {"$contains": word}
                include = ["documents", "metadatas"]
                page = self._chroma.call(name, "get", where_document=pattern, limit=_WITH_WORD, include=include)
                fresh |= {id_: c for id_, c in _captions(page, filters).items() if id_ not in cosines}
            if fresh:
                page = self._chroma.call(name, "get", ids=list(fresh), include=["embeddings"])
                matrix = np.asarray(page["embeddings"], np.float32)
                lengths = np.maximum(np.linalg.norm(matrix, axis=1), 1e-9)
                cosines |= zip(page["ids"], (matrix @ np.asarray(vector, np.float32) / lengths).tolist(), strict=True)
                found |= fresh
        return found, cosines

    def _count(self, name: str) -> int:
        """Return how many rows a collection has, counted once as long as nobody writes."""
        generation, counts = self._counted
        if self._journals is None or generation != self._chroma.generation:
            counts = {}
        if name not in counts:
            counts[name] = int(self._chroma.call(name, "count"))
        self._counted = self._chroma.generation, counts
        return counts[name]

    def sync(self) -> None:
        """Write to Chroma what a process that was killed has left undone."""
        if self._journals is None:
            return
        with self._chroma.session():
            sizes, opening = self._sizes(), self._chroma.openings
            if self._synced == (opening, sizes):
                return
            sent = self._rows()
        for video_id, size in sizes.items():
            if sent.get(video_id, {}).get("journal_end") != size:
                with contextlib.suppress(StoreError):
                    self._captions_of(video_id).publish()
        self._synced = opening, self._sizes()

    def _sizes(self) -> dict[str, int]:
        sizes = {}
        for video_id in self._video_ids() if self._journals is not None else ():
            with contextlib.suppress(OSError):
                sizes[video_id] = Path(self._journals or "", f"{video_id}.jsonl").stat().st_size
        return sizes

    def _rows(self) -> dict[str, dict[str, Any]]:
        pages = self._chroma.pages("watches", {"event": "video"}, ["metadatas"])
        return {row["video_id"]: dict(row) for page in pages for row in page["metadatas"]}

    def videos(self) -> list[StoredVideo]:
        """Return the videos that have captions, by name."""
        rows: dict[str, dict[str, Any]] = {}
        sizes = self._sizes()
        try:
            if sizes or self._journals is None:
                with self._chroma.session():
                    rows = self._rows()
        except StoreError:
            if self._journals is None:
                raise
        if self._journals is not None:
            # A row of an older release does not tell everything.
            whole = {v: "told" in row and row.get("journal_end") == sizes.get(v) for v, row in rows.items()}
            rows = {v: rows[v] if whole.get(v) else self._read(v) for v in sizes}
        found = [StoredVideo.of(video_id, row) for video_id, row in rows.items() if row]
        return sorted(found, key=lambda video: (video.name, video.id))

    def _read(self, video_id: str) -> dict[str, Any]:
        with contextlib.suppress(StoreError):
            stored = self._captions_of(video_id)
            return row_of(stored.state) if stored.known else {}
        return {}

    def vectorstore(self) -> ChromaVectorStore:
        """Return the collection `captions` as a LangChain `VectorStore`, for reading."""
        from videochat.memory.vectorstore import ReadOnlyChroma

        self.sync()
        return ReadOnlyChroma.of(self._chroma, self._embedder.embeddings)


def _captions(page: dict[str, Any], filters: Filters) -> dict[str, Caption]:
    video_ids, kinds, span = filters
    found: dict[str, Caption] = {}
    for id_, text, metadata in zip(page["ids"], page["documents"], page["metadatas"], strict=True):
        caption = caption_of(text, metadata)
        fits = caption.kind not in DERIVED_KINDS if kinds is None else caption.kind in kinds
        fits = fits and caption.overlaps(*span) and (video_ids is None or caption.video_id in video_ids)
        if fits and caption.id == id_:  # else it was changed from outside
            found[id_] = caption
    return found


def _where(filters: Filters) -> dict[str, Any] | None:
    video_ids, kinds, (start, end) = filters
    clauses: list[dict[str, Any]] = []
    clauses += [{"video_id": {"$in": video_ids}}] if video_ids is not None else []
    clauses += [{"kind": {"$in": list(kinds)}}] if kinds is not None else []
    clauses += [{"end_seconds": {"$gt": start}}] if start > 0 else []
    clauses += [{"start_seconds": {"$lt": end}}] if end < math.inf else []
    return clauses[0] if len(clauses) == 1 else {"$and": clauses} if clauses else None
