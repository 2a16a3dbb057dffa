"""Replies of a vision model about a stretch of a video: what they are asked by, and which of them can be kept.

Prompts, refusals and languages are data: `clip_captions.toml`.
"""

from __future__ import annotations

import re
import tomllib
import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from videochat.errors import UnknownName, VideoChatError
from videochat.intervals import Interval, parse_clock

# A model rounds the times of its pictures.
_SLACK_SECONDS = 0.6
_MOST_SIGNS_A_LINE, _MOST_LINES = 600, 10
# Text that packs better than this says the same again and again.
_MOST_COMPRESSION, _SHORT = 4.0, 200
# Of the letters of a text so many are those of its language.
_OWN_LETTERS = 0.7

_TIME = r"(?:\d{1,3}:)?(?:\d{1,3}:\d{2}|\d+)(?:\.\d+)?"
_SECONDS = r"\s*(?:s|sec|secs|seconds?)?"
_LINE = re.compile(
    rf"^[\[(]?(?P<start>{_TIME}){_SECONDS}\s*(?:(?:-|–|—|to|bis|~)\s*(?P<end>{_TIME}){_SECONDS})?\s*[\])]?\s*"
    r"[:：.)\]|-]+\s*(?P<text>\S.*)$"
)
_BULLET = re.compile(r"^\s*(?:[-*•#>]+|\d{1,2}[.)])\s+")
_QUOTED = re.compile(r"\"[^\"\n]*\"|“[^”\n]*”|«[^»\n]*»|‘[^’\n]*’|「[^」\n]*」|(?<!\w)'[^'\n]*'(?!\w)")
_CLOCK = re.compile(r"(?<![\d:.])\d{1,3}(?::\d{2}){1,2}(?:\.\d+)?(?![\d:])")
_AT_SECOND = re.compile(
    r"\b(?:(?:at|around|by|until|after|from)\s+(?:about\s+)?(?:second\s+)?(\d+(?:\.\d+)?)\s*(?:s|sec|seconds?)\b"
    r"|(?:second|sekunde)\s+(\d+(?:\.\d+)?))",
    re.I,
)
_THINKING = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.S | re.I)


class UnfitReply(VideoChatError):
    """A reply that describes nothing, or not what was asked for; its message goes back to the model."""


@dataclass(frozen=True)
class Line:
    """What a reply says of a part of a stretch."""

    start_seconds: float
    """First moment."""
    end_seconds: float
    """First moment no longer."""
    text: str
    """What is there and what happens."""


@cache
def wording() -> dict[str, Any]:
    """Return the prompts and what replies are known by."""
    return tomllib.loads(Path(__file__).with_name("clip_captions.toml").read_text(encoding="utf-8"))


def check_language(code: str) -> str:
    """Return the code of a language in which stretches can be described.

    Raises:
        UnknownName: they cannot; the message lists those in which they can.
    """
    if code not in wording()["languages"]:
        raise UnknownName("language of descriptions", code, wording()["languages"])
    return code


def instruction(language: str) -> str:
    """Return what the model is told before all else."""
    text: str = wording()["system"]
    return text.strip().format(language=wording()["languages"][language]["name"])


def read_reply(reply: str, stretch: Interval, language: str = "en") -> list[Line]:
    """Return what a reply says of a stretch: a line for each part that it names, or one for all of it.

    Introductions, headings and marks of lists are left away.

    Args:
        reply: the words of the model.
        stretch: `(start_seconds, end_seconds)` of what it was asked about.
        language: ISO 639 code of the language it was asked for.

    Raises:
        UnfitReply: it is empty, a refusal, too long, repeats itself, is in another language, or names times that lie
            outside.
    """
    text = _without_preamble(_THINKING.sub("", reply).replace("**", "").replace("```", "").strip())
    if re.match(rf"(?:{'|'.join(wording()['refusals'])})", text.replace("’", "'"), re.I):
        raise UnfitReply("it is a refusal, not a description")
    lines = _lines(text, *stretch)
    said = "\n".join(line.text for line in lines)
    if sum(sign.isalpha() for sign in said) < 3:
        raise UnfitReply("it says nothing")
    if len(lines) > _MOST_LINES or any(len(line.text) > _MOST_SIGNS_A_LINE for line in lines):
        raise UnfitReply(f"it is too long ({len(text)} signs; at most four short lines are wanted)")
    packed = said.encode()
    if len(packed) > _SHORT and len(packed) / len(zlib.compress(packed)) > _MOST_COMPRESSION:
        raise UnfitReply("it repeats itself")
    _check_language(said, language)
    for line in lines:
        _check_times_in(line.text, *stretch)
    return lines


def _without_preamble(text: str) -> str:
    pattern = rf"(?:{'|'.join(wording()['preambles'])})\s*"
    while (match := re.match(pattern, text, re.I)) and match.end():
        text = text[match.end() :].strip()
    return text


def _lines(text: str, start: float, end: float) -> list[Line]:
    timed: list[Line] = []
    loose: list[str] = []
    for row in text.splitlines():
        row = _BULLET.sub("", row).strip()
        match = _LINE.match(row)
        if match is None or not _is_time(match):
            if not any(sign.isalnum() for sign in row):
                continue
            if timed:
                # A line that goes on.
                last = timed.pop()
                timed.append(Line(last.start_seconds, last.end_seconds, f"{last.text} {row}"))
            else:
                loose.append(row)
            continue
        first = parse_clock(match["start"])
        last_moment = parse_clock(match["end"]) if match["end"] else None
        for moment in (first, first if last_moment is None else last_moment):
            if not start - _SLACK_SECONDS <= moment <= end + _SLACK_SECONDS:
                raise UnfitReply(f"it names {moment:g} s, which is not within the stretch")
        if last_moment is not None and last_moment < first:
            raise UnfitReply(f"a line goes from {first:g} s back to {last_moment:g} s")
        first = min(max(first, start), end - 0.001)
        last_moment = end if last_moment is None else min(max(last_moment, first + 0.1), end)
        timed.append(Line(round(first, 3), round(last_moment, 3), match["text"].strip()))
    if not timed:
        return [Line(start, end, " ".join(loose))] if loose else []
    # What stands before the first time and does not introduce it is about all of it.
    about_all = [Line(start, end, " ".join(loose))] if loose and not loose[-1].endswith((":", "：")) else []
    return list(dict.fromkeys([*about_all, *timed]))


def _is_time(match: re.Match[str]) -> bool:
    """Whether the number at the head of a line is a time: a range, a clock, or one marked as seconds."""
    head = match.group(0)[: match.start("text")]
    return bool(match["end"] or ":" in match["start"] or re.search(r"\d\s*s|[\[(]|\d\.\d", head) or head.endswith(": "))


def _check_language(text: str, language: str) -> None:
    known: dict[str, dict[str, str]] = wording()["languages"]
    wanted = known[language]
    letters = [sign for sign in _QUOTED.sub("", text) if sign.isalpha()]
    own = re.compile(f"[{wanted['letters']}]")
    if letters and sum(bool(own.match(sign)) for sign in letters) < _OWN_LETTERS * len(letters):
        raise UnfitReply(f"it is not in {wanted['name']}")
    if "words" not in wanted:
        return
    words = re.findall(r"\w+", _QUOTED.sub("", text).casefold())
    counts = {
        code: sum(word in facts["words"].split() for word in words) for code, facts in known.items() if "words" in facts
    }
    best = max(counts, key=lambda code: counts[code])
    if counts[best] >= 3 and counts[best] > 2 * counts[language]:
        raise UnfitReply(f"it is in {known[best]['name']}, not in {wanted['name']}")


def _check_times_in(text: str, start: float, end: float) -> None:
    """Hold the times in a sentence to the stretch; what is quoted was read in the pictures, such as a clock."""
    plain = _QUOTED.sub("", text)
    named = [(match[0], parse_clock(match[0])) for match in _CLOCK.finditer(plain)]
    named += [(f"{match[1] or match[2]} s", float(match[1] or match[2])) for match in _AT_SECOND.finditer(plain)]
    for words, moment in named:
        if not start - _SLACK_SECONDS <= moment <= end + _SLACK_SECONDS:
            raise UnfitReply(
                f"it names {words}, which is not within the stretch (put a clock that you read between quotation marks)"
            )
