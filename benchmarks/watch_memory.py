"""Peak memory and time to the first stored caption while watching a short and a long video.

    python benchmarks/watch_memory.py [--minutes 1 60]

Draws videos of the given lengths (a scene with other words every ten seconds), watches each with the builtin
preset in a process of its own, and prints the peak resident memory of that process with its ffmpeg children,
the seconds until the first caption was stored, and the ratio of the two lengths. Memory must not grow with
the length: the ratio is to stay below 1.2.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from unittest.mock import patch

import psutil

from videochat.testing import Scene, draw_video

COLOURS = ("navy", "white", "darkred", "khaki", "darkgreen", "lightblue")


def draw(path: Path, minutes: float) -> None:
    """Draw a video of that many minutes at 5 pictures a second, with sound."""
    count = round(minutes * 6)
    scenes = [Scene(10, f"SCENE NUMBER {i}", COLOURS[i % len(COLOURS)], moving=i % 3 == 0) for i in range(count)]
    draw_video(path, scenes, frame_rate=5, speech=[(i * 10.0 + 2, i * 10.0 + 5) for i in range(count)])


def watch(path: str, folder: str) -> None:
    """Watch in this process and print the measures as JSON."""
    began = time.perf_counter()
    from videochat import VideoAgent
    from videochat.memory import VideoCaptions

    first: list[float] = []
    record = VideoCaptions.record

    def timed(self: VideoCaptions, captions: list, **more: object) -> int:
        added = record(self, captions, **more)
        if added and not first:
            first.append(time.perf_counter() - began)
        return added

    peak, done = [0], threading.Event()

    def sample() -> None:
        process = psutil.Process()
        while not done.wait(0.05):
            total = process.memory_info().rss
            for child in process.children(recursive=True):
                try:
                    total += child.memory_info().rss
                except psutil.NoSuchProcess:
                    continue
            peak[0] = max(peak[0], total)

    sampler = threading.Thread(target=sample)
    sampler.start()
    agent = VideoAgent(path, llm="extractive", memory=folder)
    with patch.object(VideoCaptions, "record", timed):
        report = agent.watch()
    done.set()
    sampler.join()
    print(
        json.dumps(
            {
                "peak_mib": peak[0] / 2**20,
                "first_caption_seconds": first[0],
                "seconds": report.seconds,
                "captions": report.captions_added,
            }
        )
    )


def main() -> None:
    """Measure each length and print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, nargs=2, default=[1, 60])
    parser.add_argument("--watch", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.watch:
        watch(*options.watch)
        return
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for minutes in options.minutes:
            video = Path(folder) / f"{minutes:g}.mp4"
            draw(video, minutes)
            command = [sys.executable, __file__, "--watch", str(video), str(Path(folder) / f"memory{minutes:g}")]
            environment = os.environ | {"VIDEOCHAT_EMBEDDINGS": "builtin"}
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
            rows.append(json.loads(done.stdout.splitlines()[-1]))
            row = rows[-1]
            print(
                f"{minutes:6g} min: peak {row['peak_mib']:6.0f} MiB, first caption after "
                f"{row['first_caption_seconds']:.1f} s, {row['captions']} captions in {row['seconds']:.0f} s"
            )
    print(f"memory, long to short: {rows[1]['peak_mib'] / rows[0]['peak_mib']:.2f}")


if __name__ == "__main__":
    main()
