"""ExtractiveAnswerer: answers without a language model, by quoting captions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from videochat.agent.prompts import NOT_SHOWN
from videochat.agent.word_overlap import coverage
from videochat.memory.query import UNKNOWN_SECONDS, Query, gist
from videochat.memory.words import all_words, content_words
from videochat.records import Caption

EXTRACTIVE = "extractive"
"""Name of this answerer where a chat model is named."""

# How much of what a question is about a caption must share to be quoted; found on the clips of the tests.
_ENOUGH = 0.5
_ENOUGH_OF_READING = 0.15
_ENOUGH_LIKENESS = 0.45
_NEARLY_AS_GOOD = 0.7
_QUOTES = 3

_LEADS = {"speech": "Said", "ocr": "On screen", "tags": "Measured", "shot": "Cut"}
_TOPICS: Mapping[str, str] = {
    "light": "light|dark|bright",
    "colours": "colou?r",
    "camera": "camera|pan|mov",
    "motion": "motion|mov|still",
}
"""Attribute of a measurement to a pattern of the questions that ask for it."""


class ExtractiveAnswerer(BaseChatModel):
    """Answers without a language model, by quoting the captions that match the question best.

    It takes captions as data, from `additional_kwargs["evidence"]` of the user's message, cites each by its number,
    and says that no language model is configured. What no caption covers is answered with `NOT_SHOWN`. It calls no
    tools.
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
        asked = next(message for message in reversed(messages) if isinstance(message, HumanMessage))
        question = gist(str(asked.additional_kwargs.get("question") or asked.text))
        evidence = list(asked.additional_kwargs.get("evidence") or [])
        options = dict(asked.additional_kwargs.get("options") or {})
        query = dict(asked.additional_kwargs.get("query") or Query.parse(question, UNKNOWN_SECONDS).as_dict())
        text = _choose(question, options, evidence, query) if options else _quote(question, evidence, query)
        return ChatResult(generations=[ChatGeneration(message=AIMessage(text))])


def _choose(question: str, options: dict[str, str], evidence: list[dict[str, Any]], query: dict[str, Any]) -> str:
    """Return the option whose words the evidence has most of, with the caption that has them."""
    captions = {item["number"]: Caption.from_dict(item) for item in evidence}
    fit: dict[tuple[str, int], float] = {}
    for letter, option in options.items():
        share = coverage(content_words(option) or all_words(option), captions.values())
        context = coverage(query["subject"], captions.values())
        for number, caption in captions.items():
            # The option decides; of captions that have it alike, the one nearest to the question.
            fit[letter, number] = share[caption.id] * (1 + 0.5 * context[caption.id])
    letter, number = max(fit, key=lambda key: fit[key], default=("A", 0))
    if not fit or fit[letter, number] <= 0:
        first = next(iter(options))
        return f"({first}) {NOT_SHOWN} (No language model is configured; no caption has the words of an option.)"
    quoted = _sentence(captions[number], number, question)
    return f"({letter}) {options[letter]}. {quoted}\n(No language model is configured; this option shares most words.)"


def _quote(question: str, evidence: list[dict[str, Any]], query: dict[str, Any]) -> str:
    items = {item["number"]: item for item in evidence}
    captions = {number: Caption.from_dict(item) for number, item in items.items()}
    best = _best(query, items, captions)
    if not best:
        return f"{NOT_SHOWN} (No language model is configured; no caption matches the question.)"
    lines = [_sentence(captions[number], number, question) for number in best]
    return "\n".join(
        [*lines, "(No language model is configured; these are the captions that match the question best.)"]
    )


def _best(query: dict[str, Any], items: dict[int, dict[str, Any]], captions: dict[int, Caption]) -> list[int]:
    """Return the numbers of the captions that answer a question, best first; none if none does."""
    kinds, words = query["kinds"], query["subject"]
    share = coverage(words or query["terms"], captions.values())

    def fit(number: int) -> float:
        return share[captions[number].id]

    if not words:
        order = [number for number, caption in captions.items() if not kinds or caption.kind in kinds]
        if not query["span"] and not kinds:
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
    """Return a caption as a sentence of the answer, with its number."""
    text = caption.text
    if caption.attributes.get("words_known") is False:
        # It tells that somebody speaks, not what is said.
        return f"{text[0].upper()}{text[1:]} [{number}]"
    if caption.kind in ("speech", "ocr"):
        text = f"“{text}”"
    asked = [
        f"{topic}: {caption.attributes[topic]}"
        for topic, pattern in _TOPICS.items()
        if topic in caption.attributes and re.search(pattern, question, re.I)
    ]
    return f"{_LEADS.get(caption.kind, 'Seen')}: {'; '.join(asked) or text} [{number}]"
