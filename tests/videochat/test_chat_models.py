import base64
import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from videochat.chat_models import jpeg_of, make_chat_model, model_name, picture_block, profile_of
from videochat.errors import LLMError, UnknownName
from videochat.testing import ScriptedLLM


def test_a_model_is_made_with_the_settings_that_are_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    model: Any = make_chat_model("openai:any", timeout=7, max_retries=5)
    assert (model.request_timeout, model.max_retries, model.openai_api_base) == (7, 5, "http://127.0.0.1:9/v1")
    assert model_name(model) == "ChatOpenAI any"


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("nobody:model", UnknownName, "something else"),
        ("openai:gpt-4.1-mini", LLMError, "cannot be made"),
        ("openai: ", LLMError, "names no model.*openai:MODEL"),
    ],
)
def test_what_cannot_be_made_is_one_sentence(name: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        make_chat_model(name, besides=["something else"])
    assert "\n" not in str(caught.value)


def test_names_and_profiles_are_those_of_the_model_inside() -> None:
    model = ScriptedLLM("a", profile={"image_inputs": False})
    bound = model.with_retry().bind(stop=["x"])
    assert model_name(bound) == model_name(model) == "ScriptedLLM"
    assert profile_of(bound) == {"image_inputs": False}
    assert profile_of(object()) == {}


def test_a_picture_keeps_its_size_and_colours() -> None:
    image = np.full((40, 64, 3), (200, 30, 90), np.uint8)
    block = picture_block(jpeg_of(image))
    assert (block["type"], block["mime_type"]) == ("image", "image/jpeg")
    decoded = np.asarray(Image.open(io.BytesIO(base64.b64decode(block["base64"]))))
    assert decoded.shape == image.shape
    assert np.abs(decoded.astype(int) - image).max() <= 8
