from __future__ import annotations

import json
from random import Random

import pytest

from tests.fakes.tiny_embed import GOLDEN, CountingVideo, need
from videochat.embed_model.preprocess import sample_seconds, train_indices, windows


def test_frames_are_taken_where_upstream_takes_them():
    video = CountingVideo(duration_seconds=10)
    assert sample_seconds(video, 0, 10, 4) == [31 / 25, 93 / 25, 155 / 25, 218 / 25]


def test_windows_cover_a_range():
    assert windows(10, 70, 25) == [(10, 30), (30, 50), (50, 70)]
    assert windows(0, 5, 60) == [(0, 5)]
    with pytest.raises(ValueError, match="must be positive"):
        windows(0, 5, 0)


@pytest.mark.material
def test_frames_are_chosen_as_upstream_does():
    table = json.loads(need(GOLDEN / "sampling_and_schedule.json").read_text())
    for key, indices in table["train_middle"].items():
        assert train_indices(*map(int, key.split(",")), None) == indices
    exact = 0
    for key, case in table["train_rand"].items():
        count, samples = map(int, key.split(","))
        found = train_indices(count, samples, Random(case["seed"]))
        assert len(found) == samples
        assert found == sorted(found)
        assert found[0] >= 0
        assert found[-1] < count
        if count >= 3 * samples:  # fewer frames: upstream draws with numpy, another stream of chance
            assert found == case["idx"], key
            exact += 1
    assert exact == 4
