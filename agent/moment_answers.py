"""Answers to questions that name a place in time: what is first, last or third, and what is there in a range."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from videochat.agent.findings import Asked, Finding
from videochat.agent.measured_answers import cuts, shares
from videochat.agent.notes import by_overlap, joined_sentences, longest_of
from videochat.intervals import Interval, clock
from videochat.memory import Hit
from videochat.memory.appearances import first_captions

_QUOTES = 3
_T = TypeVar("_T")


def at_moment(asked: Asked) -> list[Finding]:
    """Return what is at the place in time that the question names: the first, the last, a range."""
    query = asked.query
    found: list[Finding] = []
    if query.asks in ("other", "summary", "when", "list", "extreme", "presence", "where"):
        found = ordinal(asked)
    # What is not there at that time is not answered by what else is.
    named = query.asks in ("presence", "count", "where", "amount") and (asked.labels or asked.strange())
    if not found and query.span is not None and not named:
        found = within(asked, query.span)
    return found


def ordinal(asked: Asked) -> list[Finding]:
    """Return what is first, last, or at some place among what the question names."""
    order, notes, say = asked.query.ordinal, asked.notes, asked.say
    if order is None:
        return []
    at = order.position
    if asked.labels and order.kind in (None, "shot"):
        if asked.query.asks == "other" and asked.beside_labels():
            return []  # when it is there does not tell what else is asked of it
        pieces = sorted(
            (c for thing in asked.meant() for c in thing.captions), key=lambda c: (c.start_seconds, c.end_seconds)
        )
        if at == -1 and not say.means("appears"):
            last = max(pieces, key=lambda c: c.end_seconds)
            return [Finding(say("last_seen", what=say.one(last.text), when=clock(last.end_seconds)), (Hit(last),))]
        starts = first_captions(pieces)
        if -len(starts) <= at < len(starts):
            first = starts[at]
            return [Finding(say("seen_from", what=say.one(first.text), when=clock(first.start_seconds)), (Hit(first),))]
        return []
    kind = order.kind or next((k for k in ("speech", "ocr") if k in asked.query.kinds), None)
    if kind is None and say.means("shot"):
        kind = "shot"
    if kind in (None, "shot") and say.first("cut", "shot") == "cut":
        return cuts(asked, at)
    if kind == "shot" and (shots := notes.of("shot")) and -len(shots) <= at < len(shots):
        span = shots[at].start_seconds, shots[at].end_seconds
        return [asked.shot("shot_is", shots[at]), *within(asked, span)]
    if kind in ("speech", "ocr"):
        hits = asked.in_span(notes.of(kind))
        hits = [h for h in hits if not asked.strange() or shares(asked.query.subject, h.caption)] or hits
        if kind == "speech" and (groups := joined_sentences(hits)) and -len(groups) <= at < len(groups):
            group = groups[at]
            return [asked.spoken(group[::-1] if at < 0 else group, group)]
        return [Finding(asked.quoted("shown", hits[at]), (hits[at],))] if -len(hits) <= at < len(hits) else []
    if not asked.query.subject or say.means("thing"):
        edge = notes.video.duration_seconds / 10
        end = notes.video.duration_seconds
        return within(asked, (0.0, max(edge, 2.0)) if at == 0 else (max(end - edge, 0.0), end)) if at in (0, -1) else []
    fitting = sorted(asked.fitting(), key=lambda hit: hit.start_seconds)
    return [asked.told(fitting[at])] if fitting and -len(fitting) <= at < len(fitting) else []


def within(asked: Asked, span: Interval) -> list[Finding]:
    """Return what is there in a range: what fits the question, else everything that has content."""
    start, end = span
    # "The second shot" says where to look, not what for.
    kinds = tuple(kind for kind in asked.query.kinds if kind != "shot" or asked.query.ordinal is None)
    there = [hit for hit in asked.hits if hit.start_seconds < end and start < hit.end_seconds]
    if kinds:
        meant = [hit for hit in there if hit.caption.kind in kinds]
        meant = meant or asked.touching(kinds, span)
        if meant and "speech" in kinds and meant[0].caption.kind == "speech":
            groups = joined_sentences(
                sorted((h for h in meant if h.caption.kind == "speech"), key=lambda h: h.start_seconds)
            )
            return [asked.spoken(group) for group in _few(asked, groups)]
        meant = [hit for hit in meant if asked.measures_it(hit.caption)] or meant
        if meant:
            return [asked.told(hit) for hit in by_overlap(meant, span)[:_QUOTES]]
        if kinds != ("measure",):
            return []
    if asked.query.subject and asked.query.asks not in ("summary", "list") and not asked.labels:
        fitting = [hit for hit in asked.fitting() if hit.start_seconds < end and start < hit.end_seconds]
        if fitting or asked.strange():
            return [asked.told(hit) for hit in fitting[:_QUOTES]]
    found: list[tuple[float, Finding]] = []
    for kind in ("speech", "ocr", "action", "clip_caption", "video_caption"):
        hits = by_overlap(asked.touching((kind,), span), span)
        if kind == "speech":
            hits = _few(asked, sorted(hits, key=lambda h: h.start_seconds))
            found += [(group[0].start_seconds, asked.spoken(group)) for group in joined_sentences(hits)]
        else:
            found += [(hit.start_seconds, asked.told(hit)) for hit in hits[:_QUOTES]]
    things = [thing for thing in (asked.clipped(t, span) for t in asked.notes.things) if thing is not None]
    things.sort(key=lambda thing: thing.first_seconds)
    if things:
        listed = asked.say.listed(asked.say.many(thing.at_once, thing.name) for thing in things[:6])
        cited = tuple(longest_of(thing) for thing in things[:3])
        found.append((cited[0].start_seconds, Finding(asked.say("seen", what=listed), cited, computed=True)))
    if not found:
        rest = asked.touching(("dense_caption", "tags", "measure", "shot"), span)
        rest = [hit for hit in rest if "loudness" not in hit.caption.attributes] or rest
        found = [(hit.start_seconds, asked.told(hit)) for hit in by_overlap(rest, span)[:2]]
    return [finding for _, finding in found][: 2 * _QUOTES]


def _few(asked: Asked, items: Sequence[_T]) -> list[_T]:
    """Return a few of what is told in temporal order: the last where the question looks from the end."""
    return list(items[-_QUOTES:] if asked.query.towards == "end" else items[:_QUOTES])
