from __future__ import annotations

import json
import shutil

import pytest
from safetensors.torch import load_file

from tests.fakes.tiny_embed import TOY, toy_frames
from videochat.embed_model.checkpoints import CheckpointError
from videochat.embed_model.conversion import convert
from videochat.embed_model.language_model import load_tokenizer
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
