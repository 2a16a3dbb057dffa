"""A chat model that looks at video: in a chain of LangChain, and as the one who answers for an agent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, SystemMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from PIL import Image
from pydantic import BaseModel

from tests.fakes.tiny_embed import talking_model
from videochat.agent import VideoAgent, VideoAnswerer
from videochat.embed_model.model import VideoChatEmbed
from videochat.errors import InvalidArgument, LLMError, MissingDependency
from videochat.media import Video
from videochat.memory import CaptionStore
from videochat.testing import ScriptedLLM
from videochat.tools.clip_models import CLIP_MODELS


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "toy"
    talking_model().save_pretrained(folder)
    return folder


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch, toy: Path) -> list[tuple[int, ...]]:
    """The shapes of all that is encoded, with nothing encoded before."""
    CLIP_MODELS.free(str(toy))
    shapes: list[tuple[int, ...]] = []
    encode = VideoChatEmbed.encode

    def counted(self: VideoChatEmbed, frames: Any) -> Any:
        shapes.append(tuple(frames.shape))
        return encode(self, frames)

    monkeypatch.setattr(VideoChatEmbed, "encode", counted)
    return shapes


def test_in_a_chain_it_streams_and_carries_the_range(toy: Path, clip: Video, encoded: list[Any]) -> None:
    chat = VideoAnswerer(f"embed:{toy},frames=4", clip)
    prompt = ChatPromptTemplate.from_messages([("human", "{question}")])
    said = (prompt | chat | StrOutputParser()).invoke({"question": "What?"})
    pieces = list(chat.bind(start_seconds=0, end_seconds=4).stream("What?"))
    assert len(pieces) > 2
    whole = AIMessageChunk(content="")
    for piece in pieces:
        assert isinstance(piece, AIMessageChunk)
        whole += piece
    (claim,) = whole.additional_kwargs["claims"]
    assert (claim["start_seconds"], claim["end_seconds"], claim["kind"]) == (0, 4, "claim")
    assert claim["text"] == whole.text
    assert claim["attributes"] == {"question": "What?", "frames": 4}
    assert whole.usage_metadata is not None
    assert whole.usage_metadata["output_tokens"] > 0
    assert said
    assert encoded == [(1, 4, 3, 28, 28)] * 2


async def test_asynchronously_it_says_the_same(toy: Path, clip: Video) -> None:
    chat = VideoAnswerer(str(toy), clip)
    pieces = [piece.text async for piece in chat.astream("What?")]
    assert "".join(pieces) == chat.invoke("What?").text == (await chat.ainvoke("What?")).text


def test_turns_and_a_system_message_count(toy: Path, clip: Video) -> None:
    chat = VideoAnswerer(str(toy), clip)
    first = chat.invoke("What?").text
    turns = [HumanMessage("What?"), AIMessage(first), HumanMessage("Why?")]
    later = chat.invoke(turns).text
    assert (
        later == CLIP_MODELS.ask(chat.model, clip, "Why?", (0.0, clip.duration_seconds), turns=[("What?", first)]).text
    )
    assert later != chat.invoke("Why?").text
    assert chat.invoke([SystemMessage("Be brief."), HumanMessage("Why?")]).text != chat.invoke("Why?").text


class _Form(BaseModel):
    colour: str


def test_what_it_cannot(toy: Path, clip: Video) -> None:
    chat = VideoAnswerer(str(toy), clip)
    with pytest.raises(LLMError, match="does not call tools"):
        chat.bind_tools([])
    with pytest.raises(InvalidArgument, match="must be a question"):
        chat.invoke([AIMessage("Yes.")])
    with pytest.raises(InvalidArgument, match="no video to look at"):
        VideoAnswerer(str(toy)).invoke("What?")
    with pytest.raises(MissingDependency, match="no such folder"):
        VideoAnswerer("embed:/no/such/folder", clip)
    with pytest.warns(UserWarning, match="cannot call tools"):
        VideoAgent(clip, llm=chat, mode="agent")
    with pytest.raises(LLMError, match="structured output"):
        VideoAgent(clip, llm=chat).extract(_Form)


def test_an_agent_answers_without_watching(toy: Path, clip: Video, tmp_path: Path, encoded: list[Any]) -> None:
    with VideoAgent(clip, llm=f"embed:{toy}", memory=tmp_path / "memory") as agent:
        assert not agent.needs_captions
        answers = [agent.ask(question) for question in ("What is it?", "And then?", "Why?")]
        assert encoded == [(1, 8, 3, 28, 28)], "three turns about one range are encoded once"
        assert agent.captions() == []
        for answer in answers:
            assert (answer.status, answer.citations) == ("claim", [])
            (claim,) = answer.claims
            assert (claim.start_seconds, claim.end_seconds) == (0, clip.duration_seconds)
            assert answer.notes == [
                "A claim of toy, which looked at 8 pictures of 00:00-00:12; nothing was noted there to hold it against."
            ]
        chat = VideoAnswerer(str(toy), clip)
        turns = [(a.claims[0].attributes["question"], a.claims[0].text) for a in answers]
        messages = [m for q, a in turns[:2] for m in (HumanMessage(str(q)), AIMessage(a))]
        assert chat.invoke([*messages, HumanMessage("Why?")]).text == answers[2].claims[0].text
        assert encoded == [(1, 8, 3, 28, 28)], "the chain looks at what the agent has encoded"
        assert agent.ask("What is there at 0:05?").claims[0].start_seconds > 3
        assert agent.ask("And then?").claims[0].start_seconds > 3, "a question that goes on looks there, too"
        late = agent.ask("What happens at 9:00?")
        assert "The video ends before 09:00; the whole of it was looked at." in late.notes


def test_its_events_are_tokens_and_an_answer(toy: Path, clip: Video) -> None:
    events = list(VideoAgent(clip, llm=f"embed:{toy}").stream("What?"))
    assert [event.kind for event in events[:1]] == ["evidence"]
    answer = events[-1].answer
    assert answer is not None
    assert "".join(event.text for event in events if event.kind == "token") == answer.claims[0].text


def test_with_captions_it_reads_what_was_retrieved(
    toy: Path, tea: Path, tea_memory: CaptionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[dict[str, Any]] = []
    stream = type(CLIP_MODELS).stream

    def noted(self: Any, *given: Any, **more: Any) -> Any:
        sent.append({"question": given[2], **more})
        return stream(self, *given, **more)

    monkeypatch.setattr(type(CLIP_MODELS), "stream", noted)
    agent = VideoAgent(tea, llm=f"embed:{toy},captions=yes", memory=tea_memory, preset="builtin")
    assert agent.needs_captions
    answer = agent.ask("When is the milk poured?")
    assert "Now the milk is poured, slowly and last." in sent[0]["question"]
    assert sent[0]["question"].endswith("Question: When is the milk poured?")
    assert sent[0]["system"].startswith("You are a chatbot that conducts conversations based on video contexts.")
    assert answer.status == "claim"


def test_without_another_model_the_video_model_answers(
    toy: Path, tea: Path, tea_memory: CaptionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = VideoAgent(tea, video_model=toy, memory=tea_memory, preset="builtin")
    assert isinstance(agent.llm, VideoAnswerer)
    assert agent.needs_captions
    monkeypatch.setenv("VIDEOCHAT_VIDEO_MODEL", f"{toy},frames=2")
    agent = VideoAgent(tea, memory=tea_memory, preset="builtin")
    assert isinstance(agent.llm, VideoAnswerer)
    assert agent.llm.model.frames == 2
    monkeypatch.setenv("VIDEOCHAT_VIDEO_MODEL", "/no/such")
    with pytest.raises(MissingDependency, match="no such folder"):
        VideoAgent(tea, memory=tea_memory)


def test_a_model_without_tools_reads_what_the_video_model_says(toy: Path, tea: Path, tea_memory: CaptionStore) -> None:
    llm = ScriptedLLM("Slowly [1].", profile={"tool_calling": False})
    agent = VideoAgent(tea, llm=llm, video_model=toy, memory=tea_memory, preset="builtin", verify=False)
    agent.ask("How is the milk poured at 0:16?")
    text = llm.sent[0][-1].text
    assert "another model says of this clip: " in text
    assert "(A claim has no number and cannot be cited.)" in text
    assert agent.captions("claim")[-1].start_seconds > 14
    silent = VideoAgent(tea, llm="extractive", video_model=toy, memory=tea_memory, preset="builtin")
    assert "The video model toy is not used; leave out llm=, and it answers itself." in silent.ask("What is it?").notes


def test_several_videos_and_pictures_are_looked_at_one_by_one(
    toy: Path, clip: Video, tmp_path: Path, encoded: list[Any]
) -> None:
    picture = tmp_path / "wall.png"
    Image.fromarray(np.full((30, 50, 3), 90, np.uint8)).save(picture)
    agent = VideoAgent([clip, picture], llm=f"embed:{toy},frames=4,window=6")
    answer = agent.ask("What is there?")
    assert [(c.video_id == agent.videos[1].id, c.start_seconds, c.end_seconds) for c in answer.claims] == [
        (False, 0, 6),
        (False, 6, 12),
        (True, 0, 1),
    ]
    assert encoded == [(1, 4, 3, 28, 28), (1, 4, 3, 28, 28), (1, 1, 3, 28, 28)]
    assert "which looked at 2 videos; nothing was noted" in answer.notes[0]
    assert answer.text.splitlines()[-1].startswith("wall.png: ")
