"""Several turns, several threads, sync, async and streaming: conversations do not mix."""

import asyncio
import threading
from collections.abc import Generator
from pathlib import Path
from typing import Any, TypedDict

import pytest
from langchain_core.messages import BaseMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph

from tests.fakes.echo_chat_model import Parrot
from videochat import VideoAgent
from videochat.agent import Event
from videochat.errors import InvalidArgument, LLMError, StoreError
from videochat.memory import CaptionStore
from videochat.testing import ScriptedLLM, call

READ = call("read", start=13, end=18)


def said(agent: VideoAgent, llm: ScriptedLLM) -> list[str]:
    return [message.text for message in llm.sent[-1][1:-1]]


def test_threads_do_not_mix_and_reset_forgets_one(tea: Path, tea_memory: CaptionStore) -> None:
    # "And then?" takes two calls where there are earlier turns: it is made whole first.
    llm = ScriptedLLM(*["Milk [1]."] * 7)
    agent = VideoAgent(tea, memory=tea_memory, llm=llm, mode="retrieve", verify=False)
    agent.ask("When is the milk poured?", thread="ann")
    agent.ask("What is boiled?", thread="bob")
    agent.ask("And then?", thread="ann")
    assert said(agent, llm) == ["When is the milk poured?", "Milk [1]."]
    agent.reset("ann")
    agent.ask("And then?", thread="ann")
    assert said(agent, llm) == []
    agent.ask("And then?", thread="bob")
    assert said(agent, llm) == ["What is boiled?", "Milk [1]."]
    assert len(llm.sent) == 7


def test_a_follow_up_is_made_whole_with_the_turns_of_its_thread(tea: Path, tea_memory: CaptionStore) -> None:
    llm = ScriptedLLM("The leaves steep [1].", "Water [1].", "What is said about the milk?", "It is poured [1].")
    agent = VideoAgent(tea, memory=tea_memory, llm=llm, mode="retrieve", verify=False)
    agent.ask("What is said about leaves?", thread="ann")
    agent.ask("What is boiled?", thread="bob")
    answer = agent.ask("And then?", thread="ann")
    assert llm.sent[2][-1].text.splitlines() == [
        "Question: What is said about leaves?",
        "Answer: The leaves steep [1].",
        "Last question: And then?",
    ]
    assert llm.sent[3][-1].text.endswith("Question: And then?"), "what was asked stays as it was asked"
    assert answer.usage.model_calls == 2


def test_numbers_of_evidence_stay_through_a_conversation(tea: Path, tea_memory: CaptionStore) -> None:
    llm = ScriptedLLM("Milk [1].", "As I said [1].")
    agent = VideoAgent(tea, memory=tea_memory, llm=llm, mode="retrieve", verify=False)
    first = agent.ask("When is the milk poured?")
    second = agent.ask("What is boiled?")
    assert [c.caption.id for c in first.citations] == [c.caption.id for c in second.citations]


def test_a_conversation_in_a_file_goes_on_in_the_next_process(
    tea: Path, tea_memory: CaptionStore, tmp_path: Path
) -> None:
    file = tmp_path / "talk.sqlite"
    llm = ScriptedLLM("Milk [1].")
    VideoAgent(tea, memory=tea_memory, llm=llm, mode="retrieve", checkpointer=file, verify=False).ask("Milk?")
    llm = ScriptedLLM("Yes [1].")
    agent = VideoAgent(tea, memory=tea_memory, llm=llm, mode="retrieve", checkpointer=str(file), verify=False)
    assert agent.ask("Sure about leaves?").text == "Yes [00:14-00:18]."
    assert said(agent, llm) == ["Milk?", "Milk [1]."]
    assert file.stat().st_size < 200_000


def test_a_file_that_is_no_database_is_one_sentence(tea: Path, tea_memory: CaptionStore, tmp_path: Path) -> None:
    (tmp_path / "talk.sqlite").write_text("a letter" * 200)
    with pytest.raises(StoreError, match="cannot be opened"):
        VideoAgent(tea, memory=tea_memory, llm="extractive", checkpointer=tmp_path / "talk.sqlite")


def test_work_and_pictures_are_not_kept(tea: Path, tea_memory: CaptionStore) -> None:
    saver = InMemorySaver()
    llm = ScriptedLLM(call("frames", start=0, end=4, n=4), READ, "Milk [1].")
    agent = VideoAgent(tea, memory=tea_memory, llm=llm, checkpointer=saver, pictures=True, verify=False)
    agent.ask("When is the milk poured?")
    (checkpoint,) = saver.list(None)
    state = checkpoint.checkpoint["channel_values"]
    assert [message.text for message in state["messages"]] == ["When is the milk poured?", "Milk [1]."]
    assert len(repr(state)) < 40_000


def test_a_failed_turn_leaves_no_trace(tea: Path, tea_memory: CaptionStore) -> None:
    llm = ScriptedLLM(ValueError("no"), "Milk [1].")
    agent = VideoAgent(tea, memory=tea_memory, llm=llm, mode="retrieve", verify=False)
    with pytest.raises(LLMError):
        agent.ask("When?")
    agent.ask("When is the milk poured?")
    assert said(agent, llm) == []


def test_long_conversations_are_cut_at_the_old_end(tea: Path, tea_memory: CaptionStore) -> None:
    llm = ScriptedLLM(*["Milk " + "and so on " * 40 + "[1]."] * 12)
    agent = VideoAgent(tea, memory=tea_memory, llm=llm, mode="retrieve", context_tokens=2000, verify=False)
    for i in range(12):
        agent.ask(f"Question {i}: milk?")
    earlier = said(agent, llm)
    assert earlier[0].startswith("Question ")
    assert 2 <= len(earlier) <= 12
    assert "Question 10" in earlier[-2]


def test_the_stream_tells_what_happens_and_ends_with_the_answer(tea: Path, tea_memory: CaptionStore) -> None:
    llm = ScriptedLLM("Milk is poured at 00:05 [1].", READ, "Milk is poured, slowly [1]. A cat [99] comes.")
    events = list(VideoAgent(tea, memory=tea_memory, llm=llm, verify=False).stream("When is the milk poured?"))
    kinds = [event.kind for event in events]
    assert kinds[0] == "evidence"
    assert kinds.index("again") < kinds.index("step") < len(kinds) - 1
    assert kinds[-1] == "answer"
    again = kinds.index("again")
    assert text_of(events[:again]) == "Milk is poured at 00:05 [00:14-00:18]."
    assert "“Milk is poured at 00:05.” is not borne out by what it cites" in events[again].text
    assert text_of(events[again:]) == "Milk is poured, slowly [00:14-00:18]. A cat  comes."
    assert sum(event.kind == "token" for event in events) > 6
    assert events[-1].answer is not None
    assert events[-1].answer.text == "Milk is poured, slowly [00:14-00:18]. A cat comes."
    step = next(event for event in events if event.kind == "step").step
    assert step is not None
    assert step.tool == "read"


def text_of(events: list[Event]) -> str:
    return "".join(event.text for event in events if event.kind == "token")


async def test_the_stream_is_the_same_in_async_code(tea: Path, tea_memory: CaptionStore) -> None:
    llm = ScriptedLLM("Milk is poured at 00:05 [1].", READ, "Milk is poured, slowly [1].")
    agent = VideoAgent(tea, memory=tea_memory, llm=llm, verify=False)
    events = [event async for event in agent.astream("When is the milk poured?")]
    assert text_of(events) == "Milk is poured at 00:05 [00:14-00:18].Milk is poured, slowly [00:14-00:18]."
    assert events[-1].answer is not None
    assert events[-1].answer.status == "grounded"


def test_an_abandoned_stream_lets_the_next_question_in(tea: Path, tea_memory: CaptionStore) -> None:
    llm = ScriptedLLM("One two three [1].", "Milk [1].")
    agent = VideoAgent(tea, memory=tea_memory, llm=llm, mode="retrieve", verify=False)
    stream = agent.stream("When is the milk poured?")
    next(stream)
    assert isinstance(stream, Generator)
    stream.close()
    assert agent.ask("When is the milk poured?").text


async def test_a_cancelled_question_lets_the_next_in(tea: Path, tea_memory: CaptionStore) -> None:
    called, go = threading.Event(), threading.Event()

    def late(messages: list[BaseMessage]) -> str:
        called.set()
        go.wait()
        return "late"

    agent = VideoAgent(tea, memory=tea_memory, llm=ScriptedLLM(late, "Milk [1]."), mode="retrieve", verify=False)
    first = asyncio.create_task(agent.aask("When is the milk poured?"))
    waiting = asyncio.create_task(agent.aask("Who waits?"))
    last = asyncio.create_task(agent.aask("When is the milk poured?"))
    while not called.is_set():
        await asyncio.sleep(0.01)
    waiting.cancel()
    first.cancel()
    go.set()
    assert (await last).text == "Milk [00:14-00:18]."


async def test_fifty_async_questions_in_fifty_conversations(tea: Path, tea_memory: CaptionStore) -> None:
    agent = VideoAgent(tea, memory=tea_memory, llm=Parrot(), mode="retrieve", verify=False)
    questions = [f"Is milk number {i} poured?" for i in range(50)]
    first = await asyncio.gather(*(agent.aask(q, thread=str(i)) for i, q in enumerate(questions)))
    assert [a.text.split(" after ")[0] for a in first] == questions
    again = await asyncio.gather(*(agent.aask("And then?", thread=str(i)) for i in range(10)))
    assert all(f"milk number {i} poured" in answer.text for i, answer in enumerate(again))
    assert all(len(str(answer.text)) < 300 for answer in again)


async def test_fifty_async_questions_in_one_conversation_come_in_turn(tea: Path, tea_memory: CaptionStore) -> None:
    agent = VideoAgent(tea, memory=tea_memory, llm=Parrot(), mode="retrieve", verify=False, context_tokens=10**6)
    answers = await asyncio.gather(*(agent.aask(f"Milk {i}?") for i in range(50)))
    for i, answer in enumerate(answers):
        assert answer.text.count("Milk ") == i + 1
        assert f"Milk {i}? after" in answer.text


class Asked(TypedDict, total=False):
    question: str
    answer: str


def test_inside_of_another_graph_the_conversation_is_still_ours(tea: Path, tea_memory: CaptionStore) -> None:
    agent = VideoAgent(tea, memory=tea_memory, llm=Parrot(), mode="retrieve", verify=False)
    graph = StateGraph(Asked)
    graph.add_node("ask", lambda state: {"answer": agent.ask(state["question"]).text})
    graph.add_edge(START, "ask")
    graph.add_edge("ask", END)
    saver = InMemorySaver()
    app = graph.compile(checkpointer=saver)
    config: Any = {"configurable": {"thread_id": "theirs"}}
    app.invoke({"question": "Milk 1?"}, config)
    assert "Milk 1?" in app.invoke({"question": "Milk 2?"}, config)["answer"]
    assert {c.config["configurable"]["thread_id"] for c in saver.list(None)} == {"theirs"}
    assert "evidence" not in repr(list(saver.list(None)))


def test_a_thread_needs_a_name(tea: Path, tea_memory: CaptionStore) -> None:
    with pytest.raises(InvalidArgument, match="needs a name"):
        VideoAgent(tea, memory=tea_memory, llm="extractive").ask("When?", thread=" ")
