from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.functional import layer_norm

from tests.fakes.tiny_embed import toy_frames, toy_model, worst_error
from videochat.embed_model.config import EmbedConfig
from videochat.embed_model.vision import GMHRA, FrameTimes, VideoEncoder


@pytest.fixture(scope="module")
def vision():
    return toy_model().vision


@pytest.mark.parametrize("frames", [1, 4, 64])
def test_any_number_of_frames(vision, frames):
    tokens = vision(toy_frames(2, frames))
    assert tokens.shape == (2, frames * 5 + 1, 32)
    assert tokens.isfinite().all()


def test_frames_of_another_size_are_refused(vision):
    with pytest.raises(ValueError, match=r"\(B, T, 3, 28, 28\), got \(1, 2, 3, 32, 32\)"):
        vision(torch.zeros(1, 2, 3, 32, 32))


def test_attention_runs_through_torch(vision):
    assert vision.vit.config._attn_implementation == "sdpa"


def test_untrained_gmhra_is_exactly_zero():
    config = EmbedConfig.preset("toy").vision
    states = [torch.randn(2, 3, 5, 32) for _ in range(config.gmhra_layers)]
    assert torch.equal(GMHRA(config).eval()(states), torch.zeros(2, 1, 32))


def test_frame_tokens_do_not_see_each_other(vision):
    frames = toy_frames(1, 4)
    together = vision(frames)[:, :-1].unflatten(1, (4, 5))
    alone = vision(frames.transpose(0, 1))[:, :-1]
    assert worst_error(together[0], alone) < 1e-6


def test_order_is_seen_by_gmhra_alone_and_only_through_its_taps_in_time():
    vision = toy_model().vision
    frames = toy_frames(1, 5)
    forward, backward = vision(frames), vision(frames.flip(1))
    turned = backward[:, :-1].unflatten(1, (5, 5)).flip(1).flatten(1, 2)
    assert worst_error(turned, forward[:, :-1]) < 1e-6
    assert worst_error(backward[:, -1], forward[:, -1]) > 1e-4
    assert vision.gmhra is not None
    layers: Any = vision.gmhra.layers
    with torch.no_grad():
        for layer in layers:
            layer.position.weight.copy_((layer.position.weight + layer.position.weight.flip(2)) / 2)
    assert worst_error(vision(frames.flip(1))[:, -1], vision(frames)[:, -1]) < 1e-5


def test_temporal_downsampling_halves_the_frames():
    config = replace(EmbedConfig.preset("toy").vision, temporal_downsample=True)
    encoder = VideoEncoder(config).eval()
    for frames, kept in ((1, 1), (4, 2), (5, 3)):
        assert encoder(toy_frames(1, frames)).shape[1] == kept * 5 + 1


def test_frame_times_tell_the_order_however_large_the_tokens():
    torch.manual_seed(0)
    times = FrameTimes(16)
    tokens = torch.randn(2, 4, 3, 16)
    assert torch.equal(times(tokens), tokens)
    nn.init.normal_(times.projection.weight)
    told = layer_norm(times(tokens), (16,)) - layer_norm(tokens, (16,))
    assert told.std() > 0.3
    # The norm behind them must not make them vanish beside a ViT's large tokens.
    large = layer_norm(times(100 * tokens), (16,)) - layer_norm(100 * tokens, (16,))
    assert torch.allclose(large, told, atol=1e-4)
    turned = times(tokens.flip(1)).flip(1)
    assert not torch.allclose(turned, times(tokens))
