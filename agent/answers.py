"""Answers that follow from the notes, by what a question asks for: firsts, moments, places, lists, quotes.

Without a language model they are the answer; with one, what was counted and compared among them is a part of what it is
sent.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from videochat.agent.findings import Answered, Asked, Finding
from videochat.agent.follow_up import ReadQuestion
from videochat.agent.measured_answers import (
    MEASURED,
    about_sound,
    begins,
    colours_of,
    compare,
    count,
    cuts,
    extreme,
    length,
    measured,
    shares,
    size,
)
from videochat.agent.moment_answers import at_moment, ordinal
from videochat.agent.notes import (
    Notes,
    at_most,
    joined_sentences,
    known_first,
    longest_of,
    spread,
)
from videochat.agent.sound_answers import about_events
from videochat.agent.speaker_answers import about_speakers
from videochat.agent.video_set import VideoSet
from videochat.agent.word_overlap import coverage
from videochat.intervals import clock
from videochat.memory import Hit, appearances, browse
from videochat.memory.appearances import colours_meant, first_captions, labels_meant, place
from videochat.memory.gloss import as_asked
from videochat.memory.merged import merge_equal
from videochat.memory.query import Query
from videochat.memory.thing_names import detected_things, label_in
from videochat.memory.times import number_words
from videochat.memory.words import all_words, tokens

# How much of what a question is about a caption shares that comes near it.
_NEAR, _NEAR_LIKENESS = 0.25, 0.25
_QUOTES, _LISTED, _MOST_SENTENCES = 3, 12, 12
_MOST_NAMED = 3
# With more words than this beside a thing, whether it is there does not answer what is asked of it.
_MOST_BESIDE = 1


def find(query: Query, notes: Notes, hits: Sequence[Hit]) -> Answered:
    """Return what the notes of one video say to a question.

    Args:
        query: the question as it was read.
        notes: of the video.
        hits: what was found for it, best first.
    """
    return _find(Asked(query, notes, hits))


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
        if not video_set.memory.embedder.semantic:
            # It compares spelling, which says nothing of what a caption means.
            mine = [replace(hit, similarity=0.0) for hit in mine]
        several.append(find(query, Notes(video, captions, whole, video_set.watched_kinds(video)), mine))
    found = [answered for answered in several if answered.found]
    if not found:
        return several[0]
    if not video_set.several:
        return found[0]
    # "Which of them are dark?" is not answered by one that is measured to be bright, where some are dark.
    words = {*tokens(list(read.query.terms))}
    found = [a for a in found if any(words.intersection(tokens(all_words(f.text))) for f in a.findings)] or found
    each = max(_MOST_SENTENCES // len(found), 1)
    return Answered([finding for answered in found[:_MOST_SENTENCES] for finding in answered.findings[:each]])


def _find(asked: Asked) -> Answered:
    query = asked.query
    if query.past_end is not None:
        ends = clock(asked.notes.video.duration_seconds)
        return Answered([Finding(asked.say("past_end", length=ends, when=clock(query.past_end)))], found=False)
    if asked.asks_colour or (asked.colours and not asked.meant()):
        return _coloured(asked)
    only = query.asks in ("other", "list", "when") and query.relation is None
    titles = [asked.as_title(hit) for hit in asked.title()] if only else []
    found = titles or about_speakers(asked) or about_events(asked) or _by_type(asked) or at_moment(asked)
    if not found and asked.say.means("cut") and not asked.strange():
        found = cuts(asked)
    if not found and query.asks not in ("length", "size", "count", "amount"):
        found = about_sound(asked) or measured(asked) or _quotes(asked)
    idle = not (asked.strange() or query.kinds or asked.labels or query.ordinal)
    if not found and query.asks == "other" and idle:
        found = _summary(asked)
    if not found and query.asks == "count":
        found = _with_numbers(_quotes(asked), asked)
    if found := list(filter(asked.tells_year, found)):
        return Answered(found)
    if query.asks == "presence" and (denied := _denied(asked)):
        return Answered(denied, found=False)
    named = [word for word in query.subject if not asked.idle(word)]
    if query.names and asked.say.language != "en":
        named = [label_in(asked.say.language, as_asked(query.text, query.names[0]), 1)]
    absent = query.asks == "presence" and 0 < len(named) <= _MOST_NAMED
    nothing = [Finding(asked.say("nothing_of", what=" ".join(named)))] if absent else []
    # Where nothing is left of what it asks about, nothing is near it.
    near = _nearest(asked) if named or query.asks != "presence" else []
    return Answered([*nothing, *near], found=False)


def _denied(asked: Asked) -> list[Finding]:
    """Return that there is no note of the things that a question names, where a detector looked for them."""
    query, say = asked.query, asked.say
    if "objects" not in asked.notes.watched or {"speech", "sound"} & {*query.kinds}:
        return []
    words = [*asked.subject, *query.names]
    known = [label for label in detected_things() if labels_meant(words, [label])]
    # A hot dog is no dog, and what is orange no orange.
    known = [label for label in known if label.split()[-1] not in known or label.split()[-1] == label]
    known = [label for label in known if label not in asked.colours and label not in colours_meant(say.text)]
    if not known or {thing.name for thing in asked.notes.things}.intersection(known):
        return []
    return [Finding(say("none_of", what=", ".join(map(say.one, known))))]


def _coloured(asked: Asked) -> Answered:
    """Return the colour of a thing, where that is asked; else captions in which the colour that was named stands."""
    if asked.asks_colour and (looks := colours_of(asked)):
        return Answered(looks)
    told = [asked.told(hit) for hit in asked.fitting() if shares(list(asked.colours) or ["colour"], hit.caption)]
    if told:
        return Answered(told[:_QUOTES])
    things = [thing for thing in asked.notes.things if thing.name in asked.labels][:_QUOTES]
    what = " ".join([*(asked.colours or ["colour"]), *(thing.name for thing in things)])
    return Answered([Finding(asked.say("nothing_of", what=what)), *map(asked.seen, things)], found=False)


def _with_numbers(findings: list[Finding], counted: Asked | None = None) -> list[Finding]:
    """Return those that say how much: with a number in digits or words; "one" may be an article.

    Args:
        findings: quotes.
        counted: the question, where the number must stand before a word that it is about.
    """
    numbers = {word for word, value in number_words().items() if value > 1}
    findings = [f for f in findings if not (f.hits and f.hits[0].caption.kind == "objects")]  # its times are no number

    def fits(text: str) -> bool:
        words = all_words(text)
        at = [i for i, word in enumerate(words) if word in numbers or re.search(r"\d", word)]
        if counted is None or "how many" not in counted.say.text or counted.say.language != "en":
            return bool(at)
        about = {*tokens(list(counted.query.subject), language="en")}
        return any(about.intersection(tokens(words[i + 1 : i + 3], language="en")) for i in at)

    return [finding for finding in findings if fits(finding.text)]


def _by_type(asked: Asked) -> list[Finding]:
    """Return what answers the type of the question."""
    query = asked.query
    if query.asks == "summary" and (query.span or query.relation or query.ordinal):
        return []
    named = query.ordinal is not None and (query.ordinal.kind is not None or bool(asked.labels))
    if query.asks in ("list", "presence") and named and (ordered := ordinal(asked)):
        return ordered
    way = _WAYS.get(query.asks)
    return way(asked) if way else []


def _summary(asked: Asked) -> list[Finding]:
    notes, say = asked.notes, asked.say
    shots, texts, spoken = notes.of("shot"), notes.of("ocr"), joined_sentences(notes.of("speech"))
    key = "summary_shots" if len(shots) > 1 else "summary_length"
    found = [
        Finding(say(key, length=clock(notes.video.duration_seconds), shots=len(shots)), asked.itself(), computed=True)
    ]
    told: list[tuple[float, Finding]] = []
    for kind in ("video_caption", "action", "clip_caption"):
        seen = spread(notes.of(kind), 4)
        told += [(hit.start_seconds, Finding(asked.sentence(hit), (hit,))) for hit in seen]
    if notes.things:
        things = notes.things[:6]
        listed = say.listed(say.many(t.at_once, t.name) for t in things)
        cited = tuple(longest_of(thing) for thing in things[:3])
        told.append((things[0].first_seconds, Finding(say("seen", what=listed), cited, computed=True)))
    told += [(hit.start_seconds, Finding(asked.quoted("shown", hit), (hit,))) for hit in spread(texts, 4)]
    told += [(group[0].start_seconds, asked.spoken(group)) for group in spread(spoken, 5)]
    vague = [c for c in notes.captions if c.kind == "speech" and c.attributes.get("words_known") is False]
    if vague and not spoken:
        told.append((vague[0].start_seconds, Finding(say("somebody_speaks"), (Hit(vague[0]),))))
    if not told:
        measured = [c for c in notes.captions if c.kind == "measure"]
        measured = [c for c in measured if "loudness" not in c.attributes] or measured
        told += [(c.start_seconds, Finding(asked.sentence(Hit(c)), (Hit(c),))) for c in spread(measured, 2)]
    return found + [finding for _, finding in sorted(told, key=lambda item: item[0])] if told else found


def _when(asked: Asked) -> list[Finding]:
    if asked.say.direction and asked.topic in MEASURED:
        return extreme(asked)
    if moves := begins(asked):
        return moves
    if asked.query.ordinal is not None and (found := ordinal(asked)):
        return found
    if asked.labels:
        meant = asked.meant()
        crowded = [thing for thing in meant if 1 < asked.say.number <= thing.at_once]
        return asked.crowded(crowded[0]) if crowded else [asked.seen(thing) for thing in meant[:_QUOTES]]
    if asked.say.means("cut") and (shots := asked.notes.of("shot")[1:]):
        text = asked.say("cut_at", when=asked.say.listed(clock(hit.start_seconds) for hit in shots[:_LISTED]))
        return [Finding(text, tuple(shots[:_LISTED]), computed=True)]
    return []


def _where(asked: Asked) -> list[Finding]:
    size = asked.notes.video.size or (1, 1)
    found = []
    inside = [thing for thing in map(asked.clipped, asked.meant()) if thing is not None]
    if (order := asked.query.ordinal) is not None:
        starts = first_captions(c for thing in inside for c in thing.captions)
        inside = appearances([starts[order.position]]) if -len(starts) <= order.position < len(starts) else inside
    for thing in inside[:_QUOTES]:
        hit = longest_of(thing)
        if hit.caption.box is not None:
            where = asked.say.place(*place(hit.caption.box, size))
            found.append(Finding(asked.say("where", what=asked.say.one(thing.name), where=where), (hit,), True))
    return found


def _list(asked: Asked) -> list[Finding]:
    notes, say = asked.notes, asked.say
    if asked.query.relation is not None:
        return []
    if "ocr" in asked.query.kinds and not asked.labels:
        return [Finding(asked.quoted("shown", hit), (hit,)) for hit in asked.in_span(notes.of("ocr"))[:_LISTED]]
    if "speech" in asked.query.kinds and not asked.labels:
        return [asked.spoken(group) for group in joined_sentences(asked.in_span(notes.of("speech")))[:_LISTED]]
    if say.means("shot"):
        return [asked.shot("shot_is", shot) for shot in notes.of("shot")[:_LISTED]]
    if asked.labels and len(asked.beside_labels()) > _MOST_BESIDE and (told := _quotes(asked)):
        return told  # "what sort of mood is the man in?" is no list of men
    # "What things are in the room?" means all of them, wherever they are.
    things = asked.meant() or ([] if asked.strange() and not say.means("thing") else notes.things)
    clipped = [thing for thing in map(asked.clipped, things) if thing is not None]
    if not clipped:
        return []
    listed = say.listed(say.many(thing.at_once, thing.name) for thing in clipped[:_LISTED])
    cited = tuple(longest_of(thing) for thing in clipped[:_LISTED])
    return [Finding(say("seen", what=listed), cited, computed=True)]


def _presence(asked: Asked) -> list[Finding]:
    if {"speech", "sound"} & {*asked.query.kinds} and not asked.notes.video.has_audio:
        return [Finding(asked.say("silent"), asked.itself(), computed=True)]
    beside = [] if asked.query.names else asked.beside_labels()
    if asked.labels and len(beside) > _MOST_BESIDE:
        return []  # that a man is there does not say whether he wears a hat
    if asked.labels:
        things = [thing for thing in map(asked.clipped, asked.meant()) if thing is not None]
        if things and (number := asked.number_of_things):
            most = max(things, key=lambda thing: thing.at_once)
            if most.at_once >= number:
                return asked.crowded(most)
            if asked.say.knows("no_more"):
                text = asked.say("no_more", what=asked.say.many(most.at_once, most.name))
                return [Finding(text, tuple(at_most(most)), computed=True)]
        if beside and asked.say.knows("no_note"):
            note = asked.say("no_note", what=" ".join(beside))
            seen = map(asked.seen, things[:_QUOTES])
            return [replace(finding, text=f"{finding.text} {note}", computed=True) for finding in seen]
        return [asked.seen(thing, yes=True) for thing in things[:_QUOTES]]
    if asked.say.means("cut") and (found := cuts(asked)):
        return found
    if "measure" in asked.query.kinds or asked.topic:
        return []
    kinds = ("speech", "sound", "ocr", "cut", "person")
    idle = asked.say.film_words.union(*map(asked.say.words_of, kinds))
    subject = [word for word in asked.query.subject if word not in idle and not asked.names_person(word)]
    for kind in ("speech", "ocr"):
        if kind in asked.query.kinds and not subject:
            captions = [c for c in asked.notes.captions if c.kind == kind]
            hits = asked.in_span(known_first(merge_equal(captions)))
            if not captions and kind in asked.notes.watched:
                return [Finding(asked.say(f"no_{kind}"), asked.itself(), computed=True)]
            return [asked.told(hit) for hit in hits[:1]]
    return []


def _quotes(asked: Asked) -> list[Finding]:
    """Return the captions that fit a question best, as sentences; those of one sentence are quoted together."""
    if asked.query.relation is not None:
        idle = {"shot", "measure", "objects"} - {*asked.query.kinds, *asked.query.relation.kinds}
        if told := [asked.told(hit) for hit in asked.hits[:4] if hit.caption.kind not in idle][:2]:
            return told
    found: list[Finding] = []
    for hit in asked.fitting():
        if any(hit.caption.id == other.caption.id for finding in found for other in finding.hits):
            continue
        found += [asked.told(hit), *asked.reply_to(hit)]
        if len(found) >= _QUOTES:
            break
    return found


def _nearest(asked: Asked) -> list[Finding]:
    """Return what comes nearest to a question that nothing answers; nothing where nothing is near."""
    share = coverage(asked.query.subject, [hit.caption for hit in asked.hits])
    near = (
        asked.told(hit)
        for hit in asked.hits
        if hit.caption.kind not in ("measure", "shot")
        and (share[hit.caption.id] >= _NEAR or hit.similarity >= _NEAR_LIKENESS)
    )
    return list({finding.text: finding for finding in near}.values())[:2]


_WAYS: Mapping[str, Callable[[Asked], list[Finding]]] = {
    "length": length,
    "size": size,
    "summary": _summary,
    "count": count,
    "extreme": extreme,
    "compare": compare,
    "when": _when,
    "where": _where,
    "list": _list,
    "presence": _presence,
    "amount": lambda asked: _with_numbers(_quotes(asked)),
}
"""What answers a question, by `Query.asks`."""
