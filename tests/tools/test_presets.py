"""Line-ups as data: every one can be made, says what it needs, and says quickly what is missing."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.tiny_checkpoints import TinyCheckpoints
from videochat import VideoAgent
from videochat.agent.watch import refine, watch
from videochat.errors import InvalidArgument, MissingDependency, UnknownName
from videochat.hub import CATALOGUE
from videochat.media import Video
from videochat.memory import CaptionStore, textualize
from videochat.records import KINDS, Caption
from videochat.testing import Scene, draw_video
from videochat.tools import DEFAULT_PRESET, PRESETS, TOOLS, best_present, make_tool, make_tools
from videochat.tools.refine import CaptionRefiner


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Video:
    scenes = [Scene(3, "HELLO", "red", moving=True), Scene(3, "BYE\nNOW", "green", moving=True)]
    return Video(draw_video(tmp_path_factory.mktemp("clip") / "clip.mp4", scenes))


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_can_be_made_and_names_its_weights(name: str) -> None:
    preset = PRESETS[name]
    senses = make_tools(name)
    assert tuple(sense.name for sense in senses) == preset.tools
    assert set(preset.options) <= set(preset.tools)
    assert all(sense.kind in KINDS for sense in senses)
    assert len({sense.source for sense in senses}) == len(senses), "what was watched is remembered by source"
    for weights in preset.weights():
        assert weights.model in CATALOGUE
    assert (preset.weights() == []) == (name == DEFAULT_PRESET)


@pytest.mark.parametrize("name", [name for name in PRESETS if name != DEFAULT_PRESET])
def test_missing_weights_are_told_before_the_first_picture(
    name: str, video: Video, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sample(*args: Any) -> Iterator[Any]:
        raise AssertionError("a picture was decoded")

    monkeypatch.setattr(Video, "sample", sample)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    began = time.perf_counter()
    with CaptionStore(tmp_path / "store") as store, pytest.raises(MissingDependency, match="needs the model"):
        watch(video, make_tools(name), store.captions_of(video.id))
    assert time.perf_counter() - began < 10


def test_all_senses_with_a_model_watch_together(tiny: TinyCheckpoints, video: Video, tmp_path: Path) -> None:
    florence = tiny("florence")
    senses = [
        make_tool("actions", model=tiny("xclip"), min_score=0.0),
        make_tool("captions", model=florence, min_change=0.0),
        make_tool("dense_captions", model=florence, every_seconds=2.0),
        make_tool("tags", model=tiny("siglip"), vocabulary=["dog", "cat"], min_score=0.0),
    ]
    with CaptionStore(tmp_path) as store:
        report = watch(video, senses, store.captions_of(video.id))
        assert report.gaps == []
        assert report.by_tool["actions"] == 3
        # A random model has nothing to say of one picture or another.
        assert 3 <= report.by_tool["captions"] <= 6
        assert report.by_tool["tags"] == 3
        captions = store.between(video.id, 0, 6)
        assert {caption.kind for caption in captions} == {"action", "clip_caption", "dense_caption", "tags"}
        assert "00:02" in textualize(captions)
        assert watch(video, senses, store.captions_of(video.id)).already_watched


def test_captions_are_condensed_after_a_watch(tiny: TinyCheckpoints, video: Video, tmp_path: Path) -> None:
    with CaptionStore(tmp_path) as store:
        stored = store.captions_of(video.id)
        watch(video, make_tools(["ocr", "visual_facts"]), stored)
        refiner = CaptionRefiner(tiny("t5"))
        refiner.prepare()
        assert refine(video, refiner, stored) > 0
        before = store.between(video.id)
        assert {"clip_caption", "video_caption"} <= {caption.kind for caption in before}
        assert {"ocr", "tags"} <= {caption.kind for caption in before}, "the originals are kept"
        assert refine(video, refiner, stored) == 0
        store.add([Caption(video.id, 0, 1, "speech", "Hello there", "test")])
        refine(video, refiner, stored)
        assert len([c for c in store.between(video.id) if c.kind == "video_caption"]) == 1, "replaced, not doubled"


def test_unknown_names() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'small'"):
        make_tools("smal")
    with pytest.raises(UnknownName, match="dense_captions"):
        make_tool("dens_captions")
    assert set(TOOLS) >= {tool for preset in PRESETS.values() for tool in preset.tools}


def test_the_richest_that_is_here_and_suits_the_machine_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    here: set[str] = set()
    gpu = 0.0
    monkeypatch.setattr("videochat.tools.presets.is_here", lambda weights: weights.model in here)
    monkeypatch.setattr("videochat.tools.presets._gpu_gb", lambda: gpu)
    assert best_present() == DEFAULT_PRESET
    here |= {weights.model for name in ("base", "paper") for weights in PRESETS[name].weights()}
    assert best_present() == DEFAULT_PRESET, "base wants a GPU, paper's licence wants a decision"
    gpu = 12.0
    assert best_present() == "base"
    here |= {weights.model for weights in PRESETS["large"].weights()}
    assert best_present() == "base", "large wants 16 GB"
    gpu = 0.0
    here |= {weights.model for weights in PRESETS["small"].weights()}
    assert best_present() == "small"


def test_the_first_answer_says_which_preset_watched(
    video: Video, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("videochat.agent.video_set.best_present", lambda: "small")
    monkeypatch.setattr("videochat.agent.video_set.make_tools", lambda preset: make_tools(["ocr"]))
    agent = VideoAgent(video, memory=tmp_path, llm="extractive")
    assert "with the preset small in" in str(agent.watch())
    assert "preset small" in " ".join(agent.ask("What is on the screen?").notes)
    assert "preset small" not in " ".join(agent.ask("What is on the screen?").notes)
    agent.close()


@pytest.mark.parametrize(("models_gb", "passes"), [(None, 1), (1e-4, 3)])
def test_models_that_do_not_fit_together_run_in_passes(
    tiny: TinyCheckpoints,
    video: Video,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    models_gb: float | None,
    passes: int,
) -> None:
    florence = tiny("florence")
    senses = [
        make_tool("ocr"),
        make_tool("captions", model=florence, min_change=0.0),
        make_tool("actions", model=tiny("xclip"), min_score=0.0),
        make_tool("dense_captions", model=florence, every_seconds=2.0),
        make_tool("tags", model=tiny("siglip"), vocabulary=["dog", "cat"], min_score=0.0),
    ]
    together = []
    run = Video.sample

    def sample(self: Video, samplings: list[Any], *span: float) -> Any:
        together.append(len(samplings))
        return run(self, samplings, *span)

    monkeypatch.setattr(Video, "sample", sample)
    with CaptionStore(tmp_path) as store:
        report = watch(video, senses, store.captions_of(video.id), models_gb=models_gb)
        assert report.gaps == []
        assert min(report.by_tool.values()) > 0
        assert len(together) == passes
        assert watch(video, senses, store.captions_of(video.id)).already_watched
    loaded = {sense.name for sense in senses if getattr(sense, "_model", None) is not None}
    everything = {"captions", "actions", "dense_captions", "tags"}
    assert loaded == (everything if models_gb is None else {"tags"}), "the models of a pass are freed after it"


def test_a_budget_that_is_none_is_refused(video: Video, tmp_path: Path) -> None:
    with CaptionStore(tmp_path) as store, pytest.raises(InvalidArgument, match="models_gb"):
        watch(video, make_tools(["ocr"]), store.captions_of(video.id), models_gb=0)
