"""Forecast: what a run will ask of models, in questions, tokens, money and hours, before it begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from videochat.evaluation.items import Item
from videochat.evaluation.predictions import Prediction

Price = tuple[float, float]
"""Of a million tokens read, and written."""


@dataclass(frozen=True)
class Forecast:
    """What is to come for one contender."""

    contender: str
    questions: int
    """Still to be asked."""
    tokens: tuple[float, float] | None = None
    """Read and written, by the mean of what was answered so far; None where nothing was, or no tokens are reported."""
    seconds: float | None = None
    """By the same mean, one question after another; None where nothing was answered."""
    price: Price | None = None

    @property
    def cost(self) -> float | None:
        """Money; None where tokens or prices are not known."""
        if self.tokens is None or self.price is None:
            return None
        return sum(count * each / 1e6 for count, each in zip(self.tokens, self.price, strict=True))

    def __str__(self) -> str:
        if not self.questions:
            return f"{self.contender}: everything has been answered"
        if self.seconds is None:
            return f"{self.contender}: {self.questions} questions; what one takes is known after the first (--limit 5)"
        parts = [f"{self.questions} questions", f"{self.seconds / 3600:.1f} h one after another"]
        if self.tokens is not None:
            parts.append(f"{self.tokens[0] / 1e6:.2f} M tokens read, {self.tokens[1] / 1e6:.2f} M written")
        if self.cost is not None:
            parts.append(f"cost {self.cost:.2f}")
        return f"{self.contender}: {', '.join(parts)}, by the mean of what was answered"


def forecast(
    items: Sequence[Item],
    contenders: Sequence[str],
    done: dict[tuple[str, str], Prediction],
    price: Price | None = None,
) -> list[Forecast]:
    """Return what is to come for each contender.

    Args:
        items: of the run.
        contenders: their names.
        done: what was answered, by contender and item.
        price: of a million tokens read, and written; None for not known.
    """
    found = []
    for name in contenders:
        answered = [p for (who, _), p in done.items() if who == name and not p.problem]
        ids = {p.item for p in answered}
        open_ = sum(item.id not in ids for item in items)
        if not answered:
            found.append(Forecast(name, open_, price=price))
            continue
        read, written = ([getattr(p.usage, field) for p in answered] for field in ("input_tokens", "output_tokens"))
        tokens = None
        if all(count is not None for count in (*read, *written)):
            tokens = (open_ * fmean(read), open_ * fmean(written))
        found.append(Forecast(name, open_, tokens, open_ * fmean(p.usage.seconds for p in answered), price))
    return found
