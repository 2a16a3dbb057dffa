"""A video as LangChain documents."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

from langchain_core.document_loaders import BaseLoader
from langchain_core.documents import Document

from videochat.agent import VideoAgent
from videochat.memory.retriever import as_document


class VideoCaptionLoader(BaseLoader):
    """Loads the captions of a video as documents, watching it first if needed.

    Metadata hold `start_seconds` and `end_seconds` as floats, `kind`, `video_id`, `source` (the path or address),
    `sense` (what saw it), and what else the caption knows; the id is the caption's.

    Args:
        path: path or http(s) address of the video.
        preset: line-up of senses; None for `builtin`.
        memory: a `CaptionStore`, or the directory or server of one; None for the user's own.
        kinds: only captions of these kinds; None for all but summaries.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        preset: Any = None,
        memory: Any = None,
        kinds: Sequence[str] | None = None,
    ) -> None:
        self.path, self.preset, self.memory, self.kinds = path, preset, memory, kinds

    def lazy_load(self) -> Iterator[Document]:
        """Watch at the first document, then yield one a caption, in temporal order."""
        agent = VideoAgent(self.path, llm="extractive", preset=self.preset, memory=self.memory)
        try:
            agent.watch()
            for caption in agent.memory.between(agent.video.id, kinds=self.kinds):
                document = as_document(caption)
                document.metadata |= {"source": os.fspath(self.path), "sense": caption.source}
                yield document
        finally:
            agent.close()
