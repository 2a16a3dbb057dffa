"""What a model is told: the paper's words, then ours."""

import re

import pytest

from videochat.agent.prompts import (
    LAST_CALL,
    OPTIONS,
    PAPER_INSTRUCTION,
    TOOL_USE,
    system_prompt,
    user_message,
)


def test_table_2_is_word_for_word() -> None:
    for words in (
        "You are a chatbot that conducts conversations based on video contexts. You mainly answer based on the given",
        "The timing description is a description every 1/FPS second, so that you can convert it into time.",
        "Dense caption is to give content every five seconds, you can disambiguate them in timing.",
        "But you don't create a video plot out of nothing. Begin!",
    ):
        assert words in PAPER_INSTRUCTION


@pytest.mark.parametrize("with_tools", [True, False])
@pytest.mark.parametrize("with_options", [True, False])
def test_the_system_message_begins_with_the_paper(with_tools: bool, with_options: bool) -> None:
    prompt = system_prompt(with_tools=with_tools, with_options=with_options)
    assert prompt.startswith(PAPER_INSTRUCTION)
    assert (TOOL_USE in prompt, OPTIONS in prompt) == (with_tools, with_options)


def test_the_user_message_is_that_of_table_2_after_our_remarks() -> None:
    text = user_message("00:01: milk [1]", "When?", "(So far.)")
    assert re.fullmatch(
        r"\(So far\.\)\n\nVideo contexts in temporal order: <video>\n(\w+)\n00:01: milk \[1\]\n\1\n</video> "
        r"Question: When\?",
        text,
    )


def test_the_last_call_names_the_limit() -> None:
    assert "(limit: 12 model calls)" in LAST_CALL.format(limit="12 model calls")
