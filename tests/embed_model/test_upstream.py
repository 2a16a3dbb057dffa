from __future__ import annotations

import pytest
import torch

from tests.fakes.tiny_embed import TOY
from videochat.embed_model.checkpoints import CheckpointError
from videochat.embed_model.conversion import read_weights
from videochat.embed_model.upstream import from_upstream


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
