"""Asking while the video is still being watched."""

import math
import os
import select
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.watching import BellRinger
from videochat import VideoAgent
from videochat.agent.background_watch import BackgroundWatch
from videochat.agent.pipeline import Progress
from videochat.agent.watch import WatchReport
from videochat.errors import MissingDependency, StoreError
from videochat.memory import CaptionStore
from videochat.testing import Scene, ScriptedLLM, call, draw_video


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_video(tmp_path_factory.mktemp("long") / "long.mp4", [Scene(60, "BELLS")], size=(64, 48), frame_rate=5)


@pytest.fixture
def agent(long: Path, tmp_path: Path) -> Iterator[VideoAgent]:
    agent = VideoAgent(
        long,
        memory=CaptionStore(tmp_path, embeddings="builtin"),
        preset=[BellRinger()],
        llm=ScriptedLLM(*["It rings [1]."] * 20),
        mode="retrieve",
    )
    yield agent
    bells(agent).allowed.release(1000)
    agent.close()


def bells(agent: VideoAgent) -> BellRinger:
    (sense,) = agent.senses
    assert isinstance(sense, BellRinger)
    return sense


def last_sent(agent: VideoAgent) -> str:
    assert isinstance(agent.llm, ScriptedLLM)
    # The judge is asked after it.
    texts = [messages[-1].text for messages in agent.llm.sent]
    return next(text for text in reversed(texts) if "Question: " in text)


def reach(agent: VideoAgent, seconds: int) -> None:
    before = round(agent.video_set.reached(agent.video))
    bells(agent).allowed.release(seconds - before)
    while agent.video_set.reached(agent.video) < seconds:
        time.sleep(0.01)


def test_it_answers_from_the_part_seen_and_says_up_to_where(agent: VideoAgent) -> None:
    watching = agent.start_watching()
    reach(agent, 10)
    first = agent.ask("How often does the bell ring?")
    assert first.seen_seconds == 10
    assert any("so far, up to 00:10 of 01:00" in note for note in first.notes)
    shown = last_sent(agent)
    assert "so far up to 00:10 of 01:00" in shown
    assert "rings 9 times" in shown
    assert "rings 12 times" not in shown
    reach(agent, 40)
    second = agent.ask("How often does the bell ring?")
    assert second.seen_seconds == 40
    assert "rings 39 times" in last_sent(agent)
    assert not watching.done
    bells(agent).allowed.release(1000)
    last = agent.ask("How often does the bell ring?", wait_seconds=math.inf)
    assert last.seen_seconds is None
    assert watching.done
    assert "rings 59 times" in last_sent(agent)
    assert watching.reports()[0].captions_added == 60


def test_waiting_has_an_end(agent: VideoAgent) -> None:
    agent.start_watching()
    reach(agent, 5)
    began = time.monotonic()
    answer = agent.ask("How often does the bell ring?", wait_seconds=0.3)
    assert time.monotonic() - began >= 0.3
    assert answer.seen_seconds == 5
    assert agent.watching is not None
    assert not agent.watching.done


async def test_async_code_can_ask_meanwhile(agent: VideoAgent) -> None:
    agent.start_watching()
    reach(agent, 5)
    assert (await agent.aask("How often does the bell ring?")).seen_seconds == 5


def test_before_the_first_caption_it_says_that_nothing_has_been_seen(agent: VideoAgent) -> None:
    agent.start_watching()
    answer = agent.ask("How often does the bell ring?")
    assert answer.text.startswith("Nothing of the video has been seen yet.")
    assert (answer.status, answer.seen_seconds) == ("not_found", 0)
    assert answer.usage.model_calls == 0, "there is nothing to answer from"
    reach(agent, 3)
    assert agent.ask("How often does the bell ring?").status == "grounded"


def test_a_model_with_tools_may_look_before_anything_has_been_seen(agent: VideoAgent, tea: Path) -> None:
    agent.start_watching()
    llm = ScriptedLLM("The video does not show this.")
    other = VideoAgent(agent.video, memory=agent.memory, preset=[bells(agent)], llm=llm)
    other.video_set.watching = agent.watching
    assert other.ask("How often does the bell ring?").text.startswith("Nothing of the video has been seen yet.")
    assert "nothing of it has been seen yet" in llm.sent[0][-1].text


def test_a_stopped_watch_is_taken_up_again(agent: VideoAgent) -> None:
    watching = agent.start_watching()
    reach(agent, 7)
    stopper = threading.Thread(target=watching.stop)
    stopper.start()
    while not watching._stop.is_set():
        time.sleep(0.01)
    bells(agent).allowed.release(1000)
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
    other = VideoAgent(agent.video, memory=agent.memory, preset=[bells(agent)], llm=llm)
    other.video_set.watching = agent.start_watching()
    assert "watched up to 00:05 of 01:00" in other.ask("What comes at 30 seconds?").text


def test_who_asked_is_told_of_the_end() -> None:
    told: list[tuple[list[WatchReport], BaseException | None]] = []
    report = WatchReport("a.mp4", 0.0, 1.0)

    def fail(progress: Progress) -> list[WatchReport]:
        raise StoreError("It is full.")

    for work in (lambda progress: [report], fail):
        watch = BackgroundWatch(work)
        watch.when_done(lambda reports, error: told.append((reports, error)))
        watch.stop()
    watch.when_done(lambda reports, error: told.append((reports, error)))
    assert told[0] == ([report], None)
    assert [(reports, str(error)) for reports, error in told[1:]] == [([], "It is full.")] * 2


def test_a_watch_that_cannot_start_is_the_same_sentence(tea: Path, tmp_path: Path) -> None:
    agent = VideoAgent(tea, memory=CaptionStore(tmp_path, embeddings="builtin"), preset=["captions"], llm="extractive")
    with pytest.raises(MissingDependency, match="Florence"):
        agent.start_watching().wait(10)
    with pytest.raises(MissingDependency, match="Florence"):
        agent.ask("What is seen?")


def test_a_forked_process_gets_a_sentence() -> None:
    go_on = threading.Event()

    def work(progress: Progress) -> list[WatchReport]:
        go_on.wait(60)
        return []

    watch = BackgroundWatch(work)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            watch.wait()
        except StoreError as error:
            watch.stop()
            os.write(writing, str(error).encode())
        finally:
            os._exit(0)
    os.close(writing)
    assert select.select([reading], [], [], 30)[0], "the child hangs"
    assert b"from which this one was forked" in os.read(reading, 1000)
    os.waitpid(child, 0)
    go_on.set()
    assert watch.wait()
