"""Asking while the video is still being watched."""

import math
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from videochat import VideoAgent
from videochat.errors import MissingDependency
from videochat.frames import Frame, Sampling
from videochat.media import Video
from videochat.memory import CaptionStore
from videochat.records import Caption
from videochat.testing import Scene, ScriptedLLM, call, draw_video
from videochat.tools import PerceptionTool, Settled


class Watchman(PerceptionTool):
    """Calls out every second of the video, as fast as it is let."""

    name = "watchman"
    kind = "clip_caption"
    sees = "that a second has passed"

    def __init__(self) -> None:
        self.needs = Sampling(every_seconds=1.0, max_side=64)
        self.source = "watchman"
        self.allowed = threading.Semaphore(0)

    def perceive(
        self, stream: Iterable[Frame], video: Video, start_seconds: float, end_seconds: float
    ) -> Iterator[Caption | Settled]:
        for frame in stream:
            while not self.allowed.acquire(timeout=0.05):
                pass
            text = f"the bell rings {round(frame.seconds)} times"
            yield Caption(video.id, frame.seconds, frame.end_seconds, self.kind, text, self.source)
            yield Settled(frame.end_seconds)


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_video(tmp_path_factory.mktemp("long") / "long.mp4", [Scene(60, "BELLS")], size=(64, 48), frame_rate=5)


@pytest.fixture
def agent(long: Path, tmp_path: Path) -> Iterator[VideoAgent]:
    agent = VideoAgent(
        long,
        memory=CaptionStore(tmp_path, embeddings="builtin"),
        preset=[Watchman()],
        llm=ScriptedLLM(*["It rings [1]."] * 20),
        mode="retrieve",
    )
    yield agent
    watchman(agent).allowed.release(1000)
    agent.close()


def watchman(agent: VideoAgent) -> Watchman:
    (sense,) = agent.senses
    assert isinstance(sense, Watchman)
    return sense


def reach(agent: VideoAgent, seconds: int) -> None:
    before = round(agent.video_set.reached(agent.video))
    watchman(agent).allowed.release(seconds - before)
    while agent.video_set.reached(agent.video) < seconds:
        time.sleep(0.01)


def test_it_answers_from_the_part_seen_and_says_up_to_where(agent: VideoAgent) -> None:
    watching = agent.start_watching()
    reach(agent, 10)
    first = agent.ask("How often does the bell ring?")
    assert first.seen_seconds == 10
    assert any("so far, up to 00:10 of 01:00" in note for note in first.notes)
    shown = agent.llm.sent[-1][-1].text
    assert "so far up to 00:10 of 01:00" in shown
    assert "rings 9 times" in shown
    assert "rings 12 times" not in shown
    reach(agent, 40)
    second = agent.ask("How often does the bell ring?")
    assert second.seen_seconds == 40
    assert "rings 39 times" in agent.llm.sent[-1][-1].text
    assert not watching.done
    watchman(agent).allowed.release(1000)
    last = agent.ask("How often does the bell ring?", wait_seconds=math.inf)
    assert last.seen_seconds is None
    assert watching.done
    assert "rings 59 times" in agent.llm.sent[-1][-1].text
    assert watching.reports()[0].captions_added == 60


def test_waiting_has_an_end(agent: VideoAgent) -> None:
    agent.start_watching()
    reach(agent, 5)
    began = time.monotonic()
    answer = agent.ask("How often does the bell ring?", wait_seconds=0.3)
    assert 0.3 <= time.monotonic() - began < 3
    assert answer.seen_seconds == 5


async def test_async_code_can_ask_meanwhile(agent: VideoAgent) -> None:
    agent.start_watching()
    reach(agent, 5)
    assert (await agent.aask("How often does the bell ring?")).seen_seconds == 5


def test_a_stopped_watch_is_taken_up_again(agent: VideoAgent) -> None:
    watching = agent.start_watching()
    reach(agent, 7)
    stopper = threading.Thread(target=watching.stop)
    stopper.start()
    time.sleep(0.3)
    watchman(agent).allowed.release(1000)
    stopper.join()
    assert watching.done
    assert watching.reports() == []
    assert agent.start_watching().wait(20)
    texts = [caption.text for caption in agent.captions("clip_caption")]
    assert texts == [f"the bell rings {i} times" for i in range(60)]


def test_the_tools_say_how_far_it_is(agent: VideoAgent) -> None:
    agent.start_watching()
    reach(agent, 5)
    llm = ScriptedLLM(
        call("read", start=30, end=40),
        lambda messages: messages[-1].text,
    )
    other = VideoAgent(agent.video, memory=agent.memory, preset=[watchman(agent)], llm=llm)
    other._background = agent.start_watching()
    assert "watched up to 00:05 of 01:00" in other.ask("What comes at 30 seconds?").text


def test_a_watch_that_cannot_start_is_the_same_sentence(tea: Path, tmp_path: Path) -> None:
    agent = VideoAgent(tea, memory=CaptionStore(tmp_path, embeddings="builtin"), preset=["captions"], llm="extractive")
    with pytest.raises(MissingDependency, match="Florence"):
        agent.start_watching().wait(10)
    with pytest.raises(MissingDependency, match="Florence"):
        agent.ask("What is seen?")
