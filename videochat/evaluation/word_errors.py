"""Words that a sense got right: word errors of what is heard, words found of what is written or seen."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np


def words_of(text: str) -> list[str]:
    """Return the words of a text in lower case, without punctuation and without who says them (`NAR:`)."""
    text = re.sub(r"\b[A-Z]{2,}:", " ", text).replace("’", "'").casefold()
    return [word.replace("'", "") for word in re.findall(r"[^\W_]+(?:'[^\W_]+)*", text)]


def aligned(wanted: Sequence[str], found: Sequence[str]) -> tuple[int, list[tuple[int, int]]]:
    """Return how many words are wrong, left out or too many, and which words of both are the same."""
    costs = np.zeros((len(wanted) + 1, len(found) + 1), int)
    costs[:, 0], costs[0] = range(len(wanted) + 1), range(len(found) + 1)
    for i, one in enumerate(wanted, 1):
        for j, two in enumerate(found, 1):
            costs[i, j] = min(costs[i - 1, j] + 1, costs[i, j - 1] + 1, costs[i - 1, j - 1] + (one != two))
    pairs, i, j = [], len(wanted), len(found)
    while i and j:
        if costs[i, j] == costs[i - 1, j - 1] + (wanted[i - 1] != found[j - 1]):
            i, j = i - 1, j - 1
            pairs += [(i, j)] if wanted[i] == found[j] else []
        elif costs[i, j] == costs[i - 1, j] + 1:
            i -= 1
        else:
            j -= 1
    return int(costs[-1, -1]), pairs[::-1]


def word_error_rate(reference: str, heard: str) -> float:
    """Return wrong, missing and superfluous words by those of the reference, which has some; may exceed 1."""
    wanted = words_of(reference)
    return aligned(wanted, words_of(heard))[0] / len(wanted)


def words_found(reference: str, said: str) -> float:
    """Return which part of the different words of a reference is among those that were said."""
    wanted, found = set(words_of(reference)), Counter(words_of(said))
    return sum(word in found for word in wanted) / len(wanted)
