"""Chat models of LangChain, as every room makes and names them, and pictures as they are sent to one."""

from __future__ import annotations

import base64
import io
import os
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from videochat.errors import LLMError, UnknownName, first_line

if TYPE_CHECKING:
    import numpy as np
    from langchain_core.language_models import BaseChatModel


def make_chat_model(name: str, *, besides: Sequence[str] = (), **settings: Any) -> BaseChatModel:
    """Make a chat model by name. `openai:NAME` goes to the server of `OPENAI_BASE_URL`, where that is set.

    Args:
        name: `"provider:model"`.
        besides: what else would have been accepted, for the message.
        settings: further arguments of the model, such as `timeout` and `max_retries`.

    Raises:
        UnknownName: the provider does not exist; the message lists those that do.
        LLMError: its package is not installed, or it cannot be made (e.g. the key is missing), or no model is named.
    """
    from langchain.chat_models import init_chat_model

    provider, colon, model_of_it = name.partition(":")
    if not name.strip() or (colon and not model_of_it.strip()):
        raise LLMError(f"{name!r} names no model: write it behind a colon, as in {provider or 'openai'}:MODEL.")
    server = os.environ.get("OPENAI_BASE_URL") or os.environ.get("OPENAI_API_BASE")
    if name.startswith("openai:") and server:
        # Servers that speak the OpenAI protocol mostly know chat completions only, and many want no key.
        key = os.environ.get("OPENAI_API_KEY") or "none"
        settings |= {"base_url": server, "use_responses_api": False, "api_key": key}
    try:
        model: BaseChatModel = init_chat_model(name, **settings)
    except ImportError as error:
        raise LLMError(f"The language model {name!r} needs a package that is not installed: {error}") from error
    except Exception as error:
        listed = re.search(r"providers(?: are)?: ([\w, -]+)", str(error)) if isinstance(error, ValueError) else None
        if listed:
            known = [f"{provider.strip()}:MODEL" for provider in listed[1].split(",")]
            raise UnknownName("LLM", name, [*besides, *known]) from error
        raise LLMError(f"The language model {name!r} cannot be made: {first_line(error)}") from error
    return model


def model_name(model: object) -> str:
    """Return the name of a chat model for people: its class and its model."""
    inner = _unwrapped(model)
    name = getattr(inner, "model_name", None) or getattr(inner, "model", None)
    return f"{type(inner).__name__}{f' {name}' if name else ''}"


def profile_of(model: object) -> dict[str, Any]:
    """Return what LangChain knows about a chat model; empty for one that it does not know."""
    return dict(getattr(_unwrapped(model), "profile", None) or {})


def _unwrapped(model: object) -> object:
    """Return the model to which retries or settings are bound; the model itself where there are none."""
    from langchain_core.runnables.base import RunnableBindingBase

    while isinstance(model, RunnableBindingBase):
        model = model.bound
    return model


def jpeg_of(image: np.ndarray, quality: int = 80) -> bytes:
    """Return a picture as JPEG.

    Args:
        image: uint8 RGB array, shape (height, width, 3).
        quality: 1-95.
    """
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return file.getvalue()


def picture_block(jpeg: bytes) -> dict[str, Any]:
    """Return a JPEG as a block of a message's content."""
    return {"type": "image", "base64": base64.b64encode(jpeg).decode(), "mime_type": "image/jpeg"}
