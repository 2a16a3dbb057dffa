"""A cross-encoder orders what was found: a tiny random one, through the real loading code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import transformers

from tests.fakes.stored_captions import captions
from videochat.agent import Evidence
from videochat.agent.grounding import check_sentences
from videochat.cross_encoders import Entailment, Reranker
from videochat.errors import InvalidArgument, MissingDependency
from videochat.memory import CaptionStore


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of 16 numbers a word that reads two texts, with one output."""
    return bert(tmp_path_factory.mktemp("reranker"), num_labels=1)


@pytest.fixture(scope="module")
def inference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT that tells entailment, neutral and contradiction apart."""
    labels = {0: "ENTAILMENT", 1: "NEUTRAL", 2: "CONTRADICTION"}
    return bert(tmp_path_factory.mktemp("inference"), id2label=labels)


def bert(path: Path, **labels: Any) -> Path:
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz"]
    words += [f"##{word}" for word in words[5:]]
    shape: dict[str, Any] = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    shape |= {"num_attention_heads": 2} | labels
    config = transformers.BertConfig(vocab_size=len(words), **shape)
    transformers.BertForSequenceClassification(config).save_pretrained(path)
    transformers.BertTokenizer(vocab={word: i for i, word in enumerate(words)}).save_pretrained(path)
    return path


def test_scores_are_shares_and_do_not_hang_on_the_batch(folder: Path) -> None:
    rerank = Reranker(folder)
    texts = [f"text {letter} " * (i + 1) for i, letter in enumerate("abcdefgh" * 6)]
    scores = rerank("which text", texts)
    assert scores.shape == (48,)
    assert ((scores > 0) & (scores < 1)).all()
    assert np.allclose(rerank("which text", texts[40:]), scores[40:], atol=1e-5)
    assert rerank("which text", []).shape == (0,)


def test_a_store_orders_what_it_finds_by_it(folder: Path, tmp_path: Path) -> None:
    with CaptionStore(tmp_path / "memory", reranker=folder) as store:
        store.add(captions())
        hits = store.search("pour the milk", video_ids=["kitchen"], k=7)
        assert store.embedder.rerank is not None
        fits = store.embedder.rerank("pour the milk", [hit.caption.text for hit in hits])
        # Random weights tell the texts apart in the seventh digit; other batches round in the ninth.
        assert fits.tolist() == pytest.approx(sorted(fits, reverse=True), abs=1e-8)
        assert len(hits) == 7


def test_a_model_that_is_not_here_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(MissingDependency, match="The re-ranker"):
        CaptionStore(tmp_path, reranker="nobody/nothing")


def test_what_follows_and_what_contradicts_are_shares(inference: Path, folder: Path) -> None:
    entails = Entailment(inference)
    follows, contradicts = entails("a man pours milk", "somebody pours milk")
    assert 0 < follows < 1
    assert 0 < contradicts < 1
    assert follows + contradicts < 1
    with pytest.raises(InvalidArgument, match="a model of natural language inference"):
        Entailment(folder)("a", "b")


@pytest.mark.parametrize(("shares", "doubted"), [((0.9, 0.05), False), ((0.1, 0.8), True), ((0.3, 0.3), True)])
def test_a_sentence_in_other_words_is_doubted_unless_it_follows(shares: tuple[float, float], doubted: bool) -> None:
    evidence = Evidence()
    evidence.add(captions()[:1])
    (check,) = check_sentences("Yoga [1].", evidence, duration_seconds=20.0, entails=lambda text, sentence: shares)
    assert bool(check.problem) == doubted
