"""The parts of `runs/toy_cpu.sh` that are no training: draw, make models to start from, ask, and make the table."""

from __future__ import annotations

import argparse
import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from random import Random
from statistics import fmean, stdev
from typing import Any

import torch

from runs.toy_world import toy_model, write_world
from videochat.embed_model.chat import EncodedClip, ask_each
from videochat.embed_model.generation import SamplingSettings
from videochat.embed_model.model import VideoChatEmbed
from videochat.embed_model.preprocess import crop_frame, normalise, sample_seconds
from videochat.media import Video

FRAMES = 8
KINDS = ("descriptive", "temporal", "causal")
MODELS = {
    "full": ("GMHRA and frame times (ours)", {"gmhra": True, "frame_times": True}),
    "paper": ("GMHRA alone, as in the paper", {"gmhra": True, "frame_times": False}),
    "neither": ("GMHRA removed, no frame times", {"gmhra": False, "frame_times": False}),
    "times": ("GMHRA removed, frame times (ours)", {"gmhra": False, "frame_times": True}),
}
WAYS = {
    "": "",
    "slowed": ", clips and frames twice as many as learned from",
    "shuffled": ", frames shuffled",
    "blank": ", no video (grey frames)",
}
_OF_EVERY_MODEL = ("", "slowed")
_T_95 = {2: 12.71, 3: 4.30, 4: 3.18, 5: 2.78}
"""Half of a 95 % interval of a mean over so many seeds, in standard errors (Student's t)."""
Shares = dict[str, float]


def draw(out: Path) -> None:
    """Draw the world, once."""
    if not (out / "world" / "slowed.json").exists():
        write_world(out / "world", clips=4000, pictures=4000, held_out=400)


def start(out: Path, model: str, seed: int) -> None:
    """Write an untrained model."""
    toy_model(**MODELS[model][1], seed=seed).save_pretrained(_folder(out, model, seed) / "start")


def _folder(out: Path, model: str, seed: int) -> Path:
    return out / f"{model}-{seed}"


def encode(model: VideoChatEmbed, paths: Sequence[Path], way: str) -> list[EncodedClip]:
    """Encode every video as `ClipEncoder` does: `way` is one of `WAYS`."""
    random = Random("shuffle")
    frames, seconds = [], []
    count = 2 * FRAMES if way == "slowed" else FRAMES
    for path in paths:
        video = Video(path)
        when = sample_seconds(video, 0, video.duration_seconds, count)
        side = model.config.vision.image_size
        pictures = normalise([crop_frame(frame.image, side) for frame in video.frames(at_seconds=when)])
        if way == "shuffled":
            pictures = pictures[random.sample(range(FRAMES), FRAMES)]
        frames.append(torch.zeros_like(pictures) if way == "blank" else pictures)
        seconds.append(tuple(when))
    with torch.inference_mode():
        embeds = torch.cat([model.encode(torch.stack(frames[at : at + 50])) for at in range(0, len(frames), 50)])
    return [EncodedClip(one, when) for one, when in zip(embeds, seconds, strict=True)]


def ask(model: VideoChatEmbed, world: Path, way: str) -> Shares:
    """Return the share of answers to held-out questions that are right to the letter, by kind."""
    items = json.loads((world / f"{'slowed' if way == 'slowed' else 'held_out'}.json").read_text())
    clips = encode(model, [world / item["video"] for item in items], way)
    asked: dict[str, list[tuple[EncodedClip, dict[str, str]]]] = defaultdict(list)
    for item, clip in zip(items, clips, strict=True):
        for turn in item["QA"]:
            asked[turn["q"]].append((clip, turn))
    right: dict[str, list[bool]] = defaultdict(list)
    for question, cases in asked.items():
        answers = ask_each(
            model, [clip for clip, _ in cases], question, SamplingSettings(temperature=0, max_new_tokens=12)
        )
        for answer, (_, turn) in zip(answers, cases, strict=True):
            right[turn["kind"]].append(answer == turn["a"])
    return _shares(right)


def guess(world: Path) -> Shares:
    """Return the same for always the most frequent answer to the question in the training conversations."""
    answers_to: dict[str, Counter[str]] = defaultdict(Counter)
    for item in json.loads((world / "instruction.json").read_text()):
        for turn in item["QA"]:
            answers_to[turn["q"]][turn["a"]] += 1
    right: dict[str, list[bool]] = defaultdict(list)
    for item in json.loads((world / "held_out.json").read_text()):
        for turn in item["QA"]:
            right[turn["kind"]].append(turn["a"] == answers_to[turn["q"]].most_common(1)[0][0])
    return _shares(right)


def _shares(right: dict[str, list[bool]]) -> Shares:
    return {kind: sum(right[kind]) / len(right[kind]) for kind in KINDS}


def curve(folder: Path) -> list[dict[str, Any]]:
    """Return the steps of a stage."""
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def table(out: Path) -> None:
    """Ask every trained model; print and write the table, the figures behind it and the picture of the curves."""
    world = out / "world"
    rows: list[tuple[str, list[Shares]]] = []
    for name, (label, _) in MODELS.items():
        trained = _trained(out, name)
        if not trained:
            continue
        shares: dict[str, list[Shares]] = defaultdict(list)
        for folder in trained:
            model = VideoChatEmbed.from_pretrained(folder / "tuned", device="cpu")
            seconds = sum(step["seconds"] for stage in ("aligned", "tuned") for step in curve(folder / stage))
            for way in WAYS if name == "full" else _OF_EVERY_MODEL:
                shares[way].append(ask(model, world, way) | ({} if way else {"minutes": seconds / 60}))
        rows += [(label + WAYS[way], found) for way, found in shares.items()]
    rows.append(("most frequent answer to the question (language prior)", [guess(world)]))
    lines = [f"| held-out videos | seeds | {' | '.join(KINDS)} | minutes |", "| --- |" + " ---: |" * (len(KINDS) + 2)]
    for label, found in rows:
        cells = [_with_interval([shares[kind] for shares in found]) for kind in KINDS]
        minutes = [f"{fmean(shares['minutes'] for shares in found):.0f}" if "minutes" in found[0] else ""]
        lines.append(f"| {' | '.join([label, str(len(found)), *cells, *minutes])} |")
    text = "\n".join(lines)
    (out / "toy.md").write_text(text + "\n")
    (out / "toy.json").write_text(json.dumps(dict(rows), indent=1) + "\n")
    _picture(out)
    print(text)


def _trained(out: Path, model: str) -> list[Path]:
    """Return the folders of a model's seeds that are trained to the end."""
    return sorted(path.parents[1] for path in out.glob(f"{model}-*/tuned/config.json"))


def _with_interval(shares: Sequence[float]) -> str:
    """Return a mean over seeds with its 95 % interval."""
    if len(shares) < 2:
        return f"{shares[0]:.1%}"
    half = _T_95[len(shares)] * stdev(shares) / len(shares) ** 0.5
    return f"{fmean(shares):.1%} ± {100 * half:.1f}"


def _picture(out: Path) -> None:
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(8, 3), layout="constrained")
    for name, (label, _) in MODELS.items():
        for axis, stage in zip(axes, ("aligned", "tuned"), strict=True):
            trained = _trained(out, name)
            if not trained:
                continue
            losses = [step["loss"] for step in curve(trained[0] / stage)]
            width = 50
            smooth = [sum(losses[at : at + width]) / width for at in range(0, len(losses) - width + 1, width)]
            axis.plot([(at + 0.5) * width for at in range(len(smooth))], smooth, label=label, linewidth=1)
    for axis, title in zip(axes, ("stage 1: alignment", "stage 2: instruction"), strict=True):
        axis.set(title=title, xlabel="step", ylabel="loss", yscale="log")
    axes[1].legend(fontsize=7, frameon=False)
    figure.savefig(out / "toy.png", dpi=110)


def main() -> None:
    """Do one of the parts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=("draw", "start", "table"))
    parser.add_argument("out", type=Path)
    parser.add_argument("model", nargs="?", choices=MODELS)
    parser.add_argument("seed", nargs="?", type=int, default=1)
    options = parser.parse_args()
    if options.part == "draw":
        draw(options.out)
    elif options.part == "start":
        start(options.out, options.model, options.seed)
    else:
        table(options.out)


if __name__ == "__main__":
    main()
