"""Two-stage training of VideoChat-Embed (paper section 3.2.3, SPEC 7).

    videochat embed train alignment --model start/ --data webvid.json:webvid/ --out aligned/
    accelerate launch -m videochat.cli embed train instruction --model aligned/ --data chats.jsonl --out tuned/

The same on one CPU and on many nodes. A step's gradient is that of the mean over every learned position of the
step, however the step is cut into processes and batches. A run that is killed goes on from its last checkpoint
(`--resume`) along the same curve.
"""

from __future__ import annotations

import contextlib
import json
import math
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from videochat.embed_model.data import (
    Augmentation,
    Batch,
    ClipDataset,
    DataError,
    Example,
    Skips,
    Stage,
    StepSampler,
    make_loader,
)
from videochat.embed_model.dialogue import TokenizedPrompt
from videochat.embed_model.model import VideoChatEmbed, default_device
from videochat.errors import MissingDependency, VideoChatError

if TYPE_CHECKING:
    from accelerate import Accelerator

Precision = Literal["no", "bf16", "fp16"]
Learned = Literal["paper", "all"]


class TrainingError(VideoChatError):
    """A run that cannot begin or go on."""


@dataclass(frozen=True)
class Recipe:
    """Every number that a stage of training depends on; `ALIGNMENT` and `INSTRUCTION` are the paper's (SPEC 7.1).

    Raises:
        ValueError: a number out of its range.
    """

    stage: Stage
    learning_rate: float
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
    """`paper`: what `VideoChatEmbed.trainable` names; `all`: every weight, for models that begin from nothing."""
    lora_rank: int = 0
    """Above 0, the LLM's linear layers learn too, through adapters of this rank that are merged at the end."""
    ones_for_bos: bool = False
    """Upstream's mistake in stage 2, for weights that may depend on it (SPEC 8, fault 4)."""
    augmentation: Augmentation = field(default_factory=Augmentation)
    seed: int = 42

    def __post_init__(self) -> None:
        counts = (self.epochs, self.batch, self.frames, self.max_text_tokens, self.accumulate)
        if min(counts) < 1 or self.learning_rate <= 0 or not 0 <= self.floor <= 1 or self.warmup_epochs < 0:
            raise ValueError(
                "a recipe needs epochs, batch, frames, max_text_tokens and accumulate >= 1, learning_rate > 0, "
                f"0 <= floor <= 1 and warmup_epochs >= 0, got {self}"
            )
        if self.lora_rank and self.learn == "all":
            raise ValueError("lora_rank is for an LLM that is otherwise frozen; with learn='all' it learns anyway")


ALIGNMENT = Recipe("alignment", 1e-4, floor=0.01, warmup_epochs=0.2, epochs=1, batch=32, frames=4, max_text_tokens=32)
"""Stage 1 of the paper for the 7B model, on 32 GPUs."""
INSTRUCTION = Recipe(
    "instruction", 2e-5, floor=0.25, warmup_epochs=0.6, epochs=3, batch=1, frames=8, max_text_tokens=512
)
"""Stage 2 of the paper, on 32 GPUs."""
RECIPES: Mapping[Stage, Recipe] = {"alignment": ALIGNMENT, "instruction": INSTRUCTION}


@dataclass(frozen=True)
class Progress:
    """One step, as it is reported and kept in `metrics.jsonl`."""

    step: int
    """From 1."""
    steps: int
    """Of the whole run."""
    epoch: float
    loss: float
    """Mean over every learned position of the step, over all processes."""
    learning_rate: float
    examples: int
    """That the step learned from; fewer where some could not be read."""
    seconds: float
    """That the step took, waiting for data included."""

    def __str__(self) -> str:
        return (
            f"step {self.step}/{self.steps}  epoch {self.epoch:.2f}  loss {self.loss:.4f}  "
            f"lr {self.learning_rate:.2e}  {self.examples / max(self.seconds, 1e-9):.1f} examples/s"
        )


@dataclass
class TrainReport:
    """What a run came to."""

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


def learning_rate_factor(step: int, warmup: float, total: int, floor: float) -> float:
    """Return the share of the learning rate at a step: a line up, then half a cosine, never under the floor."""
    if step < warmup:
        return max(floor, step / warmup)
    return max(floor, 0.5 * (1 + math.cos(math.pi * (step - warmup) / (total - warmup))))


def decay_groups(learned: Mapping[str, nn.Parameter], weight_decay: float) -> list[dict[str, Any]]:
    """Part parameters into those that decay and those that do not: vectors and biases (SPEC 7.1)."""
    exempt = {name for name, parameter in learned.items() if parameter.ndim == 1 or name.endswith(".bias")}
    return [
        {"params": [p for name, p in learned.items() if name not in exempt], "weight_decay": weight_decay},
        {"params": [p for name, p in learned.items() if name in exempt], "weight_decay": 0.0},
    ]


def make_learnable(model: VideoChatEmbed, recipe: Recipe) -> dict[str, nn.Parameter]:
    """Freeze the model but for what the recipe learns, which goes to float32; return that by name.

    With `lora_rank` the LLM gets its adapters here.

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
        model.llm = get_peft_model(model.llm, adapters)  # type: ignore[assignment]
    chosen = model.named_parameters() if recipe.learn == "all" else model.trainable().items()
    adapted = {name: p for name, p in model.named_parameters() if p.requires_grad}
    learned = dict(chosen) | adapted
    for parameter in learned.values():
        parameter.data = parameter.data.float()
        parameter.requires_grad_(True)
    return learned


_HOW = "pip install 'videochat[train]'"


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
        recipe: what to do.
        out: folder for the model and everything about the run.
        skips: what reading the annotations left out already.
        resume: go on from the last checkpoint in `out`, if there is one.
        checkpoint_every: steps between checkpoints; 0 for none.
        keep_checkpoints: so many of the last ones stay.
        workers: processes that decode, for each process that trains.
        precision: of the arithmetic; learned weights stay float32.
        checkpoint_activations: compute the LLM's activations twice instead of keeping them.
        remember: keep decoded pictures in memory, see `ClipDataset`.
        on_step: is told of every step, in the main process.

    Raises:
        MissingDependency: accelerate is not installed.
        DataError: too few examples for a step, or none of a whole epoch can be read.
        TrainingError: `out` holds a run of another recipe, or the loss is no longer a number.
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
    keeper = _Keeper(accelerator, out, learned, keep_checkpoints)
    total = sampler.steps * recipe.epochs
    done = keeper.begin(recipe, total, resume)
    report = TrainReport(out, total, keeper.curve(done), skips)

    model.train()
    if checkpoint_activations:
        # transformers does so only in training mode.
        model.llm.gradient_checkpointing_enable()
        model.llm.train()
    step = done
    with _metrics(out, done, accelerator.is_main_process) as write:
        for epoch in range(done // sampler.steps, recipe.epochs):
            sampler.epoch = dataset.epoch = epoch
            sampler.first_step = done - epoch * sampler.steps if epoch == done // sampler.steps else 0
            read = 0
            began = time.perf_counter()
            for batches in _steps(make_loader(dataset, sampler, workers), recipe.accumulate):
                rate = recipe.learning_rate * learning_rate_factor(
                    step, sampler.steps * recipe.warmup_epochs, total, recipe.floor
                )
                for group in optimizer.param_groups:
                    group["lr"] = rate
                loss, count = _take_step(accelerator, wrapped, optimizer, batches, recipe)
                step, read = step + 1, read + count
                keeper.note_skipped(batches, skips)
                if not math.isfinite(loss):
                    raise TrainingError(
                        f"The loss of step {step} is {loss}; begin again from the last checkpoint with a smaller "
                        "learning rate, clip_norm, or another precision."
                    )
                seconds, began = time.perf_counter() - began, time.perf_counter()
                now = Progress(step, total, step / sampler.steps, loss, rate, count, seconds)
                report.curve.append(loss)
                write(now)
                if on_step is not None and accelerator.is_main_process:
                    on_step(now)
                if checkpoint_every and step % checkpoint_every == 0 and step < total:
                    keeper.save(step)
            if not read:
                raise DataError(f"Not one example of a whole epoch could be read (left out: {skips}).")
    accelerator.wait_for_everyone()
    model.eval().requires_grad_(False)
    if recipe.lora_rank:
        model.llm = model.llm.merge_and_unload()  # type: ignore[operator]
    if accelerator.is_main_process:
        model.save_pretrained(out)
    accelerator.wait_for_everyone()
    accelerator.free_memory()
    return report


def _steps(batches: Any, accumulate: int) -> Iterator[list[Batch]]:
    """Gather `accumulate` batches at a time."""
    gathered: list[Batch] = []
    for batch in batches:
        gathered.append(batch)
        if len(gathered) == accumulate:
            yield gathered
            gathered = []


def _take_step(
    accelerator: Accelerator, model: nn.Module, optimizer: Any, batches: Sequence[Batch], recipe: Recipe
) -> tuple[float, int]:
    """Learn from one step's batches; return its loss and how many examples were read, over all processes."""
    sums = torch.tensor(
        [float(sum(batch.learned for batch in batches)), float(sum(len(batch.passages) for batch in batches))],
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
    frames, passages = batch.frames, batch.passages
    if not passages:
        # Nothing of this batch could be read, but the other processes count on this one's gradients.
        whole: VideoChatEmbed = accelerator.unwrap_model(model)
        side, end = whole.config.vision.image_size, whole.tokenizer.eos_token_id
        frames, passages = torch.zeros(1, 1, 3, side, side), [TokenizedPrompt([end], [end], [end])]
    loss: Tensor = model(frames.to(accelerator.device), passages, ones_for_bos=recipe.ones_for_bos).loss
    return loss


@contextlib.contextmanager
def _metrics(out: Path, done: int, main: bool) -> Iterator[Callable[[Progress], None]]:
    """Give a function that keeps each step in `metrics.jsonl` and, where it is installed, in TensorBoard."""
    if not main:
        yield lambda _progress: None
        return
    board: Any = None
    if find_spec("tensorboard") is not None:
        from torch.utils.tensorboard import SummaryWriter

        board = SummaryWriter(str(out / "tensorboard"), purge_step=done + 1)
    # Line by line, so that what a checkpoint follows is there however the run ends.
    with (out / _Keeper.METRICS).open("a", buffering=1) as file:

        def write(progress: Progress) -> None:
            file.write(json.dumps(asdict(progress)) + "\n")
            if board is not None:
                board.add_scalar("loss", progress.loss, progress.step)
                board.add_scalar("learning_rate", progress.learning_rate, progress.step)
                board.add_scalar("examples_per_second", progress.examples / progress.seconds, progress.step)

        try:
            yield write
        finally:
            if board is not None:
                board.close()


class _Keeper:
    """Everything of a run that must outlive its process: recipe, metrics, checkpoints, what was skipped."""

    METRICS = "metrics.jsonl"
    RECIPE = "recipe.json"
    LEARNED = "learned.safetensors"

    def __init__(self, accelerator: Accelerator, out: Path, learned: Mapping[str, nn.Parameter], keep: int) -> None:
        self.accelerator, self.out, self.learned, self.keep = accelerator, out, learned, keep
        # accelerate would write the whole model; what is frozen lies in the folder that the run began from.
        accelerator.register_save_state_pre_hook(self._save_learned)
        accelerator.register_load_state_pre_hook(self._load_learned)

    def _save_learned(self, _models: list[nn.Module], weights: list[Any], folder: str) -> None:
        weights.clear()
        if self.accelerator.is_main_process:
            save_file({name: p.detach().contiguous() for name, p in self.learned.items()}, Path(folder) / self.LEARNED)

    def _load_learned(self, models: list[nn.Module], folder: str) -> None:
        models.clear()
        with torch.no_grad():
            for name, tensor in load_file(Path(folder) / self.LEARNED).items():
                self.learned[name].copy_(tensor)

    def begin(self, recipe: Recipe, total: int, resume: bool) -> int:
        """Return how many steps are done already, their checkpoint loaded; write the recipe of a new run."""
        path = self.out / self.RECIPE
        facts = json.loads(json.dumps({**asdict(recipe), "steps": total}))
        checkpoints = self._checkpoints()
        if resume and checkpoints:
            before = json.loads(path.read_text())
            changed = [f"{k}: {before.get(k)} then, {facts[k]} now" for k in facts if facts[k] != before.get(k)]
            if changed:
                raise TrainingError(
                    f"The run in {str(self.out)!r} was begun otherwise ({'; '.join(changed)}); "
                    "resume it with the same recipe and data, or write to another folder."
                )
            self.accelerator.load_state(str(checkpoints[-1]))
            done = int(checkpoints[-1].name.removeprefix("step-"))
        else:
            done = 0
        if self.accelerator.is_main_process:
            self.out.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(facts, indent=2) + "\n")
            for old in [] if done else checkpoints:
                shutil.rmtree(old)
            kept = self._metrics(done)
            (self.out / self.METRICS).write_text("".join(json.dumps(line) + "\n" for line in kept))
        self.accelerator.wait_for_everyone()
        return done

    def curve(self, done: int) -> list[float]:
        """Return the losses of the steps done."""
        return [line["loss"] for line in self._metrics(done)]

    def _metrics(self, done: int) -> list[dict[str, Any]]:
        path = self.out / self.METRICS
        if not done or not path.exists():
            return []
        lines = []
        for text in path.read_text().splitlines():
            # The last line may have been cut off by what ended the run.
            with contextlib.suppress(ValueError):
                lines.append(json.loads(text))
        return [line for line in lines if line["step"] <= done]

    def _checkpoints(self) -> list[Path]:
        return sorted((self.out / "checkpoints").glob("step-" + "[0-9]" * 8))

    def save(self, step: int) -> None:
        """Write a checkpoint; it gets its name only when it is whole."""
        target = self.out / "checkpoints" / f"step-{step:08d}"
        part = target.with_suffix(".part")
        self.accelerator.save_state(str(part))
        self.accelerator.wait_for_everyone()
        if self.accelerator.is_main_process:
            shutil.rmtree(target, ignore_errors=True)
            part.rename(target)
            for old in self._checkpoints()[: -self.keep]:
                shutil.rmtree(old)

    def note_skipped(self, batches: Sequence[Batch], skips: Skips) -> None:
        """Name in `skipped.jsonl` what could not be read, each once."""
        news = [one for batch in batches for one in batch.skipped if skips.add(one.place, one.reason)]
        if news:
            rank = self.accelerator.process_index
            with (self.out / f"skipped{f'-{rank}' if rank else ''}.jsonl").open("a") as file:
                file.writelines(json.dumps(asdict(one)) + "\n" for one in news)


def load_to_train(
    folder: str | Path, *, precision: Precision = "no", device: torch.device | None = None
) -> VideoChatEmbed:
    """Load a model to train: on this process's own GPU, what is frozen in half precision if that is asked for."""
    if device is None:
        from accelerate import PartialState

        device = PartialState().device if default_device().type == "cuda" else torch.device("cpu")
    dtype = {"no": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    return VideoChatEmbed.from_pretrained(folder, device=device, dtype=dtype)
