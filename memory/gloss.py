"""Questions in languages that are read by an English gloss, from Portuguese to Polish.

The words are data (`gloss_words.toml`). A gloss is no translation: only words by which questions are read, and names of
common things, become English; the rest stays as it is, and is compared with captions in its own language.
"""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from videochat.memory.thing_names import thing_patterns

# Signs after which a word begins; vowels of Devanagari are no letters to regular expressions.
_EDGE = r"[^\s,.?!¿¡؟،؛:;()\"'’«»“”।-]"
_WHICH = re.compile(r"\b(?:how|when|where|who|what|which|summarize|describe)\b")


def gloss_language(text: str) -> str:
    """Return the ISO 639 code of the language of a text where it is one that is glossed; else nothing."""
    lowered = _lowered(text)
    for code, data in _languages().items():
        if re.search(data["is"], lowered) and not ("not" in data and re.search(data["not"], lowered)):
            return code
    return ""


def glossed(question: str) -> str:
    """Return a question with the words that are known in English; as it is where its language needs no gloss."""
    code = gloss_language(question)
    if not code:
        return question
    pattern, english = _pattern(code)
    text = pattern.sub(lambda found: english[(found.lastindex or 1) - 1], _lowered(question))
    for asking in ("when is", "where is", "is there", "is it"):
        if asking in text and (not asking.startswith("is") or not _WHICH.search(text)):
            # Where the verb stands at the end, it is still what is asked.
            text = f"{asking} {text.replace(asking, ' ')}"
            break
    return re.sub(r"\s+", " ", text).strip()


def as_asked(question: str, english: str) -> str:
    """Return the word of a question that became an English one; that one where the question has no such word."""
    if code := gloss_language(question):
        pattern, words = _pattern(code)
        for found in pattern.finditer(_lowered(question)):
            if words[(found.lastindex or 1) - 1] == english:
                return found[0]
    return english


def _lowered(text: str) -> str:
    """Return a text in lower case; the dotted capital I of Turkish is one letter."""
    return text.replace("İ", "i").casefold().replace("’", "'")


@cache
def _languages() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name("gloss_words.toml").read_text(encoding="utf-8"))


@cache
def _pattern(code: str) -> tuple[re.Pattern[str], list[str]]:
    things = thing_patterns(code)
    longer = {pattern: label for pattern, label in things.items() if " " in pattern}
    words: dict[str, str] = longer | _languages()[code]["words"] | things
    known = "|".join(f"({pattern})" for pattern in words)
    return re.compile(rf"(?<!{_EDGE})(?:{known})(?!{_EDGE})"), list(words.values())
