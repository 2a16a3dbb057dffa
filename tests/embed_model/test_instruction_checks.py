from __future__ import annotations

import pytest

from tests.fakes.instruction_writer import STORY
from videochat.embed_model import prompts
from videochat.embed_model.instruct import split_citations
from videochat.embed_model.instruction_checks import (
    Rejected,
    check_description,
    check_text,
    check_turn,
    looks_english,
    plain_words,
)


@pytest.mark.parametrize(
    ("question", "answer", "reason"),
    [
        ("What is it", "A cup.", "the question does not end"),
        ("", "A cup.", "empty"),
        ("What is it?", "", "empty"),
        ("What is it?", "User: a cup.", "role separator"),
        ("What is it?", "A cup and", "cut off"),
    ],
)
def test_turns(question, answer, reason):
    with pytest.raises(Rejected, match=reason):
        check_turn(question, answer)


def test_good_text_passes():
    check_description(STORY, prompts.DESCRIPTION)
    check_turn("Is there a cat?", prompts.REFUSAL)
    check_turn("Who came second?", 'She says "wait."')
    assert split_citations("It is red [2]. Then blue [1, 2].") == ("It is red. Then blue.", [2, 1])
    assert looks_english("A red square.")
    assert not looks_english("Der Hund läuft über die Wiese und bellt sehr laut dabei")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (" ", "empty"),
        ("A red square moves to the \ud83d left.", r"half a character: U\+D83D, a lone surrogate, at position 26"),
        ("Human: a red square moves to the left.", "role separator"),
        ("Der Hund läuft über die Wiese und bellt dabei sehr laut.", "language"),
        ("Give as many details as possible. Say everything you see.", "prompt repeated"),
        ("A red square moves to the left and then", "cut off"),
    ],
)
def test_texts_that_are_not_good(text, reason):
    with pytest.raises(Rejected, match=reason):
        check_text(text, prompts.DESCRIPTION)


def test_a_dialogue_need_not_end_as_a_sentence():
    check_text("A red square moves to the left and then", prompts.DESCRIPTION, ends=False)


def test_words_are_compared_without_marks_and_capitals():
    assert plain_words("It's a *Red*  square!") == "it s a red square"
