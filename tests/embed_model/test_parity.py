"""Upstream's numbers: benchmarks/embed_parity.py and what it does not write."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch.nn.functional import log_softmax

from benchmarks import embed_parity
from tests.fakes.tiny_embed import GOLDEN, need, worst_error
from videochat.embed_model.bridge import TokenBridge
from videochat.embed_model.checkpoints import check_complete
from videochat.embed_model.config import EmbedConfig
from videochat.embed_model.dialogue import (
    IGNORED,
    Conversation,
    clean_answer,
    sampling_message,
    tokenize_prompt,
)
from videochat.embed_model.generation import GREEDY, generate
from videochat.embed_model.language_model import load_tokenizer
from videochat.embed_model.model import VideoChatEmbed
from videochat.embed_model.preprocess import crop_frame, normalise, sample_indices, squash_image
from videochat.embed_model.upstream import from_upstream, inflate_patch_weight, resize_positions
from videochat.embed_model.vision import VideoEncoder

pytestmark = pytest.mark.material

ACTIVATIONS = 1e-5
GRADIENTS = 5e-5


@pytest.fixture(scope="module")
def golden() -> Path:
    return need(GOLDEN)


@pytest.fixture(scope="module")
def meta(golden):
    return json.loads((golden / "main" / "meta.json").read_text())


@pytest.fixture(scope="module")
def expected(golden):
    return load_file(golden / "main" / "tensors.safetensors")


@pytest.fixture(scope="module")
def model(golden, meta) -> VideoChatEmbed:
    state = load_file(golden / "main" / "state.safetensors")
    return embed_parity.build(meta, state, load_tokenizer(golden))


def test_every_tensor_is_upstreams(golden, expected):
    found = embed_parity.compute(golden)
    expected = expected | {f"eps_probe/{k}": v for k, v in load_file(golden / "main" / "eps_probe.safetensors").items()}
    assert len(found) == 4 * 8 + 2 + 2 * 2 + 2 + 1
    for name, tensor in found.items():
        if tensor.is_floating_point():
            assert worst_error(tensor, expected[name]) <= ACTIVATIONS, name
        else:
            assert torch.equal(tensor, expected[name]), name


def test_gmhra_layer_by_layer(model, expected):
    for sample in ("s1_video", "s2_image"):
        seen: list[torch.Tensor] = []
        hooks = [
            layer.register_forward_hook(lambda _module, _given, out, seen=seen: seen.append(out))
            for layer in model.vision.gmhra.layers
        ]
        with torch.inference_mode():
            model.vision(expected[f"{sample}/image"])
        for hook in hooks:
            hook.remove()
        for number, query in enumerate(seen):
            assert worst_error(query.transpose(0, 1), expected[f"{sample}/gmhra{number}"]) <= ACTIVATIONS


def test_cut_example_is_upstreams(model, meta, expected):
    sample = meta["samples"]["s2_video_trunc"]
    prompts = embed_parity.training_prompts(meta, sample, model.tokenizer)
    with torch.inference_mode():
        output = model(expected["s2_video/image"], prompts, ones_for_bos=True)
    name = "s2_video_trunc"
    assert torch.equal(output.sequences.labels, expected[f"{name}/llm_labels"])
    assert torch.equal(output.sequences.mask, expected[f"{name}/llm_attention_mask"])
    assert worst_error(output.sequences.embeds, expected[f"{name}/llm_inputs_embeds"]) <= ACTIVATIONS
    logprob = log_softmax(output.logits, -1)
    learned = output.sequences.labels[:, 1:] != IGNORED
    assert worst_error(output.logits[:, :-1][learned], expected[f"{name}/llm_supervised_logits"]) <= ACTIVATIONS
    assert worst_error(output.loss, expected[f"{name}/llm_loss"]) <= ACTIVATIONS
    assert logprob.isfinite().all()


@pytest.mark.parametrize("name", ["s1_video", "s1_image", "s2_video", "s2_image"])
def test_gradients_are_upstreams(model, meta, expected, name):
    learned = model.trainable()
    model.requires_grad_(False)
    for parameter in learned.values():
        parameter.requires_grad_(True).grad = None
    sample = meta["samples"][name]
    prompts = embed_parity.training_prompts(meta, sample, model.tokenizer)
    model(expected[f"{name}/image"], prompts, ones_for_bos=sample["stage"] == 2).loss.backward()
    prefix = f"{name}/grad/"
    reference = from_upstream(
        {k.removeprefix(prefix): v for k, v in expected.items() if k.startswith(prefix)}, model.config
    )
    assert len(reference) == 14
    for key, gradient in reference.items():
        assert worst_error(learned[key].grad, gradient) <= GRADIENTS, key
    assert {k for k, p in model.named_parameters() if p.grad is not None} == learned.keys()
    # Norms are known for all, also for those too large to be stored.
    total = sum(norms["l2"] ** 2 for norms in meta["grad_norms"][name].values()) ** 0.5
    mine = sum(float(p.grad.norm()) ** 2 for p in learned.values()) ** 0.5
    assert mine == pytest.approx(total, rel=GRADIENTS)


def test_learned_parameters_are_upstreams(model, meta):
    assert sum(p.numel() for p in model.trainable().values()) == sum(
        p.numel() for p in _upstream_learned(meta).values()
    )


def _upstream_learned(meta) -> dict[str, torch.Tensor]:
    state = load_file(GOLDEN / "main" / "state.safetensors")
    return {name: state[name] for name in meta["trainable"]}


@pytest.mark.parametrize("name", ["chat_video", "chat_image"])
def test_greedy_answers_are_upstreams(model, meta, expected, name):
    with torch.inference_mode():
        visual = model.encode(expected[f"{name}/image"])
    for turn in meta["samples"][name]["turns"]:
        prompt = tokenize_prompt(model.tokenizer, turn["prompt"])
        sequences = model.sequences([prompt], visual, padding="left")
        wanted = turn["greedy_ids"]
        steps = generate(model, sequences, GREEDY)
        assert [next(steps)[0] for _ in wanted] == wanted


def test_prompts_are_upstreams(model, meta):
    when = [0.6, 1.8, 3.0, 4.2, 5.4, 6.6, 7.8, 9.0]
    for name, talk in (
        ("chat_video", Conversation.about_video(when)),
        ("chat_image", Conversation.about_image()),
    ):
        for turn in meta["samples"][name]["turns"]:
            prompt = talk.prompt(turn["question"])
            assert prompt == turn["prompt"]
            ids = tokenize_prompt(model.tokenizer, prompt)
            before, after = turn["tokenizer_calls"][:2]
            assert [ids.before, ids.after] == [before["input_ids"][0], after["input_ids"][0]]
            talk.turns.append((turn["question"], turn["answer_put_in_history"]))


def test_answers_are_cut_as_upstream_does(model, meta):
    for case in meta["answer_postprocess"]:
        text = model.tokenizer.batch_decode([case["generated_ids"]], skip_special_tokens=True)[0]
        assert clean_answer(text) == case["text"].removesuffix(" </s>")


def test_temporal_downsampling_is_upstreams(golden):
    meta = json.loads((golden / "tds" / "meta.json").read_text())
    expected = load_file(golden / "tds" / "tensors.safetensors")
    config = embed_parity.read_sizes(meta)
    weights = from_upstream(load_file(golden / "tds" / "state.safetensors"), config)
    vision, bridge = VideoEncoder(config.vision).eval(), TokenBridge(config).eval()
    for part, module in (("vision.", vision), ("bridge.", bridge)):
        module.load_state_dict({k.removeprefix(part): v for k, v in weights.items() if k.startswith(part)})
    with torch.inference_mode():
        for frames in meta["T"]:
            tokens = vision(expected[f"T{frames}/image"])
            assert worst_error(tokens, expected[f"T{frames}/vit_out"]) <= ACTIVATIONS
            normalised = bridge.normalise(tokens)
            assert worst_error(normalised, expected[f"T{frames}/ln_vision"]) <= ACTIVATIONS
            assert worst_error(bridge.compress(normalised), expected[f"T{frames}/qformer"]) <= ACTIVATIONS
            assert worst_error(bridge(tokens), expected[f"T{frames}/llama_proj"]) <= ACTIVATIONS


def test_pictures_are_upstreams(golden):
    with np.load(golden / "preprocess.npz") as data:
        frames = data["frames"][data["frame_indices"]]
        pictures = [crop_frame(frame, 224) for frame in frames]
        assert np.array_equal(np.stack(pictures).transpose(0, 3, 1, 2), data["video_u8"])
        patch = normalise(pictures)[:, :, 100:108, 60:68].numpy()
        assert np.allclose(patch, data["video_norm_patch"], atol=1e-6)
        image = squash_image(data["frames"][0], 224)
        assert np.array_equal(image.transpose(2, 0, 1), data["image_u8"])


def test_sampling_is_upstreams(golden):
    table = json.loads((golden / "sampling_and_schedule.json").read_text())
    for key, indices in table["chat_get_index"].items():
        frame_count, samples = map(int, key.split(","))
        assert sample_indices(frame_count, samples) == indices
    msg = table["msg"]
    assert sampling_message([index / msg["fps"] for index in msg["frame_indices"]]) == msg["msg"]


def test_positions_and_patches_fit_as_upstream_does(golden):
    data = load_file(golden / "load_time.safetensors")
    grid = round((data["pos_out"].shape[1] - 1) ** 0.5)
    assert worst_error(resize_positions(data["pos_in"], grid), data["pos_out"]) <= ACTIVATIONS
    assert torch.equal(inflate_patch_weight(data["conv2d_weight"]), data["conv3d_weight_center"])


@pytest.mark.parametrize("size", ["7b", "13b"])
def test_full_size_names_map_completely(size, caplog):
    caplog.set_level("INFO", logger="videochat.embed_model.upstream")
    listed = json.loads(need(GOLDEN.parent / "full_size_keys.json").read_text())
    state = {}
    for file, content in listed.items():
        if file in ("note", f"videochat_{'7b' if size == '13b' else '13b'}.pth"):
            continue
        prefix = "visual_encoder." if file.startswith("eva") else ""
        for name, shape in content.get("model", content).items():
            state[prefix + name] = torch.empty(shape, device="meta")
    config = EmbedConfig.preset(size)
    check_complete(from_upstream(state, config), config, "upstream's files")
    unused = caplog.messages[0].partition(": ")[2].split(", ") if caplog.messages else []
    assert [name for name in unused if not name.endswith(("position_ids", "inv_freq"))] == []


def test_no_expected_value_is_read(golden, monkeypatch):
    read = []

    class Watched:
        def __init__(self, path, framework):
            self.file = safe_open(path, framework)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

        def get_tensor(self, name):
            read.append(name)
            return self.file.get_tensor(name)

    monkeypatch.setattr(embed_parity, "safe_open", Watched)
    loaded = []

    def watched(path):
        loaded.append(path.name)
        return load_file(path)

    monkeypatch.setattr(embed_parity, "load_file", watched)
    embed_parity.compute(golden)
    assert {name.rpartition("/")[2] for name in read} == {"image"}
    assert loaded == ["state.safetensors"]
