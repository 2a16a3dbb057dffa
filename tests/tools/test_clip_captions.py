"""Stretches of a video described through a server that speaks chat completions, good and bad."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from tests.fakes.openai_server import Fault, OpenAIServer, Reply
from tests.fakes.vision import AskedStretch, asked_stretch
from videochat.agent import VideoAgent
from videochat.agent.watch import WatchReport
from videochat.errors import InvalidArgument, LLMError, UnknownName
from videochat.frames import Frame
from videochat.media import Video
from videochat.memory import CaptionStore
from videochat.records import Caption
from videochat.testing import Scene, ScriptedLLM, draw_video, read_frame_number
from videochat.tools import Settled
from videochat.tools.base import Missed
from videochat.tools.clip_captions import ClipCaptioner

pytestmark = pytest.mark.enable_socket

Say = Callable[[AskedStretch], Reply]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Say], list[AskedStretch]]]:
    """Start a vision server that says what a function says; give what it is asked."""
    running: list[Any] = []

    def start(say: Say) -> list[AskedStretch]:
        asked: list[AskedStretch] = []

        def reply(request: dict[str, Any]) -> Reply:
            stretch = asked_stretch(request)
            asked.append(stretch)
            return say(stretch)

        running.append(OpenAIServer(*[reply] * 500).running())
        monkeypatch.setenv("OPENAI_BASE_URL", running[-1].__enter__())
        monkeypatch.setenv("OPENAI_API_KEY", "test")
        return asked

    yield start
    for server in running:
        server.__exit__(None, None, None)


@pytest.fixture(scope="module")
def numbered(drawn: Path) -> tuple[Video, Callable[[int], Fraction]]:
    """Thirty seconds at an uneven rate with three cuts, the number of each picture burned in."""

    def at(number: int) -> Fraction:
        return number // 4 * Fraction(7, 20) + number % 4 * Fraction(1, 30)

    scenes = [Scene(7.3, "ONE", "white"), Scene(9.1, "TWO", "navy"), Scene(0.9, "", "red"), Scene(12.7, "END", "grey")]
    path = draw_video(drawn / "numbered.mp4", scenes, size=(320, 180), frame_seconds=at, numbered=True)
    return Video(path), at


def watch(video: Video | Path, folder: Path, sense: ClipCaptioner, *others: str) -> tuple[WatchReport, list[Caption]]:
    with CaptionStore(folder) as store:
        agent = VideoAgent(video, preset=list(others), clip_captions=sense, memory=store, llm="extractive")
        report = agent.watch()
        return report, agent.captions("clip_caption")


def plain(asked: AskedStretch) -> str:
    middle = (asked.start + asked.end) / 2
    return f"{asked.start:.2f}-{middle:.2f}: A field of one colour.\n{middle:.2f}-{asked.end:.2f}: A word stands in it."


def test_the_pictures_are_those_of_the_seconds_that_are_stated(
    numbered: tuple[Video, Callable[[int], Fraction]], tmp_path: Path, serve: Callable[[Say], list[AskedStretch]]
) -> None:
    video, at = numbered
    asked = serve(plain)
    report, captions = watch(video, tmp_path, ClipCaptioner("openai:any", seconds=10, frames=5, max_side=200))
    assert report.gaps == []
    stretches = sorted((stretch.start, stretch.end) for stretch in asked)
    assert [start for start, _ in stretches] == [0.0, *(end for _, end in stretches[:-1])]
    assert stretches[-1][1] == pytest.approx(video.duration_seconds, abs=0.01)
    assert all(2 <= end - start <= 12.01 for start, end in stretches)
    assert any(abs(end - 7.3) < 0.4 for _, end in stretches), "a cut ends a stretch"
    for stretch in asked:
        assert len(stretch.pictures) == 5
        assert "English" in stretch.instruction
        for seconds, image in stretch.pictures:
            assert stretch.start < seconds < stretch.end
            assert image.shape[:2] == (112, 200)
            number = read_frame_number(image)
            assert float(at(number)) - 1e-3 <= seconds < float(at(number + 1)) + 1e-3, (
                "the picture shown at that second"
            )
    assert {caption.source for caption in captions} == {"clip_captions:openai:any"}
    assert len(captions) == 2 * len(stretches)
    assert [caption.start_seconds for caption in captions[::2]] == pytest.approx([start for start, _ in stretches])


def test_on_a_grid_a_part_gives_the_stretches_of_the_whole(
    numbered: tuple[Video, Callable[[int], Fraction]], serve: Callable[[Say], list[AskedStretch]]
) -> None:
    video, _ = numbered
    asked = serve(plain)
    sense = ClipCaptioner("openai:any", seconds=6, at_shots=False, frames=1)
    list(sense.run(video, 6.0, 24.0))
    assert sorted((stretch.start, stretch.end) for stretch in asked) == [(6, 12), (12, 18), (18, 24)]
    asked.clear()
    list(sense.run(video, 11.0))
    assert [stretch.start for stretch in sorted(asked, key=lambda a: a.start)] == [11, 18, 24], "no crumb of a second"


def frames_with_cuts(length: float, cuts: list[float], rate: float) -> list[Frame]:
    """Random pictures that change at the cuts and nowhere else."""
    chance = np.random.default_rng(round(length * 1000))
    pictures = [chance.integers(0, 255, (9, 16, 3), np.uint8).repeat(4, 0).repeat(4, 1) for _ in range(len(cuts) + 1)]
    seconds = np.arange(0, length, 1 / rate)
    return [Frame(round(float(t), 3), pictures[sum(cut <= t for cut in cuts)], 1 / rate) for t in seconds]


@pytest.mark.parametrize("seed", range(6))
def test_stretches_cover_the_range_and_go_on_after_any_mark(seed: int, clip: Video) -> None:
    chance = Random(seed)
    length = chance.uniform(3, 90)
    cuts = sorted(chance.uniform(0, length) for _ in range(chance.randrange(12)))
    frames = frames_with_cuts(length, cuts, rate=chance.choice([2, 10, 25]))
    most = chance.choice([2.0, 5.0, 10.0, 30.0])
    model = ScriptedLLM(*[plain_words] * 400)
    sense = ClipCaptioner(model, seconds=most, at_shots=seed % 3 != 0, frames=1, concurrency=3)
    items = list(sense.perceive(iter(frames), clip, 0.0, length))
    marks = [0.0, *(item.seconds for item in items if isinstance(item, Settled))]
    assert marks[-1] == length
    for start, end in pairwise(marks):
        assert min(2.0, length) - 0.001 <= end - start <= most + 2.001
    for place, item in list(enumerate(items))[:: 1 + len(items) // 4]:
        if isinstance(item, Settled) and item.seconds < length:
            rest = [frame for frame in frames if frame.seconds >= item.seconds]
            assert list(sense.perceive(iter(rest), clip, item.seconds, length)) == items[place + 1 :]


def plain_words(messages: list[Any]) -> str:
    return "Something is there: " + messages[1].content[0]["text"].split("from ")[1].split(" seconds")[0].replace(
        "to", ""
    )


@pytest.mark.parametrize(
    ("say", "reason", "calls_each"),
    [
        (lambda asked: "", "could not be used: it says nothing", 2),
        (lambda asked: "I'm sorry, I can't describe people.", "it is a refusal", 2),
        (lambda asked: f"{asked.end + 5:.1f}-{asked.end + 9:.1f}: A man runs.", "which is not within the stretch", 2),
        (lambda asked: f"At {asked.end + 60:.0f} seconds he falls.", "which is not within the stretch", 2),
        (lambda asked: "Der Mann geht mit dem Hund und die Frau lacht.", "it is in German", 2),
        (lambda asked: "walk " * 400, "too long", 2),
    ],
    ids=["empty", "refusal", "outside", "prose outside", "German", "long"],
)
def test_a_reply_that_cannot_be_kept_is_asked_for_again_and_then_a_gap(
    clip: Video, tmp_path: Path, serve: Callable[[Say], list[AskedStretch]], say: Say, reason: str, calls_each: int
) -> None:
    asked = serve(lambda stretch: plain(stretch) if stretch.start >= 6 else say(stretch))
    sense = ClipCaptioner("openai:any", seconds=6, at_shots=False, frames=1)
    report, captions = watch(clip, tmp_path, sense, "shots")
    (gap,) = report.gaps
    assert reason in gap.reason
    assert (gap.start_seconds, gap.end_seconds) == (0, 6)
    assert [caption.start_seconds for caption in captions] == [6, 9], "what comes after is not lost"
    assert report.by_sense["shots"] > 0, "the other senses go on"
    assert len([stretch for stretch in asked if stretch.start == 0]) == calls_each
    assert [stretch.correction for stretch in asked if stretch.correction] != []


def test_a_reply_that_is_mended_is_kept(
    clip: Video, tmp_path: Path, serve: Callable[[Say], list[AskedStretch]]
) -> None:
    serve(lambda asked: plain(asked) if asked.correction else "")
    report, captions = watch(clip, tmp_path, ClipCaptioner("openai:any", seconds=12, frames=1))
    assert report.gaps == []
    assert captions


@pytest.mark.parametrize(
    ("fault", "reason", "most_calls"),
    [
        (Fault(400, "invalid", "this model takes no image_url"), "takes no image_url.*takes pictures?", 3 + 4),
        (Fault(401, "invalid_api_key", "no such key"), "no such key", 8),
        (Fault(404, "model_not_found", "no model of that name"), "no model of that name", 8),
    ],
    ids=["no pictures", "key", "model"],
)
def test_a_server_that_will_not_is_left_alone_and_the_rest_is_a_gap(
    numbered: tuple[Video, Callable[[int], Fraction]],
    tmp_path: Path,
    serve: Callable[[Say], list[AskedStretch]],
    fault: Fault,
    reason: str,
    most_calls: int,
) -> None:
    video, _ = numbered
    asked = serve(lambda stretch: fault)
    sense = ClipCaptioner("openai:any", seconds=2, at_shots=False, frames=1)
    report, captions = watch(video, tmp_path, sense, "shots")
    (gap,) = report.gaps
    assert reason.split(".*")[0] in gap.reason
    assert reason.split(".*")[-1] in gap.reason
    assert "\n" not in gap.reason
    assert (gap.start_seconds, gap.end_seconds) == pytest.approx((0, video.duration_seconds))
    assert captions == []
    assert report.by_sense["shots"] > 0
    assert len(asked) <= most_calls, "of fifteen stretches"


def test_pictures_that_are_refused_once_are_one_gap(
    clip: Video, tmp_path: Path, serve: Callable[[Say], list[AskedStretch]]
) -> None:
    for refused in (0, 4, 8):

        def say(asked: AskedStretch, refused: float = refused) -> Reply:
            return Fault(400, "policy", "not these") if asked.start == refused else plain(asked)

        serve(say)
        sense = ClipCaptioner("openai:any", seconds=4, at_shots=False, frames=1)
        report, captions = watch(clip, tmp_path / str(refused), sense)
        (gap,) = report.gaps
        assert "not these" in gap.reason
        assert (gap.start_seconds, gap.end_seconds) == (refused, refused + 4)
        assert len(captions) == 4


def test_a_rate_limit_is_waited_for(clip: Video, tmp_path: Path, serve: Callable[[Say], list[AskedStretch]]) -> None:
    refused = Counter[float]()

    def say(asked: AskedStretch) -> Reply:
        # Each once, and some twice, in whatever order the threads come.
        if refused[asked.start] < 1 + (asked.start % 6 == 0):
            refused[asked.start] += 1
            return Fault(429, "rate_limit_exceeded", "slow down")
        return plain(asked)

    serve(say)
    report, captions = watch(clip, tmp_path, ClipCaptioner("openai:any", seconds=2, at_shots=False, frames=1))
    assert report.gaps == []
    assert len(captions) == 12


def test_what_is_described_is_kept_when_the_server_goes_away_and_the_next_watch_goes_on(
    numbered: tuple[Video, Callable[[int], Fraction]], tmp_path: Path, serve: Callable[[Say], list[AskedStretch]]
) -> None:
    video, _ = numbered
    serve(lambda asked: plain(asked) if asked.start < 10 else Fault(503, "down", "overloaded"))
    sense = ClipCaptioner("openai:any", seconds=5, at_shots=False, frames=1, concurrency=1)
    report, before = watch(video, tmp_path, sense)
    (gap,) = report.gaps
    assert (gap.start_seconds, gap.end_seconds) == pytest.approx((10, video.duration_seconds))
    assert "overloaded" in gap.reason
    assert [caption.start_seconds for caption in before] == [0, 2.5, 5, 7.5]
    asked = serve(plain)
    report, after = watch(video, tmp_path, ClipCaptioner("openai:any", seconds=5, at_shots=False, frames=1))
    assert report.gaps == []
    assert min(stretch.start for stretch in asked) == 10, "what was described is not paid for twice"
    assert after[: len(before)] == before
    assert len(after) == 12
    asked.clear()
    report, _ = watch(video, tmp_path, ClipCaptioner("openai:any", seconds=5, at_shots=False, frames=1))
    assert report.already_watched
    assert asked == []


def test_a_slow_server_holds_up_nobody_else(
    clip: Video, tmp_path: Path, serve: Callable[[Say], list[AskedStretch]]
) -> None:
    go_on, seen = threading.Event(), threading.Event()

    def say(asked: AskedStretch) -> Reply:
        seen.set()
        go_on.wait(60)
        return plain(asked)

    serve(say)
    sense = ClipCaptioner("openai:any", seconds=2, at_shots=False, frames=1, concurrency=2)
    with CaptionStore(tmp_path) as store:
        agent = VideoAgent(clip, preset=["shots"], clip_captions=sense, memory=store, llm="extractive")
        watching = agent.start_watching()
        assert seen.wait(60)
        deadline = time.monotonic() + 60
        while not agent.captions("shot") or agent.captions("shot")[-1].end_seconds < 11.9:
            assert time.monotonic() < deadline, "the shots wait for the vision model"
            time.sleep(0.05)
        assert agent.captions("clip_caption") == []
        go_on.set()
        assert watching.wait(60)
        assert len(agent.captions("clip_caption")) == 12


def test_left_in_the_middle_it_waits_for_no_call(clip: Video, serve: Callable[[Say], list[AskedStretch]]) -> None:
    go_on = threading.Event()

    def say(asked: AskedStretch) -> Reply:
        if asked.start > 0:
            go_on.wait(60)
        return plain(asked)

    serve(say)
    items = ClipCaptioner("openai:any", seconds=2, at_shots=False, frames=1).run(clip)
    assert isinstance(next(items), Caption)
    began = time.monotonic()
    items.close()  # type: ignore[attr-defined]  # `run` is a generator
    assert time.monotonic() - began < 2
    go_on.set()


def test_interrupted_a_watch_waits_for_no_call_and_keeps_what_is_described(
    clip: Video, tmp_path: Path, serve: Callable[[Say], list[AskedStretch]]
) -> None:
    go_on, asked_later = threading.Event(), threading.Event()

    def say(asked: AskedStretch) -> Reply:
        if asked.start >= 6:
            asked_later.set()
            go_on.wait(60)
        return plain(asked)

    def interrupt(seconds: float) -> None:
        # The video has been read to its end, and the sense waits for its model.
        if asked_later.is_set() and agent.captions("clip_caption"):
            stopped.append(time.monotonic())
            raise KeyboardInterrupt

    serve(say)
    stopped: list[float] = []
    sense = ClipCaptioner("openai:any", seconds=2, at_shots=False, frames=1, concurrency=1)
    with CaptionStore(tmp_path) as store:
        agent = VideoAgent(clip, preset=[], clip_captions=sense, memory=store, llm="extractive")
        with pytest.raises(KeyboardInterrupt):
            agent.watch(progress=interrupt)
        assert time.monotonic() - stopped[0] < 3
        kept = [caption.start_seconds for caption in agent.captions("clip_caption")]
        assert kept
        assert kept == [float(second) for second in range(len(kept))]
        go_on.set()
        agent.watch()
        assert len(agent.captions("clip_caption")) == 12


def test_the_forecast_holds(
    numbered: tuple[Video, Callable[[int], Fraction]], tmp_path: Path, serve: Callable[[Say], list[AskedStretch]]
) -> None:
    video, _ = numbered
    asked = serve(plain)
    for seconds, at_shots in ((4.0, True), (10.0, True), (7.0, False), (30.0, True)):
        asked.clear()
        sense = ClipCaptioner("openai:any", seconds=seconds, at_shots=at_shots, frames=3, price=(400.0, 1600.0))
        said = sense.forecast(video, 0.0, video.duration_seconds) or ""
        list(sense.run(video))
        times = re.search(r"asked (\d+)(?: to (\d+))? times, with (\d+) pictures", said)
        assert times is not None
        assert int(times[1]) - 1 <= len(asked) <= int(times[2] or times[1]), said
        assert sum(len(stretch.pictures) for stretch in asked) <= int(times[3])
        assert re.search(r"about \$\d+\.\d\d", said)
    assert "$" not in (ClipCaptioner("openai:any").forecast(video, 0.0, 30.0) or "")
    assert ClipCaptioner("some/model").forecast(video, 0.0, 30.0) is None
    with CaptionStore(tmp_path) as store:
        agent = VideoAgent(video, preset=[], clip_captions="openai:any", memory=store, llm="extractive")
        (clause,) = agent.video_set.forecast()
        assert clause.startswith("openai:any is asked")
        agent.watch()
        assert agent.video_set.forecast() == [], "what is described is not forecast again"


def test_settings_are_another_watch_and_models_stand_beside_each_other(clip: Video) -> None:
    usual = ClipCaptioner("openai:any")
    assert usual.version(clip) == ClipCaptioner("openai:any", concurrency=9, price=(1, 2)).version(clip)
    for other in ({"seconds": 5}, {"at_shots": False}, {"frames": 2}, {"max_side": 128}, {"language": "de"}):
        assert ClipCaptioner("openai:any", **other).version(clip) != usual.version(clip)
        assert ClipCaptioner("openai:any", **other).source == usual.source
    assert ClipCaptioner("openai:other").source != usual.source
    assert ClipCaptioner(ScriptedLLM("a").with_retry()).source == "clip_captions:ScriptedLLM"


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"model": "gpt-4.1-mini"}, InvalidArgument, "such as openai:gpt-4.1-mini"),
        ({"model": 42}, InvalidArgument, "got 42"),
        ({"seconds": 1}, InvalidArgument, "seconds of clip_captions must be 2 to 30"),
        ({"seconds": 31}, InvalidArgument, "2 to 30"),
        ({"frames": 0}, InvalidArgument, "frames of clip_captions must be 1 to 32"),
        ({"language": "tlh"}, UnknownName, "language of descriptions"),
    ],
)
def test_settings_that_are_none_are_one_sentence(arguments: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        ClipCaptioner(**arguments)
    assert "\n" not in str(caught.value)


def test_a_model_that_cannot_be_had_is_said_before_the_first_picture() -> None:
    with pytest.raises(LLMError, match="openai:any.*cannot be made"):
        ClipCaptioner("openai:any").prepare()
    blind = ScriptedLLM("a", profile={"image_inputs": False})
    with pytest.raises(InvalidArgument, match="takes no pictures"):
        ClipCaptioner(blind).prepare()


def test_a_gap_names_what_was_said(clip: Video) -> None:
    sense = ClipCaptioner(ScriptedLLM("", ""), seconds=12, at_shots=False, frames=1)
    missed, end = list(sense.perceive(clip.frames(None), clip, 0.0, 12.0))
    assert missed == Missed(0.0, 12.0, "what ScriptedLLM wrote could not be used: it says nothing")
    assert end == Settled(12.0)
