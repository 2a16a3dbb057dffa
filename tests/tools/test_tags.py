"""Tags from a vocabulary, whose vectors are computed once."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.fakes.senses import CPU, captions_of, needs_cuda, run
from tests.fakes.tiny_checkpoints import TinyCheckpoints
from videochat.devices import choose_device
from videochat.home import home
from videochat.media import Video
from videochat.testing import Scene, draw_video
from videochat.tools.dual_encoder import DualEncoder, shared_dual_encoder
from videochat.tools.tags import FrameTagger
from videochat.tools.text_vectors import word_list

WORDS = ("dog", "cat", "guitar", "kitchen", "a red car")


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Video:
    scenes = [Scene(4, "HELLO", "red", moving=True), Scene(4, "BYE\nNOW", "green", moving=True)]
    return Video(draw_video(tmp_path_factory.mktemp("clip") / "clip.mp4", scenes))


def tagger(folder: str, **options: Any) -> FrameTagger:
    usual: dict[str, Any] = {"vocabulary": WORDS, "min_score": 0.0, "device": CPU}
    return FrameTagger(folder, **(usual | options))


@pytest.mark.parametrize("architecture", ["siglip", "clip"])
def test_tags_every_two_seconds(tiny: TinyCheckpoints, video: Video, architecture: str) -> None:
    told = captions_of(run(tagger(tiny(architecture), top=3), video))
    assert [(caption.start_seconds, caption.end_seconds) for caption in told] == [(0, 2), (2, 4), (4, 6), (6, 8)]
    for caption in told:
        tags = caption.text.split(", ")
        assert len(tags) == 3
        assert set(tags) <= set(WORDS)


def test_nothing_likely_is_no_caption(tiny: TinyCheckpoints, video: Video) -> None:
    assert captions_of(run(tagger(tiny("siglip"), min_score=0.999999), video)) == []


@pytest.mark.parametrize("architecture", ["siglip", "clip"])
def test_probabilities_are_those_of_the_model(tiny: TinyCheckpoints, architecture: str) -> None:
    encoder = shared_dual_encoder(Path(tiny(architecture)), CPU)
    image = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    pixels = encoder.processor.image_processor([image], return_tensors="pt")["pixel_values"]
    with torch.inference_mode():
        logits = encoder.model(pixel_values=pixels, **encoder._tokenize(list(WORDS))).logits_per_image
    expected = logits.sigmoid() if architecture == "siglip" else logits.softmax(-1)
    given = encoder.probabilities(encoder.embed_images([image]), encoder.embed_texts(WORDS))
    np.testing.assert_allclose(given, expected.numpy(), rtol=1e-3)


def test_words_are_embedded_once(tiny: TinyCheckpoints, video: Video, monkeypatch: pytest.MonkeyPatch) -> None:
    first = captions_of(run(tagger(tiny("siglip")), video))
    (stored,) = (home() / "text_vectors").glob("*.npy")

    def embed_texts(self: DualEncoder, texts: Any) -> Any:
        raise AssertionError("they are on disk")

    with monkeypatch.context() as patched:
        patched.setattr(DualEncoder, "embed_texts", embed_texts)
        assert captions_of(run(tagger(tiny("siglip")), video)) == first
        with pytest.raises(AssertionError, match="on disk"):
            run(tagger(tiny("siglip"), vocabulary=["another"]), video)
    stored.write_bytes(b"cut short")
    assert captions_of(run(tagger(tiny("siglip")), video)) == first


def test_vocabularies(tiny: TinyCheckpoints, video: Video, tmp_path: Path) -> None:
    file = tmp_path / "words.txt"
    file.write_text("dog\n\n cat \ndog\n")
    assert tagger(tiny("siglip"), vocabulary=file).vocabulary == ("dog", "cat")
    with pytest.raises(ValueError, match="at least one"):
        tagger(tiny("siglip"), vocabulary=[])
    shipped = word_list("tags.txt")
    assert len(shipped) == len(set(shipped)) > 300
    assert tagger(tiny("siglip")).version(video) != tagger(tiny("siglip"), vocabulary=shipped).version(video)


@needs_cuda
@pytest.mark.parametrize("architecture", ["siglip", "clip"])
def test_on_a_gpu(tiny: TinyCheckpoints, video: Video, architecture: str) -> None:
    assert len(captions_of(run(tagger(tiny(architecture), device=choose_device("cuda")), video))) == 4


def test_the_vocabulary_is_large_and_each_word_is_there_once() -> None:
    words = word_list("tags.txt")
    assert len(words) > 2600
    assert len(set(words)) == len(words)
    assert all(word == word.strip() and len(word) < 40 and "," not in word for word in words)
    assert {"dog", "kitchen", "riding a bicycle", "presentation slide", "sunset"} <= set(words)
