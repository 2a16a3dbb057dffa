"""Text embeddings: a sentence-transformers model that is on this machine, or hashed bags of words."""

from __future__ import annotations

import re
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from langchain_core.embeddings import Embeddings

from videochat.bert_encoder import BertEncoder
from videochat.devices import loading
from videochat.errors import InvalidArgument

# Importing sentence-transformers takes as long as embedding about so many texts without it.
_WITHOUT_TORCH = 800


class SentenceTransformerEmbeddings(Embeddings):
    """A sentence-transformers model as LangChain embeddings; loads at first use.

    Args:
        directory: where the model lies.
        name: what to call it.

    Raises:
        MissingDependency: at first use, where its files are damaged.
    """

    def __init__(self, directory: str, name: str) -> None:
        self.directory, self.name = directory, name
        self._model: Any = None
        self._light: BertEncoder | str | None = "not tried"
        self._embedded = 0

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Embed texts to be found; returns unit vectors, one a text."""
        self._embedded += len(texts)
        loaded = self._model is not None or "sentence_transformers" in sys.modules
        if not loaded and self._embedded <= _WITHOUT_TORCH and (light := self._without_torch()) is not None:
            return list(light.encode(texts).tolist()) if texts else []
        vectors: list[list[float]] = (
            self._load().encode_document(texts, normalize_embeddings=True, show_progress_bar=False).tolist()
        )
        return vectors

    def embed_query(self, text: str) -> list[float]:
        """Embed a question; returns a unit vector."""
        if self._model is None and (light := self._without_torch()) is not None:
            return list(light.encode([text])[0].tolist())
        vector: list[float] = (
            self._load().encode_query(text, normalize_embeddings=True, show_progress_bar=False).tolist()
        )
        return vector

    def _without_torch(self) -> BertEncoder | None:
        if isinstance(self._light, str):
            try:
                self._light = BertEncoder(Path(self.directory))
            except Exception:  # of another kind, or damaged: then sentence-transformers says how
                self._light = None
        return self._light

    def _load(self) -> Any:
        if self._model is None:
            with loading(f"The text embedding model {self.name!r}"):
                from sentence_transformers import SentenceTransformer

                self._model = SentenceTransformer(self.directory, local_files_only=True)
        return self._model


class WordEmbeddings(Embeddings):
    """Bags of words and letter triples, hashed: needs no model and is the same on every machine.

    Near means sharing words or parts of words, not meaning.

    Args:
        dimensions: numbers in a vector.

    Raises:
        InvalidArgument: less than one dimension.
    """

    def __init__(self, dimensions: int = 512) -> None:
        if dimensions < 1:
            raise InvalidArgument(f"A vector needs at least 1 dimension, got {dimensions!r}.")
        self.dimensions = dimensions

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Embed texts to be found; returns unit vectors of `dimensions` numbers."""
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        """Embed one text; returns a unit vector of `dimensions` numbers."""
        vector = np.zeros(self.dimensions)
        for word in re.findall(r"\w+", text.casefold()):
            self._count(vector, word, 1.0)
            padded = f"^{word}$"
            for i in range(len(padded) - 2):
                self._count(vector, padded[i : i + 3], 0.4)
        length = float(np.linalg.norm(vector))
        if length == 0:
            vector[0] = length = 1.0  # cosine needs a direction even for "?!"
        unit: list[float] = (vector / length).tolist()
        return unit

    def _count(self, vector: np.ndarray, feature: str, weight: float) -> None:
        code = zlib.crc32(feature.encode())
        vector[code % self.dimensions] += weight if code >> 31 else -weight
