"""Every form of Whisper goes through its real loading code, with tiny weights."""

import pytest

from tests.fakes.tiny_detectors import tiny_faster_whisper, tiny_whisper, tiny_whisper_pt
from videochat.media import Video
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
