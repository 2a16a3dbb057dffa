"""Chroma collections of captions: how a caption becomes a row, and a row a caption."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from videochat.memory.store_records import Changes
from videochat.records import Caption, Kind

if TYPE_CHECKING:
    from chromadb import Collection
    from chromadb.api import ClientAPI

BATCH = 2000
"""Rows to write or read at once; Chroma takes at most 5,461."""

NAMES = ("captions", "summaries")
"""The collections; summaries lie apart, since no search wants both."""

_ATTRIBUTE = "attribute_"


def get_collection(client: ClientAPI, name: str) -> Collection:
    """Return a collection, made if it is not there: compared by cosine, and never making vectors by itself."""
    return client.get_or_create_collection(name, embedding_function=None, configuration={"hnsw": {"space": "cosine"}})


def collections_of(kinds: Iterable[Kind] | None) -> list[str]:
    """Return the names of the collections where captions of these kinds lie; None for all but summaries."""
    if kinds is None:
        return ["captions"]
    return sorted({"summaries" if kind == "summary" else "captions" for kind in kinds})


def metadata_of(caption: Caption) -> dict[str, Any]:
    """Return what is known of a caption beside its text and id, as flat values that can be filtered by.

    Each of its `attributes` stands under its own name, as `attribute_scale`.
    """
    data = caption.as_dict()
    attributes = data.pop("attributes", {})
    flat = {name: value for name, value in data.items() if name not in ("id", "text")}
    return flat | {f"{_ATTRIBUTE}{name}": value for name, value in attributes.items()}


def caption_of(text: str, metadata: Mapping[str, Any]) -> Caption:
    """Return the caption of a row: the inverse of `metadata_of`."""
    attributes = {
        name.removeprefix(_ATTRIBUTE): value for name, value in metadata.items() if name.startswith(_ATTRIBUTE)
    }
    return Caption.from_dict({"text": text, **metadata, "attributes": attributes})


def put_changes(get: Callable[[str], Any], changes: Changes) -> None:
    """Write changes; writing them twice changes nothing.

    Args:
        get: gives a collection by name.
        changes: captions with their vectors, and ids that are gone.
    """
    by_name: dict[str, list[tuple[Caption, bytes]]] = {}
    for caption, vector in changes.added:
        by_name.setdefault(collections_of([caption.kind])[0], []).append((caption, vector))
    for name, rows in by_name.items():
        get(name).upsert(
            ids=[caption.id for caption, _ in rows],
            embeddings=[np.frombuffer(vector, np.float16).astype(np.float32) for _, vector in rows],
            documents=[caption.text for caption, _ in rows],
            metadatas=[metadata_of(caption) for caption, _ in rows],
        )
    if changes.gone:
        for name in NAMES:
            get(name).delete(ids=changes.gone)


def cosines_of(collection: Any, vector: Sequence[float], ids: list[str]) -> dict[str, float]:
    """Return the cosines of a vector and some rows, by id; rows that are not there are left out.

    Args:
        collection: a Chroma collection, or what has its method `get`.
        vector: of unit length.
        ids: of the rows.
    """
    if not ids:
        return {}
    found = collection.get(ids=ids, include=["embeddings"])
    matrix = np.asarray(found["embeddings"], np.float32).reshape(len(found["ids"]), -1)
    lengths = np.linalg.norm(matrix, axis=1) if len(matrix) else np.ones(0)
    values = matrix @ np.asarray(vector, np.float32) / np.maximum(lengths, 1e-9) if len(matrix) else lengths
    return {id_: float(value) for id_, value in zip(found["ids"], values, strict=True)}
