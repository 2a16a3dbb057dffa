"""A sentence about the picture of each second, through the real loading code."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.fakes.senses import CPU, captions_of, needs_cuda, run
from tests.fakes.tiny_checkpoints import TinyCheckpoints
from videochat.agent.watch import watch
from videochat.devices import Device, choose_device
from videochat.errors import MissingDependency, UnknownName
from videochat.media import Video
from videochat.memory import CaptionStore
from videochat.testing import Scene, draw_video
from videochat.tools.captions import FrameCaptioner
from videochat.tools.dense_captions import DenseCaptioner
from videochat.tools.florence import shared_florence


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Video:
    scenes = [Scene(2.5, "HELLO", "red", moving=True), Scene(2.5, "BYE\nNOW", "green", moving=True)]
    return Video(draw_video(tmp_path_factory.mktemp("clip") / "clip.mp4", scenes))


@pytest.mark.parametrize("architecture", ["florence", "blip"])
def test_one_caption_a_second(tiny: TinyCheckpoints, video: Video, architecture: str) -> None:
    told = captions_of(run(FrameCaptioner(tiny(architecture), device=CPU), video))
    spans = [(caption.start_seconds, caption.end_seconds) for caption in told]
    # Random weights have nothing to say of some pictures.
    assert set(spans) <= {(i, i + 1) for i in range(5)}
    assert len(spans) == len(set(spans)) >= 3
    assert {caption.kind for caption in told} == {"clip_caption"}
    assert told[0].source.startswith(f"captions:tiny-{architecture}@")
    assert len({caption.text for caption in told}) > 1, "the picture has a say"


def test_an_empty_answer_is_no_caption(tiny: TinyCheckpoints, video: Video, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = FrameCaptioner(tiny("florence"), batch_size=5, device=CPU)
    florence = shared_florence(Path(tiny("florence")), CPU)
    said = ["<s><s><s></s>", "</s><s>a dog<pad><pad>", "<loc_3>", " . ", "</s><s>a cat</s>"]
    monkeypatch.setattr(florence.processor, "batch_decode", lambda ids, **options: said)
    assert [(c.start_seconds, c.text) for c in captions_of(run(tool, video))] == [(1.0, "a dog"), (4.0, "a cat")]


def test_a_watch_loads_once_and_encodes_each_picture_once(tiny: TinyCheckpoints, video: Video, tmp_path: Path) -> None:
    model = tiny("florence")
    captions = FrameCaptioner(model, device=CPU)
    dense = DenseCaptioner(model, every_seconds=2.0, device=CPU)
    with CaptionStore(tmp_path) as store:
        report = watch(video, [captions, dense], store.captions_of(video.id))
        assert report.gaps == []
        assert 3 <= report.by_sense["captions"] <= 5
        assert report.by_sense["dense_captions"] > 0
        assert watch(video, [captions, dense], store.captions_of(video.id)).already_watched
    assert captions._model is dense._model
    assert dense._model is not None
    assert dense._model.encoded == 5
    captions.close()
    assert run(dense, video)


def test_another_rate_or_detail_is_watched_anew(tiny: TinyCheckpoints, video: Video) -> None:
    usual = FrameCaptioner(tiny("florence"), device=CPU)
    assert usual.version(video) == FrameCaptioner(tiny("florence"), device=CPU).version(video)
    for other in ({"every_seconds": 2.0}, {"detail": "detailed"}):
        changed: Any = FrameCaptioner(tiny("florence"), device=CPU, **other)
        assert changed.version(video) != usual.version(video)
    with pytest.raises(UnknownName, match="brief, detailed, paragraph"):
        FrameCaptioner(tiny("florence"), detail="long")  # type: ignore[arg-type]  # what a user may write


def test_a_checkpoint_that_lacks_weights_is_refused(tiny: TinyCheckpoints, video: Video, tmp_path: Path) -> None:
    for file in Path(tiny("florence")).iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    weights = load_file(tmp_path / "model.safetensors")
    lost = next(name for name in weights if "projector" in name)
    del weights[lost]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(MissingDependency, match="lacks 1 weights of Florence2"):
        run(FrameCaptioner(str(tmp_path), device=CPU), video)


def test_another_architecture_is_refused_before_it_is_loaded(tiny: TinyCheckpoints) -> None:
    with pytest.raises(MissingDependency, match="of type 't5', and this sense takes florence2, blip"):
        FrameCaptioner(tiny("t5")).prepare()


@needs_cuda
@pytest.mark.parametrize("architecture", ["florence", "blip"])
def test_on_a_gpu(tiny: TinyCheckpoints, video: Video, architecture: str) -> None:
    device = Device("cuda", torch.float32)
    single = captions_of(run(FrameCaptioner(tiny(architecture), batch_size=1, device=device), video))
    assert len(single) == 5
    assert captions_of(run(FrameCaptioner(tiny(architecture), batch_size=4, device=device), video)) == single
    assert captions_of(run(FrameCaptioner(tiny(architecture), device=choose_device("cuda")), video))
