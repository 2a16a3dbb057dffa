"""Many videos: a folder that is killed and resumed, workers on Ray that are killed, and what two workers gain.

    python -m benchmarks.fleet folder      # 60 drawn clips by one command beside the bare watches; ten kills
    python -m benchmarks.fleet ray         # 40 videos, two workers, a Chroma server; ten workers and one driver killed
    python -m benchmarks.fleet scaling     # one worker and two, with a sense that waits and one that computes

The sense of `ray` and `scaling` waits a fixed time for each picture, or computes for it, and says one line for each:
what is lost or twice shows at once. Waiting stands for a model on a GPU of its own; two workers that compute share the
cores that this machine has.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import ClassVar

from tests.fakes.chroma_server import ChromaServer
from videochat.agent.ray_workers import watch_on_ray
from videochat.agent.watch import watch
from videochat.frames import Frame, Sampling
from videochat.media import Video
from videochat.memory import CaptionStore, summarize
from videochat.records import Caption, Kind
from videochat.testing import Scene, draw_video
from videochat.tools import PerceptionTool, Settled, make_tools
from videochat.tools.base import Needs

SENSES = ["shots", "visual_facts"]
COLOURS = ["white", "navy", "gold", "black", "tomato", "grey", "green", "orange"]


class Slow(PerceptionTool):
    """A sense for measurements: one line for each second of the video, after a wait or a computation.

    Args:
        seconds: how long each takes.
        computes: whether it computes so long, on one core, or only waits.
    """

    name: ClassVar[str] = "slow"
    kind: ClassVar[Kind] = "tags"
    sees: ClassVar[str] = "that a second has passed"

    def __init__(self, seconds: float, *, computes: bool = False) -> None:
        self.seconds, self.computes = seconds, computes
        self.needs: Needs = Sampling(1.0, max_side=32)
        self.source = "slow"

    def perceive(
        self, stream: Iterable[Frame], video: Video, start_seconds: float, end_seconds: float
    ) -> Iterator[Caption | Settled]:
        """Say a line for each picture."""
        for frame in stream:
            if self.computes:
                until = time.process_time() + self.seconds
                while time.process_time() < until:
                    sum(range(10_000))
            else:
                time.sleep(self.seconds)
            second = round(frame.seconds)
            yield Caption(video.id, frame.seconds, frame.end_seconds, self.kind, f"second {second}", self.source)
            yield Settled(frame.end_seconds)
        yield Settled(end_seconds)


def draw(folder: Path, count: int, seconds: int) -> list[Path]:
    """Draw clips of which no two are alike."""
    files = []
    for number in range(count):
        chance = random.Random(number)
        scenes = [Scene(1, "", chance.choice(COLOURS), moving=chance.random() < 0.3) for _ in range(seconds - 1)]
        scenes.append(Scene(1, f"CLIP {number}", "white"))
        files.append(draw_video(folder / f"clip_{number:03}.mp4", scenes, frame_rate=4, size=(128, 72)))
    return files


def folder(count: int, kills: int) -> None:
    """Watch a folder by one command; compare with the bare watches; kill and resume it."""
    with tempfile.TemporaryDirectory() as place:
        clips, work = Path(place) / "clips", Path(place)
        clips.mkdir()
        files = draw(clips, count, 10)
        command = [sys.executable, "-m", "videochat.cli", "watch", str(clips), "--preset", ",".join(SENSES), "--memory"]
        began, cpu = time.perf_counter(), children_seconds()
        subprocess.run([*command, str(work / "one")], check=True, stdout=subprocess.DEVNULL)
        one, one_cpu = time.perf_counter() - began, children_seconds() - cpu
        expected, bare, bare_cpu = {}, 0.0, 0.0
        with CaptionStore(work / "bare") as store:
            senses = make_tools(SENSES)
            for file in files:
                video = Video(file)
                began, cpu = time.perf_counter(), time.process_time()
                watch(video, senses, stored := store.captions_of(video.id))
                summarize(stored, video.duration_seconds)
                bare, bare_cpu = bare + time.perf_counter() - began, bare_cpu + time.process_time() - cpu
                expected[video.id] = ids_of(store, video.id)
        print(f"{count} clips of 10 s, {', '.join(SENSES)}:")
        print(f"one command {one:.1f} s, the bare watches together {bare:.1f} s: {one / bare:.2f} times")
        print(f"of CPU {one_cpu:.1f} s and {bare_cpu:.1f} s: {one_cpu / bare_cpu:.2f} times", flush=True)
        chance, done = random.Random(0), 0
        for _ in range(kills):
            child = subprocess.Popen([*command, str(work / "killed")], stdout=subprocess.PIPE, text=True)
            assert child.stdout is not None
            # Some lines after the first that is new: within a watch, or between two.
            for _ in range(done + chance.randint(1, max(count // kills, 1))):
                if not child.stdout.readline():
                    break
            time.sleep(chance.random() * bare / count)
            child.kill()
            child.wait()
            done = sum(1 for _ in (work / "killed" / "journal").glob("*.jsonl"))
        subprocess.run([*command, str(work / "killed")], check=True, stdout=subprocess.DEVNULL)
        with CaptionStore(work / "killed") as store:
            compare({id_: ids_of(store, id_) for id_ in expected}, expected, f"after {kills} kills")


def ids_of(store: CaptionStore, video_id: str) -> list[str]:
    """Return the ids of the captions of a video, summaries aside."""
    return sorted(caption.id for caption in store.between(video_id))


def compare(found: dict[str, list[str]], expected: dict[str, list[str]], when: str) -> None:
    """Say how many captions are missing, and how many there should not be."""
    lost = sum(len(set(ids) - set(found[id_])) for id_, ids in expected.items())
    more = sum(len(found[id_]) - len(set(found[id_]) & set(ids)) for id_, ids in expected.items())
    total = sum(map(len, expected.values()))
    print(f"{when}: {total} captions expected, {lost} lost, {more} twice or wrong.")
    if lost or more:
        raise SystemExit(1)


def children_seconds() -> float:
    """Return the CPU seconds of the processes that have ended."""
    times = os.times()
    return times.children_user + times.children_system


def drive(clips: Path, url: str, workers: int, seconds: float, computes: bool) -> None:
    """Be the driver: watch a folder on Ray and print the results."""
    sense = Slow(seconds, computes=computes)
    began = time.perf_counter()
    for number, result in enumerate(
        watch_on_ray(clips, memory=url, preset=[sense], workers=workers, range_seconds=8.0)
    ):
        if number < workers:
            # From then on that each worker has done one: its start is no work.
            began = time.perf_counter()
        print(f"{result} | {result.video_id}", flush=True)
    print(f"took {time.perf_counter() - began:.2f}", flush=True)


def driver(clips: Path, url: str, workers: int, seconds: float, computes: bool = False) -> subprocess.Popen[str]:
    """Start a driver."""
    command = [sys.executable, "-m", "benchmarks.fleet", "drive", str(clips), url, str(workers), str(seconds)]
    environment = os.environ | {"VIDEOCHAT_EMBEDDINGS": "builtin"}
    return subprocess.Popen(
        [*command, *(["--computes"] if computes else [])], stdout=subprocess.PIPE, text=True, env=environment
    )


def kill_a_worker(driver_id: int, chance: random.Random) -> bool:
    """Kill one of the workers of a driver; return whether there was one."""
    import psutil

    found = []
    for process in psutil.Process(driver_id).children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if process.cmdline()[:1] and process.cmdline()[0].startswith("ray::BatchWorker"):
                found.append(process)
    if found:
        with contextlib.suppress(psutil.Error):
            chance.choice(found).kill()
    return bool(found)


def on_ray(count: int, kills: int) -> None:
    """Watch videos on Ray, kill workers and once the driver, and count the captions."""
    with tempfile.TemporaryDirectory() as place, ChromaServer(Path(place) / "chroma") as server:
        clips = Path(place) / "clips"
        clips.mkdir()
        files = draw(clips, count, 20)
        chance, killed, lines, drivers = random.Random(1), 0, 0, 0
        began = time.monotonic()
        while True:
            running = driver(clips, server.url, 2, 0.05)
            drivers += 1
            assert running.stdout is not None
            for line in running.stdout:
                print(line, end="")
                lines += 1
                if killed < kills and lines % 3 == 0:
                    killed += kill_a_worker(running.pid, chance)
                if drivers == 1 and lines == count // 2:
                    os.kill(running.pid, signal.SIGKILL)
            if running.wait() == 0:
                break
        print(f"{killed} workers and {drivers - 1} driver killed, {time.monotonic() - began:.0f} s")
        with CaptionStore(server.url, embeddings="builtin") as store:
            wrong = 0
            for file in files:
                video = Video(file)
                stored = store.captions_of(video.id)
                texts = [caption.text for caption in stored.between(kinds=["tags"])]
                wrong += texts != [f"second {second}" for second in range(20)] or bool(stored.gaps())
                wrong += len(stored.watched("slow", "slow")) != 1
        print(f"{count} videos, {20 * count} captions: {wrong} videos are not whole, or have something twice.")
        if wrong:
            raise SystemExit(1)


def scaling(count: int, seconds: float) -> None:
    """Measure one worker and two, with a sense that takes so long for a picture."""
    with tempfile.TemporaryDirectory() as place:
        clips = Path(place) / "clips"
        clips.mkdir()
        draw(clips, count, 20)
        for computes in (False, True):
            took = {}
            for workers in (1, 2):
                with ChromaServer(Path(place) / f"chroma-{computes}-{workers}") as server:
                    running = driver(clips, server.url, workers, seconds, computes)
                    assert running.stdout is not None
                    lines = running.stdout.read().splitlines()
                    took[workers] = float(lines[-1].split()[-1])
                    running.wait()
            rate = {workers: (count - workers) / passed for workers, passed in took.items()}
            what = "computes" if computes else "waits"
            times = rate[2] / rate[1]
            print(
                f"a sense that {what}: {rate[1]:.2f} and {rate[2]:.2f} videos a second, {times:.2f} times", flush=True
            )


def main() -> None:
    """Run one of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = parser.add_subparsers(dest="part", required=True)
    for name, count in (("folder", 60), ("ray", 40), ("scaling", 16)):
        part = parts.add_parser(name)
        part.add_argument("--count", type=int, default=count)
        part.add_argument("--kills", type=int, default=10)
        part.add_argument("--seconds", type=float, default=0.4, help="of the sense for a picture, by scaling")
    drives = parts.add_parser("drive")
    drives.add_argument("clips", type=Path)
    drives.add_argument("url")
    drives.add_argument("workers", type=int)
    drives.add_argument("seconds", type=float)
    drives.add_argument("--computes", action="store_true")
    options = parser.parse_args()
    if options.part == "folder":
        folder(options.count, options.kills)
    elif options.part == "ray":
        on_ray(options.count, options.kills)
    elif options.part == "scaling":
        scaling(options.count, options.seconds)
    else:
        drive(options.clips, options.url, options.workers, options.seconds, options.computes)


if __name__ == "__main__":
    main()
