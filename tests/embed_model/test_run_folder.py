"""What a run leaves behind: recipe, metrics and checkpoints from which another process goes on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from torch import nn

from tests.fakes.tiny_training import CAPTIONS
from videochat.embed_model.annotations import Skips
from videochat.embed_model.dataset import Skipped
from videochat.embed_model.run_folder import Progress, RunFolder, TrainingError


def progress(step: int) -> Progress:
    return Progress(step, 9, step / 3, 1.0 / step, 1e-3, 4, 0.5)


def run(out: Path, value: float = 0.0, keep: int = 2) -> tuple[RunFolder, nn.Linear]:
    """A run that learns one layer, all of its weights at `value`."""
    layer = nn.Linear(2, 2)
    nn.init.constant_(layer.weight, value)
    accelerator = Accelerator(cpu=True)
    prepared, _ = accelerator.prepare(layer, torch.optim.AdamW(layer.parameters()))
    assert prepared is layer
    return RunFolder(out, accelerator, {"weight": layer.weight}, keep), layer


def written(folder: RunFolder, steps: int, done: int = 0) -> None:
    with folder.metrics(done) as write:
        for step in range(done + 1, steps + 1):
            write(progress(step))


def test_a_resumed_run_has_the_weights_and_the_curve_of_its_last_checkpoint(tmp_path):
    folder, layer = run(tmp_path, 1.0)
    assert folder.begin(CAPTIONS, 9, resume=True) == 0
    written(folder, 3)
    folder.save(2)
    nn.init.constant_(layer.weight, 5.0)
    folder.save(3)
    written(folder, 5, done=3)
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 6, "lo')
    again, fresh = run(tmp_path)
    assert again.begin(CAPTIONS, 9, resume=True) == 3
    assert torch.equal(fresh.weight, torch.full((2, 2), 5.0))
    assert again.curve(3) == [1.0, 1 / 2, 1 / 3]
    assert [json.loads(line)["step"] for line in (tmp_path / "metrics.jsonl").read_text().splitlines()] == [1, 2, 3]


def test_only_the_last_checkpoints_stay(tmp_path):
    folder, _ = run(tmp_path, keep=2)
    folder.begin(CAPTIONS, 9, resume=False)
    for step in (1, 2, 10):
        folder.save(step)
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == ["step-00000002", "step-00000010"]


def test_a_run_that_begins_anew_takes_nothing_of_the_earlier_one(tmp_path):
    folder, _ = run(tmp_path)
    folder.begin(CAPTIONS, 9, resume=False)
    written(folder, 3)
    folder.save(3)
    again, _ = run(tmp_path)
    assert again.begin(CAPTIONS, 9, resume=False) == 0
    assert again.curve(0) == []
    assert list((tmp_path / "checkpoints").iterdir()) == []
    assert (tmp_path / "metrics.jsonl").read_text() == ""


def test_another_recipe_cannot_go_on(tmp_path):
    folder, _ = run(tmp_path)
    folder.begin(CAPTIONS, 9, resume=False)
    folder.save(3)
    again, _ = run(tmp_path)
    with pytest.raises(TrainingError, match="differently \\(epochs was 2 and is now 5; steps was 9 and is now 20"):
        again.begin(replace(CAPTIONS, epochs=5), 20, resume=True)


def test_what_was_skipped_is_written_once(tmp_path):
    folder, _ = run(tmp_path)
    folder.begin(CAPTIONS, 9, resume=False)
    skips = Skips()
    for _ in range(2):
        folder.note_skipped([Skipped("a.json, item 1", "unreadable: gone")], skips)
    (line,) = (tmp_path / "skipped.jsonl").read_text().splitlines()
    assert json.loads(line) == {"place": "a.json, item 1", "reason": "unreadable: gone"}
    assert len(skips) == 1


def test_progress_reads_as_a_line():
    assert str(progress(4)) == "step 4/9  epoch 1.33  loss 0.2500  lr 1.00e-03  8.0 examples/s"
