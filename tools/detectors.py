"""Detectors: models that find things in single pictures, from transformers or ultralytics."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np

from videochat.devices import Device, load_model, load_processor, loading
from videochat.errors import MissingDependency, first_line
from videochat.home import home
from videochat.tools.tracking import Sighting


class Detector(Protocol):
    """A loaded model that finds the things it knows."""

    def detect(self, images: Sequence[np.ndarray], min_score: float) -> list[list[Sighting]]:
        """Return what is in each picture, boxes in its own pixels.

        Args:
            images: uint8 RGB, each of shape (height, width, 3).
            min_score: leave out what is less sure than this, in [0, 1].
        """
        ...


class YoloDetector:
    """An ultralytics model for `detect`, `segment` or `pose`.

    Args:
        path: its `.pt` file; a pickle, of which only classes of ultralytics and torch are loaded.
        device: where it runs; in 16-bit floats on CUDA.

    Raises:
        MissingDependency: it is no such model, or ultralytics is not installed.
    """

    def __init__(self, path: Path, device: Device) -> None:
        self._device = device
        with loading(f"The ultralytics model {str(path)!r}"):
            ultralytics = import_ultralytics()
            try:
                self._model = ultralytics.YOLO(str(path), verbose=False)
                task = self._model.task
            except Exception as error:
                # A pickle of something else fails in as many ways as there are pickles.
                reason = f"{type(error).__name__}: {first_line(error)}"
                raise MissingDependency(
                    f"{str(path)!r} cannot be loaded as an ultralytics model ({reason})."
                ) from error
        if task not in ("detect", "segment", "pose"):
            raise MissingDependency(
                f"{str(path)!r} is an ultralytics model for {task!r}; objects needs one for 'detect'."
            )

    def detect(self, images: Sequence[np.ndarray], min_score: float) -> list[list[Sighting]]:
        """Find things; see `Detector`."""
        results = self._model.predict(
            [np.ascontiguousarray(image[:, :, ::-1]) for image in images],
            conf=min_score,
            device=self._device.name,
            quantize=16 if self._device.is_cuda else None,
            verbose=False,
        )
        return [
            _sightings(r.boxes.xyxy.tolist(), r.boxes.conf.tolist(), [r.names[int(c)] for c in r.boxes.cls.tolist()])
            for r in results
        ]


class _TransformersDetector:
    """What the detectors of transformers have in common: loading, and one forward pass."""

    auto_class: ClassVar[str]
    auto_processor: ClassVar[str]

    def __init__(self, folder: Path, device: Device) -> None:
        import torch

        # Half a percent of the picture is what bfloat16 knows of a place. So only what autocast chooses runs in 16.
        self._half = torch.float16 if device.is_cuda else device.dtype
        self._device = Device(device.name, torch.float32)
        self._processor = load_processor(self.auto_processor, folder)
        self._model = load_model(self.auto_class, folder, self._device)
        if self._half != torch.float32:
            for layer in self._model.modules():
                if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear):
                    layer.to(self._half)  # once, and not by autocast at every picture

    def _forward(self, images: Sequence[np.ndarray], **words: Any) -> tuple[Any, Any]:
        """Return what the processor made of pictures (and words), and what the model made of that."""
        import torch

        inputs = self._processor(images=list(images), return_tensors="pt", **words).to(self._device.name)
        kind = torch.device(self._device.name).type
        with torch.inference_mode(), torch.autocast(kind, self._half, enabled=self._half != torch.float32):
            return inputs, self._model(**inputs)


class DetrDetector(_TransformersDetector):
    """D-FINE, RT-DETRv2 and their like, with the labels they were trained on.

    Args:
        folder: the checkpoint.
        device: where it runs.

    Raises:
        MissingDependency: it is no such model, or damaged.
    """

    auto_class = "AutoModelForObjectDetection"
    auto_processor = "AutoImageProcessor"

    def detect(self, images: Sequence[np.ndarray], min_score: float) -> list[list[Sighting]]:
        """Find things; see `Detector`."""
        _, outputs = self._forward(images)
        results = self._processor.post_process_object_detection(
            outputs, threshold=min_score, target_sizes=_sizes(images)
        )
        names = self._model.config.id2label
        return [
            _sightings(r["boxes"].tolist(), r["scores"].tolist(), [names[label] for label in r["labels"].tolist()])
            for r in results
        ]


class ZeroShotDetector(_TransformersDetector):
    """Grounding DINO and its like: one thing, described in words.

    Args:
        folder: the checkpoint.
        device: where it runs.

    Raises:
        MissingDependency: it is no such model, or damaged.
    """

    auto_class = "AutoModelForZeroShotObjectDetection"
    auto_processor = "AutoProcessor"

    def detect(self, images: Sequence[np.ndarray], min_score: float, what: str) -> list[list[Sighting]]:
        """Return where a thing is in each picture, boxes in its own pixels.

        Args:
            images: uint8 RGB, each of shape (height, width, 3).
            min_score: leave out what is less sure than this, in [0, 1].
            what: the thing in words; the label of what is found.
        """
        words = [[what.lower().rstrip(".")]] * len(images)
        inputs, outputs = self._forward(images, text=words, padding=True)
        results = self._processor.post_process_grounded_object_detection(
            outputs,
            inputs["input_ids"],
            threshold=min_score,
            text_threshold=min_score,
            target_sizes=_sizes(images),
        )
        # The model repeats only those words of the description that it is sure of.
        return [_sightings(r["boxes"].tolist(), r["scores"].tolist(), [what] * len(r["scores"])) for r in results]


def import_ultralytics() -> Any:
    """Import ultralytics with its run-time installs, telemetry and settings in other people's folders shut off.

    Raises:
        ImportError: it is not installed.
    """
    os.environ["YOLO_AUTOINSTALL"] = "false"
    os.environ["YOLO_OFFLINE"] = "true"
    os.environ.setdefault("ULTRALYTICS_SAFE_LOAD", "true")
    os.environ.setdefault("YOLO_VERBOSE", "false")
    if "YOLO_CONFIG_DIR" not in os.environ:
        folder = home() / "ultralytics"
        folder.mkdir(parents=True, exist_ok=True)
        os.environ["YOLO_CONFIG_DIR"] = str(folder)
    from PIL import Image

    opening = Image.open
    import ultralytics
    from ultralytics.utils.events import events

    # It puts its own in the place of Pillow's, which meets a broken picture with an install.
    Image.open = opening
    # Whoever imported it before us may have done so with telemetry on.
    events.enabled = False
    return ultralytics


def _sizes(images: Sequence[np.ndarray]) -> list[tuple[int, int]]:
    return [(image.shape[0], image.shape[1]) for image in images]  # (height, width)


def _sightings(boxes: Iterable[list[float]], scores: Iterable[float], labels: Iterable[str]) -> list[Sighting]:
    return [
        Sighting(label, float(score), (box[0], box[1], box[2], box[3]))
        for box, score, label in zip(boxes, scores, labels, strict=True)
    ]
