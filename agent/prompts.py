"""Prompts: what the language model is told. The paper's words are kept apart from ours.

Version 4. A change of wording changes answers: raise the version and say so in the changelog.
"""

from __future__ import annotations

from videochat.fence import DATA, fenced

PROMPT_VERSION = 4

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
"""Table 2 of the paper, second part: the user message, so that text from a video never has the system's voice."""

CITING = (
    "Each context ends with its number in brackets. After every statement about the video, cite the numbers of "
    "the contexts that show it, like [3] or [3][5]; cite no number that you were not given. Statements without "
    "a context are not made. The first lines say what the video is and what was watched for; they need no number. If "
    'nothing answers the question, say exactly: "Nothing noted in the video answers this."'
)
"""Ours: how to cite, and when to say no."""

TOOL_USE = (
    "If the contexts settle the question, answer at once. If they do not, look further with the tools: browse for what "
    "happens overall, search for moments, read everything within a range of seconds, look at a range again."
)
"""Ours: when to call tools."""

OPTIONS = (
    "The question has options. Begin the answer with the letter of one of them in parentheses, like (B), then say in a "
    "sentence or two what in the video decides it, with citations. If nothing decides it, choose the most plausible "
    'and add: "Nothing noted in the video answers this."'
)
"""Ours: how to answer a question with options."""

FILL_IN = (
    "You fill in a form from what was noted of a video. Each context ends with its number in brackets. Give a value "
    "only where a context shows it, and beside it the numbers of the contexts that show it; leave every other field "
    "empty. Guess nothing.\n\n" + DATA
)
"""Ours: the system message of structured output."""

NOT_NOTED = "Nothing noted in the video answers this"
"""The sentence by which a model says that the answer is not in the notes, without its full stop."""

NOTHING_SEEN = "Nothing of the video has been seen yet. Ask again in a moment."
"""Ours: the answer to a question that comes before the first caption of a watch in the background."""

CONFIRM = (
    "Not yet: “{sentence}” is not borne out by what it cites ({problem}). Read or look at that range with the tools, "
    "then give the whole answer anew, corrected where it must be."
)
"""Ours: sent when what an answer cites does not bear a sentence of it."""
CALL_AGAIN = "The call of {tool} could not be read: its arguments are not valid JSON. Call it again."
EMPTY = "That was an empty answer. Answer the question, or call a tool."
NAME_AN_OPTION = "Begin the answer with the letter of one option in parentheses: {letters}."
LAST_CALL = (
    "There is no time for further calls of tools (limit: {limit}). Answer now from what you have been shown, and say "
    "what remains open."
)


def system_prompt(*, with_tools: bool, with_options: bool = False) -> str:
    """Return the system message: the paper's instruction, then ours. Nothing from a video is in it.

    Args:
        with_tools: whether the model may call tools.
        with_options: whether the question has options.
    """
    parts = [PAPER_INSTRUCTION, CITING, DATA]
    parts += [TOOL_USE] if with_tools else []
    parts += [OPTIONS] if with_options else []
    return "\n\n".join(parts)


def user_message(contexts: str, question: str, *remarks: str) -> str:
    """Return the user message of Table 2.

    Args:
        contexts: captions as text, in temporal order.
        question: with its options, if it has any.
        remarks: sentences of ours, put before it.
    """
    return "\n\n".join([*remarks, PAPER_QUESTION.format(textualizing_videos=fenced(contexts), question=question)])
