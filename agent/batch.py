"""Many videos watched by one or several workers: a queue of ranges, retries, one result for each video.

What is watched and what is not is known by the store alone, so a batch that was killed is begun again and goes on.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from videochat.agent.batch_worker import Failed, Opened
from videochat.agent.watch import WatchReport
from videochat.errors import LLMError, MissingDependency, StoreError, VideoChatError, first_line
from videochat.intervals import clock, clock_range
from videochat.sources import Source

_FATAL = {kind.__name__: kind for kind in (StoreError, MissingDependency, LLMError)}
_SAME_SECONDS = 1e-3
# Workers that fail so often in a row, whatever they are given, are broken themselves.
_MOST_FAILURES = 40


class Worker(Protocol):
    """A `BatchWorker` somewhere: in this thread, in another, on another machine."""

    def call(self, method: str, *arguments: Any) -> Future[Any]:
        """Call one of its methods; one call at a time."""

    def renew(self) -> None:
        """Replace it after a call has failed: it may be dead."""


@dataclass
class VideoResult:
    """What became of one video of a batch."""

    source: str
    """The path or address that was given."""
    name: str
    """What the video is called."""
    video_id: str | None = None
    """`Video.id`; None where it could not be opened."""
    duration_seconds: float | None = None
    """How long it is."""
    report: WatchReport | None = None
    """What was watched; None where nothing could be."""
    error: str | None = None
    """Why it, or a part of it, could not be watched."""
    same_as: str | None = None
    """Another source of this batch with the same content."""

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        if self.error is not None:
            return f"{self.name}: {self.error}"
        if self.report is None or self.report.already_watched:
            same = f", the same as {self.same_as}" if self.same_as else ""
            return f"{self.name}: watched before{same}"
        length = clock(self.report.end_seconds - self.report.start_seconds)
        missed = [f"{gap.source} missed {clock_range(gap.start_seconds, gap.end_seconds)}" for gap in self.report.gaps]
        more = f"; {missed[0]}{f' and {len(missed) - 1} more' if missed[1:] else ''}" if missed else ""
        return f"{self.name}: {self.report.captions_added} new captions, {length} in {self.report.seconds:.1f} s{more}"


@dataclass
class _Task:
    """A video on its way."""

    source: Source
    start: float
    """The second up to which it was watched, or given up."""
    end: float
    """Where its watch ends; infinite before it was opened, where that is its own end."""
    opened: Opened | None = None
    tries: int = 0
    """How often its range has failed since it came further last."""
    reports: list[WatchReport] = field(default_factory=list)
    given_up: list[str] = field(default_factory=list)


class Batch:
    """A queue of videos, each cut into ranges that follow one another, for several workers.

    With several workers the largest file comes first, so that no long video is begun last. A worker stays with its
    video: what a sense says of a range depends on what it saw before, and two never watch one content at once. A range
    whose worker died, or failed for an unknown reason, goes to another; after `tries` times without coming further it
    is left as a gap, named in the result, and the rest of the video goes on.

    Args:
        workers: who watches.
        sources: what.
        start_seconds: first moment of each video.
        end_seconds: first moment no longer; None for the end.
        range_seconds: how much of a video is handed out at once; None for all of it.
        tries: how often a range is tried.
    """

    def __init__(
        self,
        workers: Sequence[Worker],
        sources: Sequence[Source],
        *,
        start_seconds: float = 0.0,
        end_seconds: float | None = None,
        range_seconds: float | None = None,
        tries: int = 1,
    ) -> None:
        self._range, self._tries = range_seconds, tries
        self._order = itertools.count()
        self._several = len(workers) > 1
        self._idle = list(workers)
        self._queue: list[tuple[int, int, _Task]] = []
        for source in sources:
            self._put(_Task(source, start_seconds, math.inf if end_seconds is None else end_seconds))
        self._running: dict[Future[Any], tuple[Worker, _Task]] = {}
        self._watched_now: dict[str, str] = {}
        """Sources by the id of their content, while they are watched."""
        self._first: dict[str, str] = {}
        """The first source of each content."""
        self._waiting: dict[str, list[_Task]] = {}
        self._failures = 0

    def _put(self, task: _Task) -> None:
        heapq.heappush(self._queue, (-task.source.size if self._several else 0, next(self._order), task))

    def run(self) -> Iterator[VideoResult]:
        """Yield a result for each video as it ends.

        Raises:
            StoreError: captions can no longer be written; what was seen is kept.
            MissingDependency: the weights of a sense are not there.
        """
        while self._queue or self._running:
            while self._idle and self._queue:
                task = heapq.heappop(self._queue)[2]
                if task.source.problem:
                    yield VideoResult(task.source.text, task.source.text, error=task.source.problem)
                else:
                    self._call(self._idle.pop(), task, "open", task.source.text)
            done, _ = wait(self._running, return_when=FIRST_COMPLETED)
            for future in done:
                worker, task = self._running.pop(future)
                error = future.exception()
                if error is not None and not isinstance(error, Exception):
                    raise error
                result = self._failed(worker, task, error) if error else self._went_on(worker, task, future.result())
                if result is not None:
                    yield result

    def _call(self, worker: Worker, task: _Task, method: str, *arguments: Any) -> None:
        self._running[worker.call(method, *arguments)] = worker, task

    def _went_on(self, worker: Worker, task: _Task, outcome: Any) -> VideoResult | None:
        self._failures = 0
        if isinstance(outcome, Failed):
            if outcome.fatal:
                raise _FATAL.get(outcome.kind, VideoChatError)(outcome.reason)
            task.given_up.append(outcome.reason)
            return self._end(worker, task)
        if isinstance(outcome, Opened):
            return self._begin(worker, task, outcome)
        if isinstance(outcome, WatchReport):
            task.reports.append(outcome)
            task.start, task.tries = outcome.end_seconds, 0
        return self._next(worker, task)

    def _begin(self, worker: Worker, task: _Task, opened: Opened) -> VideoResult | None:
        owner = self._watched_now.setdefault(opened.video_id, task.source.text)
        if owner != task.source.text:
            self._waiting.setdefault(opened.video_id, []).append(task)
            self._idle.append(worker)
            return None
        self._first.setdefault(opened.video_id, task.source.text)
        task.end = min(task.end, opened.duration_seconds)
        if opened.reached_seconds > task.start + _SAME_SECONDS and opened.reached_seconds < task.end - _SAME_SECONDS:
            # Its last worker came further than it could say.
            task.start, task.tries = opened.reached_seconds, 0
        task.opened = opened
        return self._next(worker, task, begins=True)

    def _next(self, worker: Worker, task: _Task, *, begins: bool = False) -> VideoResult | None:
        if not begins and task.start >= task.end - _SAME_SECONDS:
            return self._end(worker, task)
        stop = self._stop(task)
        last = stop >= task.end - _SAME_SECONDS
        self._call(worker, task, "watch", task.source.text, task.start, stop, last)
        return None

    def _stop(self, task: _Task) -> float:
        """Return where the range that is next ends; a short rest is not left over."""
        whole = task.opened is not None and task.opened.reached_seconds >= task.end - _SAME_SECONDS
        if self._range is None or whole or task.end - task.start <= 1.5 * self._range:
            return task.end
        return task.start + self._range

    def _failed(self, worker: Worker, task: _Task, error: BaseException) -> VideoResult | None:
        reason = f"{type(error).__name__}: {first_line(error)[:200]}"
        self._failures += 1
        if self._failures >= _MOST_FAILURES:
            raise VideoChatError(
                f"The workers failed {self._failures} times in a row, the last time with {reason}. What was seen is "
                "kept; mend the workers and begin again."
            )
        worker.renew()
        task.tries += 1
        if task.tries < self._tries:
            self._forget(task)
            self._put(task)
            self._idle.append(worker)
            return None
        times = f" after {task.tries} tries" if task.tries > 1 else ""
        if task.opened is None:
            task.given_up.append(f"it was given up{times}: {reason}")
            return self._end(worker, task)
        stop = self._stop(task)
        task.given_up.append(f"{clock_range(task.start, stop)} was given up{times}: {reason}")
        span = (task.start, stop)
        task.start, task.tries = stop, 0
        self._call(worker, task, "give_up", task.source.text, *span, reason)
        return None

    def _forget(self, task: _Task) -> None:
        if task.opened is not None and self._watched_now.get(task.opened.video_id) == task.source.text:
            del self._watched_now[task.opened.video_id]
        task.opened = None

    def _end(self, worker: Worker, task: _Task) -> VideoResult:
        self._idle.append(worker)
        opened = task.opened
        self._forget(task)
        if opened is None:
            return VideoResult(task.source.text, task.source.text, error="; ".join(task.given_up))
        for other in self._waiting.pop(opened.video_id, []):
            self._put(other)
        first = self._first[opened.video_id]
        return VideoResult(
            task.source.text,
            opened.name,
            opened.video_id,
            opened.duration_seconds,
            _joined(task.reports),
            "; ".join(task.given_up) or None,
            first if first != task.source.text else None,
        )


def _joined(reports: Sequence[WatchReport]) -> WatchReport | None:
    """Return one report for the ranges of one video."""
    if len(reports) < 2:
        return reports[0] if reports else None
    whole = WatchReport(
        reports[0].video_name, reports[0].start_seconds, reports[-1].end_seconds, preset=reports[0].preset
    )
    counts: Counter[str] = Counter()
    for report in reports:
        counts.update(report.by_sense)
        whole.skipped |= report.skipped
        whole.gaps += [gap for gap in report.gaps if gap not in whole.gaps]
        whole.remarks += [remark for remark in report.remarks if remark not in whole.remarks]
        whole.captions_added += report.captions_added
        whole.seconds += report.seconds
    whole.by_sense = dict(counts)
    whole.already_watched = all(report.already_watched for report in reports)
    return whole
