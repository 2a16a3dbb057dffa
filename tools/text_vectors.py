"""Text vectors: word lists of the package, and the vectors of texts, computed once for a model and kept on disk."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path

import numpy as np

from videochat.errors import InvalidArgument, first_line
from videochat.home import home


def word_list(name: str) -> tuple[str, ...]:
    """Return the lines of a text file of this package, e.g. `kinetics400.txt`."""
    text = resources.files("videochat.tools").joinpath(name).read_text(encoding="utf-8")
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def words_from(given: Sequence[str] | str | os.PathLike[str]) -> tuple[str, ...]:
    """Return words as given, or the lines of a file; each once, in order.

    Raises:
        InvalidArgument: there is none, or the file cannot be read.
    """
    lines: Sequence[str]
    if isinstance(given, str | os.PathLike):
        try:
            lines = Path(given).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidArgument(f"The list of words {str(given)!r} cannot be read: {first_line(error)}") from error
    else:
        lines = given
    words = tuple(dict.fromkeys(line.strip() for line in lines if line.strip()))
    if not words:
        raise InvalidArgument("The list of words to recognise needs at least one, and is empty.")
    return words


def digest_of(*parts: str) -> str:
    """Return 12 hex digits that change with any of the texts."""
    return hashlib.blake2b("\x1f".join(parts).encode(), digest_size=6).hexdigest()


def stored_vectors(model: str, texts: Sequence[str], embed: Callable[[Sequence[str]], np.ndarray]) -> np.ndarray:
    """Return the vectors of texts, from the data folder or computed and put there.

    Args:
        model: identity of the model and its floats; another one has other vectors.
        texts: what to embed.
        embed: computes float32 vectors, shape (len(texts), d).
    """
    path = home() / "text_vectors" / f"{digest_of(model, *texts)}.npy"
    if path.exists():
        try:
            vectors: np.ndarray = np.load(path, allow_pickle=False)
            if len(vectors) == len(texts):
                return vectors
        except (OSError, ValueError):
            pass  # cut short by a crash: it is made again
    vectors = embed(texts)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.stem}.{os.getpid()}.part.npy")
    np.save(part, vectors, allow_pickle=False)
    part.replace(path)
    return vectors
