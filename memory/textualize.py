"""Captions in temporal order as text for a language model, in the template of the paper's Table 1."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from videochat.intervals import clock_range
from videochat.memory.appearances import place
from videochat.records import Caption, Kind

# Within one stretch of time, in the order of the template: clip caption, tags, dense captions, subtitles.
_ORDER: tuple[Kind, ...] = (
    "summary",
    "shot",
    "action",
    "clip_caption",
    "tags",
    "measure",
    "objects",
    "dense_caption",
    "ocr",
    "sound",
    "speech",
)
LABELS: dict[Kind, str] = {
    "summary": "summary",
    "shot": "shot",
    "action": "action",
    "clip_caption": "caption",
    "video_caption": "caption",
    "tags": "tags",
    "measure": "measured",
    "claim": "claimed",
    "objects": "thing",
    "dense_caption": "regions",
    "ocr": "text on screen",
    "sound": "sound",
    "speech": "said",
}
"""How a kind is named in what a model is sent."""
_JOINED = frozenset({"summary", "shot", "action", "clip_caption", "tags", "measure", "objects"})


def textualize(
    captions: Iterable[Caption],
    *,
    numbers: Mapping[str, int] | None = None,
    names: Mapping[str, str] | None = None,
    sizes: Mapping[str, tuple[int, int]] | None = None,
) -> str:
    """Render captions as Table 1 of the paper prints them.

    First line: the video's class (the action that lasts longest) and its caption. Then, for each stretch of
    time, a line `MM:SS-MM:SS` with clip caption and tags, a line of dense captions
    `phrase: [x1, y1, x2, y2];`, and a line `MM:SS-MM:SS: words` for each subtitle.

    Args:
        captions: in any order; those of several videos stand one video after another, each under its name.
        numbers: evidence numbers by caption id; each caption found in it is followed by ` [n]`.
        names: names of videos by id; with it also a single video is named.
        sizes: width and height of the pictures by video id; with it every kind is named, and what has a box gets its
            place in words.
    """
    by_video: dict[str, list[Caption]] = {}
    for caption in captions:
        by_video.setdefault(caption.video_id, []).append(caption)
    if len(by_video) <= 1 and not names:
        return _one_video([caption for each in by_video.values() for caption in each], numbers, sizes)
    return "\n\n".join(
        f"Video {(names or {}).get(video_id, video_id)}:\n{_one_video(each, numbers, sizes)}"
        for video_id, each in by_video.items()
    )


def _one_video(
    captions: list[Caption], numbers: Mapping[str, int] | None, sizes: Mapping[str, tuple[int, int]] | None
) -> str:
    marks = {id_: f" [{number}]" for id_, number in (numbers or {}).items()}

    def said(caption: Caption) -> str:
        return caption.attributed_text + marks.get(caption.id, "")

    def labelled(caption: Caption) -> str:
        if sizes is None:
            return said(caption)
        return f"{LABELS[caption.kind]}: {_thing(caption, sizes)}{marks.get(caption.id, '')}"

    ordered = sorted(captions, key=lambda c: (c.start_seconds, c.end_seconds, _rank(c)))
    whole = [c for c in ordered if c.kind == "video_caption"]
    video_class, class_caption = _video_class(ordered)
    heads = [said(class_caption) if class_caption else video_class, *(said(c) for c in whole)]
    lines = [", ".join(head for head in heads if head)] if any(heads) else []

    stretches: dict[tuple[float, float], list[Caption]] = defaultdict(list)
    for caption in ordered:
        if caption is not class_caption and caption.kind != "video_caption":
            stretches[caption.start_seconds, caption.end_seconds].append(caption)
    for (start, end), together in sorted(stretches.items(), key=lambda s: (s[0][0], _rank(s[1][0]), s[0][1])):
        when = clock_range(start, end)
        joined = [labelled(c) for c in together if c.kind in _JOINED]
        if joined:
            lines.append(f"{when} {(', ' if sizes is None else '; ').join(joined)}")
        dense = [_region(c, sizes) + marks.get(c.id, "") + ";" for c in together if c.kind == "dense_caption"]
        if dense:
            dense = dense if sizes is None else ["regions:", *dense]
            lines.append(" ".join(dense) if joined and sizes is None else f"{when} {' '.join(dense)}")
        lines += [f"{when} {LABELS[c.kind]}: {said(c)}" for c in together if c.kind in ("ocr", "sound")]
        lines += [f"{when}: {said(c)}" for c in together if c.kind == "speech"]
    return "\n".join(lines)


def _video_class(captions: list[Caption]) -> tuple[str, Caption | None]:
    """Return the action that lasts longest, and its caption if that one spans all that is shown."""
    actions = [c for c in captions if c.kind == "action"]
    if not actions:
        return "", None
    first = min(c.start_seconds for c in captions)
    last = max(c.end_seconds for c in captions)
    for action in actions:
        if action.start_seconds <= first and action.end_seconds >= last:
            return action.text, action
    seconds: dict[str, float] = defaultdict(float)
    for action in actions:
        seconds[action.text] += action.end_seconds - action.start_seconds
    return max(seconds, key=lambda label: seconds[label]), None


def _rank(caption: Caption) -> int:
    return _ORDER.index(caption.kind) if caption.kind in _ORDER else -1


def _thing(caption: Caption, sizes: Mapping[str, tuple[int, int]]) -> str:
    """Return what a caption says, and of a thing with a place its number, place and box."""
    if caption.kind != "objects" or caption.box is None:
        return caption.text
    number = "" if caption.track_id is None else f" {caption.track_id}"
    return f"{caption.text}{number} {_place(caption, sizes)} {_box(caption)}".replace("  ", " ")


def _region(caption: Caption, sizes: Mapping[str, tuple[int, int]] | None) -> str:
    where = f" {_place(caption, sizes)}" if sizes is not None and caption.box is not None else ""
    return f"{caption.text}{where}: {_box(caption)}"


def _place(caption: Caption, sizes: Mapping[str, tuple[int, int]]) -> str:
    size = sizes.get(caption.video_id)
    if size is None or caption.box is None:
        return ""
    return f"({' '.join(place(caption.box, size)).strip()})"


def _box(caption: Caption) -> str:
    return str([round(v) for v in caption.box]) if caption.box else "[]"
