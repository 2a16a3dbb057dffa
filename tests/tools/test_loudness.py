"""How loud the sound is, is measured where it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.fakes.senses import seen
from videochat.audio import SAMPLE_RATE, AudioBlock
from videochat.media import Video
from videochat.records import Caption
from videochat.testing import Scene, draw_video
from videochat.tools import Settled, make_tool
from videochat.tools.loudness import Loudness


def tone(level: float, seconds: float) -> np.ndarray:
    """Return a tone of a root mean square in decibels of full scale."""
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (np.sqrt(2) * 10 ** (level / 20) * np.sin(2 * np.pi * 440 * time)).astype(np.float32)


def measured(clip: Video, samples: np.ndarray, start: float = 0.0, block: int = 1000) -> list[Caption | Settled]:
    pieces = [samples[at : at + block] for at in range(0, len(samples), block)]
    times = [start + at / SAMPLE_RATE for at in range(0, len(samples), block)]
    stream = [AudioBlock(second, piece) for second, piece in zip(times, pieces, strict=True)]
    return list(Loudness().perceive(stream, clip, start, start + len(samples) / SAMPLE_RATE))


def told(items: list[Caption | Settled]) -> list[tuple[float, float, str]]:
    return [(c.start_seconds, c.end_seconds, c.text) for c in items if isinstance(c, Caption)]


SAMPLES = np.concatenate([tone(-12, 4), np.zeros(4 * SAMPLE_RATE, np.float32), tone(-45, 2), tone(-25, 3)])


def test_windows_that_are_equally_loud_are_one_caption(clip: Video) -> None:
    items = measured(clip, SAMPLES)
    assert told(items) == [
        (0.0, 4.0, "sound: loud (-12 dB)"),
        (4.0, 8.0, "sound: silent"),
        (8.0, 10.0, "sound: quiet (-45 dB)"),
        (10.0, 13.0, "sound: moderate (-25 dB)"),
    ]
    first = next(item for item in items if isinstance(item, Caption))
    assert first.attributes == {
        "sound": "loud (-12 dB)",
        "loudness": -12.0,
        "loudest": -12.0,
        "loudest_seconds": 0.0,
        "quietest": -12.0,
        "quietest_seconds": 0.0,
    }


def test_a_short_silence_is_told_of_what_it_interrupts(clip: Video) -> None:
    samples = tone(-12, 12)
    samples[round(6.5 * SAMPLE_RATE) : 7 * SAMPLE_RATE] = 0
    whole = [item for item in measured(clip, samples) if isinstance(item, Caption)]
    quietest = min(whole, key=lambda c: float(c.attributes["quietest"]))
    assert (quietest.attributes["quietest"], quietest.attributes["quietest_seconds"]) == (-100.0, 6.5)


@pytest.mark.parametrize("block", [1, 7, 32_000, 1_000_000])
def test_the_size_of_blocks_changes_nothing(clip: Video, block: int) -> None:
    samples = SAMPLES if block > 1 else SAMPLES[: 2 * SAMPLE_RATE + 100]
    assert measured(clip, samples, block=block) == measured(clip, samples)


def test_started_again_at_a_mark_it_goes_on(clip: Video) -> None:
    items = measured(clip, SAMPLES)
    for place, mark in enumerate(items[:-1]):
        if isinstance(mark, Settled):
            rest = SAMPLES[round(mark.seconds * SAMPLE_RATE) :]
            assert measured(clip, rest, mark.seconds) == items[place + 1 :]


def test_an_hour_of_silence_is_told_every_minute(clip: Video) -> None:
    found = told(measured(clip, np.zeros(150 * SAMPLE_RATE, np.float32), block=SAMPLE_RATE))
    assert [(start, end) for start, end, _ in found] == [(0, 60), (60, 120), (120, 150)]


def test_a_video_whose_sound_is_silence(tmp_path: Path) -> None:
    path = draw_video(tmp_path / "quiet.mp4", [Scene(6)], speech=[(0, 0)])
    (caption,) = seen(make_tool("loudness"), Video(path))
    assert (caption.start_seconds, caption.text) == (0.0, "sound: silent")
    assert caption.end_seconds == pytest.approx(6.0, abs=0.1)
