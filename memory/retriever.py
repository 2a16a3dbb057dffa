"""The memory as a LangChain retriever."""

from __future__ import annotations

import math
from typing import Any

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import ConfigDict, Field

from videochat.errors import UnknownName
from videochat.memory.caption_store import CaptionStore
from videochat.memory.retrieval import recall_library
from videochat.records import Caption

_FILTERS = ("k", "video_ids", "kinds", "start_seconds", "end_seconds")


class VideoRetriever(BaseRetriever):
    """Finds captions for a question, best first; times that the question names are obeyed.

    `invoke(question, k=..., kinds=...)` overrides a filter for one call. Documents carry the caption's fields as
    metadata, times as float seconds, and its id.

    Raises:
        UnknownName: a filter or a kind that is none.
        InvalidArgument: an empty question, `k` below 1, or a range of time that is none.
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
        return [as_document(hit.caption, hit.similarity) for hit in hits[: wanted["k"]]]


def as_document(caption: Caption, similarity: float | None = None) -> Document:
    """Return a caption as a LangChain document: float seconds and the other fields as metadata."""
    metadata = {name: value for name, value in caption.as_dict().items() if name not in ("id", "text")}
    metadata |= {"start_seconds": float(caption.start_seconds), "end_seconds": float(caption.end_seconds)}
    if similarity is not None:
        metadata["similarity"] = similarity
    return Document(id=caption.id, page_content=caption.text, metadata=metadata)
