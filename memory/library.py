"""Search over all videos of a store: Chroma's graph for vectors, an index of words in a file for BM25.

The index of words is derived from the journals: it is brought up to date before a search, and made anew where it is
damaged. On a server Chroma finds by words, and they are ranked here.
"""

from __future__ import annotations

import contextlib
import json
import math
import sqlite3
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from videochat.errors import StoreError
from videochat.intervals import Interval
from videochat.memory.chroma import Chroma, caption_of, collections_of
from videochat.memory.embeddings import Embedder
from videochat.memory.ranking import fuse
from videochat.memory.store_records import Hit, StoredVideo
from videochat.memory.video_captions import VideoCaptions
from videochat.memory.video_index import WordIndex
from videochat.memory.words import content_words
from videochat.records import Caption, Kind

if TYPE_CHECKING:
    from langchain_chroma import Chroma as ChromaVectorStore

_POOL = 300
_CONTAINING = 200
_ROWS = """
CREATE TABLE IF NOT EXISTS rows (number INTEGER PRIMARY KEY, id TEXT UNIQUE, video_id TEXT, caption TEXT);
CREATE INDEX IF NOT EXISTS rows_by_video ON rows (video_id);
CREATE TABLE IF NOT EXISTS seen (video_id TEXT PRIMARY KEY, mark TEXT);
"""
_DAMAGED = (sqlite3.Error, ValueError, TypeError, KeyError)
"""What reading a damaged index of words ends in."""

Filters = tuple[list[str] | None, list[Kind] | None, Interval]


class Library:
    """All videos of a store, for searches and lists.

    Args:
        directory: of the store; None for a server.
        chroma: where captions are stored.
        embedder: what the vectors are made with.
        captions_of: returns one video's captions.
        video_ids: returns the ids of the videos of a directory.
    """

    def __init__(
        self,
        directory: Path | None,
        chroma: Chroma,
        embedder: Embedder,
        captions_of: Callable[[str], VideoCaptions],
        video_ids: Callable[[], list[str]],
    ) -> None:
        self._directory, self._chroma, self._embedder = directory, chroma, embedder
        self._captions_of, self._video_ids = captions_of, video_ids
        self._words: WordIndex | None = None
        self._synced: dict[str, str] = {}

    def search(
        self, query: str, k: int, video_ids: list[str] | None, kinds: list[Kind] | None, span: Interval, by: str
    ) -> list[Hit]:
        """Return the `k` best captions of all videos, or some of them, best first; args as `CaptionStore.search`."""
        if [] in (video_ids, kinds) or (self._directory is not None and not self._directory.is_dir()):
            return []
        self.sync()
        vector = self._embedder.query(query)
        filters: Filters = (video_ids, kinds, span)
        found: dict[str, Caption] = {}
        cosines, bm25 = dict[str, float](), dict[str, float]()
        try:
            with self._chroma.session():
                for name in collections_of(kinds):
                    cosines |= self._nearest(name, vector, max(4 * k, _POOL), filters, found)
                bm25 = self._by_words(query, filters, found)
                for name in collections_of(kinds):
                    # Chroma's graph does not reach every row, nor does the pool.
                    cosines |= self._cosines(name, vector, [id_ for id_ in bm25 if id_ not in cosines])
        except StoreError as error:
            if self._directory is None:
                raise
            warnings.warn(f"{error} Until then only words are compared.", UserWarning, stacklevel=3)
            bm25 = self._by_words(query, filters, found)
        ids = [id_ for id_ in found if id_ in cosines or id_ in bm25]
        scores = fuse(
            np.array([cosines.get(id_, 0.0) for id_ in ids]),
            np.array([bm25.get(id_, 0.0) for id_ in ids]),
            self._embedder.semantic,
            by,
        )
        hits = [Hit(found[id_], float(s), cosines.get(id_, 0.0)) for id_, s in zip(ids, scores, strict=True)]
        if by == "lexical":
            hits = [hit for hit in hits if hit.score > 0]
        return sorted(hits, key=lambda hit: -hit.score)[:k]

    def _nearest(
        self, name: str, vector: Sequence[float], count: int, filters: Filters, found: dict[str, Caption]
    ) -> dict[str, float]:
        total = int(self._chroma.call(name, "count"))
        # Chroma's filters cost a scan, so it is asked for more without them first.
        for where, wanted in ((None, 2 * count), (_where(filters), count)):
            if not total:
                break
            page = self._chroma.call(
                name,
                "query",
                query_embeddings=[list(vector)],
                n_results=min(wanted, total),
                where=where,
                include=["documents", "metadatas", "distances"],
            )
            rows = zip(page["ids"][0], page["documents"][0], page["metadatas"][0], page["distances"][0], strict=True)
            near: dict[str, float] = {}
            for id_, text, metadata, distance in rows:
                caption = caption_of(text, metadata)
                if caption.id == id_ and _fits(caption, filters):  # else it was changed from outside
                    found[id_], near[id_] = caption, 1.0 - distance
            if len(near) >= min(count // 4, total) or _where(filters) is None:
                break
        return near if total else {}

    def _cosines(self, name: str, vector: Sequence[float], ids: list[str]) -> dict[str, float]:
        if not ids:
            return {}
        page = self._chroma.call(name, "get", ids=ids, include=["embeddings"])
        if not page["ids"]:
            return {}
        matrix = np.asarray(page["embeddings"], np.float32)
        values = matrix @ np.asarray(vector, np.float32) / np.maximum(np.linalg.norm(matrix, axis=1), 1e-9)
        return dict(zip(page["ids"], values.tolist(), strict=True))

    def _by_words(self, query: str, filters: Filters, found: dict[str, Caption]) -> dict[str, float]:
        words = content_words(query)
        if self._directory is None:
            return self._containing(words, filters, found)
        try:
            return self._ranked(words, filters, found)
        except _DAMAGED:
            self.clear()
            self._sync_words(self._marks())
            return self._ranked(words, filters, found)

    def _ranked(self, words: list[str], filters: Filters, found: dict[str, Caption]) -> dict[str, float]:
        scores: dict[str, float] = {}
        index = self._index()
        for number, score in index.scores(words, 4 * _POOL).items():
            id_, data = index.db.execute("SELECT id, caption FROM rows WHERE number = ?", (number,)).fetchone()
            caption = Caption.from_dict(json.loads(data))
            if caption.id != id_:
                raise ValueError(f"the caption {id_} was changed")
            if _fits(caption, filters):
                found[id_], scores[id_] = caption, score
                if len(scores) >= _POOL:
                    break
        return scores

    def _containing(self, words: list[str], filters: Filters, found: dict[str, Caption]) -> dict[str, float]:
        """Ask a server for the captions that have any of the words, and rank those."""
        there: dict[str, Caption] = {}
        for word in words[:8]:
            pattern = {"$contains": word} if not word.isascii() else {"$regex": rf"(?i)\b{word}"}
            for name in collections_of(filters[1]):
                page = self._chroma.call(
                    name,
                    "get",
                    where=_where(filters),
                    where_document=pattern,
                    include=["documents", "metadatas"],
                    limit=_CONTAINING,
                )
                there |= {
                    id_: caption_of(text, metadata)
                    for id_, text, metadata in zip(page["ids"], page["documents"], page["metadatas"], strict=True)
                }
        index, ids = WordIndex(), list(there)
        index.add(enumerate(there.values()))
        scores = {ids[number]: score for number, score in index.scores(words, _POOL).items()}
        found |= {id_: there[id_] for id_ in scores}
        return scores

    def _index(self) -> WordIndex:
        if self._words is None:
            file = self._directory / "words.sqlite3" if self._directory is not None else None
            try:
                self._words = WordIndex(None if file is None else str(file))
                self._words.db.executescript(_ROWS)
            except _DAMAGED:
                self._words = None
                self.clear()
                self._words = WordIndex()  # where nothing can be written, or another holds what is damaged
                self._words.db.executescript(_ROWS)
        return self._words

    def clear(self) -> None:
        """Throw the index of words away; the next search makes it anew."""
        self._synced.clear()
        if self._words is not None:
            self._words.close()
            self._words = None
        if self._directory is not None:
            for file in self._directory.glob("words.sqlite3*"):
                with contextlib.suppress(OSError):
                    file.unlink()

    def sync(self) -> None:
        """Bring Chroma and the index of words up to date with the journals."""
        if self._directory is None:
            return
        marks = self._marks()
        if marks == self._synced:
            return
        try:
            self._sync_words(marks)
        except _DAMAGED:
            self.clear()
            self._sync_words(marks)
        self._sync_chroma(marks)
        self._synced = self._marks()

    def _marks(self) -> dict[str, str]:
        """Return what tells whether a journal has changed, by id of the video."""
        marks = {}
        for video_id in self._video_ids():
            with contextlib.suppress(OSError):
                stat = Path(self._directory or "", "journal", f"{video_id}.jsonl").stat()
                marks[video_id] = f"{stat.st_ino}/{stat.st_size}"
        return marks

    def _sync_words(self, marks: Mapping[str, str]) -> None:
        index = self._index()
        with index.db as db:
            seen = dict(db.execute("SELECT video_id, mark FROM seen").fetchall())
            for video_id in [*(v for v in marks if seen.get(v) != marks[v]), *(v for v in seen if v not in marks)]:
                captions = self._readable(video_id) if video_id in marks else {}
                there = dict(db.execute("SELECT id, number FROM rows WHERE video_id = ?", (video_id,)).fetchall())
                gone = [number for id_, number in there.items() if id_ not in captions]
                index.remove(gone)
                db.executemany("DELETE FROM rows WHERE number = ?", [(number,) for number in gone])
                (last,) = db.execute("SELECT coalesce(max(number), 0) FROM rows").fetchone()
                fresh = list(enumerate((c for id_, c in captions.items() if id_ not in there), last + 1))
                index.add(fresh)
                rows = [(number, c.id, video_id, json.dumps(c.as_dict())) for number, c in fresh]
                db.executemany("INSERT INTO rows VALUES (?, ?, ?, ?)", rows)
                db.execute("INSERT OR REPLACE INTO seen VALUES (?, ?)", (video_id, marks.get(video_id)))
                if video_id not in marks:
                    db.execute("DELETE FROM seen WHERE video_id = ?", (video_id,))

    def _readable(self, video_id: str) -> dict[str, Caption]:
        try:
            return self._captions_of(video_id).state.captions
        except StoreError as error:
            warnings.warn(str(error), UserWarning, stacklevel=4)
            return {}

    def _sync_chroma(self, marks: Mapping[str, str]) -> None:
        """Write to Chroma what a process that was killed has left undone."""
        try:
            with self._chroma.session():
                sent = self._video_rows()
        except StoreError:
            return  # the search says it
        for video_id, mark in marks.items():
            if str(sent.get(video_id, {}).get("journal_end", 0)) != mark.split("/")[1]:
                with contextlib.suppress(StoreError):
                    self._captions_of(video_id).publish()

    def _video_rows(self) -> dict[str, dict[str, Any]]:
        pages = self._chroma.pages("watches", {"event": "video"}, ["metadatas"])
        return {row["video_id"]: dict(row) for page in pages for row in page["metadatas"]}

    def videos(self) -> list[StoredVideo]:
        """Return the videos that have captions, by name."""
        rows: dict[str, dict[str, Any]] = {}
        if self._directory is None or (self._directory / "chroma").is_dir():
            try:
                with self._chroma.session():
                    rows = self._video_rows()
            except StoreError:
                if self._directory is None:
                    raise
        if self._directory is not None:
            sizes = {video_id: int(mark.split("/")[1]) for video_id, mark in self._marks().items()}
            rows = {v: rows[v] if rows.get(v, {}).get("journal_end") == n else self._read(v) for v, n in sizes.items()}
        found = [
            StoredVideo(
                video_id,
                str(row.get("name") or video_id),
                row.get("path"),
                row.get("duration_seconds"),
                int(row.get("captions", 0)),
            )
            for video_id, row in rows.items()
        ]
        return sorted(found, key=lambda video: (video.name, video.id))

    def _read(self, video_id: str) -> dict[str, Any]:
        try:
            state = self._captions_of(video_id).state
        except StoreError:
            return {}
        return state.facts | {"captions": sum(c.kind != "summary" for c in state.captions.values())}

    def vectorstore(self) -> ChromaVectorStore:
        """Return the collection `captions` as a LangChain `VectorStore`."""
        from videochat.memory.vectorstore import ReadOnlyChroma

        self.sync()
        return ReadOnlyChroma.of(self._chroma, self._embedder.embeddings)

    def close(self) -> None:
        """Let go of the file."""
        if self._words is not None:
            self._words.close()
            self._words = None
        self._synced = {}


def _where(filters: Filters) -> dict[str, Any] | None:
    video_ids, kinds, (start, end) = filters
    clauses: list[dict[str, Any]] = []
    if video_ids is not None:
        clauses.append({"video_id": {"$in": video_ids}})
    if kinds is not None:
        clauses.append({"kind": {"$in": list(kinds)}})
    if start > 0:
        clauses.append({"end_seconds": {"$gt": start}})
    if end < math.inf:
        clauses.append({"start_seconds": {"$lt": end}})
    return clauses[0] if len(clauses) == 1 else {"$and": clauses} if clauses else None


def _fits(caption: Caption, filters: Filters) -> bool:
    video_ids, kinds, span = filters
    if video_ids is not None and caption.video_id not in video_ids:
        return False
    wanted = caption.kind != "summary" if kinds is None else caption.kind in kinds
    return wanted and caption.overlaps(*span)
