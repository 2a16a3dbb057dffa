"""How well it hears with the packaged weights, offline, through our own sense: word errors, words in their cue."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.hearing import aligned, heard, placed, reference, repeated, words_of
from videochat.audio import SAMPLE_RATE, AudioBlock
from videochat.media import Video
from videochat.records import Caption
from videochat.tools.speech import SpeechRecognizer


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


@pytest.fixture(scope="module")
def whisper() -> SpeechRecognizer:
    return SpeechRecognizer("base", backend="faster-whisper", prefer_subtitles=False)


def _sound(path: Path) -> np.ndarray:
    return np.concatenate([block.samples for block in Video(path).audio()])


@pytest.mark.material
def test_word_errors_and_places(
    offline_packages: None, material: Path, whisper: SpeechRecognizer, measured: list[str]
) -> None:
    pytest.importorskip("faster_whisper")
    folder = material / "videos"
    total = inside = 0
    for name, subtitles, most in (("jfk_slides", "gold.srt", 0.05), ("nasa_13013", "gold.srt", 0.12)):
        video = Video(folder / f"{name}.mp4")
        wanted = reference(folder / f"{name}.{subtitles}", video.duration_seconds)
        found = heard(whisper, video, wanted[-1][2])
        errors, pairs = aligned([word for word, *_ in wanted], [word for word, *_ in found])
        total, inside = total + len(pairs), inside + placed(wanted, found, pairs)
        measured.append(f"word error rate on {name}: {errors / len(wanted):.2f}")
        assert errors / len(wanted) <= most, name
    measured.append(f"words inside their cue within 0.3 s: {inside} of {total}")
    assert inside / total >= 0.95


@pytest.mark.material
def test_film_dialogue_among_other_speech(
    offline_packages: None, material: Path, whisper: SpeechRecognizer, measured: list[str]
) -> None:
    pytest.importorskip("faster_whisper")
    folder = material / "videos"
    pause, samples, wanted = np.zeros(2 * SAMPLE_RATE, np.float32), [], []
    for name, subtitles in (("jfk_slides", "gold.srt"), ("friday", "vtt"), ("jfk_slides", "gold.srt")):
        samples += [_sound(folder / f"{name}.mp4"), pause]
        wanted += [word for word, *_ in reference(folder / f"{name}.{subtitles}", 100.0)]
    sound = np.concatenate(samples)
    stream = (AudioBlock(i / SAMPLE_RATE, sound[i : i + SAMPLE_RATE]) for i in range(0, len(sound), SAMPLE_RATE))
    clip = Video(folder / "friday.mp4")
    told = [c for c in whisper.perceive(stream, clip, 0.0, len(sound) / SAMPLE_RATE) if isinstance(c, Caption)]
    errors, _ = aligned(wanted, words_of(" ".join(caption.text for caption in told)))
    measured.append(f"word error rate on film dialogue among other speech: {errors / len(wanted):.2f}")
    assert errors / len(wanted) <= 0.20
    assert {caption.language for caption in told} == {"en"}
