"""Text of SubRip files: the format knows no escapes, so an invisible sign keeps text from being read as markup."""

from __future__ import annotations

import re

WORD_JOINER = "\u2060"
"""An invisible sign that stands inside of what would be read as a tag, a style or a line of times."""

_MORE = f"{WORD_JOINER}*"
# A time with its fraction, the beginning of a tag, of a style, and an arrow: the sign goes behind what is in front.
_LOOKS = (r"\d:\d+:\d+", rf"(?={_MORE}[.,]\d)"), ("<", rf"(?={_MORE}\s*[a-z/!])"), (r"\{", ""), ("-", rf"(?={_MORE}>)")
_GUARDED = re.compile("|".join(front + behind for front, behind in _LOOKS), re.IGNORECASE)
_GUARD = re.compile("|".join(f"(?:{front}){WORD_JOINER}{behind}" for front, behind in _LOOKS), re.IGNORECASE)


def guarded(text: str) -> str:
    """Return a text in which nothing is read as a tag or as the line of times; `unguarded` gives it back.

    Text that has the sign already in such a place gets another.
    """
    return _GUARDED.sub(lambda match: match[0] + WORD_JOINER, text)


def unguarded(text: str) -> str:
    """Return a text of a SubRip file as it was before `guarded`; other files hardly ever have the sign there."""
    return _GUARD.sub(lambda match: match[0][:-1], text)
