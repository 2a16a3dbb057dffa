"""The LangGraph graph that answers one question: a LangChain agent with limits, a bounded window, and checks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from langchain.agents import create_agent
from langchain.agents.middleware import (
    AgentMiddleware,
    ClearToolUsesEdit,
    ContextEditingMiddleware,
    ModelRetryMiddleware,
)
from langchain_core.exceptions import ModelError
from langchain_core.language_models import BaseChatModel
from langchain_core.tools import BaseTool

from videochat.agent.chat_models import ChatModel
from videochat.agent.limits import LimitsMiddleware
from videochat.agent.middleware import AnswerCheck, ForeignTools
from videochat.agent.model_input import CLEARED, PicturesToUser, ShrinkOnOverflow

# Tool results that stay whole when the window gets narrow.
_KEPT_RESULTS = 2


def make_graph(
    llm: ChatModel,
    tools: Sequence[BaseTool],
    *,
    system: str,
    limits: LimitsMiddleware,
    answer_check: AnswerCheck,
    foreign_tools: ForeignTools,
    window: int,
) -> Any:
    """Return the compiled LangGraph graph that answers one question.

    Args:
        llm: a LangChain chat model; without `tools` it need not be able to call any.
        tools: what it may call.
        system: the system message; empty for none.
        limits: of this answer.
        answer_check: what the answer must have.
        foreign_tools: takes over captions that tools of other packages bring.
        window: tokens that the model reads at once; from half of that on old tool results are left out.
    """
    middleware: list[AgentMiddleware] = [
        limits,
        ContextEditingMiddleware(
            edits=[ClearToolUsesEdit(trigger=window // 2, keep=_KEPT_RESULTS, placeholder=CLEARED)]
        ),
        foreign_tools,
        PicturesToUser(),
        ShrinkOnOverflow(),
    ]
    if not hasattr(llm, "max_retries"):
        # Clients of hosted models try again by themselves; two who do would multiply.
        middleware.append(ModelRetryMiddleware(max_retries=2, retry_on=may_pass, on_failure="error", initial_delay=0.5))
    # checkpointer=False: inside of somebody else's graph our work must not end up in their checkpoints.
    return create_agent(
        # What `create_agent` calls, `bind_tools` and `invoke`, other Runnables have as well.
        cast("BaseChatModel", llm),
        list(tools),
        system_prompt=system or None,
        middleware=[*middleware, answer_check],
        checkpointer=False,
    )


def may_pass(error: Exception) -> bool:
    """Whether an error of a model may be gone when it is called again."""
    return error.is_retryable if isinstance(error, ModelError) else isinstance(error, ConnectionError)
