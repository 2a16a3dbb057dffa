from __future__ import annotations

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file

from tests.fakes.tiny_embed import TOY, toy_frames
from videochat.embed_model import language_model
from videochat.embed_model.checkpoints import CheckpointError
from videochat.embed_model.conversion import convert
from videochat.embed_model.language_model import llm_width, load_llm, load_tokenizer
from videochat.embed_model.model import VideoChatEmbed


@pytest.mark.parametrize("bits", [8, 4])
def test_a_quantized_llm_answers(converted, bits):
    pytest.importorskip("bitsandbytes")
    model = VideoChatEmbed.from_pretrained(converted, llm_bits=bits)
    assert getattr(model.llm, f"is_loaded_in_{bits}bit")
    embeds = model.encode(toy_frames(1, 2))
    assert model.llm(inputs_embeds=embeds).logits.isfinite().all()


def test_an_llm_with_missing_weights(converted, tmp_path):
    from safetensors.torch import save_file

    shutil.copytree(converted, tmp_path / "headless")
    path = tmp_path / "headless" / "llm" / "model.safetensors"
    weights = load_file(path)
    del weights["model.layers.0.mlp.up_proj.weight"]
    save_file(weights, path, metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=r"The LLM .* lacks model.layers.0.mlp.up_proj.weight"):
        VideoChatEmbed.from_pretrained(tmp_path / "headless")


def test_special_ids_of_early_llama_conversions_are_put_right(files, tmp_path):
    shutil.copytree(files["llm"], tmp_path / "early")
    for name in ("config.json", "generation_config.json"):
        path = tmp_path / "early" / name
        path.write_text(json.dumps(json.loads(path.read_text()) | {"bos_token_id": 0, "eos_token_id": 1}))
    settings = tmp_path / "early" / "tokenizer_config.json"
    known = json.loads(settings.read_text())
    settings.write_text(json.dumps({k: v for k, v in known.items() if k not in ("bos_token", "eos_token")}))
    assert load_tokenizer(tmp_path / "early").bos_token_id == 1
    out = convert(tmp_path / "out", config=TOY, **(files | {"llm": tmp_path / "early"}))
    model = VideoChatEmbed.from_pretrained(out)
    assert model.llm.config.bos_token_id == 1
    assert model.eos_ids == {2}


def test_a_folder_without_a_tokenizer(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(CheckpointError, match=r"^The tokenizer in .* cannot be loaded .*") as caught:
        load_tokenizer(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_folder_that_is_no_llm_is_a_sentence(tmp_path, files):
    (tmp_path / "config.json").write_text('{"model_type": "no such model"}')
    for load in (llm_width, lambda folder: load_llm(folder, dtype=torch.float32, device=torch.device("cpu"))):
        with pytest.raises(CheckpointError, match="as an? .*LLM of transformers, cannot be loaded") as caught:
            load(tmp_path)
        assert "\n" not in str(caught.value)
    shutil.copytree(files["llm"], tmp_path / "cut")
    weights = tmp_path / "cut" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(CheckpointError, match="as a decoder-only LLM of transformers, cannot be loaded"):
        load_llm(tmp_path / "cut", dtype=torch.float32, device=torch.device("cpu"))


def test_the_width_is_that_of_the_config(files):
    assert llm_width(files["llm"]) == 64


def test_models_and_tokenizers_are_made_under_the_one_lock(files, monkeypatch):
    held = []

    class Recorder:
        def __enter__(self):
            held.append(True)

        def __exit__(self, *_):
            held.pop()

    def checked(load):
        def call(*given, **named):
            assert held, "made without the lock"
            return load(*given, **named)

        return call

    monkeypatch.setattr("videochat.devices.LOADING", Recorder())
    for name in ("AutoModelForCausalLM", "AutoTokenizer", "AutoConfig"):
        made = getattr(language_model, name)
        stand_in = type(name, (), {"from_pretrained": staticmethod(checked(made.from_pretrained))})
        monkeypatch.setattr(language_model, name, stand_in)
    llm_width(files["llm"])
    load_tokenizer(files["llm"])
    load_llm(files["llm"], dtype=torch.float32, device=torch.device("cpu"))
    assert not held
