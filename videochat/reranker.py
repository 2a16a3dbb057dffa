"""A cross-encoder of transformers that reads question and caption together and says how well they fit."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from videochat.devices import choose_device, load_model, load_processor
from videochat.hub import find_weights

_BATCH = 32
_MOST_TOKENS = 256


class Reranker:
    """A model for sequence classification with one output, such as `BAAI/bge-reranker-v2-m3`; loads at first use.

    Args:
        model: hub id or folder.

    Raises:
        MissingDependency: it is not on this machine; nothing is downloaded.
    """

    def __init__(self, model: str | os.PathLike[str]) -> None:
        self.name = os.fspath(model)
        self._folder = find_weights(model, needed_by="The re-ranker")
        self._device = choose_device()
        self._tokenizer: Any = None
        self._model: Any = None

    def __call__(self, question: str, texts: Sequence[str]) -> np.ndarray:
        """Return how well texts fit a question, in [0, 1], shape (n,)."""
        import torch

        if self._model is None:
            self._tokenizer = load_processor("AutoTokenizer", self._folder)
            self._model = load_model("AutoModelForSequenceClassification", self._folder, self._device)
        scores: list[float] = []
        for first in range(0, len(texts), _BATCH):
            part = list(texts[first : first + _BATCH])
            inputs = self._tokenizer(
                [question] * len(part),
                part,
                padding=True,
                truncation=True,
                max_length=_MOST_TOKENS,
                return_tensors="pt",
            ).to(self._device.name)
            with torch.inference_mode():
                scores += torch.sigmoid(self._model(**inputs).logits[:, -1].float()).tolist()
        return np.array(scores)
