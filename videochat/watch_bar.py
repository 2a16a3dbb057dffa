"""How far a watch is, for people: the time that is left, and a bar in notebooks."""

from __future__ import annotations

import contextlib
import html
import sys
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

from videochat.intervals import clock
from videochat.printable import printable

# Before that an estimate would rest on the loading of the models.
_ESTIMATE_FROM = 0.02
_EVERY_SECONDS = 0.2


class Pace:
    """How long a watch takes yet, at the pace since its first report.

    Args:
        length: seconds that are watched.
    """

    def __init__(self, length: float) -> None:
        self._length = length
        self._first: tuple[float, float] | None = None

    def left(self, seconds: float) -> str:
        """Return the time that is left in words; empty where it is too early to say.

        Args:
            seconds: how far it has come.
        """
        if self._first is None:
            self._first = time.monotonic(), seconds
        if seconds >= self._length - 1e-3:
            return "finishing"
        began, first = self._first
        share = (seconds - first) / max(self._length - first, 1e-6)
        if share < _ESTIMATE_FROM:
            return ""
        left = (time.monotonic() - began) * (1 - share) / share
        return f"about {clock(left)} left" if left >= 60 else f"about {max(round(left), 1)} s left"


@contextlib.contextmanager
def notebook_bar(name: str, length: float) -> Iterator[Callable[[float], None] | None]:
    """Show a bar below the cell of a notebook from the first report on; it goes with the watch.

    Args:
        name: of the video.
        length: seconds that are watched.

    Yields:
        What is told the second reached; None outside of notebooks.
    """
    if not _in_notebook():
        yield None
        return
    ipython: Any = import_module("IPython.display")  # which has no types
    pace, told, shown = Pace(length), 0.0, None

    def show(seconds: float) -> None:
        nonlocal told, shown
        if time.monotonic() - told < _EVERY_SECONDS:
            return
        told = time.monotonic()
        bar = ipython.HTML(_bar(name, seconds, length, pace.left(seconds)))
        if shown is None:
            shown = ipython.display(bar, display_id=True)
        else:
            shown.update(bar)

    try:
        yield show
    finally:
        if shown is not None:
            shown.update(ipython.HTML(""))


def _in_notebook() -> bool:
    if "IPython" not in sys.modules:
        return False
    from IPython.core.getipython import get_ipython

    # A shell in a terminal has no kernel.
    return hasattr(get_ipython(), "kernel")


def _bar(name: str, seconds: float, length: float, left: str) -> str:
    words = f"watching {printable(name)}, {clock(max(seconds, 0))} of {clock(length)}{left and f', {left}'}"
    share = min(max(seconds / length, 0.0), 1.0) if length else 0.0
    return (
        f'<div style="display:flex;gap:.8em;align-items:center"><progress max="1" value="{share:.4f}"></progress>'
        f'<span style="opacity:.75">{html.escape(words)}</span></div>'
    )
