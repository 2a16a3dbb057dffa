"""How well it hears with the packaged weights, offline, through our own sense: word errors, words in their cue."""

from __future__ import annotations

import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from benchmarks.hearing import SLACK_SECONDS, Timed, placed, reference, repeated, words_within
from videochat.audio import SAMPLE_RATE
from videochat.evaluation.word_errors import aligned, words_of
from videochat.media import Video
from videochat.tools.speech import SpeechRecognizer
from videochat.tools.utterances import Utterance


def test_words_are_compared_as_they_should_be() -> None:
    wanted, found = words_of("NAR: NASA’s clean-rooms, in the world."), words_of("nasa's clean rooms of world")
    assert wanted == ["nasas", "clean", "rooms", "in", "the", "world"]
    errors, pairs = aligned(wanted, found)
    assert errors == 2
    assert pairs == [(0, 0), (1, 1), (2, 2), (5, 4)]
    assert aligned([], ["a", "b"]) == (2, [])
    cues = [("a", 1.0, 2.0), ("b", 1.0, 2.0), ("c", 3.0, 4.0)]
    assert placed(cues, [("a", 0.8, 1.2), ("b", 1.5, 2.4), ("c", 3.2, 3.5)], [(0, 0), (1, 1), (2, 2)]) == 2


def test_a_sound_is_repeated_without_holes() -> None:
    blocks = list(repeated(np.ones(SAMPLE_RATE * 2, np.float32), 9.0))
    assert [block.seconds for block in blocks] == [0.0, 3.0, 6.0]


CLIPS = (("jfk_slides", "gold.srt"), ("friday", "vtt"), ("nasa_13013", "gold.srt"))
"""A speech, film dialogue, and a narration, with their subtitles."""
PAUSE_SECONDS = 2.0


@dataclass(frozen=True)
class Heard:
    """What is heard of `CLIPS`, one after another in one sound."""

    utterances: list[Utterance]
    clips: dict[str, tuple[list[Timed], list[Timed]]]
    """By clip: the words that are said, and those that are heard, with their seconds in the clip."""

    def errors(self, *names: str) -> float:
        """Return the word error rate over some of the clips."""
        pairs = [self.clips[name] for name in names]
        wrong = sum(aligned([w for w, *_ in wanted], [w for w, *_ in found])[0] for wanted, found in pairs)
        return wrong / sum(len(wanted) for wanted, _ in pairs)


@pytest.fixture(scope="module")
def kept() -> list[Heard]:
    """What was heard, so that it is heard once."""
    return []


@pytest.fixture
def listened(offline_packages: None, material: Path, tmp_path: Path, kept: list[Heard]) -> Heard:
    """A mix is heard: film dialogue among other speech."""
    if not kept:
        kept.append(listen(material / "videos", tmp_path / "mix.wav"))
    return kept[0]


def listen(folder: Path, path: Path) -> Heard:
    pytest.importorskip("faster_whisper")
    pause = np.zeros(round(PAUSE_SECONDS * SAMPLE_RATE), np.float32)
    sounds = {
        name: np.concatenate([block.samples for block in Video(folder / f"{name}.mp4").audio()]) for name, _ in CLIPS
    }
    samples = np.concatenate([part for sound in sounds.values() for part in (sound, pause)])
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, SAMPLE_RATE, 0, "NONE", ""))
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    whisper = SpeechRecognizer("base", backend="faster-whisper", prefer_subtitles=False)
    utterances = list(whisper.transcribe(Video(path)))
    clips: dict[str, tuple[list[Timed], list[Timed]]] = {}
    begins = 0.0
    for name, subtitles in CLIPS:
        length = len(sounds[name]) / SAMPLE_RATE
        wanted = reference(folder / f"{name}.{subtitles}", length)
        said = words_within(utterances, begins, begins + length + PAUSE_SECONDS)
        # The last cue of a clip may outlast it.
        clips[name] = wanted, [word for word in said if word[1] < wanted[-1][2]]
        begins += length + PAUSE_SECONDS
    return Heard(utterances, clips)


@pytest.mark.material
@pytest.mark.parametrize(("name", "most"), [("jfk_slides", 0.05), ("nasa_13013", 0.12)])
def test_word_errors(listened: Heard, measured: list[str], name: str, most: float) -> None:
    measured.append(f"word error rate on {name}: {listened.errors(name):.2f}")
    assert listened.errors(name) <= most


@pytest.mark.material
def test_film_dialogue_among_other_speech(listened: Heard, measured: list[str]) -> None:
    rate = listened.errors(*listened.clips)
    measured.append(f"word error rate with film dialogue among other speech: {rate:.2f}")
    assert rate <= 0.20
    assert {utterance.language for utterance in listened.utterances} == {"en"}


@pytest.mark.material
def test_words_lie_in_their_cue(listened: Heard, measured: list[str]) -> None:
    total = inside = 0
    for name in ("jfk_slides", "nasa_13013"):
        wanted, found = listened.clips[name]
        _, pairs = aligned([word for word, *_ in wanted], [word for word, *_ in found])
        total, inside = total + len(pairs), inside + placed(wanted, found, pairs)
    measured.append(f"words inside their cue within {SLACK_SECONDS} s: {inside} of {total}")
    assert inside / total >= 0.95
