"""What the language model is told. The paper's words are kept apart from ours.

Version 1. A change of wording changes answers: raise the version and say so in the changelog.
"""

from __future__ import annotations

PROMPT_VERSION = 1

PAPER_INSTRUCTION = (
    "You are a chatbot that conducts conversations based on video contexts. You mainly answer based on the "
    "given contexts, and you can also modify the content according to the tag information, and you can also "
    "answer the relevant knowledge of the person or object contained in the video. The timing description is a "
    "description every 1/FPS second, so that you can convert it into time. When describing, please mainly refer "
    "to the timing description. Dense caption is to give content every five seconds, you can disambiguate them "
    "in timing. But you don't create a video plot out of nothing. Begin!"
)
"""Table 2 of the paper, first part, word for word: the system message."""

PAPER_QUESTION = "Video contexts in temporal order: {textualizing_videos} Question: {question}"
"""Table 2 of the paper, second part: the user turn, so that text from a video never has the system's voice."""

CITING = (
    "Each context ends with its number in brackets. After every statement about the video, cite the numbers of "
    "the contexts that show it, like [3] or [3][5]; cite no number that you were not given. Statements without "
    "a context are not made. If no context answers the question, say exactly: " + '"The video does not show this."'
)
"""Ours: how to cite, and when to say no."""

TOOL_USE = (
    "If the contexts do not settle the question, look further with the tools before you answer: search_captions "
    "finds moments, read_captions gives everything within a range of seconds."
)
"""Ours: when to call tools."""

NOT_SHOWN = "The video does not show this."
"""The sentence by which a model says that the answer is not in the video."""


def system_prompt(*, with_tools: bool) -> str:
    """Return the system message: the paper's instruction, then ours."""
    return "\n\n".join([PAPER_INSTRUCTION, CITING, *([TOOL_USE] if with_tools else [])])


def user_turn(contexts: str, question: str) -> str:
    """Return the user turn of Table 2."""
    return PAPER_QUESTION.format(textualizing_videos=contexts or "(none)", question=question)
