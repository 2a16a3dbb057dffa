"""Summary: the figures of a run as tables of text, one for each question that a reader has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from videochat.evaluation.benchmarks import Benchmark
from videochat.evaluation.forecast import Price
from videochat.evaluation.scoring import Score
from videochat.evaluation.statistics import Estimate, clustered_mean, paired_difference


@dataclass(frozen=True)
class Table:
    """A heading, rows of cells, and what must be known to read them."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""

    def as_dict(self) -> dict[str, object]:
        """Return plain data for JSON."""
        return {"title": self.title, "rows": [dict(zip(self.head, row, strict=True)) for row in self.rows]}


def accuracy(scores: Sequence[Score]) -> Estimate:
    """Return the part of right answers, its error clustered by video."""
    return clustered_mean([score.right for score in scores], [score.item.video for score in scores])


def tables(benchmark: Benchmark, scores: dict[str, list[Score]], price: Price | None = None) -> list[Table]:
    """Return the tables of a run.

    Args:
        benchmark: that was run.
        scores: of each contender, in the order in which they are shown.
        price: of a million tokens read, and written; None for not known.
    """
    scores = {who: found for who, found in scores.items() if found}
    if not scores:
        return []
    found = [_accuracy(scores), _differences(scores), _official(benchmark, scores), _grounding(scores)]
    found += [_refusals(scores), _cost(scores, price), *_groups(scores)]
    return [table for table in found if table.rows]


def _accuracy(scores: dict[str, list[Score]]) -> Table:
    rows = []
    for who, found in scores.items():
        counts = Counter(score.outcome for score in found)
        estimate = accuracy(found)
        cells = [who, str(len(found)), str(estimate.clusters), _shown(estimate), f"{_chance(found)}"]
        rows.append([*cells, str(counts["unreadable"]), str(counts["failed"])])
    head = ("contender", "questions", "videos", "accuracy, 95 % interval", "chance", "unreadable", "failed")
    note = (
        "Intervals are clustered by video. Unreadable answers name no option, or several; they and failed ones count "
        "as wrong."
    )
    return Table("Accuracy", head, rows, note)


def _chance(found: Sequence[Score]) -> str:
    parts = [1 / len(score.item.options) if score.item.options else 0.0 for score in found]
    return _percent(fmean(parts))


def _differences(scores: dict[str, list[Score]]) -> Table:
    first, *others = scores
    rows = []
    for other in others:
        mine = {score.item.id: score for score in scores[first]}
        pairs = [(mine[score.item.id], score) for score in scores[other] if score.item.id in mine]
        if not pairs:
            continue
        estimate = paired_difference(
            [a.right for a, _ in pairs], [b.right for _, b in pairs], [a.item.video for a, _ in pairs]
        )
        rows.append([f"{first} - {other}", str(len(pairs)), _shown(estimate, signed=True)])
    note = "Over the questions that both answered; the interval is of the paired difference, clustered by video."
    return Table("What it adds", ("difference", "questions", "accuracy, 95 % interval"), rows, note)


def _official(benchmark: Benchmark, scores: dict[str, list[Score]]) -> Table:
    figures = {who: benchmark.official(found) for who, found in scores.items()}
    names = list(dict.fromkeys(name for found in figures.values() for name in found))
    rows = [[who, *(f"{found[name]:.2f}" if name in found else "" for name in names)] for who, found in figures.items()]
    rows = rows if names else []
    note = "In percent, by the rules of the publisher, which docs/how_to/evaluate.md tells."
    return Table(f"{benchmark.title}: official scores", ("contender", *names), rows, note)


def _grounding(scores: dict[str, list[Score]]) -> Table:
    rows = []
    for who, found in scores.items():
        all_cited = sum(len(score.prediction.cited) for score in found)
        invented = sum(score.prediction.invented for score in found)
        located = [score for score in found if score.item.spans]
        cells = [who, str(all_cited), str(invented)]
        if located:
            cited = sum(len(score.prediction.cited) for score in located)
            precise = sum(score.precise for score in located)
            cells += [
                str(len(located)),
                _percent(fmean(score.hit for score in located)),
                f"{_percent(precise / cited)} of {cited}" if cited else "none",
                _percent(fmean(score.iou for score in located)),
                _percent(fmean(score.iop for score in located)),
            ]
        rows.append([*cells, *[""] * (8 - len(cells))])
    head = ("contender", "citations", "invented", "located questions", "hit", "precision", "mIoU", "mIoP")
    note = (
        "Invented: captions and times that are cited and were never given. Hit: the first citation shares a moment "
        "with where the answer is; precision: citations that do; IoU and IoP: of the first citation."
    )
    return Table("Grounding", head, rows, note)


def _refusals(scores: dict[str, list[Score]]) -> Table:
    rows = []
    for who, found in scores.items():
        without = [s for s in found if s.item.expected is not None and s.item.expected.refuses]
        with_answer = [s for s in found if s not in without]
        honest = f"{sum(s.refused for s in without)} of {len(without)}" if without else ""
        rows.append([who, honest, f"{sum(s.refused for s in with_answer)} of {len(with_answer)}"])
    head = ("contender", "honest: nothing answers it", "needless: something does")
    return Table("Refusals", head, rows)


def _cost(scores: dict[str, list[Score]], price: Price | None) -> Table:
    rows = []
    for who, found in scores.items():
        usages = [score.prediction.usage for score in found if not score.prediction.problem]
        if not usages:
            continue
        read = [usage.input_tokens for usage in usages if usage.input_tokens is not None]
        written = [usage.output_tokens for usage in usages if usage.output_tokens is not None]
        money = ""
        if price is not None and read:
            money = f"{(sum(read) * price[0] + sum(written) * price[1]) / 1e6:.4f}"
        rows.append(
            [
                who,
                _percent(accuracy(found).mean),
                f"{median(usage.seconds for usage in usages):.2f}",
                f"{fmean(read) + fmean(written):,.0f}" if read else "",
                f"{fmean(usage.frames or 0 for usage in usages):.1f}",
                f"{fmean(usage.tool_calls for usage in usages):.1f}",
                f"{fmean(usage.model_calls for usage in usages):.1f}",
                money,
            ]
        )
    head = ("contender", "accuracy", "seconds (median)", "tokens", "frames", "tool calls", "model calls", "cost in all")
    note = "A question, the watch before it aside; tokens where the model reports them; frames that a model was shown."
    return Table("Cost of an answer", head, rows, note)


def _groups(scores: dict[str, list[Score]]) -> list[Table]:
    names = dict.fromkeys(name for found in scores.values() for s in found for name, _ in s.item.groups)
    return [_group(name, scores) for name in names]


def _group(name: str, scores: dict[str, list[Score]]) -> Table:
    def values(score: Score) -> list[str]:
        return [value for key, value in score.item.groups if key == name]

    found = dict.fromkeys(value for group in scores.values() for score in group for value in values(score))
    rows = []
    for value in found:
        cells = [value, str(max(sum(value in values(s) for s in group) for group in scores.values()))]
        for group in scores.values():
            among = [score for score in group if value in values(score)]
            cells.append(_shown(accuracy(among)) if among else "")
        rows.append(cells)
    return Table(f"By {name.replace('_', ' ')}", (name, "questions", *scores), rows)


def _shown(estimate: Estimate, *, signed: bool = False) -> str:
    mean = f"{100 * estimate.mean:+.1f}" if signed else f"{100 * estimate.mean:.1f}"
    if estimate.half_width is None or estimate.low is None or estimate.high is None:
        return mean
    clip: Callable[[float], float] = (lambda x: x) if signed else (lambda x: min(max(x, 0.0), 1.0))
    ends = [f"{100 * clip(end):{'+' if signed else ''}.1f}" for end in (estimate.low, estimate.high)]
    return f"{mean} [{ends[0]}, {ends[1]}]"


def _percent(part: float) -> str:
    return f"{100 * part:.1f}"
