"""Equal captions that touch, as one interval each: what is shown says a thing once, for as long as it holds."""

from __future__ import annotations

from collections.abc import Iterable

from videochat.memory.store_records import Hit
from videochat.memory.words import all_words
from videochat.records import Caption

_SLACK_SECONDS = 0.5
_CELLS = 8  # boxes of one thing in one part of the picture


def merge_equal(captions: Iterable[Caption]) -> list[Hit]:
    """Return captions in temporal order, those that say the same and touch as one hit with the span that they fill.

    The same is said by equal words of one kind, by whatever source; of things with a place, also in the same part of
    the picture, and of things that were followed, with the same `track_id`. Shots, and captions that hold numbers of
    their own (`measure`), stay apart.

    Args:
        captions: of one video, in any order.
    """
    merged: list[Hit] = []
    last: dict[tuple[object, ...], int] = {}
    for caption in sorted(captions, key=lambda c: (c.start_seconds, -c.end_seconds)):
        key = _same(caption)
        at = last.get(key)
        if at is not None and caption.start_seconds <= merged[at].end_seconds + _SLACK_SECONDS:
            hit = merged[at]
            merged[at] = Hit(hit.caption, span=(hit.start_seconds, max(hit.end_seconds, caption.end_seconds)))
        else:
            last[key] = len(merged)
            merged.append(Hit(caption))
    return merged


def _same(caption: Caption) -> tuple[object, ...]:
    if caption.kind in ("measure", "shot"):
        return (caption.id,)
    words = tuple(all_words(caption.text)) or (caption.text,)
    if caption.track_id is not None:
        return (caption.kind, words, caption.track_id)
    if caption.kind == "speech":
        return (caption.kind, words, caption.attributes.get("speaker"))
    if caption.box is None or caption.kind not in ("dense_caption", "objects"):
        return (caption.kind, words)
    x1, y1, x2, y2 = caption.box
    size = max(x2 - x1, y2 - y1) * _CELLS / 4
    return (caption.kind, words, round((x1 + x2) / 2 / size), round((y1 + y2) / 2 / size))
