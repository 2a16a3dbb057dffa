"""Text embeddings: where they come from, and what happens where they are missing."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from langchain_core.embeddings import Embeddings
from langchain_tests.integration_tests import EmbeddingsIntegrationTests
from langchain_tests.unit_tests import EmbeddingsUnitTests

from videochat.memory import WordEmbeddings


def test_word_embeddings_are_the_same_everywhere() -> None:
    program = "from videochat.memory import WordEmbeddings; print(WordEmbeddings(16).embed_query('Pour the milk'))"
    said = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert said == {f"{WordEmbeddings(16).embed_query('Pour the milk')}\n"}


def test_word_embeddings_are_unit_vectors_that_know_shared_words() -> None:
    embed = WordEmbeddings()
    vectors = np.array(embed.embed_documents(["pour the milk", "pouring milk", "a red car", "", "?!"]))
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.2
    assert embed.embed_query("Pour THE milk") == embed.embed_query("pour the milk")


class TestWordEmbeddings(EmbeddingsIntegrationTests):
    @property
    def embeddings_class(self) -> type[Embeddings]:
        return WordEmbeddings


class TestWordEmbeddingsAlone(EmbeddingsUnitTests):
    @property
    def embeddings_class(self) -> type[Embeddings]:
        return WordEmbeddings
