"""Two stages of training: upstream's numbers, a curve that survives a kill, and many processes as one (SPEC 7)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
import torch
from accelerate import Accelerator
from PIL import Image
from safetensors.torch import load_file
from torch import nn
from torch.nn.functional import layer_norm
from torch.optim.optimizer import register_optimizer_step_pre_hook

from benchmarks import embed_parity
from tests.fakes.tiny_embed import GOLDEN, byte_tokenizer, need, stir, toy_llm, toy_model, worst_error
from videochat.cli import main
from videochat.embed_model.checkpoints import from_upstream, load_tokenizer
from videochat.embed_model.config import EmbedConfig
from videochat.embed_model.data import Augmentation, Batch, DataError, Skips, Source, read_examples
from videochat.embed_model.model import VideoChatEmbed
from videochat.embed_model.toy import make_clip, write_clip
from videochat.embed_model.train import (
    ALIGNMENT,
    INSTRUCTION,
    Recipe,
    TrainingError,
    _take_step,
    decay_groups,
    learning_rate_factor,
    make_learnable,
    train,
)
from videochat.embed_model.vision import FrameTimes

CAPTIONS = replace(ALIGNMENT, batch=2, epochs=2, learning_rate=1e-2)
CHATS = replace(INSTRUCTION, batch=2, epochs=2, learning_rate=1e-2, frames=3)


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    """Eight short clips with captions and conversations, and a model to start from."""
    root = tmp_path_factory.mktemp("world")
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
    steady = replace(EmbedConfig.preset("toy").vision, gmhra_dropout=0.0)
    torch.manual_seed(1)
    model = VideoChatEmbed(replace(EmbedConfig.preset("toy"), vision=steady), toy_llm(), byte_tokenizer())
    stir(model)
    model.save_pretrained(root / "steady")
    return root


def start(world: Path, name: str = "start") -> VideoChatEmbed:
    return VideoChatEmbed.from_pretrained(world / name, device="cpu")


def examples(world: Path, recipe: Recipe = CAPTIONS, file: str | None = None):
    file = file or ("captions.json" if recipe.stage == "alignment" else "chats.json")
    return read_examples([Source(world / file, world)], recipe.stage, Skips())


@pytest.mark.material
@pytest.mark.parametrize("name", ["s1_video", "s1_image", "s2_video", "s2_image"])
def test_a_step_learns_from_upstreams_gradients(name):
    golden = need(GOLDEN) / "main"
    meta, expected = json.loads((golden / "meta.json").read_text()), load_file(golden / "tensors.safetensors")
    model = embed_parity.build(meta, load_file(golden / "state.safetensors"), load_tokenizer(GOLDEN))
    sample = meta["samples"][name]
    recipe = replace(ALIGNMENT if sample["stage"] == 1 else INSTRUCTION, ones_for_bos=sample["stage"] == 2)
    learned = make_learnable(model, recipe)
    seen: dict[str, torch.Tensor] = {}

    class BackgroundWatch(torch.optim.SGD):
        def step(self, closure=None):
            seen.update({key: parameter.grad.clone() for key, parameter in learned.items()})

    passages = embed_parity.training_passages(meta, sample, model.tokenizer)
    images = expected[f"{name}/image"]
    half = len(passages) // 2
    # In two batches of unlike length, the step must still be that of all positions together.
    batches = [
        Batch(images[part], passages[part], []) for part in (slice(0, half), slice(half, None)) if passages[part]
    ]
    loss, read = _take_step(Accelerator(cpu=True), model, BackgroundWatch(learned.values(), lr=1), batches, recipe)
    assert read == len(passages)
    assert worst_error(torch.tensor(loss), expected[f"{name}/llm_loss"]) <= 1e-5
    prefix = f"{name}/grad/"
    reference = from_upstream(
        {key.removeprefix(prefix): tensor for key, tensor in expected.items() if key.startswith(prefix)}, model.config
    )
    assert len(reference) == 14
    for key, gradient in reference.items():
        assert worst_error(seen[key], gradient) <= 5e-5, key


@pytest.mark.material
def test_weight_decay_is_upstreams():
    golden = need(GOLDEN) / "main"
    meta, state = json.loads((golden / "meta.json").read_text()), load_file(golden / "state.safetensors")
    model = embed_parity.build(meta, state, load_tokenizer(GOLDEN))
    learned = make_learnable(model, ALIGNMENT)
    decays = {id(p): group["weight_decay"] for group in decay_groups(learned, 0.02) for p in group["params"]}
    marked = {name: torch.full_like(state[name], value) for name, value in meta["weight_decay"].items()}
    expected = {name: float(tensor.flatten()[0]) for name, tensor in from_upstream(marked, model.config).items()}
    assert {name: pytest.approx(decays[id(p)]) for name, p in learned.items()} == expected
    assert sorted(set(decays.values())) == [0.0, 0.02]


@pytest.mark.material
def test_learning_rates_are_upstreams():
    for case in json.loads(need(GOLDEN / "sampling_and_schedule.json").read_text())["lr"].values():
        warmup, total = case["steps_per_epoch"] * case["warmup_epochs"], case["steps_per_epoch"] * case["epochs"]
        rates = [
            case["base_lr"] * learning_rate_factor(step, warmup, total, case["min_lr_multi"])
            for step in range(len(case["lr"]))
        ]
        assert rates == pytest.approx(case["lr"], rel=1e-12)


def test_only_what_the_paper_names_learns_and_the_folder_loads(world, tmp_path):
    model = start(world)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    told = []
    report = train(model, examples(world), CAPTIONS, tmp_path, on_step=told.append)
    after = start(tmp_path, ".").state_dict()
    changed = {name for name, tensor in after.items() if not torch.equal(tensor, before[name])}
    assert changed == model.trainable().keys()
    assert report.steps == len(report.curve) == len(told) == 8
    assert [progress.loss for progress in told] == report.curve
    kept = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["loss"] for line in kept] == report.curve
    assert any((tmp_path / "tensorboard").iterdir())
    assert str(report).startswith("8 steps, loss ")
    assert report.curve[-1] < report.curve[0]


def test_all_weights_of_a_model_that_begins_from_nothing(world, tmp_path):
    model = start(world)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    recipe = replace(CHATS, learn="all", epochs=1, accumulate=2, clip_norm=1.0, augmentation=Augmentation(1.0, 0.0))
    train(model, examples(world, recipe), recipe, tmp_path, remember=True)
    changed = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
    assert {"llm.lm_head.weight", "bridge.queries", "vision.vit.embeddings.patch_embedding.weight"} <= changed


def test_adapters_learn_instead_of_the_language_model(world, tmp_path):
    model = start(world)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    recipe = replace(CHATS, lora_rank=2)
    learned = make_learnable(start(world), recipe)
    adapters = {name for name in learned if "lora_" in name}
    assert learned.keys() - adapters == model.trainable().keys()
    assert len(adapters) == 2 * 2 * 7  # two matrices for each of seven linear layers of two blocks
    train(model, examples(world, recipe), recipe, tmp_path, checkpoint_every=4)
    (checkpoint,) = (tmp_path / "checkpoints").iterdir()
    assert load_file(checkpoint / "learned.safetensors").keys() == learned.keys()
    after = start(tmp_path, ".").state_dict()
    assert after.keys() == before.keys()
    changed = {name for name in after if not torch.equal(after[name], before[name])}
    merged = {name for name in before if name.startswith("llm.") and "_proj" in name}
    assert changed == model.trainable().keys() | merged


def test_frame_times_tell_the_order_however_large_the_tokens():
    torch.manual_seed(0)
    times = FrameTimes(16)
    tokens = torch.randn(2, 4, 3, 16)
    assert torch.equal(times(tokens), tokens)
    nn.init.normal_(times.projection.weight)
    told = layer_norm(times(tokens), (16,)) - layer_norm(tokens, (16,))
    assert told.std() > 0.3
    # The norm behind them must not make them vanish beside a ViT's large tokens.
    large = layer_norm(times(100 * tokens), (16,)) - layer_norm(100 * tokens, (16,))
    assert torch.allclose(large, told, atol=1e-4)
    turned = times(tokens.flip(1)).flip(1)
    assert not torch.allclose(turned, times(tokens))


KILLED = """
import os, signal, sys
from tests.embed_model.test_train import CAPTIONS, Path, examples, start, train
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
    killed = python("-c", KILLED, world, out)
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
    with pytest.raises(TrainingError, match="begun otherwise \\(seed: 42 then, 7 now\\)"):
        train(start(world), examples(world), replace(CAPTIONS, seed=7), out, resume=True)


GRADIENTS = """
import sys
from dataclasses import replace
import torch
from tests.embed_model.test_train import CHATS, Path, examples, start, train, watch_gradients
world, out = map(Path, sys.argv[1:])
with watch_gradients() as seen:
    report = train(start(world, "steady"), examples(world, CHATS, "holes.json"), CHATS, out)
if seen.main:
    torch.save((seen.first, report.curve), out / "seen.pt")
"""


class watch_gradients:  # noqa: N801
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


def test_two_processes_are_one_with_twice_the_batch(world, tmp_path):
    """With an example that cannot be read, so that the two have not equally much to learn."""
    chats = json.loads((world / "chats.json").read_text())
    (world / "zero.mp4").touch()
    chats[3]["video"] = "zero.mp4"
    (world / "holes.json").write_text(json.dumps(chats))
    recipe = replace(CHATS, batch=2 * CHATS.batch)
    with watch_gradients() as one:
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


def test_what_cannot_be_used_is_counted_and_training_goes_on(world, tmp_path):
    good = json.loads((world / "captions.json").read_text())
    (world / "zero.mp4").touch()
    lines = [json.dumps(item) for item in good]
    lines[1:1] = ['{"video": "0.mp4", "cap', json.dumps({"video": "gone.mp4", "caption": "a clip"})]
    lines += [json.dumps({"video": "0.mp4", "caption": text}) for text in ("x", "x" * 10_000)]
    lines += [json.dumps({"video": "zero.mp4", "caption": "a clip"}), json.dumps({"image": "a.png", "caption": "red"})]
    (world / "broken.jsonl").write_text("\n".join(lines))
    skips = Skips()
    usable = read_examples([Source(world / "broken.jsonl", world)], "alignment", skips)
    report = train(start(world), usable, replace(CAPTIONS, batch=1), tmp_path, skips=skips)
    assert report.steps == 2 * (8 + 1 + 1)
    kinds = {place.rpartition(" ")[2]: reason.partition(":")[0] for place, reason in report.skips.reasons.items()}
    assert kinds == {
        "2": "broken JSON",
        "3": "file missing",
        "11": "caption length",
        "12": "caption length",
        "13": "unreadable",
    }
    (named,) = (tmp_path / "skipped.jsonl").read_text().splitlines()
    assert json.loads(named)["place"] == "broken.jsonl, line 13"
    assert "2 x caption length" in str(report)


def test_all_files_missing_is_an_error_before_any_step(world, tmp_path, capsys):
    (tmp_path / "all.json").write_text(json.dumps([{"video": f"{n}.mp4", "caption": "a clip"} for n in range(5)]))
    out = tmp_path / "out"
    words = ["embed", "train", "alignment", "--model", world / "start", "--data", tmp_path / "all.json", "--out", out]
    assert main([str(word) for word in words]) != 0
    assert "left out: 5 x file missing" in capsys.readouterr().err
    assert not out.exists()


def test_nothing_readable_in_a_whole_epoch_ends_the_run(world, tmp_path):
    (world / "zero.mp4").touch()
    (world / "zeros.json").write_text(json.dumps([{"video": "zero.mp4", "caption": "a clip"}] * 4))
    with pytest.raises(DataError, match="Not one example of a whole epoch could be read \\(left out: 4 x unreadable"):
        train(start(world), examples(world, file="zeros.json"), CAPTIONS, tmp_path)


def test_too_few_examples_for_a_step(world, tmp_path):
    with pytest.raises(DataError, match="8 examples do not fill one step of 9"):
        train(start(world), examples(world), replace(CAPTIONS, batch=9), tmp_path)


def test_a_loss_that_is_no_number_ends_the_run(world, tmp_path):
    model = start(world)
    nn.init.constant_(model.bridge.projection.bias, float("nan"))
    with pytest.raises(TrainingError, match="The loss of step 1 is nan"):
        train(model, examples(world), CAPTIONS, tmp_path)


@pytest.mark.parametrize(
    "change", [{"epochs": 0}, {"learning_rate": 0}, {"floor": 2}, {"lora_rank": 4, "learn": "all"}, {"batch": 0}]
)
def test_recipes_that_make_no_sense(change):
    with pytest.raises(ValueError, match="recipe|lora_rank"):
        replace(ALIGNMENT, **change)


def test_the_command_line_trains(world, tmp_path, capsys):
    words = ["embed", "train", "instruction", "--model", world / "start", "--data", world / "chats.json"]
    options = ["--out", tmp_path / "out", "--batch", "4", "--epochs", "1", "--frames", "2", "--learning-rate", "1e-3"]
    assert main([str(word) for word in [*words, *options]]) == 0
    printed = capsys.readouterr().out
    assert "step 2/2  epoch 1.00  loss " in printed
    assert "left out: nothing" in printed
    assert json.loads((tmp_path / "out" / "recipe.json").read_text())["floor"] == INSTRUCTION.floor
    assert main([str(word) for word in [*words, *options, "--batch", "0"]]) == 2
