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
