"""Chat models: which one answers, and what it can do."""

from __future__ import annotations

import os
import warnings
from dataclasses import replace
from typing import Literal

from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable

from videochat.agent.extractive import EXTRACTIVE, ExtractiveAnswerer
from videochat.agent.video_answerer import PREFIXES, VideoAnswerer
from videochat.chat_models import make_chat_model, model_name, profile_of
from videochat.errors import LLMError, UnknownName
from videochat.tools.clip_models import VideoModel

DEFAULT_OPENAI_MODEL = "openai:gpt-4.1-mini"
"""What answers when only an OpenAI key is there."""

USUAL_TOKENS = 32_000
"""Window assumed where neither the user nor the model's profile says how large it is."""

ChatModel = BaseChatModel | Runnable[LanguageModelInput, AIMessage]
"""A LangChain chat model, also one with retries, fallbacks or settings bound to it."""


def resolve_llm(llm: ChatModel | str | None = None) -> ChatModel:
    """Return the chat model to use.

    Args:
        llm: a LangChain chat model (returned as it is), `"provider:model"`, `"extractive"`, `"embed:FOLDER"` or
            `"video:FOLDER"` (a `VideoAnswerer`, with settings as `VideoModel.parse` reads them), or None: what
            `VIDEOCHAT_LLM` names, else OpenAI if `OPENAI_API_KEY` is set, else the extractive answerer.

    Raises:
        UnknownName: the provider does not exist; the message lists those that do.
        MissingDependency: the weights of a video model are not on this machine.
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
    if llm.startswith(PREFIXES):
        return VideoAnswerer(llm)
    return make_chat_model(llm, besides=[EXTRACTIVE, *(f"{prefix}FOLDER" for prefix in PREFIXES)])


def resolve_models(
    llm: ChatModel | str | None, video_model: str | os.PathLike[str] | VideoModel | None
) -> tuple[ChatModel, VideoModel | None]:
    """Return who answers, and the video model that helps, its weights found and checked.

    Where no language model is named or configured, the video model answers by itself, with the captions beside it.

    Args:
        llm: as of `resolve_llm`.
        video_model: folder, hub id or `VideoModel`; None for what `VIDEOCHAT_VIDEO_MODEL` names.

    Raises:
        MissingDependency: the weights are not on this machine, or do not fit into memory.
        UnknownName: there is no such provider or setting.
        InvalidArgument: a setting does not fit.
        LLMError: as `resolve_llm`.
    """
    named = video_model or os.environ.get("VIDEOCHAT_VIDEO_MODEL")
    looker = VideoModel.of(named) if named else None
    answers = resolve_llm(llm)
    if looker is not None:
        if llm is None and isinstance(answers, ExtractiveAnswerer):
            return VideoAnswerer(replace(looker, captions=True)), looker
        looker.check()
    return answers, looker


def mode_of(llm: ChatModel, mode: str | None) -> Literal["agent", "retrieve"]:
    """Return how a model answers: with tools, where it can call them and nobody wants it otherwise.

    Raises:
        UnknownName: there is no such mode.
    """
    if mode not in (None, "agent", "retrieve"):
        raise UnknownName("mode", mode, ("agent", "retrieve"))
    return "agent" if mode != "retrieve" and can_call_tools(llm) else "retrieve"


def remarks_on(llm: ChatModel, looker: VideoModel | None, mode: str | None) -> list[str]:
    """Return what people must know of how questions will be answered, each a sentence without a full stop.

    Args:
        llm: who answers.
        looker: the video model that helps, if there is one.
        mode: what was asked for; where that was tools and there are none, a warning says so at once.
    """
    found = []
    if mode == "agent" and not can_call_tools(llm):
        warnings.warn(f"{no_tools(llm)}.", stacklevel=4)
    elif mode is None and not can_call_tools(llm) and not isinstance(llm, ExtractiveAnswerer | VideoAnswerer):
        found.append(no_tools(llm))
    if looker is not None and isinstance(llm, ExtractiveAnswerer):
        found.append(f"The video model {looker.name} is not used; leave out llm=, and it answers itself")
    return found


def no_tools(llm: ChatModel) -> str:
    """Return the sentence, without its full stop, about a model that calls no tools."""
    return f"{llm_name(llm)} cannot call tools; answering with one retrieval instead"


def llm_name(llm: ChatModel) -> str:
    """Return the name of a chat model for people: its class and its model."""
    if isinstance(llm, ExtractiveAnswerer):
        return EXTRACTIVE
    if isinstance(llm, VideoAnswerer):
        return f"The video model {llm.model.name}"
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
