from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from accelerate import Accelerator
from safetensors.torch import load_file
from torch import nn

from benchmarks import embed_parity
from tests.fakes.tiny_embed import GOLDEN, need, worst_error
from tests.fakes.tiny_training import CAPTIONS, CHATS, examples, start
from videochat.cli import main
from videochat.embed_model.annotations import DataError, Skips, Source, read_examples
from videochat.embed_model.dataset import Augmentation, Batch
from videochat.embed_model.language_model import load_tokenizer
from videochat.embed_model.recipe import ALIGNMENT, INSTRUCTION
from videochat.embed_model.run_folder import Progress, TrainingError
from videochat.embed_model.train import decay_groups, make_learnable, take_step, train
from videochat.embed_model.upstream import from_upstream


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
            for key, parameter in learned.items():
                assert parameter.grad is not None
                seen[key] = parameter.grad.clone()

    prompts = embed_parity.training_prompts(meta, sample, model.tokenizer)
    images = expected[f"{name}/image"]
    half = len(prompts) // 2
    # In two batches of unlike length, the step must still be that of all positions together.
    batches = [Batch(images[part], prompts[part], []) for part in (slice(0, half), slice(half, None)) if prompts[part]]
    loss, read = take_step(Accelerator(cpu=True), model, BackgroundWatch(learned.values(), lr=1), batches, recipe)
    assert read == len(prompts)
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


def test_only_what_the_paper_names_learns_and_the_folder_loads(world, tmp_path):
    model = start(world)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    told: list[Progress] = []
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


def test_the_command_line_trains(world, tmp_path, capsys):
    words = ["embed", "train", "instruction", "--model", world / "start", "--data", world / "chats.json"]
    options = ["--out", tmp_path / "out", "--batch", "4", "--epochs", "1", "--frames", "2", "--learning-rate", "1e-3"]
    assert main([str(word) for word in [*words, *options]]) == 0
    printed = capsys.readouterr().out
    assert "step 2/2  epoch 1.00  loss " in printed
    assert "left out: nothing" in printed
    assert json.loads((tmp_path / "out" / "recipe.json").read_text())["floor"] == INSTRUCTION.floor
    assert main([str(word) for word in [*words, *options, "--batch", "0"]]) == 2
