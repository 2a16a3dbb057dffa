"""The fakes that the package gives to tests of other apps do what they say."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.tools import tool

from videochat.media import Video
from videochat.testing import Scene, ScriptedLLM, call, draw_video, read_frame_number, seconds_of_voice, voice


def test_a_scripted_model_replays_and_keeps_what_it_was_sent() -> None:
    llm = ScriptedLLM("One.", AIMessage("Two."), lambda messages: f"You said {messages[-1].text}.", ValueError("no"))
    assert [llm.invoke(text).text for text in ("a", "b", "c")] == ["One.", "Two.", "You said c."]
    with pytest.raises(ValueError, match="no"):
        llm.invoke("d")
    assert [messages[-1] for messages in llm.sent] == [HumanMessage(text) for text in "abcd"]
    with pytest.raises(AssertionError, match="has 4 replies, this is call 5"):
        llm.invoke("e")


def test_a_scripted_model_streams_word_by_word_what_it_would_say() -> None:
    llm = ScriptedLLM("It is poured last.", call("search", query="milk"))
    assert [chunk.text for chunk in llm.stream("a") if chunk.text] == ["It ", "is ", "poured ", "last."]
    *_, last = llm.stream("b")
    whole = ScriptedLLM(call("search", query="milk")).invoke("b")
    assert whole.tool_calls[0]["args"] == {"query": "milk"}
    assert last.tool_call_chunks == [] or last.tool_call_chunks[0]["name"] == "search"


def test_a_scripted_model_remembers_its_tools() -> None:
    @tool
    def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    llm = ScriptedLLM("3")
    assert llm.bind_tools([add]) is llm
    assert llm.bound[0]["function"]["name"] == "add"
    assert set(llm.bound[0]["function"]["parameters"]["properties"]) == {"a", "b"}


@pytest.mark.parametrize("rotate", [0, 90])
def test_a_drawn_video_shows_what_was_asked_when_it_was_asked(tmp_path: Path, rotate: int) -> None:
    scenes = [Scene(2, "", "white"), Scene(1.5, "", "navy")]
    path = draw_video(tmp_path / "drawn.mp4", scenes, frame_rate=Fraction(25, 2), rotate=rotate, numbered=True)
    video = Video(path)
    assert video.duration_seconds == pytest.approx(3.5, abs=0.1)
    assert video.size == (320, 180)
    assert not video.has_audio
    pictures = video.frames(every_seconds=None, end_seconds=1.0)
    assert [read_frame_number(picture.image) for picture in pictures] == list(range(13))
    before, after = video.frame_at(1.9).image[20, 20], video.frame_at(2.1).image[20, 20]
    assert before.min() > 200
    assert (after[2] > 90, after[0] < 40) == (True, True)


def test_a_drawn_voice_is_where_it_was_asked() -> None:
    seconds = list(seconds_of_voice([(1.0, 2.0)], 3.0))
    assert [len(samples) for samples in seconds] == [16000] * 3
    assert [bool(np.abs(samples).max() > 0.05) for samples in seconds] == [False, True, False]
    assert np.abs(voice(16000)).max() <= 0.5
