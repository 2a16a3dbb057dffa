from pathlib import Path

import pytest

from videochat import VideoAgent
from videochat.agent.multiple_choice import Choice
from videochat.errors import InvalidArgument
from videochat.memory import CaptionStore
from videochat.testing import ScriptedLLM, call


@pytest.mark.parametrize(
    "question",
    [
        "What comes last? A. boiling B. steeping C. the milk",
        "What comes last?\nA) boiling\nB) steeping\nC) the milk",
        "What comes last? (A) boiling (B) steeping (C) the milk",
        "What comes last?\nA: boiling\nB: steeping\nC: the milk\n",
    ],
)
def test_options_are_read_from_the_question(question: str) -> None:
    choice = Choice.read(question)
    assert choice == Choice("What comes last?", {"A": "boiling", "B": "steeping", "C": "the milk"})


@pytest.mark.parametrize("question", ["When is vitamin A. mentioned?", "Who is B. Clinton?", "A. boiling", "What?"])
def test_other_questions_have_no_options(question: str) -> None:
    assert Choice.read(question) is None


@pytest.mark.parametrize(
    ("answer", "letter"),
    [
        ("(C) The milk [1].", "C"),
        ("C", "C"),
        ("**B.** Steeping.", "B"),
        ("The answer is C.", "C"),
        ("It is the milk.", "C"),
        ("A dog barks.", None),
        ("Neither.", None),
    ],
)
def test_the_chosen_option_is_found_in_the_answer(answer: str, letter: str | None) -> None:
    assert Choice("?", {"A": "boiling", "B": "steeping", "C": "the milk"}).chosen_in(answer) == letter


@pytest.mark.parametrize("options", [[], ["one"], ["a"] * 27, ["a", " "]])
def test_options_that_are_none_are_refused(options: list[str]) -> None:
    with pytest.raises(InvalidArgument, match="2 to 26"):
        Choice.read("What?", options)


def test_an_answer_without_an_option_goes_back(tea: Path, tea_memory: CaptionStore) -> None:
    llm = ScriptedLLM(call("read", start=13, end=18), "It is poured [1].", "(B) The milk is poured last [1].")
    agent = VideoAgent(tea, memory=tea_memory, llm=llm, verify=False)
    answer = agent.ask("What comes last?", options=["water", "milk"])
    assert (answer.option, answer.status) == ("B", "grounded")
    assert "letter of one option" in llm.sent[2][-1].text
    assert answer.as_dict()["option"] == "B"


def test_without_a_model_the_option_with_the_most_words_is_chosen(tea: Path, tea_memory: CaptionStore) -> None:
    agent = VideoAgent(tea, memory=tea_memory, llm="extractive")
    answer = agent.ask("What is poured last?", options=["the orange juice", "the milk", "a cocktail"])
    assert (answer.option, answer.status) == ("B", "grounded")


def test_without_a_model_no_option_may_have_a_word_in_the_notes(tea: Path, tea_memory: CaptionStore) -> None:
    agent = VideoAgent(tea, memory=tea_memory, llm="extractive")
    answer = agent.ask("What is said about milk?", options=["quarks", "gluons"])
    assert (answer.option, answer.status, answer.citations) == ("A", "not_found", [])
