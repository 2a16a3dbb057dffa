"""What the model is sent of the videos: facts first, then everything that was noted, or what matters most of it."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from videochat.agent.citations import NO_MARKERS, Evidence
from videochat.agent.findings import Finding
from videochat.agent.video_set import VideoSet
from videochat.intervals import clock, clock_range
from videochat.media import Video
from videochat.memory import Hit, appearances, browse, textualize
from videochat.memory.appearances import Appearance, place
from videochat.memory.merged import merge_equal
from videochat.memory.query import Query
from videochat.records import Caption, Kind

_CHARACTERS_PER_TOKEN = 4  # of English prose; other scripts take more tokens
_LINE_TOKENS = 10  # the time, the name of the kind and the number beside a caption
_NEIGHBOUR_SECONDS = 6.0
# Of what moments may take: the hits, these with their neighbours; the rest is spread over the video.
_SHARE_OF_HITS, _SHARE_WITH_NEIGHBOURS = 0.6, 0.85
_SHARE_OF_OVERVIEW = 0.3
_MOST_THINGS = 20
_MOST_OF_KIND = 12
"""Brackets in words of the video would look like citations."""

_SIGHTS: dict[Kind, str] = {
    "speech": "speech",
    "sound": "other sounds",
    "ocr": "text on screen",
    "objects": "things",
    "action": "actions",
    "clip_caption": "descriptions of pictures",
    "dense_caption": "regions",
    "tags": "tags",
    "shot": "cuts",
    "measure": "light, colours and motion",
}

_MOVING: tuple[Kind, ...] = ("speech", "sound", "action", "shot")
"""What no picture has."""
_OTHERWISE = ("speech_regions", "speakers", "loudness")
"""Senses that note less than what is said of their kind."""


@dataclass(frozen=True)
class Context:
    """What a model is sent of the videos."""

    text: str
    """Facts, then captions in the template of Table 1 with their numbers in brackets."""
    captions: list[Caption]
    """Those that are shown, each numbered in the evidence."""
    tokens: int
    """About how many tokens the text takes."""
    left_out: str = ""
    """A sentence about what is not shown; empty if everything is."""


def build_context(
    video_set: VideoSet,
    evidence: Evidence,
    query: Query,
    hits: Sequence[Hit],
    findings: Sequence[Finding],
    *,
    budget_tokens: int,
) -> Context:
    """Choose and write what a model is sent for a question.

    Of each video: its name, length, picture, what watched it and how far. Then, where all of its captions fit into
    its share of the budget, all of them; else a summary, who and what appears, and the moments that fit, best first,
    each in its place in time. Equal captions that touch are one interval. Measurements of light, colours and motion
    are shown where they are asked for. What is left out is said.

    Args:
        video_set: the videos.
        evidence: where what is shown gets its numbers.
        query: the question as it was read.
        hits: what was found for it, best first.
        findings: what follows from the notes for it, as `answers.find_in_videos` says.
        budget_tokens: at most about this many.
    """
    parts: list[str] = []
    shown: list[Caption] = []
    left_out: list[str] = []
    by_video = {video.id: [hit for hit in hits if hit.caption.video_id == video.id] for video in video_set.videos}
    # Videos in which nothing was found get a line each, so that the others have the room.
    with_hits = [id_ for id_, found in by_video.items() if found] or list(by_video)
    for video in video_set.videos:
        share = budget_tokens // len(with_hits) if video.id in with_hits else 0
        part = _one_video(video_set, video, evidence, query, by_video[video.id], share)
        parts.append(part.text)
        shown += part.captions
        if part.left_out:
            left_out.append(part.left_out if not video_set.several else f"{video_set.names[video.id]}: {part.left_out}")
    if told := _told(findings, evidence):
        shown += [hit.caption for finding in findings for hit in finding.hits]
        parts.append(f"What follows from the notes:\n{told}")
    text = "\n\n".join(parts)
    return Context(text, shown, tokens_of_text(text), " ".join(left_out))


def as_text(captions: Iterable[Caption | Hit], evidence: Evidence, video_set: VideoSet, *, named: bool = True) -> str:
    """Return captions in the template of Table 1, in temporal order, each with its kind, place, box and number.

    Numbers in brackets that the video itself shows are put in parentheses: they cite nothing.

    Args:
        captions: in any order; a hit stands for the whole of its span.
        evidence: which numbers them.
        video_set: their videos.
        named: whether the name of each video stands above its captions, where there are several videos.
    """
    shown, numbers = [], {}
    items = list(captions)
    things = _ThingNumbers(video_set)
    for item, number in zip(items, evidence.add(items), strict=True):
        caption = item.caption if isinstance(item, Hit) else item
        start, end = evidence.span_of(caption)
        text = " ".join(_in_full(caption).split()).translate(NO_MARKERS)
        plain = replace(caption, text=text, start_seconds=start, end_seconds=end)
        if caption.kind == "objects" and caption.track_id is not None:
            number_of_thing = things[caption.video_id].get((caption.text, caption.track_id), 1)
            evidence.count(caption.text, number_of_thing)
            plain = replace(plain, track_id=number_of_thing)
        shown.append(plain)
        numbers[plain.id] = number
    names = video_set.names if video_set.several and named else None
    sizes = {video.id: video.size or (1, 1) for video in video_set.videos}
    return textualize(shown, numbers=numbers, names=names, sizes=sizes)


def _in_full(caption: Caption) -> str:
    """Return what a caption says, after who says it or which colour it has, where that is known and not said there."""
    if caption.kind == "objects" and (colour := caption.attributes.get("colour")):
        return f"{colour} {caption.text}"
    speaker = str(caption.attributes.get("speaker", ""))
    named = not speaker or caption.text.startswith(f"{speaker.split(', ')[0]}:")
    return caption.text if named else f"{speaker}: {caption.text}"


class _ThingNumbers(dict[str, dict[tuple[str, int], int]]):
    """The number of each thing that was followed among those of its sort, from 1 in the order of time, by video id."""

    def __init__(self, video_set: VideoSet) -> None:
        super().__init__()
        self._videos = video_set

    def __missing__(self, video_id: str) -> dict[tuple[str, int], int]:
        numbers: dict[tuple[str, int], int] = {}
        sorts: Counter[str] = Counter()
        for caption in self._videos.memory.captions_of(video_id).between(kinds=["objects"]):
            if caption.track_id is not None and (caption.text, caption.track_id) not in numbers:
                sorts[caption.text] += 1
                numbers[caption.text, caption.track_id] = sorts[caption.text]
        self[video_id] = numbers
        return numbers


def facts_of(video_set: VideoSet, video: Video) -> str:
    """Return what is known of a video before anything of it is told: name, length, picture, senses, how far."""
    width, height = video.size or (0, 0)
    rate = f", {video.frame_rate:.4g} pictures a second" if video.frame_rate else ""
    picture = f"{width}x{height} pixels{rate}" if video.has_video else "no picture"
    sound = "with sound" if video.has_audio else "without sound"
    noted = _noted_kinds(video_set, video)
    name = video_set.names[video.id].translate(NO_MARKERS)
    length = f"{clock(video.duration_seconds)} ({video.duration_seconds:.1f} seconds) long"
    lines = [f"Picture {name}: {picture}." if video.is_picture else f"Video {name}: {length}, {picture}, {sound}."]
    if noted:
        lines.append(f"Noted: {', '.join(_SIGHTS[kind] for kind in noted)}.")
    hidden = (*noted, *_MOVING) if video.is_picture else noted
    blind = [sight for kind, sight in _SIGHTS.items() if kind not in hidden]
    if blind:
        lines.append(f"Not watched for: {', '.join(blind)}.")
    reached = video_set.reached(video)
    if reached < video.duration_seconds - 0.5:
        lines.append(f"Watched so far up to {clock(reached)} of {clock(video.duration_seconds)}.")
    elif not video.is_picture:
        lines.append("Watched to the end.")
    return " ".join(lines)


def watched_for(video_set: VideoSet) -> str:
    """Return what the senses of all videos note, as in a sentence."""
    kinds = {kind for video in video_set.videos for kind in _noted_kinds(video_set, video)}
    return ", ".join(sight for kind, sight in _SIGHTS.items() if kind in kinds)


def tokens_of(hits: Iterable[Hit | Caption]) -> int:
    """Return about how many tokens captions take in a prompt."""
    texts = [item.caption.text if isinstance(item, Hit) else item.text for item in hits]
    return sum(math.ceil(len(text) / _CHARACTERS_PER_TOKEN) + _LINE_TOKENS for text in texts)


def tokens_of_text(text: str) -> int:
    """Return about how many tokens a text takes."""
    return math.ceil(len(text) / _CHARACTERS_PER_TOKEN)


def _noted_kinds(video_set: VideoSet, video: Video) -> list[Kind]:
    kinds = {sense.kind for sense in video_set.senses if not sense.unfit(video) and sense.name not in _OTHERWISE}
    stored = video_set.captions_of(video).between()
    kinds |= {c.kind for c in stored if c.attributes.get("words_known") is not False and "loudness" not in c.attributes}
    return [kind for kind in _SIGHTS if kind in kinds]


def _one_video(
    video_set: VideoSet, video: Video, evidence: Evidence, query: Query, hits: Sequence[Hit], budget: int
) -> Context:
    stored = video_set.captions_of(video)
    facts = facts_of(video_set, video)
    wants_measures = "measure" in query.kinds
    captions = stored.between()
    measured = [] if wants_measures else [c for c in captions if c.kind == "measure"]
    merged = merge_equal(c for c in captions if c.kind != "measure" or wants_measures)
    found = [hit for hit in hits if hit.caption.kind != "measure" or wants_measures]
    best = _placed(merged, found)
    # What lies on the screen or is said shares no word with a question that only names the sense.
    meant = [hit for hit in merged if hit.caption.kind in query.kinds]
    best += [hit for hit in meant if hit not in best] if len(meant) <= _MOST_OF_KIND else []
    room = budget - tokens_of_text(facts)
    sizes = f"({len(measured)} measurements of light, colours and motion are not shown.)" if measured else ""
    if tokens_of(merged) <= room:
        # The best has the lowest number.
        evidence.add(best)
        text = as_text(merged, evidence, video_set, named=False) if merged else ""
        return Context("\n".join(filter(None, [facts, text, sizes])), [h.caption for h in merged], 0)
    at_most = int(room * _SHARE_OF_OVERVIEW)
    # Only what will be shown gets a number: what is left when the overview takes all its share.
    sure = {hit.caption.id for hit in _moments(merged, best, room - at_most, video.duration_seconds)}
    evidence.add([hit for hit in best if hit.caption.id in sure])
    overview, told = _overview(video_set, video, evidence, at_most)
    chosen = _moments(merged, best, room - tokens_of_text(overview), video.duration_seconds)
    text = as_text(chosen, evidence, video_set, named=False) if chosen else ""
    missing = len(merged) - len(chosen)
    left_out = f"{missing} of {len(merged)} notes are not shown; the summary stands for them."
    body = [facts, overview, f"Moments:\n{text}" if text else "", f"({left_out})", sizes]
    return Context("\n".join(filter(None, body)), [*told, *(hit.caption for hit in chosen)], 0, left_out)


def _overview(video_set: VideoSet, video: Video, evidence: Evidence, room: int) -> tuple[str, list[Caption]]:
    """Return a summary, and who and what appears with counts, places and times, within a budget."""
    video_set.summarize(video, write=True)
    stored = video_set.captions_of(video)
    lines: list[str] = []
    shown: list[Caption] = []
    for caption in browse(stored):
        if tokens_of_text("\n".join(lines)) + tokens_of([caption]) > room * 0.7:
            continue
        (number,) = evidence.add([caption])
        when = clock_range(caption.start_seconds, caption.end_seconds)
        lines.append(f"{when} summary: {' '.join(caption.text.split()).translate(NO_MARKERS)} [{number}]")
        shown.append(caption)
    for thing in appearances(stored)[:_MOST_THINGS]:
        line, caption = appearance_line(thing, video.size, evidence)
        if tokens_of_text("\n".join([*lines, line])) > room:
            break
        lines.append(line)
        shown.append(caption)
    return "\n".join(lines), shown


def appearance_line(thing: Appearance, size: tuple[int, int] | None, evidence: Evidence) -> tuple[str, Caption]:
    """Return a line on a sort of thing with counts, times and places, and the caption that it cites."""
    longest = max(thing.captions, key=lambda c: c.end_seconds - c.start_seconds)
    (number,) = evidence.add([longest])
    evidence.count(thing.name, thing.count, thing.at_once)
    places = dict.fromkeys(" ".join(place(c.box, size or (1, 1))).strip() for c in thing.captions if c.box is not None)
    where = f"; {', '.join(list(places)[:3])}" if places else ""
    return f"{thing}{where} [{number}]", longest


def _told(findings: Sequence[Finding], evidence: Evidence) -> str:
    lines = []
    for finding in findings:
        if finding.computed:
            numbers = "".join(f"[{number}]" for number in evidence.add(finding.hits))
            lines.append(f"- {finding.text.translate(NO_MARKERS)} {numbers}".rstrip())
    return "\n".join(lines)


def _placed(merged: Sequence[Hit], hits: Sequence[Hit]) -> list[Hit]:
    """Return hits as the intervals of which they are a part, in their order."""
    by_key: dict[tuple[Kind, str], list[Hit]] = {}
    for hit in merged:
        by_key.setdefault((hit.caption.kind, hit.caption.text), []).append(hit)
    found: dict[str, Hit] = {}
    for hit in hits:
        same = by_key.get((hit.caption.kind, hit.caption.text), [hit])
        near = min(same, key=lambda m: abs(m.start_seconds - hit.caption.start_seconds))
        found.setdefault(near.caption.id, near)
    return list(found.values())


def _neighbours(hit: Hit, merged: Sequence[Hit]) -> list[Hit]:
    """Return what is around a moment, nearest first."""

    def away(other: Hit) -> float:
        return max(other.start_seconds - hit.end_seconds, hit.start_seconds - other.end_seconds, 0.0)

    # A neighbour that lasts longer than the moment is no detail of it, so that none begins long before.
    longest = 2 * _NEIGHBOUR_SECONDS
    first = bisect_left(merged, hit.start_seconds - _NEIGHBOUR_SECONDS - longest, key=lambda other: other.start_seconds)
    last = bisect_right(merged, hit.end_seconds + _NEIGHBOUR_SECONDS, key=lambda other: other.start_seconds)
    brief = [other for other in merged[first:last] if other.end_seconds - other.start_seconds <= longest]
    return sorted((other for other in brief if away(other) <= _NEIGHBOUR_SECONDS), key=away)


def _moments(merged: Sequence[Hit], best: Sequence[Hit], room: int, duration_seconds: float) -> list[Hit]:
    """Return what fits: the hits, what is around them, and the rest spread over the video; in temporal order."""
    chosen: dict[str, Hit] = {}
    spent = 0

    def add(hit: Hit, limit: float) -> None:
        nonlocal spent
        cost = tokens_of([hit])
        # However narrow the window, the best hit is sent.
        if hit.caption.id not in chosen and (spent + cost <= limit or not chosen):
            chosen[hit.caption.id] = hit
            spent += cost

    for hit in best:
        add(hit, room * _SHARE_OF_HITS)
    for hit in best:
        if hit.caption.id in chosen and spent < room * _SHARE_WITH_NEIGHBOURS:
            for other in _neighbours(hit, merged):
                add(other, room * _SHARE_WITH_NEIGHBOURS)
    parts = max(int(room / 60), 1)
    seen: set[tuple[int, Kind]] = set()
    for hit in merged:
        cell = int(parts * hit.start_seconds / max(duration_seconds, 1e-3)), hit.caption.kind
        if cell not in seen:
            seen.add(cell)
            add(hit, room)
    return sorted(chosen.values(), key=lambda hit: (hit.start_seconds, hit.end_seconds))
