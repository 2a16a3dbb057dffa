"""Line-ups as data: every one can be made, says what it needs, and says quickly what is missing."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from videochat.agent.watch import watch
from videochat.errors import InvalidArgument, MissingDependency, UnknownName
from videochat.hub import CATALOGUE
from videochat.media import Video
from videochat.memory import CaptionStore
from videochat.records import KINDS
from videochat.testing import Scene, draw_video
from videochat.tools import DEFAULT_PRESET, PRESETS, TOOLS, best_present, make_tool, make_tools


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


def test_a_budget_that_is_none_is_refused(video: Video, tmp_path: Path) -> None:
    with CaptionStore(tmp_path) as store, pytest.raises(InvalidArgument, match="models_gb"):
        watch(video, make_tools(["ocr"]), store.captions_of(video.id), models_gb=0)
