"""Text embeddings that a store may compare by; what a store chooses is in tests/memory/test_embeddings.py."""

from __future__ import annotations

import numpy as np
import pytest

from videochat.errors import InvalidArgument, MissingDependency
from videochat.text_embeddings import SentenceTransformerEmbeddings, WordEmbeddings


def test_words_in_any_script_have_a_direction() -> None:
    vectors = np.array(WordEmbeddings(64).embed_documents(["milk", "牛奶", "?!", ""]))
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1)


def test_a_vector_needs_a_dimension() -> None:
    with pytest.raises(InvalidArgument, match="at least 1 dimension, got 0"):
        WordEmbeddings(0)


def test_a_folder_without_a_model_is_a_sentence(tmp_path: object) -> None:
    with pytest.raises(MissingDependency, match="'tiny'"):
        SentenceTransformerEmbeddings(str(tmp_path), "tiny").embed_query("a")
