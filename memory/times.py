"""Times that a question names: "at 0:45", "in the last minute", "halfway through", "10 seconds before the end"."""

from __future__ import annotations

import re
from collections.abc import Callable

Span = tuple[float, float]
"""From and to, in seconds."""

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
_FILM = r"(?:video|clip|film|movie|recording|video_set|trailer|episode|lecture|talk|presentation|ride)"
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


def named_span(question: str, duration_seconds: float) -> Span | None:
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


def _moment(at: float) -> Span:
    at = min(at, 1e9)  # beyond that, a second more is no other number
    return at - 0.5, at + 1.0


def _edge(duration: float) -> float:
    return max(_EDGE_SECONDS, _EDGE_SHARE * duration)


def _middle(duration: float) -> Span:
    around = max(_MIDDLE_SECONDS, _EDGE_SHARE * duration)
    return duration / 2 - around, duration / 2 + around


def _unit_of_order(match: re.Match[str], _: float) -> Span:
    number = _ORDINALS.get(match[1]) or int(re.sub(r"\D", "", match[1]))
    length = _SECONDS[match[2][0]]
    return (number - 1) * length, number * length


def _share_of_order(match: re.Match[str], duration: float) -> Span:
    parts = {"half": 2, "third": 3, "quarter": 4}[match[2]]
    names = {"former": 1, "middle": 2, "latter": parts, "last": parts, "final": parts}
    number = names.get(match[1]) or _ORDINALS[match[1]]
    return (number - 1) * duration / parts, number * duration / parts


# The first that fits counts, so what says more comes first.
_RULES: tuple[tuple[str, Callable[[re.Match[str], float], Span]], ...] = (
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
