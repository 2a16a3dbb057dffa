"""Summaries of a video at four scales: half a minute, three minutes, half an hour, the whole.

Each summary is made from those of the next finer scale, the finest from captions, and is stored as a caption of
kind `summary`. What a summary was made from is noted, so that more captions cost only the parts of the video that they
are in, and what lies above these.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any, Literal, get_args

from videochat.errors import InvalidArgument, UnknownName
from videochat.fence import DATA, fenced
from videochat.intervals import check_interval, clock
from videochat.memory.appearances import appearances
from videochat.memory.video_captions import VideoCaptions
from videochat.memory.words import all_words, content_words
from videochat.records import Caption, Kind

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.runnables import Runnable

Scale = Literal["30s", "3min", "30min", "whole"]
SCALES: tuple[Scale, ...] = get_args(Scale)
"""From fine to coarse."""
_SECONDS: dict[Scale, float] = {"30s": 30.0, "3min": 180.0, "30min": 1800.0}

# How many characters a summary without a language model may have.
_CHARACTERS: dict[Scale, int] = {"30s": 400, "3min": 600, "30min": 1200, "whole": 3000}
_ITEM_CHARACTERS: dict[Scale, int] = {"30s": 160, "3min": 120, "30min": 90, "whole": 70}
_ITEMS_KEPT = 200
_BROWSE_LINES = 20
_CALLS_AT_ONCE = 4
_PROMPT_CHARACTERS = 12_000

_LEADS: dict[Kind, str] = {
    "speech": "said",
    "sound": "heard",
    "ocr": "on screen",
    "objects": "seen",
    "action": "seen",
    "measure": "measured",
}
# How well a kind tells what happens; measurements count only where there is nothing else.
_WEIGHTS: dict[Kind, float] = {
    "video_caption": 1.3,
    "action": 1.2,
    "ocr": 1.1,
    "clip_caption": 1.0,
    "speech": 0.9,
    "sound": 0.4,
    "objects": 0.8,
    "dense_caption": 0.4,
    "tags": 0.5,
    "measure": 0.1,
    "shot": 0.05,
}

_PROMPT = (
    "You condense timestamped notes about a part of a video. Write {length} in plain words: what happens, who and "
    "what appears, what is said and shown, in temporal order. Use only the notes. No preamble.\n" + DATA
)
_LENGTHS: dict[Scale, str] = {
    "30s": "one sentence",
    "3min": "two sentences",
    "30min": "at most five sentences",
    "whole": "at most ten sentences, naming the parts in order with their times as MM:SS",
}


@dataclass
class SummaryReport:
    """What `summarize` did."""

    made: dict[Scale, int] = field(default_factory=dict)
    """Summaries made or made again, by scale."""
    kept: dict[Scale, int] = field(default_factory=dict)
    """Summaries that were up to date, by scale."""
    failed: int = 0
    """Times the language model did not answer; these are extracts, and are tried again next time."""

    def __str__(self) -> str:
        made = ", ".join(f"{count} of {scale}" for scale, count in self.made.items() if count) or "none"
        failed = f"; the language model failed {self.failed} times" if self.failed else ""
        return f"Summaries made: {made}; kept: {sum(self.kept.values())}{failed}."


@dataclass(frozen=True)
class _Item:
    """One thing worth telling of a stretch."""

    kind: Kind
    text: str
    start_seconds: float
    weight: float


@dataclass
class _Stretch:
    """One summary: what it is made from, and what came out."""

    scale: Scale
    start_seconds: float
    end_seconds: float
    digest: str
    maker: str = ""
    items: list[_Item] = field(default_factory=list)
    text: str = ""
    caption_id: str = ""

    @property
    def name(self) -> str:
        return f"summary/{self.scale}/{self.start_seconds:g}"


def summarize(
    stored: VideoCaptions, duration_seconds: float, llm: BaseChatModel | Runnable[Any, Any] | None = None
) -> SummaryReport:
    """Bring the summaries of a video up to date with its captions.

    Args:
        stored: the video's captions.
        duration_seconds: how long the video is, or how far it has been seen.
        llm: a LangChain chat model that writes them; None: extracts of the captions, and what a model wrote
            before stays as long as its captions are the same.

    Returns:
        How many were made, and how many were still right.

    Raises:
        InvalidArgument: the duration is not above 0.
    """
    if not 0 < duration_seconds < math.inf:
        raise InvalidArgument(f"Summaries need a duration above 0 seconds, got {duration_seconds!r}.")
    report = SummaryReport()
    known = {name: _read(value) for name, value in stored.notes("summary/").items()}
    maker = _maker(llm)
    current: dict[str, _Stretch] = {}
    finer: list[_Stretch] = []
    for scale in _scales(duration_seconds):
        stretches = (
            _from_captions(stored, scale, duration_seconds) if not finer else _above(finer, scale, duration_seconds)
        )
        stale: list[_Stretch] = []
        for number, stretch in enumerate(stretches):
            before = known.get(stretch.name)
            if before and before.digest == stretch.digest and (llm is None or before.maker == maker):
                stretches[number] = before
            else:
                stale.append(stretch)
        _make(stored, stale, finer, llm, maker, report)
        report.made[scale], report.kept[scale] = len(stale), len(stretches) - len(stale)
        current |= {stretch.name: stretch for stretch in stretches}
        finer = stretches
    _store(stored, known, current)
    return report


def browse(
    stored: VideoCaptions, scale: str | None = None, start_seconds: float = 0.0, end_seconds: float = math.inf
) -> list[Caption]:
    """Return the summaries of a range, in temporal order.

    Args:
        stored: the video's captions, after `summarize`.
        scale: one of `SCALES`; None for the finest with which the range has at most twenty, the whole before them
            where the range is the whole video.
        start_seconds: first moment.
        end_seconds: first moment no longer; may be infinite.

    Raises:
        UnknownName: there is no such scale.
        InvalidArgument: a range that is none.
    """
    check_interval(start_seconds, end_seconds, open_end=True)
    if scale is not None and scale not in SCALES:
        raise UnknownName("scale", scale, SCALES)
    found = stored.between(start_seconds, end_seconds, ["summary"])
    by_scale: dict[str, list[Caption]] = defaultdict(list)
    for caption in found:
        by_scale[scale_of(caption)].append(caption)
    if scale is not None:
        return by_scale[scale]
    whole = by_scale.pop("whole", [])
    fitting = [by_scale[each] for each in SCALES if 0 < len(by_scale[each]) <= _BROWSE_LINES]
    lines = fitting[0] if fitting else next((by_scale[each] for each in reversed(SCALES) if by_scale[each]), [])
    everything = whole and start_seconds <= whole[0].start_seconds and end_seconds >= whole[0].end_seconds
    return [*whole, *lines] if everything or not lines else lines


def scale_of(caption: Caption) -> str:
    """Return the scale of a summary, one of `SCALES`; empty where it has none."""
    return str(caption.attributes.get("scale", ""))


def _scales(duration_seconds: float) -> list[Scale]:
    """Return the scales that a video is long enough for; the whole is always one."""
    return [scale for scale in SCALES if scale == "whole" or _SECONDS[scale] < duration_seconds]


def _span(scale: Scale, number: int, duration_seconds: float) -> tuple[float, float]:
    if scale == "whole":
        return 0.0, duration_seconds
    return number * _SECONDS[scale], min((number + 1) * _SECONDS[scale], duration_seconds)


def _from_captions(stored: VideoCaptions, scale: Scale, duration_seconds: float) -> list[_Stretch]:
    """Return the stretches of the finest scale that have captions; which they are is all that is read of them."""
    length = _SECONDS.get(scale, duration_seconds)
    last = max(math.ceil(duration_seconds / length) - 1, 0)
    ids: dict[int, list[str]] = defaultdict(list)
    for caption in stored.between():
        start, end, id_ = caption.start_seconds, caption.end_seconds, caption.id
        first = min(int(start / length), last)
        ids[first].append(id_)
        for number in range(first + 1, min(int(end / length), last) + 1):
            if end - number * length >= 0.25 * length:
                ids[number].append(id_)
    return [_stretch(scale, _span(scale, number, duration_seconds), sorted(ids[number])) for number in sorted(ids)]


def _above(finer: Sequence[_Stretch], scale: Scale, duration_seconds: float) -> list[_Stretch]:
    length = _SECONDS.get(scale, math.inf)
    groups: dict[int, list[_Stretch]] = defaultdict(list)
    for stretch in finer:
        groups[int(stretch.start_seconds / length)].append(stretch)
    return [
        _stretch(scale, _span(scale, number, duration_seconds), [s.digest + s.text for s in groups[number]])
        for number in sorted(groups)
    ]


def _stretch(scale: Scale, span: tuple[float, float], made_from: list[str]) -> _Stretch:
    digest = hashlib.blake2b("\x1f".join([str(span), *made_from]).encode(), digest_size=12)
    return _Stretch(scale, *span, digest.hexdigest())


def _make(
    stored: VideoCaptions,
    stale: list[_Stretch],
    finer: list[_Stretch],
    llm: BaseChatModel | Runnable[Any, Any] | None,
    maker: str,
    report: SummaryReport,
) -> None:
    notes: list[str] = []
    for stretch in stale:
        start, end = stretch.start_seconds, stretch.end_seconds
        if finer:
            below = [s for s in finer if start <= s.start_seconds < end]
            stretch.items = _choose([s.items for s in below], stretch.scale)
            notes.append("\n".join(f"{clock(s.start_seconds)} {s.text}" for s in below))
        else:
            captions = _belonging(stored, stretch)
            stretch.items = _choose(_parts(_items(captions)), stretch.scale)
            notes.append("\n".join(map(str, captions)))
        stretch.text, stretch.maker = _extract(stretch), _maker(None)
    if llm is not None and stale:
        _write(stale, notes, llm, maker, report)


def _write(
    stale: list[_Stretch],
    notes: list[str],
    llm: BaseChatModel | Runnable[Any, Any],
    maker: str,
    report: SummaryReport,
) -> None:
    """Let the language model write; where it fails, the extract stays."""
    prompts: list[Any] = [
        [
            ("system", _PROMPT.format(length=_LENGTHS[stretch.scale])),
            ("user", f"Notes:\n{fenced(_fitting(lines))}"),
        ]
        for stretch, lines in zip(stale, notes, strict=True)
    ]
    answers = llm.batch(prompts, config={"max_concurrency": _CALLS_AT_ONCE}, return_exceptions=True)
    for stretch, answer in zip(stale, answers, strict=True):
        text = "" if isinstance(answer, BaseException) else " ".join(answer.text.split())
        if text:
            stretch.text, stretch.maker = text, maker
        else:
            report.failed += 1


def _belonging(stored: VideoCaptions, stretch: _Stretch) -> list[Caption]:
    start, end = stretch.start_seconds, stretch.end_seconds
    needed = 0.25 * (_SECONDS.get(stretch.scale) or end - start)
    return [
        caption
        for caption in stored.between(start, math.inf if stretch.scale == "whole" else end)
        if caption.start_seconds >= start or caption.end_seconds - start >= needed
    ]


def _items(captions: Sequence[Caption]) -> list[_Item]:
    """Return what captions of one stretch say, each thing once, heavier the better it tells what happens."""
    counts = Counter(word for caption in captions for word in content_words(caption.text))
    items: list[_Item] = []
    for caption in captions:
        if caption.kind == "objects":
            continue
        words = content_words(caption.text)
        # Central sentences share words with others; a short one says its thing without noise.
        centre = sum(counts[word] for word in words) / (2 + len(words)) ** 1.2 if words else 0.0
        weight = _WEIGHTS.get(caption.kind, 0.1) * (1 + min(centre, 1.0))
        if caption.kind == "ocr":
            # What stays on the screen is a title rather than a passing sign.
            weight *= 1 + min(caption.end_seconds - caption.start_seconds, 10.0) / 20
        items.append(_Item(caption.kind, " ".join(caption.text.split()), caption.start_seconds, weight))
    things = appearances(captions)[:6]
    if things:
        text = ", ".join(f"{thing.at_once} × {thing.name}" if thing.at_once > 1 else thing.name for thing in things)
        items.append(_Item("objects", text, min(thing.first_seconds for thing in things), _WEIGHTS["objects"]))
    return items


def _parts(items: list[_Item]) -> list[list[_Item]]:
    """Cut the items of one stretch into pieces of time, so that a rich one does not crowd out the others."""
    ordered = sorted(items, key=lambda item: item.start_seconds)
    size = max(1, math.ceil(len(ordered) / 6))
    return [ordered[i : i + size] for i in range(0, len(ordered), size)]


def _choose(parts: Sequence[Iterable[_Item]], scale: Scale) -> list[_Item]:
    """Return items in temporal order: the best of every part, then the second best, until the text is long enough."""
    queues = [sorted(part, key=lambda item: (-item.weight, item.start_seconds)) for part in parts]
    strong = any(item.weight > _WEIGHTS["measure"] * 2 for queue in queues for item in queue)
    chosen: list[_Item] = []
    seen: dict[tuple[str, ...], list[str]] = defaultdict(list)
    characters = 0
    for place in range(max(map(len, queues), default=0)):
        for queue in queues:
            if place >= len(queue) or len(chosen) >= _ITEMS_KEPT:
                continue
            item = queue[place]
            if strong and item.weight <= _WEIGHTS["measure"] * 2:
                continue
            if _said_before(item, seen):
                continue
            characters += min(len(item.text), _ITEM_CHARACTERS[scale]) + 12
            if characters > _CHARACTERS[scale] and chosen:
                return sorted(chosen, key=lambda item: item.start_seconds)
            chosen.append(item)
    return sorted(chosen, key=lambda item: item.start_seconds)


def _said_before(item: _Item, seen: dict[tuple[str, ...], list[str]]) -> bool:
    """Whether nearly the same was chosen; texts that differ in a number are different."""
    text = " ".join(all_words(item.text)) or item.text
    key = (item.kind, *(word for word in text.split() if any(c.isdigit() for c in word)))
    if any(other == text or SequenceMatcher(None, other, text).ratio() > 0.85 for other in seen[key]):
        return True
    seen[key].append(text)
    return False


def _extract(stretch: _Stretch) -> str:
    room = _ITEM_CHARACTERS[stretch.scale]
    pieces: list[str] = []
    for item in stretch.items:
        text = item.text if len(item.text) <= room else f"{item.text[: room - 1].rsplit(' ', 1)[0]}…"
        lead = _LEADS.get(item.kind, "")
        text = f"“{text}”" if item.kind in ("speech", "ocr") else text
        when = "" if stretch.scale == "30s" else f"{clock(item.start_seconds)} "
        pieces.append(f"{when}{lead}{': ' if lead else ''}{text}")
    return "; ".join(pieces)


def _store(stored: VideoCaptions, known: dict[str, _Stretch], current: dict[str, _Stretch]) -> None:
    # `current` holds stretches of `known`, whose ids are about to change where an older version wrote the caption.
    before = {name: stretch.caption_id for name, stretch in known.items()}
    captions: list[Caption] = []
    # What is said after the end of the video makes a stretch of its own, in which nothing may be told.
    current = {name: stretch for name, stretch in current.items() if stretch.text}
    for stretch in current.values():
        caption = Caption(
            stored.video_id,
            stretch.start_seconds,
            stretch.end_seconds,
            "summary",
            stretch.text,
            f"summary {stretch.scale} {stretch.maker}",
            attributes={"scale": stretch.scale},
        )
        stretch.caption_id = caption.id
        captions.append(caption)
    ids = {caption.id for caption in captions}
    gone = [id_ for id_ in before.values() if id_ not in ids]
    notes: dict[str, Any] = {name: None for name in known if name not in current}
    notes |= {
        name: _written(stretch)
        for name, stretch in current.items()
        if stretch is not known.get(name) or stretch.caption_id != before[name]
    }
    stored.replace(gone, captions if notes else [], notes)


def _written(stretch: _Stretch) -> dict[str, Any]:
    items = [[item.kind, item.text, item.start_seconds, round(item.weight, 3)] for item in stretch.items]
    return vars(stretch) | {"items": items}


def _read(value: dict[str, Any]) -> _Stretch:
    return _Stretch(**(value | {"items": [_Item(*item) for item in value["items"]]}))


def _maker(llm: BaseChatModel | Runnable[Any, Any] | None) -> str:
    if llm is None:
        return "extract"
    return str(getattr(llm, "model_name", None) or getattr(llm, "model", None) or type(llm).__name__)


def _fitting(lines: str) -> str:
    """Cut notes to what a prompt may hold, by leaving out whole lines evenly."""
    if len(lines) <= _PROMPT_CHARACTERS:
        return lines
    each = lines.splitlines()
    step = math.ceil(len(lines) / _PROMPT_CHARACTERS)
    return "\n".join(each[::step])[:_PROMPT_CHARACTERS]
