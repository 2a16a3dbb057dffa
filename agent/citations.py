"""Evidence: the captions retrieved in a conversation, each with a number that answers cite."""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from videochat.intervals import Interval, clock_range, parse_clock
from videochat.memory.store_records import Hit
from videochat.records import Caption

_TIME = r"(?:\d{1,3}:)?\d{1,2}:\d\d(?:\.\d{1,3})?"
_TO = r"\s*[-–—‐‑−~]\s*"
# What models cite with: brackets, also those of East Asian text.
_MARKER = re.compile(r"[\[【［〔]\n*([^\[\]【】［］〔〕\n]+)\n*[\]】］〕]")
_WORDS = r"(?:#|\^|n|nos?\.?|notes?|contexts?|captions?|evidence|sources?)?\s*"
_NUMBER = re.compile(rf"{_WORDS}(\d+)(?:(?:{_TO}\d+)*{_TO}(\d+))?(?:†\S*)?", re.IGNORECASE)
_SPAN = re.compile(rf"(?:(?:at|from)\s+)?({_TIME})(?:{_TO}({_TIME}))?", re.IGNORECASE)
_NAMED_SPAN = re.compile(rf"(\S.*?),?\s+({_TIME}){_TO}({_TIME})")
# What is left of a marker around one that was taken out may be another; in so many turns it is done.
_MOST_PASSES = 8
_LONGEST_TOLD = 60
# Signs of private use stand for a citation until all are found, so that none is looked up twice.
_FOUND, _END = "\ue000", "\ue001"
NO_MARKERS = str.maketrans("[]【】［］〔〕", "()()()()")
"""For words of a video that are told: brackets in them cite nothing, so they become parentheses."""
# A sentence takes along the markers that come after its full stop.
_SENTENCE = re.compile(r"[^\n]+?(?:[.!?]+[\"”')]*(?:\s*\[[^\]\n]*\])*(?=\s|$)|(?=\n)|$)")


_SHORTENED = re.compile(
    r"\b(?:Dr|Mr|Mrs|Ms|St|Prof|Sr|Jr|No|Nr|vs|etc|approx|ca|bzw|z\.B|e\.g|i\.e|a\.m|p\.m|[A-Z])\.$"
    r"|^(?:[-*•]\s*)?\d+[.)]$"
)


@dataclass(frozen=True)
class Checked:
    """An answer whose citations have been looked up."""

    text: str
    """With each citation written as the time of its caption, and those that did not resolve taken out."""
    cited: list[Caption]
    """In the order of the text, each once."""
    notes: list[str]
    """What was removed."""


@dataclass
class Evidence:
    """The captions that were really retrieved in a conversation, each with its number.

    Tool calls that are made together run in parallel threads; numbering is safe among them.
    """

    numbers: dict[str, int] = field(default_factory=dict)
    """Number by caption id, from 1."""
    captions: dict[int, Caption] = field(default_factory=dict)
    """Caption by number."""
    spans: dict[str, Interval] = field(default_factory=dict)
    """By caption id, the interval that equal captions which touch fill together, where there are such."""
    counts: dict[str, frozenset[int]] = field(default_factory=dict)
    """How many were counted, by the label of a sort of thing; whatever was told of it."""
    names: Mapping[str, str] = field(default_factory=dict)
    """Name of a video by its id, where citations must say which one; empty where there is only one."""
    _guard: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def add(self, found: Iterable[Caption | Hit]) -> list[int]:
        """Number what has no number yet; return the numbers of all. A hit stands for the whole of its span."""
        with self._guard:
            given = []
            for item in found:
                caption = item.caption if isinstance(item, Hit) else item
                number = self.numbers.setdefault(caption.id, len(self.numbers) + 1)
                self.captions[number] = caption
                if isinstance(item, Hit) and item.span is not None:
                    start, end = self.span_of(caption)
                    self.spans[caption.id] = min(start, item.span[0]), max(end, item.span[1])
                given.append(number)
            return given

    def count(self, label: str, *numbers: int) -> None:
        """Remember how many of a sort of thing were counted, so that an answer may say so."""
        with self._guard:
            self.counts[label] = self.counts.get(label, frozenset()) | set(numbers)

    def span_of(self, caption: Caption) -> Interval:
        """Return the interval that a caption stands for: of equal ones that touch, that of all of them."""
        return self.spans.get(caption.id, (caption.start_seconds, caption.end_seconds))

    def cited_in(self, text: str) -> list[Caption]:
        """Return the captions that a text cites, each once, in its order."""
        return self.check(text).cited

    def check(self, text: str) -> Checked:
        """Look up every citation of an answer in the evidence.

        `[3]`, `[3, 5]`, `[3-5]` are numbers of captions; `[00:42-00:47]` is the time of one, `[a.mp4 00:42-00:47]`
        of one in a video. What does not resolve is removed and said in the notes.

        Args:
            text: the answer.
        """
        cited: dict[str, Caption] = {}
        removed: list[str] = []
        found: list[str] = []
        parts: dict[str, tuple[list[Caption], list[str]] | None] = {}

        def look_up(match: re.Match[str]) -> str:
            marker = unicodedata.normalize("NFKC", match[0])
            if self._is_box(marker):
                return match[0]
            captions: list[Caption] = []
            unknown: list[str] = []
            for part in filter(None, map(str.strip, re.split(r"[,;、]", marker[1:-1]))):
                if part not in parts:
                    parts[part] = self._resolve(part)
                resolved = parts[part]
                if resolved is None:
                    return match[0]
                captions += resolved[0]
                unknown += resolved[1]
            if not captions:
                removed.append(match[0])
                return ""
            removed.extend(f"[{each}]" for each in unknown)
            cited.update((caption.id, caption) for caption in captions)
            found.append("".join(f"[{when}]" for when in dict.fromkeys(map(self._when, captions))))
            return f"{_FOUND}{len(found) - 1}{_END}"

        checked, before = text.replace(_FOUND, "").replace(_END, ""), ""
        for _ in range(_MOST_PASSES):
            if checked == before:
                break
            before, checked = checked, _MARKER.sub(look_up, checked)
        else:
            checked = checked.translate(NO_MARKERS)
        checked = re.sub(rf"{_FOUND}(\d+){_END}", lambda match: found[int(match[1])], checked)
        checked = re.sub(rf"(\[[^\[\]]*{_TIME}-{_TIME}\])(?:\s*\1)+", r"\1", checked)
        checked = re.sub(r"[ \t]+([.,;:!?])", r"\1", re.sub(r"[ \t]{2,}", " ", checked)).strip()
        listed = ", ".join(marker[:_LONGEST_TOLD] for marker in dict.fromkeys(removed))
        notes = [f"Removed from the answer, since nothing retrieved bears it: {listed}"] if removed else []
        return Checked(checked, list(cited.values()), notes)

    def _resolve(self, part: str) -> tuple[list[Caption], list[str]] | None:
        """Return the captions that a part of a marker means and numbers that mean none; None if it cites nothing."""
        if match := _NUMBER.fullmatch(part):
            numbers = _numbers(match)
            known = [self.captions[number] for number in numbers if number in self.captions]
            return known, [str(number) for number in numbers if number not in self.captions]
        if match := _SPAN.fullmatch(part):
            return self._over(part, None, match[1], match[2]), []
        if match := _NAMED_SPAN.fullmatch(part):
            name = match[1].casefold()
            ids = {id_ for id_, known_as in self.names.items() if known_as.casefold() == name}
            return self._over(part, ids or None, match[2], match[3]), []
        return None

    def _over(self, part: str, videos: set[str] | None, first: str, last: str | None) -> list[Caption]:
        """Return the captions of a time: those that are told so, else the one that it fits best."""
        start = _seconds(first)
        end = _seconds(last) if last else start + 1
        among = [c for c in self.captions.values() if videos is None or c.video_id in videos]
        spans = [(caption, self.span_of(caption)) for caption in among]
        same = [caption for caption, span in spans if clock_range(*span) in part]
        until = max(end, start + 1)
        over = [caption for caption, span in spans if span[0] < until and start < span[1]]
        tight = sorted(over, key=lambda c: abs(c.start_seconds - start) + abs(c.end_seconds - end))
        return same[:3] or tight[:1]

    def _when(self, caption: Caption) -> str:
        when = clock_range(*self.span_of(caption))
        name = self.names.get(caption.video_id)
        return f"{name} {when}" if name else when

    def _is_box(self, marker: str) -> bool:
        values = [float(v) for v in re.findall(r"\d+", marker)]
        return len(values) == 4 and any(
            c.box is not None and [round(v) for v in c.box] == values for c in self.captions.values()
        )

    def as_dict(self) -> dict[str, Any]:
        """Return plain data, for a checkpoint."""
        with self._guard:
            return {
                "captions": [self.captions[number].as_dict() for number in sorted(self.captions)],
                "spans": {id_: list(span) for id_, span in self.spans.items()},
                "counts": {label: sorted(numbers) for label, numbers in self.counts.items()},
            }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], names: Mapping[str, str]) -> Evidence:
        """Make evidence from `as_dict()`; every caption has the number that it had."""
        evidence = cls(names=names)
        evidence.add(Caption.from_dict(item) for item in data.get("captions", ()))
        spans, counts = data.get("spans", {}), data.get("counts", {})
        evidence.spans = {str(id_): (float(start), float(end)) for id_, (start, end) in spans.items()}
        evidence.counts = {str(label): frozenset(map(int, numbers)) for label, numbers in counts.items()}
        return evidence


def sentences(text: str) -> list[str]:
    """Return the sentences of a text, each with the citations that follow it; joined they miss only white space."""
    found: list[str] = []
    for match in _SENTENCE.finditer(text):
        # "Dr. Sinclair" is one sentence.
        if found and _SHORTENED.search(found[-1]) and "\n" not in text[match.start() - 1 : match.start()]:
            found[-1] = f"{found[-1]} {match[0].strip()}"
        elif match[0].strip():
            found.append(match[0].strip())
    return found


def _numbers(match: re.Match[str]) -> list[int]:
    # No conversation retrieves a billion captions, and int() refuses thousands of digits.
    first = int(match[1][:9])
    # A range names at most a hundred captions; anything longer is no citation.
    return list(range(first, min(int(match[2][:9]), first + 100) + 1)) if match[2] else [first]


def _seconds(time: str) -> float:
    # Models write the digits of any script; `parse_clock` reads those of clocks.
    return parse_clock(":".join(str(int(part)) for part in time.split(".")[0].split(":")))
