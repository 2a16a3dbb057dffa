"""Where a video model looks for a question, and what it claims, held against the captions of that range."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from videochat.agent.assessment import Assessment
from videochat.agent.citations import Evidence, sentences
from videochat.agent.follow_up import refers_back
from videochat.agent.grounding import SentenceCheck, plain
from videochat.agent.word_overlap import coverage
from videochat.intervals import clock_range
from videochat.media import Video
from videochat.memory.query import Query
from videochat.memory.store_records import Hit
from videochat.memory.words import content_words
from videochat.records import Caption, Status

# The model cites nothing by itself, so a caption must share more with a sentence than one that it chose to cite.
_ENOUGH = 0.6
_MOST_CITED = 2
Look = tuple[str, float, float]
"""Where to look: `(video id, start_seconds, end_seconds)`."""
_WINDOW = re.compile(r"^(?:.{0,200}?: )?(?:\d+:)?\d{1,2}:\d\d-(?:\d+:)?\d{1,2}:\d\d: ")


def where_to_look(question: str, earlier: Sequence[str], videos: Sequence[Video]) -> list[Look]:
    """Return which range of each video a question is about.

    It is the range that the question certainly names; of one that goes on from an earlier question ("and then?") the
    range that was named last; else the whole video.

    Args:
        question: as it was asked.
        earlier: the questions before it, in order.
        videos: the videos.
    """
    texts = [question, *(reversed(earlier) if refers_back(question) else ())]
    found = []
    for video in videos:
        named = (Query.parse(text, video.duration_seconds).span for text in texts)
        start, end = next(filter(None, named), (0.0, video.duration_seconds))
        found.append((video.id, start, end))
    return found


def nearest_look(looks: Sequence[Look], hits: Sequence[Hit], longest_seconds: float) -> Look:
    """Return the one range that is looked at for a question: of a long one what lies around the best hit.

    Args:
        looks: the ranges that the question is about, one of each video.
        hits: what was found for it, best first.
        longest_seconds: how long the range may be.
    """
    id_, start, end = looks[0]
    if not hits or (len(looks) == 1 and end - start <= longest_seconds):
        return id_, start, min(end, start + longest_seconds)
    middle = (hits[0].start_seconds + hits[0].end_seconds) / 2
    start = max(middle - longest_seconds / 2, 0.0)
    return hits[0].caption.video_id, start, start + longest_seconds


def assess_claims(
    text: str,
    claims: Sequence[Caption],
    evidence: Evidence,
    find: Callable[[str, Caption], Sequence[Hit]],
    check: Callable[[str], list[SentenceCheck]],
) -> Assessment:
    """Return the answer of a video model with a citation behind each sentence that captions bear out.

    Args:
        text: the answer.
        claims: what it says of which range.
        evidence: where the captions get their numbers.
        find: the captions of the range of a claim that fit a sentence, best first.
        check: holds sentences against what they cite, as `grounding.check_sentences`.
    """
    notes: list[str] = []
    told = borne = 0
    any_found = False
    for sentence in sentences(text):
        if not check(sentence):
            continue  # it says nothing that could be true or false
        told += 1
        words = plain(_WINDOW.sub("", sentence))
        claim = next((claim for claim in claims if words in " ".join(claim.text.split())), claims[0])
        hits = find(words, claim)
        any_found = any_found or bool(hits)
        share = coverage(content_words(words), [hit.caption for hit in hits])
        cited = [hit for hit in hits if share[hit.caption.id] >= _ENOUGH][:_MOST_CITED]
        if not cited:
            continue
        marked = f"{sentence} {''.join(f'[{number}]' for number in evidence.add(cited))}"
        problems = [found.problem for found in check(marked) if found.problem]
        if problems:
            notes.append(f"Doubtful: “{words}” ({problems[0]})")
            continue
        borne += 1
        text = text.replace(sentence, marked, 1)
    status: Status = "claim" if not borne else "grounded" if borne == told else "partly"
    if borne:
        held = f"captions bear out {borne} of {told} sentences" if told > 1 else "a caption bears it out"
    else:
        held = "no caption bears it out" if any_found else "nothing was noted there to hold it against"
    checked = evidence.check(text)
    return Assessment(checked, status, [f"{_who(claims)}; {held}", *notes, *checked.notes])


def _who(claims: Sequence[Caption]) -> str:
    """Return whose claims they are, and what was looked at, as the beginning of a sentence."""
    first = claims[0]
    pictures = f"{first.attributes.get('frames', 'some')} pictures"
    spans = [claim for claim in claims if claim.video_id == first.video_id]
    where = clock_range(first.start_seconds, spans[-1].end_seconds)
    looked = "at the picture" if first.attributes.get("frames") == 1 else f"at {pictures} of {where}"
    if len(spans) > 1:
        looked = f"at {pictures} of each of {len(spans)} parts of {where}"
    if len({claim.video_id for claim in claims}) > 1:
        looked = f"at {len({claim.video_id for claim in claims})} videos"
    return f"A claim of {first.source}, which looked {looked}"
