"""From a question to the captions that may answer it, best first."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from videochat.intervals import Interval, check_interval
from videochat.memory.caption_store import CaptionStore
from videochat.memory.embeddings import Embedder
from videochat.memory.query import Query, Relation, read_query, without_times
from videochat.memory.search_arguments import check_k, check_kinds
from videochat.memory.store_records import Hit
from videochat.memory.video_captions import VideoCaptions
from videochat.memory.word_overlap import coverage
from videochat.records import Caption, Kind

_OVERVIEW = 24

# How much words, vectors, the meant sense and a tight interval count; found on benchmarks/retrieval_questions.json.
_WORDS_WEIGHT = 1.0
_LIKENESS_WEIGHT = 1.2
_SPELLING_WEIGHT = 0.5  # instead, where vectors compare words and not meaning
_SENSE_WEIGHT = 0.5
_VAGUE_WEIGHT = 0.4
_EMPTY_WEIGHT = 0.3
_ANCHOR_COVERAGE = 0.34
_ANCHOR_LIKENESS = 0.45  # of meanings, where the words are others
_SLACK_SECONDS = 0.5
_CANDIDATES = 60
_VIDEOS_READ = 8


@dataclass(frozen=True)
class Recall:
    """What was found for a question."""

    hits: list[Hit]
    """Best first."""
    span: Interval | None = None
    """The range of seconds that the question names, if it does."""
    kinds: tuple[Kind, ...] = field(default=())
    """The kinds of caption that the question means, if it does."""


def recall(
    stored: VideoCaptions,
    question: str | Query,
    *,
    duration_seconds: float,
    k: int = 12,
    kinds: Iterable[Kind] | None = None,
    start_seconds: float = 0.0,
    end_seconds: float = math.inf,
) -> Recall:
    """Find the captions of a video that may answer a question.

    A time that the question names limits the search to it; "after", "before" and "while" are taken from the moment
    they name; "the first", "the last" by order. Captions of a kind that the question means come first, and of
    equals those that say best when. A question about nothing in particular gets an overview spread over the video.

    Args:
        stored: the video's captions.
        question: what is asked.
        duration_seconds: how long the video is.
        k: how many captions at most; an overview may have a few more.
        kinds: only of these kinds; None for all but summaries.
        start_seconds: only captions that end after this.
        end_seconds: only captions that start before this.

    Raises:
        InvalidArgument: `k` below 1, or a range that is none.
        UnknownName: a kind that is none.
    """
    check_k(k)
    check_interval(start_seconds, end_seconds, open_end=True)
    wanted = check_kinds(kinds)
    query = question if isinstance(question, Query) else read_query(question)
    span, meant = query.span(duration_seconds), query.kinds
    if not span and (span := _span_of_shot(stored, query)):
        # It says where to look; what to look for is the rest.
        meant = tuple(kind for kind in meant if kind != "shot") or meant
    start, end = max(start_seconds, span[0] if span else 0.0), min(end_seconds, span[1] if span else math.inf)
    if start >= end:
        return Recall([], span, meant)
    within = Range(stored, start, end, wanted, duration_seconds)
    hits = _within_span(within, query, span, meant) if span else _related_or_ordered(within, query)
    if query.subject and (not span or query.terms):
        known = {hit.caption.id for hit in hits}
        hits += [hit for hit in _ranked(within, query, meant) if hit.caption.id not in known]
    if not query.subject:
        hits += _overview(within, query, meant, {hit.caption.id for hit in hits})
    return Recall(hits[: max(k, _OVERVIEW if not query.subject and k >= 12 else k)], span, meant)


def recall_library(
    store: CaptionStore,
    question: str,
    *,
    video_ids: Iterable[str] | None = None,
    k: int = 12,
    kinds: Iterable[str] | None = None,
    start_seconds: float = 0.0,
    end_seconds: float = math.inf,
) -> Recall:
    """Find the captions of several videos that may answer a question: first the videos, then the moments in each.

    Args:
        store: where the captions are.
        question: what is asked.
        video_ids: only of these videos; None for all.
        k: how many captions at most.
        kinds: only of these kinds; None for all but summaries.
        start_seconds: only captions that end after this.
        end_seconds: only captions that start before this.

    Raises:
        InvalidArgument, UnknownName, StoreError: as `CaptionStore.search`.
    """
    check_k(k)
    query = read_query(question)
    filters: dict[str, Any] = {
        "kinds": check_kinds(kinds),
        "start_seconds": start_seconds,
        "end_seconds": end_seconds,
    }
    chosen = None if video_ids is None else list(video_ids)
    pool = store.search(query.text, k=max(4 * k, _CANDIDATES), video_ids=chosen, **filters)
    if not pool:
        return Recall([], None, query.kinds)
    best = _rank(pool, query, query.kinds, store.embedder, {})
    prior: dict[str, float] = {}
    for hit in best:
        prior.setdefault(hit.caption.video_id, hit.score)
    merged: list[Hit] = []
    for video_id in list(prior)[:_VIDEOS_READ]:
        stored = store.captions_of(video_id)
        duration = float(stored.facts().get("duration_seconds") or stored.end_seconds())
        found = recall(stored, query, duration_seconds=duration, k=k, **filters).hits
        # The best of each video stands for it; the others follow by their place within it.
        merged += [Hit(hit.caption, prior[video_id] - 0.15 * rank, hit.similarity) for rank, hit in enumerate(found)]
    known = {hit.caption.id for hit in merged}
    merged += [hit for hit in best if hit.caption.id not in known]
    merged.sort(key=lambda hit: -hit.score)
    return Recall(merged[:k], None, query.kinds)


@dataclass(frozen=True)
class Range:
    """The part of a video that a question is about."""

    stored: VideoCaptions
    start_seconds: float
    end_seconds: float
    kinds: list[Kind] | None
    duration_seconds: float

    def captions(self, kinds: Iterable[Kind] | None) -> list[Caption]:
        """Return its captions of some kinds, in temporal order; None for all that are allowed."""
        wanted = self.kinds if kinds is None else [kind for kind in kinds if self.kinds is None or kind in self.kinds]
        return self.stored.between(self.start_seconds, self.end_seconds, wanted)

    def search(self, query: str, k: int) -> list[Hit]:
        """Return its best captions for a query."""
        return self.stored.search(
            query, k=k, kinds=self.kinds, start_seconds=self.start_seconds, end_seconds=self.end_seconds
        )


def _ranked(within: Range, query: Query, meant: Collection[Kind]) -> list[Hit]:
    hits = within.search(query.text, _CANDIDATES)
    lengths = {hit.caption.id: within.duration_seconds for hit in hits}
    return _rank(hits, query, meant, within.stored.embedder, lengths)


def _rank(
    hits: list[Hit], query: Query, meant: Collection[Kind], embedder: Embedder, durations: Mapping[str, float]
) -> list[Hit]:
    """Return hits by words, likeness, kind and how well they say when, best first."""
    share = coverage(query.search_terms, [hit.caption for hit in hits])
    likeness = _LIKENESS_WEIGHT if embedder.semantic else _SPELLING_WEIGHT
    low = min((hit.similarity for hit in hits), default=0.0)
    room = max((hit.similarity for hit in hits), default=0.0) - low or 1.0

    def value(hit: Hit) -> float:
        caption = hit.caption
        total = _WORDS_WEIGHT * share[caption.id] + likeness * (hit.similarity - low) / room
        if caption.kind in meant:
            total += _SENSE_WEIGHT
        elif caption.kind == "shot":
            total -= _EMPTY_WEIGHT  # it says that there is a picture, not which
        # What holds all the time does not say when.
        length = caption.end_seconds - caption.start_seconds
        total -= _VAGUE_WEIGHT * min(length / (durations.get(caption.id) or math.inf), 1.0)
        return total

    return [
        Hit(hit.caption, score, hit.similarity)
        for score, _, hit in sorted(
            ((value(hit), -i, hit) for i, hit in enumerate(hits)), key=lambda item: item[:2], reverse=True
        )
    ]


def _within_span(within: Range, query: Query, span: Interval, meant: Collection[Kind]) -> list[Hit]:
    """Return what holds in a named range: what lies in it before what only touches it, the meant kinds first."""
    captions = within.captions(None)
    share = coverage(read_query(without_times(query.text)).search_terms, captions)
    anchor = _anchor(query, span)

    def order(caption: Caption) -> tuple[float, ...]:
        length = caption.end_seconds - caption.start_seconds
        inside = (min(caption.end_seconds, span[1]) - max(caption.start_seconds, span[0])) / length
        away = max(caption.start_seconds - anchor, anchor - caption.end_seconds, 0.0)
        return (
            -float(caption.kind in meant or not meant),
            float(caption.kind == "shot" and "shot" not in meant),
            -round(share[caption.id], 1),
            -float(inside >= 0.5),
            away,
            length,
        )

    return [Hit(caption) for caption in sorted(captions, key=order)]


def _related_or_ordered(within: Range, query: Query) -> list[Hit]:
    return _by_relation(within, query) or _by_order(within, query)


def _by_order(within: Range, query: Query) -> list[Hit]:
    """Return what is first, second or last of a kind, if the question asks for that."""
    for ordinal in query.ordinals:
        captions = within.captions([ordinal.kind])
        if ordinal.kind == "shot":
            captions = _shots(captions)
        if -len(captions) <= ordinal.position < len(captions):
            start = captions[ordinal.position].start_seconds
            return [Hit(caption) for caption in sorted(captions, key=lambda c: abs(c.start_seconds - start))]
    return []


def _span_of_shot(stored: VideoCaptions, query: Query) -> Interval | None:
    """Return the range of the shot that a question numbers, if it does."""
    if query.shot_position is None:
        return None
    shots = _shots(stored.between(kinds=["shot"]))
    if not -len(shots) <= query.shot_position < len(shots):
        return None
    shot = shots[query.shot_position]
    return shot.start_seconds, shot.end_seconds


def _shots(captions: Iterable[Caption]) -> list[Caption]:
    """Return those captions of kind `shot` that are shots, not sudden changes within one."""
    return [caption for caption in captions if caption.attributes.get("event") != "sudden_change"]


def _by_relation(within: Range, query: Query) -> list[Hit]:
    """Return what comes after, before, during or between moments that the question describes."""
    for relation in query.relations:
        anchor = _described(within, relation.what)
        if relation.name != "between":
            return [] if anchor is None else _related(within, relation, anchor)
        last = _described(within, relation.until)
        if anchor and last and anchor.end_seconds <= last.start_seconds + _SLACK_SECONDS:
            return _between(within, relation, anchor, last)
    return []


def _between(within: Range, relation: Relation, first: Caption, last: Caption) -> list[Hit]:
    def fits(caption: Caption) -> bool:
        after = caption.start_seconds >= first.end_seconds - _SLACK_SECONDS
        return after and caption.end_seconds <= last.start_seconds + _SLACK_SECONDS

    return _fitting(within, relation.kinds, fits)


def _related(within: Range, relation: Relation, anchor: Caption) -> list[Hit]:
    def fits(caption: Caption) -> bool:
        if caption.id == anchor.id:
            return False
        if relation.name == "after":
            return caption.start_seconds >= anchor.end_seconds - _SLACK_SECONDS
        if relation.name == "before":
            return caption.end_seconds <= anchor.start_seconds + _SLACK_SECONDS
        return caption.overlaps(anchor.start_seconds, anchor.end_seconds)

    hits = _fitting(within, relation.kinds, fits)
    if relation.name == "before":
        hits.sort(key=lambda hit: -hit.caption.end_seconds)
    if not relation.kinds:
        # Asked only what happens, the next line answers a line, the next slide a slide; a shot says least.
        same = None if relation.name == "during" else anchor.kind
        hits.sort(key=lambda hit: (hit.caption.kind != same, hit.caption.kind == "shot"))
    return hits


def _fitting(within: Range, kinds: Collection[Kind], fits: Callable[[Caption], bool]) -> list[Hit]:
    """Return the captions that fit, of these kinds if any of those do, in temporal order."""
    captions = [caption for caption in within.captions(None) if fits(caption)]
    meant = [caption for caption in captions if caption.kind in kinds]
    return [Hit(caption) for caption in meant or captions]


def _described(within: Range, clause: str) -> Caption | None:
    """Return the caption that a clause describes ("the first slide", "the milk is poured"), if one does."""
    query = read_query(clause)
    if ordered := _by_order(within, query):
        return ordered[0].caption
    hits = within.search(clause, _CANDIDATES) if query.search_terms else []
    share = coverage(query.search_terms, [hit.caption for hit in hits])
    best = max(hits, key=lambda hit: share[hit.caption.id], default=None)
    if best and share[best.caption.id] >= _ANCHOR_COVERAGE:
        return best.caption
    near = max(hits, key=lambda hit: hit.similarity, default=None)
    alike = near and within.stored.embedder.semantic and near.similarity >= _ANCHOR_LIKENESS
    return near.caption if near and alike else None


def _overview(within: Range, query: Query, meant: Collection[Kind], known: Collection[str]) -> list[Hit]:
    """Return captions spread over the range, those before that fit the question best; `known` ids are left out."""
    captions = within.captions(meant or None) or within.captions(None)
    chosen = _spread([caption for caption in captions if caption.id not in known], _OVERVIEW)
    share = coverage(query.terms, chosen)
    alike: dict[str, float] = {}
    if within.stored.embedder.semantic:
        # "When is somebody asked how they are?" has no word to look for, and a meaning all the same.
        alike = {hit.caption.id: hit.similarity for hit in within.search(query.text, _CANDIDATES)}
    chosen.sort(key=lambda caption: (-round(share[caption.id], 1), -alike.get(caption.id, 0.0)))
    return [Hit(caption) for caption in chosen]


def _anchor(query: Query, span: Interval) -> float:
    """Return the second to which a question about a range wants to be nearest."""
    start, end = span
    if query.towards == "middle":
        return (start + end) / 2
    if query.towards == "end":
        return end - 0.01
    return start if end - start > 2 else (start + end) / 2


def _spread(captions: list[Caption], count: int) -> list[Caption]:
    """Return at most `count` captions, evenly spread over the video."""
    if len(captions) <= count:
        return captions
    step = len(captions) / count
    return [captions[int(i * step)] for i in range(count)]
