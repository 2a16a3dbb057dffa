"""Florence-2: one model that captions, describes regions and reads, from one encoding of a picture.

Senses that use the same checkpoint share one load, and a picture that several of them look at is encoded once:
the vision tower is about three quarters of the work of a short task.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from videochat.devices import Device, SharedModels, load_model, load_processor, to_pixels

if TYPE_CHECKING:
    import torch

MAX_SIDE = 768
"""Pixels of its input. Senses that share encodings must ask for pictures of the same size."""

# Senses that look at every picture and those that look at every fifth drift apart by their queues; an encoding
# takes one to two megabytes.
_KEPT_ENCODINGS = 64


@dataclass(frozen=True)
class Region:
    """A part of a picture and what it shows."""

    phrase: str
    """What is there."""
    box: tuple[float, float, float, float]
    """`(x1, y1, x2, y2)` in pixels of the size that was asked for."""


class Florence:
    """A loaded Florence-2; threads that use it wait for each other.

    Args:
        folder: the checkpoint.
        device: where it runs.

    Raises:
        MissingDependency: it is no such model, or damaged.
    """

    def __init__(self, folder: Path, device: Device) -> None:
        self.device = device
        self.processor = load_processor("AutoProcessor", folder)
        self.model = load_model("AutoModelForImageTextToText", folder, device)
        self.encoded = 0
        """How many pictures went through the vision tower."""
        self._encodings: OrderedDict[bytes, torch.Tensor] = OrderedDict()  # each of shape (tokens, width)
        self._prompts: dict[str, Any] = {}
        self._lock = threading.Lock()

    def caption(self, images: Sequence[np.ndarray], task: str, max_new_tokens: int) -> list[str]:
        """Describe pictures.

        Args:
            images: uint8 RGB arrays, shape (height, width, 3).
            task: `<CAPTION>`, `<DETAILED_CAPTION>` or `<MORE_DETAILED_CAPTION>`.
            max_new_tokens: where to cut.

        Returns:
            One text for each picture; empty where the model said nothing.
        """
        return [" ".join(re.sub(r"<[^>]*>", " ", text).split()) for text in self._ask(images, task, max_new_tokens)]

    def regions(
        self, images: Sequence[np.ndarray], task: str, size: tuple[int, int], max_new_tokens: int
    ) -> list[list[Region]]:
        """Find and describe regions, or read them; what is no phrase or no area is left out.

        Args:
            images: uint8 RGB arrays, shape (height, width, 3).
            task: `<DENSE_REGION_CAPTION>`, `<OD>`, or `<OCR_WITH_REGION>`, whose four corners become a box.
            size: (width, height) in whose pixels the boxes are wanted; places are relative, so this need not be
                the size of `images`.
            max_new_tokens: where to cut.
        """
        found = []
        is_text = task == "<OCR_WITH_REGION>"
        says = str.isalnum if is_text else str.isalpha
        for text in self._ask(images, task, max_new_tokens):
            answer = self.processor.post_process_generation(
                text=re.sub(r"<(pad|s|/s)>", "", text), task=task, image_size=size
            )[task]
            regions: dict[Region, None] = {}
            for label, corners in zip(answer["labels"], answer["quad_boxes" if is_text else "bboxes"], strict=True):
                phrase = label.strip()
                is_phrase = any(map(says, phrase)) and not re.search(r"[<>]|loc_\d", phrase)
                if is_text:
                    corners = min(corners[::2]), min(corners[1::2]), max(corners[::2]), max(corners[1::2])
                x1, y1, x2, y2 = map(float, corners)
                if is_phrase and x1 < x2 and y1 < y2:
                    regions[Region(phrase, (x1, y1, x2, y2))] = None
            found.append(list(regions))
        return found

    def _ask(self, images: Sequence[np.ndarray], task: str, max_new_tokens: int) -> list[str]:
        import torch
        from transformers.modeling_outputs import BaseModelOutputWithPooling

        with self._lock, torch.inference_mode():
            features = torch.stack(self._encode(images))  # (n, tokens, width)
            prompt = {name: ids.expand(len(images), -1) for name, ids in self._prompt(task).items()}
            ids = self.model.generate(
                **prompt,
                mm_encoder_outputs={"image": BaseModelOutputWithPooling(pooler_output=features)},
                max_new_tokens=max_new_tokens,
                num_beams=1,
                do_sample=False,
            )
        # Places are special tokens.
        texts: list[str] = self.processor.batch_decode(ids, skip_special_tokens=False)
        return texts

    def _encode(self, images: Sequence[np.ndarray]) -> list[torch.Tensor]:
        keys = [_key(image) for image in images]
        new = {key: image for key, image in zip(keys, images, strict=True) if key not in self._encodings}
        if new:
            pixels = to_pixels(self.processor.image_processor, list(new.values()), self.device)
            features = self.model.get_image_features(pixels).pooler_output
            self.encoded += len(new)
            # A copy of each, or one that stays would keep its whole batch.
            self._encodings.update(zip(new, (row.clone() for row in features), strict=True))
        encodings = [self._encodings[key] for key in keys]
        for key in keys:
            self._encodings.move_to_end(key)
        while len(self._encodings) > max(_KEPT_ENCODINGS, len(images)):
            self._encodings.popitem(last=False)
        return encodings

    def _prompt(self, task: str) -> dict[str, torch.Tensor]:
        """Return `input_ids` and `attention_mask` of a task, each of shape (1, length)."""
        if task not in self._prompts:
            # The processor lays out one device for each image token only when it sees a picture.
            blank = np.zeros((8, 8, 3), np.uint8)
            laid_out = self.processor(text=[task], images=[blank], return_tensors="pt")
            names = ("input_ids", "attention_mask")
            self._prompts[task] = {name: laid_out[name].to(self.device.name) for name in names}
        prompt: dict[str, torch.Tensor] = self._prompts[task]
        return prompt


_loaded: SharedModels[Florence] = SharedModels()


def shared_florence(folder: Path, device: Device) -> Florence:
    """Return the Florence-2 of a folder, loaded once for all who hold it."""
    return _loaded.get((folder.resolve(), device), lambda: Florence(folder, device))


def _key(image: np.ndarray) -> bytes:
    digest = hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=16)
    digest.update(str(image.shape).encode())
    return digest.digest()
