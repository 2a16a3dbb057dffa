"""Captions kept and found again."""

from videochat.memory.appearances import Appearance, appearances
from videochat.memory.caption_store import CaptionStore
from videochat.memory.context_budget import Selection, select
from videochat.memory.embeddings import SentenceTransformerEmbeddings, WordEmbeddings
from videochat.memory.library_index import StoredVideo
from videochat.memory.retriever import VideoRetriever
from videochat.memory.summaries import SCALES, SummaryReport, browse, summarize
from videochat.memory.textualize import textualize
from videochat.memory.video_captions import Gap, Hit, VideoCaptions

__all__ = [
    "SCALES",
    "Appearance",
    "CaptionStore",
    "Gap",
    "Hit",
    "Selection",
    "SentenceTransformerEmbeddings",
    "StoredVideo",
    "SummaryReport",
    "VideoCaptions",
    "VideoRetriever",
    "WordEmbeddings",
    "appearances",
    "browse",
    "select",
    "summarize",
    "textualize",
]
