"""Timeline: captions over time, a lane for each kind, as a figure or as text for a terminal."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from videochat.intervals import clock
from videochat.records import KINDS, Caption

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SEEN = ("█", "·")


def draw_timeline(captions: Sequence[Caption], duration_seconds: float, *, title: str = "") -> Figure:
    """Draw captions as bars over seconds, a lane for each kind that occurs, words on bars that have room.

    Args:
        captions: of one video.
        duration_seconds: how long it is; bars end there.
        title: above the lanes; without one it says that nothing has been watched.

    Returns:
        A figure that notebooks show and `savefig` writes; no window is opened.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    class Timeline(Figure):
        """A figure that a notebook shows; without pyplot it would print only its size."""

        def _repr_png_(self) -> bytes:
            png = io.BytesIO()
            self.savefig(png, format="png", dpi=110)
            return png.getvalue()

    lanes = _lanes(captions)
    figure = Timeline(figsize=(11, 0.9 + 0.5 * max(len(lanes), 1)), layout="constrained")
    axes = figure.add_subplot()
    for lane, (_, members) in enumerate(lanes):
        colour = f"C{lane}"
        for caption in members:
            end = min(caption.end_seconds, duration_seconds)
            width = max(end - caption.start_seconds, duration_seconds / 500)
            axes.barh(lane, width, left=caption.start_seconds, height=0.7, color=colour, alpha=0.55, edgecolor="white")
            room = int(width / duration_seconds * 160)
            if room >= 8:
                text = caption.text if len(caption.text) <= room else caption.text[: room - 1] + "…"
                # A dollar sign is a word here, not the start of a formula.
                text = text.replace("$", r"\$")
                axes.text(caption.start_seconds + duration_seconds * 0.003, lane, text, va="center", fontsize=7)
    axes.set_yticks(range(len(lanes)), [kind.replace("_", " ") for kind, _ in lanes])
    axes.invert_yaxis()
    axes.set_xlim(0, duration_seconds)
    axes.xaxis.set_major_locator(MaxNLocator(10, steps=[1, 2, 5, 6, 10], min_n_ticks=3, integer=duration_seconds > 5))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: clock(max(seconds, 0))))
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(left=False)
    axes.set_title(title or "Nothing has been watched yet", loc="left", fontsize=10)
    return figure


def print_timeline(captions: Sequence[Caption], duration_seconds: float, *, width: int = 100) -> str:
    """Return lanes of text: a block where a caption of that kind is, else a dot.

    Args:
        captions: of one video.
        duration_seconds: how long it is.
        width: characters in a line.
    """
    lanes = _lanes(captions)
    label = max((len(kind) for kind, _ in lanes), default=0)
    columns = max(width - label - 2, 10)
    rows = []
    for kind, members in lanes:
        row = [_SEEN[1]] * columns
        for caption in members:
            first = min(int(caption.start_seconds / duration_seconds * columns), columns - 1)
            last = max(first + 1, math.ceil(caption.end_seconds / duration_seconds * columns))
            row[first:last] = _SEEN[0] * (min(last, columns) - first)
        rows.append(f"{kind:<{label}}  {''.join(row)}")
    end = clock(duration_seconds)
    rows.append(f"{'':<{label}}  00:00{end:>{columns - 5}}")
    return "\n".join(rows)


def _lanes(captions: Sequence[Caption]) -> list[tuple[str, list[Caption]]]:
    return [(kind, members) for kind in KINDS if (members := [c for c in captions if c.kind == kind])]
