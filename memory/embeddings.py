"""Text embeddings: sentence-transformers where its model is, else one that needs no download."""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from langchain_core.embeddings import Embeddings

from videochat.errors import MissingPart

DEFAULT_MODEL = "sentence-transformers/all-MiniLM-L6-v2"
BUILTIN = "builtin"
_PROBE_SECONDS = 3.0


@dataclass(frozen=True)
class Embedder:
    """Text embeddings and the name by which a store remembers them."""

    name: str
    embeddings: Embeddings
    semantic: bool = True
    """Whether nearness means likeness of meaning (True) or only of words (False)."""

    def query(self, text: str) -> list[float]:
        """Return a question's vector, of unit length."""
        vector = np.asarray(self.embeddings.embed_query(text), np.float32)
        unit: list[float] = (vector / (float(np.linalg.norm(vector)) or 1.0)).tolist()
        return unit


def resolve_embedder(wanted: Embeddings | str | None, *, say: Callable[[str], None]) -> Embedder:
    """Turn what the user gave into an embedder.

    Args:
        wanted: LangChain embeddings; `"builtin"`; the name or directory of a sentence-transformers model;
            or None: `VIDEOCHAT_EMBEDDINGS`, else `DEFAULT_MODEL` where it is present or its hub answers,
            else the built-in one, which is then said.
        say: told in plain words what was taken, when it is not what one would expect.

    Raises:
        MissingPart: a model was asked for by name and cannot be had.
    """
    if isinstance(wanted, Embeddings):
        return Embedder(_name_of(wanted), wanted, semantic=not isinstance(wanted, WordEmbeddings))
    wanted = wanted or os.environ.get("VIDEOCHAT_EMBEDDINGS")
    if wanted == BUILTIN:
        return Embedder(BUILTIN, WordEmbeddings(), semantic=False)
    if wanted:
        return Embedder(*_sentence_transformer(wanted))
    if _cached(DEFAULT_MODEL) or _hub_answers():
        return Embedder(*_sentence_transformer(DEFAULT_MODEL))
    say(
        f"The text embedding model {DEFAULT_MODEL} is neither on this machine nor reachable, so captions are "
        "compared by their words, not by their meaning. To change that: fetch the model, set "
        "VIDEOCHAT_EMBEDDINGS to its name or directory, and watch again in a new store."
    )
    return Embedder(BUILTIN, WordEmbeddings(), semantic=False)


class SentenceTransformerEmbeddings(Embeddings):
    """A sentence-transformers model as LangChain embeddings; loads at first use.

    Args:
        directory: where the model lies.
        name: what to call it.
    """

    def __init__(self, directory: str, name: str) -> None:
        self.directory, self.name = directory, name
        self._model: Any = None

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Embed texts to be found; returns unit vectors, one a text."""
        vectors: list[list[float]] = (
            self._load().encode_document(texts, normalize_embeddings=True, show_progress_bar=False).tolist()
        )
        return vectors

    def embed_query(self, text: str) -> list[float]:
        """Embed a question; returns a unit vector."""
        vector: list[float] = (
            self._load().encode_query(text, normalize_embeddings=True, show_progress_bar=False).tolist()
        )
        return vector

    def _load(self) -> Any:
        if self._model is None:
            from sentence_transformers import SentenceTransformer
            from transformers.utils import logging

            # A bar for a model that loads in a moment, between question and answer, is noise.
            logging.disable_progress_bar()
            self._model = SentenceTransformer(self.directory, local_files_only=True)
        return self._model


class WordEmbeddings(Embeddings):
    """Bags of words and letter triples, hashed: needs no model and is the same on every machine.

    Near means sharing words or parts of words, not meaning.
    """

    def __init__(self, dimensions: int = 512) -> None:
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


def is_present(model: str) -> bool:
    """Whether a sentence-transformers model can be used without the network."""
    return Path(model).expanduser().is_dir() or _cached(model) is not None


def _sentence_transformer(model: str) -> tuple[str, Embeddings]:
    directory = Path(model).expanduser()
    if directory.is_dir():
        # The same model under two paths is the same embedder.
        return f"sentence-transformers/{directory.resolve().name}", SentenceTransformerEmbeddings(
            str(directory), directory.name
        )
    found = _cached(model) or _download(model)
    return model, SentenceTransformerEmbeddings(found, model)


def _cached(model: str) -> str | None:
    from huggingface_hub import snapshot_download

    try:
        folder = Path(snapshot_download(model, local_files_only=True))
    except (OSError, ValueError):
        return None
    return str(folder) if any(folder.glob("*.safetensors")) else None


def _hub_answers() -> bool:
    from huggingface_hub import HfApi, constants

    if constants.is_offline_mode():
        return False
    try:
        HfApi().model_info(DEFAULT_MODEL, timeout=_PROBE_SECONDS)
    except Exception:
        return False
    return True


def _download(model: str) -> str:
    from huggingface_hub import snapshot_download

    try:
        return snapshot_download(model, allow_patterns=["*.json", "*.txt", "*.safetensors"], etag_timeout=5)
    except Exception as error:
        raise MissingPart(
            f"The text embedding model {model!r} is not on this machine and cannot be fetched "
            f"({type(error).__name__}). Give the directory of a sentence-transformers model, or 'builtin'."
        ) from error


def _name_of(embeddings: Embeddings) -> str:
    if isinstance(embeddings, WordEmbeddings):
        return BUILTIN if embeddings.dimensions == 512 else f"{BUILTIN}-{embeddings.dimensions}"
    cls = type(embeddings)
    model = next(
        (str(getattr(embeddings, name)) for name in ("model", "model_name", "name") if hasattr(embeddings, name)),
        "",
    )
    return f"{cls.__module__}.{cls.__qualname__}{f':{model}' if model else ''}"
