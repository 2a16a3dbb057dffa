"""Chat models: which one answers, and what it can do."""

from __future__ import annotations

import os

from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable

from videochat.agent.extractive import EXTRACTIVE, ExtractiveAnswerer
from videochat.chat_models import make_chat_model, model_name, profile_of
from videochat.errors import LLMError

DEFAULT_OPENAI_MODEL = "openai:gpt-4.1-mini"
"""What answers when only an OpenAI key is there."""

USUAL_TOKENS = 32_000
"""Window assumed where neither the user nor the model's profile says how large it is."""

ChatModel = BaseChatModel | Runnable[LanguageModelInput, AIMessage]
"""A LangChain chat model, also one with retries, fallbacks or settings bound to it."""


def resolve_llm(llm: ChatModel | str | None = None) -> ChatModel:
    """Return the chat model to use.

    Args:
        llm: a LangChain chat model (returned as it is), `"provider:model"`, `"extractive"`, or None: what
            `VIDEOCHAT_LLM` names, else OpenAI if `OPENAI_API_KEY` is set, else the extractive answerer.

    Raises:
        UnknownName: the provider does not exist; the message lists those that do.
        LLMError: it is no chat model, its package is not installed, or it cannot be made (e.g. the key is missing).
    """
    if llm is None:
        llm = os.environ.get("VIDEOCHAT_LLM") or (
            DEFAULT_OPENAI_MODEL if os.environ.get("OPENAI_API_KEY") else EXTRACTIVE
        )
    if isinstance(llm, Runnable):
        return llm
    if not isinstance(llm, str):
        raise LLMError(
            f"llm must be a LangChain chat model, 'provider:model' or {EXTRACTIVE!r}, got {type(llm).__name__}."
        )
    if llm == EXTRACTIVE:
        return ExtractiveAnswerer()
    return make_chat_model(llm, besides=[EXTRACTIVE])


def llm_name(llm: ChatModel) -> str:
    """Return the name of a chat model for people: its class and its model."""
    if isinstance(llm, ExtractiveAnswerer):
        return EXTRACTIVE
    return model_name(llm)


def can_call_tools(llm: ChatModel) -> bool:
    """Whether a chat model takes tools; a model that does not still answers in `retrieve` mode."""
    bind = getattr(type(llm), "bind_tools", None)
    if bind is None or bind is BaseChatModel.bind_tools:
        return False
    return bool(profile_of(llm).get("tool_calling", True))


def refuses_tools(error: BaseException) -> bool:
    """Whether a model that was thought to call tools cannot: its server or its class says so."""
    # What `BaseChatModel.bind_tools` raises, without words. `can_call_tools` sees that a class has none of its own, but
    # not that its own hands on to another model that has none.
    if isinstance(error, NotImplementedError):
        return True
    words = str(error).casefold()
    refused = ("not support", "unsupported", "unrecognized", "not permitted", "auto-tool-choice")
    return "tool" in words and any(part in words for part in refused)


def window_of(llm: ChatModel, context_tokens: int | None = None) -> int:
    """Return how many tokens a model reads at once.

    Args:
        llm: the model.
        context_tokens: what the user says; None: what the model's profile says, else `USUAL_TOKENS`.
    """
    return int(context_tokens or profile_of(llm).get("max_input_tokens") or USUAL_TOKENS)


def can_see(llm: ChatModel) -> bool:
    """Whether a model's profile says that it takes pictures."""
    return bool(profile_of(llm).get("image_inputs", False))
