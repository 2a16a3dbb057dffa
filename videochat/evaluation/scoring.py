"""Scoring: predictions held against what is right, one score for each item and contender."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from videochat.evaluation.extraction import chosen_option
from videochat.evaluation.items import Item
from videochat.evaluation.overlap import best_iou_iop, overlap, set_iou
from videochat.evaluation.predictions import Prediction
from videochat.evaluation.word_errors import word_error_rate, words_found
from videochat.intervals import Interval

Outcome = Literal["right", "wrong", "unreadable", "failed"]
"""`unreadable`: it chooses no option, or several; `failed`: there is no answer. Both count as wrong."""


@dataclass(frozen=True)
class Score:
    """What one prediction is worth."""

    item: Item
    prediction: Prediction
    outcome: Outcome
    chosen: int | None = None
    """Index of the option that was chosen."""
    part: float | None = None
    """Which part of a reference a sense got right, in [0, 1]; None where a question is right or wrong."""

    @property
    def right(self) -> float:
        """1 or 0; of what a sense made out the part that is right."""
        return float(self.outcome == "right") if self.part is None else self.part

    @property
    def span(self) -> Interval | None:
        """The interval that is predicted where one is wanted: the first that is cited."""
        return self.prediction.cited[0] if self.prediction.cited else None

    @property
    def iou(self) -> float:
        """Intersection over union of the first citation with the nearest true interval."""
        return best_iou_iop(self.span, self.item.spans)[0]

    @property
    def iop(self) -> float:
        """Part of the first citation that lies in a true interval."""
        return best_iou_iop(self.span, self.item.spans)[1]

    @property
    def set_iou(self) -> float:
        """Intersection over union of all citations with all true intervals."""
        return set_iou(self.prediction.cited, self.item.spans)

    @property
    def precise(self) -> int:
        """How many citations share a moment with a true interval."""
        return sum(any(overlap(cited, gold) > 0 for gold in self.item.spans) for cited in self.prediction.cited)

    @property
    def hit(self) -> float:
        """Whether the first citation shares a moment with a true interval: 1 or 0."""
        return float(self.span is not None and any(overlap(self.span, gold) > 0 for gold in self.item.spans))

    @property
    def refused(self) -> bool:
        """Whether it says that nothing noted answers the question."""
        return self.prediction.status == "not_found" and not self.prediction.problem


def score(item: Item, prediction: Prediction) -> Score:
    """Return what a prediction is worth."""
    if prediction.problem:
        return Score(item, prediction, "failed")
    if item.reference:
        heard = item.question == "speech"
        part = (
            1 - word_error_rate(item.reference, prediction.text)
            if heard
            else words_found(item.reference, prediction.text)
        )
        return Score(item, prediction, "right" if part >= 1 else "wrong", part=max(0.0, part))
    if item.options:
        chosen = chosen_option(prediction.text, item.options)
        if chosen is None:
            return Score(item, prediction, "unreadable")
        return Score(item, prediction, "right" if chosen == item.right else "wrong", chosen)
    expected = item.expected
    if expected is None:
        # Only where it is was asked.
        return Score(item, prediction, "right" if located_rank(item, prediction) == 1 else "wrong")
    refuses = prediction.status == "not_found"
    holds = expected.holds(prediction.text) and refuses == expected.refuses
    if holds and item.spans and not expected.refuses:
        # An open answer is right for what it says and where that is seen.
        first = prediction.cited[0] if prediction.cited else None
        holds = first is not None and any(overlap(first, gold) > 0 for gold in item.spans)
    return Score(item, prediction, "right" if holds else "wrong")


def located_rank(item: Item, prediction: Prediction) -> int:
    """Return the place, from 1, of the first cited interval of which at least half lies in a true one; 0 for none."""
    for rank, span in enumerate(prediction.cited, 1):
        if any(2 * overlap(span, gold) >= span[1] - span[0] and overlap(span, gold) > 0 for gold in item.spans):
            return rank
    return 0


def submission(
    items: Sequence[Item], predictions: Mapping[tuple[str, str], Prediction], contender: str
) -> dict[str, int]:
    """Return which option a contender chooses by item, as servers of benchmarks take it; -1 where it chooses none."""
    found = {}
    for item in items:
        prediction = predictions.get((contender, item.id))
        if item.options and prediction is not None and not prediction.problem:
            chosen = chosen_option(prediction.text, item.options)
            found[item.id] = -1 if chosen is None else chosen
    return found


def score_all(items: Sequence[Item], predictions: Mapping[tuple[str, str], Prediction]) -> dict[str, list[Score]]:
    """Return the scores of each contender, in the order of the items; what was not asked is left out."""
    found: dict[str, list[Score]] = {}
    by_id = {item.id: item for item in items if item.scored}
    order = {id_: number for number, id_ in enumerate(by_id)}
    for (contender, id_), prediction in sorted(predictions.items(), key=lambda one: order.get(one[0][1], -1)):
        if id_ in by_id:
            found.setdefault(contender, []).append(score(by_id[id_], prediction))
    return found
