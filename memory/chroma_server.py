"""Captions on a Chroma server, for teams and several writers.

The server keeps the captions in one collection, what was watched in another. A process works on copies in its own
memory, which it fetches when it opens a video and sends when it has something new. Everything is written under an id
made from its content, so two writers of one video add up.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import sqlite3
from collections.abc import Collection
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np

from videochat.errors import StoreError, first_line
from videochat.memory.chroma_collections import (
    BATCH,
    NAMES,
    caption_of,
    collections_of,
    cosines_of,
    get_collection,
    put_changes,
)
from videochat.memory.embeddings import Embedder
from videochat.memory.ranking import by_words, fuse, rankings_for
from videochat.memory.sqlite_schema import RANKING_SCHEMA
from videochat.memory.store_metadata import StoreHeader, parse_header
from videochat.memory.store_records import Hit, StoredVideo
from videochat.memory.video_captions import VideoCaptions
from videochat.memory.words import content_words
from videochat.records import Caption, Kind

if TYPE_CHECKING:
    from chromadb.api import ClientAPI

_NEAR = 200
_WITH_WORD = 200
_WORDS = 8


class ChromaServer:
    """A Chroma server that keeps the captions of a store.

    Args:
        url: such as `http://localhost:8000`.
        client: a Chroma client, instead of the address.

    Raises:
        StoreError: it does not answer, or holds a store of a newer version.
    """

    def __init__(self, url: str, client: ClientAPI | None = None) -> None:
        self.url = url
        self._seen: dict[str, int] = {}
        self._sent: dict[str, dict[str, str]] = {}
        self._counted: dict[str, int] = {}
        self._collections: dict[str, Any] = {}
        self._client = client if client is not None else self._connect(url)

    @staticmethod
    def _connect(url: str) -> ClientAPI:
        import chromadb
        from chromadb.config import Settings

        parts = urlsplit(url)
        try:
            return chromadb.HttpClient(
                host=parts.hostname or "localhost",
                port=parts.port or (443 if parts.scheme == "https" else 8000),
                ssl=parts.scheme == "https",
                settings=Settings(anonymized_telemetry=False),
            )
        except Exception as error:
            raise StoreError(
                f"The Chroma server at {url} does not answer ({first_line(error)[:120]}). Start one with "
                "`chroma run --path DIR`, or give a directory instead."
            ) from error

    def header(self) -> StoreHeader | None:
        """Return what the store remembers of itself; None for a new one.

        Raises:
            StoreError: it is of a newer version, or the server does not answer.
        """
        found = self.request("state", "get", ids=["header"], include=["documents"])
        return parse_header(json.loads(found["documents"][0]), self.url) if found["ids"] else None

    def write_header(self, header: StoreHeader) -> None:
        """Remember what the store is made with."""
        self._put_state({"header": ("", json.dumps(header.as_dict()))})

    def request(self, name: str, method: str, **arguments: Any) -> Any:
        """Call a method of one of the server's collections and return what it returns.

        Args:
            name: of the collection.
            method: of `chromadb.Collection`.
            arguments: of the method.

        Raises:
            StoreError: the server did not do it.
        """
        try:
            if name not in self._collections:
                self._collections[name] = get_collection(self._client, name)
            return getattr(self._collections[name], method)(**arguments)
        except Exception as error:
            self._collections.pop(name, None)
            raise StoreError(
                f"The Chroma server at {self.url} did not do what was asked ({type(error).__name__}: "
                f"{first_line(error)[:120]}). What was sent before is kept; try again."
            ) from error

    def _get_all(self, name: str, where: dict[str, Any], include: list[str]) -> list[dict[str, Any]]:
        pages: list[dict[str, Any]] = []
        while True:
            page = self.request(name, "get", where=where, include=include, limit=BATCH, offset=BATCH * len(pages))
            pages.append(page)
            if len(page["ids"]) < BATCH:
                return pages

    def pull(self, stored: VideoCaptions) -> None:
        """Fetch what the server has of a video and `stored` has not."""
        where = {"video_id": stored.video_id}
        self._counted[stored.video_id] = self._total()
        sent = self._sent.setdefault(stored.video_id, {})
        for name in NAMES:
            for page in self._get_all(name, where, ["documents", "metadatas", "embeddings"]):
                captions = [
                    caption_of(text, metadata)
                    for text, metadata in zip(page["documents"], page["metadatas"], strict=True)
                ]
                vectors = np.asarray(page["embeddings"], np.float32)
                stored.add_with_vectors(captions, vectors)
        for page in self._get_all("state", where, ["documents"]):
            sent |= dict(zip(page["ids"], page["documents"], strict=True))
        stored.add_state([json.loads(document) for document in sent.values()])
        self._seen[stored.video_id] = stored.last_change()

    def is_behind(self, video_id: str) -> bool:
        """Whether anything was written to the server since a video was fetched."""
        return self._counted.get(video_id) != self._total()

    def _total(self) -> int:
        return sum(int(self.request(name, "count")) for name in (*NAMES, "state"))

    def push(self, stored: VideoCaptions) -> None:
        """Send what is new of a video: captions first, so that nothing counts as watched that is not there."""
        video_id = stored.video_id
        behind = self.is_behind(video_id)
        while True:
            changes = stored.changes(self._seen.get(video_id, 0), BATCH)
            if changes.upto == self._seen.get(video_id, 0):
                break
            put_changes(lambda name: _ServerCollection(self, name), changes)
            self._seen[video_id] = changes.upto
        state = {_state_id(video_id, row): (video_id, json.dumps(row)) for row in stored.state()}
        sent = self._sent.setdefault(video_id, {})
        self._put_state({id_: row for id_, row in state.items() if sent.get(id_) != row[1]})
        if gone := [id_ for id_ in sent if id_ not in state]:
            self.request("state", "delete", ids=gone)
        self._sent[video_id] = {id_: row[1] for id_, row in state.items()}
        if not behind:
            self._counted[video_id] = self._total()

    def _put_state(self, rows: dict[str, tuple[str, str]]) -> None:
        items = list(rows.items())
        for i in range(0, len(items), BATCH):
            part = items[i : i + BATCH]
            self.request(
                "state",
                "upsert",
                ids=[id_ for id_, _ in part],
                documents=[document for _, (_, document) in part],
                metadatas=[{"video_id": video_id} for _, (video_id, _) in part],
                # Nobody searches for it, but Chroma wants a vector.
                embeddings=[[1.0]] * len(part),
            )

    def forget(self, video_id: str) -> None:
        """Remove all of a video."""
        for name in (*NAMES, "state"):
            self.request(name, "delete", where={"video_id": video_id})
        for known in (self._seen, self._sent, self._counted):
            known.pop(video_id, None)

    def videos(self) -> list[StoredVideo]:
        """Return the videos, by name."""
        counts: dict[str, int] = {}
        for page in self._get_all("captions", {"video_id": {"$ne": ""}}, ["metadatas"]):
            for metadata in page["metadatas"]:
                counts[metadata["video_id"]] = counts.get(metadata["video_id"], 0) + 1
        facts: dict[str, dict[str, Any]] = {video_id: {} for video_id in counts}
        for page in self._get_all("state", {"video_id": {"$ne": ""}}, ["documents", "metadatas"]):
            for document, metadata in zip(page["documents"], page["metadatas"], strict=True):
                table, *row = json.loads(document)
                if table == "facts":
                    facts.setdefault(metadata["video_id"], {})[row[0]] = json.loads(row[1])
        return sorted(
            (
                StoredVideo(
                    id_, known.get("name") or id_, known.get("path"), known.get("duration_seconds"), counts.get(id_, 0)
                )
                for id_, known in facts.items()
            ),
            key=lambda video: (video.name, video.id),
        )

    def count(self, video_id: str) -> int:
        """Return how many captions of a video the server has."""
        where = {"video_id": video_id}
        return sum(len(page["ids"]) for name in NAMES for page in self._get_all(name, where, []))

    def search(
        self,
        query: str,
        embedder: Embedder,
        *,
        k: int,
        video_ids: Collection[str] | None = None,
        kinds: Collection[Kind] | None = None,
        start_seconds: float = 0.0,
        end_seconds: float = math.inf,
        by: str = "hybrid",
    ) -> list[Hit]:
        """Return the `k` best captions of all videos, or some of them, best first.

        Args:
            query: words to look for.
            embedder: that of the vectors.
            k: how many at most.
            video_ids: only of these videos; None for all.
            kinds: only of these kinds; None for all but summaries.
            start_seconds: only captions that end after this.
            end_seconds: only captions that start before this.
            by: one of `SEARCH_BY`.

        Raises:
            StoreError: the server does not answer.
        """
        if [] in (video_ids, kinds):
            return []
        clauses: list[dict[str, Any]] = []
        if video_ids is not None:
            clauses.append({"video_id": {"$in": list(video_ids)}})
        if kinds is not None:
            clauses.append({"kind": {"$in": list(kinds)}})
        if start_seconds > 0:
            clauses.append({"end_seconds": {"$gt": start_seconds}})
        if end_seconds < math.inf:
            clauses.append({"start_seconds": {"$lt": end_seconds}})
        where = clauses[0] if len(clauses) == 1 else {"$and": clauses} if clauses else None
        names = collections_of(kinds)
        vector = embedder.query(query)
        captions: dict[str, Caption] = {}
        near: dict[str, float] = {}
        for name in names:
            count = int(self.request(name, "count"))
            if not count:
                continue
            include = ["documents", "metadatas"]
            found = self.request(
                name,
                "query",
                query_embeddings=[vector],
                n_results=min(max(4 * k, _NEAR), count),
                where=where,
                include=[*include, "distances"],
            )
            near |= {id_: 1.0 - d for id_, d in zip(found["ids"][0], found["distances"][0], strict=True)}
            captions |= _captions(found["ids"][0], found["documents"][0], found["metadatas"][0])
            for word in content_words(query)[:_WORDS]:
                # Chroma finds by words but does not rank; that is done here, over what it found.
                pattern = {"$regex": rf"(?i)\b{re.escape(word)}"}
                page = self.request(name, "get", where=where, where_document=pattern, include=include, limit=_WITH_WORD)
                captions |= _captions(page["ids"], page["documents"], page["metadatas"])
        words = _ranked_by_words(query, captions, 4 * k)
        for name in names:
            # Chroma's graph does not reach every row.
            near |= cosines_of(_ServerCollection(self, name), vector, [id_ for id_ in words if id_ not in near])
        near = dict(sorted(near.items(), key=lambda item: -item[1]))
        scores = fuse(*rankings_for(by, words, near))
        return [Hit(captions[id_], score, near.get(id_, 0.0)) for id_, score in list(scores.items())[:k]]


class _ServerCollection:
    """A collection of a server, called by `ChromaServer.request`."""

    def __init__(self, server: ChromaServer, name: str) -> None:
        self.server, self.name = server, name

    def upsert(self, **arguments: Any) -> None:
        self.server.request(self.name, "upsert", **arguments)

    def get(self, **arguments: Any) -> Any:
        return self.server.request(self.name, "get", **arguments)

    def delete(self, **arguments: Any) -> None:
        self.server.request(self.name, "delete", **arguments)


class ServerCaptions(VideoCaptions):
    """A video's captions in memory, fetched from a server and sent to it whenever vectors are made."""

    def __init__(self, server: ChromaServer, video_id: str, embedder: Embedder) -> None:
        super().__init__(None, video_id, embedder)
        self._server: ChromaServer | None = None
        server.pull(self)
        self._server = server

    def index(self) -> None:
        """Make the vectors that are missing, and send what is new."""
        super().index()
        if self._server is not None:
            server, self._server = self._server, None  # pushing asks for vectors again
            try:
                server.push(self)
            finally:
                self._server = server


def _captions(ids: list[str], texts: list[str], metadatas: list[dict[str, Any]]) -> dict[str, Caption]:
    return {id_: caption_of(text, metadata) for id_, text, metadata in zip(ids, texts, metadatas, strict=True)}


def _ranked_by_words(query: str, captions: dict[str, Caption], count: int) -> list[str]:
    db = sqlite3.connect(":memory:")
    try:
        db.executescript(RANKING_SCHEMA)
        ids = list(captions)
        db.executemany(
            "INSERT INTO captions VALUES (?, ?, ?)",
            [(i, captions[id_].start_seconds, captions[id_].text) for i, id_ in enumerate(ids)],
        )
        db.execute("INSERT INTO words (words) VALUES ('rebuild')")
        return [ids[number] for number in by_words(db, query, count)]
    finally:
        db.close()


def _state_id(video_id: str, row: list[Any]) -> str:
    # A fact or a note has one value; a watched range or a gap is its own value.
    parts = row[:2] if row[0] in ("facts", "notes") else row
    return hashlib.blake2b(json.dumps([video_id, *parts]).encode(), digest_size=16).hexdigest()
