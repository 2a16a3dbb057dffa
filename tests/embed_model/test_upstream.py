from __future__ import annotations

import pytest
import torch

from tests.fakes.tiny_embed import TOY
from videochat.embed_model.checkpoints import CheckpointError
from videochat.embed_model.conversion import read_weights
from videochat.embed_model.upstream import from_upstream, inflate_patch_weight, resize_positions


def test_a_bias_without_its_pair_is_missing(files):
    state = {f"visual_encoder.{k}": v for k, v in read_weights(files["vit"]).items()}
    del state["visual_encoder.blocks.0.attn.v_bias"]
    found = from_upstream(state, TOY)
    assert "vision.vit.encoder.layers.0.self_attn.qkv.bias" not in found
    assert "vision.vit.encoder.layers.1.self_attn.qkv.bias" in found


def test_layers_that_are_not_built_are_not_left_aside():
    state = {"visual_encoder.blocks.0.lmhra1.pos_embed.0.weight": torch.zeros(1)}
    with pytest.raises(CheckpointError, match="has LMHRA layers, which no released VideoChat-Embed has"):
        from_upstream(state, TOY)


def test_packed_weights_become_two(files):
    own = read_weights(files["videochat"])
    found = from_upstream(own, TOY)
    packed = own["visual_encoder.gmhra.0.attn.in_proj_weight"]
    attention = "vision.gmhra.layers.0.attention"
    assert torch.equal(found[f"{attention}.query.weight"], packed[:32])
    assert torch.equal(found[f"{attention}.key_value.weight"], packed[32:])


def test_the_bias_of_keys_is_zero(files):
    state = {f"visual_encoder.{k}": v for k, v in read_weights(files["vit"]).items()}
    query, key, value = from_upstream(state, TOY)["vision.vit.encoder.layers.0.self_attn.qkv.bias"].chunk(3)
    assert torch.equal(query, state["visual_encoder.blocks.0.attn.q_bias"])
    assert torch.equal(value, state["visual_encoder.blocks.0.attn.v_bias"])
    assert not key.any()


def test_positions_of_another_grid_keep_the_class_tokens():
    positions = torch.randn(1, 1 + 9, 8)
    resized = resize_positions(positions, 5)
    assert resized.shape == (1, 26, 8)
    assert torch.equal(resized[:, 0], positions[:, 0])
    assert resize_positions(positions, 3) is positions


def test_a_weight_for_single_frames_is_the_middle_tap():
    weight = torch.randn(4, 3, 2, 2)
    inflated = inflate_patch_weight(weight)
    assert torch.equal(inflated[:, :, 1], weight)
    assert not inflated[:, :, [0, 2]].any()
