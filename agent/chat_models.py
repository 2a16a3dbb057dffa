"""Which language model answers; and the one that needs none."""

from __future__ import annotations

import os
import re
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable

from videochat.agent.prompts import NOT_SHOWN
from videochat.errors import LLMError, UnknownName
from videochat.memory.retrieval import about, coverage, gist, meant_kinds
from videochat.memory.times import named_span
from videochat.memory.words import all_words, content_words
from videochat.records import Caption

EXTRACTIVE = "extractive"
DEFAULT_OPENAI_MODEL = "openai:gpt-4.1-mini"
"""What answers when only an OpenAI key is there."""

# How much of what a question is about a caption must share to be quoted; found on the clips of the tests.
_ENOUGH = 0.5
_ENOUGH_OF_READING = 0.15
_ENOUGH_LIKENESS = 0.45
_NEARLY_AS_GOOD = 0.7
_QUOTES = 3


def resolve_llm(llm: Any = None) -> Any:
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
    from langchain.chat_models import init_chat_model

    settings: dict[str, Any] = {}
    server = os.environ.get("OPENAI_BASE_URL") or os.environ.get("OPENAI_API_BASE")
    if llm.startswith("openai:") and server:
        # Servers that speak the OpenAI protocol mostly know chat completions only, and many want no key.
        key = os.environ.get("OPENAI_API_KEY") or "none"
        settings = {"base_url": server, "use_responses_api": False, "api_key": key}
    try:
        return init_chat_model(llm, **settings)
    except ImportError as error:
        raise LLMError(f"The language model {llm!r} needs a package that is not installed: {error}") from error
    except ValueError as error:
        if listed := re.search(r"providers(?: are)?: ([\w, -]+)", str(error)):
            known = [f"{name.strip()}:MODEL" for name in listed[1].split(",")]
            raise UnknownName("LLM", llm, [EXTRACTIVE, *known]) from error
        raise LLMError(f"The language model {llm!r} cannot be made: {_first_line(error)}") from error
    except Exception as error:
        raise LLMError(f"The language model {llm!r} cannot be made: {_first_line(error)}") from error


def llm_name(llm: Any) -> str:
    """Return what to call a chat model in front of people."""
    if isinstance(llm, ExtractiveAnswerer):
        return EXTRACTIVE
    model = getattr(llm, "model_name", None) or getattr(llm, "model", None)
    return f"{type(llm).__name__}{f' {model}' if model else ''}"


def can_call_tools(llm: Any) -> bool:
    """Whether a chat model takes tools; a model that does not still answers in `retrieve` mode."""
    bind = getattr(type(llm), "bind_tools", None)
    if bind is None or bind is BaseChatModel.bind_tools:
        return False
    profile = getattr(llm, "profile", None) or {}
    return bool(profile.get("tool_calling", True))


def refuses_tools(error: BaseException) -> bool:
    """Whether a model that was thought to call tools cannot: its server or its class says so."""
    words = str(error).casefold()
    refused = ("not support", "unsupported", "not supported", "unrecognized", "not permitted", "auto-tool-choice")
    return isinstance(error, NotImplementedError) or ("tool" in words and any(part in words for part in refused))


class ExtractiveAnswerer(BaseChatModel):
    """Answers without a language model, by quoting the captions that match the question best.

    It reads captions as data (the `evidence` that comes with the user turn), never out of prose, cites each by its
    number, and says that no language model is configured. What no caption covers is answered with `NOT_SHOWN`. It
    calls no tools.
    """

    @property
    def _llm_type(self) -> str:
        return EXTRACTIVE

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        turn = next(message for message in reversed(messages) if isinstance(message, HumanMessage))
        question = gist(str(turn.additional_kwargs.get("question") or turn.text))
        evidence = list(turn.additional_kwargs.get("evidence") or [])
        options = dict(turn.additional_kwargs.get("options") or {})
        text = _choose(question, options, evidence) if options else _quote(question, evidence)
        return ChatResult(generations=[ChatGeneration(message=AIMessage(text))])


def _choose(question: str, options: dict[str, str], evidence: list[dict[str, Any]]) -> str:
    """Return the option whose words the evidence has most of, with the caption that has them."""
    captions = {item["number"]: Caption.from_dict(item) for item in evidence}
    fit: dict[tuple[str, int], float] = {}
    for letter, option in options.items():
        share = coverage(content_words(option) or all_words(option), captions.values())
        context = coverage(about(question), captions.values())
        for number, caption in captions.items():
            # The option decides; of captions that have it alike, the one nearest to the question.
            fit[letter, number] = share[caption.id] * (1 + 0.5 * context[caption.id])
    letter, number = max(fit, key=lambda key: fit[key], default=("A", 0))
    if not fit or fit[letter, number] <= 0:
        first = next(iter(options))
        return f"({first}) {NOT_SHOWN} (No language model is configured; no caption has the words of an option.)"
    quoted = _sentence(captions[number], number, question)
    return f"({letter}) {options[letter]}. {quoted}\n(No language model is configured; this option shares most words.)"


def _quote(question: str, evidence: list[dict[str, Any]]) -> str:
    items = {item["number"]: item for item in evidence}
    captions = {number: Caption.from_dict(item) for number, item in items.items()}
    best = _best(question, items, captions)
    if not best:
        return f"{NOT_SHOWN} (No language model is configured; no caption matches the question.)"
    lines = [_sentence(captions[number], number, question) for number in best]
    return "\n".join(
        [*lines, "(No language model is configured; these are the captions that match the question best.)"]
    )


def _best(question: str, items: dict[int, dict[str, Any]], captions: dict[int, Caption]) -> list[int]:
    """Return the numbers of the captions that answer a question, best first; none if none does."""
    kinds = meant_kinds(question)
    words = about(question)
    share = coverage(words or content_words(question), captions.values())

    def fit(number: int) -> float:
        return share[captions[number].id]

    if not words:
        order = [number for number, caption in captions.items() if not kinds or caption.kind in kinds]
        if not named_span(question, 1e9) and not kinds:
            order.sort(key=lambda number: captions[number].kind == "shot")
        limit = _NEARLY_AS_GOOD * max(map(fit, order), default=0.0)
        return [number for number in order if fit(number) >= limit][: 2 * _QUOTES]

    def enough(number: int) -> bool:
        # Text that is asked for by its sense may be read with wrong letters.
        needed = _ENOUGH_OF_READING if captions[number].kind == "ocr" and "ocr" in kinds else _ENOUGH
        return fit(number) >= needed or items[number].get("similarity", 0.0) >= _ENOUGH_LIKENESS

    order = sorted(filter(enough, captions), key=fit, reverse=True)
    order = [number for number in order if captions[number].kind in kinds] or order
    limit = _NEARLY_AS_GOOD * max(map(fit, order), default=0.0)
    return [number for number in order if fit(number) >= limit][:_QUOTES]


def _sentence(caption: Caption, number: int, question: str) -> str:
    if caption.attributes.get("words_known") is False:
        return f"{caption.text[0].upper()}{caption.text[1:]} [{number}]"
    lead = {"speech": "Said", "ocr": "On screen", "tags": "Measured", "shot": "Cut"}.get(caption.kind, "Seen")
    text = f"“{caption.text}”" if caption.kind in ("speech", "ocr") else caption.text
    if caption.kind == "tags":
        # Measurements come as "light: ...; colours: ...": quote what was asked for.
        asked = [part for part in text.split("; ") if any(re.search(p, question, re.I) for p in _topics(part))]
        text = "; ".join(asked) or text
    return f"{lead}: {text} [{number}]"


def _topics(measurement: str) -> list[str]:
    topics = {
        "light": ["light", "dark", "bright"],
        "colours": ["colou?r"],
        "camera": ["camera", "pan", "mov"],
        "motion": ["motion", "mov", "still"],
    }
    return topics.get(measurement.split(":")[0], [])


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
