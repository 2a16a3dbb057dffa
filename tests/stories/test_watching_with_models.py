"""A watch with many models: in one pass, in passes that fit into memory, condensed at its end."""

from pathlib import Path
from typing import Any

import pytest

from tests.fakes.tiny_checkpoints import TinyCheckpoints
from videochat import VideoAgent
from videochat.agent.watch import refine, watch
from videochat.media import Video
from videochat.memory import CaptionStore, textualize
from videochat.records import Caption
from videochat.testing import Scene, draw_video
from videochat.tools import make_tool, make_tools
from videochat.tools.refine import CaptionRefiner


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Video:
    scenes = [Scene(3, "HELLO", "red", moving=True), Scene(3, "BYE\nNOW", "green", moving=True)]
    return Video(draw_video(tmp_path_factory.mktemp("clip") / "clip.mp4", scenes))


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
        assert report.by_sense["actions"] == 3
        # A random model has nothing to say of one picture or another.
        assert 3 <= report.by_sense["captions"] <= 6
        assert report.by_sense["tags"] == 3
        captions = store.between(video.id, 0, 6)
        assert {caption.kind for caption in captions} == {"action", "clip_caption", "dense_caption", "tags"}
        assert "00:02" in textualize(captions)
        assert watch(video, senses, store.captions_of(video.id)).already_watched


def test_captions_are_condensed_after_a_watch(tiny: TinyCheckpoints, video: Video, tmp_path: Path) -> None:
    with CaptionStore(tmp_path) as store:
        stored = store.captions_of(video.id)
        tags = make_tool("tags", model=tiny("siglip"), vocabulary=["dog", "cat"], min_score=0.0)
        watch(video, [*make_tools(["ocr", "visual_facts"]), tags], stored)
        refiner = CaptionRefiner(tiny("t5"))
        refiner.prepare()
        assert refine(video, refiner, stored) > 0
        before = store.between(video.id)
        assert {"clip_caption", "video_caption"} <= {caption.kind for caption in before}
        assert {"ocr", "tags", "measure"} <= {caption.kind for caption in before}, "the originals are kept"
        assert refine(video, refiner, stored) == 0
        store.add([Caption(video.id, 0, 1, "speech", "Hello there", "test")])
        refine(video, refiner, stored)
        assert len([c for c in store.between(video.id) if c.kind == "video_caption"]) == 1, "replaced, not doubled"


def test_the_first_answer_says_which_preset_watched(
    video: Video, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("videochat.agent.watcher.best_present", lambda: "small")
    monkeypatch.setattr("videochat.agent.watcher.make_tools", lambda preset: make_tools(["ocr"]))
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
        assert min(report.by_sense.values()) > 0
        assert len(together) == passes
        assert watch(video, senses, store.captions_of(video.id)).already_watched
    loaded = {sense.name for sense in senses if getattr(sense, "_model", None) is not None}
    everything = {"captions", "actions", "dense_captions", "tags"}
    assert loaded == (everything if models_gb is None else {"tags"}), "the models of a pass are freed after it"
