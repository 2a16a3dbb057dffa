"""LangChain middleware for what the model is sent: pictures in a user message, less text after an overflow."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from langchain.agents.middleware import AgentMiddleware
from langchain.agents.middleware.types import ModelRequest, ModelResponse
from langchain_core.exceptions import ContextOverflowError
from langchain_core.messages import AnyMessage, BaseMessage, HumanMessage, ToolMessage

CLEARED = "(Left out to save room. Its numbers stay valid; read the range again if you need its words.)"

# Share of the longest message that is kept at the first and at the second refusal.
_KEPT_SHARES = (0.5, 0.2)


def overflowed(error: BaseException) -> bool:
    """Whether a model refused its input for being too long."""
    words = str(error).casefold()
    said = ("context length", "context window", "context_length", "maximum context", "prompt is too long")
    return isinstance(error, ContextOverflowError) or any(part in words for part in said)


class ShrinkOnOverflow(AgentMiddleware):
    """Tries again with less when a model says that its input is too long.

    Old tool results go, and the longest messages are cut; their ends stay, where the question is.
    """

    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], ModelResponse[Any]]
    ) -> ModelResponse[Any]:
        """Call the model, and again with shorter messages."""
        for share in _KEPT_SHARES:
            try:
                return handler(request)
            except Exception as error:
                if not overflowed(error):
                    raise
                request = request.override(messages=_shorter(request.messages, share))
        return handler(request)

    async def awrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]]
    ) -> ModelResponse[Any]:
        """Call the model, and again with shorter messages."""
        for share in _KEPT_SHARES:
            try:
                return await handler(request)
            except Exception as error:
                if not overflowed(error):
                    raise
                request = request.override(messages=_shorter(request.messages, share))
        return await handler(request)


class PicturesToUser(AgentMiddleware):
    """Moves pictures from tool results into a user message that follows them.

    Chat completions take pictures from the user only. The state keeps them where they were; only what is sent
    changes.
    """

    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], ModelResponse[Any]]
    ) -> ModelResponse[Any]:
        """Call the model with pictures moved."""
        return handler(request.override(messages=pictures_to_user(request.messages)))

    async def awrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]]
    ) -> ModelResponse[Any]:
        """Call the model with pictures moved."""
        return await handler(request.override(messages=pictures_to_user(request.messages)))


def pictures_to_user(messages: Sequence[AnyMessage]) -> list[AnyMessage]:
    """Return messages with the pictures of tool results in a user message after each run of tool results."""
    moved: list[AnyMessage] = []
    waiting: list[Any] = []

    def give() -> None:
        if waiting:
            moved.append(HumanMessage([{"type": "text", "text": "Pictures that the tools returned:"}, *waiting]))
            waiting.clear()

    for message in messages:
        if isinstance(message, ToolMessage) and isinstance(message.content, list):
            blocks = [{"type": "text", "text": b} if isinstance(b, str) else b for b in message.content]
            words = "\n".join(block.get("text", "") for block in blocks)
            # The words before a picture say when it is and how it is cited; they travel with it.
            waiting += blocks if any(block.get("type") == "image" for block in blocks) else []
            message = message.model_copy(update={"content": words})
        elif not isinstance(message, ToolMessage):
            give()
        moved.append(message)
    give()
    return moved


def _shorter(messages: Sequence[AnyMessage], share: float) -> list[AnyMessage]:
    tools = [i for i, message in enumerate(messages) if isinstance(message, ToolMessage)]
    longest = max((len(message.text) for message in messages), default=0)
    short: list[AnyMessage] = []
    for i, message in enumerate(messages):
        if i in tools[:-1]:
            message = message.model_copy(update={"content": CLEARED})
        elif len(message.text) > longest * share and isinstance(message, HumanMessage | ToolMessage):
            message = message.model_copy(update={"content": _cut(message, share)})
        short.append(message)
    return short


def _cut(message: BaseMessage, share: float) -> str:
    """Return the beginning and the end of a message, whole lines where it has any."""
    text = message.text
    room = max(int(len(text) * share / 2), 200)
    head, tail = text[:room], text[-room:]
    if len(text) <= 2 * room:
        return text
    head = head[: head.rfind("\n")] if "\n" in head else head
    tail = tail[tail.find("\n") + 1 :] if "\n" in tail else tail
    return f"{head}\n(left out: {len(text) - len(head) - len(tail)} characters)\n{tail}"
