"""Answers that are counted, measured or compared: lengths, sizes, numbers of things and shots, extremes."""

from __future__ import annotations

import re
from collections.abc import Sequence

from videochat.agent.findings import Asked, Finding
from videochat.agent.notes import (
    at_most,
    best_of,
    joined_sentences,
    length_of,
    range_text,
    when,
)
from videochat.agent.word_overlap import coverage
from videochat.intervals import clock
from videochat.memory import Hit, appearances
from videochat.memory.appearances import first_captions, labels_meant
from videochat.memory.merged import merge_equal
from videochat.memory.words import all_words, tokens
from videochat.records import Caption
from videochat.tools.loudness import MOMENT_SECONDS

_QUOTES, _LISTED = 3, 12
_MOST_WORDS = 0.5
MEASURED = ("lightness", "moving_share", "camera_speed", "loudness")
"""The topics of questions that captions give as numbers."""
# As a share of the picture that moves, or of its width that the camera moves a second.
_MOVES = 0.05
# A word that is named, and not used.
_QUOTED = re.compile(r"[\"“„«「]([^\"“”„«»「」]{1,40})[\"“”»」]|\bthe word (\w+)", re.I)
_BRACKETS = re.compile(r"\s*[(（][^()（）]*[)）]")


def length(asked: Asked) -> list[Finding]:
    """Return how long what it asks about is: a shot, a thing in sight, speech, the video, or what fits best."""
    notes, say = asked.notes, asked.say
    if asked.say.means("shot"):
        shots = notes.of("shot")
        if say.direction:
            shot = best_of(shots, length_of, high=say.direction > 0)
            return [asked.shot("shot_longest" if say.direction > 0 else "shot_shortest", shot)] if shot else []
        at = asked.query.ordinal.position if asked.query.ordinal else None
        if at is not None and -len(shots) <= at < len(shots):
            return [asked.shot("shot_is", shots[at])]
        return [asked.shot("shot_is", shot) for shot in shots[:_LISTED]]
    if asked.labels:
        return [asked.in_sight(thing) for thing in asked.meant()[:_QUOTES]]
    if say.means("speech") or "speech" in asked.query.kinds:
        spoken = merge_equal(c for c in notes.captions if c.kind == "speech")
        if spoken:
            total = sum(map(length_of, spoken))
            return [Finding(say("speech_length", seconds=f"{total:.1f}"), tuple(spoken[:_QUOTES]), computed=True)]
    if title := asked.title():
        text = say("lasts", what=asked.sentence(title[0]), seconds=f"{length_of(title[0]):.1f}")
        return [Finding(text, tuple(title), computed=True)]
    words = [w for w in asked.query.subject if w not in say.film_words and not say.is_word("size", w)]
    if not words or say.names_film:
        return [*size(asked)] * asked.say.means("size") + [
            Finding(
                say(
                    "length",
                    length=clock(notes.video.duration_seconds),
                    seconds=f"{notes.video.duration_seconds:.1f}",
                ),
                asked.itself(),
                computed=True,
            )
        ]
    return [
        Finding(say("lasts", what=asked.sentence(hit), seconds=f"{length_of(hit):.1f}"), (hit,), computed=True)
        for hit in asked.fitting()[:1]
    ]


def size(asked: Asked) -> list[Finding]:
    """Return the size and shape of the picture."""
    video = asked.notes.video
    if not video.has_video:
        return []
    width, height = video.size or (0, 0)
    shape = asked.say("portrait" if height > width else "landscape" if width > height else "square")
    rate = f"{video.frame_rate:.4g}" if video.frame_rate else ""
    text = asked.say("size" if rate else "picture_size", width=width, height=height, shape=shape, rate=rate)
    return [Finding(text, asked.itself(), computed=True)]


def about_sound(asked: Asked) -> list[Finding]:
    """Return whether the video has sound, where that is all it asks."""
    strange = [word for word in asked.query.subject if not asked.idle(word)]
    if asked.query.asks not in ("presence", "other"):
        return []
    # Of a video without sound it matters little what there would be to hear.
    mute = not asked.notes.audible and (asked.say.means("sound") or "sound" in asked.query.kinds)
    if not mute and (strange or not asked.say.means("sound")):
        return []
    spoken = merge_equal(c for c in asked.notes.captions if c.kind == "speech")
    has_audio = asked.notes.video.has_audio
    text = asked.say("sound" if asked.notes.audible else "silent_track" if has_audio else "silent")
    return [Finding(text, (*spoken[:1], *asked.itself())[:1], computed=True)]


def count(asked: Asked) -> list[Finding]:
    """Return how many of what it asks for there are."""
    notes, say = asked.notes, asked.say
    if asked.labels:
        things = [asked.clipped(thing) for thing in asked.meant()]
        return [asked.counted(thing) for thing in things if thing is not None][:_QUOTES]
    if say.means("shot") or say.means("cut"):
        shots = asked.in_span(notes.of("shot"))
        key = "cuts" if say.first("cut", "shot") == "cut" else "shots"
        number = len(shots) - 1 if key == "cuts" else len(shots)
        key = "no_cuts" if number == 0 else f"{key}_1" if number == 1 and say.knows(f"{key}_1") else key
        return [Finding(say(key, n=number), tuple(shots[:_LISTED]), computed=True)] if shots else []
    if "ocr" in asked.query.kinds and (texts := asked.in_span(notes.of("ocr"))):
        return [Finding(say("texts", n=len(texts)), tuple(texts[:_LISTED]), computed=True)]
    spoken = asked.in_span(notes.of("speech"))
    if named := _QUOTED.search(asked.query.text):
        what = named[1] or named[2]
        return _how_often_said(asked, what, {hit: _times_exactly(what, hit.caption.text) for hit in spoken})
    words = [word for word in asked.query.subject if not say.is_word("speech", word)]
    if "speech" in asked.query.kinds and words:
        having = [hit for hit in spoken if shares(words, hit.caption)]
        return _how_often_said(asked, " ".join(words), {hit: _times(words, hit.caption.text) for hit in having})
    if "speech" in asked.query.kinds and (groups := joined_sentences(asked.in_span(notes.of("speech")))):
        return [Finding(say("sentences", n=len(groups)), tuple(group[0] for group in groups[:_LISTED]), computed=True)]
    return []


def _how_often_said(asked: Asked, what: str, times: dict[Hit, int]) -> list[Finding]:
    """Return how often something is said, given how often in each line."""
    lines, said = [hit for hit, count in times.items() if count], sum(times.values())
    key = "said_once" if said == 1 and asked.say.knows("said_once") else "said_times"
    return [Finding(asked.say(key, n=said, what=what), tuple(lines[:_QUOTES]), computed=True)] if lines else []


def cuts(asked: Asked, at: int | None = None) -> list[Finding]:
    """Return whether there are cuts, and when; or when one of them is.

    Args:
        asked: the question.
        at: index of the one that it asks for.
    """
    shots = asked.notes.of("shot")
    if len(shots) == 1:
        return [Finding(asked.say("no_cuts"), tuple(shots), computed=True)]
    made = shots[1:]
    if at is not None:
        made = made[at : at + 1 or None] if -len(made) <= at < len(made) else []
    when_ = asked.say.listed(clock(shot.start_seconds) for shot in made[:_LISTED])
    told = [Finding(asked.say("cut_at", when=when_), tuple(made[:_LISTED]), computed=True)] if made else []
    return [*count(asked), *told] if len(made) > _LISTED else told


def extreme(asked: Asked) -> list[Finding]:
    """Return where most or least of what it asks for is."""
    notes, say = asked.notes, asked.say
    if say.means("shot") and (asked.topic in ("", "length")):
        shot = best_of(notes.of("shot"), length_of, high=say.direction >= 0)
        key = "shot_longest" if say.direction >= 0 else "shot_shortest"
        return [asked.shot(key, shot)] if shot else []
    if asked.topic == "length" and (lines := [hit for k in asked.query.kinds for hit in notes.of(k)]):
        line = best_of(lines, length_of, high=say.direction >= 0)
        if line is not None:
            return [Finding(say("lasts", what=asked.sentence(line), seconds=f"{length_of(line):.1f}"), (line,), True)]
    if asked.topic in MEASURED:
        held = [c for c in _windows(asked) if asked.topic in c.attributes]
        if asked.topic == "loudness" and held:
            return [_loudest(asked, held)]
        best = best_of([Hit(c) for c in held], lambda hit: _value(asked, hit), high=say.direction >= 0)
        if best is not None:
            key = f"{asked.topic}_{'most' if say.direction >= 0 else 'least'}"
            text = say(key, when=when(best), value=f"{_value(asked, best):.0%}")
            if asked.topic == "moving_share" and say.direction >= 0:
                # A camera that is swung about moves everything.
                busiest = best_of([Hit(c) for c in held], _all_motion, high=True) or best
                if busiest != best:
                    best, text = busiest, _BRACKETS.sub("", say(key, when=when(busiest), value=""))
            return [Finding(text, (best,), computed=True)]
    if asked.labels:
        return asked.crowded(asked.meant()[0])
    if notes.things and (say.means("thing") or asked.topic == "length"):
        return [asked.in_sight(notes.things[0 if say.direction >= 0 else -1])]
    return []


def _loudest(asked: Asked, held: list[Caption]) -> Finding:
    """Return the loudest, or the quietest, half second."""
    name, sign = ("loudest", 1) if asked.say.direction >= 0 else ("quietest", -1)
    best = max(held, key=lambda c: sign * float(c.attributes.get(name, c.attributes["loudness"])))
    start = float(best.attributes.get(f"{name}_seconds", best.start_seconds))
    hit = (
        Hit(best, span=(start, min(start + MOMENT_SECONDS, best.end_seconds))) if name in best.attributes else Hit(best)
    )
    value = float(best.attributes.get(name, best.attributes["loudness"]))
    key = f"loudness_{'most' if sign > 0 else 'least'}"
    return Finding(asked.say(key, when=when(hit), value=f"{value:.0f} dB"), (hit,), computed=True)


def begins(asked: Asked) -> list[Finding]:
    """Return when the camera, or what is in the picture, first moves, where that is asked."""
    if asked.topic not in ("moving_share", "camera_speed") or not asked.say.means("begins"):
        return []
    moving = (c for c in _windows(asked) if float(c.attributes.get(asked.topic, 0.0)) >= _MOVES)
    return [Finding(asked.say("measured", what=asked.measure(c)), (Hit(c),), computed=True) for c in moving][:1]


def compare(asked: Asked) -> list[Finding]:
    """Return how two ranges of the video differ in what it asks about: those that it names, else the halves."""
    notes, say, middle = asked.notes, asked.say, asked.notes.video.duration_seconds / 2
    spans = say.two_moments(asked.text, notes.video.duration_seconds) or [(0.0, middle), (middle, 2 * middle)]
    topic = asked.topic or ("" if asked.labels else "lightness" if "measure" in asked.query.kinds else "")
    if topic == "length" and (lines := [hit for kind in asked.query.kinds for hit in notes.of(kind)]):
        fits = [hit for hit in lines if any(shares([word], hit.caption) for word in asked.query.subject)]
        # Of two that are compared, one may be named by what it is, and not by what it says.
        fits = fits if len(fits) > 1 else lines
        fits.sort(key=length_of, reverse=say.direction >= 0)
        return [
            Finding(say("lasts", what=asked.sentence(hit), seconds=f"{length_of(hit):.1f}"), (hit,), computed=True)
            for hit in fits[:_QUOTES]
        ]
    if topic in MEASURED:
        sides = []
        for start, end in spans:
            held = [c for c in notes.captions if topic in c.attributes and c.overlaps(start, end)]
            if not held:
                return []
            seconds = [min(c.end_seconds, end) - max(c.start_seconds, start) for c in held]
            total = sum(s * float(c.attributes[topic]) for s, c in zip(seconds, held, strict=True))
            sides.append((total / sum(seconds), held))
        (one, first), (two, last) = sides
        cited = Hit(first[0]), Hit(last[-1])
        alike, unit = (1.0, "{:.0f} dB") if topic == "loudness" else (0.02, "{:.0%}")
        key = f"{topic}_{'same' if abs(one - two) < alike else 'falls' if one > two else 'rises'}"
        values = {
            "one": unit.format(one),
            "two": unit.format(two),
            "first": _moment(asked, *spans[0]),
            "second": _moment(asked, *spans[1]),
        }
        more = max(zip(sides, cited, strict=True), key=lambda s: s[0][0] * (say.direction or 1))[1]
        hits = tuple(sorted(cited, key=lambda hit: hit is not more))
        return [Finding(say(key, **values), hits, computed=True)]
    if asked.labels:
        if len(asked.labels) > 1 and not say.two_moments(asked.text, notes.video.duration_seconds):
            return [asked.counted(thing) for thing in sorted(asked.meant(), key=lambda thing: -thing.at_once)]
        counts: list[tuple[int, tuple[Hit, ...]]] = []
        name = asked.labels[0]
        for start, end in spans:
            there = appearances([c for c in notes.captions if c.kind == "objects" and c.overlaps(start, end)], name)
            counts.append((there[0].at_once, tuple(at_most(there[0]))) if there else (0, ()))
        (one, firsts), (two, lasts) = counts
        if not firsts and not lasts:
            return []
        text = say(
            "more",
            one=say.many(one, name),
            two=say.many(two, name),
            first=_moment(asked, *spans[0]),
            second=_moment(asked, *spans[1]),
        )
        ordered = (*firsts[:2], *lasts[:2]) if one >= two else (*lasts[:2], *firsts[:2])
        return [Finding(text, ordered, computed=True)]
    named = labels_meant(all_words(asked.text), [thing.name for thing in notes.things])
    return [asked.counted(thing) for thing in notes.things if thing.name in named]


def colours_of(asked: Asked) -> list[Finding]:
    """Return the colours of the things that the question names, or of the first, second, last of them."""
    pieces = [c for thing in map(asked.clipped, asked.meant()) if thing for c in thing.captions]
    if asked.query.ordinal and -len(starts := first_captions(pieces)) <= asked.query.ordinal.position < len(starts):
        one = starts[asked.query.ordinal.position]
        pieces = [c for c in pieces if c.track_id is not None and c.track_id == one.track_id] or [one]
    by_colour: dict[str, list[Caption]] = {}
    for caption in pieces:
        if colour := str(caption.attributes.get("colour", "")):
            by_colour.setdefault(colour, []).append(caption)
    order = sorted(by_colour.items(), key=lambda item: -sum(c.end_seconds - c.start_seconds for c in item[1]))
    found = []
    for colour, captions in order[:_QUOTES]:
        hits = tuple(Hit(caption) for caption in captions[:_QUOTES])
        spans = asked.say.listed(when(hit) for hit in hits)
        text = asked.say("looks", what=asked.say.one(captions[0].text), colour=asked.say.colour(colour), when=spans)
        found.append(Finding(text, hits, computed=True))
    return found


def measured(asked: Asked) -> list[Finding]:
    """Return what was measured of what it asks for: light, colours, camera, motion."""
    if "measure" not in asked.query.kinds and asked.topic not in ("lightness", "colours", "camera_speed", "loudness"):
        return []
    strange = [w for w in asked.query.subject if not asked.idle(w) and not asked.say.is_word("colour", w)]
    if asked.labels or (asked.topic == "colours" and strange):
        return []  # the colour of the picture is not that of a thing in it
    windows = _windows(asked)
    if asked.query.asks in ("presence", "other") and (asked.say.means("grey_only") or asked.say.means("in_colour")):
        return _in_grey(asked, windows)
    held: dict[str, list[Caption]] = {}
    # Beside what says it, what says nothing of it is no answer.
    for caption in [c for c in windows if asked.measures_it(c)] or windows:
        phrase = asked.measure(caption)
        held.setdefault(re.sub(r"\s*\(?[\d.]+%.*?(?=,|;|$)", "", phrase) or phrase, []).append(caption)
    groups = sorted(held.items(), key=lambda item: -sum(c.end_seconds - c.start_seconds for c in item[1]))
    return [
        Finding(asked.say("measured", what=asked.measure(g[0])), (Hit(g[0]),), computed=True) for _, g in groups[:2]
    ]


def _in_grey(asked: Asked, windows: list[Caption]) -> list[Finding]:
    """Return whether the picture is in black and white, or in colour, whichever is asked."""
    told = [c for c in windows if c.attributes.get("colours")]
    if not told:
        return []
    hued = [
        c for c in told if {*re.findall(r"[a-z]+", str(c.attributes["colours"]))} - {"black", "grey", "gray", "white"}
    ]
    shown = max(hued or told, key=lambda c: c.end_seconds - c.start_seconds)
    keys = ("in_colour", "in_grey") if asked.say.means("grey_only") else ("is_in_colour", "not_in_colour")
    text = asked.say(keys[0] if hued else keys[1], what=shown.attributes["colours"])
    return [Finding(text, (Hit(shown),), computed=True)]


def _windows(asked: Asked) -> list[Caption]:
    found = [c for c in asked.notes.captions if c.kind == "measure"]
    span = asked.query.span
    return found if span is None else [c for c in found if c.overlaps(*span)]


def _value(asked: Asked, hit: Hit) -> float:
    return float(hit.caption.attributes[asked.topic])


def _all_motion(hit: Hit) -> float:
    return sum(float(hit.caption.attributes.get(name, 0.0)) for name in ("moving_share", "camera_speed"))


def shares(words: Sequence[str], caption: Caption) -> bool:
    """Whether a caption has most of some words."""
    return coverage(list(words), [caption])[caption.id] >= _MOST_WORDS


def _times(words: Sequence[str], text: str) -> int:
    """Return how often a text has the word that it has most often, in any form."""
    stems = [set(tokens([word])) for word in words]
    have = [set(tokens([word])) for word in all_words(text)]
    return max((sum(bool(stem & other) for other in have) for stem in stems), default=0)


def _times_exactly(what: str, text: str) -> int:
    """Return how often a text has these words as they are."""
    wanted, have = all_words(what), all_words(text)
    return sum(have[i : i + len(wanted)] == wanted for i in range(len(have))) if wanted else 0


def _moment(asked: Asked, start: float, end: float) -> str:
    """Return a range that a question names; a moment, which is read as a second and a half around it, as that."""
    if end - start <= 2:
        return clock(start + 0.5)
    span, ends = range_text(start, end), asked.notes.video.duration_seconds
    return asked.say("at_start", when=span) if start <= 0 else asked.say("at_end", when=span) if end >= ends else span
