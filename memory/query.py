"""A question read once: the time that it names, kinds, order and relations that it means, what it asks for.

The words of the languages are data (`query_words.toml`); all are tried, whatever the language of the question.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from functools import cache
from typing import Any, Literal, cast

from videochat.intervals import Interval
from videochat.memory.gloss import gloss_language, glossed
from videochat.memory.times import named_time, number_words, without_times, word_patterns
from videochat.memory.words import (
    all_words,
    content_words,
    empty_words,
    english_names,
    fold,
    guess_language,
    language_data,
)
from videochat.records import Kind

Asks = Literal[
    "amount", "summary", "length", "size", "count", "when", "where", "compare", "extreme", "list", "presence", "other"
]
RelationName = Literal["after", "before", "during", "between"]

UNKNOWN_SECONDS = 1e9
"""Length of a video that is not known, or of several that are asked at once."""

_QUESTION_CHARACTERS = 4000
_MISSPELT, _LONG_ENOUGH = 0.88, 5
# Also what stands before a colon, or before a comma and a question of its own.
_SENTENCES = re.compile(r"(?<=[?？!。.])\s*|(?<=[:;])\s+|(?<=,)\s+(?=(?:is|are|does|do|did|can)\b)")
# What is asked for by words that say nothing else; the patterns of others reach over what the question is about.
_SAID_BY_WORDS = ("length", "size", "summary", "count", "when")


@dataclass(frozen=True)
class Ordinal:
    """An order that a question asks for: the first of what is said, the last slide."""

    kind: Kind | None
    """Of the captions that are counted; None for whatever it names ("the first car")."""
    position: int
    """Index among them in temporal order; negative from the end."""


@dataclass(frozen=True)
class Relation:
    """A relation in time that a question names: what comes after, before, during or between something."""

    name: RelationName
    what: str
    """Words that describe the moment (or, of `between`, the first one)."""
    until: str
    """Words that describe the second moment of `between`; else empty."""
    kinds: tuple[Kind, ...]
    """Kinds that the other half of the question asks for: "what is said after the title appears"."""


@dataclass(frozen=True)
class Query:
    """A question as retrieval, the answerer without a language model, and `look` read it."""

    text: str
    """The question; of a very long one, its beginning and its end."""
    terms: tuple[str, ...]
    """Words that carry meaning, each once, in order, as indexes hold them."""
    names: tuple[str, ...]
    """What English captions call the things that it names in another language."""
    span: Interval | None
    """The range of seconds that it certainly names; a moment is a range of a second and a half around it."""
    towards: Literal["start", "middle", "end"]
    """The part of `span` that it wants to be nearest."""
    past_end: float | None
    """The second that it names where that is after the end of the video; there is no span then."""
    kinds: tuple[Kind, ...]
    """Kinds of caption that it means by its words; empty if it leaves that open."""
    ordinal: Ordinal | None
    """The order that it may ask for."""
    relation: Relation | None
    """The relation in time that it may name."""
    asks: Asks
    """What it asks for."""
    subject: tuple[str, ...]
    """Words that it is about: those of `terms` that name neither a sense nor what is asked for."""

    @classmethod
    def parse(cls, question: str, duration_seconds: float) -> Query:
        """Read a question.

        Args:
            question: any text, in any language.
            duration_seconds: how long the video is; `UNKNOWN_SECONDS` where that is not known.
        """
        text = gist(question)
        # In some languages a question is read by what its words are in English.
        foreign = bool(gloss_language(text))
        if not foreign:
            text = _plain(text)
            text = _spelt(text) if guess_language(all_words(text)) == "en" else text
        read = glossed(text)
        lowered = read.casefold().replace("’", "'").strip()
        kinds, asks = meant_kinds(lowered), _asks(lowered)
        means, span, said = named_time(lowered, duration_seconds, asks_when=asks == "when")
        past = span[0] if span and span[0] >= duration_seconds else None
        if span is not None:
            # It names a place in the video even where that has no second left.
            start = min(max(span[0], 0.0), max(duration_seconds - 1.0, 0.0))
            span = None if past is not None else (start, max(min(span[1], duration_seconds), start + 0.5))
        rest = without_times(lowered) if span else read
        if span and "⟨" not in said:
            rest = rest.replace(said, " ")
        terms, names = content_words(rest), english_names(rest)
        if foreign:
            # Captions may be in its own language as well.
            own = content_words(text)
            terms, names = list(dict.fromkeys([*terms, *own])), [word for word in terms if word not in own]
        return cls(
            text,
            tuple(terms),
            tuple(names),
            span,
            "middle" if means == "middle" else "end" if means in ("end", "last", "within_last") else "start",
            past,
            kinds,
            None if span and means not in ("start", "end") else _ordinal(lowered, kinds),
            None if span else _relation(lowered),
            asks,
            tuple(about(rest, asks)),
        )

    @property
    def wording(self) -> str:
        """What to look for: the question, or what is left of it without the time that it names, and `names`."""
        return " ".join([*([self.text] if self.span is None else self.terms), *self.names])

    def as_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)


def gist(question: str) -> str:
    """Return what retrieval reads of a question: of one with a page pasted in, the beginning and the end."""
    question = question.encode("utf-8", "replace").decode()  # of another encoding there are halves of signs
    if len(question) <= _QUESTION_CHARACTERS:
        return question
    half = _QUESTION_CHARACTERS // 2
    return f"{question[:half]} {question[-half:]}"


def _plain(text: str) -> str:
    """Return a question without what whoever asks tells of himself, where something is left, and without manners."""
    sentences = re.split(r"(?<=[.!?])\s+", text)
    asking = [s for s in sentences if s.endswith("?") or not re.match(language_data()["asker"], s, re.IGNORECASE)]
    text = " ".join(asking) if asking else text
    around: dict[str, str] = language_data()["around"]
    for pattern, plain in around.items():
        text = re.sub(pattern, plain, text, flags=re.IGNORECASE)
    return text


def _spelt(text: str) -> str:
    """Return a question with words that are nearly one of those by which questions are read, as that one."""
    known: list[str] = language_data()["spelling"]["en"].split()
    short: dict[str, str] = language_data()["spelling"]["short"]

    def corrected(match: re.Match[str]) -> str:
        word = match[0].casefold()
        if word in short:
            return short[word]
        if len(word) < _LONG_ENOUGH or word in known or word in empty_words():
            return match[0]
        if turned := [other for other in known if other[0] == word[0] and sorted(other) == sorted(word)]:
            return turned[0]
        near = get_close_matches(word, known, 1, _MISSPELT)
        return near[0] if near and near[0] not in (word.rstrip("s"), f"{word}s") else match[0]

    return re.sub(r"(?<![\w'’])[A-Za-z]{2,}(?![\w'’])", corrected, text)


def meant_kinds(question: str) -> tuple[Kind, ...]:
    """Return the kinds of caption that a question asks for by its words; empty if it leaves that open."""
    text = question.casefold()
    return tuple(kind for kind, pattern in _kind_patterns().items() if pattern.search(text))


def about(question: str, asks: Asks = "other") -> list[str]:
    """Return what a question is about, without the words that only name a sense or what is asked for.

    Args:
        question: in words.
        asks: what it asks for; the words that say so are left out.
    """
    naming = list(_kind_patterns().values())
    if "measure" in meant_kinds(question):
        naming.append(re.compile(language_data()["measured"]))
    text = question.casefold().replace("’", "'")
    # Words that only name a sense, as they are written and as indexes hold them.
    idle = {fold(word) for word in re.findall(r"\w+", text) if any(p.fullmatch(word) for p in naming)}
    for pattern in (pattern for name, pattern in word_patterns("asks") if name == asks and asks in _SAID_BY_WORDS):
        text = pattern.sub(" ", text)
    left = set(all_words(text))
    return [word for word in content_words(question) if word in left and word not in idle | number_words().keys()]


@cache
def _kind_patterns() -> dict[Kind, re.Pattern[str]]:
    data: dict[Kind, dict[str, str]] = language_data()["kinds"]
    return {kind: re.compile("|".join(words.values())) for kind, words in data.items()}


def _asks(text: str) -> Asks:
    # Of several sentences the first that asks for something counts.
    for sentence in (
        text,
        *re.split(r"(?<=[?？!。.])\s*|(?<=[:;])\s+|(?<=,)\s+(?=(?:is|are|does|do|did|can)\b)", text),
    ):
        found = next((name for name, pattern in word_patterns("asks") if pattern.search(sentence.strip())), None)
        if found:
            return cast("Asks", found)
    if guess_language(all_words(text)) == "en":
        return "other"
    return cast("Asks", next((name for name, pattern in _without_accents() if pattern.search(text.strip())), "other"))


@cache
def _without_accents() -> list[tuple[str, re.Pattern[str]]]:
    """Return the patterns of what is asked as people type them who leave out accents; only those that differ."""
    accented = re.compile(r"[À-ÖØ-öø-ÿ]")
    found = [(name, pattern.pattern) for name, pattern in word_patterns("asks")]
    return [(n, re.compile(accented.sub(lambda m: fold(m[0]), p))) for n, p in found if accented.search(p)]


def _ordinal(text: str, kinds: tuple[Kind, ...]) -> Ordinal | None:
    order = language_data()["order"]
    words = "|".join(f"(?P<p{place.replace('-', '_')}>{pattern})" for place, pattern in order["positions"].items())
    place = rf"(?:\b|(?=[第最首]))(?:{words})"
    for kind, nouns in order["nouns"].items():
        if found := re.search(rf"{place}\s*の?\s*(?:\w+\s+)?(?:{nouns})", text):
            return Ordinal(kind, _position(found))
    for kind in order["nouns"]:
        if kind in kinds and (found := re.search(rf"{place}(?:\b|(?<=[一二三四五后先末始]))", text)):
            return Ordinal(kind, _position(found))
    found = re.search(rf"{place}(?:\s+\w+|\W*$|一?[个辆只位名条台张匹头]\w)", text)
    return Ordinal(None, _position(found)) if found else None


def _position(found: re.Match[str]) -> int:
    return int(str(found.lastgroup)[1:].replace("_", "-"))


def _relation(text: str) -> Relation | None:
    text = re.sub(r"[?!.？！。\s]+$", "", text).lstrip("¿¡ ")
    for name, pattern in word_patterns("relations"):
        if found := pattern.match(text):
            groups = found.groupdict()
            asked = f"{groups['asked']} {groups.get('rest') or ''}"
            return Relation(cast("RelationName", name), groups["what"], groups.get("until") or "", meant_kinds(asked))
    return None
