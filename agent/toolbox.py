"""What the language model can do: LangChain tools over one video's memory."""

from __future__ import annotations

import math
from typing import Any

from langchain_core.tools import BaseTool, StructuredTool, ToolException
from pydantic import BaseModel, Field

from videochat.agent.evidence import Evidence
from videochat.errors import VideoChatError
from videochat.media import Video
from videochat.memory import Hit, Shelf, textualize
from videochat.memory.retrieval import Recall, recall
from videochat.records import clock

_READ_AT_MOST = 80


class SearchInput(BaseModel):
    """Arguments of `search_captions`."""

    query: str = Field(description="What to look for: the question itself, or the words of it that matter.")
    start_seconds: float = Field(0.0, ge=0, description="Only moments after this second of the video.")
    end_seconds: float | None = Field(None, gt=0, description="Only moments before this second; omit for the end.")


class ReadInput(BaseModel):
    """Arguments of `read_captions`."""

    start_seconds: float = Field(ge=0, description="First second to read.")
    end_seconds: float = Field(gt=0, description="Where to stop, in seconds.")


class Toolbox:
    """The tools of one conversation about one video.

    Every tool returns text for the model, with evidence numbers, and as artifact a list of plain dicts: each
    `Caption.as_dict()` with `number` and `similarity`.
    """

    def __init__(self, video: Video, shelf: Shelf, evidence: Evidence) -> None:
        self.video, self.shelf, self.evidence = video, shelf, evidence

    def recall(self, question: str) -> Recall:
        """Retrieve for a question and number what was found."""
        found = recall(self.shelf, question, duration_seconds=self.video.duration_seconds)
        self.evidence.add(hit.caption for hit in found.hits)
        return found

    def as_text(self, hits: list[Hit]) -> str:
        """Return hits in the template of Table 1, in temporal order, each with its number."""
        return textualize([hit.caption for hit in hits], numbers=self.evidence.numbers)

    def as_data(self, hits: list[Hit]) -> list[dict[str, Any]]:
        """Return hits as plain data, best first."""
        numbers = self.evidence.numbers
        return [
            hit.caption.as_dict() | {"number": numbers[hit.caption.id], "similarity": hit.similarity} for hit in hits
        ]

    def search(
        self, query: str, start_seconds: float = 0.0, end_seconds: float | None = None
    ) -> tuple[str, list[dict[str, Any]]]:
        """Find the captions that fit a query best."""
        if not query.strip():
            raise ToolException("query is empty; give the words to look for.")
        if end_seconds is not None and end_seconds <= start_seconds:
            raise ToolException(f"end_seconds {end_seconds:g} must be greater than start_seconds {start_seconds:g}.")
        hits = self.recall(query).hits
        limit = math.inf if end_seconds is None else end_seconds
        hits = [hit for hit in hits if hit.caption.overlaps(start_seconds, limit)]
        if not hits:
            return "Nothing was found. Try other words, or read_captions on a range.", []
        return self.as_text(hits), self.as_data(hits)

    def read(self, start_seconds: float, end_seconds: float) -> tuple[str, list[dict[str, Any]]]:
        """Give every caption within a range."""
        if end_seconds <= start_seconds:
            raise ToolException(f"end_seconds {end_seconds:g} must be greater than start_seconds {start_seconds:g}.")
        captions = self.shelf.between(start_seconds, end_seconds)
        if not captions:
            last = clock(self.video.duration_seconds)
            return f"There are no captions in this range. The video lasts until {last}.", []
        shown = captions[:_READ_AT_MOST]
        self.evidence.add(shown)
        hits = [Hit(caption, 0.0, 0.0) for caption in shown]
        text = self.as_text(hits)
        if len(captions) > len(shown):
            rest = f"{len(captions) - len(shown)} more from {clock(shown[-1].start_seconds)} on; read that range next."
            text += f"\n({rest})"
        return text, self.as_data(hits)

    def get_tools(self) -> list[BaseTool]:
        """Return the tools, for the agent or any other LangChain app."""
        return [
            StructuredTool.from_function(
                _told_to_the_model(self.search),
                name="search_captions",
                description="Find the moments of the video that fit a question or some words: what was said, read "
                "on screen, seen or measured, each with its time and number. Use it whenever the given contexts "
                "do not settle the question.",
                args_schema=SearchInput,
                response_format="content_and_artifact",
                handle_tool_error=True,
            ),
            StructuredTool.from_function(
                _told_to_the_model(self.read),
                name="read_captions",
                description="Read everything known about a range of seconds of the video, in temporal order. Use it "
                "to see what comes before or after a moment, or to confirm it.",
                args_schema=ReadInput,
                response_format="content_and_artifact",
                handle_tool_error=True,
            ),
        ]


def _told_to_the_model(method: Any) -> Any:
    """Turn errors that another call may avoid into text for the model; others stay errors for the person."""

    def call(**arguments: Any) -> tuple[str, list[dict[str, Any]]]:
        try:
            result: tuple[str, list[dict[str, Any]]] = method(**arguments)
        except VideoChatError as error:
            raise ToolException(str(error)) from error
        return result

    return call
