"""What a GPU makes of all this: errors of half precision, seconds and memory, in one call and one table.

    python -m benchmarks.gpu --minutes 8 [--clip CLIP] [--work DIR] [--video-minutes 60] [--only NAME ...]
    python -m benchmarks.gpu --tiny                       # the same steps with toy models, also on a CPU

All models have the shapes of the hub's and random weights (`benchmarks/full_size.py`): what they say means nothing,
what they cost is what they would cost. The steps, each left out when the minutes are over:

- `device`: the two ceilings, measured: a large copy (bytes read and written) and a large matrix product.
- `precision`: what bfloat16 and float16 change, against float32: largest difference over largest value.
- `embed`: VideoChat-Embed on 8 frames with an answer of 100 tokens, beside the floor by those ceilings.
- `clip`: the paper's line-up on ten seconds at one frame a second, with the models loaded (paper: 2 s on an A10).
- `video`: the models of the preset base over a long video, beside decoding alone.

`--clip` is what `clip` and `video` look at, repeated as often as needed; without it one is drawn.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch

from benchmarks import embed_cost
from benchmarks.full_size import full_size
from benchmarks.watch import line_up
from tests.fakes.tiny_checkpoints import MAKERS
from tests.fakes.tiny_detectors import tiny_dfine, tiny_rfdetr
from tests.fakes.video_language_models import qwen3_vl
from videochat.agent.watch import refine, watch
from videochat.devices import Device, choose_device, free_memory, load_model
from videochat.media import Video
from videochat.memory import CaptionStore
from videochat.testing import Scene, draw_video
from videochat.tools import PerceptionTool, make_tool
from videochat.tools.presets import PRESETS
from videochat.tools.refine import CaptionRefiner

Rows = Iterator[tuple[str, str]]
"""What was measured, and the figure."""

# Of each model: the class that loads it, and what of its output is compared.
_COMPARED: dict[str, tuple[str, Callable[[Any, torch.Tensor], torch.Tensor]]] = {
    "florence-large": ("AutoModelForImageTextToText", lambda model, x: model.get_image_features(x).pooler_output),
    "siglip": ("AutoModel", lambda model, x: model.get_image_features(pixel_values=x).pooler_output),
    "xclip": ("AutoModel", lambda model, x: model.get_video_features(pixel_values=x[None]).pooler_output),
    "videomae": ("AutoModelForVideoClassification", lambda model, x: model(x[None]).logits),
    "rfdetr": ("AutoModelForObjectDetection", lambda model, x: model(x).logits.amax(-1).sort().values),
}
_SIDES = {"florence-large": 768, "siglip": 224, "xclip": 224, "videomae": 224, "rfdetr": 560}
_PICTURES = {"xclip": 8, "videomae": 16}


@dataclass(frozen=True)
class Bench:
    """Where the models and the clip are."""

    work: Path
    clip: Path
    tiny: bool
    video_minutes: float
    ends: float

    @property
    def device(self) -> Device:
        """The best there is; toy models on a CPU are compared in its own floats."""
        return choose_device()

    def model(self, name: str) -> Path:
        """Return the folder of a checkpoint of full size, or of a toy."""
        if not self.tiny:
            return full_size(name, self.work)
        if name in ("dfine", "rfdetr"):
            return {"dfine": tiny_dfine, "rfdetr": tiny_rfdetr}[name]()
        name = name.removesuffix("-large")
        folder = self.work / f"toy-{name}"
        if not folder.exists():
            folder.mkdir(parents=True)
            (MAKERS | {"qwen3_vl": qwen3_vl})[name](folder)
        return folder


def device(bench: Bench) -> Rows:
    """Measure what the device moves and multiplies."""
    place, floats = bench.device, 2**20 if bench.tiny else 2**30
    if place.is_cuda:
        yield "torch", f"{torch.__version__}, {torch.cuda.get_device_properties(0).total_memory / 2**30:.0f} GiB"
    yield "copy", f"{_copied(floats, place) / 1e12:.2f} TB/s"
    side = 512 if bench.tiny else 8192
    left, right = (torch.randn(side, side, dtype=place.dtype, device=place.name) for _ in range(2))
    rate = 2 * side**3 / _seconds(lambda: left @ right, place)
    yield f"matrix product, {str(place.dtype).removeprefix('torch.')}", f"{rate / 1e12:.0f} TFLOP/s"


def _copied(floats: int, place: Device) -> float:
    """Return bytes read and written in a second."""
    source = torch.randn(floats, device=place.name)
    target = torch.empty_like(source)
    return 2 * source.nbytes / _seconds(lambda: target.copy_(source), place)


def precision(bench: Bench) -> Rows:
    """Compare both halves with float32, on the same random pictures."""
    place = bench.device.name
    size = "toy" if bench.tiny else "7b"
    errors = embed_cost.half_precision_errors(size, 8, place)
    yield "VideoChat-Embed, visual embeddings", _errors(errors)
    for name, (auto_class, output) in _COMPARED.items():
        folder = bench.model(name)
        exact, errors = None, {}
        for dtype in (torch.float32, torch.bfloat16, torch.float16):
            model = load_model(auto_class, folder, Device(place, dtype))
            side = _side(model.config) if bench.tiny else _SIDES[name]
            torch.manual_seed(0)
            pictures = torch.randn(_PICTURES.get(name, 4), 3, side, side, device=place)
            with torch.inference_mode():
                found = output(model, pictures.to(dtype)).float()
            if exact is None:
                exact = found
            else:
                error = float((found - exact).abs().max() / exact.abs().max())
                errors[str(dtype).removeprefix("torch.")] = error
            del model
        free_memory()
        yield name, _errors(errors)


def embed(bench: Bench) -> Rows:
    """Time VideoChat-Embed beside what bytes and operations allow."""
    size, frames, tokens, words = ("toy", 2, 8, 20) if bench.tiny else ("7b", 8, 100, 100)
    place = bench.device
    counted = embed_cost.arithmetic(size, frames, tokens, words)
    ceilings = dict(device(bench))
    tera = next(float(text.split()[0]) for what, text in ceilings.items() if what.startswith("matrix"))
    floor = embed_cost.floor_seconds(counted, max(tera, 0.01), float(ceilings["copy"].split()[0]) * 1000)
    if place.is_cuda:
        torch.cuda.reset_peak_memory_stats()
    seconds = embed_cost.measure(size, frames, tokens, words, place.name)
    for stage, value in seconds.items():
        least = floor[stage.split(",")[0]]
        yield f"{size}, {frames} frames, {tokens} tokens: {stage}", f"{value * 1e3:.1f} ms, floor {least * 1e3:.1f} ms"
    together = seconds["encode"] + seconds["prefill"] + min(v for k, v in seconds.items() if k.startswith("decode"))
    yield "together", f"{together:.2f} s"
    if place.is_cuda:
        peak = torch.cuda.max_memory_allocated() / 2**30
        yield "peak memory", f"{peak:.1f} GiB, weights {counted['weight_bytes'] / 2**30:.1f} GiB"


def clip(bench: Bench) -> Rows:
    """Watch ten seconds at one frame a second, after a first time that loads."""
    short = _repeated(bench.clip, bench.work / "ten.mp4", 10)
    models = {name: str(bench.model(name)) for name in ("videomae", "florence", "siglip", "dfine")}
    senses = [_at_one_frame(sense) for sense in line_up(models)]
    refiner = CaptionRefiner(bench.model("t5"))
    names = "actions, captions, dense captions, tags, objects"
    for what, last in ((names, None), (f"{names}, refinement", refiner)):
        spent = [_watched(short, senses, last)[0] for _ in range(2 if bench.tiny else 4)]
        yield f"10 s at 1 FPS: {what}", f"{min(spent[1:]):.2f} s warm, {spent[0]:.1f} s the first time"
    for sense in senses:
        yield f"10 s at 1 FPS: {sense.name} alone", f"{min(_watched(short, [sense])[0] for _ in range(3)):.2f} s"
    for model in (*senses, refiner):
        model.close()


def video(bench: Bench) -> Rows:
    """Watch a long video with the models of the preset base."""
    models = {
        "clip_captions": "qwen3_vl",
        "actions": "xclip",
        "captions": "florence-large",
        "dense_captions": "florence-large",
        "scene_text": "florence-large",
        "tags": "siglip",
        "objects": "rfdetr",
    }
    options = PRESETS["base"].options
    senses = {
        name: make_tool(name, **{**options.get(name, {}), "model": str(bench.model(model))})
        for name, model in models.items()
    }
    refiner = CaptionRefiner(bench.model("t5"))
    _watched(_repeated(bench.clip, bench.work / "warm.mp4", 10), list(senses.values()), refiner)
    minutes = bench.video_minutes
    long = _repeated(bench.clip, bench.work / "long.mp4", minutes * 60)
    began = time.perf_counter()
    seen = Video(long)
    for _ in seen.frames(every_seconds=1.0):
        pass
    decoding = time.perf_counter() - began
    yield f"{minutes:g} min of {seen.size[0]} x {seen.size[1]}, decoding alone", f"{decoding:.0f} s"
    spent, captions = _watched(long, list(senses.values()), refiner)
    hour = spent / minutes * 60
    yield f"{minutes:g} min, preset base, captions and summaries", f"{spent:.0f} s, {hour:.0f} s an hour"
    yield "captions", str(captions)
    if bench.device.is_cuda:
        yield "peak memory", f"{torch.cuda.max_memory_allocated() / 2**30:.1f} GiB"
    if not bench.tiny:
        part = _repeated(bench.clip, bench.work / "part.mp4", 60)
        for name, sense in senses.items():
            if time.perf_counter() > bench.ends:
                return
            yield f"1 min, {name} alone", f"{_watched(part, [sense])[0]:.1f} s"


def _at_one_frame(sense: PerceptionTool) -> PerceptionTool:
    from videochat.tools import at_rate

    return sense if sense.has_own_rate else at_rate(sense, 1.0)


def _watched(path: Path, senses: list[PerceptionTool], refiner: CaptionRefiner | None = None) -> tuple[float, int]:
    with tempfile.TemporaryDirectory() as folder, CaptionStore(folder, embeddings="builtin") as store:
        seen = Video(path)
        began = time.perf_counter()
        stored = store.captions_of(seen.id)
        report = watch(seen, senses, stored)
        lines = refine(seen, refiner, stored) if refiner is not None else 0
        spent = time.perf_counter() - began
        if report.gaps:
            raise RuntimeError(str(report))
        return spent, report.captions_added + lines


def _repeated(clip: Path, target: Path, seconds: float) -> Path:
    """Write a clip again and again, its packets as they are, until it is so long."""
    with av.open(str(clip)) as first, av.open(str(target), "w") as written:
        source = first.streams.video[0]
        copied = written.add_stream_from_template(source)
        packets = [packet for packet in first.demux(source) if packet.dts is not None]
        length = max(packet.pts + (packet.duration or 0) for packet in packets)
        base = source.time_base
        most = int(seconds / base)
        shift = 0
        while shift < most:
            for packet in packets:
                if shift + packet.dts >= most:
                    break
                again = av.Packet(bytes(packet))
                again.pts, again.dts, again.duration = packet.pts + shift, packet.dts + shift, packet.duration
                again.time_base, again.is_keyframe, again.stream = base, packet.is_keyframe, copied
                written.mux(again)
            shift += length
    return target


def _seconds(work: Callable[[], Any], place: Device) -> float:
    spent = []
    for _ in range(8):
        began = time.perf_counter()
        work()
        if place.is_cuda:
            torch.cuda.synchronize()
        spent.append(time.perf_counter() - began)
    return float(np.median(spent[3:]))


def _errors(errors: dict[str, float]) -> str:
    return ", ".join(f"{name} {error:.1e}" for name, error in errors.items())


def _side(config: Any) -> int:
    for part in (config, getattr(config, "vision_config", None), getattr(config, "backbone_config", None)):
        side = getattr(part, "image_size", None)
        if side is not None:
            return int(side)
    return 64


STEPS: dict[str, Callable[[Bench], Rows]] = {
    "device": device,
    "precision": precision,
    "embed": embed,
    "clip": clip,
    "video": video,
}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=8, help="no step begins after so many")
    parser.add_argument("--clip", type=Path, help="a video; a short one will do")
    parser.add_argument("--work", type=Path, help="where models (8 GB) are kept; else nowhere")
    parser.add_argument("--video-minutes", type=float, default=60, help="length of the long video")
    parser.add_argument("--only", nargs="+", choices=STEPS, default=list(STEPS), help="steps to take")
    parser.add_argument("--tiny", action="store_true", help="toy models, seconds of video: does the command work?")
    given = parser.parse_args()
    ends = time.perf_counter() + given.minutes * 60
    with tempfile.TemporaryDirectory() as scratch:
        work: Path = given.work or Path(scratch)
        work.mkdir(parents=True, exist_ok=True)
        film = given.clip or draw_video(work / "drawn.mp4", [Scene(2, "HELLO", "red", moving=True)], frame_rate=10)
        bench = Bench(work, film, given.tiny, 0.1 if given.tiny else given.video_minutes, ends)
        place = bench.device
        card = torch.cuda.get_device_name() if place.is_cuda else "a CPU"
        print(f"On {card}, {str(place.dtype).removeprefix('torch.')}, random weights.\n")
        print("| step | what | figure |\n|---|---|---|", flush=True)
        for name in given.only:
            began = time.perf_counter()
            if began > ends:
                print(f"| {name} | | the minutes are over |")
                continue
            try:
                for what, figure in STEPS[name](bench):
                    print(f"| {name} | {what} | {figure} |", flush=True)
            except Exception as error:
                # One step that fails must not cost the others a rare machine.
                print(f"| {name} | FAILED | {type(error).__name__}: {error} |", flush=True)
                traceback.print_exc()
            free_memory()
            print(f"| {name} | took | {time.perf_counter() - began:.0f} s |", flush=True)


if __name__ == "__main__":
    main()
