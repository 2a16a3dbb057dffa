"""From a question to the captions that may answer it: times it names, senses it means, words it shares."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from itertools import pairwise
from typing import Any

from videochat.errors import InvalidArgument
from videochat.memory.caption_store import CaptionStore
from videochat.memory.embeddings import Embedder
from videochat.memory.times import named_span, without_times
from videochat.memory.video_captions import Hit, VideoCaptions
from videochat.memory.words import all_words, content_words
from videochat.records import Caption, Kind, check_kind

_OVERVIEW = 24

_SENSES: tuple[tuple[Kind, str], ...] = (
    (
        "speech",
        r"\b(say|says|said|saying|speak\w*|spoke\w*|talk\w*|mention\w*|tell|tells|told|hear|heard|quote\w*|narrat\w*"
        r"|voice\w*|utter\w*|claim\w*|speech|dialogue|ask|asks|asked|announc\w*|declar\w*|urg(?:e|es|ed|ing)"
        r"|shout\w*|whisper\w*|calls? out|called out|repl(?:y|ies|ied)|speaker)\b",
    ),
    (
        "ocr",
        r"\b(texts?|written|writing|titles?|slides?|signs?|screen|logos?|credits?|captions?|overlay|headline|label"
        r"|letters|printed|displayed|banner)\b",
    ),
    (
        "tags",
        r"\b(colou?rs?|light|lighting|bright\w*|dark\w*|camera|pans?|panning|motion|moves?|moving|still)\b",
    ),
    ("shot", r"\b(shots?|cuts?|edits?|edited|transitions?)\b"),
)


# What a question may ask the first, second or last of.
_ORDERED: tuple[tuple[Kind, str], ...] = (
    (
        "speech",
        r"words?|sentences?|lines?|remarks?|(?:thing )?(?:that is |that's |to be )?(?:said|spoken|heard)",
    ),
    ("ocr", r"(?:piece of )?(?:texts?|titles?|slides?|signs?|captions?|headline)|words? (?:on|that appear)"),
    ("shot", r"shots?|scenes?|cuts?"),
)
_ORDINALS = {
    "first": 0,
    "second": 1,
    "third": 2,
    "fourth": 3,
    "fifth": 4,
    "last": -1,
    "final": -1,
    "opening": 0,
    "closing": -1,
}

_SOON = "(?:right |just |immediately |shortly |directly )?"
_AFTER = (
    rf"(?:answers?|reply|replies|responses?|responds?) to|{_SOON}after(?:wards)?|follow(?:s|ing)|once|as soon as|since"
)
_BEFORE = rf"{_SOON}before|until|prior to|leading up to|precedes?|preceding"
_DURING = r"while|during|at the (?:same time as|moment when|moment)|as|when"
_RELATION = rf"(?:(?P<after>{_AFTER})|(?P<before>{_BEFORE})|(?P<during>{_DURING}))"
# "When is it poured, and by whom?" asks for a time; "When it is poured, what is said?" tells one.
_ASKS_WHEN = r"(?!when\s+(?:is|are|was|were|do|does|did|has|have|had|can|could|will|would|should)\b)"
# "After the title, what is said?", "What is said after the title?"
_LEADING = re.compile(rf"^{_ASKS_WHEN}{_RELATION}\s+(?P<what>[^,?]+),\s*(?P<asked>.+)")
_TRAILING = re.compile(rf"^(?P<asked>.+?)\b{_RELATION}\s+(?P<what>.+)")
_BETWEEN = re.compile(r"^(?P<asked>.*?)\bbetween\s+(?P<what>.+?)\s+and\s+(?P<until>.+)")

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
_QUESTION_CHARACTERS = 4000


@dataclass(frozen=True)
class Recall:
    """What was found for a question."""

    hits: list[Hit]
    """Best first."""
    span: tuple[float, float] | None = None
    """The range of seconds that the question names, if it does."""
    kinds: tuple[Kind, ...] = field(default=())
    """The senses that the question means, if it does."""


def recall(
    stored: VideoCaptions,
    question: str,
    *,
    duration_seconds: float,
    k: int = 12,
    kinds: Iterable[Kind] | None = None,
    start_seconds: float = 0.0,
    end_seconds: float = math.inf,
) -> Recall:
    """Find the captions of a video that may answer a question.

    A time that the question names limits the search to it; "after", "before" and "while" are taken from the moment
    they name; "the first", "the last" by order. Captions of a sense that the question means come first, and of
    equals those that say best when. A question about nothing in particular gets an overview spread over the video.

    Args:
        stored: the video's captions.
        question: what is asked.
        duration_seconds: how long the video is.
        k: how many captions at most; an overview may have a few more.
        kinds: only of these kinds; None for all but summaries.
        start_seconds: only captions that end after this.
        end_seconds: only captions that start before this.
    """
    question = gist(question)
    wanted = None if kinds is None else list(kinds)
    span, meant = named_span(question, duration_seconds), meant_kinds(question)
    if not span and (span := _span_of_shot(stored, question)):
        # It says where to look; what to look for is the rest.
        meant = tuple(kind for kind in meant if kind != "shot") or meant
    start, end = max(start_seconds, span[0] if span else 0.0), min(end_seconds, span[1] if span else math.inf)
    if start >= end:
        return Recall([], span, meant)
    within = Range(stored, start, end, wanted, duration_seconds)
    hits: list[Hit] = []
    words = about(question)
    if not span:
        hits = _by_relation(within, question) or _by_order(within, question)
    else:
        hits = _within_span(within, question, span, meant)
    if words and (not span or content_words(question)):
        known = {hit.caption.id for hit in hits}
        ranked = _ranked(within, question, meant)
        hits += [hit for hit in ranked if hit.caption.id not in known]
    if not words:
        known = {hit.caption.id for hit in hits}
        captions = within.captions(meant or None) or within.captions(None)
        chosen = _spread([c for c in captions if c.id not in known], _OVERVIEW)
        share = coverage(content_words(question), chosen)
        alike: dict[str, float] = {}
        if stored.embedder.semantic:
            # "When is somebody asked how they are?" has no word to look for, and a meaning all the same.
            alike = {hit.caption.id: hit.similarity for hit in within.search(question, _CANDIDATES)}
        chosen.sort(key=lambda caption: (-round(share[caption.id], 1), -alike.get(caption.id, 0.0)))
        hits += [Hit(caption) for caption in chosen]
    return Recall(hits[: max(k, _OVERVIEW if not words and k >= 12 else k)], span, meant)


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
    question = gist(question)
    wanted = None if kinds is None else [check_kind(kind) for kind in kinds]
    filters: dict[str, Any] = {"kinds": wanted, "start_seconds": start_seconds, "end_seconds": end_seconds}
    if k < 1:
        raise InvalidArgument(f"A search needs k of at least 1, got {k!r}.")
    chosen = None if video_ids is None else list(video_ids)
    pool = store.search(question, k=max(4 * k, _CANDIDATES), video_ids=chosen, **filters)
    if not pool:
        return Recall([], None, meant_kinds(question))
    best = _rank(pool, question, meant_kinds(question), store.embedder, {})
    prior: dict[str, float] = {}
    for hit in best:
        prior.setdefault(hit.caption.video_id, hit.score)
    merged: list[Hit] = []
    for video_id in list(prior)[:_VIDEOS_READ]:
        stored = store.captions_of(video_id)
        duration = float(stored.facts().get("duration_seconds") or stored.end_seconds())
        found = recall(stored, question, duration_seconds=duration, k=k, **filters).hits
        # The best of each video stands for it; the others follow by their place within it.
        merged += [Hit(hit.caption, prior[video_id] - 0.15 * rank, hit.similarity) for rank, hit in enumerate(found)]
    known = {hit.caption.id for hit in merged}
    merged += [hit for hit in best if hit.caption.id not in known]
    merged.sort(key=lambda hit: -hit.score)
    return Recall(merged[:k], None, meant_kinds(question))


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


def _ranked(within: Range, question: str, meant: tuple[Kind, ...]) -> list[Hit]:
    hits = within.search(question, _CANDIDATES)
    lengths = {hit.caption.id: within.duration_seconds for hit in hits}
    return _rank(hits, question, meant, within.stored.embedder, lengths)


def _rank(
    hits: list[Hit], question: str, meant: tuple[Kind, ...], embedder: Embedder, durations: Mapping[str, float]
) -> list[Hit]:
    """Return hits by words, likeness, sense and how well they say when, best first."""
    words = _telling(question)
    share = coverage(words, [hit.caption for hit in hits])
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


def _telling(question: str) -> list[str]:
    """Return the words to look for: without those that only say that something is said or read."""
    naming = [pattern for kind, pattern in _SENSES if kind in ("speech", "ocr")]
    words = [w for w in content_words(question) if not any(re.fullmatch(p, w) for p in naming)]
    return words or content_words(question)


def _within_span(within: Range, question: str, span: tuple[float, float], meant: tuple[Kind, ...]) -> list[Hit]:
    """Return what holds in a named range: what lies in it before what only touches it, the meant sense first."""
    captions = within.captions(None)
    share = coverage(_telling(without_times(question)), captions)
    anchor = _anchor(question, span)

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


def _by_order(within: Range, question: str) -> list[Hit]:
    """Return what is first, second or last of a sense, if the question asks for that."""
    text = question.casefold()
    meant = meant_kinds(question)
    for kind, nouns in _ORDERED:
        found = re.search(rf"\b({'|'.join(_ORDINALS)})\s+(?:\w+\s+)?(?:{nouns})\b", text)
        if not found and kind in meant:
            found = re.search(r"\b(first|last)\b", text)
        if not found:
            continue
        captions = within.captions([kind])
        if kind == "shot":
            captions = [caption for caption in captions if "within the shot" not in caption.text]
        number = _ORDINALS[found[1]]
        if -len(captions) <= number < len(captions):
            rest = sorted(captions, key=lambda c: abs(c.start_seconds - captions[number].start_seconds))
            return [Hit(caption) for caption in rest]
    return []


def _span_of_shot(stored: VideoCaptions, question: str) -> tuple[float, float] | None:
    """Return the range of the shot that a question numbers ("the second scene"), if it does."""
    found = re.search(rf"\b({'|'.join(_ORDINALS)})\s+(?:shot|scene)\b", question.casefold())
    if not found:
        return None
    shots = [caption for caption in stored.between(kinds=["shot"]) if "within the shot" not in caption.text]
    number = _ORDINALS[found[1]]
    if not -len(shots) <= number < len(shots):
        return None
    return shots[number].start_seconds, shots[number].end_seconds


def _by_relation(within: Range, question: str) -> list[Hit]:
    """Return what comes after, before, during or between moments that the question describes."""
    text = re.sub(r"[?!.\s]+$", "", question.casefold())
    found = _BETWEEN.match(text)
    if found:
        first, last = _described(within, found["what"]), _described(within, found["until"])
        if first and last and first.end_seconds <= last.start_seconds + _SLACK_SECONDS:
            asked = meant_kinds(found["asked"])
            return _fitting(
                within,
                asked,
                lambda caption: (
                    caption.start_seconds >= first.end_seconds - _SLACK_SECONDS
                    and caption.end_seconds <= last.start_seconds + _SLACK_SECONDS
                ),
            )
    found = _LEADING.match(text) or _TRAILING.match(text)
    anchor = _described(within, found["what"]) if found else None
    if not found or anchor is None:
        return []

    def fits(caption: Caption) -> bool:
        if caption.id == anchor.id:
            return False
        if found["after"]:
            return caption.start_seconds >= anchor.end_seconds - _SLACK_SECONDS
        if found["before"]:
            return caption.end_seconds <= anchor.start_seconds + _SLACK_SECONDS
        return caption.overlaps(anchor.start_seconds, anchor.end_seconds)

    # The sense of the question is that of its other half: "what is said after the title appears".
    asked = meant_kinds(found["asked"])
    hits = _fitting(within, asked, fits)
    if found["before"]:
        hits.sort(key=lambda hit: -hit.caption.end_seconds)
    if not asked:
        # Asked only what happens, the next line answers a line, the next slide a slide; a shot says least.
        same = None if found["during"] else anchor.kind
        hits.sort(key=lambda hit: (hit.caption.kind != same, hit.caption.kind == "shot"))
    return hits


def _fitting(within: Range, kinds: tuple[Kind, ...], fits: Callable[[Caption], bool]) -> list[Hit]:
    """Return the captions that fit, of these kinds if any of those do, in temporal order."""
    captions = [caption for caption in within.captions(None) if fits(caption)]
    meant = [caption for caption in captions if caption.kind in kinds]
    return [Hit(caption) for caption in meant or captions]


def _described(within: Range, clause: str) -> Caption | None:
    """Return the caption that a clause describes ("the first slide", "the milk is poured"), if one does."""
    if ordered := _by_order(within, clause):
        return ordered[0].caption
    words = _telling(clause)
    hits = within.search(clause, _CANDIDATES) if words else []
    share = coverage(words, [hit.caption for hit in hits])
    best = max(hits, key=lambda hit: share[hit.caption.id], default=None)
    if best and share[best.caption.id] >= _ANCHOR_COVERAGE:
        return best.caption
    near = max(hits, key=lambda hit: hit.similarity, default=None)
    alike = near and within.stored.embedder.semantic and near.similarity >= _ANCHOR_LIKENESS
    return near.caption if near and alike else None


def meant_kinds(question: str) -> tuple[Kind, ...]:
    """Return the kinds of caption that a question asks for by its words; empty if it leaves that open."""
    text = question.casefold()
    return tuple(kind for kind, pattern in _SENSES if re.search(pattern, text))


def gist(question: str) -> str:
    """Return what retrieval reads of a question: of one with a page pasted in, the beginning and the end."""
    if len(question) <= _QUESTION_CHARACTERS:
        return question
    half = _QUESTION_CHARACTERS // 2
    return f"{question[:half]} {question[-half:]}"


def about(question: str) -> list[str]:
    """Return what a question is about, without the words that only name a sense or a time."""
    return [
        word
        for word in content_words(question)
        if not word.isdigit() and not any(re.fullmatch(pattern, word) for _, pattern in _SENSES)
    ]


def coverage(words: Sequence[str], captions: Iterable[Caption]) -> dict[str, float]:
    """Return, by caption id, how much of a question's words a caption shares, in [0, 1].

    A word counts the more the fewer of the captions have it; one that none has counts most, so that a
    question about something absent stays uncovered.
    """
    captions = list(captions)
    matches: dict[str, list[float]] = {}
    for caption in captions:
        have = all_words(caption.text)
        # Letters read off a picture may be off by one; spoken and generated words are not.
        matches[caption.id] = [_match(word, have, loose=caption.kind == "ocr") for word in words]
    count = len(captions)
    weights = []
    for i in range(len(words)):
        having = sum(1 for found in matches.values() if found[i] > 0)
        weights.append(math.log(1 + (count + 1) / (having + 0.5)))
    total = sum(weights) or 1.0
    return {id_: sum(w * m for w, m in zip(weights, found, strict=True)) / total for id_, found in matches.items()}


def _match(word: str, have: Sequence[str], *, loose: bool) -> float:
    stem = _stem(word)
    joined = {a + b for a, b in pairwise(have)}
    best = 0.0
    for other in have:
        if other == word or _stem(other) == stem:
            return 1.0
        if len(stem) >= 5 and len(other) >= 5 and (other.startswith(stem) or word.startswith(_stem(other))):
            best = max(best, 0.8)
        elif loose and len(word) >= 5 and SequenceMatcher(None, word, other).ratio() >= 0.8:
            best = max(best, 0.7)
    if best == 0.0 and word in joined:
        return 0.9
    if best == 0.0 and len(word) >= 4 and any(word in other for other in have if len(other) >= len(word) + 3):
        return 0.6
    return best


def _stem(word: str) -> str:
    for ending in ("ations", "ation", "ings", "ing", "ies", "ed", "es", "ly", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def _anchor(question: str, span: tuple[float, float]) -> float:
    """Return the second to which a question about a range wants to be nearest."""
    start, end = span
    if re.search(r"\b(half-?\s?way|mid-?way|midpoint|middle)\b", question.casefold()):
        return (start + end) / 2
    if re.search(r"\b(end|ending|last|final|close)\b", question.casefold()):
        return end - 0.01
    return start if end - start > 2 else (start + end) / 2


def _spread(captions: list[Caption], count: int) -> list[Caption]:
    """Return at most `count` captions, evenly spread over the video."""
    if len(captions) <= count:
        return captions
    step = len(captions) / count
    return [captions[int(i * step)] for i in range(count)]
