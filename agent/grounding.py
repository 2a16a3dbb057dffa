"""Grounding: whether the captions that a sentence cites bear it, by times, order, numbers, names, negation, words."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from videochat.agent.citations import Evidence, sentences
from videochat.intervals import clock, clock_range
from videochat.memory.embeddings import Embedder
from videochat.memory.times import moments_in, number_words, without_times
from videochat.memory.words import all_words, content_words, english_names, guess_language, tokens
from videochat.records import Caption

Likeness = Callable[[Sequence[str], Sequence[str]], Sequence[float]]
"""For each word of the first list, how like it is to the likest of the second, in [-1, 1], by meaning."""

Entails = Callable[[str, str], tuple[float, float]]
"""How likely a sentence follows from a text, and how likely it contradicts it, each in [0, 1]."""

_SLACK_SECONDS = 1.5
_SURE = 0.5
# Found on one half of benchmarks/lies.json.
_LIKE_ENOUGH = 0.62
_SHARE_ENOUGH = 0.3
_MOST_OPEN_THINGS = 2

_NAMELESS = re.compile(r"^(?:i|i'm|i'll|i've|ok|tv|am|pm)$", re.I)


@dataclass(frozen=True)
class SentenceCheck:
    """What a look at the cited captions says of one sentence of an answer."""

    sentence: str
    """As the model wrote it, with its `[n]`."""
    captions: list[Caption]
    """What it cites."""
    problem: str = ""
    """Why the captions do not bear it, in words; empty if they do."""
    certain: bool = False
    """Whether it is wrong whatever the words mean: it has no evidence, or a time that its evidence does not cover."""


def check_sentences(
    text: str,
    evidence: Evidence,
    *,
    duration_seconds: float,
    question: str = "",
    counts: Mapping[str, frozenset[int]] | None = None,
    likeness: Likeness | None = None,
    entails: Entails | None = None,
) -> list[SentenceCheck]:
    """Hold every sentence of an answer that claims something against the captions that it cites.

    Args:
        text: the answer, with its `[n]`.
        evidence: what the numbers stand for.
        duration_seconds: how long the video is.
        question: names and numbers in it need no evidence.
        counts: what was counted, by label; such numbers need no caption that says them.
        likeness: of words, where a model of meaning is there; else only equal words count.
        entails: a model of natural language inference, where there is one: what follows by it is not doubted for its
            words, and what it says is contradicted is.
    """
    found: list[SentenceCheck] = []
    before: list[Caption] = []
    for sentence in sentences(text):
        cited = evidence.cited_in(sentence)
        if not cited and not _claims(sentence, question):
            continue
        if not cited:
            found.append(SentenceCheck(sentence, [], "nothing is cited for it", certain=True))
            continue
        problem, certain = _time_problem(sentence, cited, evidence, duration_seconds), True
        if not problem:
            problem = _order_problem(sentence, cited, before, evidence)
            certain = bool(problem)
        if not problem:
            problem, certain = _word_problem(sentence, cited, question, counts or {}, likeness), False
            if entails is not None:
                follows, contradicts = entails("\n".join(c.attributed_text for c in cited), plain(sentence))
                if contradicts > _SURE:
                    problem = problem or "what is cited contradicts it"
                elif follows > _SURE:
                    problem = ""
        found.append(SentenceCheck(sentence, cited, problem, certain))
        before = cited
    return found


def plain(sentence: str) -> str:
    """Return a sentence without its citations, marks of lists and signs without width."""
    text = re.sub(r"\s*\[[^\]]*\]", "", unicodedata.normalize("NFKC", sentence))
    text = "".join(sign for sign in text if unicodedata.category(sign) != "Cf")
    return re.sub(r"^\s*(?:[-*•]|\d+[.)])\s+", "", text).strip()


def _claims(sentence: str, question: str) -> bool:
    """Whether a sentence says something about the video that needs evidence."""
    text = plain(sentence).casefold()
    option = re.sub(r"^\(?[a-h]\)\s*", "", text).strip(" .()")
    if text.startswith("#") or (option != text.strip(" .()") and option in question.casefold()):
        return False
    if text.endswith((":", "?")) or re.match(r"\(?[a-h]\)?$", text):
        return False
    if re.search(_grounding()["about_notes"], text):
        return False
    words = [word for word in content_words(text) if word not in _harmless()]
    return bool(words) or bool(moments_in(text, 1e9))


def _time_problem(sentence: str, cited: Sequence[Caption], evidence: Evidence, duration: float) -> str:
    text = re.sub(r"\[[^\]]*\]", " ", sentence)
    said = " ".join(caption.attributed_text for caption in cited)
    spans = [evidence.span_of(caption) for caption in cited]
    for start, end in moments_in(text, duration):
        covered = any(s - _SLACK_SECONDS < end and start < e + _SLACK_SECONDS for s, e in spans)
        if not covered and not _says_time(said, start, end):
            when = clock(start + 0.5) if end - start <= 2 else clock_range(max(start, 0.0), end)
            return f"it says {when}, which {', '.join(clock_range(*span) for span in dict.fromkeys(spans))} is not"
    return ""


def _says_time(said: str, start: float, end: float) -> bool:
    """Whether the captions themselves name the time, e.g. as a length or on a clock."""
    times = {round(first + 0.5) for first, last in moments_in(said, 1e9) if last - first <= 2}
    return round(start + 0.5) in times


def _order_problem(sentence: str, cited: Sequence[Caption], before: Sequence[Caption], evidence: Evidence) -> str:
    order = _grounding()
    text = sentence.casefold()
    for name, later_first in (("before", False), ("after", True)):
        for pattern in order[name]:
            match = re.search(pattern, text)
            if match is None:
                continue
            one, other = match["one"], match["other"]
            first, second = (other, one) if later_first else (one, other)
            a, b = _nearest(first, cited), _nearest(second, cited)
            if a is None and before and _backward(first):
                a = min(before, key=lambda c: c.start_seconds)
            if b is None and before and _backward(second):
                b = max(before, key=lambda c: c.start_seconds)
            if a is not None and b is not None and a is not b and a.start_seconds >= b.end_seconds - 0.5:
                return f"{clock(a.start_seconds)} is not before {clock(b.start_seconds)}"
            return ""
    if not before:
        return ""
    mine, theirs = [c.start_seconds for c in cited], [c.start_seconds for c in before]
    if re.match(order["then"], plain(text)) and max(mine) < min(theirs):
        return "what it cites comes earlier, not later"
    if re.match(order["earlier"], plain(text)) and min(mine) > max(theirs):
        return "what it cites comes later, not earlier"
    return ""


def _backward(clause: str) -> bool:
    return re.fullmatch(r"\W*(?:that|this|it|dem|das|eso|esto|cela|那|这)?\W*", plain(clause)) is not None


def _nearest(clause: str, cited: Sequence[Caption]) -> Caption | None:
    """Return the cited caption that shares most words with a clause, if one does and no other as much."""
    words = {stem for word in content_words(plain(clause)) for stem in tokens([word], language="en")}
    shares = sorted(((len(words & set(tokens(all_words(c.text)))), i) for i, c in enumerate(cited)), reverse=True)
    if not shares or shares[0][0] == 0 or (len(shares) > 1 and shares[0][0] == shares[1][0]):
        return None
    return cited[shares[0][1]]


def _word_problem(
    sentence: str,
    cited: Sequence[Caption],
    question: str,
    counts: Mapping[str, frozenset[int]],
    likeness: Likeness | None,
) -> str:
    text = plain(sentence)
    said = " ".join(caption.attributed_text for caption in cited)
    if wrong := _numbers_missing(text, said, question, cited, counts):
        return f"nothing cited says {wrong[0]}"
    if wrong := _names_missing(text, said, question):
        return f"nothing cited names {wrong[0]}"
    if _denies_otherwise(text, cited):
        return "it denies what is cited, or says what that denies"
    if guess_language(all_words(text)) != "en" or (not text.isascii() and english_names(text)):
        # A word with a capital may be a name.
        spoken = text if guess_language(all_words(text)) == "de" else re.sub(r"(?<=\w )[A-ZÀ-Ý]\w+", " ", text)
        missing = [name for name in english_names(spoken) if not _has(name, said)]
        return f"nothing cited says {missing[0]!r}" if missing else ""
    wanted = [word for word in content_words(without_times(text.casefold(), every_clock=True)) if not word[0].isdigit()]
    wanted = [word for word in wanted if word not in _harmless() and word not in number_words()]
    open_ = [word for word in wanted if not _has(word, said)]
    asked = set(tokens(all_words(question), language="en"))
    open_ = [word for word in open_ if not asked.intersection(tokens([word], language="en"))]
    if open_ and likeness is not None:
        near = likeness(open_, content_words(said) or [said])
        open_ = [word for word, like in zip(open_, near, strict=True) if like < _LIKE_ENOUGH]
    kinds = {caption.kind for caption in cited}
    if kinds <= {"shot", "measure", "summary"} or (kinds <= {"shot", "measure", "summary", "ocr"} and not wanted):
        # Light and cuts say of nobody that he is there.
        somebody = [word for word in all_words(text) if word in _grounding()["somebody"].split()]
        open_ += [word for word in somebody[:1] if not _has(word, said)]
        wanted += somebody[:1]
    things = [word for word in open_ if _is_thing(word, text)]
    if len(things) >= _MOST_OPEN_THINGS or (wanted and len(open_) / len(wanted) > 1 - _SHARE_ENOUGH):
        return f"nothing cited says {open_[0]!r}"
    return ""


def _has(word: str, said: str) -> bool:
    """Whether captions have a word, in any form, or one that stands for it."""
    have = all_words(said)
    stems = set(tokens([word], language="en"))
    if stems & set(tokens(have, language="en")):
        return True
    short = _stem(word)
    if len(short) >= 3 and any(
        (o.startswith(word) and len(o) - len(word) <= 3) or (len(_stem(o)) >= 4 and short.startswith(_stem(o)))
        for o in have
    ):
        return True
    group = _alike().get(word, frozenset())
    if group and group.intersection(have):
        return True
    return any(
        (len(other) >= 4 and len(word) >= 4 and (word in other or other in word))
        or (len(word) >= 5 and SequenceMatcher(None, word, other).ratio() >= 0.84)
        for other in have
    )


def _is_thing(word: str, text: str) -> bool:
    """Whether a word ends a noun phrase: after an article or the like, before a verb, preposition or stop."""
    for match in re.finditer(rf"\b{re.escape(word)}\b", text.casefold()):
        before, after = text.casefold()[: match.start()], text.casefold()[match.end() :]
        opened = re.search(_grounding()["opens_thing"], before)
        if opened and re.match(_grounding()["closes_thing"], after):
            return True
    return False


def _numbers_missing(
    text: str, said: str, question: str, cited: Sequence[Caption], counts: Mapping[str, frozenset[int]]
) -> list[str]:
    read = without_times(text.casefold(), every_clock=True)
    told = _numbers(said) | _numbers(question) | {float(len(cited))}
    # A length may be said in another unit.
    told |= {value * 60 for value in told} | {value / 60 for value in told}
    told |= {float(n) for label, each in counts.items() if _has(label, read) for n in each}
    told |= {float(c.track_id) for c in cited if c.track_id is not None}
    # A price may be said as two numbers; what is read as a time was held against the times.
    parts = {a + b / 100 for a in told for b in told if b < 100 and a == int(a)}
    missing = _whole_numbers(text) - told - parts - {1.0}
    return [f"{value:g}" for value in sorted(missing & _whole_numbers(read))]


def _whole_numbers(text: str) -> set[float]:
    """Return the numbers that a text states; of "two hundred and fifty" only 250."""
    return set(_spoken(text)[0])


def _numbers(text: str) -> set[float]:
    """Return the numbers of a text, in digits and in words, with the parts of which larger ones are made."""
    whole, parts = _spoken(text)
    return whole | parts


def _spoken(text: str) -> tuple[set[float], set[float]]:
    """Return the numbers of a text, and the parts of those that are made of several words."""
    text = re.sub(r"(?<=\d)[,\u00a0 ](?=\d{3}\b)", "", unicodedata.normalize("NFKC", text).casefold())
    # The same letters are eleven in Spanish.
    known = number_words().keys() - ({"once"} if guess_language(all_words(text)) == "en" else set())
    whole: set[float] = set()
    parts: set[float] = set()
    total, now, open_ = 0.0, 0.0, False
    for word in [*re.findall(r"\d+(?:[.,]\d+)?|[^\W\d_]+", text), ""]:
        scale = _grounding()["scales"].get(word)
        if word in known or word[:1].isdigit():
            value = float(word.replace(",", ".")) if word[:1].isdigit() else number_words()[word]
            # Tens take units, hundreds take what is below them; what does not fit begins a number of its own.
            fits = open_ and ((now % 100 == 0 and value < 100) or (now % 10 == 0 and 0 < value < 10)) and now != 0
            if open_ and not fits:
                whole.add(total + now)
                total = 0.0
            now, open_ = (now + value if fits else value), True
            parts |= {value, total + now}
        elif scale and (open_ or word not in ("cent", "mil", "mille")):
            now, open_ = max(now, 1.0) * scale, True
            if scale >= 1000:
                total, now = total + now, 0.0
            parts.add(total + now)
        elif word not in ("and", "und", "y", "et") or not word:
            if open_:
                whole.add(total + now)
            total, now, open_ = 0.0, 0.0, False
    return whole, parts


def _names_missing(text: str, said: str, question: str) -> list[str]:
    """Return the names of a sentence, words with a capital within it, that neither captions nor question have."""
    if guess_language(all_words(text)) == "de":
        return []
    known = set(all_words(f"{said} {question}"))
    names = []
    for match in re.finditer(r"(?<![\w'’])([A-ZÀ-Ý][\w’'-]+)", text):
        name, before = match[1], text[: match.start()].rstrip()
        first = not before or before[-1] in '.!?:“"(' or before.endswith("\n")
        parts = all_words(name)
        # The first word has its capital from where it stands.
        if _NAMELESS.match(name) or not parts or first:
            continue
        if not any(part in known or any(SequenceMatcher(None, part, k).ratio() > 0.9 for k in known) for part in parts):
            names.append(name)
    return names


def _denies_otherwise(text: str, cited: Sequence[Caption]) -> bool:
    """Whether a clause of a sentence denies what its captions say, or says what they deny, about the same words."""
    spoken = [clause for caption in cited if caption.kind != "objects" for clause in _clauses(caption.text)]
    for mine, my_words in _clauses(text):
        shared = [(len(my_words & words), len(my_words & words) == len(words), clause) for clause, words in spoken]
        most = max((count for count, _, _ in shared), default=0)
        same = [clause for count, whole, clause in shared if count == most and (most > 1 or whole)]
        if most and same and all(_denies(clause) != _denies(mine) for clause in same):
            return True
    return False


def _clauses(text: str) -> list[tuple[str, set[str]]]:
    """Return the clauses of a text, each with the stems of its words that carry meaning."""
    parts = re.split(_grounding()["clauses"], text.replace("’", "'"), flags=re.I)
    found = []
    for part in parts:
        words = [word for word in content_words(part) if word not in _harmless()]
        if words:
            found.append((part, {_stem(word) for word in words}))
    return found


def _stem(word: str) -> str:
    return min(tokens([word], language="en"), key=len)


def _denies(text: str) -> bool:
    folded, language = text.casefold().replace("’", "'"), guess_language(all_words(text))
    patterns: dict[str, str] = _grounding()["denial"]
    return any(re.search(patterns[code], folded) for code in {"en", language} & patterns.keys())


@cache
def _alike() -> dict[str, frozenset[str]]:
    groups = [frozenset(words.split()) for words in _grounding()["alike"].values()]
    return {word: frozenset().union(*(g for g in groups if word in g)) for group in groups for word in group}


@cache
def _harmless() -> frozenset[str]:
    return frozenset(_grounding()["harmless"].split())


@cache
def _grounding() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name("grounding_words.toml").read_text(encoding="utf-8"))


@cache
def entailment_model(model: str) -> Entails:
    """Return a model of natural language inference by hub id or folder, loaded once.

    Raises:
        MissingDependency: it is not on this machine.
    """
    from videochat.cross_encoders import Entailment

    return Entailment(model)


def likeness_of(embedder: Embedder) -> Likeness | None:
    """Return how words are compared by an embedder; None for one that only compares spelling."""
    if not embedder.semantic:
        return None

    def likeness(words: Sequence[str], others: Sequence[str]) -> list[float]:
        vectors = embedder.documents([*words, *others])
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
        return [float(value) for value in (vectors[: len(words)] @ vectors[len(words) :].T).max(axis=1)]

    return likeness
