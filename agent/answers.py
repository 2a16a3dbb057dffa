"""Answers that follow from the notes, by what a question asks for: lengths, counts, firsts, extremes, places, quotes.

Without a language model they are the answer; with one, what was counted and compared among them is a part of what it is
sent.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from videochat.agent.follow_up import ReadQuestion
from videochat.agent.notes import (
    Notes,
    at_most,
    best_of,
    by_overlap,
    crowd,
    joined_sentences,
    known_first,
    length_of,
    longest_of,
    range_text,
    same_moment,
    spread,
    when,
)
from videochat.agent.phrases import Phrases
from videochat.agent.video_set import VideoSet
from videochat.agent.word_overlap import coverage
from videochat.intervals import Interval, clock
from videochat.memory import Hit, appearances, browse
from videochat.memory.appearances import Appearance, labels_meant, place
from videochat.memory.merged import merge_equal
from videochat.memory.query import Query
from videochat.memory.words import all_words
from videochat.records import Caption, Kind

# How much of what a question is about a caption must share to be quoted; found on one half of
# benchmarks/natural_questions.json.
_ENOUGH, _ENOUGH_OF_KIND, _ENOUGH_LIKENESS, _NEAR_LIKENESS = 0.5, 0.3, 0.45, 0.25
_NEARLY_AS_GOOD = 0.75
_MOST_BESIDE = 2
_QUOTES, _LISTED, _MOST_SENTENCES = 3, 12, 12
_CONTENT: tuple[Kind, ...] = ("speech", "ocr", "action", "clip_caption", "video_caption", "tags", "objects")


@dataclass(frozen=True)
class Finding:
    """A sentence that follows from the notes, with the captions that it rests on."""

    text: str
    """In the language of the question, without citations."""
    hits: tuple[Hit, ...] = ()
    """What it rests on, best first; none where it rests on the file itself."""
    computed: bool = False
    """Whether it was counted, measured or compared, so that no single caption says it."""


@dataclass(frozen=True)
class Answered:
    """What the notes say to a question."""

    findings: list[Finding]
    """Best first."""
    found: bool = True
    """Whether they answer it; else they are only what comes nearest."""


def find(query: Query, notes: Notes, hits: Sequence[Hit]) -> Answered:
    """Return what the notes of one video say to a question.

    Args:
        query: the question as it was read.
        notes: of the video.
        hits: what was found for it, best first.
    """
    return _Finder(query, notes, hits).find()


def find_in_videos(video_set: VideoSet, read: ReadQuestion, hits: Sequence[Hit]) -> Answered:
    """Return what the notes of videos say to a question: of several, each video in which something was found.

    Args:
        video_set: the videos.
        read: the question, and the range that it is about.
        hits: what was found for it, best first.
    """
    several: list[Answered] = []
    order = list(dict.fromkeys(hit.caption.video_id for hit in hits))
    for video in sorted(video_set.videos, key=lambda v: order.index(v.id) if v.id in order else len(order)):
        stored = video_set.captions_of(video)
        captions = stored.between(read.start_seconds, read.end_seconds or math.inf)
        if read.end_seconds is not None:
            captions = [c for c in captions if c.end_seconds <= read.end_seconds + 0.5]
        elif read.start_seconds:
            captions = [c for c in captions if c.start_seconds >= read.start_seconds - 0.1]
        whole = next(iter(browse(stored, "whole")), None)
        query = read.query
        if video_set.several:
            query = Query.parse(query.text, video.duration_seconds)
        mine = [hit for hit in hits if hit.caption.video_id == video.id]
        several.append(find(query, Notes(video, captions, whole), mine))
    found = [answered for answered in several if answered.found]
    if not found:
        return several[0]
    if not video_set.several:
        return found[0]
    each = max(_MOST_SENTENCES // len(found), 1)
    return Answered([finding for answered in found for finding in answered.findings[:each]])


class _Finder:
    """One question to the notes of one video."""

    def __init__(self, query: Query, notes: Notes, hits: Sequence[Hit]) -> None:
        self.query, self.notes, self.hits = query, notes, list(hits)
        self.say = Phrases(query.text)
        self.labels = labels_meant([*query.subject, *query.names], (thing.name for thing in notes.things))
        if query.asks == "count" and len(self._beside_labels()) >= _MOST_BESIDE:
            self.labels = []  # it asks something of a thing that following it does not tell
        self.topic = self.say.topic
        self.text = query.text.casefold()

    def find(self) -> Answered:
        query = self.query
        if query.past_end is not None:
            length = clock(self.notes.video.duration_seconds)
            return Answered([Finding(self.say("past_end", length=length, when=clock(query.past_end)))], found=False)
        ways: dict[str, Callable[[], list[Finding]]] = {
            "length": self._length,
            "size": self._size,
            "summary": self._summary,
            "count": self._count,
            "extreme": self._extreme,
            "compare": self._compare,
            "when": self._when,
            "where": self._where,
            "list": self._list,
            "presence": self._presence,
        }
        narrow = query.asks == "summary" and (query.span is not None or query.relation is not None)
        way = None if narrow else ways.get(query.asks)
        found = way() if way else []
        if not found and query.asks in ("other", "when", "list", "extreme", "presence", "where"):
            found = self._ordinal()
        if not found and query.span is not None:
            found = self._within(query.span)
        if not found and query.asks not in ("length", "size", "count"):
            found = self._about_file() or self._measured() or self._quotes()
        if not found and query.asks in ("other", "presence") and not self._strange() and not query.kinds and not self.labels:
            found = self._summary() if query.ordinal is None and query.asks == "other" else []
        if not found and query.asks == "count":
            found = [f for f in self._quotes() if any(re.search(r"\d", h.caption.text) for h in f.hits)]
        return Answered(found) if found else Answered(self._nearest(), found=False)

    def _length(self) -> list[Finding]:
        notes, say = self.notes, self.say
        if self.say.means("shot"):
            shots = notes.of("shot")
            if say.direction:
                shot = best_of(shots, length_of, high=say.direction > 0)
                return [self._shot("shot_longest" if say.direction > 0 else "shot_shortest", shot)] if shot else []
            at = self.query.ordinal.position if self.query.ordinal else None
            if at is not None and -len(shots) <= at < len(shots):
                return [self._shot("shot_is", shots[at])]
            return [self._shot("shot_is", shot) for shot in shots[:_LISTED]]
        if self.labels:
            return [self._in_sight(thing) for thing in self._meant()[:_QUOTES]]
        if say.means("speech") or "speech" in self.query.kinds:
            spoken = merge_equal(c for c in notes.captions if c.kind == "speech")
            if spoken:
                total = sum(map(length_of, spoken))
                return [Finding(say("speech_length", seconds=f"{total:.1f}"), tuple(spoken[:_QUOTES]), computed=True)]
        if not [word for word in self.query.subject if word not in say.film_words]:
            return [
                Finding(
                    say(
                        "length",
                        length=clock(notes.video.duration_seconds),
                        seconds=f"{notes.video.duration_seconds:.1f}",
                    ),
                    self._self(),
                    computed=True,
                )
            ]
        return [
            Finding(say("lasts", what=self._sentence(hit), seconds=f"{length_of(hit):.1f}"), (hit,), computed=True)
            for hit in self._fitting()[:1]
        ]

    def _size(self) -> list[Finding]:
        video = self.notes.video
        if not video.has_video:
            return []
        width, height = video.size or (0, 0)
        shape = self.say("portrait" if height > width else "landscape" if width > height else "square")
        text = self.say("size", width=width, height=height, shape=shape, rate=f"{video.frame_rate:.4g}")
        return [Finding(text, self._self(), computed=True)]

    def _self(self) -> tuple[Hit, ...]:
        """Return what stands for the video as a whole: its summary, else the caption that reaches furthest."""
        if self.notes.whole is not None:
            return (Hit(self.notes.whole),)
        last = max(self.notes.captions, key=lambda c: c.end_seconds - c.start_seconds, default=None)
        return () if last is None else (Hit(last),)

    def _about_file(self) -> list[Finding]:
        idle = [word for word in self.query.subject if not self._idle(word)]
        if self.query.asks not in ("presence", "other") or not self.say.means("sound") or idle:
            return []
        spoken = [hit for hit in merge_equal(c for c in self.notes.captions if c.kind == "speech")]
        text = self.say("sound" if self.notes.video.has_audio else "silent")
        return [Finding(text, (*spoken[:1], *self._self())[:1], computed=True)]

    def _summary(self) -> list[Finding]:
        notes, say = self.notes, self.say
        shots, texts, spoken = notes.of("shot"), notes.of("ocr"), joined_sentences(notes.of("speech"))
        length = clock(notes.video.duration_seconds)
        key = "summary_shots" if len(shots) > 1 else "summary_length"
        found = [Finding(say(key, length=length, shots=len(shots)), self._self(), computed=True)]
        told: list[tuple[float, Finding]] = []
        for kind in ("video_caption", "action", "clip_caption"):
            seen = spread(notes.of(kind), 4)
            told += [(hit.start_seconds, Finding(self._sentence(hit), (hit,))) for hit in seen]
        if notes.things:
            things = notes.things[:6]
            listed = say.listed(say.many(t.at_once, t.name) for t in things)
            cited = tuple(longest_of(thing) for thing in things[:3])
            told.append((things[0].first_seconds, Finding(say("seen", what=listed), cited, computed=True)))
        told += [(hit.start_seconds, Finding(self._quoted("shown", hit), (hit,))) for hit in spread(texts, 4)]
        told += [(group[0].start_seconds, self._spoken(group)) for group in spread(spoken, 5)]
        vague = [c for c in notes.captions if c.kind == "speech" and c.attributes.get("words_known") is False]
        if vague and not spoken:
            told.append((vague[0].start_seconds, Finding(say("somebody_speaks"), (Hit(vague[0]),))))
        if not told:
            measured = [c for c in notes.captions if c.kind == "measure"]
            told += [(c.start_seconds, Finding(self._sentence(Hit(c)), (Hit(c),))) for c in spread(measured, 2)]
        return found + [finding for _, finding in sorted(told, key=lambda item: item[0])] if told else found

    def _count(self) -> list[Finding]:
        notes, say = self.notes, self.say
        if self.labels:
            things = [self._clipped(thing) for thing in self._meant()]
            return [self._counted(thing) for thing in things if thing is not None][:_QUOTES]
        if say.means("shot") or say.means("cut"):
            shots = self._in_span(notes.of("shot"))
            key = "shots" if not say.means("cut") else "cuts" if len(shots) > 1 else "no_cuts"
            number = len(shots) - 1 if key == "cuts" else len(shots)
            return [Finding(say(key, n=number), tuple(shots[:_LISTED]), computed=True)] if shots else []
        if "ocr" in self.query.kinds and (texts := self._in_span(notes.of("ocr"))):
            return [Finding(say("texts", n=len(texts)), tuple(texts[:_LISTED]), computed=True)]
        words = [word for word in self.query.subject if not say.is_word("speech", word)]
        if "speech" in self.query.kinds and words:
            having = [hit for hit in self._in_span(notes.of("speech")) if _shares(words, hit.caption)]
            said = sum(_times(words, hit.caption.text) for hit in having)
            text = say("said_times", n=said, what=" ".join(words))
            return [Finding(text, tuple(having[:_QUOTES]), computed=True)] if having else []
        if "speech" in self.query.kinds and (spoken := self._in_span(notes.of("speech"))):
            return [Finding(say("sentences", n=len(joined_sentences(spoken))), tuple(spoken[:_QUOTES]), computed=True)]
        return []

    def _counted(self, thing: Appearance) -> Finding:
        name = self.say.many(thing.at_once, thing.name)
        key = "count_same" if thing.count == thing.at_once else "count"
        text = self.say(key, what=name, n=thing.count, name=self.say.many(thing.count, thing.name))
        return Finding(text, tuple(at_most(thing)), computed=True)

    def _extreme(self) -> list[Finding]:
        notes, say = self.notes, self.say
        if say.means("shot") and (self.topic in ("", "length")):
            shot = best_of(notes.of("shot"), length_of, high=say.direction >= 0)
            key = "shot_longest" if say.direction >= 0 else "shot_shortest"
            return [self._shot(key, shot)] if shot else []
        if self.topic in ("lightness", "moving_share", "camera_speed"):
            measured = [c for c in self._windows() if self.topic in c.attributes]
            best = best_of([Hit(c) for c in measured], self._value, high=say.direction >= 0)
            if best is not None:
                key = f"{self.topic}_{'most' if say.direction >= 0 else 'least'}"
                return [Finding(say(key, when=when(best), value=f"{self._value(best):.0%}"), (best,), computed=True)]
        if self.labels:
            thing = self._meant()[0]
            start, end, cited = crowd(thing)
            text = say("most_at_once", what=say.many(thing.at_once, thing.name), when=range_text(start, end))
            return [Finding(text, tuple(cited), computed=True)]
        if notes.things and (say.means("thing") or self.topic == "length"):
            return [self._in_sight(notes.things[0 if say.direction >= 0 else -1])]
        return []

    def _compare(self) -> list[Finding]:
        """Compare two halves, or two moments that the question names, by what it asks about."""
        notes, say, middle = self.notes, self.say, self.notes.video.duration_seconds / 2
        spans = say.two_moments(self.text, notes.video.duration_seconds) or [(0.0, middle), (middle, 2 * middle)]
        topic = self.topic or ("" if self.labels else "lightness" if "measure" in self.query.kinds else "")
        if topic in ("lightness", "moving_share", "camera_speed"):
            sides = []
            for start, end in spans:
                held = [c for c in notes.captions if topic in c.attributes and c.overlaps(start, end)]
                if not held:
                    return []
                sides.append((sum(float(c.attributes[topic]) for c in held) / len(held), held))
            (one, first), (two, last) = sides
            cited = Hit(first[0]), Hit(last[-1])
            key = f"{topic}_{'same' if abs(one - two) < 0.02 else 'falls' if one > two else 'rises'}"
            values = {
                "one": f"{one:.0%}",
                "two": f"{two:.0%}",
                "first": _moment(*spans[0]),
                "second": _moment(*spans[1]),
            }
            more = max(zip(sides, cited, strict=True), key=lambda s: s[0][0] * (say.direction or 1))[1]
            hits = tuple(sorted(cited, key=lambda hit: hit is not more))
            return [Finding(say(key, **values), hits, computed=True)]
        if self.labels:
            counts = []
            name = self.labels[0]
            for start, end in spans:
                there = appearances([c for c in notes.captions if c.kind == "objects" and c.overlaps(start, end)], name)
                counts.append((there[0].at_once, tuple(at_most(there[0]))) if there else (0, ()))
            (one, first), (two, last) = counts
            if not first and not last:
                return []
            text = say(
                "more",
                one=say.many(one, name),
                two=say.many(two, name),
                first=_moment(*spans[0]),
                second=_moment(*spans[1]),
            )
            ordered = (*first[:2], *last[:2]) if one >= two else (*last[:2], *first[:2])
            return [Finding(text, ordered, computed=True)]
        named = labels_meant(all_words(self.text), [thing.name for thing in notes.things])
        return [self._counted(thing) for thing in notes.things if thing.name in named]

    def _when(self) -> list[Finding]:
        if self.say.direction and (self.topic in ("lightness", "moving_share", "camera_speed")):
            return self._extreme()
        if self.query.ordinal is not None and (found := self._ordinal()):
            return found
        if self.labels:
            return [self._seen(thing) for thing in self._meant()[:_QUOTES]]
        if self.say.means("cut") and (shots := self.notes.of("shot")[1:]):
            text = self.say("cut_at", when=self.say.listed(clock(hit.start_seconds) for hit in shots[:_LISTED]))
            return [Finding(text, tuple(shots[:_LISTED]), computed=True)]
        return []

    def _where(self) -> list[Finding]:
        size = self.notes.video.size or (1, 1)
        found = []
        for thing in self._meant()[:_QUOTES]:
            inside = self._clipped(thing)
            hit = longest_of(inside or thing)
            if hit.caption.box is not None:
                where = self.say.place(*place(hit.caption.box, size))
                found.append(Finding(self.say("where", what=self.say.one(thing.name), where=where), (hit,), True))
        return found

    def _list(self) -> list[Finding]:
        notes, say = self.notes, self.say
        if "ocr" in self.query.kinds and not self.labels:
            return [Finding(self._quoted("shown", hit), (hit,)) for hit in self._in_span(notes.of("ocr"))[:_LISTED]]
        if "speech" in self.query.kinds and not self.labels:
            return [self._spoken(group) for group in joined_sentences(self._in_span(notes.of("speech")))[:_LISTED]]
        if say.means("shot"):
            return [self._shot("shot_is", shot) for shot in notes.of("shot")[:_LISTED]]
        # "What things are in the room?" means all of them, wherever they are.
        things = self._meant() or ([] if self._strange() and not say.means("thing") else notes.things)
        clipped = [thing for thing in map(self._clipped, things) if thing is not None]
        if not clipped:
            return []
        listed = say.listed(say.many(thing.at_once, thing.name) for thing in clipped[:_LISTED])
        cited = tuple(longest_of(thing) for thing in clipped[:_LISTED])
        return [Finding(say("seen", what=listed), cited, computed=True)]

    def _presence(self) -> list[Finding]:
        if self.labels:
            things = [thing for thing in map(self._clipped, self._meant()) if thing is not None]
            return [self._seen(thing, yes=True) for thing in things[:_QUOTES]]
        if "measure" in self.query.kinds or self.topic:
            return []
        subject = [w for w in self.query.subject if not any(self.say.is_word(k, w) for k in ("speech", "ocr", "cut"))]
        for kind in ("speech", "ocr"):
            if kind in self.query.kinds and not subject:
                captions = [c for c in self.notes.captions if c.kind == kind]
                hits = self._in_span(known_first(merge_equal(captions)))
                return [Finding(self._sentence(hit, yes=True), (hit,)) for hit in hits[:1]]
        if self.say.means("cut") and len(shots := self.notes.of("shot")) > 1:
            return [Finding(self.say("cuts", n=len(shots) - 1), tuple(shots[1:_LISTED]), computed=True)]
        return []

    def _ordinal(self) -> list[Finding]:
        """Return what is first, last, or at some place among what the question names."""
        order, notes, say = self.query.ordinal, self.notes, self.say
        if order is None:
            return []
        at = order.position
        if self.labels and order.kind in (None, "shot"):
            pieces = sorted(
                (c for thing in self._meant() for c in thing.captions), key=lambda c: (c.start_seconds, c.end_seconds)
            )
            if at == -1:
                last = max(pieces, key=lambda c: c.end_seconds)
                return [Finding(say("last_seen", what=say.one(last.text), when=clock(last.end_seconds)), (Hit(last),))]
            starts = list({c.track_id if c.track_id is not None else c.id: c for c in reversed(pieces)}.values())[::-1]
            starts.sort(key=lambda c: c.start_seconds)
            if at < len(starts):
                first = starts[at]
                return [
                    Finding(say("seen_from", what=say.one(first.text), when=clock(first.start_seconds)), (Hit(first),))
                ]
            return []
        kind = order.kind or next((k for k in ("speech", "ocr") if k in self.query.kinds), None)
        if kind is None and say.means("shot"):
            kind = "shot"
        if kind == "shot" and (shots := notes.of("shot")) and -len(shots) <= at < len(shots):
            span = shots[at].start_seconds, shots[at].end_seconds
            return [self._shot("shot_is", shots[at]), *self._within(span)]
        if kind in ("speech", "ocr"):
            hits = self._in_span(notes.of(kind))
            hits = [h for h in hits if not self._strange() or _shares(self.query.subject, h.caption)] or hits
            if kind == "speech" and (groups := joined_sentences(hits)) and -len(groups) <= at < len(groups):
                group = groups[at]
                return [self._spoken(group[::-1] if at < 0 else group, group)]
            return [Finding(self._quoted("shown", hits[at]), (hits[at],))] if -len(hits) <= at < len(hits) else []
        if not self.query.subject or say.means("thing"):
            edge = notes.video.duration_seconds / 10
            end = notes.video.duration_seconds
            return (
                self._within((0.0, max(edge, 2.0)) if at == 0 else (max(end - edge, 0.0), end)) if at in (0, -1) else []
            )
        fitting = sorted(self._fitting(), key=lambda hit: hit.start_seconds)
        return [self._told(fitting[at])] if fitting and -len(fitting) <= at < len(fitting) else []

    def _within(self, span: Interval) -> list[Finding]:
        """Return what is there in a range: what fits the question, else everything that has content."""
        start, end = span
        there = [hit for hit in self.hits if hit.start_seconds < end and start < hit.end_seconds]
        if self.query.kinds:
            meant = [hit for hit in there if hit.caption.kind in self.query.kinds]
            meant = meant or self._touching(self.query.kinds, span)
            if meant and "speech" in self.query.kinds and meant[0].caption.kind == "speech":
                groups = joined_sentences(
                    sorted((h for h in meant if h.caption.kind == "speech"), key=lambda h: h.start_seconds)
                )
                return [self._spoken(group) for group in groups[:_QUOTES]]
            if meant:
                return [self._told(hit) for hit in by_overlap(meant, span)[:_QUOTES]]
            if self.query.kinds != ("measure",):
                return []
        if self.query.subject and self.query.asks not in ("summary", "list") and not self.labels:
            fitting = [hit for hit in self._fitting() if hit.start_seconds < end and start < hit.end_seconds]
            if fitting or self._strange():
                return [self._told(hit) for hit in fitting[:_QUOTES]]
        found: list[tuple[float, Finding]] = []
        for kind in ("speech", "ocr", "action", "clip_caption", "video_caption"):
            hits = by_overlap(self._touching((kind,), span), span)
            if kind == "speech":
                hits = sorted(hits[:_QUOTES], key=lambda h: h.start_seconds)
                found += [(group[0].start_seconds, self._spoken(group)) for group in joined_sentences(hits)]
            else:
                found += [(hit.start_seconds, self._told(hit)) for hit in hits[:_QUOTES]]
        things = [thing for thing in (self._clipped(t, span) for t in self.notes.things) if thing is not None]
        if things:
            listed = self.say.listed(self.say.many(thing.at_once, thing.name) for thing in things[:6])
            cited = tuple(longest_of(thing) for thing in things[:3])
            found.append((cited[0].start_seconds, Finding(self.say("seen", what=listed), cited, computed=True)))
        if not found:
            rest = self._touching(("dense_caption", "tags", "measure", "shot"), span)
            found = [(hit.start_seconds, self._told(hit)) for hit in by_overlap(rest, span)[:2]]
        return [finding for _, finding in found][: 2 * _QUOTES]

    def _measured(self) -> list[Finding]:
        """Return what was measured of what is asked: light, colours, camera, motion."""
        if "measure" not in self.query.kinds and self.topic not in ("lightness", "colours", "camera_speed"):
            return []
        topic = {"lightness": "light", "camera_speed": "camera", "moving_share": "motion"}.get(self.topic, self.topic)
        held: dict[str, list[Caption]] = {}
        for caption in self._windows():
            phrase = str(caption.attributes.get(topic) or caption.text)
            held.setdefault(re.sub(r"\s*\(?[\d.]+%.*?(?=,|;|$)", "", phrase) or phrase, []).append(caption)
        groups = sorted(held.items(), key=lambda item: -len(item[1]))
        return [
            Finding(
                self.say("measured", what=str(g[0].attributes.get(topic) or g[0].text)), (Hit(g[0]),), computed=True
            )
            for _, g in groups[:2]
        ]

    def _quotes(self) -> list[Finding]:
        """Return the captions that fit a question best, as sentences; those of one sentence are quoted together."""
        if self.query.relation is not None and self.hits:
            return [self._told(hit) for hit in self.hits[:2]]
        found: list[Finding] = []
        for hit in self._fitting():
            if any(hit.caption.id == other.caption.id for finding in found for other in finding.hits):
                continue
            found.append(self._told(hit))
            if len(found) == _QUOTES:
                break
        return found

    def _nearest(self) -> list[Finding]:
        """Return what comes nearest to a question that nothing answers; nothing where nothing is near."""
        share = coverage(self.query.subject, [hit.caption for hit in self.hits])
        near = [
            hit
            for hit in self.hits
            if hit.caption.kind not in ("measure", "shot")
            and (share[hit.caption.id] >= _ENOUGH / 2 or hit.similarity >= _NEAR_LIKENESS)
        ]
        return [self._told(hit) for hit in near[:2]]

    def _fitting(self) -> list[Hit]:
        """Return the hits that say what the question is about, best first."""
        words = self.query.subject
        captions = [hit.caption for hit in self.hits]
        share = coverage(words or self.query.terms, captions)
        if not words:
            order = [hit for hit in self.hits if not self.query.kinds or hit.caption.kind in self.query.kinds]
            return order if self.query.kinds else []
        # That a thing is there answers only whether, when, where and how many.
        mute = ("shot", "measure", "objects") if self.query.asks == "other" else ("shot", "measure")
        fits = {
            hit.caption.id: share[hit.caption.id] + max(hit.similarity - 0.2, 0.0)
            for hit in self.hits
            if hit.caption.kind not in mute
            and (share[hit.caption.id] >= self._enough(hit.caption) or hit.similarity >= _ENOUGH_LIKENESS)
        }
        order = [hit for hit in self.hits if hit.caption.id in fits]
        order = [hit for hit in order if hit.caption.kind in self.query.kinds] or order
        order.sort(key=lambda hit: -fits[hit.caption.id])
        return [hit for hit in order if fits[hit.caption.id] >= _NEARLY_AS_GOOD * fits[order[0].caption.id]]

    def _enough(self, caption: Caption) -> float:
        # Where a question names the sense, less of its words tell which caption it means.
        # Of a question in another language, captions can share little more than names.
        foreign = self.say.language != (caption.language or "en")
        return _ENOUGH_OF_KIND if caption.kind in self.query.kinds or foreign else _ENOUGH

    def _strange(self) -> bool:
        """Whether the question is about something beside what its type and sense name."""
        return not all(map(self._idle, self.query.subject))

    def _idle(self, word: str) -> bool:
        """Whether a word only says that something is seen or heard."""
        known = ("thing", "sound", "shot", "cut", "speech", "ocr", "person")
        return len(word) < 2 or word in self.say.film_words or any(self.say.is_word(name, word) for name in known)

    def _meant(self) -> list[Appearance]:
        return [thing for thing in self.notes.things if thing.name in self.labels]

    def _beside_labels(self) -> list[str]:
        """Return the words of the question that neither mean a thing that was followed nor are idle."""
        return [word for word in self.query.subject if not self._idle(word) and not labels_meant([word], self.labels)]

    def _clipped(self, thing: Appearance, span: Interval | None = None) -> Appearance | None:
        """Return what is seen of a thing in the range that the question names; None where nothing is."""
        span = span or self.query.span
        if span is None:
            return thing
        inside = [c for c in thing.captions if c.overlaps(*span)]
        return appearances(inside)[0] if inside else None

    def _in_span(self, hits: Sequence[Hit]) -> list[Hit]:
        span = self.query.span
        return [h for h in hits if span is None or (h.start_seconds < span[1] and span[0] < h.end_seconds)]

    def _touching(self, kinds: Iterable[Kind], span: Interval) -> list[Hit]:
        found = [hit for kind in kinds for hit in self.notes.of(kind)]
        return [hit for hit in found if hit.start_seconds < span[1] and span[0] < hit.end_seconds]

    def _windows(self) -> list[Caption]:
        found = [c for c in self.notes.captions if c.kind == "measure"]
        span = self.query.span
        return found if span is None else [c for c in found if c.overlaps(*span)]

    def _value(self, hit: Hit) -> float:
        return float(hit.caption.attributes[self.topic])

    def _shot(self, key: str, shot: Hit) -> Finding:
        text = self.say(key, seconds=f"{length_of(shot):.1f}", when=when(shot))
        return Finding(text, (shot,), computed=True)

    def _seen(self, thing: Appearance, *, yes: bool = False) -> Finding:
        spans = [range_text(start, end) for start, end in thing.spans[:4]]
        key = "yes_seen" if yes else "seen_at"
        firsts = [next(c for c in thing.captions if c.end_seconds > start) for start, _ in thing.spans[:4]]
        hits = tuple(Hit(c, span=thing.spans[i] if len(thing.captions) > 1 else None) for i, c in enumerate(firsts))
        return Finding(self.say(key, what=self.say.one(thing.name), when=self.say.listed(spans)), hits)

    def _in_sight(self, thing: Appearance) -> Finding:
        text = self.say("in_sight", what=self.say.one(thing.name), seconds=f"{thing.seconds:.1f}")
        return Finding(text, self._seen(thing).hits, computed=True)

    def _told(self, hit: Hit) -> Finding:
        """Return a caption as a sentence; of speech, the whole sentence of which it is a part."""
        if hit.caption.kind == "speech" and hit.caption.attributes.get("words_known") is not False:
            for group in joined_sentences(self.notes.of("speech")):
                if any(same_moment(hit, other) for other in group):
                    return self._spoken(sorted(group, key=lambda other: not same_moment(hit, other)), group)
        return Finding(self._sentence(hit), (hit,))

    def _spoken(self, cited: Sequence[Hit], group: Sequence[Hit] | None = None) -> Finding:
        words = " ".join(" ".join(hit.caption.text.split()) for hit in group or cited)
        return Finding(self.say("said", what=words), tuple(cited))

    def _quoted(self, key: str, hit: Hit) -> str:
        return self.say(key, what=" ".join(hit.caption.text.split()))

    def _sentence(self, hit: Hit, *, yes: bool = False) -> str:
        caption = hit.caption
        text = " ".join(caption.text.split())
        if caption.kind == "speech":
            known = caption.attributes.get("words_known") is not False
            return self.say("said", what=text) if known else self.say("somebody_speaks")
        if caption.kind == "ocr":
            return self.say("shown", what=text)
        if caption.kind == "objects":
            return self.say("yes_seen" if yes else "seen_at", what=self.say.one(caption.text), when=when(hit))
        if caption.kind == "shot":
            return (
                self.say("change")
                if caption.attributes.get("event") == "sudden_change"
                else self.say("shot_is", seconds=f"{length_of(hit):.1f}", when=when(hit))
            )
        return self.say("measured" if caption.kind == "measure" else "noted", what=text)


def _shares(words: Sequence[str], caption: Caption) -> bool:
    return coverage(list(words), [caption])[caption.id] >= _ENOUGH


def _times(words: Sequence[str], text: str) -> int:
    have = all_words(text)
    return max(sum(other.startswith(word) for other in have) for word in words) or 1


def _moment(start: float, end: float) -> str:
    """Return a range that a question names; a moment, which is read as a second and a half around it, as that."""
    return clock(start + 0.5) if end - start <= 2 else range_text(start, end)
