"""A small training set and a model to start from, and what a step changes."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from random import Random

import torch
from PIL import Image
from torch.optim.optimizer import register_optimizer_step_pre_hook

from runs.toy_world import make_clip, write_clip
from tests.fakes.tiny_embed import TOY, byte_tokenizer, stir, toy_llm, toy_model
from videochat.embed_model.annotations import Skips, Source, read_examples
from videochat.embed_model.model import VideoChatEmbed
from videochat.embed_model.recipe import ALIGNMENT, INSTRUCTION, Recipe

CAPTIONS = replace(ALIGNMENT, batch=2, epochs=2, learning_rate=1e-2)


CHATS = replace(INSTRUCTION, batch=2, epochs=2, learning_rate=1e-2, frames=3)


def write_training_data(root: Path) -> Path:
    """Write eight short clips with captions and conversations, and two models to start from."""
    captions, chats = [], []
    for number in range(8):
        clip = make_clip(Random(number))
        write_clip(root / f"{number}.mp4", clip)
        captions.append({"video": f"{number}.mp4", "caption": clip.caption})
        turns = [{"q": one.question, "a": one.answer} for one in clip.questions[:2]]
        chats.append({"video": f"{number}.mp4", "QA": turns})
    Image.new("RGB", (40, 20), "red").save(root / "a.png")
    (root / "captions.json").write_text(json.dumps(captions))
    (root / "chats.json").write_text(json.dumps(chats))
    toy_model().save_pretrained(root / "start")
    steady = replace(TOY.vision, gmhra_dropout=0.0)
    torch.manual_seed(1)
    model = VideoChatEmbed(replace(TOY, vision=steady), toy_llm(), byte_tokenizer())
    stir(model)
    model.save_pretrained(root / "steady")
    return root


def start(world: Path, name: str = "start") -> VideoChatEmbed:
    return VideoChatEmbed.from_pretrained(world / name, device="cpu")


def examples(world: Path, recipe: Recipe = CAPTIONS, file: str | None = None):
    file = file or ("captions.json" if recipe.stage == "alignment" else "chats.json")
    return read_examples([Source(world / file, world)], recipe.stage, Skips())


class WatchGradients:
    """Keep the gradients of the first step that any optimizer takes."""

    def __enter__(self):
        self.first: list[torch.Tensor] = []
        self.main = os.environ.get("RANK", "0") == "0"
        self.hook = register_optimizer_step_pre_hook(self._keep)
        return self

    def _keep(self, optimizer, *_):
        if not self.first:
            self.first = [p.grad.clone() for group in optimizer.param_groups for p in group["params"]]

    def __exit__(self, *_):
        self.hook.remove()
