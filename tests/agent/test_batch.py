"""The queue of a batch: order, retries, ranges, one content at a time."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest

from videochat.agent.batch import Batch, VideoResult
from videochat.agent.batch_worker import Failed, Opened
from videochat.agent.watch import WatchReport
from videochat.errors import StoreError, VideoChatError
from videochat.sources import Source


class Fake:
    """A worker whose videos last as many seconds as their names say; what it is asked for is written down.

    Args:
        fails: given the method and its arguments, may raise, as a worker that dies.
    """

    def __init__(self, fails: Callable[..., None] = lambda *_: None) -> None:
        self.fails, self.calls, self.renewed = fails, list[tuple[Any, ...]](), 0
        self.reached: dict[str, float] = {}

    def call(self, method: str, *arguments: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.calls.append((method, *arguments))
        try:
            self.fails(method, *arguments)
            future.set_result(getattr(self, method)(*arguments))
        except Exception as error:
            future.set_exception(error)
        return future

    def open(self, source: str) -> Opened | Failed:
        if source == "full":
            return Failed("The disk is full.", "StoreError", fatal=True)
        if not source.split("-")[-1].isdigit():
            return Failed(f"There is no file {source!r}.", "MediaError")
        return Opened(source.split("-")[-1], source, float(source.split("-")[-1]), self.reached.get(source, 0.0))

    def watch(self, source: str, start: float, end: float, last: bool) -> WatchReport:
        return WatchReport(
            source, start, end, captions_added=round(end - start), by_sense={"notes": round(end - start)}
        )

    def give_up(self, *_: Any) -> None:
        return None

    def renew(self) -> None:
        self.renewed += 1


def sources(*names: str) -> list[Source]:
    return [Source(name, int(name.split("-")[-1]) if name.split("-")[-1].isdigit() else 0) for name in names]


def run(worker: Fake, *names: str, **settings: Any) -> list[VideoResult]:
    return list(Batch([worker], sources(*names), **settings).run())


def test_each_video_has_a_result_and_a_bad_one_stops_nothing() -> None:
    results = run(Fake(), "20", "none.mp4", "30")
    assert [(result.name, result.error) for result in results] == [
        ("20", None),
        ("none.mp4", "There is no file 'none.mp4'."),
        ("30", None),
    ]
    assert str(results[0]) == "20: 20 new captions, 00:20 in 0.0 s"


def test_ranges_follow_one_another_and_add_up() -> None:
    worker = Fake()
    (result,) = run(worker, "100", range_seconds=30)
    watched = [call[2:] for call in worker.calls if call[0] == "watch"]
    assert watched == [(0, 30, False), (30, 60, False), (60, 100, True)], "a short rest is not left over"
    assert result.report is not None
    assert (result.report.captions_added, result.report.end_seconds) == (100, 100)


def test_several_workers_begin_with_the_largest() -> None:
    first, second = Fake(), Fake()
    list(Batch([first, second], sources("10", "50", "30", "20")).run())
    opened = [call[1] for call in second.calls if call[0] == "open"]
    assert opened[0] == "50"


def test_one_content_is_watched_by_one_at_a_time() -> None:
    worker = Fake()
    results = run(worker, "a-20", "b-20")
    assert [result.same_as for result in results] == [None, "a-20"]


def test_a_range_is_tried_again_by_a_new_worker_and_goes_on_where_the_dead_one_came_to() -> None:
    deaths = iter([True, True, False, False, False, False])

    def dies(method: str, *arguments: Any) -> None:
        if method == "watch" and arguments[1] == 30 and next(deaths):
            worker.reached["100"] = 40.0 if worker.renewed else 0.0
            raise RuntimeError("the worker died")

    worker = Fake(dies)
    (result,) = run(worker, "100", range_seconds=30, tries=3)
    assert result.error is None
    assert worker.renewed == 2
    assert [call[2] for call in worker.calls if call[0] == "watch"] == [0, 30, 30, 40, 70]


def test_a_poisoned_range_is_given_up_named_and_the_rest_goes_on() -> None:
    def dies(method: str, *arguments: Any) -> None:
        if method == "watch" and arguments[1] == 30:
            raise RuntimeError("segmentation fault")

    worker = Fake(dies)
    healthy, poisoned = run(worker, "100", "20", range_seconds=30, tries=3)
    assert poisoned.error == "00:30-01:00 was given up after 3 tries: RuntimeError: segmentation fault"
    assert poisoned.report is not None
    assert poisoned.report.captions_added == 70
    assert ("give_up", "100", 30, 60, "RuntimeError: segmentation fault") in worker.calls
    assert healthy.error is None


def test_a_video_that_kills_whoever_opens_it_is_given_up() -> None:
    def dies(method: str, *arguments: Any) -> None:
        if method == "open" and arguments[0] == "99":
            raise RuntimeError("killed")

    results = run(Fake(dies), "99", "20", tries=3)
    assert {result.name: result.error for result in results} == {
        "99": "it was given up after 3 tries: RuntimeError: killed",
        "20": None,
    }


def test_what_would_fail_for_every_video_ends_the_batch() -> None:
    with pytest.raises(StoreError, match="disk is full"):
        run(Fake(), "full", "20")

    def dies(*_: Any) -> None:
        raise RuntimeError("no such library")

    with pytest.raises(VideoChatError, match="failed 40 times in a row"):
        run(Fake(dies), *[str(number) for number in range(100, 200)], tries=3)
