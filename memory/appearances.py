"""Who and what appears in a video: each thing counted once, with when it is first and last seen."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cache

from videochat.intervals import clock, merge_intervals
from videochat.memory.thing_names import detected_things
from videochat.memory.video_captions import VideoCaptions
from videochat.memory.words import language_data
from videochat.records import Caption


def place(box: tuple[float, float, float, float], size: tuple[int, int]) -> tuple[str, str]:
    """Return where in the picture the middle of a box is: `upper`, `lower` or empty, and `left`, `centre` or `right`.

    Args:
        box: `(x1, y1, x2, y2)` in pixels.
        size: width and height of the picture in pixels.
    """
    across = (box[0] + box[2]) / 2 / max(size[0], 1)
    down = (box[1] + box[3]) / 2 / max(size[1], 1)
    side = "left" if across < 0.36 else "right" if across > 0.64 else "centre"
    return "upper" if down < 0.33 else "lower" if down > 0.67 else "", side


@dataclass(frozen=True)
class Appearance:
    """One sort of thing in a video, such as `person`."""

    name: str
    """As the detector names it, in lower case."""
    count: int
    """How many different ones were followed. A thing that left for a while and came back counts again, so this
    is an upper bound; `at_once` is a lower one."""
    at_once: int
    """The most that were in sight at the same moment."""
    first_seconds: float
    """When the first is first seen."""
    last_seconds: float
    """First moment after the last is last seen."""
    spans: tuple[tuple[float, float], ...]
    """When at least one is in sight, `[start, end)` in seconds, in order, not touching."""
    captions: tuple[Caption, ...]
    """The captions it rests on, in temporal order."""

    @property
    def seconds(self) -> float:
        """How long at least one is in sight."""
        return sum(end - start for start, end in self.spans)

    def as_dict(self) -> dict[str, object]:
        """Return plain data for JSON, without the captions."""
        return {
            "name": self.name,
            "count": self.count,
            "at_once": self.at_once,
            "first_seconds": self.first_seconds,
            "last_seconds": self.last_seconds,
            "seconds": round(self.seconds, 3),
        }

    def __str__(self) -> str:
        often = f"{self.count} seen, {self.at_once} at once" if self.count > 1 else "1 seen"
        return f"{self.name}: {often}, from {clock(self.first_seconds)} to {clock(self.last_seconds)}"


def appearances(source: VideoCaptions | Iterable[Caption], name: str | None = None) -> list[Appearance]:
    """Return what appears in a video, longest in sight first, from captions of kind `objects`.

    Pieces with one `track_id` are one thing. Where several senses saw the same sort of thing, they are not added
    up: those of the one that saw it longest count.

    Args:
        source: the captions of a video, stored or as records in any order.
        name: only this sort of thing; `cars` finds `car`. None for all.
    """
    captions = source.between(kinds=["objects"]) if isinstance(source, VideoCaptions) else source
    groups: dict[str, dict[str, list[Caption]]] = defaultdict(lambda: defaultdict(list))
    wanted = None if name is None else _singular(name.strip().casefold())
    for caption in captions:
        label = caption.text.casefold()
        if caption.kind == "objects" and (wanted is None or _singular(label) == wanted):
            groups[label][caption.source].append(caption)
    seen = [max((_appearance(label, c) for c in by_sense.values()), key=_length) for label, by_sense in groups.items()]
    return sorted(seen, key=lambda appearance: (-appearance.seconds, appearance.first_seconds, appearance.name))


def first_captions(captions: Iterable[Caption]) -> list[Caption]:
    """Return the first caption of each thing that was followed, in temporal order."""
    by_thing: dict[object, Caption] = {}
    for caption in sorted(captions, key=lambda c: (c.start_seconds, c.end_seconds)):
        by_thing.setdefault(caption.id if caption.track_id is None else caption.track_id, caption)
    return list(by_thing.values())


def coloured(thing: Appearance, colours: Collection[str]) -> Appearance | None:
    """Return those of a sort of thing that have one of some colours; None where none has.

    Args:
        thing: of all colours.
        colours: as `attributes["colour"]` of captions tells them.
    """
    captions = [c for c in thing.captions if c.attributes.get("colour") in colours]
    return _appearance(thing.name, captions) if captions else None


def colours_meant(question: str) -> dict[str, set[str]]:
    """Return the words for colours in a question, each with the colours of things that it means.

    Args:
        question: in lower case.
    """
    found: dict[str, set[str]] = {}
    for name, pattern in _colours().items():
        for match in pattern.finditer(question):
            found.setdefault(match[0], set()).add(name)
    return found


@cache
def _colours() -> dict[str, re.Pattern[str]]:
    edges = r"(?<![A-Za-zÀ-ÿ])", r"(?![A-Za-zÀ-ÿ])"
    return {name: re.compile(words.join(edges)) for name, words in language_data()["colours"].items()}


def _appearance(name: str, captions: list[Caption]) -> Appearance:
    ordered = sorted(captions, key=lambda c: (c.start_seconds, c.end_seconds))
    # Ends before starts, so that a piece and the next piece of one thing are not two at once.
    steps = sorted([(c.end_seconds, -1) for c in ordered] + [(c.start_seconds, 1) for c in ordered])
    now = most = 0
    for _, step in steps:
        now += step
        most = max(most, now)
    followed = {c.track_id for c in ordered if c.track_id is not None}
    spans = merge_intervals((c.start_seconds, c.end_seconds) for c in ordered)
    return Appearance(
        name=name,
        # Things that nobody followed cannot be told apart over time, only beside each other.
        count=len(followed) or most,
        at_once=most,
        first_seconds=spans[0][0],
        last_seconds=spans[-1][1],
        spans=tuple(spans),
        captions=tuple(ordered),
    )


def _length(appearance: Appearance) -> float:
    return appearance.seconds


_IRREGULAR = {"people": "person", "men": "man", "women": "woman", "children": "child", "mice": "mouse"}


def labels_meant(words: Iterable[str], labels: Iterable[str]) -> list[str]:
    """Return the labels of a detector that words mean: the label itself, its last word, or a word that stands for it.

    Args:
        words: in lower case, as `content_words` gives them.
        labels: such as `person`, `sports ball`, in lower case.
    """
    wanted = {_singular(word) for word in words}
    for name, others in _things().items():
        if wanted & others:
            wanted.add(name)
    found = []
    for label in labels:
        whole = label.casefold()
        if wanted & {whole, _singular(whole), _singular(whole.split()[-1]), *_kinds_of(whole)}:
            found.append(label)
    return found


def joined_names(words: Iterable[str], text: str) -> list[str]:
    """Return words, those of a name of several (`traffic light`) as one where a text has them together.

    Args:
        words: as `labels_meant` takes them.
        text: where they are from, in lower case.
    """
    found, left = [], list(words)
    for name in detected_things():
        parts = name.split()
        if len(parts) > 1 and name in text and any(_singular(word) in parts for word in left):
            found.append(name)
            left = [word for word in left if _singular(word) not in parts]
    return [*found, *left]


@cache
def _things() -> dict[str, set[str]]:
    return {name: {_singular(word) for word in words.split()} for name, words in language_data()["things"].items()}


@cache
def _kinds_of(label: str) -> frozenset[str]:
    """Return the words for several sorts of things of which a label is one: `vehicle` of `car`."""
    sorts: dict[str, str] = language_data()["sorts"]
    return frozenset(name for name, labels in sorts.items() if label in labels.split(", "))


def _singular(word: str) -> str:
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    for ending, single in (("ies", "y"), ("ches", "ch"), ("shes", "sh"), ("sses", "ss"), ("xes", "x"), ("s", "")):
        if word.endswith(ending) and not word.endswith("ss") and len(word) > len(ending) + 2:
            return word[: -len(ending)] + single
    return word
