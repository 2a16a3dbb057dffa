"""One dialogue with VideoChat-Embed on every surface: the same questions, the same answers, frames encoded once."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from langchain_core.chat_history import InMemoryChatMessageHistory
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
from langchain_core.runnables.history import RunnableWithMessageHistory
from mcp.client.client import Client
from starlette.testclient import TestClient

from tests.fakes.mcp_results import first_text
from tests.fakes.tiny_embed import talking_model, worst_error
from videochat.agent import VideoAgent, VideoAnswerer, VideoToolkit
from videochat.cli import main
from videochat.embed_model.chat import ClipEncoder
from videochat.embed_model.generation import GREEDY
from videochat.embed_model.model import VideoChatEmbed
from videochat.hosts import AllowedHosts
from videochat.mcp_server import make_server
from videochat.media import Video
from videochat.serve.app import make_app
from videochat.serve.videos import ServedVideos
from videochat.tools.clip_models import CLIP_MODELS

QUESTIONS = ("What is it?", "And what then?", "Why?")


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "toy"
    talking_model().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def answers(toy: Path, clip: Video) -> list[str]:
    """What the model itself says, without anything of ours around it."""
    chat = ClipEncoder(VideoChatEmbed.from_pretrained(toy)).chat(clip)
    return [chat.ask(question, GREEDY) for question in QUESTIONS]


@pytest.fixture
def encoded(toy: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The embeddings of all that is encoded from here on."""
    CLIP_MODELS.free(str(toy))
    found: list[Any] = []
    encode = VideoChatEmbed.encode

    def counted(self: VideoChatEmbed, frames: Any) -> Any:
        found.append(encode(self, frames))
        return found[-1]

    monkeypatch.setattr(VideoChatEmbed, "encode", counted)
    return found


async def test_one_dialogue_on_every_surface(
    toy: Path,
    clip: Video,
    answers: list[str],
    encoded: list[Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert len(set(answers)) == 3
    with VideoAgent(clip, llm=f"embed:{toy}", memory=tmp_path / "memory") as agent:
        assert [agent.ask(question).claims[0].text for question in QUESTIONS] == answers

    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join([*QUESTIONS, ""])))
    assert main(["chat", str(clip.path), "--llm", f"embed:{toy}", "--memory", str(tmp_path / "memory")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if not line.startswith("  (")] == answers

    prompt = ChatPromptTemplate.from_messages([MessagesPlaceholder("history"), ("human", "{question}")])
    history = InMemoryChatMessageHistory()
    chain = RunnableWithMessageHistory(
        prompt | VideoAnswerer(str(toy), clip),
        lambda: history,
        input_messages_key="question",
        history_messages_key="history",
        history_factory_config=[],
    )
    assert [chain.invoke({"question": question}).text for question in QUESTIONS] == answers

    toolkit = VideoToolkit(clip, preset=["subtitles"], memory=tmp_path / "memory", video_model=toy)
    async with Client(make_server(toolkit)) as client:
        for question, said in zip(QUESTIONS, answers, strict=True):
            asked = {"question": question, "start": 0, "end": clip.duration_seconds}
            found = await client.call_tool("watch_clip", asked)
            assert f"another model says of this clip: {said}\n" in first_text(found)
    with VideoAgent(clip, llm=f"embed:{toy}", memory=tmp_path / "memory", preset=["subtitles"]) as agent:
        whole = VideoToolkit(video_set=agent.video_set)
        async with Client(make_server(whole, agent=agent)) as client:
            # A client keeps its own conversation, so that each question stands alone.
            alone = await client.call_tool("ask", {"question": QUESTIONS[0]})
            assert alone.structured_content["claims"][0]["text"] == answers[0]
    toolkit.close()

    served = ServedVideos([clip.path], memory=tmp_path / "memory", preset=["subtitles"], llm=f"embed:{toy}")
    app = make_app(served, allowed=lambda: AllowedHosts.listening_at("127.0.0.1", 8421))
    with TestClient(app, base_url="http://127.0.0.1:8421") as client:
        messages: list[dict[str, str]] = []
        for question, said in zip(QUESTIONS, answers, strict=True):
            messages.append({"role": "user", "content": question})
            reply = client.post("/v1/chat/completions", json={"model": clip.name, "messages": messages}).json()
            assert reply["videochat"]["claims"][0]["text"] == said
            messages.append({"role": "assistant", "content": reply["choices"][0]["message"]["content"]})
    served.close()

    assert len(encoded) == 1, "the frames of one range are encoded once, whoever asks"
    expected = ClipEncoder(VideoChatEmbed.from_pretrained(toy)).encode(clip)
    assert worst_error(encoded[0][0], expected.embeds) <= 1e-5
