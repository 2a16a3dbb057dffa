"""`videochat watch` of several videos: a line for each, a total, and at the end what could not be watched."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from videochat.cli.common import clip_captioner, print_json
from videochat.cli.progress import saying_that_it_stops
from videochat.errors import VideoChatError
from videochat.intervals import clock
from videochat.printable import steering

if TYPE_CHECKING:
    from videochat.agent.batch import VideoResult
    from videochat.agent.batch_worker import BatchProgress
    from videochat.sources import Source

_MOST_NAMED = 100


def add_many_options(command: argparse.ArgumentParser) -> None:
    """Add what is for several videos only."""
    command.add_argument(
        "--jobs", type=int, metavar="N", help="so many videos at once, each with models of its own (default: 1)"
    )
    command.add_argument(
        "--on",
        choices=("ray",),
        help="work on a Ray cluster (RAY_ADDRESS, else this machine), with a Chroma server as --memory; then --jobs is "
        "the number of workers (default: one for each GPU, or for each four cores)",
    )
    command.add_argument(
        "--dry-run",
        action="store_true",
        help="say what would be watched, how long it takes, with which models, and whom it contacts; and stop",
    )


def means_many(options: argparse.Namespace) -> bool:
    """Whether several videos are meant, or an option that is for several was given."""
    from videochat.sources import is_many

    several = len(options.video) > 1 or options.video[0] == "-" or is_many(options.video[0])
    return several or options.jobs is not None or options.dry_run or options.on is not None


def watch_many(options: argparse.Namespace) -> int:
    """Watch several videos; return 1 where one of them could not be watched."""
    from videochat.memory import CaptionStore
    from videochat.sources import find_sources

    sources = find_sources(_given(options.video))
    if not sources:
        raise VideoChatError("No video was named: the list is empty. Give paths, folders, patterns or addresses.")
    with CaptionStore(options.memory) as store:
        settings: dict[str, Any] = {
            "preset": options.preset,
            "clip_captions": clip_captioner(options),
            "memory": store,
            "start_seconds": options.start,
            "end_seconds": options.end,
            "fps": options.fps,
        }
        if options.dry_run or options.forecast:
            return _say_plan(options, sources, settings)
        return _run(options, sources, settings)


def _given(texts: list[str]) -> Iterator[str]:
    """Yield what was named, and the lines of the standard input in the place of a `-`."""
    for text in texts:
        if text == "-":
            yield from (line.rstrip("\r\n") for line in sys.stdin)
        else:
            yield text


def _say_plan(options: argparse.Namespace, sources: list[Source], settings: dict[str, Any]) -> int:
    from videochat.agent.watch_plan import plan_watch

    plan = plan_watch(sources, **settings)
    if options.json:
        print_json(plan.as_dict())
    else:
        print(plan)
    return 1 if any(video.error for video in plan.videos) else 0


def _run(options: argparse.Namespace, sources: list[Source], settings: dict[str, Any]) -> int:
    from videochat.agent.watch_plan import contacts, said_of_network
    from videochat.agent.watcher import Watcher

    shared = {name: settings[name] for name in ("preset", "clip_captions", "memory")}
    print(said_of_network(contacts(Watcher(**shared), sources)), file=sys.stderr)
    results: list[VideoResult] = []
    began = time.monotonic()
    with _status(len(sources), results) as (tell, clear):
        for result in _results(options, sources, settings, tell):
            results.append(result)
            clear()
            if options.json:
                print(json.dumps(result.as_dict()), flush=True)
            elif result.error is None:
                print(result, flush=True)
    failed = [result for result in results if result.error is not None]
    if not options.json:
        print(_total(results, time.monotonic() - began))
    for result in failed[:_MOST_NAMED]:
        print(f"videochat: {result}", file=sys.stderr)
    if failed[_MOST_NAMED:]:
        print(f"videochat: {len(failed) - _MOST_NAMED} more could not be watched; --json names all.", file=sys.stderr)
    return 1 if failed else 0


def _results(
    options: argparse.Namespace, sources: list[Source], settings: dict[str, Any], tell: BatchProgress | None
) -> Iterator[VideoResult]:
    if options.on is None:
        from videochat.agent.watch_videos import watch_videos

        return watch_videos(sources, **settings, jobs=1 if options.jobs is None else options.jobs, progress=tell)
    from videochat.agent.ray_workers import watch_on_ray

    return watch_on_ray(sources, **settings | {"memory": options.memory}, workers=options.jobs)


def _total(results: list[VideoResult], seconds: float) -> str:
    reports = [result.report for result in results if result.report is not None]
    new = [report for report in reports if not report.already_watched]
    length = sum(report.end_seconds - report.start_seconds for report in new)
    before = len(reports) - len(new)
    failed = sum(result.error is not None for result in results)
    counts = [f"{len(new)} watched"]
    counts += [f"{number} {what}" for number, what in ((before, "watched before"), (failed, "failed")) if number]
    added = sum(report.captions_added for report in new)
    return f"{len(results)} videos: {', '.join(counts)}; {added} new captions, {clock(length)} in {seconds:.1f} s."


@contextlib.contextmanager
def _status(count: int, results: list[VideoResult]) -> Iterator[tuple[BatchProgress | None, Any]]:
    """Show on a terminal which video is watched and how far it is; Ctrl-C says at once that it stops."""
    if not sys.stderr.isatty():
        with saying_that_it_stops():
            yield None, lambda: None
        return
    from rich.console import Console

    with Console(file=steering(sys.stderr)).status("opening") as status, saying_that_it_stops(status.stop):

        def tell(name: str, seconds: float, length: float) -> None:
            status.update(f"{len(results) + 1} of {count}: {name}, {clock(max(seconds, 0))} of {clock(length)}")
            status.start()

        yield tell, status.stop
