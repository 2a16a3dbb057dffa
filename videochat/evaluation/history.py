"""History: results of the same small benchmark over time, a line a run, so that a fall can be told from chance."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from videochat.errors import InvalidArgument, first_line
from videochat.evaluation.items import Item
from videochat.evaluation.scoring import Score
from videochat.evaluation.statistics import paired_difference

_RIGHT, _HIT = "R", "H"


@dataclass(frozen=True)
class Entry:
    """One run."""

    date: str
    commit: str
    scores: Mapping[str, float]
    """In percent, by name; `invented` is a count."""
    outcomes: Mapping[str, str] = field(default_factory=dict)
    """By item id: `R` where the answer was right, `H` where its first citation hit; empty for neither."""

    @classmethod
    def of(cls, scores: Sequence[Score], date: str, commit: str) -> Entry:
        """Return the entry of one contender's scores."""
        outcomes = {s.item.id: _RIGHT * bool(s.right) + _HIT * bool(s.hit) for s in scores}
        located = [s for s in scores if s.item.spans]
        figures = {"accuracy": 100 * fmean(s.right for s in scores)}
        if located:
            figures["hit"] = 100 * fmean(s.hit for s in located)
        for name in sorted({value for s in scores for _, value in s.item.groups}):
            figures[name] = 100 * fmean(s.right for s in scores if name in _values(s.item))
        figures["invented"] = sum(s.prediction.invented for s in scores)
        return cls(date, commit, {name: round(value, 1) for name, value in figures.items()}, outcomes)

    def falls(self, before: Entry, items: Sequence[Item]) -> list[str]:
        """Return what fell since an earlier entry by more than its 95 % interval, each as a sentence.

        Differences are paired over the questions that both answered. The clips stay the same, so it is questions that
        vary, and nothing is clustered. A citation that is invented is a fall, however few there were.
        """
        common = [item for item in items if item.id in self.outcomes and item.id in before.outcomes]
        groups = {"accuracy": (common, _RIGHT), "hit": ([item for item in common if item.spans], _HIT)}
        for name in sorted({value for item in common for _, value in item.groups}):
            groups[name] = ([item for item in common if name in _values(item)], _RIGHT)
        found = []
        for name, (among, sign) in groups.items():
            if len(among) < 2:
                continue
            now, then = ([sign in entry.outcomes[item.id] for item in among] for entry in (self, before))
            change = paired_difference([*map(float, now)], [*map(float, then)], [item.id for item in among])
            if change.high is not None and change.high < 0:
                lost = [item.id for item, a, b in zip(among, now, then, strict=True) if b and not a]
                found.append(
                    f"{name} fell by {-100 * change.mean:.1f} points (95 % interval {-100 * change.high:.1f} to "
                    f"{-100 * (change.low or 0):.1f}) since {before.commit or before.date}; lost: {', '.join(lost)}"
                )
        if self.scores.get("invented", 0) > before.scores.get("invented", 0):
            found.append(f"{self.scores['invented']:.0f} citations are invented")
        return found


def _values(item: Item) -> set[str]:
    return {value for _, value in item.groups}


def read_history(path: Path) -> list[Entry]:
    """Return the entries of a history, oldest first; empty where there is no file.

    Raises:
        InvalidArgument: a line is none.
    """
    if not path.exists():
        return []
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            data: dict[str, Any] = json.loads(line)
            found.append(Entry(data["date"], data["commit"], data["scores"], data["outcomes"]))
        except (ValueError, KeyError, TypeError) as error:
            raise InvalidArgument(f"Line {number} of {path} is no entry of a history: {first_line(error)}") from error
    return found


def append_history(path: Path, entry: Entry) -> None:
    """Write an entry behind the others."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(entry), ensure_ascii=False) + "\n")
