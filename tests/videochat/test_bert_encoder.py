"""Sentence encoders without torch: the vectors of sentence-transformers, from the same folder."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.fakes.tiny_embedder import sentence_transformer
from videochat.bert_encoder import BertEncoder
from videochat.text_embeddings import SentenceTransformerEmbeddings

TEXTS = ["a cab bad", "x", "the face of a " * 300, ""]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random sentence-transformers model."""
    path = tmp_path_factory.mktemp("model")
    sentence_transformer(path)
    return path / "model"


def test_the_vectors_are_those_of_sentence_transformers(folder: Path) -> None:
    from sentence_transformers import SentenceTransformer

    reference = SentenceTransformer(str(folder), device="cpu").encode(TEXTS, normalize_embeddings=True)
    assert np.allclose(BertEncoder(folder).encode(TEXTS), reference, atol=1e-5)


def test_texts_of_all_lengths_come_in_their_order(folder: Path) -> None:
    encoder = BertEncoder(folder)
    texts = [f"{'face ' * (number * 37 % 90)}{number}" for number in range(120)]
    alone = np.concatenate([encoder.encode([text]) for text in texts])
    assert np.allclose(encoder.encode(texts), alone, atol=1e-5)
    assert encoder.encode([]).shape == (0, alone.shape[1])


def test_a_question_is_embedded_without_it(folder: Path) -> None:
    embeddings = SentenceTransformerEmbeddings(str(folder), "tiny")
    vector = embeddings.embed_query(TEXTS[0])
    assert embeddings._model is None
    assert np.allclose(vector, BertEncoder(folder).encode(TEXTS[:1])[0])


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("config_sentence_transformers.json", {"prompts": {"query": "query: "}}),
        ("1_Pooling/config.json", {"pooling_mode_mean_tokens": False, "pooling_mode": "cls"}),
        ("config.json", {"model_type": "mpnet"}),
        ("config.json", {"hidden_act": "relu"}),
    ],
)
def test_another_kind_of_model_is_left_to_sentence_transformers(
    folder: Path, tmp_path: Path, file: str, change: dict[str, object]
) -> None:
    import shutil

    copy = Path(shutil.copytree(folder, tmp_path / "model"))
    modules = json.loads((copy / "modules.json").read_text())
    path = copy / (file if file != "config.json" else Path(modules[0]["path"]) / file)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ValueError, match="no plain BERT"):
        BertEncoder(copy)


def test_a_folder_that_is_no_model_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="modules.json"):
        BertEncoder(tmp_path)
