"""From a question to the captions that may answer it: times it names, senses it means, words it shares."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from itertools import pairwise

from videochat.memory.shelf import Hit, Shelf
from videochat.memory.words import all_words, content_words
from videochat.records import Caption, Kind

_EDGE_SECONDS = 5.0
_EDGE_SHARE = 0.1
_OVERVIEW = 24

_SENSES: tuple[tuple[Kind, str], ...] = (
    (
        "speech",
        r"\b(say|says|said|saying|speak\w*|spoke\w*|talk\w*|mention\w*|tell|tells|told|hear|heard|quote\w*|narrat\w*"
        r"|voice\w*|utter\w*|claim\w*|speech|dialogue|ask|asks|asked)\b",
    ),
    (
        "ocr",
        r"\b(texts?|written|writing|titles?|slides?|signs?|screen|logos?|credits?|captions?|overlay|headline|label"
        r"|letters|printed|displayed|banner)\b",
    ),
    (
        "tags",
        r"\b(colou?rs?|light|lighting|bright\w*|dark\w*|camera|pans?|panning|motion|moves?|moving|still)\b",
    ),
    ("shot", r"\b(shots?|cuts?|edits?|edited|transitions?)\b"),
)


@dataclass(frozen=True)
class Recall:
    """What was found for a question."""

    hits: list[Hit]
    """Best first."""
    span: tuple[float, float] | None = None
    """The range of seconds that the question names, if it does."""
    kinds: tuple[Kind, ...] = field(default=())
    """The senses that the question means, if it does."""


def recall(shelf: Shelf, question: str, *, duration_seconds: float, k: int = 12) -> Recall:
    """Find the captions that may answer a question.

    A time that the question names limits the search to it; captions of a sense that it means come first; a
    question about nothing in particular gets an overview spread over the video.
    """
    span = named_span(question, duration_seconds)
    kinds = meant_kinds(question)
    start, end = span or (0.0, math.inf)
    words = about(question)
    hits: list[Hit] = []
    if words:
        hits = shelf.search(question, k=3 * k, start_seconds=start, end_seconds=end)
        hits = _words_first(hits, words)
        hits.sort(key=lambda hit: bool(kinds) and hit.caption.kind not in kinds)
    if span or not words:
        # With a time, whatever holds then is to the point; without words, whatever there is.
        captions = shelf.between(start, end, kinds or None) or shelf.between(start, end)
        known = {hit.caption.id for hit in hits}
        anchor = None if span is None else _anchor(question, span)
        chosen = _spread([c for c in captions if c.id not in known], _OVERVIEW, anchor)
        if not span:
            share = coverage(content_words(question), chosen)
            chosen.sort(key=lambda caption: -round(share[caption.id], 1))
        hits += [Hit(caption, 0.0, 0.0) for caption in chosen]
    return Recall(hits[: max(k, _OVERVIEW if not words else k)], span, kinds)


def named_span(question: str, duration_seconds: float) -> tuple[float, float] | None:
    """Return the range of seconds that a question names ("at 0:45", "in the last minute"), or None.

    The range is cut to the video; a time past its end gives its last second.
    """
    text = question.casefold()
    number = r"(\d+:\d\d(?::\d\d)?|\d+(?:\.\d+)?)"
    unit = r"(?:\s*-?\s*(hours?|hrs?|h|minutes?|mins?|m|seconds?|secs?|s)\b)?"

    def cut(start: float, end: float) -> tuple[float, float]:
        start = min(max(start, 0.0), max(duration_seconds - 1.0, 0.0))
        return start, max(min(end, duration_seconds), start + 0.5)

    def is_time(value: str, unit_word: str | None) -> bool:
        return ":" in value or unit_word is not None

    pair = rf"{number}{unit}\s*(?:and|to|until|till|-|–)\s*(?:second\s+)?{number}{unit}"
    for match in re.finditer(pair, text):
        first, first_unit, second, second_unit = match.groups()
        if is_time(first, first_unit or second_unit) and is_time(second, second_unit or first_unit):
            start = _seconds(first, first_unit or second_unit)
            end = _seconds(second, second_unit or first_unit)
            if start < end:
                return cut(start, end)
    words = {
        "a": 1,
        "one": 1,
        "two": 2,
        "three": 3,
        "four": 4,
        "five": 5,
        "ten": 10,
        "few": 5,
        "couple of": 2,
    }
    edge = (
        rf"\b(first|last|final|opening)\s+(?:({'|'.join(words)}|\d+(?:\.\d+)?)\s+)?(seconds?|secs?|s|minutes?|mins?)\b"
    )
    if found := re.search(edge, text):
        which, amount, unit_word = found.groups()
        count = 1.0 if amount is None else float(words.get(amount, 0) or amount)
        length = _seconds(str(count), unit_word)
        at_start = which in ("first", "opening")
        return cut(0, length) if at_start else cut(duration_seconds - length, duration_seconds)
    if re.search(r"\bfirst half\b", text):
        return cut(0, duration_seconds / 2)
    if re.search(r"\bsecond half\b", text):
        return cut(duration_seconds / 2, duration_seconds)
    for match in re.finditer(
        rf"\b(at|around|about|by|after|before|until|since|from)\s+(?:(second|minute)\s+)?{number}{unit}", text
    ):
        relation, leading, value, unit_word = match.groups()
        if not is_time(value, unit_word or leading):
            continue
        at = _seconds(value, unit_word or leading)
        if relation in ("after", "since", "from"):
            return cut(at, duration_seconds)
        if relation in ("before", "until"):
            return cut(0, at)
        return cut(at - 0.5, at + 1.0)
    if found := re.search(rf"{number}{unit}\s+(?:in|into)\b", text):
        value, unit_word = found.groups()
        if is_time(value, unit_word):
            at = _seconds(value, unit_word)
            return cut(at - 0.5, at + 1.0)
    length = max(_EDGE_SECONDS, _EDGE_SHARE * duration_seconds)
    if re.search(r"\b(at|in|near|towards?) the (very )?(beginning|start|opening)\b", text):
        return cut(0, length)
    if re.search(r"\b(at|in|near|towards?) the (very )?(end|ending|close)\b", text):
        return cut(duration_seconds - length, duration_seconds)
    return None


def meant_kinds(question: str) -> tuple[Kind, ...]:
    """Return the kinds of caption that a question asks for by its words; empty if it leaves that open."""
    text = question.casefold()
    return tuple(kind for kind, pattern in _SENSES if re.search(pattern, text))


def about(question: str) -> list[str]:
    """Return what a question is about, without the words that only name a sense or a time."""
    return [
        word
        for word in content_words(question)
        if not word.isdigit() and not any(re.fullmatch(pattern, word) for _, pattern in _SENSES)
    ]


def coverage(words: Sequence[str], captions: Iterable[Caption]) -> dict[str, float]:
    """Return, by caption id, how much of a question's words a caption shares, in [0, 1].

    A word counts the more the fewer of the captions have it; one that none has counts most, so that a
    question about something absent stays uncovered.
    """
    captions = list(captions)
    matches: dict[str, list[float]] = {}
    for caption in captions:
        have = all_words(caption.text)
        # Letters read off a picture may be off by one; spoken and generated words are not.
        matches[caption.id] = [_match(word, have, loose=caption.kind == "ocr") for word in words]
    count = len(captions)
    weights = []
    for i in range(len(words)):
        having = sum(1 for found in matches.values() if found[i] > 0)
        weights.append(math.log(1 + (count + 1) / (having + 0.5)))
    total = sum(weights) or 1.0
    return {id_: sum(w * m for w, m in zip(weights, found, strict=True)) / total for id_, found in matches.items()}


def _words_first(hits: list[Hit], words: Sequence[str]) -> list[Hit]:
    share = coverage(words, [hit.caption for hit in hits])
    best = max((hit.score for hit in hits), default=1.0) or 1.0
    return sorted(hits, key=lambda hit: -(share[hit.caption.id] + hit.score / best))


def _match(word: str, have: Sequence[str], *, loose: bool) -> float:
    stem = _stem(word)
    joined = {a + b for a, b in pairwise(have)}
    best = 0.0
    for other in have:
        if other == word or _stem(other) == stem:
            return 1.0
        if len(stem) >= 5 and len(other) >= 5 and (other.startswith(stem) or word.startswith(_stem(other))):
            best = max(best, 0.8)
        elif loose and len(word) >= 5 and SequenceMatcher(None, word, other).ratio() >= 0.8:
            best = max(best, 0.7)
    if best == 0.0 and word in joined:
        return 0.9
    if best == 0.0 and len(word) >= 4 and any(word in other for other in have if len(other) >= len(word) + 3):
        return 0.6
    return best


def _stem(word: str) -> str:
    for ending in ("ations", "ation", "ings", "ing", "ies", "ed", "es", "ly", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def _anchor(question: str, span: tuple[float, float]) -> float:
    """Return the second to which a question about a range wants to be nearest."""
    start, end = span
    if re.search(r"\b(end|ending|last|final|close)\b", question.casefold()):
        return end - 0.01
    return start if end - start > 2 else (start + end) / 2


def _spread(captions: list[Caption], count: int, anchor: float | None) -> list[Caption]:
    """Return at most `count` captions: nearest to a moment first, or evenly spread over the video."""
    if anchor is not None:

        def distance(caption: Caption) -> tuple[float, float]:
            away = max(caption.start_seconds - anchor, anchor - caption.end_seconds, 0.0)
            return away, caption.end_seconds - caption.start_seconds

        return sorted(captions, key=distance)[:count]
    if len(captions) <= count:
        return captions
    step = len(captions) / count
    return [captions[int(i * step)] for i in range(count)]


def _seconds(value: str, unit: str | None) -> float:
    if ":" in value:
        total = 0.0
        for part in value.split(":"):
            total = total * 60 + float(part)
        return total
    factor = {"h": 3600.0, "m": 60.0}.get((unit or "s")[0], 1.0)
    return float(value) * factor
