"""Whisper weights by name, and checkpoints of transformers run by openai-whisper."""

import numpy as np
import pytest

from tests.fakes.senses import CPU
from tests.fakes.tiny_detectors import tiny_faster_whisper, tiny_whisper, tiny_whisper_pt
from videochat.audio import SAMPLE_RATE
from videochat.errors import MissingDependency
from videochat.hub import CATALOGUE
from videochat.tools.whisper import (
    SIZES,
    FasterWhisper,
    OpenAIWhisper,
    backend_of,
    from_transformers,
    load_whisper,
    openai_file,
    whisper_weights,
)


def test_a_checkpoint_of_transformers_computes_the_same_in_openai_whisper():
    import torch
    from transformers import WhisperForConditionalGeneration

    theirs = WhisperForConditionalGeneration.from_pretrained(tiny_whisper()).eval()
    ours = from_transformers(tiny_whisper(), "cpu")
    generator = torch.Generator().manual_seed(0)
    mel = torch.randn(1, 80, 3000, generator=generator)
    tokens = torch.randint(0, 51865, (1, 12), generator=generator)
    with torch.inference_mode():
        expected = theirs(input_features=mel, decoder_input_ids=tokens).logits
        assert torch.allclose(ours(mel, tokens), expected, atol=1e-4)
    assert ours.alignment_heads.indices().T.tolist() == [[1, 0], [1, 1]]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("backend", ["openai-whisper", "faster-whisper"])
def test_every_size_has_pinned_weights(size, backend):
    weights = whisper_weights(size, backend)
    assert weights is CATALOGUE[weights.model]
    assert weights.revision
    assert weights.model.endswith(size)


def test_a_path_that_is_called_like_a_size_is_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "base").mkdir()
    assert whisper_weights("base", None).model == "base"
    assert whisper_weights("some/whisper", None).revision is None


def test_the_file_that_openai_whisper_fetched(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert openai_file("base") is None
    (tmp_path / "whisper").mkdir()
    (tmp_path / "whisper/base.pt").touch()
    assert openai_file("base") == tmp_path / "whisper/base.pt"
    assert openai_file(str(tmp_path / "whisper/base.pt")) is None


@pytest.mark.parametrize(
    ("make", "loader"),
    [(tiny_whisper, OpenAIWhisper), (tiny_whisper_pt, OpenAIWhisper), (tiny_faster_whisper, FasterWhisper)],
)
def test_the_package_fits_the_files(make, loader):
    model = load_whisper(make(), CPU)
    assert isinstance(model, loader)
    assert (backend_of(make()) == "faster-whisper") == (loader is FasterWhisper)
    second = np.sin(np.arange(SAMPLE_RATE, dtype=np.float32) / 20)
    for segment in model.transcribe(second, "en"):
        assert segment.language == "en"
        assert 0.0 <= segment.start_seconds <= segment.end_seconds


def test_a_checkpoint_of_another_model_is_refused(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(MissingDependency, match=r"cannot be loaded \(ValueError\): its config.json says 'bert'"):
        load_whisper(tmp_path, CPU)


def test_several_pieces_at_once_are_heard_as_one_by_one():
    model = load_whisper(tiny_whisper(), CPU)
    assert model.several == 1, "a CPU gains nothing"
    noise = np.random.default_rng(1).normal(0, 0.1, 40 * SAMPLE_RATE).astype(np.float32)
    sounds = [noise[: 3 * SAMPLE_RATE], noise[: 28 * SAMPLE_RATE], noise[5 * SAMPLE_RATE : 6 * SAMPLE_RATE]]
    together = model.transcribe_several(sounds, "de")
    assert [len(found) for found in together] == [len(model.transcribe(samples, "de")) for samples in sounds]
    for samples, found in zip(sounds, together, strict=True):
        assert any(segment.words for segment in found)
        for one, other in zip(model.transcribe(samples, "de"), found, strict=True):
            assert other.text == one.text
            assert [(word.start_seconds, word.end_seconds, word.text) for word in other.words] == [
                (word.start_seconds, word.end_seconds, word.text) for word in one.words
            ]
            assert other.logprob == pytest.approx(one.logprob, abs=1e-4)
            assert other.no_speech == pytest.approx(one.no_speech, abs=1e-4)
            assert other.language == "de"


def test_a_window_is_encoded_once_for_its_text_and_its_words(monkeypatch):
    from whisper.model import AudioEncoder, Whisper

    model = load_whisper(tiny_whisper(), CPU)
    noise = np.random.default_rng(1).normal(0, 0.1, 3 * SAMPLE_RATE).astype(np.float32)
    counts = {"encoded": 0, "decoded": 0}

    def counted(what, usual):
        def count(*given):
            counts[what] += 1
            return usual(*given)

        return count

    monkeypatch.setattr(AudioEncoder, "forward", counted("encoded", AudioEncoder.forward))
    monkeypatch.setattr(Whisper, "decode", counted("decoded", Whisper.decode))
    assert any(segment.words for segment in model.transcribe(noise, "en"))
    assert counts["encoded"] == counts["decoded"] > 0
