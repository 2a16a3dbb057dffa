"""What a terminal shows while a video is opened and watched, and what Ctrl-C does meanwhile."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from videochat.intervals import clock
from videochat.printable import steering

if TYPE_CHECKING:
    from videochat.agent import VideoAgent
    from videochat.agent.pipeline import Progress

# Before that an estimate would rest on the loading of the models.
_ESTIMATE_FROM = 0.02


@contextlib.contextmanager
def busy(what: str) -> Iterator[None]:
    """Say on a terminal what is going on, until it ends; Ctrl-C says at once that it stops."""
    if not sys.stderr.isatty():
        with saying_that_it_stops():
            yield
        return
    from rich.console import Console

    with Console(file=steering(sys.stderr)).status(what) as status, saying_that_it_stops(status.stop):
        yield


@contextlib.contextmanager
def watch_progress(agent: VideoAgent) -> Iterator[Progress]:
    """Show on a terminal how far the watch is and how long it takes; Ctrl-C says at once that it stops.

    Nothing is shown where all has been watched before.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    console = Console(file=steering(sys.stderr))
    length = agent.video_set.duration_seconds
    columns = (
        TextColumn("watching"),
        BarColumn(),
        TextColumn("{task.fields[at]} of " + clock(length)),
        TextColumn("{task.fields[left]}"),
    )
    bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    task = bar.add_task("", total=length, at=clock(0), left="")
    first: tuple[float, float] | None = None

    def show(seconds: float) -> None:
        nonlocal first
        if not console.is_terminal:
            return
        if first is None:
            first = (time.monotonic(), seconds)
            bar.start()
        left = "finishing" if seconds >= length - 1e-3 else _left(first, seconds, length)
        bar.update(task, completed=seconds, at=clock(max(seconds, 0)), left=left)

    with saying_that_it_stops(bar.stop):
        try:
            yield show
        finally:
            bar.stop()


def _left(first: tuple[float, float], seconds: float, length: float) -> str:
    """Return how long it will take yet, at the pace since the first report."""
    share = (seconds - first[1]) / max(length - first[1], 1e-6)
    if share < _ESTIMATE_FROM:
        return ""
    left = (time.monotonic() - first[0]) * (1 - share) / share
    return f"about {clock(left)} left" if left >= 60 else f"about {max(round(left), 1)} s left"


@contextlib.contextmanager
def saying_that_it_stops(before: Callable[[], object] = lambda: None) -> Iterator[None]:
    """Answer Ctrl-C with a word at once: senses and imports may take seconds to end.

    Args:
        before: called before the word is printed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    usual = signal.getsignal(signal.SIGINT)

    def stop(number: int, frame: object) -> None:
        signal.signal(signal.SIGINT, usual)
        before()
        print("videochat: stopping ...", file=sys.stderr, flush=True)
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)
