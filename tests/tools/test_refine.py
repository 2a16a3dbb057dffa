"""Captions condensed into lines for stretches and for the whole."""

from pathlib import Path

import pytest

from tests.fakes.senses import CPU, needs_cuda
from tests.fakes.tiny_checkpoints import TinyCheckpoints
from videochat.devices import choose_device
from videochat.errors import MissingDependency
from videochat.media import Video
from videochat.records import Caption, Kind
from videochat.testing import Scene, draw_video
from videochat.tools.refine import CaptionRefiner


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Video:
    return Video(draw_video(tmp_path_factory.mktemp("clip") / "clip.mp4", [Scene(25, "HELLO")], frame_rate=1))


def seen(video: Video, start: float, text: str, kind: Kind = "clip_caption") -> Caption:
    return Caption(video.id, start, start + 1, kind, text, "captions")


def some(video: Video) -> list[Caption]:
    return [
        seen(video, 21, "the cake is done"),
        seen(video, 1, "a man pours milk"),
        seen(video, 2, "a bowl, milk", "tags"),
        seen(video, 4, "making a cake", "action"),
        seen(video, 14, "this is said word for word", "speech"),
    ]


def test_a_line_for_each_stretch_and_one_for_the_whole(tiny: TinyCheckpoints, video: Video) -> None:
    refiner = CaptionRefiner(tiny("t5"), device=CPU)
    given = some(video)
    refined = list(refiner.refine(given, video, 0, 25))
    assert given == some(video)
    # Nothing but speech was there from 10 to 20; words that were said are not reworded.
    assert [(c.start_seconds, c.end_seconds, c.kind) for c in refined] == [
        (0, 10, "clip_caption"),
        (20, 25, "clip_caption"),
        (0, 25, "video_caption"),
    ]
    assert refined[0].source.startswith("refine:tiny-t5@")
    assert refined[0].text != refined[1].text
    # Order does not matter, and neither do its own lines.
    assert list(refiner.refine([*refined, *reversed(given)], video, 0, 25)) == refined


def test_batches_change_nothing(tiny: TinyCheckpoints, video: Video) -> None:
    refined = [
        list(CaptionRefiner(tiny("t5"), batch_size=size, device=CPU).refine(some(video), video, 0, 25))
        for size in (1, 2)
    ]
    assert refined[0] == refined[1]


def test_what_the_model_is_told(tiny: TinyCheckpoints, video: Video, monkeypatch: pytest.MonkeyPatch) -> None:
    refiner = CaptionRefiner(tiny("t5"), device=CPU)
    told: list[str] = []

    def write(prompts: list[str]) -> list[str]:
        told.extend(prompts)
        return [f"line {len(told)}" for _ in prompts]

    monkeypatch.setattr(refiner, "_write", write)
    twice = [*some(video), seen(video, 3, "a man pours milk")]
    refined = list(refiner.refine(twice, video, 0, 25))
    assert "Actions: making a cake.\nPictures: a man pours milk.\nTags: a bowl, milk.\n" in told[0]
    assert "line 2\nline 2\n" in told[2]
    assert refined[-1].text == "line 3"


def test_a_long_video_is_condensed_in_rounds(
    tiny: TinyCheckpoints, video: Video, monkeypatch: pytest.MonkeyPatch
) -> None:
    refiner = CaptionRefiner(tiny("t5"), window_seconds=1.0, device=CPU)
    rounds: list[int] = []

    def write(prompts: list[str]) -> list[str]:
        rounds.append(len(prompts))
        return ["words"] * len(prompts)

    monkeypatch.setattr(refiner, "_write", write)
    long = [seen(video, second, "a dog") for second in range(300)]
    assert len(list(refiner.refine(long, video, 0, 300))) == 301
    assert rounds == [300, 19, 2, 1]


def test_nothing_seen_is_nothing_said(tiny: TinyCheckpoints, video: Video) -> None:
    assert list(CaptionRefiner(tiny("t5"), device=CPU).refine([], video, 0, 25)) == []


def test_missing_or_other_weights(tiny: TinyCheckpoints, video: Video) -> None:
    with pytest.raises(MissingDependency, match="'refine' needs the model google/flan-t5-base"):
        CaptionRefiner().prepare()
    with pytest.raises(MissingDependency, match="of type 'clip', and this sense takes t5"):
        CaptionRefiner(Path(tiny("clip"))).prepare()


@needs_cuda
def test_on_a_gpu(tiny: TinyCheckpoints, video: Video) -> None:
    assert len(list(CaptionRefiner(tiny("t5"), device=choose_device("cuda")).refine(some(video), video, 0, 25))) == 3
