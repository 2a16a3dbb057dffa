"""What was noted of one video, grouped as answers need it: things, sentences, shots, moments."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeVar

from videochat.intervals import Interval, clock, clock_range
from videochat.media import Video
from videochat.memory import Hit, appearances
from videochat.memory.appearances import Appearance
from videochat.memory.merged import merge_equal
from videochat.records import Caption, Kind
from videochat.tools.loudness import SILENT_DB

_SENTENCE_GAP_SECONDS = 1.5
_MOST_LINES = 6
_MOST_CITED = 12
_T = TypeVar("_T")


@dataclass
class Notes:
    """What was noted of one video."""

    video: Video
    captions: list[Caption]
    """In temporal order, without summaries and claims."""
    whole: Caption | None = None
    """The summary of the whole, if one was made: what stands for the video itself."""
    watched: frozenset[Kind] = frozenset()
    """Kinds of which all that is there was noted, so that nothing means that there is none."""
    _kinds: dict[Kind, list[Hit]] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def things(self) -> list[Appearance]:
        """What appears, longest in sight first."""
        return appearances(self.captions)

    @cached_property
    def audible(self) -> bool:
        """Whether there is something to hear: it has a sound track, which is not all silence."""
        levels = [float(c.attributes["loudness"]) for c in self.captions if "loudness" in c.attributes]
        return self.video.has_audio and (not levels or max(levels) >= SILENT_DB)

    def of(self, kind: Kind) -> list[Hit]:
        """Return the captions of a kind, equal ones that touch as one; of shots, parts joined, without key moments."""
        if kind not in self._kinds:
            found = [c for c in self.captions if c.kind == kind and c.attributes.get("words_known") is not False]
            self._kinds[kind] = _shots(found) if kind == "shot" else merge_equal(found)
        return self._kinds[kind]


def _shots(captions: Sequence[Caption]) -> list[Hit]:
    """Return shots in temporal order, the parts of one that goes on as one."""
    found: list[Hit] = []
    goes_on = False
    for caption in captions:
        if caption.attributes.get("event") == "sudden_change":
            continue
        if goes_on and found:
            found[-1] = replace(found[-1], span=(found[-1].start_seconds, caption.end_seconds))
        else:
            found.append(Hit(caption))
        goes_on = bool(caption.attributes.get("continues"))
    return found


def joined_sentences(spoken: Sequence[Hit]) -> list[list[Hit]]:
    """Return lines of speech as sentences: a line that ends in no full stop goes on in the next."""
    groups: list[list[Hit]] = []
    for hit in spoken:
        before = groups[-1][-1] if groups else None
        # A line that begins with a capital begins a sentence, unless a comma stands before it.
        starts = (
            hit.caption.text[:1].isupper() and before is not None and before.caption.text.rstrip()[-1] not in ",-–—"
        )
        open_ = before is not None and not starts and not re.search(r"[.?!…。？！][\"”')]*\s*$", before.caption.text)
        same = before is not None and before.caption.attributes.get("speaker") == hit.caption.attributes.get("speaker")
        near = same and before is not None and hit.start_seconds - before.end_seconds <= _SENTENCE_GAP_SECONDS
        if open_ and near and len(groups[-1]) < _MOST_LINES:
            groups[-1].append(hit)
        else:
            groups.append([hit])
    return groups


def known_first(hits: Sequence[Hit]) -> list[Hit]:
    """Return speech whose words are known before what only says that somebody speaks."""
    return sorted(hits, key=lambda hit: hit.caption.attributes.get("words_known") is False)


def same_moment(one: Hit, other: Hit) -> bool:
    """Whether two hits are one caption, or pieces of one that was said on."""
    together = one.start_seconds < other.end_seconds and other.start_seconds < one.end_seconds
    return one.caption.text == other.caption.text and together


def by_overlap(hits: Iterable[Hit], span: Interval) -> list[Hit]:
    """Return hits in the order of how much of them lies in a range."""

    def order(hit: Hit) -> tuple[float, float]:
        shared = min(hit.end_seconds, span[1]) - max(hit.start_seconds, span[0])
        return -round(shared / max(length_of(hit), 1e-3), 1), hit.start_seconds

    return sorted(hits, key=order)


def length_of(hit: Hit) -> float:
    """Return how many seconds a hit spans."""
    return hit.end_seconds - hit.start_seconds


def when(hit: Hit) -> str:
    """Return when a hit is, as in a sentence."""
    return range_text(hit.start_seconds, hit.end_seconds)


def range_text(start: float, end: float) -> str:
    """Return a range of seconds as in a sentence, `00:03–00:05`, with the times of its citation."""
    return clock(start) if int(start) == int(end) else clock_range(start, end).replace("-", "–")


def longest_of(thing: Appearance) -> Hit:
    """Return the caption of a sort of thing that spans most."""
    return Hit(max(thing.captions, key=lambda c: c.end_seconds - c.start_seconds))


def crowd(thing: Appearance) -> tuple[float, float, list[Hit]]:
    """Return when the most of a sort of thing are in sight, and their captions."""
    for caption in sorted(thing.captions, key=lambda c: c.start_seconds):
        there = [c for c in thing.captions if c.start_seconds <= caption.start_seconds < c.end_seconds]
        if len(there) == thing.at_once:
            return caption.start_seconds, min(c.end_seconds for c in there), [Hit(c) for c in there]
    return thing.first_seconds, thing.last_seconds, [longest_of(thing)]


def at_most(thing: Appearance) -> list[Hit]:
    """Return the captions of the moment at which most of a sort of thing are in sight."""
    return crowd(thing)[2][:_MOST_CITED]


def best_of(hits: Sequence[Hit], value: Callable[[Hit], float], *, high: bool) -> Hit | None:
    """Return the hit of the highest value, or the lowest; None where there is none."""
    return max(hits, key=lambda hit: value(hit) if high else -value(hit), default=None)


def spread(items: Sequence[_T], count: int) -> list[_T]:
    """Return at most so many of a list, evenly spread, with its first and last."""
    if len(items) <= count:
        return list(items)
    return [items[round(i * (len(items) - 1) / (count - 1))] for i in range(count)]
