"""Items: the questions of a benchmark, each with its options, what is right, and where in the video that is seen."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from string import ascii_uppercase
from typing import Any

from videochat.errors import InvalidArgument
from videochat.intervals import Interval

MOST_OPTIONS = len(ascii_uppercase)
"""Options are named by letters."""


@dataclass(frozen=True)
class Expected:
    """What the answer to an open question must hold; patterns are regular expressions, in any case."""

    says: tuple[tuple[str, ...], ...] = ()
    """Groups of patterns; of each group one must be found."""
    never: tuple[str, ...] = ()
    """Patterns of which none may be found."""
    refuses: bool = False
    """Whether nothing in the video answers it, so that only a refusal is right."""

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> Expected:
        """Read `says`, `never` and `refuses`.

        Raises:
            InvalidArgument: they are no lists of patterns.
        """
        says, never = data.get("says", []), data.get("never", [])
        try:
            groups = tuple((group,) if isinstance(group, str) else tuple(group) for group in says)
            for pattern in (*(p for group in groups for p in group), *never):
                re.compile(pattern)
        except (TypeError, re.error) as error:
            raise InvalidArgument(
                f"'says' must be a list of lists of patterns, 'never' a list of patterns: {error}"
            ) from error
        return cls(groups, tuple(never), bool(data.get("refuses", False)))

    def holds(self, text: str) -> bool:
        """Whether a text says what it must and nothing that it must not; refusals are the caller's."""
        found = all(any(re.search(p, text, re.IGNORECASE) for p in group) for group in self.says)
        return found and not any(re.search(p, text, re.IGNORECASE) for p in self.never)


@dataclass(frozen=True)
class Item:
    """One question of a benchmark.

    Raises:
        InvalidArgument: it has no question, one option, too many, or an answer that is none of them.
    """

    id: str
    """Names it within its benchmark."""
    video: str
    """As the annotations name it: a name, with or without ending, or a path below the data folder."""
    question: str
    options: tuple[str, ...] = ()
    """Texts without letters; empty for an open question."""
    right: int | None = None
    """Index of the right option; None for an open question, or where only the benchmark's server knows."""
    expected: Expected | None = None
    """What an open answer must hold."""
    spans: tuple[Interval, ...] = ()
    """Where in the video the answer is seen or heard, in seconds."""
    groups: tuple[tuple[str, str], ...] = ()
    """Groups that it belongs to, as (of what, which): `("duration", "short")`; several of one sort are allowed."""
    window: Interval | None = None
    """The part of the video that is asked about, where it is not the whole; `spans` count from its start."""
    after: tuple[str, ...] = ()
    """Earlier questions of the same conversation."""
    reference: str = ""
    """What is really said, written or seen, where a sense is asked and not a model; the question names the sense."""

    def __post_init__(self) -> None:
        if not self.id or not self.video or not self.question.strip():
            raise InvalidArgument("A question needs an id, a video and a text.")
        if self.options and not 2 <= len(self.options) <= MOST_OPTIONS:
            raise InvalidArgument(
                f"{len(self.options)} options were given; there must be 2 to {MOST_OPTIONS}, or none."
            )
        if any(not option.strip() for option in self.options):
            raise InvalidArgument("One of the options is empty.")
        if self.right is not None and not 0 <= self.right < len(self.options):
            raise InvalidArgument(f"The right answer is number {self.right} of {len(self.options)} options.")

    @property
    def letters(self) -> str:
        """The letters of its options: `ABCD`."""
        return ascii_uppercase[: len(self.options)]

    @property
    def scored(self) -> bool:
        """Whether it can be said here what is right."""
        return (
            self.right is not None
            or self.expected is not None
            or bool(self.reference)
            or (bool(self.spans) and not self.options)
        )


@dataclass(frozen=True)
class Reading:
    """What was read of a benchmark's files."""

    items: Sequence[Item]
    problems: Sequence[str] = field(default_factory=list)
    """Each entry that could not be read, with its file, line and reason; the others are scored."""


def index_of(answer: object, options: Sequence[str]) -> int:
    """Return which option an answer of any benchmark means: an index, a letter, or the text of the option.

    Raises:
        InvalidArgument: it means none of them.
    """
    if isinstance(answer, bool) or answer is None:
        raise InvalidArgument(f"The answer {answer!r} is none of the {len(options)} options.")
    text = str(answer).strip()
    if text in options:
        return list(options).index(text)
    plain = [option.strip().casefold() for option in options]
    if plain.count(text.casefold()) == 1:
        return plain.index(text.casefold())
    letters = ascii_uppercase[: len(options)]
    if (letter := re.fullmatch(r"\(?([A-Z])\)?[.:]?", text)) and letter[1] in letters:
        return letters.index(letter[1])
    if re.fullmatch(r"\d+", text) and int(text) < len(options):
        return int(text)
    raise InvalidArgument(f"The answer {text!r:.80} is none of the {len(options)} options.")


def without_letters(options: Sequence[str]) -> tuple[str, ...]:
    """Return options without the letters that stand before all of them in their order: `A. red` becomes `red`."""
    found = [re.fullmatch(r"\(?([A-Z])[.):]\s*(.+)", option.strip(), re.DOTALL) for option in options]
    if all(match and match[1] == letter for match, letter in zip(found, ascii_uppercase, strict=False)):
        return tuple(match[2].strip() for match in found if match)
    return tuple(option.strip() for option in options)
