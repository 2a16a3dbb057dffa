"""Regions with phrases, and with boxes in the pixels of the source."""

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.fakes.senses import CPU, captions_of, needs_cuda, run
from tests.fakes.tiny_checkpoints import TinyCheckpoints
from videochat.devices import choose_device
from videochat.media import Video
from videochat.testing import Scene, draw_video
from videochat.tools.dense_captions import DenseCaptioner
from videochat.tools.florence import Florence, shared_florence


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Video:
    scenes = [Scene(2, "HELLO", "red", moving=True), Scene(2, "BYE\nNOW", "green", moving=True)]
    return Video(draw_video(tmp_path_factory.mktemp("clip") / "clip.mp4", scenes))


@pytest.fixture
def florence(tiny: TinyCheckpoints) -> Florence:
    return shared_florence(Path(tiny("florence")), CPU)


def let_say(florence: Florence, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the model generate the tokens of a text; all else stays real."""
    ids = florence.processor.tokenizer(text, return_tensors="pt")["input_ids"]

    def generate(*, mm_encoder_outputs: dict[str, Any], **options: Any) -> torch.Tensor:
        return ids.expand(len(mm_encoder_outputs["image"].pooler_output), -1)

    monkeypatch.setattr(florence.model, "generate", generate)


@pytest.mark.parametrize(
    ("size", "rotate", "box"),
    [
        # A place is one of 1000 along each side; its middle is meant.
        ((1600, 900), 0, (160.0, 180.0, 800.0, 540.0)),
        ((180, 320), 90, (18.0, 64.0, 90.0, 192.0)),
        ((320, 180), 0, (32.0, 36.0, 160.0, 108.0)),
    ],
)
def test_boxes_are_in_upright_source_pixels(
    tiny: TinyCheckpoints,
    florence: Florence,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    size: tuple[int, int],
    rotate: int,
    box: tuple[float, ...],
) -> None:
    video = Video(draw_video(tmp_path / "v.mp4", [Scene(1, "A")], size=size, rotate=rotate, frame_rate=2))
    let_say(florence, "a dog<loc_100><loc_200><loc_500><loc_600>", monkeypatch)
    (caption,) = captions_of(run(DenseCaptioner(tiny("florence"), device=CPU), video))
    assert (caption.kind, caption.text, caption.box) == ("dense_caption", "a dog", box)
    assert (caption.start_seconds, caption.end_seconds) == (0.0, 1.0)


def test_garbage_is_left_out(
    tiny: TinyCheckpoints, florence: Florence, video: Video, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_say(
        florence,
        "a dog<loc_100><loc_200><loc_500><loc_600>"
        "flat<loc_100><loc_200><loc_500><loc_200>"
        "12<loc_100><loc_200><loc_500><loc_600>"
        "a dog<loc_100><loc_200><loc_500><loc_600>"
        "loc_372>x<loc_1><loc_2><loc_500><loc_600>"
        "cut short<loc_1><loc_2>",
        monkeypatch,
    )
    found = captions_of(run(DenseCaptioner(tiny("florence"), device=CPU), video))
    assert [(caption.start_seconds, caption.text) for caption in found] == [(0.0, "a dog")]


@needs_cuda
def test_on_a_gpu(tiny: TinyCheckpoints, video: Video) -> None:
    assert captions_of(run(DenseCaptioner(tiny("florence"), every_seconds=1.0, device=choose_device("cuda")), video))
