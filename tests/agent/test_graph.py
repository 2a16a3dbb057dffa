"""The graph of one answer on its own."""

from pathlib import Path
from typing import Any

import pytest
from langchain_core.exceptions import ModelRateLimitError
from langchain_core.messages import HumanMessage

from videochat.agent.citations import Evidence
from videochat.agent.graph import make_graph, may_pass
from videochat.agent.limits import Limits, LimitsMiddleware
from videochat.agent.middleware import AnswerCheck, ForeignTools
from videochat.agent.toolbox import Toolbox
from videochat.agent.video_set import VideoSet
from videochat.memory import CaptionStore
from videochat.testing import ScriptedLLM, call


def graph(llm: ScriptedLLM, tea: Path, memory: CaptionStore, *, with_tools: bool) -> Any:
    evidence, limits = Evidence(), LimitsMiddleware(Limits())
    toolbox = Toolbox(VideoSet([tea], memory=memory), evidence)
    return make_graph(
        llm,
        toolbox.get_tools() if with_tools else [],
        system="Answer.",
        limits=limits,
        answer_check=AnswerCheck(lambda text: [], limits, None, look_again=with_tools),
        foreign_tools=ForeignTools(toolbox, ()),
        window=32_000,
    )


def test_it_calls_tools_and_sends_the_system_message(tea: Path, tea_memory: CaptionStore) -> None:
    llm = ScriptedLLM(call("read", start=13, end=18), "Milk [1].")
    messages = graph(llm, tea, tea_memory, with_tools=True).invoke({"messages": [HumanMessage("When?")]})["messages"]
    assert [message.type for message in messages] == ["human", "ai", "tool", "ai"]
    assert llm.sent[0][0].text == "Answer."


def test_without_tools_none_are_bound(tea: Path, tea_memory: CaptionStore) -> None:
    llm = ScriptedLLM("Milk.")
    graph(llm, tea, tea_memory, with_tools=False).invoke({"messages": [HumanMessage("When?")]})
    assert llm.bound == []


@pytest.mark.parametrize(
    ("error", "passes"),
    [(ModelRateLimitError("429"), True), (ConnectionError("reset"), True), (ValueError("bad"), False)],
)
def test_what_may_pass_is_tried_again(tea: Path, tea_memory: CaptionStore, error: Exception, passes: bool) -> None:
    assert may_pass(error) == passes
    llm = ScriptedLLM(error, "Milk.")
    asked = graph(llm, tea, tea_memory, with_tools=False)
    if passes:
        assert asked.invoke({"messages": [HumanMessage("When?")]})["messages"][-1].text == "Milk."
    else:
        with pytest.raises(ValueError, match="bad"):
            asked.invoke({"messages": [HumanMessage("When?")]})
