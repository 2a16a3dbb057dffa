"""Captions are quoted by their facts, never by taking their prose apart."""

from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage

from videochat.agent.extractive import ExtractiveAnswerer
from videochat.agent.prompts import NOT_SHOWN
from videochat.records import AttributeValue, Caption, Kind

MEASURED: dict[str, Any] = {
    "light": "dark",
    "colours": "mostly navy",
    "camera": "still",
    "motion": "hardly anything moves",
    "lightness": 0.2,
}
MEASURED_TEXT = "light: dark; colours: mostly navy; camera: still; motion: hardly anything moves"


def ask(question: str, *captions: Caption, options: dict[str, str] | None = None) -> str:
    evidence = [caption.as_dict() | {"number": n, "similarity": 0.0} for n, caption in enumerate(captions, 1)]
    said = {"question": question, "evidence": evidence, "options": options or {}}
    reply: AIMessage = ExtractiveAnswerer().invoke([HumanMessage("", additional_kwargs=said)])
    return reply.text


def caption(kind: Kind, text: str, start: float = 0.0, **attributes: AttributeValue) -> Caption:
    return Caption("v1", start, start + 2, kind, text, "test", attributes=attributes)


@pytest.mark.parametrize(
    ("kind", "quoted"),
    [
        ("speech", "Said: “a red cup”"),
        ("ocr", "On screen: “a red cup”"),
        ("objects", "Seen: a red cup"),
        ("shot", "Cut:"),
    ],
)
def test_a_caption_is_introduced_by_its_kind(kind: Kind, quoted: str) -> None:
    assert ask("Where is the red cup?", caption(kind, "a red cup")).startswith(quoted)


def test_the_best_captions_are_quoted_with_their_numbers() -> None:
    text = ask("Where is the red cup?", caption("speech", "tea is hot"), caption("speech", "the red cup is here", 3))
    assert text.splitlines()[0] == "Said: “the red cup is here” [2]"
    assert "[1]" not in text
    assert "No language model is configured" in text


def test_what_no_caption_covers_is_not_shown() -> None:
    assert ask("When does the cat jump?", caption("speech", "tea is hot")).startswith(NOT_SHOWN)
    assert ask("When does the cat jump?").startswith(NOT_SHOWN)


@pytest.mark.parametrize(
    ("question", "quoted"),
    [
        ("How dark is the light?", "Measured: light: dark [1]"),
        ("What colours are there?", "Measured: colours: mostly navy [1]"),
        ("Does the camera pan?", "Measured: camera: still [1]"),
    ],
)
def test_of_a_measurement_only_what_was_asked_for_is_quoted(question: str, quoted: str) -> None:
    assert ask(question, caption("tags", MEASURED_TEXT, **MEASURED)).splitlines()[0] == quoted


def test_a_measurement_without_its_facts_is_quoted_whole() -> None:
    assert ask("How dark is the light?", caption("tags", MEASURED_TEXT)).startswith(f"Measured: {MEASURED_TEXT} [1]")


def test_speech_whose_words_are_not_known_is_not_put_in_quotes() -> None:
    text = "somebody speaks (what is said is unknown)"
    assert ask("When does somebody speak?", caption("speech", text, words_known=False)).startswith(
        "Somebody speaks (what is said is unknown) [1]"
    )
    assert "“somebody speaks" in ask("When does somebody speak?", caption("speech", text))


@pytest.mark.parametrize(
    ("options", "letter"),
    [({"A": "the orange juice", "B": "the milk"}, "(B) the milk."), ({"A": "x", "B": "y"}, "(A)")],
)
def test_the_option_with_the_most_words_is_chosen(options: dict[str, str], letter: str) -> None:
    answer = ask("What is poured?", caption("speech", "now the milk is poured"), options=options)
    assert answer.startswith(letter)
    assert ("[1]" in answer) == ("milk" in answer.splitlines()[0])


def test_a_message_of_another_app_without_captions_is_answered_too() -> None:
    reply: Any = ExtractiveAnswerer().invoke("Who are you?")
    assert reply.text.startswith(NOT_SHOWN)
