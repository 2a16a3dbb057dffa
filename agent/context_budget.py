"""What a language model is shown of a long video within a budget: found moments in full, the rest as summaries."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from videochat.errors import InvalidArgument
from videochat.intervals import check_interval, clock_range
from videochat.memory.store_records import Hit
from videochat.memory.summaries import SCALES, scale_of
from videochat.memory.video_captions import VideoCaptions
from videochat.records import Caption

_CHARACTERS_PER_TOKEN = 4  # of English prose; other scripts take more tokens
_LINE_TOKENS = 8  # the time and number before a caption
_NEIGHBOUR_SECONDS = 6.0
_SHARE_FOR_MOMENTS = 0.75


@dataclass(frozen=True)
class Selection:
    """Captions to show, and what of the video they leave out."""

    captions: list[Caption]
    """In temporal order, each whole."""
    tokens: int
    """About how many tokens they take."""
    left_out: str = ""
    """A sentence about what is not shown; empty if everything is."""


def select(
    stored: VideoCaptions,
    hits: Sequence[Hit],
    *,
    budget_tokens: int = 3000,
    start_seconds: float = 0.0,
    end_seconds: float = math.inf,
) -> Selection:
    """Choose what to show of a video, or of a range of it, within a budget.

    Hits come first, best first, each with its neighbours in time; then the finest summaries that fit, for
    overview. If everything fits, everything is shown.

    Args:
        stored: the video's captions, and their summaries if they were made.
        hits: what was found for the question, best first.
        budget_tokens: at most about this many.
        start_seconds: only captions that end after this.
        end_seconds: only captions that start before this.

    Raises:
        InvalidArgument: a budget below 1, or a range that is none.
    """
    check_interval(start_seconds, end_seconds, open_end=True)
    if budget_tokens < 1:
        raise InvalidArgument(f"A budget needs at least 1 token, got {budget_tokens}.")
    everything = stored.between(start_seconds, end_seconds)
    if tokens_of(everything) <= budget_tokens:
        return Selection(everything, tokens_of(everything))
    chosen = _Chosen(budget_tokens)
    for hit in hits:
        if hit.caption.overlaps(start_seconds, end_seconds):
            chosen.add(hit.caption)
    moments = list(chosen.captions.values())
    chosen.limit = int(budget_tokens * _SHARE_FOR_MOMENTS)
    for caption in moments:
        around = caption.start_seconds - _NEIGHBOUR_SECONDS, caption.end_seconds + _NEIGHBOUR_SECONDS
        for neighbour in stored.between(max(around[0], 0.0), around[1]):
            # A neighbour that lasts longer than the moment is no detail of it.
            if neighbour.end_seconds - neighbour.start_seconds <= 2 * _NEIGHBOUR_SECONDS:
                chosen.add(neighbour)
    chosen.limit = budget_tokens
    summaries = stored.between(start_seconds, end_seconds, ["summary"])
    for scale in SCALES:
        at_scale = [caption for caption in summaries if scale_of(caption) == scale]
        if at_scale and chosen.tokens + tokens_of(at_scale) <= budget_tokens:
            chosen.add_all(at_scale)
            break
    shown = sorted(chosen.captions.values(), key=lambda c: (c.start_seconds, c.end_seconds))
    return Selection(shown, chosen.tokens, _left_out(everything, chosen))


class _Chosen:
    """Captions chosen so far, by id, within a limit of tokens that may grow."""

    def __init__(self, limit: int) -> None:
        self.limit, self.tokens = limit, 0
        self.captions: dict[str, Caption] = {}

    def add(self, caption: Caption) -> None:
        """Add a caption if it fits; a shorter one may still fit after it."""
        tokens = tokens_of([caption])
        if caption.id not in self.captions and self.tokens + tokens <= self.limit:
            self.captions[caption.id] = caption
            self.tokens += tokens

    def add_all(self, captions: Iterable[Caption]) -> None:
        for caption in captions:
            self.add(caption)


def tokens_of(captions: Iterable[Caption]) -> int:
    """Return about how many tokens captions take in a prompt."""
    return sum(math.ceil(len(caption.text) / _CHARACTERS_PER_TOKEN) + _LINE_TOKENS for caption in captions)


def _left_out(everything: list[Caption], chosen: _Chosen) -> str:
    missing = [caption for caption in everything if caption.id not in chosen.captions]
    if not missing:
        return ""
    when = clock_range(missing[0].start_seconds, max(caption.end_seconds for caption in missing))
    summed = any(caption.kind == "summary" for caption in chosen.captions.values())
    instead = "; summaries stand for them" if summed else ""
    return f"{len(missing)} of {len(everything)} captions are not shown, between {when}{instead}."
