"""The folder of a training run: recipe, metrics, checkpoints and what was skipped outlive the process.

    recipe.json            what the run does; a resumed run must agree with it
    metrics.jsonl          one line for every step; `tensorboard/` holds the same, where that is installed
    checkpoints/step-N/    learned weights, optimizer and random states after step N
    skipped.jsonl          examples that could not be read

The finished model is written beside them, as any folder of `VideoChatEmbed.save_pretrained`.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from videochat.embed_model.annotations import Skips
from videochat.embed_model.dataset import Skipped
from videochat.embed_model.recipe import Recipe
from videochat.errors import VideoChatError

if TYPE_CHECKING:
    from accelerate import Accelerator

METRICS = "metrics.jsonl"
RECIPE = "recipe.json"
LEARNED = "learned.safetensors"


class TrainingError(VideoChatError):
    """A run that cannot begin or go on."""


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


class RunFolder:
    """Reads and writes the folder of a run; every process of the run has one.

    Args:
        out: the folder; made when the run begins.
        accelerator: saves and loads the states of optimizer and random generators.
        learned: the weights that learn, by name.
        keep: how many of the last checkpoints stay.
    """

    def __init__(self, out: Path, accelerator: Accelerator, learned: Mapping[str, nn.Parameter], keep: int) -> None:
        self.out, self.accelerator, self.learned, self.keep = out, accelerator, learned, keep
        # accelerate would write the whole model; what is frozen lies in the folder that the run began from.
        accelerator.register_save_state_pre_hook(self._save_learned)
        accelerator.register_load_state_pre_hook(self._load_learned)

    def _save_learned(self, _models: list[nn.Module], weights: list[Any], folder: str) -> None:
        weights.clear()
        if self.accelerator.is_main_process:
            save_file({name: p.detach().contiguous() for name, p in self.learned.items()}, Path(folder) / LEARNED)

    def _load_learned(self, models: list[nn.Module], folder: str) -> None:
        models.clear()
        with torch.no_grad():
            for name, tensor in load_file(Path(folder) / LEARNED).items():
                self.learned[name].copy_(tensor)

    def begin(self, recipe: Recipe, total: int, resume: bool) -> int:
        """Load the last checkpoint, or write the recipe of a new run and delete what an earlier one left.

        Args:
            recipe: what the run does.
            total: its steps.
            resume: go on from the last checkpoint, if there is one.

        Returns:
            How many steps are done already.

        Raises:
            TrainingError: the run was begun with another recipe, or other data.
        """
        path = self.out / RECIPE
        facts = json.loads(json.dumps({**asdict(recipe), "steps": total}))
        checkpoints = self._checkpoints()
        if resume and checkpoints:
            before = json.loads(path.read_text())
            changed = [f"{k} was {before.get(k)} and is now {facts[k]}" for k in facts if facts[k] != before.get(k)]
            if changed:
                raise TrainingError(
                    f"The run in {str(self.out)!r} was begun differently ({'; '.join(changed)}); "
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
            kept = self._metrics_until(done)
            (self.out / METRICS).write_text("".join(json.dumps(line) + "\n" for line in kept))
        self.accelerator.wait_for_everyone()
        return done

    def curve(self, done: int) -> list[float]:
        """Return the losses of the steps done."""
        return [line["loss"] for line in self._metrics_until(done)]

    def _metrics_until(self, done: int) -> list[dict[str, Any]]:
        path = self.out / METRICS
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

    def note_skipped(self, skipped: Iterable[Skipped], skips: Skips) -> None:
        """Write to `skipped.jsonl` what is not in `skips` yet, and add it there."""
        new = [one for one in skipped if skips.add(one.place, one.reason)]
        if new:
            rank = self.accelerator.process_index
            with (self.out / f"skipped{f'-{rank}' if rank else ''}.jsonl").open("a") as file:
                file.writelines(json.dumps(asdict(one)) + "\n" for one in new)

    @contextlib.contextmanager
    def metrics(self, done: int) -> Iterator[Callable[[Progress], None]]:
        """Give a function that appends a step to the metrics; in other processes than the main one it does nothing.

        Args:
            done: steps that were done before.
        """
        if not self.accelerator.is_main_process:
            yield lambda _progress: None
            return
        board: Any = None
        if find_spec("tensorboard") is not None:
            from torch.utils.tensorboard import SummaryWriter

            board = SummaryWriter(str(self.out / "tensorboard"), purge_step=done + 1)
        # Line by line, so that what a checkpoint follows is there however the run ends.
        with (self.out / METRICS).open("a", buffering=1) as file:

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
