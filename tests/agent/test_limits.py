"""Limits count, stop and keep exceptions of tools from ending a run."""

import threading
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.tools import BaseTool, tool

from videochat.agent.limits import Limits, LimitsMiddleware, OutOfTime, within
from videochat.errors import InvalidArgument
from videochat.testing import ScriptedLLM, call


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@tool
def fail(why: str) -> str:
    """Fail."""
    raise RuntimeError(why)


def run(llm: ScriptedLLM, *tools: BaseTool, **limits: Any) -> tuple[LimitsMiddleware, list[Any]]:
    middleware = LimitsMiddleware(Limits(**limits))
    agent = create_agent(llm, list(tools), middleware=[middleware])
    return middleware, agent.invoke({"messages": [HumanMessage("Add.")]})["messages"]


def test_calls_and_tokens_are_counted() -> None:
    costly = call("add", a=1, b=2).model_copy(
        update={"usage_metadata": {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10}}
    )
    middleware, messages = run(ScriptedLLM(costly, "3"), add)
    usage = middleware.usage()
    assert (usage.model_calls, usage.tool_calls, usage.input_tokens, usage.output_tokens) == (2, 1, 7, 3)
    assert [(step.tool, step.args, step.error) for step in middleware.steps] == [("add", {"a": 1, "b": 2}, None)]
    assert middleware.hit is None
    assert messages[-1].text == "3"


def test_tokens_that_are_not_reported_are_not_told() -> None:
    middleware, _ = run(ScriptedLLM("3"))
    assert "input_tokens" not in middleware.usage().as_dict()


@pytest.mark.parametrize(
    ("limits", "hit"), [({"model_calls": 3}, "3 model calls"), ({"tool_calls": 2}, "2 tool calls")]
)
def test_the_call_after_a_limit_is_the_last(limits: dict[str, Any], hit: str) -> None:
    llm = ScriptedLLM(*[call("add", a=1, b=1)] * 9)
    middleware, _ = run(llm, add, **limits)
    assert middleware.hit == hit
    assert middleware.stopped
    assert len(llm.sent) == 3
    assert f"(limit: {hit})" in llm.sent[-1][-1].text


def test_an_exception_of_a_tool_is_told_without_its_words() -> None:
    middleware, messages = run(ScriptedLLM(call("fail", why="/etc/passwd"), "Sorry."), fail)
    assert middleware.steps[0].error == "fail failed (RuntimeError). Try other arguments or another tool."
    assert "passwd" not in messages[2].text


@pytest.mark.parametrize("name", ["model_calls", "tool_calls", "seconds", "tokens"])
@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_a_limit_must_be_positive(name: str, value: Any) -> None:
    with pytest.raises(InvalidArgument, match=f"The limit {name} must be a number above 0"):
        Limits(**{name: value})


def test_within_gives_what_a_call_gives_and_leaves_one_that_hangs() -> None:
    never = threading.Event()
    assert within(60, lambda: AIMessage("a")).text == "a"
    with pytest.raises(OutOfTime, match="within 0.05 seconds"):
        within(0.05, never.wait)
    never.set()
    with pytest.raises(ValueError, match="of the call"):
        within(60, lambda: int("of the call"))
    with pytest.raises(TimeoutError, match="its own"):
        within(60, _time_out)


def _time_out() -> None:
    raise TimeoutError("its own")
