"""SigLIP and CLIP give unit vectors, whatever the batch, and the probabilities of the model."""

from pathlib import Path

import numpy as np
import pytest

from tests.fakes.senses import CPU
from tests.fakes.tiny_checkpoints import TinyCheckpoints
from videochat.tools.dual_encoder import DualEncoder, shared_dual_encoder


@pytest.fixture(params=["siglip", "clip"])
def encoder(request: pytest.FixtureRequest, tiny: TinyCheckpoints) -> DualEncoder:
    return shared_dual_encoder(Path(tiny(request.param)), CPU)


def test_unit_vectors_in_one_space(encoder: DualEncoder) -> None:
    images = list(np.random.default_rng(0).integers(0, 256, (3, 40, 60, 3), dtype=np.uint8))
    seen, said = encoder.embed_images(images), encoder.embed_texts(["a dog", "two red cars"])
    assert seen.shape[1] == said.shape[1]
    for vectors in (seen, said):
        assert vectors.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(encoder.embed_images(images[1:2])[0], seen[1], atol=1e-5)
    np.testing.assert_allclose(encoder.embed_texts(["two red cars"])[0], said[1], atol=1e-5)


def test_more_texts_than_a_batch(encoder: DualEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"number {i}" for i in range(5)]
    whole = encoder.embed_texts(texts)
    monkeypatch.setattr("videochat.tools.dual_encoder._TEXT_BATCH", 2)
    np.testing.assert_allclose(encoder.embed_texts(texts), whole, atol=1e-5)


def test_clip_shares_one_among_the_texts_and_siglip_does_not(encoder: DualEncoder) -> None:
    images = list(np.random.default_rng(1).integers(0, 256, (2, 40, 60, 3), dtype=np.uint8))
    scores = encoder.probabilities(encoder.embed_images(images), encoder.embed_texts(["dog", "cat", "car"]))
    assert scores.shape == (2, 3)
    assert ((scores >= 0) & (scores <= 1)).all()
    if encoder.is_siglip:
        alone = encoder.probabilities(encoder.embed_images(images), encoder.embed_texts(["dog"]))
        np.testing.assert_allclose(scores[:, :1], alone, atol=1e-5)
    else:
        np.testing.assert_allclose(scores.sum(axis=1), 1, rtol=1e-6)
