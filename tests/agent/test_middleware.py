"""What an answer must have, and captions that tools of other packages bring."""

from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool

from videochat import VideoAgent
from videochat.agent.citations import Evidence
from videochat.agent.grounding import SentenceCheck, check_sentences
from videochat.agent.limits import Limits, LimitsMiddleware
from videochat.agent.middleware import NO_ANSWER, AnswerCheck
from videochat.agent.multiple_choice import Choice
from videochat.memory import CaptionStore
from videochat.records import Caption
from videochat.testing import ScriptedLLM, call

CAPTION = Caption("v1", 14.0, 18.0, "speech", "the milk is poured", "test")


def held(text: str) -> list[SentenceCheck]:
    """Hold an answer against one caption, as a run does."""
    evidence = Evidence()
    evidence.add([CAPTION])
    return check_sentences(text, evidence, duration_seconds=60.0)


def check(choice: Choice | None = None, *, look_again: bool = True) -> AnswerCheck:
    return AnswerCheck(held, LimitsMiddleware(Limits()), choice, look_again=look_again)


def after(answer_check: AnswerCheck, message: AIMessage) -> dict[str, Any] | None:
    return answer_check.after_model({"messages": [HumanMessage("When?"), message]}, None)


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (AIMessage(" "), "empty answer"),
        (AIMessage("It is milk."), "letter of one option in parentheses: (A), (B)"),
        (
            AIMessage("(A) The milk is poured at 00:50 [1]."),
            "“(A) The milk is poured at 00:50.” is not borne out by what it cites (it says 00:50, which 00:14-00:18",
        ),
        (AIMessage("(A) A dog chases seagulls [1]."), "(nothing cited says 'dog')"),
    ],
)
def test_each_lack_is_told_once(message: AIMessage, told: str) -> None:
    answer_check = check(Choice("What?", {"A": "water", "B": "wine"}))
    update = after(answer_check, message)
    assert update is not None
    assert update["jump_to"] == "model"
    assert told in update["messages"][-1].text
    assert after(answer_check, message) is None


@pytest.mark.parametrize(
    "answer",
    ["The milk is poured [1].", "The milk is poured [1]. A cat comes.", "Nothing noted in the video answers this."],
)
def test_an_answer_whose_citations_bear_it_is_taken(answer: str) -> None:
    assert after(check(), AIMessage(answer)) is None


def test_an_answer_goes_back_once_however_many_sentences_are_not_borne_out() -> None:
    answer_check = check()
    update = after(answer_check, AIMessage("The milk is poured [1]. A dog barks [1]. A cat sleeps [1]."))
    assert update is not None
    assert "“A dog barks.”" in update["messages"][-1].text
    assert after(answer_check, AIMessage("A cat sleeps [1].")) is None


def test_without_tools_to_look_with_nothing_goes_back_for_its_citations() -> None:
    assert after(check(look_again=False), AIMessage("A dog barks [1].")) is None


def test_when_the_model_may_not_be_called_again_the_answer_is_taken(tea: Path, tea_memory: CaptionStore) -> None:
    llm = ScriptedLLM("A dog barks [1].")
    agent = VideoAgent(tea, memory=tea_memory, llm=llm, limits=Limits(model_calls=1), verify=False)
    answer = agent.ask("When is the milk poured?")
    assert answer.text == "A dog barks [00:14-00:18]."
    assert answer.status == "partly"


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
        agent = VideoAgent(tea, memory=memory, preset=["subtitles"], llm=llm, tools=[detect], verify=False)
        answer = agent.ask("When is there steam?")
        assert answer.status == "grounded", answer
        assert [citation.caption for citation in answer.citations] == [steam]
        assert agent.captions("objects") == [steam]
