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
        hits = recall_library(self.store, query, **wanted).hits[: wanted["k"]]
        facts = {id_: self.store.captions_of(id_).facts() for id_ in {hit.caption.video_id for hit in hits}}
        return [
            as_document(
                hit.caption,
                path=facts[hit.caption.video_id].get("path"),
                name=facts[hit.caption.video_id].get("name"),
                similarity=hit.similarity,
            )
            for hit in hits
        ]


def as_document(
    caption: Caption, *, path: str | None = None, name: str | None = None, similarity: float | None = None
) -> Document:
    """Return a caption as a LangChain document.

    Args:
        caption: becomes text, id and metadata; its `source` is in the metadata as `caption_source`.
        path: path or address of the video, which becomes `source`, as LangChain's loaders have it.
        name: of the video, which becomes `video`.
        similarity: of the caption to a query.
    """
    data = caption.as_dict()
    metadata = {field: value for field, value in data.items() if field not in ("id", "text", "source")}
    metadata |= {
        "start_seconds": float(caption.start_seconds),
        "end_seconds": float(caption.end_seconds),
        "caption_source": caption.source,
    }
    further = {"source": path, "video": name, "similarity": similarity}
    metadata |= {field: value for field, value in further.items() if value is not None}
    return Document(id=caption.id, page_content=caption.text, metadata=metadata)
