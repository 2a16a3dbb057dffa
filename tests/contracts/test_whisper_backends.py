"""Every form of Whisper goes through its real loading code, with tiny weights."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from transformers import WhisperFeatureExtractor, WhisperForConditionalGeneration

from tests.fakes.converted_whisper import to_openai, to_transformers
from tests.fakes.tiny_detectors import tiny_faster_whisper, tiny_whisper, tiny_whisper_pt
from videochat.media import Video
from videochat.packaged import packaged
from videochat.records import Caption
from videochat.testing import Scene, draw_video
from videochat.tools import whisper
from videochat.tools.base import Settled
from videochat.tools.speech import SpeechRecognizer


@pytest.fixture(scope="session")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "talk.mp4"
    return Video(draw_video(path, [Scene(7.0)], speech=[(1.0, 6.0)]))


def captions(items):
    return [item for item in items if isinstance(item, Caption)]


@pytest.mark.parametrize("make", [tiny_whisper, tiny_faster_whisper])
def test_real_loading_code(make, clip, monkeypatch):
    # Random weights stammer, which the recognizer would rightly drop.
    from whisper.tokenizer import LANGUAGES

    monkeypatch.setattr(whisper, "MAX_COMPRESSION", 1e9)
    tool = SpeechRecognizer(make(), device="cpu")
    tool.prepare()
    assert make().name in tool.source
    *told, mark = tool.perceive(clip.audio(), clip, 0.0, clip.duration_seconds)
    assert mark == Settled(clip.duration_seconds)
    told = captions(told)
    # In CTranslate2's 8-bit arithmetic random weights may say nothing; that it loads and ends is what is seen then.
    assert told or make is tiny_faster_whisper
    for caption in told:
        assert 0.6 <= caption.start_seconds < caption.end_seconds <= 6.5
        assert caption.language in LANGUAGES
        assert 0 <= caption.score <= 1
    tool.close()


def test_words_and_a_given_language(clip, monkeypatch):
    monkeypatch.setattr(whisper, "MAX_COMPRESSION", 1e9)
    tool = SpeechRecognizer(tiny_whisper_pt(), language="de", device="cpu")
    said = list(tool.transcribe(clip, 0.5, 6.5))
    assert said
    for utterance in said:
        assert utterance.language == "de"
        assert "".join(word.text for word in utterance.words).strip() == utterance.text
        assert all(0.5 <= word.start_seconds < word.end_seconds for word in utterance.words)


@pytest.fixture
def forms(offline_packages: None, tmp_path: Path) -> dict[str, Path]:
    """The packaged weights of Whisper base in the forms of the three programs."""
    pytest.importorskip("faster_whisper")
    packed = packaged("Systran/faster-whisper-base").folder
    assert packed is not None
    checkpoint = to_transformers(packed, tmp_path / "checkpoint")
    return {
        "faster-whisper": packed,
        "transformers": checkpoint,
        "openai-whisper": to_openai(checkpoint, tmp_path / "base.pt"),
    }


@pytest.mark.material
def test_three_programs_with_the_same_weights_hear_the_same_words(forms: dict[str, Path], material: Path) -> None:
    video = Video(material / "audio/jfk.flac")
    heard = {}
    for program, path in forms.items():
        tool = SpeechRecognizer(path, device="cpu")
        heard[program] = words_of(" ".join(caption.text for caption in captions(tool.run(video))))
        tool.close()
    samples = np.concatenate([block.samples for block in video.audio()])
    heard["transformers, by its own code"] = words_of(by_transformers(forms["transformers"], samples))
    assert set(map(tuple, heard.values())) == {tuple(heard["faster-whisper"])}
    assert len(heard["faster-whisper"]) == 22


def words_of(text: str) -> list[str]:
    return re.findall(r"[a-z']+", text.lower())


def by_transformers(folder: Path, samples: np.ndarray) -> str:
    """Return what the transformers model of a checkpoint hears, the likeliest sign at each step."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    model = WhisperForConditionalGeneration.from_pretrained(folder)
    features = WhisperFeatureExtractor()(samples, sampling_rate=16000, return_tensors="pt")["input_features"]
    start = [tokenizer.token_to_id(f"<|{t}|>") for t in ("startoftranscript", "en", "transcribe", "notimestamps")]
    with torch.inference_mode():
        signs = model.generate(
            features,
            decoder_input_ids=torch.tensor([start]),
            decoder_start_token_id=start[0],
            bos_token_id=model.config.bos_token_id,
            eos_token_id=model.config.eos_token_id,
            max_new_tokens=60,
            suppress_tokens=None,
        )
    text: str = tokenizer.decode(signs[0].tolist())
    return text
