from __future__ import annotations

import pytest

from tests.fakes.tiny_embed import byte_tokenizer
from videochat.embed_model.dialogue import (
    IGNORED,
    Conversation,
    PromptError,
    TokenizedPrompt,
    alignment_prompt,
    clean_answer,
    sampling_message,
    tokenize_alignment,
    tokenize_instruction,
    tokenize_prompt,
)

TOKENIZER = byte_tokenizer()


def learned(prompt: TokenizedPrompt) -> str:
    text = TOKENIZER.decode([label for label in prompt.labels if label != IGNORED])
    assert isinstance(text, str)
    return text


def test_two_turns_as_the_spec_writes_them():
    talk = Conversation.about_video([0.6, 9.0])
    talk.turns.append(("Q1", "A1"))
    assert talk.prompt("Q2") == (
        "###Human: <Video><VideoHere></Video> The video contains 2 frames sampled at 0.6, 9.0 seconds.\n"
        "###Human: Q1\n###Assistant: A1###Human: Q2\n###Assistant:"
    )


def test_an_image_has_no_seconds():
    assert Conversation.about_image().prompt("Q") == (
        "###Human: <Image><ImageHere></Image>\n###Human: Q\n###Assistant:"
    )


def test_seconds_are_told_to_a_tenth():
    assert sampling_message([1.25, 60.04]) == "The video contains 2 frames sampled at 1.2, 60.0 seconds."


def test_empty_question():
    with pytest.raises(PromptError, match="The question is empty"):
        Conversation.about_image().prompt(" ")


def test_prompt_without_a_place_for_the_video():
    with pytest.raises(PromptError, match=r"no place for the video: write <VideoHere>"):
        tokenize_prompt(TOKENIZER, "###Human: what is seen?")


def test_bos_comes_first_and_once():
    prompt = tokenize_prompt(TOKENIZER, "a<VideoHere>b")
    assert prompt.before[0] == TOKENIZER.bos_token_id
    assert TOKENIZER.bos_token_id not in prompt.after


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("A dog. ###", "A dog."),
        ("A dog.\n###Human: and", "A dog."),
        ("Assistant: A dog.", "A dog."),
        ("no\nAssistant: yes", "yes"),
        ("###", ""),
    ],
)
def test_answers_are_cut(text, answer):
    assert clean_answer(text) == answer


def test_stage_1_learns_the_caption():
    prompt = "###Human: <Video><VideoHere></Video> Say it. ###Assistant: "
    assert learned(tokenize_alignment(TOKENIZER, prompt, "a dog runs.")) == "a dog runs.###"
    assert learned(tokenize_alignment(TOKENIZER, prompt, "a dog runs.", 5)) == "a dog"


def test_stage_2_learns_headers_answers_and_the_end():
    turns = [("What is it? ", "A dog.\n"), ("Where?", "At sea.")]
    prompt = tokenize_instruction(TOKENIZER, turns, [0.5, 1.5])
    assert TOKENIZER.decode(prompt.after) == (
        "</Video> The video contains 2 frames sampled at 0.5, 1.5 seconds. ###Human: What is it? "
        "###Assistant: A dog. ###Human: Where? ###Assistant: At sea. ###"
    )
    assert learned(prompt) == " ###Human: ###Assistant: A dog. ###Human: ###Assistant: At sea. ###"


def test_stage_2_is_cut_at_its_limit():
    prompt = tokenize_instruction(TOKENIZER, [("What is it?", "A dog.")], max_text_tokens=40)
    assert len(prompt.before) + len(prompt.after) == 40


@pytest.mark.parametrize(
    ("turns", "limit", "says"),
    [
        ([("What is it?", "A dog.")], 20, "Nothing to learn is left"),
        ([], 512, "needs turns"),
        ([("What ###Human: is it?", "A dog.")], 512, "without ###"),
    ],
)
def test_examples_that_are_none(turns, limit, says):
    with pytest.raises(PromptError, match=says):
        tokenize_instruction(TOKENIZER, turns, max_text_tokens=limit)


def test_every_id_needs_a_label():
    with pytest.raises(PromptError, match="2 ids after the video need as many labels, got 1"):
        TokenizedPrompt([1], [5, 6], [IGNORED])


@pytest.mark.parametrize(
    "make",
    [
        lambda text: tokenize_prompt(TOKENIZER, f"<VideoHere>{text}"),
        lambda text: tokenize_alignment(TOKENIZER, "<VideoHere>", text),
        lambda text: tokenize_instruction(TOKENIZER, [("What?", text)]),
    ],
)
def test_half_a_character_is_a_sentence(make):
    with pytest.raises(PromptError, match=r"half a character \(U\+D83D, a lone surrogate\) at position"):
        make("ab \ud83d")


def test_the_prompt_of_stage_1():
    assert alignment_prompt("Say it.", "video") == "###Human: <Video><VideoHere></Video> Say it. ###Assistant: "
    assert alignment_prompt("Say it.", "image") == "###Human: <Image><ImageHere></Image> Say it. ###Assistant: "
