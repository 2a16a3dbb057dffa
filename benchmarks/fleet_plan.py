"""A fleet simulated from measured numbers: how long many hours take, and what the store must hold.

    python -m benchmarks.fleet_plan measure    # what a Chroma server takes in a second, holds in memory and on disk
    python -m benchmarks.fleet_plan check      # the simulated queue beside two points measured by `benchmarks.fleet`
    python -m benchmarks.fleet_plan table      # plans for 1,000 to 100,000 hours

The simulated queue is the product's own (`videochat.agent.batch.Batch`): its workers are given a clock instead of
models. A range takes its seconds times the pace, and a fixed time for the call; a worker dies by chance, is started
again, and loses what it did since its last mark. Captions pass through the store one after another.
"""

from __future__ import annotations

import argparse
import heapq
import random
import statistics
import tempfile
import time
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from benchmarks.fleet import chroma_server
from videochat.agent import batch
from videochat.agent.batch import Batch
from videochat.agent.batch_worker import Opened
from videochat.agent.watch import WatchReport
from videochat.memory.chroma import Chroma
from videochat.records import Caption
from videochat.sources import Source

BYTES_A_NUMBER = 4
VECTOR = 384


@dataclass(frozen=True)
class Fleet:
    """What a simulation is given."""

    workers: int
    pace: float
    """Seconds of a worker for a second of video."""
    captions_an_hour: float
    """Of video."""
    store_rate: float
    """Captions that the store takes in a second."""
    call_seconds: float = 0.05
    """Of a range, besides its watch: opening, marks, messages."""
    open_seconds: float = 1.0
    """Of a video, to be opened or fetched."""
    start_seconds: float = 60.0
    """Of a worker, until its models are loaded."""
    between_deaths_hours: float = 24.0
    """Mean time between two deaths of one worker."""
    mark_seconds: float = 60.0
    """Of video between two marks: what a death costs at most."""


class Clock:
    """Simulated time: calls of workers end in order."""

    def __init__(self, fleet: Fleet, chance: random.Random) -> None:
        self.fleet, self.chance = fleet, chance
        self.now = self.busy = self.store_free = 0.0
        self.deaths = self._number = 0
        self._due: list[tuple[float, int, Future[Any], Any]] = []

    def call(self, seconds: float, outcome: Any) -> Future[Any]:
        """Begin a call that takes so long."""
        future: Future[Any] = Future()
        self._number += 1
        heapq.heappush(self._due, (self.now + seconds, self._number, future, outcome))
        return future

    def wait(self, futures: Any, **_: Any) -> tuple[set[Future[Any]], set[Future[Any]]]:
        """Go on to the next end; in the place of `concurrent.futures.wait`."""
        self.now, _, future, outcome = heapq.heappop(self._due)
        if isinstance(outcome, Exception):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
        return {future}, set(futures) - {future}

    def stored(self, captions: float, ends: float) -> float:
        """Return when a watch that would end then has its captions stored: it waits for a store that is behind."""
        work = captions / self.fleet.store_rate
        self.store_free = max(self.store_free, ends - work) + work
        return max(ends, self.store_free)


class Simulated:
    """A worker whose videos last as long as their names say."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._late = clock.fleet.start_seconds
        self._reached: dict[str, float] = clock.__dict__.setdefault("reached", {})

    def call(self, method: str, *arguments: Any) -> Future[Any]:
        """Take the time that the method would."""
        clock, fleet = self._clock, self._clock.fleet
        late, self._late = self._late, 0.0
        length = float(arguments[0].split("/")[1])
        if method == "open":
            opened = Opened(arguments[0], arguments[0], length, self._reached.get(arguments[0], 0.0))
            return clock.call(late + fleet.open_seconds, opened)
        _, start, end, _ = arguments
        work = (end - start) * fleet.pace + fleet.call_seconds
        dies = clock.chance.expovariate(1 / (fleet.between_deaths_hours * 3600))
        if dies < work:
            done = int(dies / fleet.pace / fleet.mark_seconds) * fleet.mark_seconds
            self._reached[arguments[0]] = start + min(done, end - start)
            clock.deaths += 1
            clock.busy += dies
            return clock.call(dies, RuntimeError("the worker died"))
        clock.busy += work
        captions = (end - start) / 3600 * fleet.captions_an_hour
        ends = clock.stored(captions, clock.now + late + work)
        self._reached[arguments[0]] = end
        return clock.call(ends - clock.now, WatchReport(arguments[0], start, end))

    def renew(self) -> None:
        """Be started again."""
        self._late = self._clock.fleet.start_seconds


@dataclass(frozen=True)
class Outcome:
    """What a simulation gives."""

    hours: float
    """Until the last video is done."""
    busy: float
    """Share of the workers' time in which they watched."""
    deaths: int
    begun_seconds: float
    """Until as many videos are done as there are workers."""
    failed: int


def simulate(lengths: list[float], fleet: Fleet, *, range_seconds: float = 600.0, seed: int = 0) -> Outcome:
    """Run the queue in simulated time.

    Args:
        lengths: of the videos, in seconds.
        fleet: the workers and the store.
        range_seconds: as of `watch_on_ray`.
        seed: of chance.
    """
    clock = Clock(fleet, random.Random(seed))
    workers = [Simulated(clock) for _ in range(fleet.workers)]
    sources = [Source(f"{number}/{length}", round(length * 1e5)) for number, length in enumerate(lengths)]
    begun, failed, done = 0.0, 0, 0
    with patch.object(batch, "wait", clock.wait):
        for result in Batch(workers, sources, range_seconds=range_seconds, tries=3).run():
            done += 1
            begun = clock.now if done <= fleet.workers else begun
            failed += result.error is not None
    return Outcome(clock.now / 3600, clock.busy / (clock.now * fleet.workers), clock.deaths, begun, failed)


def recordings(hours: float, seed: int = 0) -> list[float]:
    """Return lengths as of real recordings: most under an hour, a few of many hours."""
    chance, lengths, total = random.Random(seed), list[float](), 0.0
    while total < hours * 3600:
        lengths.append(min(max(chance.lognormvariate(np.log(1800), 1.0), 30.0), 12 * 3600.0))
        total += lengths[-1]
    return lengths


def measure(count: int) -> None:
    """Measure what a Chroma server takes in a second, holds in memory and on disk, for each caption."""
    import psutil

    with tempfile.TemporaryDirectory() as place, chroma_server(Path(place)) as url:
        store = Chroma(url)
        server = next(p for p in psutil.Process().children() if "chroma" in " ".join(p.cmdline()))
        chance = np.random.default_rng(0)
        sizes, rates, cpu = [], [], server.cpu_times()
        for part in range(4):
            captions = [
                Caption(f"video{part}", second, second + 1, "clip_caption", f"A person walks past shop {second}.", "m")
                for second in range(count // 4)
            ]
            vectors = {caption.id: chance.normal(size=VECTOR).astype(np.float32) for caption in captions}
            began = time.perf_counter()
            with store.session(write=True):
                store.put_captions(captions, vectors)
            rates.append(len(captions) / (time.perf_counter() - began))
            sizes.append(server.memory_info().rss)
        used = server.cpu_times()
        disk = sum(file.stat().st_size for file in Path(place).rglob("*") if file.is_file())
        seconds = used.user + used.system - cpu.user - cpu.system
    print(f"{count} captions of {VECTOR} numbers on a Chroma server:")
    print(f"taken in {statistics.median(rates):.0f} captions a second, {1e3 * seconds / count:.2f} ms of its CPU each")
    print(f"disk {disk / count:.0f} bytes each; memory {(sizes[-1] - sizes[0]) / (count * 3 / 4):.0f} bytes each")
    print(f"the vectors alone: {VECTOR * BYTES_A_NUMBER} bytes each")


def check(waits: float, rates: list[float], count: int) -> None:
    """Print the simulation beside measured rates.

    Args:
        waits: seconds of the sense for a second of video.
        rates: videos a second with one worker, with two, and so on, once each has done one.
        count: videos of 20 seconds.
    """
    lengths = [20.0] * count
    print("| workers | measured, videos a second | simulated |\n| ---: | ---: | ---: |")
    call = (1 / rates[0] - 20 * waits) / 4  # two ranges a video, an opening, the store: from one worker
    for number, rate in enumerate(rates, 1):
        fleet = Fleet(number, waits, 3600, 1e9, call_seconds=call, open_seconds=2 * call, start_seconds=0.0)
        out = simulate(lengths, fleet, range_seconds=8.0)
        print(f"| {number} | {rate:.3f} | {(count - number) / (out.hours * 3600 - out.begun_seconds):.3f} |")


def table(pace: float, captions: float, rate: float, memory: float, disk: float) -> None:
    """Print plans for 1,000 to 100,000 hours.

    Args:
        pace: seconds of a worker for a second of video.
        captions: of an hour of video.
        rate: captions that a store takes in a second.
        memory: bytes of the store's memory for each caption.
        disk: bytes on its disk.
    """
    print("| hours | videos | workers | days | busy | deaths | captions | memory | disk |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for hours, workers in ((1e3, 8), (1e4, 8), (1e4, 64), (1e5, 64), (1e5, 256)):
        lengths = recordings(hours)
        out = simulate(lengths, Fleet(workers, pace, captions, rate))
        kept = hours * captions
        print(
            f"| {hours:,.0f} | {len(lengths):,} | {workers} | {out.hours / 24:.1f} | {out.busy:.0%} | {out.deaths:,} "
            f"| {kept / 1e6:.1f} million | {kept * memory / 1e9:,.0f} GB | {kept * disk / 1e9:,.0f} GB |",
            flush=True,
        )


def main() -> None:
    """Run one of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = parser.add_subparsers(dest="part", required=True)
    parts.add_parser("measure").add_argument("--count", type=int, default=20_000)
    checks = parts.add_parser("check")
    checks.add_argument("rates", type=float, nargs="+", help="videos a second with one worker, with two")
    checks.add_argument("--waits", type=float, default=1.0)
    checks.add_argument("--count", type=int, default=16)
    tables = parts.add_parser("table")
    for name, value in (("pace", 0.89), ("captions", 5000.0), ("rate", 500.0), ("memory", 2500.0), ("disk", 4000.0)):
        tables.add_argument(f"--{name}", type=float, default=value)
    options = parser.parse_args()
    if options.part == "measure":
        measure(options.count)
    elif options.part == "check":
        check(options.waits, options.rates, options.count)
    else:
        table(options.pace, options.captions, options.rate, options.memory, options.disk)


if __name__ == "__main__":
    main()
