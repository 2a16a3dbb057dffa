"""Frames to tokens: the ViT of BLIP-2 on every frame, and GMHRA, which relates the frames to each other.

Paper section 3.2.1; `docs/videochat_embed.md`, sections 1 (ViT) and 2 (GMHRA). The frame order reaches the language
model through one token only: the query that GMHRA carries through the last blocks.

Shapes: B videos, T frames, T' frames after temporal downsampling (= T without), N = h * w patches of a frame,
C channels, H heads.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isqrt

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, scaled_dot_product_attention
from transformers import Blip2VisionConfig, Blip2VisionModel

from videochat.embed_model.config import VisionConfig
from videochat.errors import InvalidArgument

BLOCK_EPS = 1e-6
"""Layer norms inside the ViT blocks."""
GMHRA_EPS = 1e-5
"""Layer norms inside GMHRA."""


class GlobalAttention(nn.Module):
    """Multi-head attention of one query token over all tokens of a video."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)

    def forward(self, query: Tensor, tokens: Tensor) -> Tensor:
        """Map query (B, 1, C) and tokens (B, S, C) to (B, 1, C)."""
        by_head = (self.heads, -1)
        q = self.query(query).unflatten(-1, by_head).transpose(1, 2)  # (B, H, 1, C/H)
        k, v = self.key_value(tokens).chunk(2, dim=-1)  # each (B, S, C)
        k = k.unflatten(-1, by_head).transpose(1, 2)  # (B, H, S, C/H)
        v = v.unflatten(-1, by_head).transpose(1, 2)
        mixed = scaled_dot_product_attention(q, k, v)  # (B, H, 1, C/H)
        attended: Tensor = self.out(mixed.transpose(1, 2).flatten(2))  # (B, 1, C)
        return attended


class RelationLayer(nn.Module):
    """One layer of GMHRA: the query token reads the tokens of all frames after one ViT block."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        width = config.width
        self.norm_tokens = nn.LayerNorm(width, eps=GMHRA_EPS)
        self.position = nn.Conv3d(width, width, kernel_size=3, padding=1, groups=width)
        self.norm_query = nn.LayerNorm(width, eps=GMHRA_EPS)
        self.attention = GlobalAttention(width, config.heads)
        self.norm_mlp = nn.LayerNorm(width, eps=GMHRA_EPS)
        self.mlp = nn.Sequential(
            nn.Linear(width, config.gmhra_mlp_width),
            nn.GELU(),
            nn.Dropout(config.gmhra_dropout),
            nn.Linear(config.gmhra_mlp_width, width),
        )

    def forward(self, query: Tensor, states: Tensor) -> Tensor:
        """Map query (B, 1, C) and the block's output (B, T', 1+N, C) to the next query (B, 1, C)."""
        patch_count = states.shape[2] - 1
        side = isqrt(patch_count)
        class_tokens, patches = self.norm_tokens(states).split([1, patch_count], dim=2)
        volume = patches.unflatten(2, (side, side)).permute(0, 4, 1, 2, 3)  # (B, C, T', h, w)
        # The only place where the order of the frames is seen; class tokens stay as they are.
        volume = volume + self.position(volume)
        patches = volume.permute(0, 2, 3, 4, 1).flatten(2, 3)  # (B, T', N, C)
        tokens = torch.cat([class_tokens, patches], dim=2).flatten(1, 2)  # (B, T' * (1+N), C)
        query = query + self.attention(self.norm_query(query), tokens)
        changed: Tensor = query + self.mlp(self.norm_mlp(query))
        return changed


class GMHRA(nn.Module):
    """Global multi-head relation aggregator: a side branch that never feeds back into the ViT.

    Fresh from the constructor its output is exactly zero, so training starts from the plain ViT.
    """

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.zeros(1, 1, config.width))
        self.layers = nn.ModuleList(RelationLayer(config) for _ in range(config.gmhra_layers))
        for layer in self.layers.children():
            self._initialise(layer)

    @staticmethod
    def _initialise(layer: nn.Module) -> None:
        for name, parameter in layer.named_parameters():
            if name.startswith(("attention.out", "mlp.3")) or (name.endswith("bias") and "norm" not in name):
                nn.init.zeros_(parameter)
            elif parameter.ndim == 2:
                nn.init.xavier_uniform_(parameter)

    def forward(self, states: Sequence[Tensor]) -> Tensor:
        """Map the outputs of the last blocks, each (B, T', 1+N, C), to the video's token (B, 1, C)."""
        query = self.query.expand(states[0].shape[0], -1, -1)
        for layer, state in zip(self.layers, states, strict=True):
            query = layer(query, state)
        return query


class FrameTimes(nn.Module):
    """Adds to every token of a frame where in the clip it stands: an option of ours, not of the paper.

    GMHRA's position convolution sees one frame to either side and reaches the LLM through a single token; the
    Q-Former is blind to the order of its tokens. With this, order reaches it through all of them.
    Sines of the frame's position in [0, 1] go through a linear layer that starts at zero, so a model begins as it
    is without; any number of frames is accepted. What is added is measured in each token's own spread: the norm
    that follows would make it vanish beside tokens as large as a ViT's last ones are.
    """

    octaves = 5
    """Sines and cosines of half a turn over the clip, one turn, two ..."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.projection = nn.Linear(2 * self.octaves, width, bias=False)
        nn.init.zeros_(self.projection.weight)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens (B, T', 1+N, C) to the same shape."""
        frames = tokens.shape[1]
        position = (torch.arange(frames, device=tokens.device) + 0.5) / frames  # (T',)
        angles = torch.pi * position[:, None] * 2.0 ** torch.arange(self.octaves, device=tokens.device)
        waves = torch.cat([angles.sin(), angles.cos()], dim=1)  # (T', 2 * octaves)
        spread = tokens.detach().std(dim=-1, keepdim=True)  # (B, T', 1+N, 1)
        added: Tensor = self.projection(waves.to(tokens.dtype))[:, None]  # (T', 1, C), over B and 1+N
        return tokens + spread * added


class VideoEncoder(nn.Module):
    """The frozen ViT with GMHRA beside it."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.config = config
        self.vit = Blip2VisionModel(
            Blip2VisionConfig(
                hidden_size=config.width,
                intermediate_size=config.mlp_width,
                num_hidden_layers=config.depth,
                num_attention_heads=config.heads,
                image_size=config.image_size,
                patch_size=config.patch_size,
                layer_norm_eps=BLOCK_EPS,
            )
        )
        # The norm after the ViT also covers the GMHRA token and is trained: the bridge has it.
        del self.vit.post_layernorm
        if config.temporal_downsample:
            # Three frames as nine channels: a convolution over time without a fifth axis.
            self.vit.embeddings.patch_embedding = nn.Conv2d(
                9, config.width, kernel_size=config.patch_size, stride=config.patch_size
            )
        self.gmhra = GMHRA(config) if config.gmhra_layers else None
        self.frame_times = FrameTimes(config.width) if config.frame_times else None

    def forward(self, frames: Tensor) -> Tensor:
        """Map normalised frames (B, T, 3, height, width) to tokens (B, T' * (1+N) + 1, C).

        Tokens come frame by frame, each its class token and then its patches row by row; GMHRA's, if there is
        one, is the last.

        Raises:
            InvalidArgument: frames of another shape than the config's.
        """
        size = self.config.image_size
        if frames.ndim != 5 or frames.shape[2:] != (3, size, size):
            raise InvalidArgument(f"frames must be of shape (B, T, 3, {size}, {size}), got {tuple(frames.shape)}")
        if self.config.temporal_downsample:
            frames = _frame_triples(frames)  # (B, T', 9, height, width)
        state = self.vit.embeddings(frames.flatten(0, 1))  # (B * T', 1+N, C)
        read_by_gmhra: list[Tensor] = []
        for index, block in enumerate(self.vit.encoder.layers):
            state = block(state)
            if index >= self.config.depth - self.config.gmhra_layers:
                read_by_gmhra.append(state.unflatten(0, frames.shape[:2]))  # (B, T', 1+N, C)
        by_frame = state.unflatten(0, frames.shape[:2])  # (B, T', 1+N, C)
        if self.frame_times is not None:
            by_frame = self.frame_times(by_frame)
        tokens = by_frame.flatten(1, 2)
        return tokens if self.gmhra is None else torch.cat([tokens, self.gmhra(read_by_gmhra)], dim=1)


def _frame_triples(frames: Tensor) -> Tensor:
    """Join every second frame with its neighbours: (B, T, 3, ...) to (B, T', 9, ...), zeros outside."""
    padded = pad(frames, (0, 0, 0, 0, 0, 0, 1, 1))  # (B, T + 2, 3, height, width)
    windows = padded.unfold(1, 3, 2)  # (B, T', 3 colours, height, width, 3 times)
    return windows.permute(0, 1, 5, 2, 3, 4).flatten(2, 3)  # times outside, colours inside
