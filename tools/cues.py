"""Cues: the words of a subtitle text (SubRip, WebVTT, ASS), each with its seconds."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from videochat.subrip import unguarded

_STAMP = r"(-?(?:\d+\s*:\s*)?\d{1,3}\s*:\s*\d{1,2}(?:\s*[.,:]\s*\d{1,9})?)"
_TIMING = re.compile(rf"\s*{_STAMP}\s*-{{1,2}}>\s*{_STAMP}(?:\s.*)?$")
_COUNTER = re.compile(r"\s*\d+\s*$")
_NOT_SHOWN = re.compile(r"(?:NOTE|STYLE|REGION)(?:\s|$)")
# Markup that players know, as they write it; any other `<` is a letter.
_MARKUP = re.compile(
    r"</?(?:i|b|u|s|c|strike|em|strong|ruby|rt|tt)(?:\.[^\s<>]*)?\s*/?>|<br\s*/?>|</(?:font|span|v|lang|p)\s*>"
    r"|<(?:font|span|p)(?:\s+[\w:-]+\s*=\s*(?:\"[^\"<>]*\"|'[^'<>]*'|[^\s<>\"']+))*\s*>|<lang(?:\.[^\s<>]*)?\s[^<>]*>"
    r"|<\d+:\d\d(?::\d\d)?[.,]\d{1,3}>",
    re.IGNORECASE,
)
_WORD_TIMES = re.compile(r"<\d+:\d\d(?::\d\d)?[.,]\d{1,3}>")
_OVERRIDE = re.compile(r"\{\\[^{}]*\}")
_DRAWING = re.compile(r"\{[^{}]*\\p[1-9][^{}]*\}.*?(?=\{[^{}]*\\p0|$)")
_DIALOGUE = re.compile(r"Dialogue:[^,]*,\s*\d+:\d+:\d+[.:]\d+\s*,\s*\d+:\d+:\d+[.:]\d+\s*,")
_VOICE = re.compile(r"<v(?:\.[^\s<>]*)?[ \t]+([^<>]*)>")
# Lines that roll go on at once; what is said twice has a pause in between.
_ROLLS_ON_SECONDS = 0.1
_ROLLING_SHARE = 0.5
# Nobody reads more at once; it is no cue, but a file that is broken or hostile.
_MOST_LETTERS = 10_000


class Cue(NamedTuple):
    """Some words, and when they are shown."""

    start_seconds: float
    """First moment, on the clock of the subtitles."""
    end_seconds: float
    """First moment no longer."""
    text: str
    """In one line, without markup; `Alice: words` where voices are marked."""
    speaker: str = ""
    """Who speaks, where the subtitles say so."""


class LeftOut(NamedTuple):
    """A cue that cannot be shown."""

    seconds: float
    """Where it stands, as far as it can be told."""
    reason: str
    """Why, to be followed by how many there are."""


@dataclass
class Cues:
    """What is in a subtitle text."""

    cues: list[Cue] = field(default_factory=list)
    """In temporal order."""
    left_out: list[LeftOut] = field(default_factory=list)
    """What cannot be shown."""


@dataclass
class _Block:
    """A timing line and the lines under it."""

    start: float
    end: float
    lines: list[str] = field(default_factory=list)


def read_cues(text: str) -> Cues:
    """Read a subtitle text; its content tells the format.

    Nothing is raised for what is none: there are no cues in it then.

    Args:
        text: with line feeds at the ends of lines.
    """
    text = text.removeprefix("\ufeff").replace("\0", "")
    # Markup is taken out of every line: of a page without line ends that would take minutes and gigabytes.
    text = "\n".join(line[: _MOST_LETTERS + 1] for line in text.split("\n"))
    found = Cues()
    if re.match(r"WEBVTT(?:\s|$)", text.lstrip()):
        blocks = list(_webvtt_blocks(text.lstrip().split("\n"), found))
        rolling = any(_WORD_TIMES.search(line) for block in blocks for line in block.lines)
        _add(found, _unrolled([_webvtt_cue(block) for block in blocks], rolling=rolling))
    elif re.search(r"^\[(?:Script Info|Events|V4\+? Styles)\]", text, re.MULTILINE | re.IGNORECASE):
        _add_ass(found, text)
    else:
        blocks = list(_subrip_blocks(text.split("\n"), found))
        _add(found, _unrolled([_subrip_cue(block) for block in blocks], rolling=False))
    found.cues.sort(key=lambda cue: (cue.start_seconds, cue.end_seconds))
    return found


def _add(found: Cues, cues: Iterable[Cue]) -> None:
    for cue in cues:
        if not cue.text:
            continue
        if len(cue.text) > _MOST_LETTERS:
            found.left_out.append(LeftOut(cue.start_seconds, f"was cut after {_MOST_LETTERS:,} letters"))
        if cue.end_seconds > cue.start_seconds:
            found.cues.append(cue._replace(text=cue.text[:_MOST_LETTERS]))
        else:
            reason = "ends where it starts" if cue.end_seconds == cue.start_seconds else "ends before it starts"
            found.left_out.append(LeftOut(cue.start_seconds, reason))


def _seconds(stamp: str) -> float:
    sign = -1 if stamp.startswith("-") else 1
    clock, fraction = re.sub(r"\s", "", stamp.lstrip("-")), ""
    # The last of four groups is the fraction, whatever stands before it.
    if match := re.fullmatch(r"(.+?)[.,](\d+)|(\d+:\d+:\d+):(\d+)", clock):
        clock, fraction = match[1] or match[3], match[2] or match[4]
    seconds = 0
    for part in clock.split(":"):
        seconds = seconds * 60 + int(part[:9])
    return sign * (seconds + float(f"0.{fraction or 0}"))


def _timing(line: str) -> tuple[float, float] | None:
    match = _TIMING.match(line) if ">" in line else None
    return (_seconds(match[1]), _seconds(match[2])) if match else None


def _subrip_blocks(lines: Sequence[str], found: Cues) -> Iterator[_Block]:
    """Yield the cues of a SubRip text; a line of digits is a number only directly before a timing line.

    Where blank lines stand between the two, it is one if it follows the number of the cue before.
    """
    block: _Block | None = None
    counter = 0
    before: list[str] = []  # of the first cue
    for line in lines:
        times = _timing(line)
        if times is None:
            if re.match(r"\s*[\d:.,-]+\s*-->", line):
                found.left_out.append(LeftOut(block.end if block else 0.0, "has no times that can be read"))
            else:
                (block.lines if block else before).append(line)
            continue
        above = block.lines if block else before
        blank = 0
        while blank < len(above) and not above[-1 - blank].strip():
            blank += 1
        last = len(above) - 1 - blank
        if last >= 0 and _COUNTER.match(above[last]):
            number = int(above[last].strip()[:9])
            if not blank or (number == counter + 1 and (last == 0 or not above[last - 1].strip())):
                del above[last:]
                counter = number
        if block:
            yield block
        block = _Block(*times)
    if block:
        yield block


def _webvtt_blocks(lines: Sequence[str], found: Cues) -> Iterator[_Block]:
    """Yield the cues of a WebVTT text; a block without a timing line is a header, note, style or region."""
    block: _Block | None = None
    last_end = 0.0
    for line in lines:
        if times := _timing(line):
            if block:
                yield block
            block, last_end = _Block(*times), times[1]
        elif line == "" or (line.isspace() and block and not block.lines and block.start == block.end):
            if block:
                yield block
            block = None
        elif block:
            block.lines.append(line)
        elif "-->" in line and not _NOT_SHOWN.match(line):
            found.left_out.append(LeftOut(last_end, "has no times that can be read"))
    if block:
        yield block


class _Lines(NamedTuple):
    """A cue whose lines are still apart."""

    start: float
    end: float
    lines: list[str]
    speaker: str = ""


def _subrip_cue(block: _Block) -> _Lines:
    lines = [_flat(unguarded(_without_markup(_OVERRIDE.sub("", line)))) for line in block.lines]
    return _Lines(block.start, block.end, [line for line in lines if line])


def _webvtt_cue(block: _Block) -> _Lines:
    speakers: list[str] = []

    def named(match: re.Match[str]) -> str:
        name = _flat(html.unescape(match[1]))
        # One who goes on after a pause in the markup is not named again.
        again = bool(speakers) and speakers[-1] == name
        if name and not again:
            speakers.append(name)
        return "" if again or not name else f" {name.replace('<', '(').replace('>', ')')}: "

    text = _VOICE.sub(named, "\n".join(block.lines))
    lines = [_flat(html.unescape(_without_markup(line))) for line in text.split("\n")]
    return _Lines(block.start, block.end, [line for line in lines if line], ", ".join(dict.fromkeys(speakers)))


def _without_markup(line: str) -> str:
    return _MARKUP.sub(lambda match: " " if match[0][1:3].lower() == "br" else "", line) if "<" in line else line


def _flat(text: str) -> str:
    return " ".join(text.split())


def _unrolled(cues: Sequence[_Lines], *, rolling: bool) -> Iterator[Cue]:
    """Yield cues, and of lines that roll up the screen each once, with the time of the cue that brings it.

    Args:
        cues: in the order of the file.
        rolling: whether the file is known to roll; else it does where half of its cues begin as the one before ended.
    """
    pairs = list(pairwise(cues))
    if not rolling:
        repeating = sum(bool(_shared(before, cue)) or _grows(before, cue) for before, cue in pairs)
        rolling = len(pairs) >= 3 and repeating >= _ROLLING_SHARE * len(pairs)
    waiting: Cue | None = None
    before: _Lines | None = None
    for cue in cues:
        lines = cue.lines
        if rolling and before is not None and waiting is not None:
            known = _shared(before, cue)
            lines = lines[known:]
            # A line that is written word by word is said when it is whole.
            if not known and _grows(before, cue):
                line = cue.lines[len(before.lines) - 1]
                grown = waiting.text.removesuffix(before.lines[-1]) + line
                waiting = waiting._replace(end_seconds=cue.end, text=grown)
                lines = cue.lines[len(before.lines) :]
        if lines or not rolling:
            if waiting:
                yield waiting
            waiting = Cue(cue.start, cue.end, " ".join(lines), cue.speaker)
        before = cue
    if waiting:
        yield waiting


def _goes_on(before: _Lines, cue: _Lines) -> bool:
    return -_ROLLS_ON_SECONDS <= cue.start - before.end <= _ROLLS_ON_SECONDS


def _shared(before: _Lines, cue: _Lines) -> int:
    """Return how many lines at the beginning of a cue are the last of the one before, which it follows at once."""
    if not _goes_on(before, cue):
        return 0
    most = min(len(before.lines), len(cue.lines))
    return next((n for n in range(most, 0, -1) if before.lines[-n:] == cue.lines[:n]), 0)


def _grows(before: _Lines, cue: _Lines) -> bool:
    """Return whether a cue has the lines of the one before, which it follows at once, the last with more words."""
    count = len(before.lines)
    if not 0 < count <= len(cue.lines) or not _goes_on(before, cue) or before.lines[:-1] != cue.lines[: count - 1]:
        return False
    return cue.lines[count - 1].startswith(before.lines[-1] + " ")


def _add_ass(found: Cues, text: str) -> None:
    """Add the cues of an ASS or SSA text; drawings and comments are none."""
    import pysubs2

    try:
        events = pysubs2.SSAFile.from_string(text, format_="ass").events
    except Exception:
        # One line that is none spoils all to pysubs2.
        good = []
        for line in text.split("\n"):
            if line.startswith("Dialogue:") and not _DIALOGUE.match(line):
                found.left_out.append(LeftOut(0.0, "has no times that can be read"))
            else:
                good.append(line)
        try:
            events = pysubs2.SSAFile.from_string("\n".join(good), format_="ass").events
        except Exception:  # whatever it says of a text that is none: there are no cues
            return
    for event in events:
        if not event.is_comment:
            words = pysubs2.SSAEvent(text=_DRAWING.sub("", event.text)).plaintext
            _add(found, [Cue(event.start / 1000, event.end / 1000, _flat(words), _flat(event.name))])
