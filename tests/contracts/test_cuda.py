"""Every model on a GPU: no tensor stays behind, no floats are mixed.

Where there is no GPU one is pretended (`tests/fakes/cuda.py`).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import layer_norm
from transformers.models.blip_2.modeling_blip_2 import Blip2VisionEmbeddings

from tests.contracts.test_perception_tools import CASES
from tests.fakes.cuda import CudaTensor, pretended
from tests.fakes.tiny_checkpoints import TinyCheckpoints
from tests.fakes.tiny_detectors import tiny_grounding_dino
from tests.fakes.tiny_embed import toy_model
from videochat.batches import Batcher
from videochat.devices import Device, choose_device, to_pixels
from videochat.embed_model.chat import ClipEncoder
from videochat.embed_model.dialogue import Conversation, tokenize_prompt
from videochat.embed_model.generation import SamplingSettings
from videochat.embed_model.model import VideoChatEmbed
from videochat.media import Video
from videochat.records import Caption
from videochat.testing import Scene, draw_video
from videochat.tools import make_tool
from videochat.tools.dense_captions import DenseCaptioner
from videochat.tools.frame_embeddings import FrameEmbedder
from videochat.tools.model_tool import ModelTool
from videochat.tools.object_search import ObjectFinder
from videochat.tools.refine import CaptionRefiner
from videochat.tools.whisper import _SETTINGS

Gpu = Callable[[], AbstractContextManager[None]]

SENSES = [
    "speech",
    "speakers",
    "objects",
    "objects-rtdetr",
    "objects-rfdetr",
    "objects-yolo",
    "actions",
    "actions-videomae",
    "captions",
    "captions-blip",
    "clip_captions",
    "dense_captions",
    "scene_text",
    "tags",
    "tags-clip",
]


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Gpu:
    """Where CUDA is, in the context that this opens."""
    if torch.cuda.is_available():
        return nullcontext

    def no_kernel(*_: Any) -> None:
        raise RuntimeError("no Triton here")

    # Whisper then goes on without its own kernels, which need a driver.
    monkeypatch.setattr("whisper.timing.dtw_cuda", no_kernel)
    monkeypatch.setattr("whisper.triton_ops.median_filter_cuda", no_kernel)
    warnings.filterwarnings("ignore", message="Failed to launch Triton kernels")
    return lambda: pretended(monkeypatch)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Video:
    scenes = [Scene(2, "HELLO", "red", moving=True), Scene(1, "BYE", "green", moving=True)]
    return Video(draw_video(tmp_path_factory.mktemp("clip") / "clip.mp4", scenes, speech=[(0.5, 2.5)]))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("embed") / "toy"
    toy_model().save_pretrained(path)
    return path


def watched(case: str, tiny: TinyCheckpoints, clip: Video) -> list[Any]:
    """Return what a sense says, on the device that it chooses."""
    options = CASES[case].options(tiny)
    if "device" in options:
        options["device"] = None
    sense = make_tool(CASES[case].name, **options)
    try:
        return list(sense.run(clip))
    finally:
        assert not isinstance(sense, ModelTool) or sense.device == choose_device("cuda")
        sense.close()


@pytest.mark.parametrize("case", SENSES)
def test_a_sense(case: str, tiny: TinyCheckpoints, clip: Video, gpu: Gpu, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("videochat.tools.whisper.MAX_COMPRESSION", 1e9)
    monkeypatch.setitem(_SETTINGS, "sample_len", 8)
    # Aligning words is compiled for the CPU first, and that takes a minute.
    monkeypatch.setitem(_SETTINGS, "word_timestamps", torch.cuda.is_available())
    monkeypatch.setattr(DenseCaptioner, "max_new_tokens", 12)
    CASES[case].options(tiny)  # the checkpoints are made on the CPU
    with gpu():
        items = watched(case, tiny, clip)
    assert items


def test_models_that_look_for_what_is_asked(tiny: TinyCheckpoints, clip: Video, gpu: Gpu) -> None:
    vectors, finder = tiny("siglip"), tiny_grounding_dino()
    frames = list(clip.frames(every_seconds=1.0))
    with gpu():
        embedder = FrameEmbedder(vectors)
        assert len(list(embedder.embed_frames(frames))) == len(frames)
        assert isinstance(ObjectFinder(finder, min_score=0.01).find_objects(clip, "a dog"), list)


def test_refining(tiny: TinyCheckpoints, clip: Video, gpu: Gpu, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("videochat.tools.refine._MAX_NEW_TOKENS", 4)
    captions = [Caption(clip.id, second, second + 1, "tags", f"a dog {second}", "tagger") for second in range(3)]
    folder = tiny("t5")
    with gpu():
        assert list(CaptionRefiner(folder).refine(captions, clip, 0, 3))


def ask(folder: Path, clip: Video, **options: Any) -> VideoChatEmbed:
    """Ask VideoChat-Embed about pictures, a range, and windows in one batch; return the model."""
    model = VideoChatEmbed.from_pretrained(folder)
    encoder = ClipEncoder(model, frames=2)
    short = SamplingSettings(max_new_tokens=4, **options)
    chat = encoder.chat(clip, 0, 2)
    chat.ask("What is that?", short)
    chat.ask("And then?", short)
    encoder.encode_image(np.zeros((20, 30, 3), np.uint8))
    assert len(list(encoder.ask_windows(clip, "What?", window_seconds=1, sampling=short))) == 3
    return model


@pytest.mark.parametrize("sampled", [False, True])
def test_videochat_embed(folder: Path, clip: Video, gpu: Gpu, sampled: bool) -> None:
    with gpu():
        model = ask(folder, clip, temperature=1.0 if sampled else 0.0, seed=1)
        assert {parameter.device.type for parameter in model.parameters()} == {"cuda"}
        assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}


def loss_of(folder: Path, device: str) -> tuple[float, dict[str, Any]]:
    """Return the loss of one example and the gradients of all that is learned."""
    model = VideoChatEmbed.from_pretrained(folder, device=device, dtype=torch.float32)
    for parameter in model.trainable().values():
        parameter.requires_grad_(True)
    prompt = tokenize_prompt(model.tokenizer, Conversation.about_video((0.5, 1.5)).prompt("What is that?"))
    prompt = replace(prompt, labels=prompt.after)
    frames = torch.randn(1, 2, 3, 28, 28, generator=torch.Generator().manual_seed(0))
    loss = model(frames.to(device), [prompt]).loss
    loss.backward()
    grown = {name: parameter.grad for name, parameter in model.trainable().items()}
    return float(loss), {name: grad.cpu() for name, grad in grown.items() if grad is not None}


def test_a_training_step_learns_what_it_learns_on_a_cpu(folder: Path, gpu: Gpu) -> None:
    torch.manual_seed(0)
    expected, slopes = loss_of(folder, "cpu")
    with gpu():
        found, there = loss_of(folder, "cuda")
    assert found == pytest.approx(expected, rel=1e-4)
    assert there.keys() == slopes.keys() != set()
    for name, slope in slopes.items():
        torch.testing.assert_close(there[name], slope, rtol=1e-3, atol=1e-5, msg=name)


@pytest.mark.parametrize("plant", [torch.Tensor.cpu, torch.Tensor.float], ids=["a tensor left behind", "float32"])
class TestAPlantedFaultIsFound:
    """What would only fail on a GPU fails here."""

    def test_in_a_sense(
        self, plant: Callable[[Any], Any], tiny: TinyCheckpoints, clip: Video, gpu: Gpu, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("videochat.tools.actions.to_pixels", lambda *given: plant(to_pixels(*given)))
        tiny("videomae")
        with gpu(), pytest.raises(RuntimeError, match="same device|dtype|type"):
            watched("actions-videomae", tiny, clip)

    def test_in_videochat_embed(
        self, plant: Callable[[Any], Any], folder: Path, clip: Video, gpu: Gpu, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        good = Blip2VisionEmbeddings.forward
        monkeypatch.setattr(Blip2VisionEmbeddings, "forward", lambda *given, **named: plant(good(*given, **named)))
        with gpu(), pytest.raises(RuntimeError, match="same device|dtype|type"):
            ask(folder, clip)


class TestThePretendedGpu:
    """It has the rules of a real one."""

    def test_values_stay_there_until_they_are_fetched(self, gpu: Gpu) -> None:
        with gpu():
            there = torch.arange(6, device="cuda").reshape(2, 3)
            assert there.device == torch.device("cuda:0")
            assert there[:, 1:].sum().item() == there.cpu().numpy()[:, 1:].sum()
            assert (there @ there.T).tolist() == [[5, 14], [14, 50]]
            with pytest.raises(TypeError, match="numpy"):
                there.numpy()

    def test_devices_and_floats_do_not_meet(self, gpu: Gpu) -> None:
        with gpu():
            there = torch.ones(2, 2, device="cuda")
            assert (there * torch.tensor(2.0)).tolist() == [[2, 2], [2, 2]], "a single number may come from anywhere"
            with pytest.raises(RuntimeError, match="same device"):
                there + torch.ones(2)
            with pytest.raises(RuntimeError):
                there.bfloat16() @ there
            with torch.autocast("cuda", torch.float16):
                assert (there.bfloat16() @ there).dtype == torch.float16

    def test_what_is_changed_in_place_is_changed(self, gpu: Gpu) -> None:
        with gpu():
            there = torch.zeros(3, device="cuda")
            view = there[1:]
            view += 2
            there[0] = 1
            assert there.tolist() == [1, 2, 2]
            layer = torch.nn.Linear(2, 2).to("cuda").half()
            assert layer.weight.dtype == torch.float16
            assert layer.weight.is_cuda

    def test_memory_that_runs_out_halves_the_batch(self, gpu: Gpu) -> None:
        sizes = []

        def run(batch: Any) -> list[int]:
            sizes.append(len(batch))
            if len(batch) > 2:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return list(batch)

        with gpu():
            assert Batcher(8, Device("cuda", torch.float16))(run, list(range(5))) == list(range(5))
        assert sizes == [5, 2, 2, 1]

    def test_normal_tensors_are_left_alone(self, gpu: Gpu) -> None:
        with gpu():
            here = layer_norm(torch.ones(2, 4), (4,))
            assert not isinstance(here, CudaTensor) or torch.cuda.is_available()
            assert here.numpy().shape == (2, 4)
