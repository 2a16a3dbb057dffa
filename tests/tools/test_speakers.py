"""Who speaks when: turns of voices, through the real loading code with tiny weights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.fakes.senses import CPU, seen
from tests.fakes.tiny_checkpoints import TinyCheckpoints
from videochat.audio import SAMPLE_RATE, AudioBlock
from videochat.errors import MissingDependency
from videochat.media import Video
from videochat.testing import Scene, draw_video
from videochat.tools.speakers import SpeakerTurns, turns


def blocks(samples: np.ndarray, seconds: float) -> Iterator[AudioBlock]:
    step = round(seconds * SAMPLE_RATE)
    for first in range(0, len(samples), step):
        yield AudioBlock(first / SAMPLE_RATE, samples[first : first + step])


@pytest.fixture
def sense(tiny: TinyCheckpoints) -> SpeakerTurns:
    return SpeakerTurns(tiny("diarization"), device=CPU)


@pytest.mark.parametrize("seconds", [0.4, 1.5, 9.37, 20.0])
def test_sound_in_pieces_gives_what_the_model_says_of_the_whole(sense: SpeakerTurns, seconds: float) -> None:
    samples = np.random.default_rng(7).normal(0, 0.1, round(seconds * SAMPLE_RATE)).astype(np.float32)
    loaded = sense.loaded()
    whole = loaded.processor(samples, sampling_rate=SAMPLE_RATE, return_tensors="pt")
    with torch.inference_mode():
        expected = loaded.model(input_features=whole["input_features"]).logits[0].sigmoid().numpy()
    for cut in (0.33, 30.0):
        found = np.concatenate(list(sense.activity(blocks(samples, cut))))
        frames = min(len(found), len(expected))
        assert abs(len(found) - seconds * 100) <= 2
        assert len(expected) - frames <= 1
        # The first sample of a piece has none before it, which shows a little in its first frame.
        assert np.abs(found[:frames] - expected[:frames]).mean() < 0.01


def test_turns_overlap_and_go_on_over_a_breath_wherever_the_pieces_are_cut() -> None:
    likely = np.full((600, 3), 0.1)
    likely[100:300, 1] = 0.9
    likely[330:400, 1] = 0.8  # a breath of 0.3 s
    likely[250:350, 0] = 0.7
    likely[520:600, 1] = 0.6
    for cut in (7, 100, 600):
        found = list(turns([likely[i : i + cut] for i in range(0, 600, cut)]))
        spans = [(turn.voice, round(turn.start_seconds, 2), round(turn.end_seconds, 2)) for turn in found]
        assert spans == [(0, 2.5, 3.5), (1, 1.0, 4.0), (1, 5.2, 6.0)]
        assert [turn.score for turn in found] == pytest.approx([0.7, (200 * 0.9 + 70 * 0.8) / 270, 0.6])


def test_voices_are_numbered_as_they_are_heard(sense: SpeakerTurns, tmp_path: Path) -> None:
    video = Video(draw_video(tmp_path / "talk.mp4", [Scene(12.0)], speech=[(1.0, 5.0), (6.0, 11.0)]))
    told = seen(sense, video)
    assert told
    names = list(dict.fromkeys(str(caption.attributes["speaker"]) for caption in told))
    assert names == [f"Speaker {number + 1}" for number in range(len(names))]
    for caption in told:
        assert caption.text == f"{caption.attributes['speaker']} speaks"
        assert caption.attributes["words_known"] is False
        assert caption.end_seconds - caption.start_seconds >= 0.25
    # In a range of its own nothing says that its first voice is the first of the video.
    assert all(str(c.attributes["speaker"]).endswith(" from 00:06") for c in seen(sense, video, 6.0, 12.0))


def test_what_is_missing_or_of_another_kind_is_said(tiny: TinyCheckpoints) -> None:
    with pytest.raises(MissingDependency, match=r"'speakers' needs the model nvidia/Nemotron-3-Diarization \(OpenMDW"):
        SpeakerTurns().prepare()
    with pytest.raises(MissingDependency, match="takes nemotron3_diarization"):
        SpeakerTurns(tiny("clip")).prepare()
