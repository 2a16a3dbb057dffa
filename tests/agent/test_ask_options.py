"""A question and its keywords are checked before anything is done."""

import pytest

from videochat.agent.ask_options import AskOptions, Question, check_keywords
from videochat.agent.multiple_choice import Choice
from videochat.errors import InvalidArgument


def test_what_is_left_out_has_its_usual_value() -> None:
    assert Question.read("ask", "When?", {}) == Question("When?", None, "main", None, 0.0, None)


def test_every_keyword_reaches_the_question() -> None:
    options: AskOptions = {
        "options": ["milk", "wine"],
        "thread": "ann",
        "verify": True,
        "wait_seconds": 2.0,
        "progress": print,
        "history": [("Who?", "Ann.")],
    }
    question = Question.read("ask", "What is it?", options)
    choice = Choice("What is it?", {"A": "milk", "B": "wine"})
    assert question == Question("What is it?", choice, "ann", True, 2.0, print, (("Who?", "Ann."),))
    assert str(question) == "What is it?\n(A) milk\n(B) wine"
    assert set(options) == set(AskOptions.__annotations__), "a new keyword needs its line here"


@pytest.mark.parametrize(
    ("text", "asked", "words"),
    [
        ("", {}, "question is empty"),
        (" \n", {}, "question is empty"),
        (None, {}, "must be a text, got NoneType"),
        ("When?", {"thread": 3}, "thread must be a text, the name of a conversation, got 3"),
        ("When?", {"thread": " "}, "needs a name"),
        ("When?", {"options": ["one"]}, "2 to 26"),
    ],
)
def test_what_is_none_is_one_sentence(text: str, asked: AskOptions, words: str) -> None:
    with pytest.raises(InvalidArgument, match=words):
        Question.read("ask", text, asked)


def test_a_keyword_that_does_not_exist_names_the_nearest() -> None:
    with pytest.raises(TypeError, match=r"^ask\(\): There is no keyword 'tread'; .* Did you mean 'thread'\?$"):
        Question.read("ask", "When?", {"tread": "ann"})  # type: ignore[typeddict-unknown-key]  # the refusal is what is tested
    check_keywords("f", {"a": 1}, ["a", "b"])
