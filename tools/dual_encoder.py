"""Dual encoders (SigLIP, CLIP): pictures and texts as vectors in one space."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from videochat.devices import Device, SharedModels, config_of, load_model, load_processor, to_pixels

MODEL_TYPES = ("siglip", "clip")
"""`model_type`s that `DualEncoder` loads; SigLIP 2 of fixed resolution says `siglip`."""
MAX_SIDE = 384
"""Pixels that suffice for the inputs of these models."""

_TEXT_BATCH = 64


class DualEncoder:
    """A loaded SigLIP or CLIP.

    Args:
        folder: the checkpoint.
        device: where it runs.

    Raises:
        MissingDependency: it is no such model, or damaged.
    """

    def __init__(self, folder: Path, device: Device) -> None:
        self.device = device
        self.is_siglip = config_of(folder)["model_type"] == "siglip"
        self.processor = load_processor("AutoProcessor", folder)
        self.model: Any = load_model("AutoModel", folder, device)

    def embed_images(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Embed pictures.

        Args:
            images: uint8 RGB arrays, shape (height, width, 3).

        Returns:
            Unit vectors, float32, shape (len(images), d).
        """
        import torch

        pixels = to_pixels(self.processor.image_processor, list(images), self.device)
        with torch.inference_mode():
            features = self.model.get_image_features(pixel_values=pixels)
        return _unit(features.pooler_output)

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Embed texts; returns unit vectors, float32, shape (len(texts), d)."""
        import torch

        parts = []
        for first in range(0, len(texts), _TEXT_BATCH):
            inputs = self._tokenize(list(texts[first : first + _TEXT_BATCH]))
            with torch.inference_mode():
                parts.append(_unit(self.model.get_text_features(**inputs).pooler_output))
        return np.concatenate(parts)

    def _tokenize(self, texts: list[str]) -> dict[str, Any]:
        length = self.model.config.text_config.max_position_embeddings
        if not self.is_siglip:
            tokens = self.processor.tokenizer(
                texts, padding=True, truncation=True, max_length=length, return_tensors="pt"
            )
            return {name: tokens[name].to(self.device.name) for name in ("input_ids", "attention_mask")}
        # SigLIP was trained on lower case, padded to full length and without a mask; a mask moves the vector.
        tokens = self.processor.tokenizer(
            [text.lower() for text in texts],
            padding="max_length",
            truncation=True,
            max_length=length,
            padding_side="right",
            return_tensors="pt",
        )
        return {"input_ids": tokens["input_ids"].to(self.device.name)}

    def probabilities(self, images: np.ndarray, texts: np.ndarray) -> np.ndarray:
        """Return how well texts fit pictures.

        SigLIP judges each text by itself; CLIP shares one among all of them.

        Args:
            images: unit vectors, shape (n, d).
            texts: unit vectors, shape (m, d).

        Returns:
            float64 in [0, 1], shape (n, m).
        """
        logits = images.astype(np.float64) @ texts.T.astype(np.float64) * float(self.model.logit_scale.exp())
        if self.is_siglip:
            scores: np.ndarray = 1 / (1 + np.exp(-(logits + float(self.model.logit_bias))))
            return scores
        weights = np.exp(logits - logits.max(axis=1, keepdims=True))
        shares: np.ndarray = weights / weights.sum(axis=1, keepdims=True)
        return shares


_loaded: SharedModels[DualEncoder] = SharedModels()


def shared_dual_encoder(folder: Path, device: Device) -> DualEncoder:
    """Return the encoder of a folder, loaded once for all who hold it."""
    return _loaded.get((folder.resolve(), device), lambda: DualEncoder(folder, device))


def _unit(features: Any) -> np.ndarray:
    vectors: np.ndarray = features.float().cpu().numpy()
    unit: np.ndarray = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit
