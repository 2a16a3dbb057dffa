"""BackgroundWatch: a watch that runs in a thread while questions are answered from what has been seen so far."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future

from videochat.agent.pipeline import Progress
from videochat.agent.watch import WatchReport
from videochat.errors import StoreError


class _Stop(Exception):
    """The watch is to end; what has settled is stored."""


class BackgroundWatch:
    """A running watch.

    It ends with the program: when the main thread has ended, the watch stops as by `stop()`, and Python waits for
    that. A thread that computes while the interpreter is taken down would abort the process.

    Args:
        run: what watches; it calls its argument with the second reached, a few times a second, and ends when that
            raises.
    """

    def __init__(self, run: Callable[[Progress], list[WatchReport]]) -> None:
        self._run = run
        self._pid = os.getpid()
        self.seconds = 0.0
        """How far the videos have been read."""
        self._stop = threading.Event()
        self._outcome: Future[list[WatchReport]] = Future()
        # Where it has ended already, the program lives on in other threads, and so does the watch.
        self._ends_with_main = threading.main_thread().is_alive()
        self._thread = threading.Thread(target=self._work, daemon=False, name="videochat-watch")
        self._thread.start()

    def _work(self) -> None:
        try:
            self._outcome.set_result(self._run(self._go_on))
        except _Stop:
            self._outcome.set_result([])
        except BaseException as error:
            self._outcome.set_exception(error)

    def _go_on(self, seconds: float) -> None:
        if self._stop.is_set() or (self._ends_with_main and not threading.main_thread().is_alive()):
            raise _Stop
        self.seconds = max(self.seconds, seconds)

    @property
    def done(self) -> bool:
        """Whether it has ended."""
        return self._outcome.done()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until it ends, at most so long; return whether it has.

        Args:
            seconds: how long; None for as long as it takes.

        Raises:
            VideoChatError: the watch failed; the same error as from a watch in the foreground.
            StoreError: this process was forked from the one that watches.
        """
        if os.getpid() != self._pid:
            raise StoreError(
                f"The watch in the background belongs to process {self._pid}, from which this one was forked. Make an "
                "agent in each process, started by multiprocessing.get_context('spawn')."
            )
        # Not on the future alone: whoever waits for the end also wants the files let go.
        until = None if seconds is None else time.monotonic() + seconds
        self._thread.join(None if until is None else max(until - time.monotonic(), 0))
        if self._thread.is_alive():
            return False
        self._outcome.result()
        return True

    def reports(self) -> list[WatchReport]:
        """Return what was done, one report for each video; empty while it runs, or if it was stopped."""
        return self._outcome.result() if self.done and self._outcome.exception() is None else []

    def when_done(self, tell: Callable[[list[WatchReport], BaseException | None], None]) -> None:
        """Call something once it has ended, in its thread, or now where it has.

        Args:
            tell: given what was done, a report for each video, and what it failed with, if it did.
        """
        self._outcome.add_done_callback(lambda outcome: tell(self.reports(), outcome.exception()))

    def stop(self) -> None:
        """End it and wait for that; what was seen is kept, and the next watch goes on from there."""
        self._stop.set()
        self._thread.join()
