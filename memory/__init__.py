"""Captions kept and found again."""

from videochat.memory.caption_store import CaptionStore
from videochat.memory.embeddings import SentenceTransformerEmbeddings, WordEmbeddings
from videochat.memory.shelf import Gap, Hit, Shelf
from videochat.memory.textualize import textualize

__all__ = [
    "CaptionStore",
    "Gap",
    "Hit",
    "SentenceTransformerEmbeddings",
    "Shelf",
    "WordEmbeddings",
    "textualize",
]
