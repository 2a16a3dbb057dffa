"""The loop of one answer: a LangChain agent with brakes, a window that does not overflow, and a last word."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain.agents import create_agent
from langchain.agents.middleware import (
    AgentMiddleware,
    ClearToolUsesEdit,
    ContextEditingMiddleware,
    ModelRetryMiddleware,
)
from langchain_core.exceptions import ModelError
from langchain_core.tools import BaseTool

from videochat.agent.acceptance import AnswerCheck
from videochat.agent.context import CLEARED, PicturesToUser, ShrinkOnOverflow
from videochat.agent.guests import ForeignTools
from videochat.agent.limits import LimitsMiddleware

# Tool results that stay whole when the window gets narrow.
_KEPT_RESULTS = 2


def make_loop(
    llm: Any,
    tools: Sequence[BaseTool],
    *,
    system: str,
    braking: LimitsMiddleware,
    acceptance: AnswerCheck,
    guests: ForeignTools,
    window: int,
) -> Any:
    """Return the LangGraph graph that answers one question.

    Args:
        llm: a LangChain chat model; without `tools` it needs not be able to call any.
        tools: what it may call.
        system: the system message.
        braking: limits of this answer.
        acceptance: what the answer must have.
        guests: takes over what foreign tools saw.
        window: tokens that the model reads at once; from half of that on old tool results are left out.
    """
    middleware: list[AgentMiddleware] = [
        braking,
        ContextEditingMiddleware(
            edits=[ClearToolUsesEdit(trigger=window // 2, keep=_KEPT_RESULTS, placeholder=CLEARED)]
        ),
        guests,
        PicturesToUser(),
        ShrinkOnOverflow(),
    ]
    if not hasattr(llm, "max_retries"):
        # Clients of hosted models try again by themselves; two who do would multiply.
        middleware.append(ModelRetryMiddleware(max_retries=2, retry_on=_passes, on_failure="error", initial_delay=0.5))
    # checkpointer=False: inside of somebody else's graph our work must not end up in their checkpoints.
    return create_agent(
        llm, list(tools), system_prompt=system, middleware=[*middleware, acceptance], checkpointer=False
    )


def _passes(error: Exception) -> bool:
    """Whether trying again may help."""
    return error.is_retryable if isinstance(error, ModelError) else isinstance(error, ConnectionError)
