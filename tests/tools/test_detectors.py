"""Detectors of both libraries load through their real code, and leave nothing behind."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.fakes.senses import CPU
from tests.fakes.tiny_detectors import (
    tiny_dfine,
    tiny_grounding_dino,
    tiny_mm_grounding_dino,
    tiny_rfdetr,
    tiny_rtdetr,
    tiny_yolo,
)
from videochat.errors import MissingDependency
from videochat.tools.detectors import DetrDetector, YoloDetector, ZeroShotDetector

MAKERS = [tiny_dfine, tiny_rtdetr, tiny_rfdetr, tiny_yolo]
PICTURE = np.random.default_rng(7).integers(0, 255, (90, 160, 3), np.uint8)


@pytest.mark.parametrize("make", MAKERS)
def test_a_batch_finds_what_single_pictures_find(make):
    pictures = [np.random.default_rng(seed).integers(0, 255, (90, 160, 3), np.uint8) for seed in range(3)]
    detector = (YoloDetector if make is tiny_yolo else DetrDetector)(make(), CPU)
    together = detector.detect(pictures, 0.3)
    assert any(together)
    for picture, found in zip(pictures, together, strict=True):
        (alone,) = detector.detect([picture], 0.3)
        assert [s.label for s in alone] == [s.label for s in found]
        assert np.allclose([s.box for s in alone], [s.box for s in found], atol=1e-2)
        assert np.allclose([s.score for s in alone], [s.score for s in found], atol=1e-4)


def test_a_pickle_that_is_no_yolo_is_refused(tmp_path):
    import torch

    class Stranger:
        def __reduce__(self):
            return (Path(tmp_path / "run-by-pickle").touch, ())

    for content in (b"not a pickle", None):
        path = tmp_path / "stranger.pt"
        torch.save({"model": Stranger()}, path) if content is None else path.write_bytes(content)
        with pytest.raises(MissingDependency, match=r"stranger.pt' cannot be loaded as an ultralytics model"):
            YoloDetector(path, CPU)
    assert not (tmp_path / "run-by-pickle").exists()


def test_a_checkpoint_cut_short_is_refused(tmp_path):
    from safetensors.torch import load_file, save_file

    folder = tmp_path / "cut"
    shutil.copytree(tiny_dfine(), folder)
    tensors = load_file(folder / "model.safetensors")
    del tensors[next(name for name in tensors if "class_embed" in name)]
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(MissingDependency, match="lacks"):
        DetrDetector(folder, CPU)


def test_yolo_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    YoloDetector(tiny_yolo(), CPU).detect([PICTURE], 0.3)
    assert not list(tmp_path.iterdir())
    from PIL import Image
    from ultralytics.utils import AUTOINSTALL
    from ultralytics.utils.events import events

    assert not AUTOINSTALL
    assert not events.enabled
    assert Image.open.__module__ == "PIL.Image"


@pytest.mark.parametrize("make", [tiny_grounding_dino, tiny_mm_grounding_dino])
def test_a_zero_shot_detector_calls_what_it_finds_as_it_was_asked(make):
    detector = ZeroShotDetector(make(), CPU)
    (found,) = detector.detect([PICTURE], 0.3, "A red car.")
    assert found
    assert {sighting.label for sighting in found} == {"A red car."}
    for sighting in found:
        assert sighting.score >= 0.3
    # Asked for something else, it has kept nothing of the first question.
    (other,) = detector.detect([PICTURE], 0.3, "dog")
    assert {sighting.label for sighting in other} <= {"dog"}
