from __future__ import annotations

import shutil
from typing import Any

import pytest
import torch
from transformers import (
    GemmaConfig,
    GemmaForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from tests.fakes.tiny_embed import byte_tokenizer, stir, toy_frames, toy_llm, toy_model, worst_error
from videochat.devices import Device
from videochat.embed_model.checkpoints import CheckpointError
from videochat.embed_model.config import EmbedConfig
from videochat.embed_model.dialogue import IGNORED, TokenizedPrompt, tokenize_prompt
from videochat.embed_model.generation import SamplingSettings, generate
from videochat.embed_model.model import VideoChatEmbed, choose_embed_device
from videochat.errors import InvalidArgument, MissingDependency

PROMPTS = [TokenizedPrompt([1, 40, 41], [50, 51, 52], [IGNORED, 51, 52]), TokenizedPrompt([1, 42], [53], [53])]


@pytest.fixture(scope="module")
def model():
    return toy_model()


@pytest.mark.parametrize("frames", [1, 8, 64])
def test_a_video_is_as_many_words_as_there_are_queries(model, frames):
    assert model.encode(toy_frames(2, frames)).shape == (2, 8, 64)


def test_batch_of_one_equals_one_of_a_batch(model):
    frames = toy_frames(3, 4)
    assert worst_error(model.encode(frames[1:2]), model.encode(frames)[1:2]) < 1e-5


def test_reversed_frames_change_the_embeddings_only_through_gmhra():
    model = toy_model()
    frames = toy_frames(1, 6)
    assert worst_error(model.encode(frames.flip(1)), model.encode(frames)) > 1e-6
    assert model.vision.gmhra is not None
    layers: Any = model.vision.gmhra.layers
    with torch.no_grad():
        for layer in layers:
            layer.position.weight[:, :, 0] = layer.position.weight[:, :, 2]
    assert worst_error(model.encode(frames.flip(1)), model.encode(frames)) < 2e-6


@pytest.mark.parametrize("padding", ["left", "right"])
def test_words_stand_around_the_video_and_padding_at_the_end_asked_for(model, padding):
    visual = torch.randn(2, 8, 64)
    made = model.sequences(PROMPTS, visual, padding=padding)
    assert made.embeds.shape == (2, 14, 64)
    assert made.mask.sum(1).tolist() == [14, 11]
    first = 3 if padding == "left" else 0
    assert torch.equal(made.embeds[1, first + 2 : first + 10], visual[1])
    assert made.labels[1].tolist() == (
        [IGNORED] * 13 + [53] if padding == "left" else [IGNORED] * 10 + [53] + [IGNORED] * 3
    )
    assert made.mask[1, first : first + 11].all()


def test_ones_for_bos_is_upstreams_mistake_on_request(model):
    visual = torch.randn(2, 8, 64)
    right, wrong = (model.sequences(PROMPTS, visual, ones_for_bos=ones).embeds for ones in (False, True))
    assert torch.equal(wrong[:, 0], torch.ones(2, 64))
    assert torch.equal(right[:, 1:], wrong[:, 1:])
    assert torch.equal(right[0, 0], model.llm.get_input_embeddings().weight[1])


def test_padding_changes_no_loss(model):
    frames = toy_frames(2, 2)
    together = model(frames, PROMPTS)
    alone = [model(frames[i : i + 1], [PROMPTS[i]]) for i in range(2)]
    assert worst_error(together.loss, (2 * alone[0].loss + alone[1].loss) / 3) < 1e-5
    assert worst_error(together.logits[1, :11], alone[1].logits[0]) < 1e-5


def test_only_what_the_paper_learns_gets_a_gradient():
    model = toy_model()
    learned = model.trainable()
    for parameter in learned.values():
        parameter.requires_grad_(True)
    model(toy_frames(2, 2), PROMPTS).loss.backward()
    assert {name for name, p in model.named_parameters() if p.grad is not None} == learned.keys()
    gradients = {name: p.grad for name, p in learned.items() if name != "vision.gmhra.query"}
    assert all(gradient is not None and gradient.abs().max() > 0 for gradient in gradients.values())
    assert {name.split(".")[1] for name in learned} == {"gmhra", "norm", "extra_queries", "projection"}


def test_training_mode_leaves_the_llm_alone():
    model = toy_model().train()
    assert model.vision.gmhra is not None
    assert model.vision.gmhra.training
    assert not model.llm.training


def test_an_llm_of_another_width_is_refused():
    with pytest.raises(CheckpointError, match="LLM of width 4096, but the LLM given has width 64"):
        VideoChatEmbed(EmbedConfig(), toy_llm(), byte_tokenizer())


LLMS = {
    "qwen3": lambda: Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=300,
            hidden_size=64,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=16,
        )
    ),
    "gpt2": lambda: GPT2LMHeadModel(GPT2Config(vocab_size=300, n_embd=64, n_layer=2, n_head=4)),
    "gemma": lambda: GemmaForCausalLM(
        GemmaConfig(
            vocab_size=300,
            hidden_size=64,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=1,
            head_dim=16,
        )
    ),
}


@pytest.mark.parametrize("name", LLMS)
def test_any_decoder_only_llm_takes_vicunas_place(name):
    torch.manual_seed(3)
    llm = LLMS[name]()
    stir(llm)
    model = VideoChatEmbed(EmbedConfig.preset("toy"), llm, byte_tokenizer()).eval()
    frames = toy_frames(2, 2)
    assert model(frames, PROMPTS).loss.isfinite()
    prompts = [tokenize_prompt(model.tokenizer, text) for text in ("a<VideoHere>b", "long<VideoHere>er")]
    visual = model.encode(frames)
    sampling = SamplingSettings(max_new_tokens=5, temperature=0)
    steps = list(generate(model, model.sequences(prompts, visual, padding="left"), sampling))
    alone = generate(model, model.sequences(prompts[:1], visual[:1], padding="left"), sampling)
    assert [token for token, _ in steps if token is not None] == [token for (token,) in alone if token is not None]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_stays_near(model, dtype):
    frames = toy_frames(1, 4)
    half = toy_model().to(dtype)
    assert half.encode(frames).dtype == dtype
    assert worst_error(half.encode(frames).float(), model.encode(frames)) < 0.05


def test_the_cpu_runs_in_fp32():
    assert choose_embed_device("cpu").dtype == choose_embed_device(torch.device("cpu")).dtype == torch.float32
    half = Device("cpu", torch.bfloat16)
    assert choose_embed_device(half) is half


def test_a_converted_folder_loads_ready_to_answer(converted, files):
    model = VideoChatEmbed.from_pretrained(converted)
    assert not model.training
    assert not any(p.requires_grad or p.is_meta for p in model.parameters())
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    norm = torch.load(files["videochat"])["model"]["ln_vision.weight"]
    assert torch.equal(model.bridge.norm.weight, norm), "the VideoChat file comes last"
    assert model.encode(toy_frames(1, 2)).isfinite().all()


def test_a_folder_with_another_llm_put_in(converted, tmp_path):
    shutil.copytree(converted, tmp_path / "mixed")
    wide = LlamaForCausalLM(LlamaConfig(vocab_size=300, hidden_size=96, num_hidden_layers=1, intermediate_size=8))
    wide.save_pretrained(tmp_path / "mixed" / "llm")
    with pytest.raises(CheckpointError, match="LLM of width 64, but the LLM given has width 96"):
        VideoChatEmbed.from_pretrained(tmp_path / "mixed")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("no/such/folder", "needs the model no/such/folder .* there is no such folder or file"),
        ("nowhere", "needs the model nowhere .* there is no such folder or file"),
        ("someone/something", "needs the model someone/something .* nor in the hub's cache"),
    ],
)
def test_weights_that_are_not_here_are_never_fetched(name, says, monkeypatch):
    monkeypatch.setattr("huggingface_hub.snapshot_download", no_network)
    with pytest.raises(MissingDependency, match=says):
        VideoChatEmbed.from_pretrained(name)


def no_network(*_given, local_files_only=False, **_named):
    assert local_files_only, "from_pretrained must not download"
    raise FileNotFoundError


def test_toy_model_survives_its_own_folder(tmp_path):
    model = toy_model()
    model.save_pretrained(tmp_path)
    frames = toy_frames(1, 3)
    assert torch.equal(VideoChatEmbed.from_pretrained(tmp_path).encode(frames), model.encode(frames))


def test_as_many_prompts_as_videos(model):
    with pytest.raises(InvalidArgument, match="2 rows of visual embeddings need as many prompts, got 1"):
        model.sequences(PROMPTS[:1], torch.randn(2, 8, 64))
