"""Recipes: every number that a stage of training depends on, with the paper's as presets.

Paper section 3.2.3; `docs/videochat_embed.md`, section 8.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from videochat.embed_model.annotations import Stage
from videochat.embed_model.dataset import Augmentation
from videochat.errors import InvalidArgument

Learned = Literal["paper", "all"]


@dataclass(frozen=True)
class Recipe:
    """Every number that a stage of training depends on; `ALIGNMENT` and `INSTRUCTION` are the paper's.

    Raises:
        InvalidArgument: a number out of its range, or two that exclude each other.
    """

    stage: Stage
    learning_rate: float
    """The highest, reached after the warm-up."""
    floor: float
    """The learning rate never falls below this share of it, warm-up included."""
    warmup_epochs: float
    epochs: int
    batch: int
    """Examples a process takes at once."""
    frames: int
    """T of a video."""
    max_text_tokens: int
    """Stage 1: of the caption; stage 2: of the whole text."""
    accumulate: int = 1
    """Batches that make a step."""
    weight_decay: float = 0.02
    betas: tuple[float, float] = (0.9, 0.999)
    clip_norm: float | None = None
    """Largest norm of a step's gradient; the paper clips none."""
    learn: Learned = "paper"
    """`paper`: what `VideoChatEmbed.trainable` names; `all`: every weight, for models that begin untrained."""
    lora_rank: int = 0
    """Above 0, the LLM's linear layers learn too, through adapters of this rank that are merged at the end."""
    ones_for_bos: bool = False
    """Upstream's mistake in stage 2, for weights that may depend on it (section 12, fault 4)."""
    augmentation: Augmentation = field(default_factory=Augmentation)
    seed: int = 42

    def __post_init__(self) -> None:
        counts = (self.epochs, self.batch, self.frames, self.max_text_tokens, self.accumulate)
        if min(counts) < 1 or self.learning_rate <= 0 or not 0 <= self.floor <= 1 or self.warmup_epochs < 0:
            raise InvalidArgument(
                "A recipe needs epochs, batch, frames, max_text_tokens and accumulate >= 1, learning_rate > 0, "
                f"0 <= floor <= 1 and warmup_epochs >= 0, got {self}"
            )
        if self.lora_rank and self.learn == "all":
            raise InvalidArgument(
                "lora_rank is for an LLM that is otherwise frozen; with learn='all' it learns in any case."
            )


ALIGNMENT = Recipe("alignment", 1e-4, floor=0.01, warmup_epochs=0.2, epochs=1, batch=32, frames=4, max_text_tokens=32)
"""Stage 1 of the paper for the 7B model, on 32 GPUs."""
INSTRUCTION = Recipe(
    "instruction", 2e-5, floor=0.25, warmup_epochs=0.6, epochs=3, batch=1, frames=8, max_text_tokens=512
)
"""Stage 2 of the paper, on 32 GPUs."""
RECIPES: Mapping[Stage, Recipe] = {"alignment": ALIGNMENT, "instruction": INSTRUCTION}


def learning_rate_factor(step: int, warmup: float, total: int, floor: float) -> float:
    """Return the share of the learning rate at a step: a line up, then half a cosine, never below the floor.

    Args:
        step: from 0.
        warmup: steps of the line up; need not be whole.
        total: steps of the run.
        floor: lowest share, in [0, 1].
    """
    if step < warmup:
        return max(floor, step / warmup)
    return max(floor, 0.5 * (1 + math.cos(math.pi * (step - warmup) / (total - warmup))))
