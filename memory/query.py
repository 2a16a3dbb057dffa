"""A question read once: the time that it names, kinds, order and relations that it means, what it asks for.

The words of the languages are data (`query_words.toml`); all are tried, whatever the language of the question.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any, Literal, cast

from videochat.intervals import Interval, parse_clock
from videochat.memory.words import content_words, english_names, language_data
from videochat.records import Kind

Asks = Literal["summary", "count", "when", "list", "presence", "extreme", "compare", "other"]
RelationName = Literal["after", "before", "during", "between"]

UNKNOWN_SECONDS = 1e9
"""Length of a video that is not known, or of several that are asked at once."""

_QUESTION_CHARACTERS = 4000
_EDGE_SECONDS, _MIDDLE_SECONDS, _EDGE_SHARE = 5.0, 2.5, 0.1
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0}
_NUMBER = r"\d+(?:[.,]\d+)?"
_CLOCK = r"(?<![\d:.])\d{1,3}:\d\d(?::\d\d)?(?:\.\d+)?(?!:?\d)"
# How a length of time, and a moment, stand in a question that has been read, in seconds.
_T, _C, _E = r"⟨([\d.]+)⟩", r"⟨@([\d.]+)⟩", r"⟨@?([\d.]+)⟩"
_N = r"⟨#([\d.]+)/([\d.]+)⟩"
_ZH_DIGITS = {sign: value for value, sign in enumerate("零一二三四五六七八九")} | {"两": 2}


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

    @classmethod
    def parse(cls, question: str, duration_seconds: float) -> Query:
        """Read a question.

        Args:
            question: any text, in any language.
            duration_seconds: how long the video is; `UNKNOWN_SECONDS` where that is not known.
        """
        text = gist(question)
        lowered = text.casefold().replace("’", "'").strip()
        kinds, asks = meant_kinds(text), _asks(lowered)
        means, span = _named_time(lowered, duration_seconds, asks)
        past = span[0] if span and span[0] >= duration_seconds else None
        if span is not None:
            # It names a place in the video even where that has no second left.
            start = min(max(span[0], 0.0), max(duration_seconds - 1.0, 0.0))
            span = None if past is not None else (start, max(min(span[1], duration_seconds), start + 0.5))
        rest = re.sub(r"⟨[@#]?[\d./]+⟩", " ", _read(lowered)) if span else text
        return cls(
            text,
            tuple(content_words(rest)),
            tuple(english_names(rest)),
            span,
            "middle" if means == "middle" else "end" if means in ("end", "last", "within_last") else "start",
            past,
            kinds,
            None if span else _ordinal(lowered, kinds),
            None if span else _relation(lowered),
            asks,
        )

    @property
    def wording(self) -> str:
        """What to look for: the question, or what is left of it without the time that it names, and `names`."""
        return " ".join([*([self.text] if self.span is None else self.terms), *self.names])

    def as_dict(self) -> dict[str, Any]:
        """Return plain data, with the subject."""
        return asdict(self) | {"subject": self.subject}

    @property
    def subject(self) -> tuple[str, ...]:
        """Words that it is about: without those that only name a sense or a number."""
        known = set(self.terms)
        return tuple(word for word in about(self.text) if word in known)


def gist(question: str) -> str:
    """Return what retrieval reads of a question: of one with a page pasted in, the beginning and the end."""
    if len(question) <= _QUESTION_CHARACTERS:
        return question
    half = _QUESTION_CHARACTERS // 2
    return f"{question[:half]} {question[-half:]}"


def meant_kinds(question: str) -> tuple[Kind, ...]:
    """Return the kinds of caption that a question asks for by its words; empty if it leaves that open."""
    text = question.casefold()
    return tuple(kind for kind, pattern in _kind_patterns().items() if pattern.search(text))


def about(question: str) -> list[str]:
    """Return what a question is about, without the words that only name a sense or a number."""
    naming = list(_kind_patterns().values())
    if "tags" in meant_kinds(question):
        naming.append(re.compile(language_data()["measured"]))
    return [w for w in content_words(question) if not w[0].isdigit() and not any(p.fullmatch(w) for p in naming)]


@cache
def _kind_patterns() -> dict[Kind, re.Pattern[str]]:
    data: dict[Kind, dict[str, str]] = language_data()["kinds"]
    return {kind: re.compile("|".join(words.values())) for kind, words in data.items()}


@cache
def _times() -> dict[str, Any]:
    return cast("dict[str, Any]", language_data()["times"])


@cache
def _filled(pattern: str) -> re.Pattern[str]:
    times = _times()
    fill = {"T": _T, "C": _C, "E": _E, "N": _N, "TO": times["to"], "ABOUT": times["about"], "FILM": times["film"]}
    for name, value in fill.items():
        pattern = pattern.replace(f"{{{name}}}", value)
    return re.compile(pattern)


@cache
def _patterns(group: str) -> list[tuple[str, re.Pattern[str]]]:
    groups = language_data()[group]
    return [(name, _filled(pattern)) for name, patterns in groups.items() for pattern in patterns]


@cache
def _rules() -> list[tuple[str, str]]:
    return [(rule["means"], pattern) for rule in _times()["rules"] for pattern in rule["patterns"]]


def _asks(text: str) -> Asks:
    return cast("Asks", next((name for name, pattern in _patterns("asks") if pattern.search(text)), "other"))


def _ordinal(text: str, kinds: tuple[Kind, ...]) -> Ordinal | None:
    order = language_data()["order"]
    words = "|".join(f"(?P<p{place.replace('-', '_')}>{pattern})" for place, pattern in order["positions"].items())
    place = rf"(?:\b|(?=[第最首]))(?:{words})"
    for kind, nouns in order["nouns"].items():
        if found := re.search(rf"{place}\s*(?:\w+\s+)?(?:{nouns})", text):
            return Ordinal(kind, _position(found))
    for kind in order["nouns"]:
        if kind in kinds and (found := re.search(rf"{place}(?:\b|(?<=[一二三四五后先末始]))", text)):
            return Ordinal(kind, _position(found))
    found = re.search(rf"{place}\s+(?:time\b|mal\b|vez\b|fois\b|\w+)", text)
    return Ordinal(None, _position(found)) if found else None


def _position(found: re.Match[str]) -> int:
    return int(str(found.lastgroup)[1:].replace("_", "-"))


def _relation(text: str) -> Relation | None:
    text = re.sub(r"[?!.？！。\s]+$", "", text).lstrip("¿¡ ")
    for name, pattern in _patterns("relations"):
        if found := pattern.match(text):
            groups = found.groupdict()
            asked = f"{groups['asked']} {groups.get('rest') or ''}"
            return Relation(cast("RelationName", name), groups["what"], groups.get("until") or "", meant_kinds(asked))
    return None


def _named_time(text: str, duration: float, asks: Asks) -> tuple[str, Interval | None]:
    """Return what kind of time a question names, and the range as it stands; None where it names none for sure."""
    read = _read(text, asks)
    for means, pattern in _rules():
        if "⟨" not in read and re.search(r"\{[TCEN]\}", pattern):
            continue  # most questions name no number, and patterns take longer to compile than to match
        for found in _filled(pattern).finditer(read):
            counted = "⟨" in found[0] and "@" not in found[0]
            if counted and means in ("between", "moment") and re.search(_times()["lasting"], read[: found.start()]):
                continue
            if asks == "when" and means in ("start", "end"):
                continue  # "When does the song begin?" asks for a time and names none.
            start, end = _range(means, found, duration)
            if means == "last" and start < -duration:
                continue  # "Does the battery last 20 hours?"
            if start < end:
                return means, (start, end)
    return "", None


def _range(means: str, found: re.Match[str], duration: float) -> Interval:
    groups = found.groupdict()
    values = [float(value) for value in found.groups() if value and re.fullmatch(r"[\d.]+", value)]
    if groups.get("unit"):
        values = [next(s for name, s in _SECONDS.items() if re.fullmatch(_times()["units"][name], groups["unit"]))]
    at = min(values[0], 1e9) if values else 0.0  # beyond that, a second more is no other number
    edge = max(_EDGE_SECONDS, _EDGE_SHARE * duration)
    around = max(_MIDDLE_SECONDS, _EDGE_SHARE * duration)
    if means == "share":
        parts = 2 if groups.get("half") else 3 if groups.get("third") else 4
        names = {"first": 1, "second": 2, "third": 3, "fourth": 4, "middle": 2, "last": parts, "final": parts}
        number = 1 if groups.get("first") else parts if groups.get("last") else names[groups["n"]]
        return (number - 1) * duration / parts, number * duration / parts
    if groups.get("way"):
        at = _times()["ways"][groups["way"]] * duration
    if means == "between":
        return (at, values[1] + (0.5 if values[1] == at else 0.0))
    return {
        "first": (0.0, at),
        "within_first": (0.0, at),
        "last": (duration - at, duration),
        "within_last": (duration - at, duration),
        "unit": ((at - 1) * (values[1:] or [1.0])[0], at * (values[1:] or [1.0])[0]),
        "before_end": (duration - at - 0.5, duration - at + 1.0),
        "after": (at, max(duration, at + 1.0)),
        "before": (0.0, at),
        "middle": (duration / 2 - around, duration / 2 + around),
        "start": (0.0, edge),
        "end": (duration - edge, duration),
    }.get(means, (at - 0.5, at + 1.0) if at < duration else (at, at + 1.0))


def _read(text: str, asks: Asks = "other") -> str:
    """Return a question in lower case, with every time in it that may be meant written in seconds between ⟨⟩."""
    times = _times()
    units = {name: rf"(?:{pattern})(?![a-zà-ÿ])" for name, pattern in times["units"].items()}
    unit = "|".join(units.values())
    # What is quoted is what is asked about.
    text = re.sub(r"[⟨⟩]|\"[^\"]+\"|“[^”]+”|‘[^’]+ [^’]+’|(?<!\w)'[^']+ [^']+'(?!\w)", " ", text)
    text = re.sub(r"[零一二三四五六七八九十百两]+(?=(?:个半?|分|秒|小时))", lambda m: _zh_number(m[0]), text)
    for pattern, instead in times["rewrite"].items():
        text = re.sub(pattern, instead, text)
    numbers = _number_words()
    text = re.sub(rf"\b(?:a )?({'|'.join(numbers)})(?=[\s-]+(?:{unit}))", lambda m: f"{numbers[m[1]]:g}", text)
    text = re.sub(
        rf"\b(second|minute) ({'|'.join(numbers)})\b(?! ?(?:{unit}))", lambda m: f"{m[1]} {numbers[m[2]]:g}", text
    )
    text = re.sub(_CLOCK, lambda m: _clock_text(text, m, asks), text)
    # "the second minute", "der 2. Minute", "la 2e minute": a whole one; of seconds, the moment.
    text = re.sub(
        rf"\b(\d+)(?:st|nd|rd|th|\.|ª|º|e|ème)(?=(?:{times['to']}\d+(?:st|nd|rd|th|\.|ª|º|e|ème))?\s+(?:{units['s']}))(?:\s+(?:{units['s']}))?",
        r"⟨@\1⟩",
        text,
    )
    whole = f"{units['m']}|{units['h']}"
    for place, words in list(language_data()["order"]["positions"].items())[1:5]:
        text = re.sub(rf"\b(?:{words})\s+(?=(?:{whole}))", rf"{int(place) + 1}. ", text)
    ordinal = r"(?:(?:\b|第)(\d+)(?:st|nd|rd|th|\.|ª|º|e|ème)\s+|第(\d+)(?=分))"
    text = re.sub(rf"{ordinal}({whole})", lambda m: _numbered(int(m[1] or m[2]), m[3]), text)
    # In "3 to 6 seconds" and "seconds 3 to 6" both numbers are times.
    text = re.sub(rf"\b({_NUMBER})({times['to']})(?={_NUMBER}\s*-?\s*({unit}))", r"\1 \3\2", text)
    named = "second|minute|sekunde|segundo|minuto|seconde"
    text = re.sub(
        rf"\b({named})[sn]?\s+({_NUMBER})({times['to']})(?:(?:{named})\s+)?({_NUMBER})\b(?!:)", r"\1 \2\3\1 \4", text
    )
    text = re.sub(
        rf"\b({named})\s+({_NUMBER})\b(?!\s*(?:{unit}))",
        lambda m: f"⟨@{_value(m[2]) * (60 if m[1][0] == 'm' else 1):.3f}⟩",
        text,
    )
    text = re.sub(rf"\bt\s*=\s*({_NUMBER})\s*(?:{unit})?", lambda m: f"⟨@{_value(m[1]):.3f}⟩", text)
    h, m, s = (rf"{_NUMBER}\s*-?\s*{units[name]}" for name in "hms")
    also = r"(?:,|\s+(?:and|und|y|et))?\s*"
    # In one unit, or in several from the large to the small: "1 minute and 5 seconds".
    joined = rf"(?<![\d:.,])(?:(?:{h}{also})?(?:{m}{also})?{s}|(?:{h}{also})?{m}|{h})"
    return re.sub(joined, lambda found: f"⟨{_counted(found[0], units):.3f}⟩", text)


def _clock_text(text: str, found: re.Match[str], asks: Asks) -> str:
    """Return a moment for a clock text that is meant as a place in the video; else nothing that is read as a time."""
    times, before, after = _times(), text[: found.start()], text[found.end() :]
    both = r"(?:and|und|y|et)"
    # "at 8:00 and 20:00" is no range: it is about a day.
    two = re.match(rf"\s+{both}\s+\d+:\d\d", after) or re.search(rf"\d:\d\d\s+{both}\s+$", before)
    apart = two and not re.search(r"\b(?:between|zwischen|entre)\b", before)
    meant = re.search(rf"{times['before_clock']}|\d:\d\d{times['to']}$", before)
    # A question may end in it, after a comma.
    meant = meant or (re.search(r",\s*$", before) if re.fullmatch(r"[\s?!.]*", after) else None)
    meant = None if re.search(times["not_before"], before) else meant
    mark = re.match(r"\s*-?(?:mark|point|timestamp)\b", after)
    ranged = re.match(rf"{times['to']}\d+:\d\d", after)
    contradicts = asks == "when" and re.search(r"\b(?:at|um|a las?|à)\s+$", before)
    clocks = re.search(times["wall_clock"], text)
    if clocks or not (meant or mark or ranged) or apart or contradicts or re.match(times["not_after"], after):
        return " "
    return f"⟨@{parse_clock(found[0]):.3f}⟩"


def _numbered(number: int, unit: str) -> str:
    seconds = 3600.0 if re.fullmatch(_times()["units"]["h"], unit) else 60.0
    return f"⟨#{number}/{seconds:.3f}⟩"


def _counted(written: str, units: dict[str, str]) -> float:
    pattern = rf"({_NUMBER})\s*-?\s*(?:" + "|".join(f"(?P<{name}>{unit})" for name, unit in units.items()) + ")"
    return sum(_value(found[1]) * _SECONDS[str(found.lastgroup)] for found in re.finditer(pattern, written))


def _value(number: str) -> float:
    return float(number.replace(",", "."))


@cache
def _number_words() -> dict[str, float]:
    times = _times()
    words = {word: float(value) for words in times["numbers"].values() for value, word in enumerate(words.split(), 1)}
    words |= times["more"]
    for language, joint in (("en", "-"), ("en", " "), ("es", " y "), ("fr", "-")):
        for ten, value in list(times["more"].items()):
            units = enumerate(times["numbers"][language].split()[:9], 1)
            words |= {f"{ten}{joint}{unit}": value + n for n, unit in units}
    return dict(sorted(words.items(), key=lambda item: -len(item[0])))


def _zh_number(signs: str) -> str:
    total, digit = 0, 0
    for sign in signs:
        if sign in "十百":
            total += (digit or 1) * (10 if sign == "十" else 100)
            digit = 0
        else:
            digit = _ZH_DIGITS[sign]
    return str(total + digit)
