"""How much of a question's words captions share."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher
from functools import cache, lru_cache
from itertools import pairwise

from videochat.memory.words import all_words, language_data
from videochat.records import Caption

# What a word counts that means much the same.
_ALIKE = 0.7


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


def _match(word: str, have: Sequence[str], *, loose: bool) -> float:
    stem = _stem(word)
    joined = {a + b for a, b in pairwise(have)}
    best = 0.0
    for other in have:
        if other == word or _stem(other) == stem:
            return 1.0
        if _meanings(word) & _meanings(other):
            best = max(best, _ALIKE)
        elif len(stem) >= 5 and len(other) >= 5 and (other.startswith(stem) or word.startswith(_stem(other))):
            best = max(best, 0.8)
        elif loose and len(word) >= 5 and SequenceMatcher(None, word, other).ratio() >= 0.8:
            best = max(best, 0.7)
    if best == 0.0 and word in joined:
        return 0.9
    if best == 0.0 and len(word) >= 4 and any(word in other for other in have if len(other) >= len(word) + 3):
        return 0.6
    return best


@lru_cache(65536)
def _meanings(word: str) -> frozenset[int]:
    """Return the numbers of the groups of words that mean much the same in which a word is."""
    return frozenset(number for number, group in enumerate(_groups()) if word in group or _stem(word) in group)


@cache
def _groups() -> list[set[str]]:
    lines: dict[str, str] = language_data()["alike"]
    return [
        {stem for word in line.split() for stem in (word, _stem(word))} for line in lines["en"].strip().splitlines()
    ]


def _stem(word: str) -> str:
    for ending in ("ations", "ation", "ings", "ing", "ies", "ed", "es", "ly", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word
