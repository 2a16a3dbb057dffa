"""The watch_clip tool, alone and called by an agent."""

from __future__ import annotations

import importlib.util
import threading
from typing import Any

import pytest
import torch
from langchain.agents import create_agent
from langchain_core.messages import HumanMessage, ToolMessage

from tests.fakes import video_language_models
from tests.fakes.tiny_embed import SHARED, CountingVideo, need, talking_model, upstream_files
from videochat.agent import VideoAgent
from videochat.demo import draw_demo
from videochat.embed_model.chat import ClipEncoder
from videochat.embed_model.config import EmbedConfig
from videochat.embed_model.conversion import convert
from videochat.embed_model.generation import SamplingSettings
from videochat.embed_model.model import VideoChatEmbed
from videochat.errors import InvalidArgument
from videochat.fence import unfenced
from videochat.memory import CaptionStore
from videochat.records import Caption
from videochat.testing import ScriptedLLM, call
from videochat.tools.clip_models import ModelCache
from videochat.tools.watch_clip import WatchClip


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("toy-model")
    talking_model().save_pretrained(folder)
    return folder


def watch(tool: WatchClip, question: str = "What?", start: float = 2, end: float = 6) -> ToolMessage:
    arguments = {"question": question, "start": start, "end": end}
    return tool.invoke({"type": "tool_call", "id": "1", "name": "watch_clip", "args": arguments})


def words_of(message: ToolMessage) -> str:
    assert isinstance(message.content, str)
    return unfenced(message.content)


def test_the_answer_carries_the_range_watched(toy):
    video = CountingVideo()
    message = watch(WatchClip(video=video, weights=str(toy), frames=4, models=ModelCache()))
    assert words_of(message).startswith("[00:02-00:06] ")
    (caption,) = message.artifact
    assert (caption["start_seconds"], caption["end_seconds"]) == (2, 6)
    assert caption["video_id"] == "drawn"
    assert words_of(message).endswith(Caption.from_dict(caption).text)
    assert len(video.decoded) == 4


def test_an_end_beyond_the_video_is_brought_back(toy):
    tool = WatchClip(video=CountingVideo(), weights=str(toy), models=ModelCache())
    assert watch(tool, end=500).artifact[0]["end_seconds"] == 10


def test_a_range_that_is_none_goes_back_to_the_model(toy):
    message = watch(WatchClip(video=CountingVideo(), weights=str(toy)), start=20, end=30)
    assert message.status == "error"
    assert words_of(message).startswith("The range from second 20 on (00:20) holds nothing: the video lasts 10.00 s")


def test_a_range_watched_again_is_not_decoded_again(toy):
    video = CountingVideo()
    tool = WatchClip(video=video, weights=str(toy), models=ModelCache())
    watch(tool, "What?")
    watch(tool, "Why?")
    assert len(video.decoded) == 8


def test_a_dialogue_about_a_range_goes_on(toy):
    models = ModelCache()
    video: Any = CountingVideo()
    tool = WatchClip(video=video, weights=str(toy), models=models)
    first, second = watch(tool, "What?"), watch(tool, "Why?")
    alone = watch(WatchClip(video=video, weights=str(toy), models=models), "Why?")
    said = Caption.from_dict(first.artifact[0]).text
    turns = [("What?", said)]
    assert second.artifact[0]["text"] == models.ask(tool.model, video, "Why?", (2, 6), turns=turns).text
    assert second.artifact[0]["text"] != alone.artifact[0]["text"]


def test_calls_from_several_threads_come_one_after_another(toy):
    alone_tool, tool = (WatchClip(video=CountingVideo(), weights=str(toy), models=ModelCache()) for _ in range(2))
    alone = {start: words_of(watch(alone_tool, start=start, end=start + 2)) for start in range(4)}
    found: dict[int, str] = {}
    threads = [
        threading.Thread(target=lambda s=s: found.update({s: words_of(watch(tool, start=s, end=s + 2))}))
        for s in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == alone


@pytest.mark.parametrize(
    ("weights", "says"),
    [
        ("no/such/folder", "The video model needs the model no/such/folder"),
        ("someone/something", "The video model needs the model someone/something"),
    ],
)
def test_missing_weights_are_said_plainly(weights, says):
    message = watch(WatchClip(video=CountingVideo(), weights=weights, models=ModelCache()))
    assert message.status == "error"
    assert words_of(message).startswith(says)
    assert "\n" not in words_of(message)


def test_an_empty_or_cut_folder_is_said_plainly(tmp_path, toy):
    tool = WatchClip(video=CountingVideo(), weights=str(tmp_path), models=ModelCache())
    assert "no weights are in it" in watch(tool).content
    (tmp_path / "model.safetensors").write_bytes((toy / "model.safetensors").read_bytes()[:50])
    assert "is cut short" in watch(tool).content


def test_a_model_over_the_budget_is_not_loaded(toy):
    tool = WatchClip(video=CountingVideo(), weights=str(toy), memory_gb=1e-5, models=ModelCache())
    assert "but the budget is 0.0 GB; raise memory_gb" in watch(tool).content


has_video_processors = importlib.util.find_spec("torchvision") and importlib.util.find_spec("num2words")


@pytest.fixture
def prompts(monkeypatch):
    """What video-language models are given to read."""
    from transformers import GenerationMixin

    seen: list[Any] = []
    generate = GenerationMixin.generate

    def watched(self, *given, **named):
        seen.append(named["input_ids"][0])
        return generate(self, *given, **named)

    monkeypatch.setattr(GenerationMixin, "generate", watched)
    return seen


@pytest.mark.skipif(not has_video_processors, reason="torchvision and num2words are an extra")
@pytest.mark.parametrize(
    ("model", "told"),
    [
        # Two frames make one picture for Qwen3-VL, told with the time between them.
        ("qwen3_vl", ["<3.0 seconds>", "<5.0 seconds>"]),
        ("smolvlm", ["Frame from 00:02:", "Frame from 00:03:", "Frame from 00:04:", "Frame from 00:05:"]),
    ],
)
def test_modern_models_are_told_the_true_seconds(tmp_path, prompts, model, told):
    from transformers import AutoTokenizer

    getattr(video_language_models, model)(tmp_path)
    tool = WatchClip(video=SizedVideo(), weights=str(tmp_path), frames=4, models=ModelCache())
    message = watch(tool, "What is it?")
    assert message.status == "success"
    assert message.artifact[0]["start_seconds"] == 2
    text = AutoTokenizer.from_pretrained(tmp_path).decode(prompts[0])
    assert [one for one in told if one not in text] == [], text
    assert "The video contains 4 frames sampled at 2.5, 3.5, 4.5, 5.4 seconds. What is it?" in text


class SizedVideo(CountingVideo):
    """As `videochat.Video`, which shrinks pictures on request."""

    def frames(self, *, at_seconds, max_side=None):
        assert max_side == 640
        return super().frames(at_seconds=at_seconds)


def test_a_folder_of_a_model_without_video(tmp_path):
    upstream_files(tmp_path, EmbedConfig.preset("toy"))
    tool = WatchClip(video=SizedVideo(), weights=str(tmp_path / "vicuna"), models=ModelCache())
    message = watch(tool)
    assert "cannot be loaded" in message.content
    assert "\n" not in words_of(message)


@pytest.mark.material
def test_from_upstreams_files_to_an_agent_on_a_real_clip(tmp_path):
    from videochat.media import Video

    video = Video(need(SHARED / "material" / "videos" / "jesse_dance.mp4"))
    files: dict[str, Any] = {**upstream_files(tmp_path / "upstream", EmbedConfig.preset("toy"))}
    folder = convert(tmp_path / "videochat-toy", config=EmbedConfig.preset("toy"), **files)

    torch.manual_seed(0)
    model = VideoChatEmbed.from_pretrained(folder)
    chat = ClipEncoder(model, frames=8).chat(video, start_seconds=1, end_seconds=9)
    for question in ("What happens?", "And then?", "Why?"):
        assert isinstance(chat.ask(question, SamplingSettings(max_new_tokens=16, temperature=0)), str)
    assert len(chat.conversation.turns) == 3
    assert chat.conversation.opening.endswith(
        "The video contains 8 frames sampled at 1.5, 2.5, 3.5, 4.5, 5.5, 6.4, 7.4, 8.4 seconds."
    )

    tool = WatchClip(video=video, weights=str(folder), models=ModelCache())
    llm = ScriptedLLM(
        call("watch_clip", question="How does he move?", start=0, end=4),
        call("watch_clip", question="Where does he stand?", start=50, end=60),
        call("watch_clip", question="Where does he stand?", start=4, end=60),
        "He dances [00:00-00:04].",
    )
    state = create_agent(llm, [tool]).invoke({"messages": [HumanMessage("What does he do?")]})
    seen = [message for message in state["messages"] if isinstance(message, ToolMessage)]
    assert [message.status for message in seen] == ["success", "error", "success"]
    assert "holds nothing: the video lasts" in seen[1].content
    assert seen[2].artifact[0]["end_seconds"] == pytest.approx(video.duration_seconds)
    assert seen[0].artifact[0]["video_id"] == video.id
    assert llm.bound[0]["function"]["parameters"]["required"] == ["start", "end", "question"]
    assert state["messages"][-1].text == "He dances [00:00-00:04]."


def test_what_it_says_is_stored_as_a_claim_and_cannot_be_cited(toy, tmp_path):
    clip = draw_demo(tmp_path / "tea.mp4")
    shown: list[ToolMessage] = []

    def cite(messages: list[Any]) -> str:
        shown.append(messages[-1])
        return "A disc [00:09-00:12]."

    llm = ScriptedLLM(call("watch_clip", question="What moves?", start=9, end=12), cite, "A disc [00:09-00:12].")
    with CaptionStore(tmp_path / "memory", embeddings="builtin") as memory:
        agent = VideoAgent(clip, llm=llm, memory=memory, preset=["subtitles"], video_model=toy, verify=False)
        answer = agent.ask("What moves at ten seconds?")
        (claim,) = agent.captions("claim")
        assert (claim.start_seconds, claim.end_seconds, claim.source) == (9, 12, toy.name)
        assert claim.attributes == {"question": "What moves?"}
        assert claim not in agent.captions()
        first, *_, noted, _, last = shown[0].text.splitlines()
        assert (first, last) == ("<video>", "</video>")
        assert "00:09-00:12 another model says of this clip: " in shown[0].text
        assert noted.startswith("00:09-00:13: The leaves steep for exactly three minutes. [")
        assert [item["kind"] for item in shown[0].artifact] == ["speech"]
        assert answer.status == "partly"
        assert [citation.caption.kind for citation in answer.citations] == ["speech"]


def test_watch_gives_a_claim_with_the_question(toy):
    tool = WatchClip(video=CountingVideo(), weights=str(toy), models=ModelCache())
    claim = tool.watch("What?", 8, 500)
    assert (claim.start_seconds, claim.end_seconds, claim.kind, claim.source) == (8, 10, "claim", toy.name)
    assert claim.attributes == {"question": "What?"}
    with pytest.raises(InvalidArgument, match="holds nothing"):
        tool.watch("What?", 20, 30)


def test_the_old_keyword_warns(toy):
    models = ModelCache()
    with pytest.warns(DeprecationWarning, match="'shelf' of WatchClip"):
        assert WatchClip(video=CountingVideo(), weights=str(toy), shelf=models).models is models
