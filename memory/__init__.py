"""Captions kept and found again."""

from videochat.memory.caption_store import CaptionStore
from videochat.memory.embeddings import SentenceTransformerEmbeddings, WordEmbeddings
from videochat.memory.registry import Appearance, appearances
from videochat.memory.shelf import Gap, Hit, Shelf
from videochat.memory.summaries import SCALES, SummaryReport, browse, summarize
from videochat.memory.textualize import textualize

__all__ = [
    "SCALES",
    "Appearance",
    "CaptionStore",
    "Gap",
    "Hit",
    "SentenceTransformerEmbeddings",
    "Shelf",
    "SummaryReport",
    "WordEmbeddings",
    "appearances",
    "browse",
    "summarize",
    "textualize",
]
