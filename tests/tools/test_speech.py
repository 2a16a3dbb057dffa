"""What is said, sentence by sentence, cut where nobody speaks."""

import re
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.fakes.tiny_detectors import tiny_faster_whisper, tiny_whisper, tiny_whisper_pt
from videochat.audio import SAMPLE_RATE, AudioBlock
from videochat.errors import InvalidArgument, MissingDependency, UnknownName
from videochat.media import Video
from videochat.records import Caption
from videochat.testing import Scene, draw_video, seconds_of_voice
from videochat.tools import speech
from videochat.tools.base import Missed, Settled
from videochat.tools.speech import SpeechRecognizer, stretches
from videochat.tools.voice_activity import load_voice_detector
from videochat.tools.whisper import Segment, WhisperModel, Word

MATERIAL = Path(__file__).parents[2] / "../shared/material"


@pytest.fixture(scope="session")
def silero():
    return load_voice_detector()


@pytest.fixture(scope="session")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "talk.mp4"
    return Video(draw_video(path, [Scene(7.0)], speech=[(1.0, 6.0)]))


def voiced(speech, length_seconds):
    return np.concatenate(list(seconds_of_voice(speech, length_seconds)))


def sounds(samples, start=0.0, block_seconds=10.0):
    step = round(block_seconds * SAMPLE_RATE)
    for first in range(round(start * SAMPLE_RATE), len(samples), step):
        yield AudioBlock(first / SAMPLE_RATE, samples[first : first + step])


class Echo(WhisperModel):
    """Says how loud what it was given is, in one word, one second after it begins."""

    def transcribe(self, samples, language, attempt=0):
        text = f" {len(samples)} samples of {np.abs(samples).sum():.3f}."
        return [Segment(1.0, 2.0, text, -0.2, 0.0, 1.0, "en", (Word(1.0, 2.0, text, 0.9),))]


class Deaf(WhisperModel):
    def transcribe(self, samples, language, attempt=0):
        raise AssertionError("nothing was said, and still Whisper was asked")


def recognizer(model, silero):
    tool = SpeechRecognizer(prefer_subtitles=False)
    tool._model, tool._voice_detector = model, silero
    return tool


def captions(items):
    return [item for item in items if isinstance(item, Caption)]


def test_stretches_hold_the_speech_and_nothing_is_lost_or_moved(silero):
    spoken = [(2.0, 5.0), (9.0, 12.0), (13.0, 55.0), (70.0, 72.0)]
    sound = voiced(spoken, 110.0)
    pieces = list(stretches(sounds(sound, block_seconds=7.3), 0.0, silero))
    ends = [stretch.settled_seconds for stretch in pieces]
    assert ends == sorted(ends)
    assert ends[-1] == pytest.approx(110.0, abs=0.05)
    heard = np.zeros(len(sound), bool)
    for stretch in pieces:
        if stretch.samples is None:
            continue
        assert len(stretch.samples) <= 30 * SAMPLE_RATE
        first = round(stretch.start_seconds * SAMPLE_RATE)
        assert np.array_equal(stretch.samples, sound[first : first + len(stretch.samples)])
        heard[first : first + len(stretch.samples)] = True
    for start, end in spoken:
        assert heard[round((start + 0.1) * SAMPLE_RATE) : round((end - 0.1) * SAMPLE_RATE)].mean() > 0.95
    # The long pauses were not handed over.
    assert not heard[60 * SAMPLE_RATE : 68 * SAMPLE_RATE].any()


@pytest.mark.parametrize("kind", ["silence", "noise", "chord"])
def test_nothing_is_asked_where_nobody_speaks(kind, silero, clip):
    t = np.arange(40 * SAMPLE_RATE) / SAMPLE_RATE
    kinds: dict[str, Any] = {
        "silence": np.zeros_like(t),
        "noise": np.random.default_rng(0).normal(0, 0.1, len(t)),
        "chord": sum(np.sin(2 * np.pi * pitch * t) for pitch in (220, 277, 330)) / 6,
    }
    sound = kinds[kind].astype(np.float32)
    items = list(recognizer(Deaf(), silero).perceive(sounds(sound), clip, 0.0, 40.0))
    assert not captions(items)
    assert items[-1] == Settled(40.0)
    assert items[0].seconds < 40.0


def test_resumed_at_any_mark_it_tells_the_same(silero, clip):
    sound = voiced([(1.0, 3.0), (7.0, 50.0), (51.5, 53.0), (58.0, 60.0)], 64.0)

    def run(start):
        return list(recognizer(Echo(), silero).perceive(sounds(sound, start), clip, start, 64.0))

    whole = run(0.0)
    marks = [item for item in whole if isinstance(item, Settled)]
    assert len(marks) >= 4
    assert marks[-1] == Settled(64.0)
    for mark in marks[:-1]:
        position = whole.index(mark) + 1
        assert all(c.start_seconds < mark.seconds for c in captions(whole[:position]))
        assert run(mark.seconds) == whole[position:]


def test_what_is_missing_is_said_before_the_first_sound(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    began = time.monotonic()
    with pytest.raises(MissingDependency, match=r"'speech' needs the model openai/whisper-base"):
        SpeechRecognizer().prepare()
    with pytest.raises(MissingDependency, match=r"'speech' needs the model Systran/faster-whisper-small"):
        SpeechRecognizer("small", backend="faster-whisper").prepare()
    with pytest.raises(MissingDependency, match="no such folder or file"):
        SpeechRecognizer(tmp_path / "nowhere.pt").prepare()
    monkeypatch.setattr(speech, "find_spec", lambda name: None)
    with pytest.raises(MissingDependency, match=r"package 'faster_whisper'.*pip install 'videochat\[faster-whisper\]'"):
        SpeechRecognizer(tiny_faster_whisper()).prepare()
    with pytest.raises(MissingDependency, match=r"package 'whisper'.*pip install 'openai-whisper'"):
        SpeechRecognizer(tiny_whisper()).prepare()
    assert time.monotonic() - began < 10


def test_what_openai_whisper_fetched_earlier_is_used(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "whisper").mkdir()
    shutil.copy(tiny_whisper_pt(), tmp_path / "whisper/base.pt")
    tool = SpeechRecognizer("base")
    tool.prepare()
    # It is of another shape than the model of that name, whose alignment heads it cannot have.
    loaded: Any = tool.loaded()
    assert loaded._model.dims.n_audio_state == 32


def test_wrong_names_and_files(tmp_path):
    with pytest.raises(UnknownName, match="large-v3-turbo"):
        SpeechRecognizer("larg-v3-turbo")
    with pytest.raises(UnknownName, match="faster-whisper, openai-whisper"):
        SpeechRecognizer(backend="whisper.cpp")  # type: ignore[arg-type]  # the refusal is what is tested
    with pytest.raises(InvalidArgument, match="holds a model for openai-whisper, not for faster-whisper"):
        SpeechRecognizer(tiny_whisper(), backend="faster-whisper").prepare()
    broken = tmp_path / "broken.pt"
    broken.write_bytes(b"no weights")
    with pytest.raises(MissingDependency, match=r"The Whisper model '.*broken.pt' cannot be loaded"):
        SpeechRecognizer(broken).loaded()
    folder = tmp_path / "bare"
    shutil.copytree(tiny_faster_whisper(), folder)
    (folder / "tokenizer.json").unlink()
    with pytest.raises(MissingDependency, match=r"lacks tokenizer.json"):
        SpeechRecognizer(folder).loaded()


def test_subtitles_take_precedence_unless_told_otherwise(tmp_path):
    video = Video(draw_video(tmp_path / "a.mp4", [Scene(2.0)], speech=[(1.0, 20.0)]))
    assert SpeechRecognizer().unfit(video) is None
    (tmp_path / "a.srt").write_text("1\n00:00:00,500 --> 00:00:01,500\nHello\n")
    assert SpeechRecognizer().unfit(video) == "subtitles give the words"
    assert SpeechRecognizer(prefer_subtitles=False).unfit(video) is None
    mute = Video(draw_video(tmp_path / "b.mp4", [Scene(1.0)]))
    assert SpeechRecognizer().unfit(mute) == "there is no sound track"


@pytest.mark.material
@pytest.mark.parametrize("name", ["odd/silent_audio.mp4", "big_buck_bunny_0_30.webm"])
def test_real_silence_and_music_hold_no_words(name, silero):
    video = Video(MATERIAL / "videos" / name)
    items = list(recognizer(Deaf(), silero).perceive(video.audio(), video, 0.0, video.duration_seconds))
    assert not captions(items)
    assert items[-1] == Settled(video.duration_seconds)


@pytest.mark.material
def test_real_speech_is_cut_where_it_is(silero):
    video = Video(MATERIAL / "audio/jfk.flac")
    (stretch,) = [s for s in stretches(video.audio(), 0.0, silero) if s.samples is not None]
    assert stretch.samples is not None
    assert stretch.start_seconds < 0.4
    assert 10.0 < stretch.start_seconds + len(stretch.samples) / SAMPLE_RATE <= 11.05


@pytest.mark.material
def test_a_damaged_whisper_tells_nothing():
    # The decoder of this file computes nan from the second sign on; its text would be one sign, 200 times.
    video = Video(MATERIAL / "audio/jfk.flac")
    tool = SpeechRecognizer(MATERIAL / "weights/whisper-random-micro.pt", device="cpu")
    items = list(tool.perceive(video.audio(), video, 0.0, video.duration_seconds))
    assert not captions(items)
    assert [type(item) for item in items] == [Missed, Settled], "and says so"


def heard(text: str, *, logprob: float = -0.2, compression: float = 1.0, language: str = "en") -> Segment:
    return Segment(0.0, 3.0, text, logprob, 0.0, compression, language, (Word(0.0, 3.0, text, 0.9),))


class Stubborn(WhisperModel):
    """Repeats itself until it is asked in a certain way; remembers how it was asked."""

    def __init__(self, clear_at: int) -> None:
        self.clear_at = clear_at
        self.asked: list[int] = []

    def transcribe(self, samples, language, attempt=0):
        self.asked.append(attempt)
        loops = attempt < self.clear_at
        return [heard(" Oh yeah oh yeah." if loops else " It is clear.", compression=9.0 if loops else 1.0)]


@pytest.mark.parametrize("clear_at", [0, 1, 3])
def test_what_repeats_itself_is_tried_in_other_ways(clear_at, silero, clip):
    whisper = Stubborn(clear_at)
    tool = recognizer(whisper, silero)
    items = list(tool.perceive(sounds(voiced([(2.0, 5.0)], 10.0)), clip, 0.0, 10.0))
    assert [caption.text for caption in captions(items)] == ["It is clear."]
    assert whisper.asked == list(range(clear_at + 1))
    assert not [item for item in items if isinstance(item, Missed)]


def test_what_stays_unclear_is_a_gap_and_not_lost_in_silence(silero, clip):
    tool = recognizer(Stubborn(99), silero)
    items = list(tool.perceive(sounds(voiced([(2.0, 5.0)], 10.0)), clip, 0.0, 10.0))
    assert not captions(items)
    (missed,) = [item for item in items if isinstance(item, Missed)]
    assert 1.0 < missed.start_seconds < missed.end_seconds <= 6.0
    assert "could not be made out" in missed.reason


def test_the_language_is_decided_once_and_changed_only_with_evidence(silero, clip):
    asked = []

    class Polyglot(WhisperModel):
        """Hears German in the third stretch; English is unlikely there."""

        def transcribe(self, samples, language, attempt=0):
            asked.append(language)
            if len(samples) < 4.1 * SAMPLE_RATE:  # the third is the long one
                return [heard(" English.", language=language or "en")]
            likely = -0.2 if language in (None, "de") else -0.9
            return [heard(" Deutsch.", logprob=likely, language=language or "de")]

    tool = recognizer(Polyglot(), silero)
    sound = voiced([(1.0, 4.0), (8.0, 11.0), (15.0, 19.0), (23.0, 26.0)], 32.0)
    found = captions(tool.perceive(sounds(sound), clip, 0.0, 32.0))
    assert [caption.language for caption in found] == ["en", "en", "de", "de"]
    assert asked == [None, "en", "en", None, "de"]


class Bilingual(WhisperModel):
    """Hears English in short stretches and German in long ones; any other language is unlikely there."""

    def __init__(self, several: int) -> None:
        self.several = several
        self.asked: list[str | None] = []

    def transcribe(self, samples, language, attempt=0):
        self.asked.append(language)
        spoken = "de" if len(samples) > 4 * SAMPLE_RATE else "en"
        likely = -0.2 if language in (None, spoken) else -0.9
        return [heard(f" {len(samples)}.", logprob=likely, language=language or spoken)]


@pytest.mark.parametrize(
    ("lengths", "asked"),
    [
        ((2, 2, 2, 2, 2), [None, "en", "en", "en", "en"]),
        ((2, 2, 4, 4, 4), [None, "en", "en", None, "de", "de"]),
        # The third was heard in English with the second, and is heard again when that turns out to be German.
        ((2, 4, 4, 4, 4), [None, "en", "en", None, "de", "de", "de"]),
    ],
)
def test_stretches_that_are_heard_at_once_are_heard_as_one_by_one(lengths, asked, silero, clip):
    sound = voiced([(1.0 + 8 * i, 1.0 + 8 * i + length) for i, length in enumerate(lengths)], 42.0)
    together, alone = Bilingual(several=3), Bilingual(several=1)
    items = list(recognizer(together, silero).perceive(sounds(sound), clip, 0.0, 42.0))
    assert together.asked == asked
    assert [caption.language for caption in captions(items)] == ["de" if n == 4 else "en" for n in lengths]
    assert list(recognizer(alone, silero).perceive(sounds(sound), clip, 0.0, 42.0)) == items


@pytest.mark.parametrize(("likely", "taken"), [(-0.3, "en"), (-0.8, "it")])
def test_where_the_model_is_unsure_of_the_language_the_next_one_is_tried(likely, taken, silero, clip):
    asked = []

    class Unsure(WhisperModel):
        def transcribe(self, samples, language, attempt=0):
            asked.append(language)
            said = heard(" Hello." if language == "en" else " Ciao.", logprob=likely if language == "en" else -0.6)
            return [replace(said, language=language or "it", other_language=None if language else "en")]

    tool = recognizer(Unsure(), silero)
    found = captions(tool.perceive(sounds(voiced([(1.0, 4.0), (8.0, 11.0)], 14.0)), clip, 0.0, 14.0))
    assert [caption.language for caption in found] == [taken, taken]
    assert asked == [None, "en", taken], "and it is decided once"


@pytest.mark.material
@pytest.mark.parametrize(
    ("clip", "words"),
    [
        (
            "audio/jfk.flac",
            "and so my fellow americans ask not what your country can do for you ask what you can do for your country",
        ),
        ("videos/chaplin.mp4", ""),
        ("videos/big_buck_bunny_0_30.webm", ""),
        ("videos/parking_ride.webm", ""),
        ("videos/tears_of_steel_battle.webm", ""),
    ],
)
def test_the_packaged_whisper_hears_what_is_said_and_invents_nothing(
    offline_packages: None, material: Path, clip: str, words: str
) -> None:
    pytest.importorskip("faster_whisper")
    video = Video(material / clip)
    tool = SpeechRecognizer("base", backend="faster-whisper", prefer_subtitles=False)
    if tool.unfit(video):
        assert not words
        return
    found = captions(tool.run(video))
    assert re.findall(r"[a-z]+", " ".join(caption.text for caption in found).lower()) == words.split()
    assert all(caption.end_seconds - caption.start_seconds <= 7.0 for caption in found)
    assert {caption.language for caption in found} <= {"en"}


def test_a_word_begins_when_the_voice_does(silero, clip):
    class Drawing(WhisperModel):
        def transcribe(self, samples, language, attempt=0):
            words = (Word(0.3, 1.2, " Hello", 0.9), Word(1.5, 4.0, " there.", 0.9))
            return [replace(heard(" Hello there."), words=words)]

    tool = recognizer(Drawing(), silero)
    (first, second) = captions(tool.perceive(sounds(voiced([(1.0, 2.0), (3.5, 5.0)], 7.0)), clip, 0.0, 7.0))
    assert first.text == "Hello"
    assert second.start_seconds == pytest.approx(3.5 - 0.1, abs=0.2)
