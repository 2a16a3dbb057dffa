"""The arithmetic of benchmarks/embed_cost.py against formulas worked out by hand."""

from __future__ import annotations

import pytest
import torch

from benchmarks.embed_cost import arithmetic, floor_seconds, half_precision_errors, measure
from tests.fakes.tiny_embed import toy_model
from videochat.embed_model.config import EmbedConfig


def test_operations_grow_with_the_frames_and_match_the_formula():
    vision = EmbedConfig.preset("7b").vision
    counted = arithmetic("7b", 1, 1, 10)
    s, c, m = vision.tokens_per_frame, vision.width, vision.mlp_width
    block = 2 * s * (4 * c * c + 2 * c * m) + 4 * s * s * c
    assert counted["encode_flops"] == pytest.approx(vision.depth * block, rel=0.1)
    assert counted["prefill_flops"] == pytest.approx(2 * 6.6e9 * (96 + 10), rel=0.05)
    assert counted["weight_bytes"] == pytest.approx(2 * 8.03e9, rel=0.01)


def test_bytes_of_the_toy():
    counted = arithmetic("toy", 2, 5, 10)
    model = toy_model()
    assert counted["weight_bytes"] == 2 * sum(p.numel() for p in model.parameters())
    assert counted["cache_bytes"] == (8 + 10 + 5) * 2 * 2 * 64 * 2
    assert floor_seconds(counted, 1e-12, 1e9)["encode"] == counted["encode_flops"]


def test_what_would_be_measured_on_a_gpu_runs_at_toy_size():
    assert all(seconds > 0 for seconds in measure("toy", 2, 3, 10, "cpu").values())
    errors = half_precision_errors("toy", 2, "cpu")
    assert 0 < errors["float16"] < errors["bfloat16"] < 0.2
    assert torch.get_default_dtype() == torch.float32
