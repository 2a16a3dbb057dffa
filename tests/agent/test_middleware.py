"""What an answer must have, and captions that tools of other packages bring."""

from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool

from videochat import VideoAgent
from videochat.agent.citations import Evidence
from videochat.agent.limits import Limits, LimitsMiddleware
from videochat.agent.middleware import NO_ANSWER, AnswerCheck
from videochat.agent.multiple_choice import Choice
from videochat.memory import CaptionStore
from videochat.records import Caption
from videochat.testing import ScriptedLLM, call

CAPTION = Caption("v1", 14.0, 18.0, "speech", "the milk is poured", "test")


def check(choice: Choice | None = None, *, confirmed: bool = True) -> AnswerCheck:
    evidence = Evidence()
    evidence.add([CAPTION])
    return AnswerCheck(evidence, LimitsMiddleware(Limits()), choice, check_confirmed=confirmed)


def after(answer_check: AnswerCheck, message: AIMessage) -> dict[str, Any] | None:
    return answer_check.after_model({"messages": [HumanMessage("When?"), message]}, None)


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (AIMessage(" "), "empty answer"),
        (AIMessage("It is milk."), "letter of one option in parentheses: (A), (B)"),
        (AIMessage("(A) Milk [1]."), "[1] (seconds 14 to 18, 00:14-00:18) was only found by a search"),
    ],
)
def test_each_lack_is_told_once(message: AIMessage, told: str) -> None:
    answer_check = check(Choice("What?", {"A": "water", "B": "wine"}))
    update = after(answer_check, message)
    assert update is not None
    assert update["jump_to"] == "model"
    assert told in update["messages"][-1].text
    assert after(answer_check, message) is None


def test_an_answer_that_lacks_nothing_is_taken() -> None:
    assert after(check(confirmed=False), AIMessage("Milk [1].")) is None
    confirmed = check()
    confirmed.evidence.look_at("v1", 10, 20)
    assert after(confirmed, AIMessage("Milk [1].")) is None


def test_calls_of_tools_are_left_alone() -> None:
    assert after(check(), call("read", start=0, end=5)) is None


def test_a_call_that_is_not_json_is_asked_for_again_and_replaced() -> None:
    bad = {"name": "read", "args": '{"sta', "id": "c1", "error": "cut", "type": "invalid_tool_call"}
    answer_check = check()
    for _ in range(3):
        update = after(answer_check, AIMessage("", id="m1", invalid_tool_calls=[bad]))
        assert update is not None
        replaced, told = update["messages"]
        assert (replaced.id, replaced.invalid_tool_calls) == ("m1", [])
        assert NO_ANSWER in replaced.additional_kwargs
        assert "call of read could not be read" in told.text
    update = after(answer_check, AIMessage("", id="m1", invalid_tool_calls=[bad]))
    assert update is not None
    assert "jump_to" not in update


def test_captions_of_foreign_tools_are_stored_and_can_be_cited(
    tea: Path, tmp_path: Path, tea_memory: CaptionStore
) -> None:
    video_id = VideoAgent(tea, memory=tea_memory, llm="extractive").video.id
    steam = Caption(video_id, 10.0, 12.0, "objects", "steam", "their detector")
    other = Caption("elsewhere", 0.0, 1.0, "objects", "a cat", "their detector")

    @tool(response_format="content_and_artifact")
    def detect(what: str) -> tuple[str, list[dict[str, Any]]]:
        """Detect things."""
        return "found", [steam.as_dict(), other.as_dict()]

    def cite(messages: list[Any]) -> str:
        assert isinstance(messages[-1], ToolMessage)
        assert "<video>" in messages[-1].text
        number = messages[-1].text.split("[")[-1].split("]")[0]
        return f"Steam [{number}]."

    llm = ScriptedLLM(call("detect", what="steam"), cite)
    with CaptionStore(tmp_path, embeddings="builtin") as memory:
        agent = VideoAgent(tea, memory=memory, preset=["subtitles"], llm=llm, tools=[detect])
        answer = agent.ask("When is there steam?")
        assert answer.status == "grounded", answer
        assert [citation.caption for citation in answer.citations] == [steam]
        assert agent.captions("objects") == [steam]
