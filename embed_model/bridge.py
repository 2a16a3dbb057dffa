"""Vision tokens to embeddings of the LLM: Q-Former with its query tokens, then a linear projection.

The paper's video-language token interface (section 3.2.1); `docs/videochat_embed.md`, section 3.

Shapes: B videos, S vision tokens of C channels, Q query tokens, W width of the Q-Former, D width of the LLM.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm
from transformers import Blip2QFormerConfig, Blip2QFormerModel

from videochat.embed_model.config import EmbedConfig

VISION_NORM_EPS = 1e-5
"""The norm between ViT and Q-Former; transformers would use 1e-6 here."""


class TokenBridge(nn.Module):
    """Compresses any number of vision tokens to Q embeddings that the LLM reads as words."""

    def __init__(self, config: EmbedConfig) -> None:
        super().__init__()
        bridge = config.bridge
        self.norm = nn.LayerNorm(config.vision.width, eps=VISION_NORM_EPS)
        self.queries = nn.Parameter(torch.zeros(1, bridge.queries, bridge.width))
        # Upstream starts them all at zero, so that nothing tells them apart; a little noise does.
        self.extra_queries = nn.Parameter(torch.randn(1, bridge.extra_queries, bridge.width) * 0.02)
        self.qformer = Blip2QFormerModel(
            Blip2QFormerConfig(
                hidden_size=bridge.width,
                num_hidden_layers=bridge.depth,
                num_attention_heads=bridge.heads,
                intermediate_size=bridge.mlp_width,
                cross_attention_frequency=bridge.cross_attention_every,
                encoder_hidden_size=config.vision.width,
                layer_norm_eps=1e-12,
                # The Q-Former is frozen, and upstream keeps it in eval mode even in training.
                hidden_dropout_prob=0.0,
                attention_probs_dropout_prob=0.0,
            )
        )
        self.projection = nn.Linear(bridge.width, config.llm_width)

    def normalise(self, tokens: Tensor) -> Tensor:
        """Map vision tokens (B, S, C) to the same shape, computed in fp32 whatever the dtype."""
        norm = self.norm
        scaled = layer_norm(tokens.float(), norm.normalized_shape, norm.weight.float(), norm.bias.float(), norm.eps)
        return scaled.to(tokens.dtype)

    def compress(self, tokens: Tensor) -> Tensor:
        """Map normalised vision tokens (B, S, C) to (B, Q, W)."""
        queries = torch.cat([self.queries, self.extra_queries], dim=1)
        queries = queries.expand(tokens.shape[0], -1, -1)
        hidden: Tensor = self.qformer(query_embeds=queries, encoder_hidden_states=tokens).last_hidden_state
        return hidden

    def forward(self, tokens: Tensor) -> Tensor:
        """Map vision tokens (B, S, C) to embeddings (B, Q, D)."""
        embeds: Tensor = self.projection(self.compress(self.normalise(tokens)))
        return embeds
