"""Limits of one answer: how many calls, seconds and tokens the model may use before it must answer.

LangChain's `create_agent` has none: a model that keeps calling tools goes on for thousands of calls.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

from langchain.agents.middleware import AgentMiddleware
from langchain.agents.middleware.types import ModelRequest, ModelResponse, ToolCallRequest, hook_config
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolCall, ToolMessage
from langgraph.errors import GraphBubbleUp
from langgraph.types import Command

from videochat.agent.prompts import LAST_CALL
from videochat.errors import check_number
from videochat.fence import unfenced
from videochat.records import Step, Usage

_T = TypeVar("_T")
ToolResult = ToolMessage | Command[Any]
"""What a call of a tool gives."""

# For the answer itself, after a limit was reached between two calls.
_GRACE_SECONDS = 30.0


@dataclass(frozen=True)
class Limits:
    """Limits of one answer. The call after a limit is the last one: the model is told to answer from what it has.

    Raises:
        InvalidArgument: a limit is not positive.
    """

    model_calls: int = 12
    """Calls of the language model."""
    tool_calls: int = 24
    """Calls of tools."""
    seconds: float = 600.0
    """From the question on, without the first watch. A model that hangs is left behind then."""
    tokens: int = 400_000
    """Read and written together, where the model reports them."""

    def __post_init__(self) -> None:
        for name in ("model_calls", "tool_calls", "seconds", "tokens"):
            check_number(f"The limit {name}", getattr(self, name), above=0)


class OutOfTime(Exception):
    """A model or a tool did not return in time."""


class LimitsMiddleware(AgentMiddleware):
    """Counts what one answer costs, stops it at its limits, and turns exceptions of tools into messages.

    One object serves one answer. Calls of tools that the model makes together come in parallel threads.

    Args:
        limits: of this answer.
    """

    def __init__(self, limits: Limits) -> None:
        super().__init__()
        self.limits = limits
        self.hit: str | None = None
        """The limit that was reached, in words."""
        self.model_calls = 0
        self.tool_calls = 0
        self.tokens = {"input_tokens": 0, "output_tokens": 0}
        self.steps: list[Step] = []
        """What `Answer.steps` tells: calls in the order in which the model made them."""
        self._called: list[tuple[str | None, Step]] = []
        self._began = time.monotonic()
        self._last = False
        self._guard = threading.Lock()

    @property
    def seconds(self) -> float:
        """How long it has taken."""
        return time.monotonic() - self._began

    @property
    def stopped(self) -> bool:
        """Whether no further call may follow."""
        return self._last

    def usage(self) -> Usage:
        """Return what `Answer.usage` tells."""
        reported = self.tokens if any(self.tokens.values()) else {}
        return Usage(round(self.seconds, 3), self.model_calls, self.tool_calls, **reported)

    def _check_limits(self) -> None:
        limits = self.limits
        if self.hit is None:
            if 0 < self.model_calls >= limits.model_calls - 1:
                self.hit = f"{limits.model_calls} model calls"
            elif self.tool_calls >= limits.tool_calls:
                self.hit = f"{limits.tool_calls} tool calls"
            elif sum(self.tokens.values()) >= limits.tokens:
                self.hit = f"{limits.tokens} tokens"
            elif self.seconds >= limits.seconds:
                self.hit = f"{limits.seconds:g} seconds"

    def _before_model(self, request: ModelRequest[Any]) -> ModelRequest[Any]:
        self._check_limits()
        self.model_calls += 1
        self._last = self.hit is not None or self.model_calls >= self.limits.model_calls
        if self.hit is None:
            return request
        # Tools stay bound: some providers refuse a history with calls of tools that they are not given.
        told = HumanMessage(LAST_CALL.format(limit=self.hit))
        return request.override(messages=[*request.messages, told])

    def _after_model(self, response: ModelResponse[Any]) -> ModelResponse[Any]:
        for message in response.result:
            self.count(message)
        return response

    def count(self, message: BaseMessage) -> None:
        """Count the tokens of a reply, where the model reports them."""
        if isinstance(message, AIMessage) and message.usage_metadata:
            self.tokens["input_tokens"] += message.usage_metadata["input_tokens"]
            self.tokens["output_tokens"] += message.usage_metadata["output_tokens"]

    def _left(self) -> float:
        left = self.limits.seconds - self.seconds
        return max(left, min(_GRACE_SECONDS, self.limits.seconds)) if self._last else max(left, 0.01)

    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], ModelResponse[Any]]
    ) -> ModelResponse[Any]:
        """Call the model within the time that is left.

        Raises:
            OutOfTime: it did not answer in time.
        """
        request = self._before_model(request)
        try:
            return self._after_model(within(self._left(), lambda: handler(request)))
        except OutOfTime:
            self.hit = self.hit or f"{self.limits.seconds:g} seconds"
            raise

    async def awrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]]
    ) -> ModelResponse[Any]:
        """Call the model within the time that is left.

        Raises:
            OutOfTime: it did not answer in time.
        """
        request = self._before_model(request)
        try:
            async with asyncio.timeout(self._left()):
                return self._after_model(await handler(request))
        except TimeoutError as error:
            if self.seconds < self.limits.seconds:
                raise
            self.hit = self.hit or f"{self.limits.seconds:g} seconds"
            raise OutOfTime from error

    @hook_config(can_jump_to=["end"])
    def after_model(self, state: Any, runtime: Any) -> dict[str, Any] | None:
        """End after the last call, whatever the model still wants."""
        calls = state["messages"][-1].tool_calls
        if not self._last:
            with self._guard:
                self._called = [(call["id"], _step(call)) for call in calls]
                self.steps += [step for _, step in self._called]
            return None
        if self.hit is None and calls:
            self.hit = f"{self.limits.model_calls} model calls"
        return {"jump_to": "end"}

    def wrap_tool_call(self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], ToolResult]) -> ToolResult:
        """Call a tool; whatever goes wrong is told to the model."""
        step, refusal = self._begin_tool(request)
        if refusal is not None:
            return refusal
        began = time.monotonic()
        try:
            left = max(self.limits.seconds - self.seconds, 0.01)
            return self._end_tool(step, began, within(left, lambda: handler(request)))
        except GraphBubbleUp:
            raise
        except Exception as error:
            return self._end_tool(step, began, self._failed(request, error))

    async def awrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Awaitable[ToolResult]]
    ) -> ToolResult:
        """Call a tool; whatever goes wrong is told to the model."""
        step, refusal = self._begin_tool(request)
        if refusal is not None:
            return refusal
        began = time.monotonic()
        try:
            async with asyncio.timeout(max(self.limits.seconds - self.seconds, 0.01)):
                return self._end_tool(step, began, await handler(request))
        except GraphBubbleUp:
            raise
        except Exception as error:
            return self._end_tool(step, began, self._failed(request, error))

    def _begin_tool(self, request: ToolCallRequest) -> tuple[Step, ToolMessage | None]:
        call = request.tool_call
        with self._guard:
            # Two calls of one id, or of none, are served in the order in which they were made.
            at = next(at for at, (called, _) in enumerate(self._called) if called == call["id"])
            _, step = self._called.pop(at)
            if self.tool_calls < self.limits.tool_calls:
                self.tool_calls += 1
                return step, None
        step.error = f"not run: the limit of {self.limits.tool_calls} tool calls is reached"
        return step, _error_message(request, f"{step.error.capitalize()}. Answer now.")

    def _end_tool(self, step: Step, began: float, result: ToolResult) -> ToolResult:
        step.seconds = round(time.monotonic() - began, 3)
        if isinstance(result, ToolMessage):
            if result.status == "error":
                step.error = unfenced(result.text).splitlines()[0] if result.text else "failed"
            elif isinstance(result.artifact, list):
                step.captions = len(result.artifact)
        return result

    def _failed(self, request: ToolCallRequest, error: Exception) -> ToolMessage:
        name = request.tool_call["name"]
        if isinstance(error, OutOfTime | TimeoutError) and self.seconds >= self.limits.seconds:
            return _error_message(
                request, f"{name} did not return within the {self.limits.seconds:g} seconds there are."
            )
        # Only the kind of error: the words of a foreign one may hold anything.
        return _error_message(request, f"{name} failed ({type(error).__name__}). Try other arguments or another tool.")


def _step(call: ToolCall) -> Step:
    return Step(call["name"], call["args"], captions=0)


def _error_message(request: ToolCallRequest, text: str) -> ToolMessage:
    call = request.tool_call
    return ToolMessage(text, name=call["name"], tool_call_id=call["id"] or "", status="error")


def within(seconds: float, call: Callable[[], _T]) -> _T:
    """Return what `call` returns, or give up on it. Python cannot stop a thread: one that hangs is left behind.

    Raises:
        OutOfTime: it did not return within `seconds`.
    """
    outcome: Future[_T] = Future()
    context = contextvars.copy_context()

    def run() -> None:
        try:
            outcome.set_result(context.run(call))
        except BaseException as error:
            outcome.set_exception(error)

    threading.Thread(target=run, daemon=True, name="videochat-call").start()
    try:
        return outcome.result(seconds)
    except TimeoutError:
        if outcome.done():
            raise
        raise OutOfTime(f"no answer within {seconds:g} seconds") from None
