"""What a terminal shows while a video is opened and watched, and what Ctrl-C does meanwhile."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from videochat.intervals import clock
from videochat.printable import steering
from videochat.watch_bar import Pace

if TYPE_CHECKING:
    from videochat.agent import VideoAgent
    from videochat.agent.pipeline import Progress


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
    pace = Pace(length)

    def show(seconds: float) -> None:
        if not console.is_terminal:
            return
        bar.start()
        bar.update(task, completed=seconds, at=clock(max(seconds, 0)), left=pace.left(seconds))

    with saying_that_it_stops(bar.stop):
        try:
            yield show
        finally:
            bar.stop()


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
