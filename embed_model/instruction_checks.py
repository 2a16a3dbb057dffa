"""Checks of text that a language model wrote as instruction data: English, whole, its own, and as the paper asks.

Paper section 3.2.2, Tables 3 and 6. Each check raises `Rejected` with the reason; its first words, up to the colon, are
what the reasons are counted by.
"""

from __future__ import annotations

import re
from difflib import SequenceMatcher

from videochat.embed_model.prompts import DIALOGUE_FORMAT, REFUSAL
from videochat.errors import VideoChatError

DESCRIPTION_WORDS = (150, 200)
"""Table 3: more than, and less than."""


class Rejected(VideoChatError):
    """Text that does not pass a check; the message is the reason."""


def check_text(text: str, prompt: str, *, ends: bool = True) -> None:
    """Hold text to what every text must be: whole characters, English, not cut off, not the prompt's own words.

    Args:
        text: what the model wrote.
        prompt: what it was asked.
        ends: whether it must end as a sentence does.

    Raises:
        Rejected: it is not.
    """
    if not text.strip():
        raise Rejected("empty")
    check_characters(text)
    if "###" in text or _ROLE.search(text):
        raise Rejected("role separator: ### or a speaker's name in the text")
    if not looks_english(text):
        raise Rejected("language: not English")
    words = plain_words(text).split()
    asked = plain_words(prompt).split()
    runs = {tuple(asked[at : at + _RUN]) for at in range(len(asked) - _RUN + 1)}
    own = plain_words(DIALOGUE_FORMAT).split()
    runs |= {tuple(own[at : at + _RUN]) for at in range(len(own) - _RUN + 1)}
    refusal = tuple(plain_words(REFUSAL).split())
    if any(run in runs and not _within(run, refusal) for run in zip(*(words[n:] for n in range(_RUN)), strict=False)):
        raise Rejected("prompt repeated: words of the prompt in the answer")
    if ends and text.rstrip()[-1] not in ".!?\"'”’)":
        raise Rejected("cut off: the last sentence does not end")


_RUN = 8
"""So many words in a row that are the prompt's are no accident."""
_ROLE = re.compile(r"\b(Human|Assistant|User|System)\s*:")


def _within(run: tuple[str, ...], text: tuple[str, ...]) -> bool:
    return any(text[at : at + len(run)] == run for at in range(len(text) - len(run) + 1))


def check_characters(text: str) -> None:
    """Hold text to whole characters, which is all that a file of data can keep.

    Raises:
        Rejected: it has a lone surrogate.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise Rejected(
            f"half a character: U+{ord(text[error.start]):04X}, a lone surrogate, at position {error.start}"
        ) from None


def check_description(text: str, prompt: str) -> None:
    """Hold a description to Table 3: its length, no absolute times, no sentence twice.

    Raises:
        Rejected: it is not so.
    """
    check_text(text, prompt)
    least, most = DESCRIPTION_WORDS
    count = len(text.split())
    if not least < count < most:
        raise Rejected(f"length: {count} words, not more than {least} and less than {most}")
    if found := _TIME.search(text):
        raise Rejected(f"absolute time: {found[0]!r}")
    sentences = [plain_words(sentence) for sentence in re.split(r"(?<=[.!?])\s+", text)]
    if len(set(sentences)) < len(sentences):
        raise Rejected("duplicate: a sentence stands there twice")


_TIME = re.compile(
    r"\b\d{1,2}:\d{2}(:\d{2})?\b"
    r"|\b(\d+(\.\d+)?|one|two|three|four|five|six|seven|eight|nine|ten|twenty|thirty)[\s-]*"
    r"(s|secs?|seconds?|mins?|minutes?|hours?)\b(?!\s+(of|later|each)\b)"
    r"|\b(second|minute|frame|timestamp)\s+\d+\b",
    re.IGNORECASE,
)


def check_turn(question: str, answer: str) -> None:
    """Hold a turn to Table 6: a question, an answer as from one who watches, the refusal word for word.

    Raises:
        Rejected: it is not so.
    """
    if not question or not answer:
        raise Rejected("empty")
    check_characters(question + answer)
    if "###" in question + answer or _ROLE.search(f"{question}\n{answer}"):
        raise Rejected("role separator: ### or a speaker's name in the text")
    if question[-1] not in "?.!":
        raise Rejected("cut off: the question does not end")
    if answer in (REFUSAL, REFUSAL + "."):
        return
    if SequenceMatcher(None, plain_words(answer), plain_words(REFUSAL)).ratio() > 0.7:
        raise Rejected("refusal reworded: it must be the sentence of Table 6")
    if answer[-1] not in ".!?\"'”’)":
        raise Rejected("cut off: the last sentence does not end")
    if not looks_english(answer):
        raise Rejected("language: not English")
    if _SOURCE.search(answer):
        raise Rejected("speaks of its source: the video is watched, not read about")


_SOURCE = re.compile(
    r"\b(descriptions? (provided|given|says?|states?|mentions?)|(provided|given) descriptions?|captions?)\b", re.I
)

_COMMON = frozenset(
    re.findall(
        r"\w+",
        "a an and are as at be by for from has have he her his in is it its no not of on or she that the their them "
        "there they this to was we were what when which while who with yes you",
    )
)


def looks_english(text: str) -> bool:
    """Return whether text is in Latin letters and, if longer than a few words, uses the commonest English ones."""
    letters = [sign for sign in text if sign.isalpha()]
    if sum(sign.isascii() for sign in letters) < 0.9 * len(letters) or not letters:
        return False
    words = plain_words(text).split()
    return len(words) < 8 or sum(word in _COMMON for word in words) >= 0.12 * len(words)


def plain_words(text: str) -> str:
    """Return the words of a text in lower case, one space between them, nothing else."""
    return " ".join(re.findall(r"[^\W_]+", text.lower()))
