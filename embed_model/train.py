"""Two-stage training of VideoChat-Embed (paper section 3.2.3; `docs/videochat_embed.md`, section 8).

    videochat embed train alignment --model start/ --data webvid.json:webvid/ --out aligned/
    accelerate launch -m videochat.cli embed train instruction --model aligned/ --data chats.jsonl --out tuned/

The same on one CPU and on many nodes. A step's gradient is that of the mean over every learned position of the
step, however the step is cut into processes and batches. A run that is killed goes on from its last checkpoint
(`--resume`) along the same curve.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from videochat.embed_model.annotations import DataError, Example, Skips
from videochat.embed_model.dataset import Batch, ClipDataset, StepSampler, make_loader
from videochat.embed_model.dialogue import TokenizedPrompt
from videochat.embed_model.model import VideoChatEmbed, choose_embed_device
from videochat.embed_model.recipe import Recipe, learning_rate_factor
from videochat.embed_model.run_folder import Progress, RunFolder, TrainingError
from videochat.errors import MissingDependency
from videochat.renamed import getter

if TYPE_CHECKING:
    from accelerate import Accelerator
else:
    __getattr__ = getter(__name__)

Precision = Literal["no", "bf16", "fp16"]

_HOW = "pip install 'videochat[train]'"


@dataclass
class TrainReport:
    """Where the model of a finished run is, and how its loss went."""

    folder: Path
    """Holds the model, `metrics.jsonl`, `recipe.json`, and `skipped.jsonl` if anything was left out."""
    steps: int
    curve: list[float] = field(default_factory=list)
    """Loss of every step, those before a resume included."""
    skips: Skips = field(default_factory=Skips)

    def __str__(self) -> str:
        tail = self.curve[-max(len(self.curve) // 20, 1) :]
        return (
            f"{self.steps} steps, loss {sum(tail) / len(tail):.4f} over the last {len(tail)}; "
            f"left out: {self.skips}; model in {str(self.folder)!r}"
        )


def decay_groups(learned: Mapping[str, nn.Parameter], weight_decay: float) -> list[dict[str, Any]]:
    """Part parameters into those that decay and those that do not: vectors and biases."""
    exempt = {name for name, parameter in learned.items() if parameter.ndim == 1 or name.endswith(".bias")}
    return [
        {"params": [p for name, p in learned.items() if name not in exempt], "weight_decay": weight_decay},
        {"params": [p for name, p in learned.items() if name in exempt], "weight_decay": 0.0},
    ]


def make_learnable(model: VideoChatEmbed, recipe: Recipe) -> dict[str, nn.Parameter]:
    """Freeze the model but for what the recipe learns, which goes to float32.

    With `lora_rank` the LLM gets its adapters here.

    Returns:
        The weights that learn, by name.

    Raises:
        MissingDependency: adapters are wanted and peft is not installed.
    """
    model.requires_grad_(False)
    if recipe.lora_rank:
        if find_spec("peft") is None:
            raise MissingDependency(f"Adapters (lora_rank) need peft: {_HOW}.")
        from peft import LoraConfig, get_peft_model

        rank = recipe.lora_rank
        adapters = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type="CAUSAL_LM")
        model.llm = get_peft_model(model.llm, adapters)
    chosen = model.named_parameters() if recipe.learn == "all" else model.trainable().items()
    adapted = {name: p for name, p in model.named_parameters() if p.requires_grad}
    learned = dict(chosen) | adapted
    for parameter in learned.values():
        parameter.data = parameter.data.float()
        parameter.requires_grad_(True)
    return learned


def train(
    model: VideoChatEmbed,
    examples: Sequence[Example],
    recipe: Recipe,
    out: str | Path,
    *,
    skips: Skips | None = None,
    resume: bool = False,
    checkpoint_every: int = 0,
    keep_checkpoints: int = 2,
    workers: int = 0,
    precision: Precision = "no",
    checkpoint_activations: bool = False,
    remember: bool = False,
    on_step: Callable[[Progress], None] | None = None,
) -> TrainReport:
    """Train one stage and write the model's folder.

    Args:
        model: where to start from; it is trained in place.
        examples: from `read_examples`.
        recipe: the numbers of the stage.
        out: folder for the model and everything about the run.
        skips: what reading the annotations left out already.
        resume: go on from the last checkpoint in `out`, if there is one.
        checkpoint_every: steps between checkpoints; 0 for none.
        keep_checkpoints: so many of the last ones stay.
        workers: processes that decode, for each process that trains.
        precision: of the arithmetic; learned weights stay float32.
        checkpoint_activations: compute the LLM's activations twice instead of keeping them.
        remember: keep decoded pictures in memory, see `ClipDataset`.
        on_step: called after every step, in the main process.

    Raises:
        MissingDependency: accelerate is not installed.
        DataError: too few examples for a step, or none of a whole epoch can be read.
        TrainingError: `out` holds a run of another recipe, or the loss is no longer finite.
    """
    if find_spec("accelerate") is None:
        raise MissingDependency(f"Training needs accelerate: {_HOW}.")
    from accelerate import Accelerator
    from accelerate.utils import set_seed

    out = Path(out).expanduser()
    skips = Skips() if skips is None else skips
    accelerator = Accelerator(mixed_precision=precision)
    rank, processes = accelerator.process_index, accelerator.num_processes
    sampler = StepSampler(
        [example.medium for example in examples],
        recipe.batch,
        accumulate=recipe.accumulate,
        processes=processes,
        rank=rank,
        seed=recipe.seed,
    )
    if not sampler.steps:
        raise DataError(
            f"{len(examples)} examples do not fill one step of {sampler.step_size} of the same medium; "
            "give more data, or a smaller batch or accumulate."
        )
    dataset = ClipDataset(
        examples,
        recipe.stage,
        model.tokenizer,
        side=model.config.vision.image_size,
        frames=recipe.frames,
        max_text_tokens=recipe.max_text_tokens,
        augmentation=recipe.augmentation,
        seed=recipe.seed,
        remember=remember,
    )
    set_seed(recipe.seed + rank)
    learned = make_learnable(model, recipe)
    optimizer = torch.optim.AdamW(
        decay_groups(learned, recipe.weight_decay), lr=recipe.learning_rate, betas=recipe.betas, eps=1e-8
    )
    wrapped, optimizer = accelerator.prepare(model, optimizer)
    folder = RunFolder(out, accelerator, learned, keep_checkpoints)
    total = sampler.steps * recipe.epochs
    done = folder.begin(recipe, total, resume)
    report = TrainReport(out, total, folder.curve(done), skips)

    model.train()
    if checkpoint_activations:
        llm: Any = model.llm
        llm.gradient_checkpointing_enable()
        # transformers does so only in training mode.
        llm.train()
    step = done
    with folder.metrics(done) as write:
        for epoch in range(done // sampler.steps, recipe.epochs):
            sampler.epoch = dataset.epoch = epoch
            sampler.first_step = done - epoch * sampler.steps if epoch == done // sampler.steps else 0
            examples_read = 0
            began = time.perf_counter()
            for batches in _steps(make_loader(dataset, sampler, workers), recipe.accumulate):
                rate = recipe.learning_rate * learning_rate_factor(
                    step, sampler.steps * recipe.warmup_epochs, total, recipe.floor
                )
                for group in optimizer.param_groups:
                    group["lr"] = rate
                loss, count = take_step(accelerator, wrapped, optimizer, batches, recipe)
                step, examples_read = step + 1, examples_read + count
                folder.note_skipped((one for batch in batches for one in batch.skipped), skips)
                if not math.isfinite(loss):
                    raise TrainingError(
                        f"The loss of step {step} is {loss}; begin again from the last checkpoint with a smaller "
                        "learning rate, clip_norm, or another precision."
                    )
                seconds, began = time.perf_counter() - began, time.perf_counter()
                progress = Progress(step, total, step / sampler.steps, loss, rate, count, seconds)
                report.curve.append(loss)
                write(progress)
                if on_step is not None and accelerator.is_main_process:
                    on_step(progress)
                if checkpoint_every and step % checkpoint_every == 0 and step < total:
                    folder.save(step)
            if not examples_read:
                raise DataError(f"Not one example of a whole epoch could be read (left out: {skips}).")
    accelerator.wait_for_everyone()
    model.train(False)
    model.requires_grad_(False)
    if recipe.lora_rank:
        model.llm = model.llm.merge_and_unload()
    if accelerator.is_main_process:
        model.save_pretrained(out)
    accelerator.wait_for_everyone()
    accelerator.free_memory()
    return report


def _steps(batches: Iterable[Batch], accumulate: int) -> Iterator[list[Batch]]:
    """Gather `accumulate` batches at a time."""
    gathered: list[Batch] = []
    for batch in batches:
        gathered.append(batch)
        if len(gathered) == accumulate:
            yield gathered
            gathered = []


def take_step(
    accelerator: Accelerator,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    batches: Sequence[Batch],
    recipe: Recipe,
) -> tuple[float, int]:
    """Learn from the batches of one step.

    Args:
        accelerator: of this process.
        model: the model, as `accelerator.prepare` returned it.
        optimizer: of what learns.
        batches: this process's share of the step.
        recipe: the numbers of the stage.

    Returns:
        The loss of the step (mean over every learned position) and how many examples it was, over all processes.
    """
    sums = torch.tensor(
        [float(sum(batch.learned for batch in batches)), float(sum(len(batch.prompts) for batch in batches))],
        device=accelerator.device,
    )
    learned, read = accelerator.reduce(sums, "sum").tolist()
    if not read:
        return 0.0, 0
    mine = torch.zeros((), device=accelerator.device)
    for number, batch in enumerate(batches, 1):
        # Processes wait for each other once a step, not once a batch.
        together = number == len(batches)
        with contextlib.nullcontext() if together else accelerator.no_sync(model):
            loss = _loss(accelerator, model, batch, recipe) * (batch.learned / learned)
            # Processes' gradients are averaged, but a mean over all positions is a sum of their shares.
            accelerator.backward(loss * accelerator.num_processes)
        mine += loss.detach()
    if recipe.clip_norm is not None:
        accelerator.clip_grad_norm_(model.parameters(), recipe.clip_norm)
    optimizer.step()
    optimizer.zero_grad()
    return float(accelerator.reduce(mine, "sum")), int(read)


def _loss(accelerator: Accelerator, model: nn.Module, batch: Batch, recipe: Recipe) -> Tensor:
    frames, prompts = batch.frames, batch.prompts
    if not prompts:
        # Nothing of this batch could be read, but the other processes count on this one's gradients.
        whole: VideoChatEmbed = accelerator.unwrap_model(model)
        side, end = whole.config.vision.image_size, whole.tokenizer.eos_token_id
        frames, prompts = torch.zeros(1, 1, 3, side, side), [TokenizedPrompt([end], [end], [end])]
    loss: Tensor = model(frames.to(accelerator.device), prompts, ones_for_bos=recipe.ones_for_bos).loss
    return loss


def load_to_train(
    folder: str | Path, *, precision: Precision = "no", device: torch.device | None = None
) -> VideoChatEmbed:
    """Load a model to train; what is frozen stays in the precision asked for.

    Args:
        folder: as of `VideoChatEmbed.from_pretrained`.
        precision: of the arithmetic; `no` is float32.
        device: None for this process's own GPU, or the CPU where there is none.

    Raises:
        MissingDependency: the folder or a file in it is not there, or accelerate is not installed.
        CheckpointError: it is not a complete VideoChat-Embed.
    """
    if device is None:
        if find_spec("accelerate") is None:
            raise MissingDependency(f"Training needs accelerate: {_HOW}.")
        from accelerate import PartialState

        device = PartialState().device if choose_embed_device().is_cuda else torch.device("cpu")
    dtype = {"no": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    return VideoChatEmbed.from_pretrained(folder, device=device, dtype=dtype)
