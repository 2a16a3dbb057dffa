"""Upstream's tensor names and shapes, and ours: the only module that knows both.

`docs/videochat_embed.md`, section 4, lists upstream's files. Our names are those of the modules.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from videochat.embed_model.checkpoints import CheckpointError, expected_shapes
from videochat.embed_model.config import EmbedConfig

logger = logging.getLogger(__name__)

_BLOCK = r"vision.vit.encoder.layers.\1."
# Upstream's names to ours; a pair that becomes one tensor has its own code in `from_upstream`.
_RULES: Sequence[tuple[re.Pattern[str], str]] = [
    (re.compile(pattern), ours)
    for pattern, ours in [
        (r"visual_encoder\.cls_token", r"vision.vit.embeddings.class_embedding"),
        (r"visual_encoder\.pos_embed", r"vision.vit.embeddings.position_embedding"),
        (r"visual_encoder\.patch_embed\.proj\.(\w+)", r"vision.vit.embeddings.patch_embedding.\1"),
        (r"visual_encoder\.blocks\.(\d+)\.norm([12])\.(\w+)", _BLOCK + r"layer_norm\2.\3"),
        (r"visual_encoder\.blocks\.(\d+)\.attn\.qkv\.weight", _BLOCK + r"self_attn.qkv.weight"),
        (r"visual_encoder\.blocks\.(\d+)\.attn\.proj\.(\w+)", _BLOCK + r"self_attn.projection.\2"),
        (r"visual_encoder\.blocks\.(\d+)\.mlp\.fc([12])\.(\w+)", _BLOCK + r"mlp.fc\2.\3"),
        (r"visual_encoder\.gmhra_cls_token", r"vision.gmhra.query"),
        (r"visual_encoder\.gmhra\.(\d+)\.dpe\.(\w+)", r"vision.gmhra.layers.\1.position.\2"),
        (r"visual_encoder\.gmhra\.(\d+)\.attn\.out_proj\.(\w+)", r"vision.gmhra.layers.\1.attention.out.\2"),
        (r"visual_encoder\.gmhra\.(\d+)\.ln_1\.(\w+)", r"vision.gmhra.layers.\1.norm_query.\2"),
        (r"visual_encoder\.gmhra\.(\d+)\.ln_2\.(\w+)", r"vision.gmhra.layers.\1.norm_mlp.\2"),
        (r"visual_encoder\.gmhra\.(\d+)\.ln_3\.(\w+)", r"vision.gmhra.layers.\1.norm_tokens.\2"),
        (r"visual_encoder\.gmhra\.(\d+)\.mlp\.c_fc\.(\w+)", r"vision.gmhra.layers.\1.mlp.0.\2"),
        (r"visual_encoder\.gmhra\.(\d+)\.mlp\.c_proj\.(\w+)", r"vision.gmhra.layers.\1.mlp.3.\2"),
        (r"ln_vision\.(\w+)", r"bridge.norm.\1"),
        (r"query_tokens", r"bridge.queries"),
        (r"extra_query_tokens", r"bridge.extra_queries"),
        (r"Qformer\.bert\.embeddings\.LayerNorm\.(\w+)", r"bridge.qformer.layernorm.\1"),
        (
            r"Qformer\.bert\.encoder\.layer\.(\d+)\.(attention|crossattention)\.self\.(.+)",
            r"bridge.qformer.encoder.layer.\1.\2.attention.\3",
        ),
        (
            r"Qformer\.bert\.encoder\.layer\.(\d+)\.((?:attention|crossattention)\.output\..+)",
            r"bridge.qformer.encoder.layer.\1.\2",
        ),
        (
            r"Qformer\.bert\.encoder\.layer\.(\d+)\.((?:intermediate_query|output_query)\..+)",
            r"bridge.qformer.encoder.layer.\1.\2",
        ),
        (r"llama_proj\.(\w+)", r"bridge.projection.\1"),
        # Not upstream's, but the BLIP-2 repositories of the hub.
        (r"vision_model\.post_layernorm\.(\w+)", r"bridge.norm.\1"),
        (r"vision_model\.(.+)", r"vision.vit.\1"),
        (r"qformer\.(.+)", r"bridge.qformer.\1"),
    ]
]
_BLOCK_BIAS = re.compile(r"visual_encoder\.blocks\.(\d+)\.attn\.[qv]_bias")
_PACKED_INPUT = re.compile(r"visual_encoder\.gmhra\.(\d+)\.attn\.in_proj_(weight|bias)")


def from_upstream(state: Mapping[str, Tensor], config: EmbedConfig) -> dict[str, Tensor]:
    """Rename upstream's tensors to ours, leaving aside those that the model has no use for.

    Tensors may be on the meta device: only shapes are looked at.

    Args:
        state: tensors under upstream's names, those of the ViT with `visual_encoder.` in front.
        config: the sizes, which decide how many blocks are used.

    Returns:
        Tensors under the names of `expected_shapes(config)`, though not necessarily all of those.

    Raises:
        CheckpointError: it has layers that no released model has.
    """
    if any("lmhra" in name for name in state):
        raise CheckpointError(
            "The checkpoint has LMHRA layers, which no released VideoChat-Embed has and this one does not "
            "build; give one without."
        )
    wanted = expected_shapes(config)
    ours: dict[str, Tensor] = {}
    unused: list[str] = []
    for name in state:
        found = {new: tensor for new, tensor in _translated(name, state).items() if new in wanted}
        ours |= found
        if not found:
            unused.append(name)
    if unused:
        logger.info("%d tensors of the checkpoint are not used: %s", len(unused), ", ".join(sorted(unused)))
    _fit_patches(ours, config)
    return ours


def _translated(name: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return what becomes of one of upstream's tensors: nothing, one of ours, or two."""
    tensor = state[name]
    if match := _BLOCK_BIAS.fullmatch(name):
        query, value = (state.get(f"visual_encoder.blocks.{match[1]}.attn.{part}_bias") for part in "qv")
        if query is None or value is None:
            return {}
        # Keys have no bias upstream; zeros in their third change nothing.
        return {
            f"vision.vit.encoder.layers.{match[1]}.self_attn.qkv.bias": torch.cat(
                [query, torch.zeros_like(query), value]
            )
        }
    if match := _PACKED_INPUT.fullmatch(name):
        third = tensor.shape[0] // 3
        attention = f"vision.gmhra.layers.{match[1]}.attention"
        # Copies: safetensors stores no views into a larger tensor.
        return {
            f"{attention}.query.{match[2]}": tensor[:third].clone(),
            f"{attention}.key_value.{match[2]}": tensor[third:].clone(),
        }
    for pattern, replacement in _RULES:
        if pattern.fullmatch(name):
            return {pattern.sub(replacement, name): tensor}
    return {}


def _fit_patches(ours: dict[str, Tensor], config: EmbedConfig) -> None:
    """Bring the patch weight and the positions to the config's picture size and temporal kernel."""
    patches = "vision.vit.embeddings.patch_embedding.weight"
    positions = "vision.vit.embeddings.position_embedding"
    if patches in ours:
        weight = ours[patches]
        if config.vision.temporal_downsample:
            # (C, 3, 3 times, p, p) to (C, 9, p, p) in the channel order of `VideoEncoder`.
            weight = inflate_patch_weight(weight) if weight.ndim == 4 else weight
            ours[patches] = weight.transpose(1, 2).flatten(1, 2)
        elif weight.ndim == 5:
            ours[patches] = weight.squeeze(2)
    if positions in ours and not ours[positions].is_meta:
        ours[positions] = resize_positions(ours[positions], config.vision.grid)


def inflate_patch_weight(weight: Tensor) -> Tensor:
    """Give a patch weight (C, 3, p, p) three taps in time, (C, 3, 3, p, p), the outer ones zero."""
    outer = torch.zeros_like(weight)
    return torch.stack([outer, weight, outer], dim=2)


def resize_positions(positions: Tensor, grid: int) -> Tensor:
    """Interpolate positions (1, 1 + g * g, C) to (1, 1 + grid * grid, C) but the class token's.

    Positions that form no square are left as they are.
    """
    old = math.isqrt(positions.shape[1] - 1)
    if old == grid or 1 + old * old != positions.shape[1]:
        return positions
    for_class, for_patches = positions[:, :1], positions[:, 1:]
    square = for_patches.float().reshape(1, old, old, -1).permute(0, 3, 1, 2)  # (1, C, g, g)
    square = interpolate(square, size=(grid, grid), mode="bicubic", align_corners=False)
    return torch.cat([for_class, square.flatten(2).transpose(1, 2).to(positions.dtype)], dim=1)
