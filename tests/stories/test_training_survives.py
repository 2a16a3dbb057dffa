"""Training and instruction data in real processes: a killed run goes on where it was, two processes are as one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.fakes.instruction_writer import Writer, make, rows, watched
from tests.fakes.tiny_embed import worst_error
from tests.fakes.tiny_training import CAPTIONS, CHATS, WatchGradients, examples, start, write_training_data
from videochat.embed_model.instruct import forecast
from videochat.embed_model.run_folder import TrainingError
from videochat.embed_model.train import train
from videochat.memory.textualize import textualize


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight short clips with captions and conversations, and a model to start from."""
    return write_training_data(tmp_path_factory.mktemp("world"))


KILLED_TRAINING = """
import os, signal, sys
from pathlib import Path
from tests.fakes.tiny_training import CAPTIONS, examples, start
from videochat.embed_model.train import train
world, out = map(Path, sys.argv[1:])
def die(progress):
    if progress.step == 6:
        os.kill(os.getpid(), signal.SIGKILL)
train(start(world), examples(world), CAPTIONS, out, checkpoint_every=5, on_step=die)
"""


def python(*words: str | Path, **changes: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""} | changes
    root = Path(__file__).parents[2]
    return subprocess.run(
        [sys.executable, *map(str, words)], cwd=root, env=environment, capture_output=True, text=True, timeout=200
    )


def test_a_killed_run_goes_on_along_the_same_curve(world, tmp_path):
    whole = train(start(world), examples(world), CAPTIONS, tmp_path / "whole")
    out = tmp_path / "killed"
    killed = python("-c", KILLED_TRAINING, world, out)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not (out / "config.json").exists()
    # Epochs have four steps: step 5 is in the middle of the second.
    assert [folder.name for folder in (out / "checkpoints").iterdir()] == ["step-00000005"]
    with (out / "metrics.jsonl").open("a") as file:
        file.write('{"step": 6, "lo')
    resumed = train(start(world), examples(world), CAPTIONS, out, resume=True)
    assert resumed.curve == pytest.approx(whole.curve, rel=1e-6)
    ends = [start(folder, ".").state_dict() for folder in (tmp_path / "whole", out)]
    for name, tensor in ends[0].items():
        assert torch.allclose(tensor, ends[1][name], rtol=1e-6, atol=1e-7), name
    with pytest.raises(TrainingError, match="begun differently \\(seed was 42 and is now 7\\)"):
        train(start(world), examples(world), replace(CAPTIONS, seed=7), out, resume=True)


GRADIENTS = """
import sys
from dataclasses import replace
import torch
from pathlib import Path
from tests.fakes.tiny_training import CHATS, examples, start, WatchGradients
from videochat.embed_model.train import train
world, out = map(Path, sys.argv[1:])
with WatchGradients() as seen:
    report = train(start(world, "steady"), examples(world, CHATS, "holes.json"), CHATS, out)
if seen.main:
    torch.save((seen.first, report.curve), out / "seen.pt")
"""


def test_two_processes_are_one_with_twice_the_batch(world, tmp_path):
    """With an example that cannot be read, so that the two have not equally much to learn."""
    chats = json.loads((world / "chats.json").read_text())
    (world / "zero.mp4").touch()
    chats[3]["video"] = "zero.mp4"
    (world / "holes.json").write_text(json.dumps(chats))
    recipe = replace(CHATS, batch=2 * CHATS.batch)
    with WatchGradients() as one:
        alone = train(start(world, "steady"), examples(world, recipe, "holes.json"), recipe, tmp_path / "one")
    script = tmp_path / "gradients.py"
    script.write_text(GRADIENTS)
    launch = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", script, world, tmp_path / "two")
    done = python(*launch, ACCELERATE_USE_CPU="true", PYTHONPATH=str(Path(__file__).parents[2]))
    assert done.returncode == 0, done.stderr
    gradients, curve = torch.load(tmp_path / "two" / "seen.pt")
    assert curve == pytest.approx(alone.curve, rel=1e-5)
    for mine, theirs in zip(one.first, gradients, strict=True):
        assert worst_error(theirs, mine) <= 5e-5
    skipped = [line for path in (tmp_path / "two").glob("skipped*.jsonl") for line in path.read_text().splitlines()]
    assert {json.loads(line)["place"] for line in skipped} == {"holes.json, item 4"}


KILLED_INSTRUCT = """
import os, signal, sys
from pathlib import Path
from tests.fakes.instruction_writer import Writer, make, watched
def die(done, total):
    if done == 5:
        os.kill(os.getpid(), signal.SIGKILL)
videos = [watched(f"{number}.mp4") for number in range(12)]
make(Path(sys.argv[1]), Writer(), videos, item_kinds=["conversation"], concurrency=1, on_item=die)
"""


def test_a_killed_run_goes_on_where_it_was(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", KILLED_INSTRUCT, tmp_path],
        cwd=Path(__file__).parents[2],
        env=dict(os.environ),
        timeout=200,
    )
    assert done.returncode == -signal.SIGKILL
    out = tmp_path / "chats.jsonl"
    assert len(rows(out)) == 5
    with out.open("a") as file:
        file.write('{"id": "half a li')
    videos = [watched(f"{number}.mp4") for number in range(12)]
    left = forecast(videos, out, textualize=textualize, item_kinds=["conversation"])
    assert (left.items, left.calls) == (7, 7)
    report = make(tmp_path, llm := Writer(), videos, item_kinds=["conversation"])
    assert (report.kept, report.earlier, len(llm.sent)) == (7, 5, 7)
    assert sorted(row["video"] for row in rows(out)) == sorted(video.name for video in videos)
