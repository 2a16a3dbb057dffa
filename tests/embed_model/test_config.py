from __future__ import annotations

import json

import pytest

from videochat.embed_model.config import EmbedConfig, VisionConfig, llama_shape
from videochat.errors import UnknownName


def test_comes_back_from_json():
    config = EmbedConfig.preset("toy")
    assert EmbedConfig.from_dict(json.loads(json.dumps(config.as_dict()))) == config


def test_released_sizes():
    config = EmbedConfig.preset("13b")
    assert config.llm_width == llama_shape("13b")["hidden_size"] == 5120
    assert config.vision.tokens_per_frame == 257
    assert config.bridge.tokens == 96


def test_unknown_preset_lists_the_known_ones():
    with pytest.raises(UnknownName, match="13b, 7b, toy"):
        EmbedConfig.preset("70b")


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"image_size": 30}, "multiple of patch_size"),
        ({"width": 100}, "multiple of heads"),
        ({"gmhra_layers": 40}, "between 0 and depth"),
    ],
)
def test_sizes_that_do_not_fit(wrong, says):
    with pytest.raises(ValueError, match=says):
        VisionConfig(**wrong)
