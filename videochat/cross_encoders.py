"""Models of transformers that read two texts together: how well they fit, and whether one follows from the other."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from videochat.devices import choose_device, load_model, load_processor
from videochat.errors import InvalidArgument
from videochat.hub import find_weights

_BATCH = 32
_MOST_TOKENS = 256


class CrossEncoder:
    """A model for sequence classification of pairs of texts; loads at first use.

    Args:
        model: hub id or folder.
        needed_by: who needs it, as the message begins where it is missing.

    Raises:
        MissingDependency: it is not on this machine; nothing is downloaded.
    """

    def __init__(self, model: str | os.PathLike[str], needed_by: str) -> None:
        self.name = os.fspath(model)
        self._folder = find_weights(model, needed_by=needed_by)
        self._device = choose_device()
        self._tokenizer: Any = None
        self._model: Any = None

    def loaded(self) -> Any:
        """Return the model, loaded."""
        if self._model is None:
            self._tokenizer = load_processor("AutoTokenizer", self._folder)
            self._model = load_model("AutoModelForSequenceClassification", self._folder, self._device)
        return self._model

    def logits(self, first: Sequence[str], second: Sequence[str]) -> np.ndarray:
        """Return the outputs for pairs of texts, float32, shape (n, labels)."""
        import torch

        model = self.loaded()
        found: list[list[float]] = []
        for start in range(0, len(first), _BATCH):
            inputs = self._tokenizer(
                list(first[start : start + _BATCH]),
                list(second[start : start + _BATCH]),
                padding=True,
                truncation=True,
                max_length=_MOST_TOKENS,
                return_tensors="pt",
            ).to(self._device.name)
            with torch.inference_mode():
                found += model(**inputs).logits.float().tolist()
        return np.array(found, np.float32).reshape(len(found), model.config.num_labels)


class Reranker(CrossEncoder):
    """How well captions fit a question: a model with one output, such as `BAAI/bge-reranker-v2-m3`.

    Args:
        model: hub id or folder.

    Raises:
        MissingDependency: it is not on this machine; nothing is downloaded.
    """

    def __init__(self, model: str | os.PathLike[str]) -> None:
        super().__init__(model, "The re-ranker")

    def __call__(self, question: str, texts: Sequence[str]) -> np.ndarray:
        """Return how well texts fit a question, in [0, 1], shape (n,)."""
        if not texts:
            return np.zeros(0)
        return np.asarray(1 / (1 + np.exp(-self.logits([question] * len(texts), texts)[:, -1].astype(float))))


class Entailment(CrossEncoder):
    """Whether a sentence follows from a text: a model of language inference, such as `FacebookAI/roberta-large-mnli`.

    Args:
        model: hub id or folder; its labels name entailment and contradiction.

    Raises:
        MissingDependency: it is not on this machine; nothing is downloaded.
    """

    def __init__(self, model: str | os.PathLike[str]) -> None:
        super().__init__(model, "The check of entailment")

    def __call__(self, text: str, sentence: str) -> tuple[float, float]:
        """Return how likely a sentence follows from a text, and how likely it contradicts it; each in [0, 1].

        Raises:
            InvalidArgument: the model's labels name no entailment and contradiction.
        """
        labels = [str(label).casefold() for _, label in sorted(self.loaded().config.id2label.items())]
        at = {word: next((i for i, label in enumerate(labels) if word in label), -1) for word in ("entail", "contra")}
        if min(at.values()) < 0:
            raise InvalidArgument(
                f"{self.name!r} has the labels {', '.join(labels)}; a model of natural language inference, with "
                "entailment and contradiction, is needed."
            )
        scores = self.logits([text], [sentence])[0].astype(float)
        shares = np.exp(scores - scores.max())
        shares /= shares.sum()
        return float(shares[at["entail"]]), float(shares[at["contra"]])
