"""Captions kept and found again."""

from videochat.memory.budget import Selection, select
from videochat.memory.caption_store import CaptionStore
from videochat.memory.embeddings import SentenceTransformerEmbeddings, WordEmbeddings
from videochat.memory.library import StoredVideo
from videochat.memory.registry import Appearance, appearances
from videochat.memory.retriever import VideoRetriever
from videochat.memory.shelf import Gap, Hit, Shelf
from videochat.memory.summaries import SCALES, SummaryReport, browse, summarize
from videochat.memory.textualize import textualize

__all__ = [
    "SCALES",
    "Appearance",
    "CaptionStore",
    "Gap",
    "Hit",
    "Selection",
    "SentenceTransformerEmbeddings",
    "Shelf",
    "StoredVideo",
    "SummaryReport",
    "VideoRetriever",
    "WordEmbeddings",
    "appearances",
    "browse",
    "select",
    "summarize",
    "textualize",
]
