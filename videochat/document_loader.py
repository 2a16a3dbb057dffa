"""VideoCaptionLoader: the captions of a video as LangChain documents."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from langchain_core.document_loaders import BaseLoader
from langchain_core.documents import Document

from videochat.agent import VideoAgent
from videochat.memory import CaptionStore
from videochat.memory.retriever import as_document
from videochat.records import Kind
from videochat.tools import PerceptionTool


class VideoCaptionLoader(BaseLoader):
    """Loads the captions of a video as documents, watching it first if needed.

    The text of a document is the caption's, and so is its id. The metadata are those of `VideoRetriever`: `source`
    (path or address of the video), `video` (its name), `video_id`, `kind`, `caption_source` (the model that said
    it), `start_seconds` and `end_seconds` as floats, and what else the caption has; see `as_document`.

    Args:
        path: path or http(s) address of the video.
        preset: name of a line-up of senses, or a list of tool names and tools; None for the richest whose weights
            are on this machine.
        memory: a `CaptionStore`, or the directory or server of one; None for the user's own.
        kinds: only captions of these kinds; None for all but summaries.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        preset: str | Sequence[str | PerceptionTool] | None = None,
        memory: CaptionStore | str | os.PathLike[str] | None = None,
        kinds: Sequence[Kind] | None = None,
    ) -> None:
        self.path, self.preset, self.memory, self.kinds = path, preset, memory, kinds

    def lazy_load(self) -> Iterator[Document]:
        """Watch at the first document, then yield one a caption, in temporal order.

        Raises:
            MediaError: the video cannot be read.
            UnknownName: there is no such preset, tool or kind.
            MissingDependency: the weights of a sense are not on this machine.
        """
        with VideoAgent(self.path, llm="extractive", preset=self.preset, memory=self.memory) as agent:
            agent.watch()
            for caption in agent.memory.between(agent.video.id, kinds=self.kinds):
                yield as_document(caption, path=os.fspath(self.path), name=agent.video.name)
