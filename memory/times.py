"""Times that a text names, in seconds, in any of the known languages.

The words of the languages are data (`query_words.toml`); all are tried, whatever the language of the text.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import Any, cast

from videochat.intervals import Interval, parse_clock
from videochat.memory.words import language_data

_EDGE_SECONDS, _MIDDLE_SECONDS, _EDGE_SHARE = 5.0, 2.5, 0.1
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0}
_NUMBER = r"\d+(?:[.,]\d+)?"
_CLOCK = r"(?<![\d:.])\d{1,3}:\d\d(?::\d\d)?(?:\.\d+)?(?!:?\d)"
# How a length of time, and a moment, stand in a question that has been read, in seconds.
_T, _C, _E = r"⟨([\d.]+)⟩", r"⟨@([\d.]+)⟩", r"⟨@?([\d.]+)⟩"
_N = r"⟨#([\d.]+)/([\d.]+)⟩"
_ZH_DIGITS = {sign: value for value, sign in enumerate("零一二三四五六七八九")} | {"两": 2}


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
def word_patterns(group: str) -> list[tuple[str, re.Pattern[str]]]:
    """Return the patterns of a group of `query_words.toml`, each with its name, in their order."""
    groups = language_data()[group]
    return [(name, _filled(pattern)) for name, patterns in groups.items() for pattern in patterns]


@cache
def _rules() -> list[tuple[str, str]]:
    return [(rule["means"], pattern) for rule in _times()["rules"] for pattern in rule["patterns"]]


def named_time(text: str, duration_seconds: float, *, asks_when: bool = False) -> tuple[str, Interval | None, str]:
    """Return what kind of time a question names, the range as it stands, and the words that name it.

    Where it names none for sure the range is None.

    Args:
        text: in lower case.
        duration_seconds: how long the video is.
        asks_when: whether it asks for a time, so that a clock text in it is rather something that is said.
    """
    read = without_times(text, asks_when=asks_when, marked=True)
    for means, pattern in _rules():
        if "⟨" not in read and re.search(r"\{[TCEN]\}", pattern):
            continue  # most questions name no number, and patterns take longer to compile than to match
        for found in _filled(pattern).finditer(read):
            counted = "⟨" in found[0] and "@" not in found[0]
            if counted and means in ("between", "moment") and re.search(_times()["lasting"], read[: found.start()]):
                continue
            if asks_when and means in ("start", "end"):
                continue  # "When does the song begin?" asks for a time and names none.
            start, end = _range(means, found, duration_seconds)
            if means == "last" and start < -duration_seconds:
                continue  # "Does the battery last 20 hours?"
            if start < end:
                return means, (start, end), found[0]
    return "", None, ""


def moments_in(text: str, duration_seconds: float) -> list[Interval]:
    """Return every place in the video that a statement names, in any wording, as ranges of seconds.

    A clock text is one wherever it stands; a length ("for 20 seconds") is none. Digits of any script are read, and
    signs without width are passed over. "Minute seven" is the two minutes around it.

    Args:
        text: a sentence of an answer.
        duration_seconds: how long the video is, for "in the last ten seconds".
    """
    plain = re.sub(r"(\d{1,3})(:\d\d)(:\d\d:\d\d)\b", r"\1\2", _plain(text).casefold().replace("’", "'"))
    read = without_times(plain, every_clock=True, marked=True)
    found: list[Interval] = []
    for means, pattern in _rules():
        if means in ("start", "end", "middle") or ("⟨" not in read and re.search(r"\{[TCEN]\}", pattern)):
            continue
        for match in _filled(pattern).finditer(read):
            lasting = re.search(_times()["lasting"], read[: match.start()]) and "@" not in match[0]
            if "⟨" in match[0] and not (lasting and means in ("between", "moment")):
                start, end = _range(means, match, duration_seconds)
                # "At 0:50 and 0:10" names two moments.
                found += [(start, end)] if start < end else [(end - 0.5, end + 1.0), (start - 0.5, start + 1.0)]
                read = f"{read[: match.start()]}{' ' * len(match[0])}{read[match.end() :]}"
    minutes = {
        60 * (float(word) if word.isdecimal() else number_words().get(word, -1.0))
        for word in re.findall(r"\bminute ([\w-]+)", plain)
    }
    return [
        (start - 60, start + 60) if any(abs(start + 0.5 - minute) < 1 for minute in minutes) else (start, end)
        for start, end in found
        if end > start
    ]


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


def without_times(text: str, *, asks_when: bool = False, every_clock: bool = False, marked: bool = False) -> str:
    """Return a text in lower case without the times in it that may be meant.

    Args:
        text: in lower case.
        asks_when: as in `named_time`.
        every_clock: whether every clock text is meant, as in an answer.
        marked: write each in seconds between ⟨⟩ instead.
    """
    read = _read(text, asks_when, every_clock)
    return read if marked else re.sub(r"⟨[@#]?[\d./]+⟩", " ", read)


def _plain(text: str) -> str:
    """Return a text with ASCII digits, without signs that have no width."""
    signs = [sign for sign in unicodedata.normalize("NFKC", text) if unicodedata.category(sign) != "Cf"]
    return "".join(str(unicodedata.decimal(sign, sign)) for sign in signs)


def _read(text: str, asks_when: bool, every_clock: bool) -> str:
    times = _times()
    units = {name: rf"(?:{pattern})(?![a-zà-ÿ])" for name, pattern in times["units"].items()}
    unit = "|".join(units.values())
    text = text if text.isascii() else _plain(text)
    # What is quoted is what is asked about.
    text = re.sub(r"[⟨⟩]|\"[^\"]+\"|“[^”]+”|‘[^’]+ [^’]+’|(?<!\w)'[^']+ [^']+'(?!\w)", " ", text)
    text = re.sub(r"[零一二三四五六七八九十百两]+(?=(?:个半?|分|秒|小时))", lambda m: _zh_number(m[0]), text)
    for pattern, instead in times["rewrite"].items():
        text = re.sub(pattern, instead, text)
    numbers = number_words()
    text = re.sub(rf"\b(?:a )?({'|'.join(numbers)})(?=[\s-]+(?:{unit}))", lambda m: f"{numbers[m[1]]:g}", text)
    text = re.sub(
        rf"\b(second|minute|sekunde|segundo|minuto|seconde) ({'|'.join(numbers)})\b(?! ?(?:{unit}))",
        lambda m: f"{m[1]} {numbers[m[2]]:g}",
        text,
    )
    text = re.sub(_CLOCK, lambda m: _clock_text(text, m, asks_when, every_clock), text)
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


def _clock_text(text: str, found: re.Match[str], asks_when: bool, every: bool) -> str:
    """Return a moment for a clock text that is meant as a place in the video; else nothing that is read as a time."""
    if every:
        return f"⟨@{parse_clock(found[0]):.3f}⟩"
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
    contradicts = asks_when and re.search(r"\b(?:at|um|a las?|à)\s+$", before)
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
def number_words() -> dict[str, float]:
    """Return the words of numbers that are known, longest first, with their values."""
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
