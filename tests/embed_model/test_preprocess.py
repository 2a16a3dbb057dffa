from __future__ import annotations

import json
from random import Random

import numpy as np
import pytest
import torch

from tests.fakes.tiny_embed import GOLDEN, CountingVideo, need
from videochat.embed_model.preprocess import (
    CLIP_MEAN,
    CLIP_STD,
    crop_frame,
    normalise,
    sample_indices,
    sample_seconds,
    squash_image,
    train_indices,
    windows,
)


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
        count, samples = map(int, key.split(","))
        assert train_indices(count, samples, None) == indices
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


def test_indices_for_training_are_in_order_and_in_the_video():
    assert train_indices(24, 4, None) == [2, 8, 14, 20]
    assert train_indices(2, 4, None) == [0, 1, 1, 1]
    for seed in range(50):
        found = train_indices(24, 4, Random(seed))
        assert [index // 6 for index in found] == [0, 1, 2, 3]
        assert all(index % 6 < 5 for index in found), "the last frame of a part is never drawn"
        few = train_indices(5, 4, Random(seed))
        assert few == sorted(set(few))


def test_indices_for_inference_repeat_where_frames_are_few():
    assert sample_indices(101, 4) == [12, 37, 62, 87]
    assert sample_indices(1, 3) == [0, 0, 0]


def test_a_frame_is_cut_and_an_image_is_squashed():
    wide = np.zeros((20, 60, 3), np.uint8)
    wide[:, 20:40] = 255
    assert (crop_frame(wide, 20) == 255).mean() > 0.8
    assert crop_frame(wide.transpose(1, 0, 2), 10).shape == (10, 10, 3)
    squashed = squash_image(wide, 30)
    assert squashed.shape == (30, 30, 3)
    assert squashed[15, 2].max() == 0
    assert squashed[15, 15].min() == 255


def test_pixels_are_normalised_with_the_numbers_of_clip():
    pixels = normalise([np.full((4, 4, 3), value, np.uint8) for value in (0, 255)])
    assert (pixels.shape, pixels.dtype) == ((2, 3, 4, 4), torch.float32)
    assert pixels[0, :, 0, 0].tolist() == pytest.approx([-m / s for m, s in zip(CLIP_MEAN, CLIP_STD, strict=True)])
    assert pixels[1, :, 0, 0].tolist() == pytest.approx([(1 - m) / s for m, s in zip(CLIP_MEAN, CLIP_STD, strict=True)])
