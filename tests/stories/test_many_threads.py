"""Many threads and coroutines on one agent, and looks that wait for one another."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage

from tests.fakes.echo_chat_model import Parrot
from videochat import VideoAgent
from videochat.memory import CaptionStore
from videochat.testing import ScriptedLLM


@pytest.mark.parametrize("one", [True, False])
def test_eight_threads_on_one_agent_and_on_many(tea: Path, tea_memory: CaptionStore, one: bool) -> None:
    agents = [VideoAgent(tea, memory=tea_memory, llm=Parrot(), mode="retrieve") for _ in range(1 if one else 8)]

    def talk(number: int) -> list[str]:
        agent = agents[number % len(agents)]
        return [agent.ask(f"Milk {number}-{turn}?", thread=f"t{number}").text for turn in range(4)]

    with ThreadPoolExecutor(8) as pool:
        for number, answers in enumerate(pool.map(talk, range(8))):
            for turn, text in enumerate(answers):
                earlier = [f"Milk {number}-{t}?" for t in range(turn)]
                assert text.startswith(f"Milk {number}-{turn}? after {earlier}")


def test_a_look_waits_for_the_look_before_it(tea: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from videochat.tools.ocr import TextReader

    running, most = 0, 0
    guard = threading.Lock()
    perceive = TextReader.perceive

    def counted(self: TextReader, *args: Any) -> Any:
        nonlocal running, most
        with guard:
            running += 1
            most = max(most, running)
        try:
            yield from perceive(self, *args)
        finally:
            with guard:
                running -= 1

    monkeypatch.setattr(TextReader, "perceive", counted)
    looks = AIMessage(
        "",
        tool_calls=[
            {"name": "look", "args": {"start": i, "end": i + 1, "tool": "ocr", "rate": 2}, "id": f"c{i}"}
            for i in range(4)
        ],
    )
    with CaptionStore(tmp_path, embeddings="builtin") as memory:
        agents = [
            VideoAgent(
                tea, memory=memory, llm=ScriptedLLM(looks, "The video does not show this."), preset=["subtitles"]
            )
            for _ in range(2)
        ]
        with ThreadPoolExecutor(2) as pool:
            for answer in pool.map(lambda agent: agent.ask("What is written?"), agents):
                assert [step.tool for step in answer.steps] == ["look"] * 4
                assert not any(step.error for step in answer.steps)
    assert most == 1
