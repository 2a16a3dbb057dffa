"""Our watch beside the straightforward way, with the same models on the same clip.

    python -m benchmarks.watch --videos FOLDER [--minutes 10] [--work DIR]
    python -m benchmarks.watch --clip clip.mp4 [--warm]

The straightforward way is the shape of upstream's code: the whole video is decoded into memory, then one model
after another goes over it picture by picture in 32-bit floats, and what was seen is there at the end. Both look at
the same seconds: actions in windows of 2 s, a caption every 5 s, dense captions every 10 s, tags every 2 s, objects
every second. The models have full size and random weights (`benchmarks/full_size.py`).

`--videos` makes a 1080p clip of that many minutes from the clips of a folder. Each way runs in a process of its own,
first over the clip's first ten seconds, then over all of it: what the process holds more in the second run is what
grows with the video. CPU seconds are given beside wall seconds, since other work on the machine lengthens only the
latter. `--warm` watches once more with the models loaded. The floor is a null decode, and the operations of our own
run at the rate of a large matrix product.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import av
import numpy as np
import psutil
import torch

from benchmarks.full_size import full_size
from videochat.ffmpeg import ffmpeg_exe
from videochat.media import Video
from videochat.tools.text_vectors import word_list

TASKS = {"<CAPTION>": 5, "<DENSE_REGION_CAPTION>": 10}
WINDOW_SECONDS, TAG_SECONDS = 2.0, 2
# The text side of the tags is done once, whatever the video's length; a large vocabulary would flatter us, who do it
# in half precision.
TAGS = word_list("tags.txt")[:500]
SHORT_SECONDS = 10.0


def make_clip(folder: Path, target: Path, minutes: float) -> None:
    """Put the clips of a folder one after another, again and again, as 1080p H.264 of 30 pictures a second."""
    clips = [path for path in sorted(folder.iterdir()) if path.suffix in (".mp4", ".webm", ".mkv")]
    fit = "fps=30,scale=1920:1080:force_original_aspect_ratio=decrease,pad=1920:1080:(ow-iw)/2:(oh-ih)/2,setsar=1"
    inputs = [part for clip in clips for part in ("-i", str(clip))]
    chains = "".join(f"[{i}:v]{fit}[v{i}];" for i in range(len(clips)))
    joined = "".join(f"[v{i}]" for i in range(len(clips))) + f"concat=n={len(clips)}[v]"
    coding = ["-c:v", "libx264", "-preset", "superfast", "-crf", "23", "-pix_fmt", "yuv420p"]
    round_of = target.with_name("round.mp4")
    quiet = [ffmpeg_exe(), "-v", "error", "-y"]
    subprocess.run([*quiet, *inputs, "-filter_complex", chains + joined, "-map", "[v]", *coding, round_of], check=True)
    again = ["-stream_loop", "-1", "-i", round_of, "-t", str(minutes * 60), "-c", "copy", target]
    subprocess.run([*quiet, *again], check=True)
    round_of.unlink()


def straightforward(clip: str, seconds: float | None, models: dict[str, str], measure: Measure) -> None:
    """Watch in upstream's way; pictures and captions are kept in lists."""
    from transformers import (
        AutoImageProcessor,
        AutoModel,
        AutoModelForImageTextToText,
        AutoModelForObjectDetection,
        AutoModelForVideoClassification,
        AutoProcessor,
    )

    device = "cuda" if torch.cuda.is_available() else "cpu"
    pictures: list[np.ndarray] = []
    small: list[np.ndarray] = []
    with av.open(clip) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        for frame in container.decode(stream):
            now = float(frame.pts * frame.time_base)
            if seconds is not None and now >= seconds:
                break
            if now >= len(pictures):
                pictures.append(frame.to_ndarray(format="rgb24"))
            if now >= len(small) * WINDOW_SECONDS / 16:
                small.append(frame.to_ndarray(format="rgb24", width=320, height=180))
    captions: list[tuple[float, str]] = []

    processor = AutoImageProcessor.from_pretrained(models["videomae"])
    model: Any = AutoModelForVideoClassification.from_pretrained(models["videomae"]).to(device).eval()
    for first in range(0, len(small) - 15, 16):
        with torch.no_grad():
            logits = model(**processor(small[first : first + 16], return_tensors="pt").to(device)).logits
        captions.append((first / 8, model.config.id2label[int(logits.argmax())]))

    processor = AutoProcessor.from_pretrained(models["florence"])
    model = AutoModelForImageTextToText.from_pretrained(models["florence"]).to(device).eval()
    for task, every in TASKS.items():
        for second in range(0, len(pictures), every):
            inputs = processor(text=task, images=pictures[second], return_tensors="pt").to(device)
            with torch.no_grad():
                ids = model.generate(**inputs, max_new_tokens=300, num_beams=1, do_sample=False)
            captions.append((second, processor.batch_decode(ids)[0]))

    words = list(TAGS)
    processor = AutoProcessor.from_pretrained(models["siglip"])
    model = AutoModel.from_pretrained(models["siglip"]).to(device).eval()
    with torch.no_grad():
        ids = processor(text=words, padding="max_length", truncation=True, max_length=64, return_tensors="pt")
        texts = model.get_text_features(input_ids=ids["input_ids"].to(device)).pooler_output
        for second in range(0, len(pictures), TAG_SECONDS):
            pixels = processor(images=pictures[second], return_tensors="pt")["pixel_values"].to(device)
            scores = model.get_image_features(pixel_values=pixels).pooler_output @ texts.T
            captions.append((second, words[int(scores.argmax())]))

    processor = AutoImageProcessor.from_pretrained(models["dfine"])
    model = AutoModelForObjectDetection.from_pretrained(models["dfine"]).to(device).eval()
    for second, picture in enumerate(pictures):
        with torch.no_grad():
            outputs = model(**processor(picture, return_tensors="pt").to(device))
        found = processor.post_process_object_detection(outputs, threshold=0.4, target_sizes=[picture.shape[:2]])
        captions += [(second, model.config.id2label[int(label)]) for label in found[0]["labels"]]
    measure.first_caption()


def line_up(models: dict[str, str]) -> list[Any]:
    """Return our senses, looking as often as the straightforward way does."""
    from videochat.tools import make_tool

    return [
        make_tool("actions", model=models["videomae"], window_seconds=WINDOW_SECONDS),
        make_tool("captions", model=models["florence"], every_seconds=TASKS["<CAPTION>"]),
        make_tool("dense_captions", model=models["florence"], every_seconds=TASKS["<DENSE_REGION_CAPTION>"]),
        make_tool("tags", model=models["siglip"], every_seconds=TAG_SECONDS, vocabulary=TAGS),
        make_tool("objects", model=models["dfine"], every_seconds=1.0),
    ]


def ours(clip: str, seconds: float | None, models: dict[str, str], measure: Measure) -> None:
    """Watch in our way, into a real store."""
    from videochat.agent.watch import watch
    from videochat.memory import CaptionStore, VideoCaptions

    record = VideoCaptions.record

    def timed(self: VideoCaptions, captions: Any, **more: Any) -> int:
        added = record(self, captions, **more)
        if added:
            measure.first_caption()
        return added

    video, tools = Video(clip), line_up(models)
    with patch.object(VideoCaptions, "record", timed):
        for again in range(2 if measure.warm else 1):
            with tempfile.TemporaryDirectory() as folder, CaptionStore(folder, embeddings="builtin") as store:
                began = time.perf_counter()
                report = watch(video, tools, store.captions_of(video.id), 0.0, seconds)
                if report.gaps:
                    raise RuntimeError(str(report))
                if again:
                    measure.result["warm_seconds"] = time.perf_counter() - began


class Measure:
    """Clock and memory of this process and its children."""

    def __init__(self, warm: bool) -> None:
        self.warm, self.result = warm, dict[str, float]()
        self.began, self.peak, self.done = time.perf_counter(), 0, threading.Event()

    def first_caption(self) -> None:
        """Note that a caption can be had from now on."""
        self.result.setdefault("first_caption_seconds", time.perf_counter() - self.began)

    def __call__(self, work: Callable[[], None]) -> dict[str, float]:
        """Run and return seconds, CPU seconds and peak memory in MiB."""
        sampler = threading.Thread(target=self._sample, daemon=True)
        sampler.start()
        self.began = time.perf_counter()
        work()
        self.result["seconds"] = time.perf_counter() - self.began
        self.done.set()
        sampler.join()
        spent = os.times()
        self.result["cpu_seconds"] = spent.user + spent.system + spent.children_user + spent.children_system
        self.result["peak_mib"] = self.peak / 2**20
        if torch.cuda.is_available():
            self.result["gpu_peak_mib"] = torch.cuda.max_memory_allocated() / 2**20
        return self.result

    def _sample(self) -> None:
        process = psutil.Process()
        while not self.done.wait(0.1):
            total = process.memory_info().rss
            for child in process.children(recursive=True):
                try:
                    total += child.memory_info().rss
                except psutil.NoSuchProcess:
                    continue
            self.peak = max(self.peak, total)


def floor(clip: str, models: dict[str, str]) -> dict[str, float]:
    """Return what no way can go below: null decode, and operations at the device's measured rate."""
    from torch.utils.flop_counter import FlopCounterMode

    began = time.perf_counter()
    subprocess.run([ffmpeg_exe(), "-v", "error", "-i", clip, "-an", "-f", "null", "-"], check=True)
    decode = time.perf_counter() - began
    video, span = Video(clip), 20.0
    with FlopCounterMode(display=False) as counter:
        for tool in line_up(models):
            frames = (frame for _, frame in video.sample([tool.needs], 0.0, span))
            for _ in tool.perceive(frames, video, 0.0, span):
                pass
    from videochat.devices import choose_device

    place = choose_device()
    left, right = (torch.randn(4096, 4096, dtype=place.dtype, device=place.device) for _ in range(2))
    rates = []
    for _ in range(7):
        began = time.perf_counter()
        (left @ right).sum().item()
        rates.append(2 * 4096**3 / (time.perf_counter() - began))
    operations = counter.get_total_flops() * video.duration_seconds / span
    rate = sorted(rates)[3]
    return {
        "null_decode_seconds": decode,
        "tera_operations": operations / 1e12,
        "tera_rate": rate / 1e12,
        "operations_seconds": operations / rate,
    }


WAYS = {"straightforward": straightforward, "ours": ours}


def run(way: str, clip: Path, seconds: float | None, work: Path, warm: bool) -> dict[str, float]:
    """Run one way in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.watch", "--clip", clip, "--work", work, "--way", way]
    command += ["--seconds", seconds] if seconds else []
    command += ["--warm"] if warm else []
    with tempfile.TemporaryDirectory() as home:
        environment = os.environ | {"VIDEOCHAT_HOME": home, "HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1"}
        # Some machines have Python compile every library anew; people's do not.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        done = subprocess.run([str(part) for part in command], env=environment, stdout=subprocess.PIPE, check=True)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given = parser.add_mutually_exclusive_group(required=True)
    given.add_argument("--videos", type=Path, help="folder of clips to make the long one from")
    given.add_argument("--clip", type=Path, help="the clip itself")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--work", type=Path, help="where checkpoints (3 GB) and the clip are kept; else nowhere")
    parser.add_argument("--warm", action="store_true")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        work: Path = options.work or Path(scratch)
        work.mkdir(parents=True, exist_ok=True)
        models = {name: str(full_size(name, work)) for name in ("florence", "videomae", "siglip", "dfine")}
        if options.way:
            measure = Measure(options.warm)
            result = measure(lambda: WAYS[options.way](str(options.clip), options.seconds, models, measure))
            print(json.dumps(result))
            return
        clip = options.clip or work / f"clip-{options.minutes:g}.mp4"
        if not clip.exists():
            make_clip(options.videos, clip, options.minutes)
        compare(clip, work, models, options.warm)


def compare(clip: Path, work: Path, models: dict[str, str], warm: bool) -> None:
    """Run both ways and the floor; print a table and the ratios."""
    length = Video(clip).duration_seconds
    rows = {}
    print("| way | wall s | per video s | CPU s | first caption s | peak MiB | of it grown with the video |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for way in WAYS:
        short = run(way, clip, SHORT_SECONDS, work, warm=False)
        row = rows[way] = run(way, clip, None, work, warm and way == "ours")
        row["grown_mib"] = max(row["peak_mib"] - short["peak_mib"], 1.0)
        print(
            f"| {way} | {row['seconds']:.0f} | {row['seconds'] / length:.3f} | {row['cpu_seconds']:.0f} | "
            f"{row['first_caption_seconds']:.1f} | {row['peak_mib']:.0f} | {row['grown_mib']:.0f} |",
            flush=True,
        )
        if "gpu_peak_mib" in row:
            print(f"  GPU memory: {row['gpu_peak_mib']:.0f} MiB")
        if "warm_seconds" in row:
            print(f"  warm: {row['warm_seconds']:.2f} s")
    slow, fast = rows["straightforward"], rows["ours"]
    for what in ("seconds", "cpu_seconds", "first_caption_seconds", "peak_mib", "grown_mib"):
        print(f"{what}: {slow[what] / fast[what]:.1f} times less")
    least = floor(str(clip), models)
    print(
        f"floor: null decode {least['null_decode_seconds']:.0f} s; {least['tera_operations']:.0f} Tera-operations at "
        f"{least['tera_rate']:.2f} a second, {least['operations_seconds']:.0f} s"
    )


if __name__ == "__main__":
    main()
