"""From a question to the captions that may answer it, best first."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from videochat.intervals import Interval, check_interval
from videochat.memory.caption_store import CaptionStore
from videochat.memory.query import UNKNOWN_SECONDS, Query, Relation
from videochat.memory.ranking import search_video
from videochat.memory.search_arguments import check_k, check_kinds
from videochat.memory.store_records import Hit
from videochat.memory.video_captions import VideoCaptions
from videochat.memory.words import all_words
from videochat.records import Caption, Kind

_OVERVIEW = 24
_SLACK_SECONDS = 0.5
_VIDEOS_READ, _VIDEOS_ASKED = 8, 20

# How much beside words and vectors counts; found on one half of benchmarks/retrieval_questions.json.
_SENSE_WEIGHT = 0.2
_MEASURE_WEIGHT = 0.25  # against light, colours and camera where they are not asked for
_EMPTY_WEIGHT = 0.35  # against shots, which say that there is a picture, not which
_VAGUE_WEIGHT = 1.0  # against what holds all the time and does not say when
_RANK_WEIGHT = 0.15  # against each place that a hit has in its own video, where several are asked
_ALIKE = 0.85  # of the best score; what has as much may be meant by "the first car"
_MEANT = 0.3  # cosine; of words that are none it is up to 0.26
_ANCHOR_WORDS, _ANCHOR_LIKENESS = 0.34, 0.4  # what a clause shares with the caption that it describes


@dataclass(frozen=True)
class Recall:
    """What was found for a question."""

    hits: list[Hit]
    """Best first."""
    query: Query
    """The question as it was read."""


@dataclass(frozen=True)
class _Range:
    """The part of a video that is searched."""

    stored: VideoCaptions
    rows: np.ndarray
    duration_seconds: float

    def captions(self) -> list[Caption]:
        index = self.stored.index()
        found = [index.captions[row] for row in self.rows]
        return sorted(found, key=lambda caption: (caption.start_seconds, caption.end_seconds))

    def ranked(self, text: str, kinds: Collection[Kind]) -> list[Hit]:
        """Return its captions by words, likeness, kind and how well they say when, best first."""
        embedder = self.stored.embedder
        hits = search_video(self.stored.index(), text, embedder.query(text), self.rows, embedder)

        def value(hit: Hit) -> float:
            caption, score = hit.caption, hit.score
            if caption.kind in kinds:
                score += _SENSE_WEIGHT
            elif caption.kind in ("shot", "measure"):
                score -= _EMPTY_WEIGHT if caption.kind == "shot" else _MEASURE_WEIGHT
            share = (caption.end_seconds - caption.start_seconds) / self.duration_seconds
            return score - _VAGUE_WEIGHT * min(share, 1.0) ** 2

        scored = [replace(hit, score=value(hit)) for hit in hits]
        return sorted(scored, key=lambda hit: -hit.score)


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

    A time that the question certainly names limits the search to it, one past the end finds nothing; what it says of
    order, relations and kinds only comes first, and what is found without that follows. Captions that say the same and
    touch are one hit. A question about nothing in particular gets an overview spread over the video.

    Args:
        stored: the video's captions.
        question: what is asked, or the question as it was read.
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
    query = question if isinstance(question, Query) else Query.parse(question, duration_seconds)
    start, end = start_seconds, end_seconds
    if query.span is not None:
        start, end = max(start, query.span[0]), min(end, query.span[1])
    if start >= end or query.past_end is not None:
        return Recall([], query)
    within = _Range(stored, stored.index().rows(wanted, start, end), duration_seconds)
    ranked = within.ranked(query.wording, query.kinds)
    if query.span is not None:
        first = _within_span(ranked, query, query.span)
    else:
        first = _related(within, query) or _ordered(within, query, ranked)
    if not query.subject and not query.span:
        first += _spread([hit for hit in ranked if hit.caption.kind in query.kinds] or ranked, within.duration_seconds)
    hits = _distinct([*first, *ranked])
    return Recall(hits[: max(k, _OVERVIEW if not query.subject and k >= 12 else k)], query)


def _within_span(ranked: list[Hit], query: Query, span: Interval) -> list[Hit]:
    """Return what holds in a named range: the meant kinds first, what lies in it before what only touches it."""
    start, end = span
    anchor = {"middle": (start + end) / 2, "end": end - 0.01}.get(
        query.towards, start if end - start > 2 else (start + end) / 2
    )

    def order(hit: Hit) -> tuple[float, ...]:
        caption = hit.caption
        length = caption.end_seconds - caption.start_seconds
        inside = (min(caption.end_seconds, end) - max(caption.start_seconds, start)) / length
        away = max(caption.start_seconds - anchor, anchor - caption.end_seconds, 0.0)
        return (
            -float(caption.kind in query.kinds or not query.kinds),
            float(caption.kind == "shot" and "shot" not in query.kinds),
            -float(inside >= 0.5),
            -round(hit.score, 1) if query.subject else 0.0,
            float(caption.kind == "measure" and "measure" not in query.kinds),
            away,
            length,
        )

    return sorted(ranked, key=order)


def _ordered(within: _Range, query: Query, ranked: list[Hit]) -> list[Hit]:
    """Return what is first, second or last, if the question asks for that."""
    if query.ordinal is None:
        return []
    if query.ordinal.kind is None:
        best = [
            hit
            for hit in ranked
            if hit.score >= _ALIKE * ranked[0].score and hit.caption.kind == ranked[0].caption.kind
        ]
        best = _distinct(sorted(best, key=lambda hit: hit.caption.start_seconds))
        position = query.ordinal.position
        return [best[position]] if query.subject and -len(best) <= position < len(best) and ranked[0].score > 0 else []
    captions = [caption for caption in within.captions() if caption.kind == query.ordinal.kind]
    if query.ordinal.kind == "shot":
        captions = [caption for caption in captions if caption.attributes.get("event") != "sudden_change"]
    if not -len(captions) <= query.ordinal.position < len(captions):
        return []
    start, end = captions[query.ordinal.position].start_seconds, captions[query.ordinal.position].end_seconds
    asked = set(query.kinds) - {"shot"}
    if query.ordinal.kind == "shot" and (asked or "shot" not in query.kinds):
        # It says where to look; what to look for is the rest.
        hits = [hit for hit in ranked if hit.caption.overlaps(start, end) and hit.caption.kind != "shot"]
        return sorted(hits, key=lambda hit: bool(asked) and hit.caption.kind not in asked)
    return [Hit(caption) for caption in sorted(captions, key=lambda c: abs(c.start_seconds - start))]


def _related(within: _Range, query: Query) -> list[Hit]:
    """Return what comes after, before, during or between moments that the question describes."""
    relation = query.relation
    anchor = None if relation is None else _described(within, relation.what)
    if relation is None or anchor is None:
        return []
    if relation.name == "between":
        last = _described(within, relation.until)
        if last is None or anchor.end_seconds > last.start_seconds + _SLACK_SECONDS:
            return []
        return _fitting(within, relation, lambda c: _after(c, anchor) and _before(c, last))

    def fits(caption: Caption) -> bool:
        if relation.name == "during":
            return caption.overlaps(anchor.start_seconds, anchor.end_seconds)
        return _after(caption, anchor) if relation.name == "after" else _before(caption, anchor)

    hits = _fitting(within, relation, lambda c: c.id != anchor.id and fits(c))
    if relation.name == "before":
        hits.sort(key=lambda hit: -hit.caption.end_seconds)
    if not relation.kinds:
        # Asked only what happens, the next line answers a line, the next slide a slide; a shot says least.
        same = None if relation.name == "during" else anchor.kind
        hits.sort(key=lambda hit: (hit.caption.kind != same, hit.caption.kind in ("shot", "measure")))
    return hits


def _after(caption: Caption, anchor: Caption) -> bool:
    return caption.start_seconds >= anchor.end_seconds - _SLACK_SECONDS


def _before(caption: Caption, anchor: Caption) -> bool:
    return caption.end_seconds <= anchor.start_seconds + _SLACK_SECONDS


def _fitting(within: _Range, relation: Relation, fits: Callable[[Caption], bool]) -> list[Hit]:
    """Return the captions that fit, of the meant kinds if any of those do, in temporal order."""
    captions = [caption for caption in within.captions() if fits(caption)]
    meant = [caption for caption in captions if caption.kind in relation.kinds]
    return [Hit(caption) for caption in meant or captions]


def _described(within: _Range, clause: str) -> Caption | None:
    """Return the caption that a clause describes ("the first slide", "the milk is poured"), if one does."""
    query = Query.parse(clause, within.duration_seconds)
    ranked = within.ranked(query.wording, query.kinds)
    if ordered := _ordered(within, query, ranked):
        return ordered[0].caption
    # How near something must be to be meant is no matter of what else there is.
    index, embedder = within.stored.index(), within.stored.embedder
    vector = embedder.query(query.wording)
    for by, least in (("lexical", _ANCHOR_WORDS), ("dense", _ANCHOR_LIKENESS)):
        if by == "lexical" or embedder.semantic:
            hits = search_video(index, query.wording, vector, within.rows, embedder, by, 1)
            if hits and hits[0].score >= least:
                return hits[0].caption
    return None


def _spread(ranked: Sequence[Hit], duration_seconds: float) -> list[Hit]:
    """Return the best hit of each of as many parts of the video as an overview has lines."""
    best: dict[int, Hit] = {}
    for hit in ranked:
        best.setdefault(int(_OVERVIEW * hit.caption.start_seconds / max(duration_seconds, 1e-3)), hit)
    return sorted(best.values(), key=lambda hit: -hit.score)


def _distinct(hits: Iterable[Hit]) -> list[Hit]:
    """Return hits once each; those that say the same and touch are one, and those that only say the same come later."""
    kept: list[Hit] = []
    seen: set[str] = set()
    alike: dict[tuple[str, ...], list[int]] = {}
    repeats: Counter[tuple[str, ...]] = Counter()
    late: list[tuple[float, Hit]] = []
    for place, hit in enumerate(hits):
        caption = hit.caption
        if caption.id in seen:
            continue
        seen.add(caption.id)
        # Shots and measurements hold numbers of their own.
        own = caption.kind in ("shot", "measure")
        key = (caption.kind, caption.id) if own else (caption.kind, *all_words(caption.text))
        start, end = caption.start_seconds - _SLACK_SECONDS, caption.end_seconds + _SLACK_SECONDS
        touching = next(
            (i for i in alike.get(key, []) if kept[i].start_seconds <= end and start <= kept[i].end_seconds), None
        )
        if touching is not None:
            other = kept[touching]
            together = min(other.start_seconds, caption.start_seconds), max(other.end_seconds, caption.end_seconds)
            kept[touching] = replace(other, span=together)
            continue
        alike.setdefault(key, []).append(len(kept))
        kept.append(hit)
        late.append((place + 4.0 * repeats[key], hit))
        repeats[key] += 1
    order = sorted(range(len(kept)), key=lambda i: late[i][0])
    return [kept[i] for i in order]


def _length(stored: VideoCaptions) -> float:
    return float(stored.facts().get("duration_seconds") or stored.end_seconds() or 1.0)


def recall_library(
    store: CaptionStore,
    question: str | Query,
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
    text = question.text if isinstance(question, Query) else question
    query = Query.parse(text, UNKNOWN_SECONDS)
    chosen = None if video_ids is None else list(video_ids)
    wanted = check_kinds(kinds)
    filters: dict[str, Any] = {"kinds": wanted, "start_seconds": start_seconds, "end_seconds": end_seconds}
    if chosen is not None and len(set(chosen)) == 1 and (stored := store.captions_of(chosen[0])).known:
        return recall(stored, text, duration_seconds=_length(stored), k=k, **filters)
    pool = store.search(query.wording, k=max(8 * k, 100), video_ids=chosen, **filters) if query.wording else []
    prior: dict[str, float] = {}
    for hit in pool:
        score = hit.score + (_SENSE_WEIGHT if hit.caption.kind in query.kinds else 0.0)
        score -= _MEASURE_WEIGHT if hit.caption.kind == "measure" and "measure" not in query.kinds else 0.0
        prior[hit.caption.video_id] = max(prior.get(hit.caption.video_id, -math.inf), score)
    merged: list[Hit] = []
    best = sorted(prior, key=lambda video_id: -prior[video_id])
    if not query.subject:
        best += [video_id for video_id in (chosen or store.video_ids()) if video_id not in prior]
    for video_id in best[: _VIDEOS_READ if query.subject else _VIDEOS_ASKED]:
        stored = store.captions_of(video_id)
        found = recall(stored, text, duration_seconds=_length(stored), k=k, **filters).hits
        # The best of each video stands for it; the others follow by their place within it. Where nothing in the
        # question tells videos apart, each has its share.
        step = _RANK_WEIGHT if query.subject else 1.0
        for rank, hit in enumerate(found):
            score = (
                prior[video_id]
                if query.subject
                else float(hit.caption.kind in query.kinds) + 0.01 * prior.get(video_id, 0.0)
            )
            merged.append(replace(hit, score=score - step * rank))
    merged.sort(key=lambda hit: -hit.score)
    known = {hit.caption.id for hit in merged}
    merged += [hit for hit in pool if hit.caption.id not in known]
    return Recall(merged[:k], query)


def find_moments(
    store: CaptionStore,
    words: str,
    *,
    video_ids: Iterable[str] | None = None,
    k: int = 12,
    kinds: Iterable[str] | None = None,
) -> list[Hit]:
    """Find what people look for in several videos, best first: as `recall_library`, without what only is nearest.

    Args:
        store: where the captions are.
        words: what is looked for.
        video_ids: only of these videos; None for all.
        k: how many at most.
        kinds: only of these kinds; None for all but summaries.

    Raises:
        InvalidArgument, UnknownName, StoreError: as `CaptionStore.search`.
    """
    chosen = None if video_ids is None else list(video_ids)
    hits = recall_library(store, words, video_ids=chosen, k=k, kinds=kinds).hits
    if Query.parse(words, UNKNOWN_SECONDS).span:
        return hits
    # Something is always nearest; what shares neither words nor meaning with them is not what was looked for.
    sharing = store.search(words, k=max(len(hits), 1), video_ids=chosen, by="lexical")
    shared = {hit.caption.id for hit in sharing}
    return [hit for hit in hits if hit.similarity >= _MEANT or hit.caption.id in shared]
