from __future__ import annotations

import pytest
import torch

from tests.fakes.tiny_embed import toy_model, worst_error


@pytest.fixture(scope="module")
def bridge():
    return toy_model().bridge


@pytest.mark.parametrize("tokens", [6, 321])
def test_any_number_of_tokens_becomes_as_many_as_there_are_queries(bridge, tokens):
    assert bridge(torch.randn(2, tokens, 32)).shape == (2, 8, 64)


def test_the_order_of_tokens_is_not_seen(bridge):
    tokens = torch.randn(1, 21, 32)
    assert worst_error(bridge(tokens.flip(1)), bridge(tokens)) < 1e-5


def test_the_norm_is_computed_in_fp32(bridge):
    tokens = torch.randn(1, 6, 32).bfloat16()
    assert bridge.normalise(tokens).dtype == torch.bfloat16
    assert torch.equal(bridge.normalise(tokens), bridge.norm(tokens.float()).bfloat16())


def test_fresh_extra_queries_differ_from_each_other():
    from videochat.embed_model.bridge import TokenBridge
    from videochat.embed_model.config import EmbedConfig

    extra = TokenBridge(EmbedConfig.preset("toy")).extra_queries
    assert len({tuple(row) for row in extra[0].tolist()}) == extra.shape[1]
