"""Captions kept and found again: the caption store, retrieval, summaries, and text for a language model."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from videochat.memory.appearances import Appearance, appearances
from videochat.memory.caption_store import CaptionStore
from videochat.memory.store_records import Gap, Hit
from videochat.memory.stored_video import StoredVideo
from videochat.memory.summaries import SCALES, SummaryReport, browse, summarize
from videochat.memory.textualize import textualize
from videochat.memory.video_captions import VideoCaptions
from videochat.renamed import getter
from videochat.text_embeddings import SentenceTransformerEmbeddings, WordEmbeddings

if TYPE_CHECKING:
    from videochat.memory.retriever import RetrieverFilters, VideoRetriever
else:
    # LangChain's retrievers take longer to import than all the rest.
    _LAZY = ("RetrieverFilters", "VideoRetriever")

    def __getattr__(name: str) -> Any:
        return getattr(import_module("videochat.memory.retriever"), name) if name in _LAZY else getter(__name__)(name)


__all__ = [
    "SCALES",
    "Appearance",
    "CaptionStore",
    "Gap",
    "Hit",
    "RetrieverFilters",
    "SentenceTransformerEmbeddings",
    "StoredVideo",
    "SummaryReport",
    "VideoCaptions",
    "VideoRetriever",
    "WordEmbeddings",
    "appearances",
    "browse",
    "summarize",
    "textualize",
]
