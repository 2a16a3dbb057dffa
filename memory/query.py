"""What a question says, read once: times that it names, kinds it means, order, relations, and what it is about."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from videochat.intervals import Interval
from videochat.memory.words import content_words
from videochat.records import Kind

_QUESTION_CHARACTERS = 4000

# Words by which a question means a kind of caption.
_SENSES: tuple[tuple[Kind, str], ...] = (
    (
        "speech",
        r"\b(say|says|said|saying|speak\w*|spoke\w*|talk\w*|mention\w*|tell|tells|told|hear|heard|quote\w*|narrat\w*"
        r"|voice\w*|utter\w*|claim\w*|speech|dialogue|ask|asks|asked|announc\w*|declar\w*|urg(?:e|es|ed|ing)"
        r"|shout\w*|whisper\w*|calls? out|called out|repl(?:y|ies|ied)|speaker)\b",
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


# What a question may ask the first, second or last of.
_ORDERED: tuple[tuple[Kind, str], ...] = (
    (
        "speech",
        r"words?|sentences?|lines?|remarks?|(?:thing )?(?:that is |that's |to be )?(?:said|spoken|heard)",
    ),
    ("ocr", r"(?:piece of )?(?:texts?|titles?|slides?|signs?|captions?|headline)|words? (?:on|that appear)"),
    ("shot", r"shots?|scenes?|cuts?"),
)
_POSITIONS = {
    "first": 0,
    "second": 1,
    "third": 2,
    "fourth": 3,
    "fifth": 4,
    "last": -1,
    "final": -1,
    "opening": 0,
    "closing": -1,
}

_SOON = "(?:right |just |immediately |shortly |directly )?"
_AFTER = (
    rf"(?:answers?|reply|replies|responses?|responds?) to|{_SOON}after(?:wards)?|follow(?:s|ing)|once|as soon as|since"
)
_BEFORE = rf"{_SOON}before|until|prior to|leading up to|precedes?|preceding"
_DURING = r"while|during|at the (?:same time as|moment when|moment)|as|when"
_RELATION = rf"(?:(?P<after>{_AFTER})|(?P<before>{_BEFORE})|(?P<during>{_DURING}))"
# "When is it poured, and by whom?" asks for a time; "When it is poured, what is said?" tells one.
_NOT_ASKING_WHEN = r"(?!when\s+(?:is|are|was|were|do|does|did|has|have|had|can|could|will|would|should)\b)"
# "After the title, what is said?", "What is said after the title?"
_LEADING = re.compile(rf"^{_NOT_ASKING_WHEN}{_RELATION}\s+(?P<what>[^,?]+),\s*(?P<asked>.+)")
_TRAILING = re.compile(rf"^(?P<asked>.+?)\b{_RELATION}\s+(?P<what>.+)")
_BETWEEN = re.compile(r"^(?P<asked>.*?)\bbetween\s+(?P<what>.+?)\s+and\s+(?P<until>.+)")


@dataclass(frozen=True)
class Ordinal:
    """An order that a question asks for: the first of what is said, the last slide."""

    kind: Kind
    """Of the captions that are counted."""
    position: int
    """Index among them in temporal order; negative from the end."""


@dataclass(frozen=True)
class Relation:
    """A relation in time that a question names: what comes after, before, during or between something."""

    name: Literal["after", "before", "during", "between"]
    what: str
    """Words that describe the moment (or, of `between`, the first one)."""
    until: str
    """Words that describe the second moment of `between`; else empty."""
    kinds: tuple[Kind, ...]
    """Kinds that the other half of the question asks for: "what is said after the title appears"."""


@dataclass(frozen=True)
class Query:
    """A question as retrieval reads it; `read_query` makes it."""

    text: str
    """The question; of a very long one, its beginning and its end."""
    terms: tuple[str, ...]
    """Words that carry meaning, each once, in order."""
    search_terms: tuple[str, ...]
    """Those to look for: without words that only say that something is said or read."""
    subject: tuple[str, ...]
    """Those that it is about: without words that only name a sense or a number."""
    kinds: tuple[Kind, ...]
    """Kinds of caption that it means by its words; empty if it leaves that open."""
    ordinals: tuple[Ordinal, ...]
    """Orders that it may ask for, likeliest first."""
    shot_position: int | None
    """Index of the shot that it numbers ("the second scene"); negative from the end."""
    relations: tuple[Relation, ...]
    """Relations in time that it may name, likeliest first."""
    towards: Literal["start", "middle", "end"]
    """The part of a named range that it wants to be nearest."""

    def span(self, duration_seconds: float) -> Interval | None:
        """Return the range of seconds that it names in a video of a given length, or None."""
        return named_span(self.text, duration_seconds)


def read_query(question: str) -> Query:
    """Read a question.

    Args:
        question: any text.
    """
    text = gist(question)
    lowered = text.casefold()
    terms = content_words(text)
    kinds = meant_kinds(text)
    middle = re.search(r"\b(half-?\s?way|mid-?way|midpoint|middle)\b", lowered)
    end = re.search(r"\b(end|ending|last|final|close)\b", lowered)
    return Query(
        text,
        tuple(terms),
        tuple(_search_terms(terms)),
        tuple(about(text)),
        kinds,
        tuple(_ordinals(lowered, kinds)),
        _shot_position(lowered),
        tuple(_relations(lowered)),
        "middle" if middle else "end" if end else "start",
    )


def meant_kinds(question: str) -> tuple[Kind, ...]:
    """Return the kinds of caption that a question asks for by its words; empty if it leaves that open."""
    text = question.casefold()
    return tuple(kind for kind, pattern in _SENSES if re.search(pattern, text))


def gist(question: str) -> str:
    """Return what retrieval reads of a question: of one with a page pasted in, the beginning and the end."""
    if len(question) <= _QUESTION_CHARACTERS:
        return question
    half = _QUESTION_CHARACTERS // 2
    return f"{question[:half]} {question[-half:]}"


def about(question: str) -> list[str]:
    """Return what a question is about, without the words that only name a sense or a time."""
    return [
        word
        for word in content_words(question)
        if not word.isdigit() and not any(re.fullmatch(pattern, word) for _, pattern in _SENSES)
    ]


def _search_terms(terms: list[str]) -> list[str]:
    naming = [pattern for kind, pattern in _SENSES if kind in ("speech", "ocr")]
    return [word for word in terms if not any(re.fullmatch(pattern, word) for pattern in naming)] or terms


def _ordinals(text: str, kinds: tuple[Kind, ...]) -> list[Ordinal]:
    found: list[Ordinal] = []
    for kind, nouns in _ORDERED:
        match = re.search(rf"\b({'|'.join(_POSITIONS)})\s+(?:\w+\s+)?(?:{nouns})\b", text)
        if not match and kind in kinds:
            match = re.search(r"\b(first|last)\b", text)
        if match:
            found.append(Ordinal(kind, _POSITIONS[match[1]]))
    return found


def _shot_position(text: str) -> int | None:
    found = re.search(rf"\b({'|'.join(_POSITIONS)})\s+(?:shot|scene)\b", text)
    return _POSITIONS[found[1]] if found else None


def _relations(text: str) -> list[Relation]:
    text = re.sub(r"[?!.\s]+$", "", text)
    found: list[Relation] = []
    if match := _BETWEEN.match(text):
        found.append(Relation("between", match["what"], match["until"], meant_kinds(match["asked"])))
    if match := _LEADING.match(text) or _TRAILING.match(text):
        name: Literal["after", "before", "during"] = (
            "after" if match["after"] else "before" if match["before"] else "during"
        )
        found.append(Relation(name, match["what"], "", meant_kinds(match["asked"])))
    return found


# Times that a question names: "at 0:45", "in the last minute", "halfway through", "10 seconds before the end".
_EDGE_SECONDS, _EDGE_SHARE = 5.0, 0.1
_MIDDLE_SECONDS = 2.5

_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0}
_HOURS, _MINUTES = r"(?:hours?|hrs?|h)(?![a-z])", r"(?:minutes?|mins?|m)(?![a-z])"
_UNIT = rf"(?:{_HOURS}|{_MINUTES}|(?:seconds?|secs?|s)(?![a-z]))"
_LONG_UNIT = r"(?:hours?|minutes?|mins?|seconds?|secs?)\b"
_NUMBER = r"\d+(?:\.\d+)?"
_COUNTED = rf"{_NUMBER}\s*-?\s*{_UNIT}"
_AND = r"(?:,|\s+and)?\s*"
_LENGTH = (
    rf"\b(?:{_NUMBER}\s*-?\s*{_HOURS}{_AND})?(?:{_NUMBER}\s*-?\s*{_MINUTES}{_AND})?"
    rf"{_NUMBER}\s*-?\s*(?:seconds?|secs?|s)(?![a-z])|\b(?:{_NUMBER}\s*-?\s*{_HOURS}{_AND})?{_COUNTED}"
)
"""Counted in one unit, or in several from the large to the small: "1 minute and 5 seconds"."""
_CLOCK = r"\d+:\d\d(?::\d\d)?(?:\.\d+)?"
_TO = r"\s*(?:and|to|until|till|through|-|–)\s*"

_SMALL = """
one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen
nineteen twenty
"""
_WORDS = {word: str(number) for number, word in enumerate(_SMALL.split(), 1)} | {
    "thirty": "30",
    "forty": "40",
    "fifty": "50",
    "sixty": "60",
    "ninety": "90",
    "couple of": "2",
    "few": "5",
}
_ORDER = ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"]
_ORDINALS = {word: number for number, word in enumerate(_ORDER, 1)}

_T = r"⟨([\d.]+)⟩"
"""How a length of time stands in a question that has been read, in seconds."""
_AT = r"⟨@([\d.]+)⟩"
"""How a moment stands in it: one that was written as on a clock, or numbered."""
_EITHER = r"⟨@?([\d.]+)⟩"
_ABOUT = r"(?:(?:about|around|roughly|approximately|exactly|the)\s+)*"
_FIRST, _LAST = r"(?:first|opening|initial)", r"(?:last|final|closing)"
_FEW = r"\s+(?:few\s+)?(?:seconds|moments|frames?|images?|pictures?)\b"
_THING = r"\s+thing\s+(?:that\s+)?(?:we|you|one|is|can|to|happens|appears|visible|shown|seen)\b"
_SEEN = r"\b(?:see|seen|shown|visible|happens?|happening|going on)"
# What begins and ends as a whole; "when does the song begin?" asks for a time and names none.
_FILM = r"(?:video|clip|film|movie|recording|footage|trailer|episode|lecture|talk|presentation|ride)"
_HOW = r"^how (?:does|did|do) (?:\w+ ){1,4}"
_PART = r"(?:pose|move|movement|gesture|position|action|view)\b"
_ASKS_WHEN = r"^(?:at what (?:time|point|second|moment)|when|how long|how often)\b"
_NAMES_NO_TIME = r"^(?:at what (?:time|point|second) |when )(?:does|do|did|is|was) "
# A street and a table have ends too.
_NO_PLACE = (
    r"(?!\s+of\s+(?:the|a|an|his|her|their)\s+(?:\w+\s+)?"
    r"(?:street|road|hall|hallway|corridor|table|room|branch|rope|bar|row|line|pole|path|tunnel|bridge|pool|field|pier"
    r"|dock|stick|bat|leash|building|day|world)\b)"
)
_START_WORDS, _END_WORDS = r"(?:beginning|start|opening|outset)", r"(?:end|ending|close|finish|conclusion)"
_AT_THE = r"\b(?:at|in|near|towards?|from|since|by|until|close to)\s+the\s+(?:very\s+)?"


def named_span(question: str, duration_seconds: float) -> Interval | None:
    """Return the range of seconds that a question names, or None.

    A moment becomes a range of a second and a half around it. The range is cut to the video; a time past its end
    gives its last second.

    Args:
        question: what is asked.
        duration_seconds: how long the video is.
    """
    text = _read(question)
    for pattern, span_of in _RULES:
        for match in re.finditer(pattern, text):
            start, end = span_of(match, duration_seconds)
            if start < end:
                start = min(max(start, 0.0), max(duration_seconds - 1.0, 0.0))
                return start, max(min(end, duration_seconds), start + 0.5)
    return None


def without_times(question: str) -> str:
    """Return a question in lower case, without its numbered times."""
    return re.sub(_EITHER, " ", _read(question))


def _moment(at: float) -> Interval:
    at = min(at, 1e9)  # beyond that, a second more is no other number
    return at - 0.5, at + 1.0


def _edge(duration: float) -> float:
    return max(_EDGE_SECONDS, _EDGE_SHARE * duration)


def _middle(duration: float) -> Interval:
    around = max(_MIDDLE_SECONDS, _EDGE_SHARE * duration)
    return duration / 2 - around, duration / 2 + around


def _unit_of_order(match: re.Match[str], _: float) -> Interval:
    number = _ORDINALS.get(match[1]) or int(re.sub(r"\D", "", match[1]))
    length = _SECONDS[match[2][0]]
    return (number - 1) * length, number * length


def _share_of_order(match: re.Match[str], duration: float) -> Interval:
    parts = {"half": 2, "third": 3, "quarter": 4}[match[2]]
    names = {"former": 1, "middle": 2, "latter": parts, "last": parts, "final": parts}
    number = names.get(match[1]) or _ORDINALS[match[1]]
    return (number - 1) * duration / parts, number * duration / parts


# The first that fits counts, so what says more comes first.
_RULES: tuple[tuple[str, Callable[[re.Match[str], float], Interval]], ...] = (
    (_EITHER + _TO + _EITHER, lambda m, d: (float(m[1]), float(m[2]))),
    (rf"\b{_FIRST}\s+{_T}", lambda m, d: (0.0, float(m[1]))),
    (rf"\b{_LAST}\s+{_T}", lambda m, d: (d - float(m[1]), d)),
    (rf"\b{_FIRST}\s+(second|minute|hour)\b", lambda m, d: (0.0, _SECONDS[m[1][0]])),
    (rf"\b{_LAST}\s+(second|minute|hour)\b", lambda m, d: (d - _SECONDS[m[1][0]], d)),
    (rf"\b({'|'.join(_ORDER)}|\d+(?:st|nd|rd|th))\s+(minute|hour)\b", _unit_of_order),
    (rf"\b({'|'.join(_ORDER[2:])}|\d+(?:st|nd|rd|th))\s+(second)\b", _unit_of_order),
    (r"\b(first|former|second|latter|last|final)\s+(half)\b", _share_of_order),
    (r"\b(first|second|third|middle|last|final)\s+(third)\b", _share_of_order),
    (r"\b(first|second|third|fourth|last|final)\s+(quarter)\b", _share_of_order),
    (rf"{_T}\s+(?:before|from)\s+the\s+(?:very\s+)?{_END_WORDS}\b", lambda m, d: _moment(d - float(m[1]))),
    (rf"{_T}\s+(?:after|from|past)\s+the\s+(?:very\s+)?{_START_WORDS}\b", lambda m, d: _moment(float(m[1]))),
    (rf"\bwithin\s+{_ABOUT}{_T}\s+of\s+the\s+(?:very\s+)?{_START_WORDS}\b", lambda m, d: (0.0, float(m[1]))),
    (rf"\bwithin\s+{_ABOUT}{_T}\s+of\s+the\s+(?:very\s+)?{_END_WORDS}\b", lambda m, d: (d - float(m[1]), d)),
    (rf"\b(?:after|since|from|past|following|beyond)\s+{_ABOUT}{_EITHER}", lambda m, d: (float(m[1]), d)),
    (rf"{_EITHER}\s*(?:mark\s+)?(?:on|onwards?|and (?:on|later|after))\b", lambda m, d: (float(m[1]), d)),
    (rf"\b(?:before|until|till|prior to|up to|by)\s+{_ABOUT}{_EITHER}", lambda m, d: (0.0, float(m[1]))),
    (rf"(?:\b(?:at|around|about|near|approximately|roughly)|@)\s*{_ABOUT}{_T}", lambda m, d: _moment(float(m[1]))),
    (rf"{_T}\s+(?:in|into|through)\b", lambda m, d: _moment(float(m[1]))),
    (rf"{_T}\s*(?:mark|point)\b", lambda m, d: _moment(float(m[1]))),
    (_AT, lambda m, d: _moment(float(m[1]))),
    (r"\b(?:half-?\s?way|mid-?way|midpoint)\b|\bmid-(?:video|clip|film)", lambda m, d: _middle(d)),
    (rf"\bin the (?:very )?middle(?=\s+of\s+(?:the\s+)?{_FILM}\b|\s*[,.?!]|\s*$)", lambda m, d: _middle(d)),
    (
        rf"{_AT_THE}{_START_WORDS}\b{_NO_PLACE}|\bthe\s+{_START_WORDS}\s+of\s+the\s+{_FILM}\b"
        rf"|\b{_FILM}\s+(?:begins?|starts?|opens?)\b|\b{_FIRST}{_FEW}|\bopening\s+(?:shot|scene)\b"
        rf"|\bfirst{_THING}|{_SEEN}\s+first\b|\bat first\b|\binitially\b|{_HOW}(?:begin|start|open)\b"
        rf"|(?:^|\bthe )opening {_PART}",
        lambda m, d: (0.0, _edge(d)),
    ),
    (
        rf"{_AT_THE}{_END_WORDS}\b{_NO_PLACE}|\bthe\s+{_END_WORDS}\s+of\s+the\s+{_FILM}\b"
        rf"|\b{_FILM}\s+(?:ends?|finish(?:es)?|closes?|concludes?|stops?|is over)\b|\b{_LAST}{_FEW}"
        rf"|\bclosing\s+(?:shot|scene)\b|\blast{_THING}|{_SEEN}\s+last\b|\bin the end\b"
        rf"|{_HOW}(?:end|finish|close|conclude|stop)\b|\b(?:closing|final) {_PART}",
        lambda m, d: (d - _edge(d), d),
    ),
)


def _read(question: str) -> str:
    """Return a question in lower case, with every time in it written as `_T` or `_AT`."""
    text = re.sub("[⟨⟩]", " ", question.casefold())
    text = re.sub(rf"{_NAMES_NO_TIME}.*?\b(?:begins?|starts?|opens?|ends?|stops?)\b", " ", text)
    if re.match(_ASKS_WHEN, text):
        text = re.sub(rf"({_SEEN})\s+(?:first|last)\b|\b(?:at first|initially)\b", r"\1", text)
    text = re.sub(r"\bhalf (?:an? )?minute\b", "30 seconds", text)
    text = re.sub(r"\bhalf (?:an? )?hour\b", "30 minutes", text)
    text = re.sub(r"\b(?:an? |one |1 )?(minute|hour) and a half\b", r"1.5 \1s", text)
    words = "|".join(sorted(_WORDS, key=len, reverse=True))
    text = re.sub(rf"\b(?:a )?({words})(?=[\s-]+{_LONG_UNIT})", lambda m: _WORDS[m[1]], text)
    text = re.sub(r"\b(after|before|at|within|past) an? (?=(?:minute|hour)\b)", r"\1 1 ", text)
    # In "3 to 6 seconds" and "seconds 3 to 6" both numbers are times.
    text = re.sub(rf"\b({_NUMBER})({_TO})(?={_NUMBER}\s*-?\s*({_UNIT}))", r"\1 \3\2", text)
    text = re.sub(
        rf"\b(second|minute)s?\s+({_NUMBER})({_TO})(?:second\s+|minute\s+)?({_NUMBER})\b(?!:)", r"\1 \2\3\1 \4", text
    )
    text = re.sub(rf"\b{_CLOCK}", lambda m: f"⟨@{_clock_seconds(m[0]):.3f}⟩", text)
    text = re.sub(rf"\bt\s*=\s*({_NUMBER})\s*(?:{_UNIT})?", r"⟨@\1⟩", text)
    text = re.sub(rf"\b(second|minute)\s+({_NUMBER})\b", lambda m: f"⟨@{float(m[2]) * _SECONDS[m[1][0]]:.3f}⟩", text)
    return re.sub(_LENGTH, lambda m: f"⟨{_counted_seconds(m[0]):.3f}⟩", text)


def _clock_seconds(written: str) -> float:
    total = 0.0
    for part in written.split(":"):
        total = total * 60 + float(part)
    return total


def _counted_seconds(written: str) -> float:
    parts = re.findall(rf"({_NUMBER})\s*-?\s*({_UNIT})", written)
    return sum(float(value) * _SECONDS[unit[0]] for value, unit in parts)
