"""Overlap of cited intervals with those in which the answer is seen."""

from __future__ import annotations

from collections.abc import Sequence

from videochat.intervals import Interval, merge_intervals


def overlap(one: Interval, two: Interval) -> float:
    """Return the seconds that two intervals share; 0 where they do not touch."""
    return max(0.0, min(one[1], two[1]) - max(one[0], two[0]))


def iou_iop(span: Interval, gold: Interval) -> tuple[float, float]:
    """Return intersection over union and over the prediction, as NExT-GQA computes them.

    The union there is the hull of both, and a distance counts as a negative intersection; a moment without length has
    no union, and lies wholly in a span or not at all.

    Args:
        span: predicted.
        gold: true.
    """
    if span[0] == span[1]:
        return 0.0, float(gold[0] <= span[0] <= gold[1])
    shared = min(gold[1], span[1]) - max(gold[0], span[0])
    hull = max(gold[1], span[1]) - min(gold[0], span[0])
    return shared / hull if hull > 0 else 0.0, shared / (span[1] - span[0])


def best_iou_iop(span: Interval | None, golds: Sequence[Interval]) -> tuple[float, float]:
    """Return the largest of each over the true intervals; 0 where nothing was predicted."""
    if span is None:
        return 0.0, 0.0
    pairs = [iou_iop(span, gold) for gold in golds]
    return max([0.0, *(iou for iou, _ in pairs)]), max([0.0, *(iop for _, iop in pairs)])


def set_iou(spans: Sequence[Interval], golds: Sequence[Interval]) -> float:
    """Return intersection over union of two sets of intervals, as CG-Bench computes it; in [0, 1]."""
    one, two = merge_intervals(spans), merge_intervals(golds)
    shared = sum(overlap(a, b) for a in one for b in two)
    union = sum(end - start for start, end in (*one, *two)) - shared
    return shared / union if union > 0 else 0.0
