"""The memory as a LangChain retriever, and captions as LangChain documents."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypedDict

from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import run_in_executor
from pydantic import ConfigDict, Field, ValidationError

from videochat.errors import InvalidArgument, UnknownName
from videochat.memory.caption_store import CaptionStore
from videochat.memory.chroma import metadata_of
from videochat.memory.retrieval import recall_library
from videochat.records import Caption


class RetrieverFilters(TypedDict, total=False):
    """What a `VideoRetriever` can be told to keep to."""

    k: int
    """How many documents at most; at least 1."""
    video_ids: Sequence[str] | None
    """Only of these videos; None for all."""
    kinds: Sequence[str] | None
    """Only captions of these kinds; None for all but summaries."""
    start_seconds: float
    """Only captions that end after this."""
    end_seconds: float | None
    """Only captions that start before this; None for no limit."""


_FILTERS = tuple(RetrieverFilters.__annotations__)


class VideoRetriever(BaseRetriever):
    """Finds captions for a question, best first; times that the question names are obeyed.

    `invoke(question, k=..., kinds=...)` and `ainvoke` override a filter for one call. Documents are those of
    `as_document`.

    Raises:
        UnknownName: a filter or a kind that there is not.
        InvalidArgument: an empty question, `k` below 1, a range without `0 <= start_seconds < end_seconds`, or a
            filter of another type.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    store: CaptionStore
    """Where the captions are."""
    video_ids: list[str] | None = None
    """Only of these videos; None for all."""
    k: int = Field(default=8)
    """How many documents at most."""
    kinds: list[str] | None = None
    """Only captions of these kinds; None for all but summaries."""
    start_seconds: float = 0.0
    """Only captions that end after this."""
    end_seconds: float | None = None
    """Only captions that start before this."""

    def __init__(self, *, store: CaptionStore, **fields: Any) -> None:
        known = type(self).model_fields
        for name in fields:
            if name not in known:
                raise UnknownName("filter", name, _FILTERS)
        try:
            super().__init__(**fields | {"store": store})
        except ValidationError as error:
            wrong = error.errors()[0]
            name = ".".join(str(part) for part in wrong["loc"]) or "store"
            raise InvalidArgument(
                f"A VideoRetriever cannot take {wrong['input']!r} as {name!r}: {wrong['msg']}."
            ) from error

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, **filters: Any
    ) -> list[Document]:
        for name in filters:
            if name not in _FILTERS:
                raise UnknownName("filter", name, _FILTERS)
        wanted = {name: getattr(self, name) for name in _FILTERS} | filters
        if wanted["end_seconds"] is None:
            wanted["end_seconds"] = math.inf
        hits = recall_library(self.store, query, **wanted).hits
        facts = {video_id: self.store.captions_of(video_id).facts() for video_id in {h.caption.video_id for h in hits}}
        return [
            as_document(
                hit.caption,
                path=facts[hit.caption.video_id].get("path"),
                name=facts[hit.caption.video_id].get("name"),
                similarity=hit.similarity,
            )
            for hit in hits
        ]

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun, **filters: Any
    ) -> list[Document]:
        return await run_in_executor(
            None, self._get_relevant_documents, query, run_manager=run_manager.get_sync(), **filters
        )


def as_document(
    caption: Caption, *, path: str | None = None, name: str | None = None, similarity: float | None = None
) -> Document:
    """Return a caption as a LangChain document; its id is the caption's, its text the content.

    Metadata hold `source` (path or address of the video) and `video` (its name) where they are known, `video_id`,
    `kind`, `caption_source` (the tool or model that said it), `start_seconds` and `end_seconds` as floats, what else
    the caption has of `score`, `box`, `track_id` and `language`, each of its attributes flat, as `attribute_scale`,
    and `similarity`.

    Args:
        caption: the caption.
        path: path or address of its video.
        name: name of its video.
        similarity: cosine of a question and the caption in [-1, 1], where it was searched for.
    """
    metadata = metadata_of(caption)
    metadata["caption_source"] = metadata.pop("source")
    metadata |= {"start_seconds": float(caption.start_seconds), "end_seconds": float(caption.end_seconds)}
    known = {"source": path, "video": name, "similarity": similarity}
    metadata |= {key: value for key, value in known.items() if value is not None}
    return Document(id=caption.id, page_content=caption.text, metadata=metadata)
