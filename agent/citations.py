"""Evidence: the captions retrieved in a conversation, each with a number that answers cite."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from videochat.intervals import clock_range, parse_clock
from videochat.records import Caption, Status

_TIME = r"(?:\d{1,2}:)?\d{1,2}:\d\d"
_NUMBERS = re.compile(r"\[\s*\d+(?:\s*[-–,;]\s*\d+)*\s*\]")
_TIMES = re.compile(rf"\[\s*({_TIME})\s*(?:[-–]\s*({_TIME}))?\s*\]")
_BARE_TIME = re.compile(rf"(?<![\d:]){_TIME}(?![\d:])")
# A sentence takes along the markers that come after its full stop.
_SENTENCE = re.compile(r"[^\n]+?(?:[.!?]+[\"”')]*(?:\s*\[[^\]\n]*\])*(?=\s|$)|(?=\n)|$)")


@dataclass(frozen=True)
class Checked:
    """An answer whose citations have been looked up."""

    text: str
    """With each citation written as the time of its caption, and those that did not resolve taken out."""
    cited: list[Caption]
    """In the order of the text, each once."""
    status: Status
    notes: list[str]


@dataclass
class Evidence:
    """The captions that were really retrieved in a conversation, each with its number.

    Tool calls that are made together run in parallel threads; numbering is safe among them.
    """

    numbers: dict[str, int] = field(default_factory=dict)
    """Number by caption id, from 1."""
    captions: dict[int, Caption] = field(default_factory=dict)
    """Caption by number."""
    looked_at: list[tuple[str, float, float]] = field(default_factory=list)
    """Video id, start and end in seconds of what was read or looked at closely, not only found by a search."""
    names: Mapping[str, str] = field(default_factory=dict)
    """Name of a video by its id, where citations must say which one; empty where there is only one."""
    _guard: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def add(self, captions: Iterable[Caption]) -> list[int]:
        """Number captions that have no number yet; return the numbers of all."""
        with self._guard:
            given = []
            for caption in captions:
                number = self.numbers.setdefault(caption.id, len(self.numbers) + 1)
                self.captions[number] = caption
                given.append(number)
            return given

    def look_at(self, video_id: str, start_seconds: float, end_seconds: float) -> None:
        """Remember that a range was read or looked at, so that captions within it count as confirmed.

        Args:
            video_id: which video.
            start_seconds: first moment.
            end_seconds: first moment no longer.
        """
        with self._guard:
            self.looked_at.append((video_id, start_seconds, end_seconds))

    def unconfirmed(self, text: str) -> list[Caption]:
        """Return the captions that a text cites and that were found, but never read or looked at."""
        return [
            caption
            for caption in self.cited_in(text)
            if not any(
                caption.video_id == video_id and caption.overlaps(start, end)
                for video_id, start, end in list(self.looked_at)
            )
        ]

    def cited_in(self, text: str) -> list[Caption]:
        """Return the captions that a text cites, each once, in its order."""
        return self.check(text).cited

    def check(self, text: str, question: str = "") -> Checked:
        """Look up every citation and every clock time of an answer in the evidence.

        `[3]`, `[3, 5]`, `[3-5]` are numbers of captions; `[00:42-00:47]` is the time of one. What does not
        resolve is removed and said in the notes.

        Args:
            text: the answer.
            question: clock times that it names need no evidence.
        """
        cited: dict[str, Caption] = {}
        removed: list[str] = []

        def as_time(captions: list[Caption], marker: str) -> str:
            if not captions:
                removed.append(marker)
                return ""
            cited.update((caption.id, caption) for caption in captions)
            return "".join(f"[{when}]" for when in dict.fromkeys(map(self._when, captions)))

        def by_number(match: re.Match[str]) -> str:
            if self._is_box(match[0]):
                return match[0]
            known = [self.captions[n] for n in _numbers(match[0]) if n in self.captions]
            unknown = [n for n in _numbers(match[0]) if n not in self.captions]
            if known and unknown:
                removed.extend(f"[{n}]" for n in unknown)
            return as_time(known, match[0])

        def by_time(match: re.Match[str]) -> str:
            start = _seconds(match[1])
            end = _seconds(match[2]) if match[2] else start + 1
            same = [c for c in self.captions.values() if clock_range(c.start_seconds, c.end_seconds) in match[0]]
            over = [c for c in self.captions.values() if c.overlaps(start, max(end, start + 1))]
            tight = sorted(over, key=lambda c: abs(c.start_seconds - start) + abs(c.end_seconds - end))
            return as_time(same[:3] or tight[:1], match[0])

        # Times first: the clock times that replace numbers must not be looked up again.
        checked = _NUMBERS.sub(by_number, _TIMES.sub(by_time, text))
        checked = re.sub(rf"(\[[^\[\]]*{_TIME}-{_TIME}\])(?:\s*\1)+", r"\1", checked)
        checked = re.sub(r"[ \t]+([.,;:!?])", r"\1", re.sub(r"[ \t]{2,}", " ", checked)).strip()
        loose = self._times_not_retrieved(checked, question)
        notes = []
        if removed:
            notes.append(
                f"Removed from the answer, since nothing retrieved bears it: {', '.join(dict.fromkeys(removed))}"
            )
        if loose:
            notes.append(f"Not checked: nothing that was retrieved covers {', '.join(loose)}")
        if not cited:
            return Checked(checked, [], "not_found", notes)
        return Checked(checked, list(cited.values()), "partly" if notes else "grounded", notes)

    def _when(self, caption: Caption) -> str:
        when = clock_range(caption.start_seconds, caption.end_seconds)
        name = self.names.get(caption.video_id)
        return f"{name} {when}" if name else when

    def _is_box(self, marker: str) -> bool:
        values = [float(v) for v in re.findall(r"\d+", marker)]
        return len(values) == 4 and any(
            c.box is not None and [round(v) for v in c.box] == values for c in self.captions.values()
        )

    def _times_not_retrieved(self, text: str, question: str) -> list[str]:
        """Return clock times in the prose that no retrieved caption covers and neither question nor captions name."""
        written = " ".join([question, *(c.text for c in self.captions.values())])
        loose = []
        for match in _BARE_TIME.finditer(re.sub(r"\[[^\]]*\]", "", text)):
            at = _seconds(match[0])
            covered = any(c.start_seconds - 1 <= at <= c.end_seconds + 1 for c in self.captions.values())
            if not covered and match[0] not in written:
                loose.append(match[0])
        return list(dict.fromkeys(loose))

    def as_dict(self) -> dict[str, Any]:
        """Return plain data, for a checkpoint."""
        with self._guard:
            return {
                "captions": [self.captions[number].as_dict() for number in sorted(self.captions)],
                "looked_at": [list(range_) for range_ in self.looked_at],
            }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], names: Mapping[str, str]) -> Evidence:
        """Make evidence from `as_dict()`; every caption has the number that it had."""
        evidence = cls(names=names)
        evidence.add(Caption.from_dict(item) for item in data.get("captions", ()))
        evidence.looked_at = [(str(id_), float(start), float(end)) for id_, start, end in data.get("looked_at", ())]
        return evidence


def sentences(text: str) -> list[str]:
    """Return the sentences of a text, each with the citations that follow it; joined they miss only white space."""
    return [match[0].strip() for match in _SENTENCE.finditer(text) if match[0].strip()]


def _numbers(marker: str) -> list[int]:
    found: list[int] = []
    for part in re.split(r"[,;]", marker.strip("[] ")):
        # No conversation retrieves a billion captions, and int() refuses thousands of digits.
        ends = [int(n[:9]) for n in re.findall(r"\d+", part)]
        # A range names at most a hundred captions; anything longer is no citation.
        found += range(ends[0], min(ends[-1], ends[0] + 100) + 1) if len(ends) == 2 else ends
    return found


def _seconds(time: str) -> float:
    # Models write the digits of any script; `parse_clock` reads those of clocks.
    return parse_clock(":".join(str(int(part)) for part in time.split(":")))
