"""ExtractiveAnswerer: answers without a language model, by what follows from the notes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from videochat.agent.citations import NO_MARKERS
from videochat.agent.phrases import Phrases
from videochat.agent.word_overlap import coverage
from videochat.memory.words import all_words, content_words
from videochat.records import Caption

EXTRACTIVE = "extractive"
"""Name of this answerer where a chat model is named."""


class ExtractiveAnswerer(BaseChatModel):
    """Answers without a language model: it writes down what follows from the notes, each sentence with its numbers.

    It takes them as data from `additional_kwargs` of the user's message: `findings`, a list of `{"text", "numbers"}`;
    `found`, whether they answer the question or only come nearest; for a question with options `options`, text by
    letter, and `evidence`, captions with their `number`. It calls no tools.
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
        told = asked.additional_kwargs
        question = str(told.get("question") or asked.text)
        options = dict(told.get("options") or {})
        if options:
            text = _choose(question, options, list(told.get("evidence") or []))
        else:
            text = _write(question, list(told.get("findings") or []), found=bool(told.get("found")))
        return ChatResult(generations=[ChatGeneration(message=AIMessage(text))])


def _write(question: str, findings: Sequence[Mapping[str, Any]], *, found: bool) -> str:
    sentences = [f"{item['text']} {_marks(item['numbers'])}".rstrip() for item in findings]
    if found and sentences:
        return "\n".join(sentences)
    say = Phrases(question)
    without = [text for text, item in zip(sentences, findings, strict=True) if not item["numbers"]]
    nearest = [text for text, item in zip(sentences, findings, strict=True) if item["numbers"]]
    # What follows from the file itself, as that it ends before, answers.
    lines = without or [say("nothing")]
    return "\n".join([*lines, *([say("nearest"), *nearest] if nearest else [])])


def _choose(question: str, options: dict[str, str], evidence: list[dict[str, Any]]) -> str:
    """Return the option whose words the evidence has most of, with the caption that has them."""
    captions = {item["number"]: Caption.from_dict(item) for item in evidence}
    fit: dict[tuple[str, int], float] = {}
    for letter, option in options.items():
        share = coverage(content_words(option) or all_words(option), captions.values())
        context = coverage(content_words(question), captions.values())
        for number, caption in captions.items():
            # The option decides; of captions that have it alike, the one nearest to the question.
            fit[letter, number] = share[caption.id] * (1 + 0.5 * context[caption.id])
    letter, number = max(fit, key=lambda key: fit[key], default=("A", 0))
    say = Phrases(question)
    if not fit or fit[letter, number] <= 0:
        return f"({next(iter(options))}) {say('nothing')}"
    words = " ".join(captions[number].text.split()).translate(NO_MARKERS)
    key = {"speech": "said", "ocr": "shown"}.get(captions[number].kind, "noted")
    return f"({letter}) {options[letter]}. {say(key, what=words)} [{number}]"


def _marks(numbers: Sequence[int]) -> str:
    return "".join(f"[{number}]" for number in numbers)
