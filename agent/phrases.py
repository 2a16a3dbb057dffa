"""Phrases: sentences in the language of a question, and what the question's words ask for; the words are data."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from videochat.intervals import Interval
from videochat.memory.gloss import gloss_language, glossed
from videochat.memory.thing_names import label_in
from videochat.memory.times import moments_in, number_words
from videochat.memory.words import all_words, fold, guess_language

LANGUAGES = ("en", "de", "es", "fr", "zh", "ja", "pt", "it", "ru", "hi", "ko", "tr", "ar", "nl", "pl")
"""In which answers are written without a language model."""

_EDGE_SHARE = 0.2
# In these a noun has other endings after 2, after 5 and after 11.
_COUNTED_BEHIND = ("ru", "pl", "ar")
_IRREGULAR = {"person": "people", "knife": "knives", "mouse": "mice", "sheep": "sheep", "skis": "skis"}


class Phrases:
    """Sentences in the language of a question, and its words for what they are about.

    Args:
        question: as it was asked.
    """

    def __init__(self, question: str) -> None:
        self.text = glossed(question).casefold().replace("’", "'")
        self.language = language_of(question)
        self.topic = next((name for name, pattern in _words()["topics"].items() if re.search(pattern, self.text)), "")
        """What is measured that it asks for: `lightness`, `camera_speed`, `moving_share`, `colours`, `length`, or
        nothing."""
        least = re.search(_words()["directions"]["least"], self.text)
        self.direction = -1 if least else 1 if re.search(_words()["directions"]["most"], self.text) else 0
        """1 where it asks for the most of something, -1 for the least, 0 for neither."""

    @property
    def film_words(self) -> frozenset[str]:
        """Words that name the video itself or how long it is."""
        return frozenset(word for text in _words()["film"]["words"].split() for word in all_words(text))

    @property
    def names_film(self) -> bool:
        """Whether the question names the video itself."""
        return re.search(_words()["film"]["named"], self.text) is not None

    def __call__(self, key: str, **values: object) -> str:
        """Return a sentence in the language of the question, in English where it is not known in that.

        Args:
            key: its name in `answer_words.toml`.
            values: what it is filled with.
        """
        template = str(_words().get(self.language, {}).get(key) or _words()["en"][key])
        text = template.format(**values)
        # A sentence that begins with what it is filled with begins with a capital.
        text = text[:1].upper() + text[1:] if template.startswith("{") and template.endswith(".") else text
        return re.sub(r"([.!?。])[.。]$", r"\1", text)

    @property
    def number(self) -> int:
        """A small whole number that the question names; 0 where it names none."""
        words = re.findall(r"[^\W_]+", self.text)
        named = [int(w) if w.isdecimal() and len(w) < 3 else int(number_words().get(w, 0)) for w in words]
        return next((n for n in named if n > 1), 0)

    def means(self, name: str) -> bool:
        """Whether the question has a word of a group of `answer_words.toml`."""
        return re.search(_group(name), self.text) is not None

    def words_of(self, name: str) -> frozenset[str]:
        """Return the words with which the question says what a group means: of "a single take", both."""
        return frozenset(word for match in _group(name).finditer(self.text) for word in all_words(match[0]))

    def first(self, *names: str) -> str:
        """Return which of several groups the question has a word of first; empty if of none."""
        found = {name: match.start() for name in names if (match := re.search(_group(name), self.text))}
        return min(found, key=lambda name: found[name], default="")

    def knows(self, key: str) -> bool:
        """Whether there is a sentence of a name in the language of the question."""
        return key in _words().get(self.language, {})

    def is_word(self, name: str, word: str) -> bool:
        """Whether a word is one of a group."""
        return re.fullmatch(_group(name), word) is not None or re.fullmatch(_folded_group(name), word) is not None

    def listed(self, items: Iterable[str]) -> str:
        """Return items as a list in a sentence."""
        texts = list(items)
        return "".join([", ".join(texts[:-1]), self("and") if len(texts) > 1 else "", texts[-1] if texts else ""])

    def one(self, label: str) -> str:
        """Return a label as one thing: `a person`."""
        if self.language != "en":
            return label_in(self.language, label, 1)
        return f"{'an' if label[:1] in 'aeiou' else 'a'} {label}"

    def many(self, count: int, label: str) -> str:
        """Return so many of a thing: `2 people`."""
        if self.language in _COUNTED_BEHIND:
            return f"{label_in(self.language, label, count)}: {count}"
        if self.language != "en":
            return f"{count} {label_in(self.language, label, count)}"
        if count == 1:
            return f"{count} {label}"
        return f"{count} {plural(label)}"

    def colour(self, name: str) -> str:
        """Return the name of a colour, one of `attributes["colour"]`, in the language of the question."""
        names = _words()["en"]["colour_names"].split(), _words().get(self.language, {}).get("colour_names", "").split()
        return str(dict(zip(*names, strict=False)).get(name, name))

    def place(self, height: str, side: str) -> str:
        """Return a place of the picture in words; see `appearances.place`."""
        return " ".join(self(part).casefold() for part in (height, side) if part)

    def two_moments(self, text: str, duration_seconds: float) -> list[Interval]:
        """Return the two ranges of the video that a comparison names; empty if it names no two.

        Args:
            text: the question.
            duration_seconds: how long the video is.
        """
        named = sorted({(max(s, 0.0), min(e, duration_seconds)) for s, e in moments_in(text, duration_seconds)})
        if len(named) >= 2:
            return named[:2]
        places = _words()["places"]
        if re.search(places["half"], text):
            return [(0.0, duration_seconds / 2), (duration_seconds / 2, duration_seconds)]
        if re.search(places["start"], text) and re.search(places["end"], text):
            edge = _EDGE_SHARE * duration_seconds
            return [(0.0, edge), (duration_seconds - edge, duration_seconds)]
        return []


def follow_up_words() -> Mapping[str, str]:
    """Return the patterns by which a question goes on from the one before; see `answer_words.toml`."""
    words: dict[str, str] = _words()["follow_up"]
    return words


def is_refusal(text: str) -> bool:
    """Whether an answer says, at its beginning, that nothing noted in the video answers the question."""
    said = [str(_words()[language]["nothing"]) for language in LANGUAGES]
    starts = [sentence.rstrip("。.").casefold() for sentence in [*said, "The video does not show this"]]
    plain = re.sub(r"^\s*\([A-H]\)\s*", "", text.strip()).casefold()
    return any(plain.startswith(start) for start in starts)


def language_of(text: str) -> str:
    """Return the language of a question, of those in which answers are written; English where it is none of these."""
    if re.search(r"[\u3040-\u30ff]", text):
        return "ja"
    if re.search(r"[\u4e00-\u9fff]", text):
        return "zh"
    if code := gloss_language(text):
        return code
    lowered = text.casefold()
    marked = [name for name, pattern in _words()["languages"].items() if re.search(pattern, lowered)]
    return marked[0] if len(marked) == 1 else guess_language(all_words(text))


def plural(label: str) -> str:
    """Return an English noun for several."""
    head, _, last = label.rpartition(" ")
    if last in _IRREGULAR:
        last = _IRREGULAR[last]
    elif re.search(r"(?:s|x|z|ch|sh)$", last):
        last += "es"
    elif re.search(r"[^aeiou]y$", last):
        last = f"{last[:-1]}ies"
    else:
        last += "s"
    return f"{head} {last}".strip()


@cache
def _group(name: str) -> re.Pattern[str]:
    latin, *others = str(_words()["means"][name]).split(")|")
    pattern = rf"\b{latin if latin.endswith(')') else latin + ')'}\b"
    return re.compile("|".join([pattern, *others]))


@cache
def _folded_group(name: str) -> re.Pattern[str]:
    """Return a group as indexes hold its words, without accents."""
    return re.compile(re.sub(r"[^\W\d_]+", lambda match: fold(match[0]), _group(name).pattern))


@cache
def _words() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name("answer_words.toml").read_text(encoding="utf-8"))
