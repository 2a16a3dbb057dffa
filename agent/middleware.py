"""LangChain middleware: a check of the answer, and captions that tools of other packages bring."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import Any

from langchain.agents.middleware import AgentMiddleware
from langchain.agents.middleware.types import ToolCallRequest, hook_config
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, InvalidToolCall, ToolMessage

from videochat.agent.grounding import SentenceCheck, plain
from videochat.agent.limits import LimitsMiddleware, ToolResult
from videochat.agent.multiple_choice import Choice
from videochat.agent.prompts import CALL_AGAIN, CONFIRM, EMPTY, NAME_AN_OPTION
from videochat.agent.toolbox import Toolbox
from videochat.fence import fenced
from videochat.records import Caption

NO_ANSWER = "no_answer"
"""Key in `additional_kwargs` of a message of ours that stands for one of the model's and is no answer."""

# A model that cannot write JSON is not asked for it forever.
_MOST_BAD_CALLS = 3


class AnswerCheck(AgentMiddleware):
    """Sends an answer back to the model, once for each reason, that lacks something.

    Sent back are: an empty answer; a tool call whose arguments are not JSON, which would otherwise end the run with
    an empty answer; an answer that names none of the options; and one with a sentence that what it cites does not bear.

    Args:
        check: holds the sentences of an answer against what they cite.
        limits: tells when the model may not be called again.
        choice: the options of the question, if it has any.
        look_again: whether a sentence that is not borne out goes back, which needs tools to look with.
    """

    def __init__(
        self,
        check: Callable[[str], list[SentenceCheck]],
        limits: LimitsMiddleware,
        choice: Choice | None,
        *,
        look_again: bool,
    ) -> None:
        super().__init__()
        self.check, self.limits, self.choice = check, limits, choice
        self.look_again = look_again
        self._sent_back: list[str] = []

    @hook_config(can_jump_to=["model"])
    def after_model(self, state: Any, runtime: Any) -> dict[str, Any] | None:
        """Take the answer, or tell the model what it lacks."""
        message = state["messages"][-1]
        if not isinstance(message, AIMessage):
            return None
        bad_calls = message.invalid_tool_calls
        update: list[BaseMessage] = []
        if bad_calls:
            # Some providers refuse a history with a call that has no result, others one with broken JSON.
            message = _without_bad_calls(message)
            update.append(message)
        if message.tool_calls or self.limits.stopped:
            return {"messages": update} if update else None
        reason, request = self._lacks(message, bad_calls)
        if not reason:
            return {"messages": update} if update else None
        self._sent_back.append(reason)
        return {"messages": [*update, HumanMessage(request)], "jump_to": "model"}

    def _lacks(self, message: AIMessage, bad_calls: list[InvalidToolCall]) -> tuple[str, str]:
        """Return the reason why an answer goes back and what the model is told; empty texts if it is taken."""
        if bad_calls:
            tool = bad_calls[0]["name"] or "a tool"
            again = self._sent_back.count("call") < _MOST_BAD_CALLS
            return ("call", CALL_AGAIN.format(tool=tool)) if again else ("", "")
        text = message.text.strip()
        if not text:
            return ("empty", EMPTY) if "empty" not in self._sent_back else ("", "")
        if self.choice and not self.choice.chosen_in(text) and "option" not in self._sent_back:
            return "option", NAME_AN_OPTION.format(letters=", ".join(f"({letter})" for letter in self.choice.options))
        if self.look_again and "confirm" not in self._sent_back:
            for check in self.check(text):
                if check.problem and check.captions:
                    return "confirm", CONFIRM.format(sentence=plain(check.sentence), problem=check.problem)
        return "", ""


def _without_bad_calls(message: AIMessage) -> AIMessage:
    bad = ", ".join(call["name"] or "a tool" for call in message.invalid_tool_calls)
    text = message.text or ("" if message.tool_calls else f"(A call of {bad} that could not be read.)")
    # The raw calls in additional_kwargs would be sent again.
    return AIMessage(
        text,
        id=message.id,
        tool_calls=message.tool_calls,
        usage_metadata=message.usage_metadata,
        additional_kwargs={} if message.text else {NO_ANSWER: True},
    )


class ForeignTools(AgentMiddleware):
    """Stores and numbers captions of our videos that tools of other packages return as their artifact.

    Args:
        toolbox: whose evidence and memory they go to.
        names: of those tools.
    """

    def __init__(self, toolbox: Toolbox, names: Collection[str]) -> None:
        super().__init__()
        self.toolbox, self.names = toolbox, names

    def wrap_tool_call(self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], ToolResult]) -> ToolResult:
        """Call the tool and take over its captions."""
        return self._take_over(handler(request))

    async def awrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Awaitable[ToolResult]]
    ) -> ToolResult:
        """Call the tool and take over its captions."""
        return self._take_over(await handler(request))

    def _take_over(self, result: ToolResult) -> ToolResult:
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
        return result.model_copy(update={"content": fenced(self.toolbox.as_text(captions))})
