"""What is sent to a model: pictures from the user, and less where it was too long."""

from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.exceptions import ContextOverflowError
from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, HumanMessage, ToolMessage

from videochat.agent.model_input import CLEARED, ShrinkOnOverflow, overflowed, pictures_to_user
from videochat.testing import ScriptedLLM

PICTURE = {"type": "image", "base64": "AAAA", "mime_type": "image/jpeg"}


OTHER = {"type": "image", "base64": "BBBB", "mime_type": "image/jpeg"}


def test_pictures_of_tools_come_from_the_user_after_all_results_each_after_its_words() -> None:
    words, later = {"type": "text", "text": "At 3 s [1]:"}, {"type": "text", "text": "At 5 s [2]:"}
    blocks: list[str | dict[Any, Any]] = [words, PICTURE, later, OTHER]
    results = [ToolMessage(blocks, tool_call_id="a"), ToolMessage("noted", tool_call_id="b")]
    sent = pictures_to_user([HumanMessage("Q"), AIMessage(""), *results, AIMessage("A")])
    assert [type(message).__name__ for message in sent] == [
        "HumanMessage",
        "AIMessage",
        "ToolMessage",
        "ToolMessage",
        "HumanMessage",
        "AIMessage",
    ]
    assert [line for line in str(sent[2].content).splitlines() if line] == ["At 3 s [1]:", "At 5 s [2]:"]
    assert sent[4].content[1:] == blocks
    assert results[0].content == blocks, "the conversation keeps them where they were"


def test_without_pictures_nothing_changes() -> None:
    messages: list[AnyMessage] = [HumanMessage("Q"), ToolMessage("noted", tool_call_id="b")]
    assert pictures_to_user(messages) == messages


def test_words_of_a_tool_without_pictures_stay_with_the_tool() -> None:
    blocks = ToolMessage([{"type": "text", "text": "noted"}, "and heard"], tool_call_id="b")
    (sent,) = pictures_to_user([blocks])
    assert isinstance(sent, ToolMessage)
    assert sent.content == "noted\nand heard"


@pytest.mark.parametrize(
    ("error", "is_one"),
    [
        (ContextOverflowError("no"), True),
        (ValueError("This model's maximum context length is 12 tokens"), True),
        (ValueError("Prompt is too long: 210000 tokens"), True),
        (ValueError("rate limit"), False),
    ],
)
def test_an_overflow_is_known_by_class_or_words(error: Exception, is_one: bool) -> None:
    assert overflowed(error) == is_one


def test_after_an_overflow_old_results_go_and_the_ends_of_the_longest_stay() -> None:
    long = "\n".join(f"line {i} of many" for i in range(500))
    history: list[Any] = [
        HumanMessage(f"{long}\nQuestion: what?"),
        AIMessage("", tool_calls=[{"name": "read", "args": {}, "id": i} for i in "ab"]),
        ToolMessage("old", tool_call_id="a"),
        ToolMessage("new", tool_call_id="b"),
    ]
    sizes: list[int] = []

    def picky(messages: list[BaseMessage]) -> str:
        sizes.append(sum(len(message.text) for message in messages))
        if len(sizes) < 3:
            raise ContextOverflowError("too long")
        assert messages[0].text.startswith("line 0 of many\n")
        assert messages[0].text.endswith("Question: what?")
        assert "(left out: " in messages[0].text
        assert [message.text for message in messages[2:]] == [CLEARED, "new"]
        return "done"

    agent = create_agent(ScriptedLLM(picky, picky, picky), [], middleware=[ShrinkOnOverflow()])
    assert agent.invoke({"messages": history})["messages"][-1].text == "done"
    assert sizes[0] > sizes[1] > sizes[2]
