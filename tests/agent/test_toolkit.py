"""The toolkit for other LangChain apps."""

from pathlib import Path

import pytest
from langchain_core.tools import BaseTool

from tests.fakes.tiny_embed import talking_model
from videochat import VideoAgent, VideoToolkit
from videochat.errors import InvalidArgument, MissingDependency, UnknownName
from videochat.fence import unfenced
from videochat.memory import CaptionStore


def tools(toolkit: VideoToolkit) -> dict[str, BaseTool]:
    return {tool.name: tool for tool in toolkit.get_tools()}


def test_the_first_call_watches_what_was_not_watched(tea: Path, tmp_path: Path) -> None:
    toolkit = VideoToolkit(tea, memory=CaptionStore(tmp_path, embeddings="builtin"), preset=["subtitles"])
    assert toolkit.evidence.captions == {}
    assert "Now the milk is poured" in tools(toolkit)["search"].invoke({"query": "milk"})
    assert toolkit.evidence.captions[1].text == "Now the milk is poured, slowly and last."
    toolkit.close()


def test_numbers_count_on_over_all_calls(tea: Path, tea_memory: CaptionStore) -> None:
    given = tools(VideoToolkit(tea, memory=tea_memory))
    first = given["read"].invoke({"start": 14, "end": 15})
    again = given["read"].invoke({"start": 14, "end": 15})
    assert unfenced(first) == unfenced(again)
    assert "[1]" in first


def test_it_can_stand_on_the_videos_of_an_agent(tea: Path, tea_memory: CaptionStore, tmp_path: Path) -> None:
    agent = VideoAgent(tea, memory=tea_memory, llm="extractive")
    assert set(tools(VideoToolkit(video_set=agent.video_set))) == {"browse", "search", "read", "look", "count"}
    talking_model().save_pretrained(tmp_path)
    with_more = VideoToolkit(video_set=agent.video_set, pictures=True, video_model=tmp_path)
    assert {"frames", "watch_clip"} < set(tools(with_more))
    with pytest.raises(MissingDependency, match="The tool 'watch_clip' needs the model somebody/model"):
        VideoToolkit(video_set=agent.video_set, video_model="somebody/model")


def test_it_needs_a_video_and_a_preset_that_exists(tea: Path) -> None:
    with pytest.raises(InvalidArgument, match="no video"):
        VideoToolkit()
    with pytest.raises(UnknownName, match="Did you mean 'builtin'"):
        VideoToolkit(tea, preset="biultin")
