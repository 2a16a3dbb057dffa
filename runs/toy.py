"""The parts of `runs/toy_cpu.sh` that are no training: draw, make models to start from, ask, and make the table."""

from __future__ import annotations

import argparse
import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from random import Random
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
WAYS = {"": "", "shuffled": ", frames shuffled", "blank": ", no video (grey frames)"}
Shares = dict[str, float]


def draw(out: Path) -> None:
    """Draw the world, once."""
    if not (out / "world" / "held_out.json").exists():
        write_world(out / "world", clips=4000, pictures=4000, held_out=400)


def start(out: Path, model: str) -> None:
    """Write an untrained model."""
    toy_model(**MODELS[model][1]).save_pretrained(out / model / "start")


def encode(model: VideoChatEmbed, paths: Sequence[Path], way: str) -> list[EncodedClip]:
    """Encode every video as `ClipEncoder` does, its frames as they are, shuffled or grey: `way` is one of `WAYS`."""
    random = Random("shuffle")
    frames, seconds = [], []
    for path in paths:
        video = Video(path)
        when = sample_seconds(video, 0, video.duration_seconds, FRAMES)
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
    items = json.loads((world / "held_out.json").read_text())
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
    rows: list[dict[str, Any]] = []
    for name, (label, _) in MODELS.items():
        if not (out / name / "tuned" / "config.json").exists():
            continue
        model = VideoChatEmbed.from_pretrained(out / name / "tuned", device="cpu")
        seconds = sum(step["seconds"] for stage in ("aligned", "tuned") for step in curve(out / name / stage))
        for way, words in WAYS.items() if name == "full" else [("", "")]:
            rows.append({"row": label + words, **ask(model, world, way)} | ({} if way else {"minutes": seconds / 60}))
    rows.append({"row": "most frequent answer to the question (language prior)", **guess(world)})
    lines = [f"| held-out videos | {' | '.join(KINDS)} | minutes |", "| --- |" + " ---: |" * (len(KINDS) + 1)]
    for row in rows:
        minutes = f"{row['minutes']:.0f}" if "minutes" in row else ""
        lines.append(f"| {row['row']} | {' | '.join(f'{row[kind]:.1%}' for kind in KINDS)} | {minutes} |")
    text = "\n".join(lines)
    (out / "toy.md").write_text(text + "\n")
    (out / "toy.json").write_text(json.dumps(rows, indent=1) + "\n")
    _picture(out)
    print(text)


def _picture(out: Path) -> None:
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(8, 3), layout="constrained")
    for name, (label, _) in MODELS.items():
        for axis, stage in zip(axes, ("aligned", "tuned"), strict=True):
            if not (out / name / "tuned" / "config.json").exists():
                continue
            losses = [step["loss"] for step in curve(out / name / stage)]
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
    options = parser.parse_args()
    if options.part == "draw":
        draw(options.out)
    elif options.part == "start":
        start(options.out, options.model)
    else:
        table(options.out)


if __name__ == "__main__":
    main()
