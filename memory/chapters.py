"""Chapters and highlights: where a video's subject changes, what each part is called, and the moment that tells most.

A part begins where the words before and after differ, helped by cuts, new text on screen and pauses in speech (Hearst,
"TextTiling", 1997, with the best set of boundaries found by dynamic programming). Its title is the words of one caption
in it, so that it can be held against the video.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any

from videochat.errors import check_number
from videochat.intervals import Interval, fit_interval
from videochat.memory.words import content_words
from videochat.records import Caption, Kind

_SHORTEST_SECONDS = 10.0  # below it video platforms refuse chapters
_TITLE_CHARACTERS = 60
_PAUSE_SECONDS = 1.0
_MOST_PLACES = 600  # candidates for boundaries; the best one of each stretch is kept
# What a boundary gains beside the change of words, in [0, 1].
_AT_CUT, _AT_NEW_TEXT, _AT_PAUSE = 0.25, 0.45, 0.3
_LENGTH_PENALTY = 0.35
_TITLE_WEIGHTS: dict[Kind, float] = {
    "ocr": 1.5, "speech": 1.0, "video_caption": 0.9, "clip_caption": 0.8, "action": 0.7, "dense_caption": 0.3,
}  # fmt: skip
_SLIDE_SECONDS = 3.0  # text that stays so long heads what is said beside it
_HIGHLIGHT_SECONDS = (3.0, 15.0)


@dataclass(frozen=True)
class Chapter:
    """A part of a video."""

    start_seconds: float
    end_seconds: float
    title: str
    caption: Caption | None = None
    """What the title rests on; None where nothing in it is told in words."""

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        data = {"start_seconds": self.start_seconds, "end_seconds": self.end_seconds, "title": self.title}
        return data | ({"caption_id": self.caption.id} if self.caption else {})


def make_chapters(captions: Iterable[Caption], duration_seconds: float) -> list[Chapter]:
    """Return the chapters of a video, in order, from 0 to its end without gaps.

    Parts of a minute's video last about 20 seconds, of an hour's about five minutes, and none less than ten seconds; a
    video below twenty seconds is one chapter.

    Args:
        captions: of the video, in any order.
        duration_seconds: its length.

    Raises:
        InvalidArgument: the duration is not above 0.
    """
    check_number("duration_seconds", duration_seconds, above=0)
    told = sorted(
        (c for c in captions if c.start_seconds < duration_seconds), key=lambda c: (c.start_seconds, c.end_seconds)
    )
    usual = 90.0 * (duration_seconds / 600) ** 0.67
    shortest = max(_SHORTEST_SECONDS, usual / 3)
    places = _places(told, duration_seconds, usual, shortest)
    edges = [0.0, *_best_boundaries(places, duration_seconds, usual, shortest), duration_seconds]
    common = _common_words(told)
    used: set[str] = set()
    chapters = []
    for number, (start, end) in enumerate(pairwise(edges), 1):
        chosen = _titled([c for c in told if start <= c.start_seconds + 0.5 < end], (start, end), common, used)
        title = _title(chosen) if chosen else f"Part {number}"
        used.add(title)
        chapters.append(Chapter(start, end, title, chosen))
    return chapters


def highlights(
    captions: Iterable[Caption], duration_seconds: float, *, most: int = 5
) -> list[tuple[Interval, Caption]]:
    """Return the moments that tell most of a video, in order of time, at most one of each chapter.

    Args:
        captions: of the video, in any order.
        duration_seconds: its length.
        most: how many at most.

    Returns:
        Intervals of 3 to 15 seconds that do not overlap, each with the caption that it was chosen for.
    """
    check_number("most", most, above=0)
    told = sorted(captions, key=lambda c: (c.start_seconds, c.end_seconds))
    common = _common_words(told)
    best: list[tuple[float, Chapter, Caption]] = []
    for chapter in make_chapters(told, duration_seconds):
        inside = [c for c in told if chapter.start_seconds <= _middle(c) < chapter.end_seconds]
        chosen = max(inside, key=lambda c: _weight(c, common), default=None)
        if chosen is not None and _weight(chosen, common) > 0:
            best.append((_weight(chosen, common), chapter, chosen))
    best = sorted(best, key=lambda item: -item[0])[:most]
    moments = [(_moment(caption, chapter, duration_seconds), caption) for _, chapter, caption in best]
    return sorted(moments, key=lambda item: item[0])


def _moment(caption: Caption, chapter: Chapter, duration_seconds: float) -> Interval:
    least, most = _HIGHLIGHT_SECONDS
    start, end = caption.start_seconds, min(caption.end_seconds, caption.start_seconds + most)
    if end - start < least:
        start, end = max((start + end - least) / 2, chapter.start_seconds), (start + end + least) / 2
    end = min(max(end, start + least), chapter.end_seconds)
    return fit_interval(min(start, max(end - least, chapter.start_seconds)), end, duration_seconds)


def _middle(caption: Caption) -> float:
    return (caption.start_seconds + caption.end_seconds) / 2


def _places(told: Sequence[Caption], duration: float, usual: float, shortest: float) -> list[tuple[float, float]]:
    """Return (second, gain) of candidates for boundaries, in order."""
    gains: dict[float, float] = defaultdict(float)
    heard = 0.0
    on_screen: frozenset[str] = frozenset()
    for caption in told:
        if caption.kind == "shot" and caption.attributes.get("event", "shot") == "shot":
            gains[caption.start_seconds] += _AT_CUT
        elif caption.kind == "speech":
            if caption.start_seconds - heard >= _PAUSE_SECONDS:
                gains[caption.start_seconds] += _AT_PAUSE
            else:
                gains[caption.start_seconds] += 0.0
            heard = max(heard, caption.end_seconds)
        elif caption.kind == "ocr":
            new = frozenset(content_words(caption.text))
            if new and len(new - on_screen) >= len(new) / 2 and caption.end_seconds - caption.start_seconds >= 2:
                gains[caption.start_seconds] += _AT_NEW_TEXT
                on_screen = new
        elif caption.kind in _TITLE_WEIGHTS:
            gains[caption.start_seconds] += 0.0
    _gather(gains)
    words = [(_middle(c), content_words(c.text)) for c in told if c.kind in _TITLE_WEIGHTS]
    words.sort(key=lambda item: item[0])
    moments = [moment for moment, _ in words]
    window = usual / 2
    best: dict[int, tuple[float, float]] = {}
    step = max(shortest / 4, duration / _MOST_PLACES)
    for second, gain in sorted(gains.items()):
        if not shortest <= second <= duration - shortest:
            continue
        here = bisect_left(moments, second)
        before = words[bisect_left(moments, second - window) : here]
        after = words[here : bisect_right(moments, second + window)]
        total = gain + _difference([w for _, w in before], [w for _, w in after])
        slot = int(second / step)
        if slot not in best or best[slot][1] < total:
            best[slot] = (second, total)
    # Words always differ somewhat; what counts is where they differ more than elsewhere.
    usually = median(gain for _, gain in best.values()) if best else 0.0
    return [(second, gain - usually) for _, (second, gain) in sorted(best.items())]


def _gather(gains: dict[float, float]) -> None:
    """Add up what happens within half a second: the slide changes, then the sentence begins."""
    seconds = sorted(gains)
    for earlier, later in pairwise(seconds):
        if later - earlier <= 0.5:
            gains[later], gains[earlier] = (
                (gains[later] + gains[earlier], 0.0)
                if gains[later] >= gains[earlier]
                else (0.0, gains[earlier] + gains[later])
            )


def _difference(before: Iterable[Iterable[str]], after: Iterable[Iterable[str]]) -> float:
    """Return 1 less the cosine of two bags of words; a half where one of them is empty."""
    left, right = Counter(w for words in before for w in words), Counter(w for words in after for w in words)
    if not left or not right:
        return 0.5
    product = sum(count * right[word] for word, count in left.items())
    norms = math.sqrt(sum(c * c for c in left.values()) * sum(c * c for c in right.values()))
    return 1 - product / norms


def _best_boundaries(
    places: Sequence[tuple[float, float]], duration: float, usual: float, shortest: float
) -> list[float]:
    """Return the boundaries with the largest gain, less what parts of unusual length cost."""

    def cost(length: float) -> float:
        return _LENGTH_PENALTY * math.log2(length / usual) ** 2

    seconds = [0.0, *(second for second, _ in places), duration]
    gains = [0.0, *(gain for _, gain in places), 0.0]
    best: list[tuple[float, int]] = [(0.0, -1)]
    for i in range(1, len(seconds)):
        options = [
            (best[j][0] + gains[i] - cost(seconds[i] - seconds[j]), j)
            for j in range(i)
            if j == 0 or seconds[i] - seconds[j] >= shortest
        ]
        best.append(max(options))
    found, i = [], best[-1][1]
    while i > 0:
        found.append(seconds[i])
        i = best[i][1]
    return found[::-1]


def _common_words(told: Sequence[Caption]) -> Counter[str]:
    return Counter(word for c in told if c.kind in _TITLE_WEIGHTS for word in content_words(c.text))


def _weight(caption: Caption, common: Counter[str]) -> float:
    """Return how much a caption tells: its words that come back, up to what a title holds, by its kind."""
    if caption.kind not in _TITLE_WEIGHTS:
        return 0.0
    words = [word for word in content_words(caption.text) if not word.isdigit()]
    told = sum(1 + math.log(common[word]) for word in words if len(word) > 1)
    weight = _TITLE_WEIGHTS[caption.kind] * told / (4 + len(words))
    if caption.kind == "ocr":
        # What stays on the screen is a title rather than a passing sign.
        weight *= min((caption.end_seconds - caption.start_seconds) / 4, 1.5)
    return weight


def _titled(inside: Sequence[Caption], part: Interval, common: Counter[str], used: set[str]) -> Caption | None:
    """Return the caption that names a part: one that tells much, near its beginning, as titles are."""

    def fit(caption: Caption) -> float:
        stays = caption.kind == "ocr" and caption.end_seconds - caption.start_seconds >= _SLIDE_SECONDS
        early = 1.5 - (max(caption.start_seconds, part[0]) - part[0]) / (part[1] - part[0])
        return (_weight(caption, common) + (2.0 if stays else 0.0)) * early

    weighted = [(fit(c), -n, c) for n, c in enumerate(inside) if _weight(c, common) > 0]
    for *_, caption in sorted(weighted, key=lambda item: item[:2], reverse=True):
        if _title(caption) not in used:
            return caption
    return None


def _title(caption: Caption) -> str:
    """Return the first line of a caption, cut between words."""
    text = caption.text.split(" / ")[0] if caption.kind == "ocr" else caption.text
    text = " ".join(text.split())
    if len(text) > _TITLE_CHARACTERS:
        text = text[: _TITLE_CHARACTERS - 2].rsplit(" ", 1)[0].rstrip(" ,;:") + " …"
    return text.rstrip(".,;: ") or text
