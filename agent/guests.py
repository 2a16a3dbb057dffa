"""Tools of others: what they say about our videos becomes evidence like everything else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import Any

from langchain.agents.middleware import AgentMiddleware
from langchain.agents.middleware.types import ToolCallRequest
from langchain_core.messages import ToolMessage
from langgraph.types import Command

from videochat.agent.prompts import fenced
from videochat.agent.toolbox import Toolbox
from videochat.records import Caption

Outcome = ToolMessage | Command[Any]


class ForeignTools(AgentMiddleware):
    """Stores and numbers the captions in the artifacts of foreign tools.

    Args:
        toolbox: whose evidence and memory they go to.
        names: of the foreign tools.
    """

    def __init__(self, toolbox: Toolbox, names: Collection[str]) -> None:
        super().__init__()
        self.toolbox, self.names = toolbox, names

    def wrap_tool_call(self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Outcome]) -> Outcome:
        """Call the tool and take over what it saw."""
        return self._adopt(handler(request))

    async def awrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Awaitable[Outcome]]
    ) -> Outcome:
        """Call the tool and take over what it saw."""
        return self._adopt(await handler(request))

    def _adopt(self, result: Outcome) -> Outcome:
        if not isinstance(result, ToolMessage) or result.name not in self.names:
            return result
        if not isinstance(result.artifact, list):
            return result
        known = {video.id: video for video in self.toolbox.video_set.videos}
        items = [item for item in result.artifact if isinstance(item, dict) and item.get("video_id") in known]
        try:
            captions = [Caption.from_dict(item) for item in items]
        except (TypeError, ValueError):
            return result
        if not captions:
            return result
        for caption in captions:
            self.toolbox.video_set.captions_of(known[caption.video_id]).record([caption])
            self.toolbox.evidence.look_at(caption.video_id, caption.start_seconds, caption.end_seconds)
        self.toolbox.evidence.add(captions)
        return result.model_copy(update={"content": fenced(self.toolbox.as_text(captions))})
