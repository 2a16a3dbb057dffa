"""Whole stories: a model that calls tools, over a real clip, in this process and behind OpenAI's protocol."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage

from tests.fakes.openai_server import Fault, OpenAIServer
from videochat import Limits, VideoAgent
from videochat.errors import LLMError
from videochat.memory import CaptionStore
from videochat.testing import ScriptedLLM, call
from videochat.tools import make_tool

QUESTION = "Where does the telescope stand, and is anybody with it?"
READ = call("read", start=13, end=18)

pytestmark = pytest.mark.enable_socket


def numbers(sent: list[BaseMessage] | dict[str, Any]) -> Callable[[str], str]:
    """Return what finds the evidence number of a line, as a model would, in what it was sent."""
    messages = sent["messages"] if isinstance(sent, dict) else sent
    texts = [str(m["content"]) if isinstance(m, dict) else m.text for m in messages]

    def number_of(words: str) -> str:
        lines = [line for text in texts for line in text.splitlines() if re.search(words, line)]
        return re.findall(r"\[(\d+)\]", lines[-1])[-1]

    return number_of


def tell(sent: Any) -> str:
    number = numbers(sent)
    return (
        f"It stands in one of the largest cleanrooms in the world [{number('largest cleanrooms')}]. "
        f"A person is with it [{number('person')}]."
    )


SUMMARY = "A telescope is tested in a cleanroom."
STORY = (
    call("browse", question="What is this about?"),
    SUMMARY,
    call("search", query="where the telescope stands", kinds=["speech"]),
    AIMessage(
        "",
        tool_calls=[
            {"name": "read", "args": {"start": 4, "end": 9}, "id": "a"},
            {"name": "look", "args": {"start": 3, "end": 9, "tool": "objects", "rate": 2}, "id": "b"},
        ],
    ),
    tell,
    "1: CONFIRMED - it is said\n2: CONFIRMED - it was followed",
)
"""What the model says in turn; the summary is written within `browse`, and the last is a look at its own answer."""


@pytest.mark.material
@pytest.mark.parametrize("who", ["scripted", "openai-stream"])
def test_browse_search_look_closer_and_answer_with_two_citations(
    who: str, material: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, measured: list[str]
) -> None:
    yolo = make_tool("objects", model=material / "weights" / "yolov8n-int8deq.pt", device="cpu", labels=["person"])
    with ExitStack() as stack:
        memory = stack.enter_context(CaptionStore(tmp_path, embeddings="builtin"))
        server = OpenAIServer(*STORY)
        llm: Any = ScriptedLLM(*STORY)
        if who != "scripted":
            monkeypatch.setenv("OPENAI_BASE_URL", stack.enter_context(server.running()))
            monkeypatch.setenv("OPENAI_API_KEY", "test")
            llm = "openai:gpt-4.1-mini"
        video = material / "videos" / "nasa_13013.mp4"
        agent = VideoAgent(video, llm=llm, preset=["subtitles", "shots", "ocr", yolo], memory=memory)
        events = list(agent.stream(QUESTION)) if who == "openai-stream" else []
        answer = events[-1].answer if events else agent.ask(QUESTION)
    assert answer is not None
    assert answer.status == "grounded", answer
    said, seen = answer.citations
    assert said.caption.text == "space telescope in one of the largest cleanrooms in the world"
    assert (said.start_seconds, said.end_seconds) == pytest.approx((4.26, 8.35), abs=0.001)
    assert seen.caption.kind == "objects"
    assert "every 0.5 s" in seen.caption.source
    assert 3 <= seen.start_seconds < 9
    assert [step.tool for step in answer.steps] == ["browse", "search", "read", "look"]
    assert [verdict.judgement for verdict in answer.verdicts] == ["confirmed", "confirmed"]
    assert answer.usage.model_calls == 5
    if who != "scripted":
        asked = server.requests
        assert len(asked) == len(STORY)
        loop = [request for request in asked if "tools" in request]
        assert [asked.index(request) for request in loop] == [0, 2, 3, 4]
        assert {tool["function"]["name"] for tool in loop[0]["tools"]} >= {"browse", "search", "read", "look"}
        assert [bool(request.get("stream")) for request in loop] == [who == "openai-stream"] * 4
        assert SUMMARY in str(loop[1]["messages"])
        assert "cleanroom" not in str([m for m in loop[-1]["messages"] if m["role"] in ("system", "developer")])
        assert "Statement 2: A person is with it." in str(asked[-1]["messages"])
        assert answer.usage.input_tokens == 500, "the summary is the video's, not this question's"
    if events:
        tools = [event.step and event.step.tool for event in events if event.kind == "step"]
        assert tools == ["browse", "search", "read", "look"]
        assert "".join(event.text for event in events if event.kind == "token") == answer.text
    if who == "scripted":
        measured += ["A story over nasa_13013.mp4:", f"> {QUESTION}"]
        measured += [f"  {step.tool}({step.args}): {step.captions} captions" for step in answer.steps]
        measured += [str(answer), f"  {answer.status}"]


@pytest.fixture
def ask(tea: Path, tea_memory: CaptionStore, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Any, Any]]:
    """Ask through the real client; give the answer and what the server was sent."""

    def ask(*script: Any, stream: bool = False, **settings: Any) -> tuple[Any, Any]:
        server = OpenAIServer(*script)
        with server.running() as address:
            monkeypatch.setenv("OPENAI_BASE_URL", address)
            monkeypatch.setenv("OPENAI_API_KEY", "test")
            agent = VideoAgent(tea, memory=tea_memory, llm="openai:gpt-4.1-mini", **({"verify": False} | settings))
            question = "When is the milk poured?"
            answer = list(agent.stream(question))[-1].answer if stream else agent.ask(question)
        return answer, server.requests

    return ask


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "trouble",
    [
        [Fault(429, "rate_limit_exceeded", "slow down")] * 2,
        [Fault(503, "overloaded", "busy")],
        [
            AIMessage(
                "",
                invalid_tool_calls=[
                    {"name": "search", "args": '{"query": "mil', "id": "x", "error": "", "type": "invalid_tool_call"}
                ],
            )
        ],
        [call("google", query="milk")],
        [call("read", start="soon")],
        [""],
    ],
    ids=["rate limit", "overload", "cut JSON", "unknown tool", "bad argument", "empty"],
)
def test_trouble_that_passes(ask: Callable[..., tuple[Any, Any]], trouble: list[Any], stream: bool) -> None:
    answer, sent = ask(*trouble, READ, lambda r: f"Milk [{numbers(r)('is poured')}].", stream=stream)
    assert answer.status == "grounded", answer
    assert answer.text == "Milk [00:14-00:18]."
    assert len(sent) == len(trouble) + 2


def test_a_context_that_is_too_long_is_cut(ask: Callable[..., tuple[Any, Any]]) -> None:
    long = Fault(400, "context_length_exceeded", "This model's maximum context length is 900 tokens.")
    answer, sent = ask(long, lambda r: f"Milk [{numbers(r)('00:')}].", mode="retrieve")
    assert answer.status == "grounded"
    assert len(str(sent[1]["messages"])) < len(str(sent[0]["messages"]))


def test_a_server_without_tools_is_asked_without_them(ask: Callable[..., tuple[Any, Any]]) -> None:
    refusal = Fault(400, "", "this model does not support tools")
    answer, sent = ask(refusal, lambda r: f"Milk [{numbers(r)('is poured')}].")
    assert answer.status == "grounded"
    assert "tools" not in sent[1]
    assert any("call" in note and "tools" in note for note in answer.notes)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault(401, "invalid_api_key", "Incorrect API key provided"), "Incorrect API key"),
        (Fault(429, "rate_limit_exceeded", "slow down"), "slow down"),
        (Fault(500, "", "it broke"), "it broke"),
        (Fault(), "did not answer"),
    ],
    ids=["key", "rate limit", "broken", "cut"],
)
@pytest.mark.parametrize("stream", [False, True])
def test_trouble_that_stays_is_one_sentence(
    ask: Callable[..., tuple[Any, Any]], fault: Fault, words: str, stream: bool
) -> None:
    with pytest.raises(LLMError, match=words):
        ask(*[fault] * 12, stream=stream)


def test_a_server_that_says_nothing_is_left(ask: Callable[..., tuple[Any, Any]]) -> None:
    answer, _ = ask(Fault(seconds=3.0), limits=Limits(seconds=0.7))
    assert (answer.text, answer.status) == ("There is no answer.", "not_found")
    assert "limit: 0.7 seconds" in " ".join(answer.notes)
