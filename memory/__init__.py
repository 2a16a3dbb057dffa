"""Captions kept and found again: the caption store, retrieval, summaries, and text for a language model."""

from typing import TYPE_CHECKING

from videochat.memory.appearances import Appearance, appearances
from videochat.memory.caption_store import CaptionStore
from videochat.memory.embeddings import SentenceTransformerEmbeddings, WordEmbeddings
from videochat.memory.retriever import RetrieverFilters, VideoRetriever
from videochat.memory.store_records import Gap, Hit, StoredVideo
from videochat.memory.summaries import SCALES, SummaryReport, browse, summarize
from videochat.memory.textualize import textualize
from videochat.memory.video_captions import VideoCaptions
from videochat.renamed import getter

if not TYPE_CHECKING:
    __getattr__ = getter(__name__)

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
