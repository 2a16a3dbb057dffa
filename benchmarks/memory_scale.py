"""Search time, insert rate, memory and open files as the memory grows.

    python benchmarks/memory_scale.py [--totals 1000 10000 100000 300000] [--dimensions 384] [--json]

For each total: one video with that many captions (up to 100,000), and a library of that many captions in videos of
300. Texts are drawn from a vocabulary with the frequencies of a language, vectors are random unit vectors, so only
the store is timed and no embedding model. Reported: captions inserted a second until they can be searched; the
median of filtered search in the one video (a kind and a tenth of its time); of search inside one video of the
library, beside the same video alone in a store; of search over the library; the first of each after opening the store
again; resident memory and open files after it.
Each total runs in a process of its own.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

import numpy as np
import psutil
from langchain_core.embeddings import Embeddings

from videochat.memory import CaptionStore
from videochat.records import Caption, Kind

KINDS: tuple[Kind, ...] = ("speech", "ocr", "tags", "clip_caption")
PER_VIDEO = 300
LONGEST = 100_000
VOCABULARY = 20_000
REPEATS = 31


class RandomEmbeddings(Embeddings):
    """Unit vectors that depend on nothing but the text."""

    def __init__(self, dimensions: int) -> None:
        self.dimensions = dimensions
        self.name = f"random-{dimensions}"

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Return one vector a text."""
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        """Return the vector of a text."""
        dice = np.random.default_rng(abs(hash(text)) % 2**32)
        return dice.standard_normal(self.dimensions, np.float32).tolist()


def sentences(count: int, seed: int) -> list[str]:
    """Return sentences of ten words; the n-th word of the vocabulary has a frequency of about 1/n."""
    dice = np.random.default_rng(seed)
    weights = 1 / np.arange(1, VOCABULARY + 1)
    numbers = dice.choice(VOCABULARY, size=(count, 10), p=weights / weights.sum())
    return [" ".join(f"word{n}" for n in row) for row in numbers]


def captions(video_id: str, texts: list[str]) -> list[Caption]:
    """Return a caption a second."""
    return [Caption(video_id, i, i + 2, KINDS[i % len(KINDS)], text, "bench") for i, text in enumerate(texts)]


def median_ms(search: Callable[[int], object]) -> float:
    """Return the median time of a search in milliseconds, after three to warm up."""
    times = []
    for i in range(-3, REPEATS):
        began = time.perf_counter()
        search(i)
        if i >= 0:
            times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)


def measure(total: int, dimensions: int, folder: str) -> dict[str, float]:
    """Return the measures for one total."""
    dice = random.Random(total)
    queries = sentences(REPEATS + 3, seed=7)
    embeddings = RandomEmbeddings(dimensions)
    result: dict[str, float] = {"captions": total}

    long = min(total, LONGEST)
    with CaptionStore(f"{folder}/one", embeddings=embeddings) as store:
        texts = sentences(long, seed=1)
        for i in range(0, long, 1000):
            store.add(captions("long", texts[: i + 1000])[i:])
        starts = [dice.random() * 0.9 * long for _ in range(REPEATS + 3)]

        def filtered(i: int) -> object:
            return store.search(
                queries[i],
                video_ids=["long"],
                kinds=["speech", "ocr"],
                start_seconds=starts[i],
                end_seconds=starts[i] + long / 10,
            )

        result["one_video_captions"] = long
        result["one_video_filtered_ms"] = median_ms(filtered)
        result["one_video_ms"] = median_ms(lambda i: store.search(queries[i], video_ids=["long"]))
        store.forget("long")

    videos = max(total // PER_VIDEO, 1)
    texts = sentences(videos * PER_VIDEO, seed=2)
    mine = captions("video0", texts[:PER_VIDEO])
    with (
        CaptionStore(f"{folder}/alone", embeddings=embeddings) as alone,
        CaptionStore(f"{folder}/library", embeddings=embeddings) as library,
    ):
        alone.add(mine)
        began = time.perf_counter()
        for video in range(videos):
            library.add(captions(f"video{video}", texts[video * PER_VIDEO : (video + 1) * PER_VIDEO]))
        result["stored_per_second"] = videos * PER_VIDEO / (time.perf_counter() - began)
        library.sync()
        result["indexed_per_second"] = videos * PER_VIDEO / (time.perf_counter() - began)
        result["videos"] = videos
        # In turns, so that a busy machine is busy for both.
        pairs = [
            (
                median_ms(lambda i: alone.search(queries[i], video_ids=["video0"])),
                median_ms(lambda i: library.search(queries[i], video_ids=["video0"])),
            )
            for _ in range(3)
        ]
        result["inside_alone_ms"] = statistics.median(pair[0] for pair in pairs)
        result["inside_library_ms"] = statistics.median(pair[1] for pair in pairs)
        result["library_ms"] = median_ms(lambda i: library.search(queries[i]))
        result["library_kind_ms"] = median_ms(lambda i: library.search(queries[i], kinds=["speech"]))
        for i in range(0, videos, max(videos // 100, 1)):
            library.search(queries[0], video_ids=[f"video{i}"])
        library.close()
        began = time.perf_counter()
        library.search(queries[0], video_ids=["video0"])
        result["opened_and_searched_inside_ms"] = (time.perf_counter() - began) * 1000
        began = time.perf_counter()
        library.search(queries[0])
        result["opened_and_searched_ms"] = (time.perf_counter() - began) * 1000
        process = psutil.Process()
        result["memory_mib"] = process.memory_info().rss / 2**20
        result["open_files"] = process.num_fds()
        result["disk_mib"] = sum(f.stat().st_size for f in library.path.rglob("*") if f.is_file()) / 2**20
    return result


def main() -> None:
    """Measure each total in a process of its own and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--totals", type=int, nargs="+", default=[1_000, 10_000, 100_000, 300_000])
    parser.add_argument("--dimensions", type=int, default=384)
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(measure(options.one, options.dimensions, folder)))
        return
    rows = []
    for total in options.totals:
        command = [sys.executable, __file__, "--one", str(total), "--dimensions", str(options.dimensions)]
        environment = os.environ | {"PYTHONHASHSEED": "0"}
        run = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
        rows.append(json.loads(run.stdout))
        print(run.stdout.strip() if options.json else f"{total} done", file=sys.stdout if options.json else sys.stderr)
    if not options.json:
        for name in rows[0]:
            print(f"{name:<24}" + "".join(f"{row[name]:>12,.1f}" for row in rows))


if __name__ == "__main__":
    main()
