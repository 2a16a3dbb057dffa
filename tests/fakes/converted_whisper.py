"""The packaged weights of Whisper base in the forms of the other two programs: the same numbers, renamed."""

from __future__ import annotations

import json
import re
import shutil
import struct
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

_TYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}
# CTranslate2's names of the parts of a layer, and transformers'; its attention holds q, k and v (or k and v) in one.
_SELF, _CROSS = "self_attn", "encoder_attn"


def read_ctranslate2(path: Path) -> dict[str, np.ndarray]:
    """Return the numbers in a `model.bin` by name."""
    with path.open("rb") as file:

        def number(kind: str) -> int:
            return int(struct.unpack(f"<{kind}", file.read(struct.calcsize(f"<{kind}")))[0])

        def text() -> str:
            return file.read(number("H"))[:-1].decode()

        assert number("I") == 6
        assert text() == "WhisperSpec"
        number("I")
        found = {}
        for _ in range(number("I")):
            name = text()
            shape = [number("I") for _ in range(number("B"))]
            kind = _TYPES[number("B")]
            found[name] = np.frombuffer(file.read(number("I")), kind).reshape(shape)
        return found


def to_transformers(source: Path, folder: Path) -> Path:
    """Write the folder of CTranslate2's Whisper as a checkpoint of transformers."""
    numbers = read_ctranslate2(source / "model.bin")
    state: dict[str, torch.Tensor] = {}

    def put(name: str, value: np.ndarray) -> None:
        state[name] = torch.from_numpy(np.array(value, np.float32))

    def pair(target: str, given: str, names: tuple[str, str] = ("weight", "bias")) -> None:
        for theirs, ours in zip(names, ("weight", "bias"), strict=True):
            put(f"{target}.{ours}", numbers[f"{given}/{theirs}"])

    layers = {
        part: 1 + max(_layer(name) for name in numbers if re.match(rf"{part}/layer_\d", name))
        for part in ("encoder", "decoder")
    }
    for part in ("encoder", "decoder"):
        put(f"model.{part}.embed_positions.weight", numbers[f"{part}/position_encodings/encodings"])
        pair(f"model.{part}.layer_norm", f"{part}/layer_norm", ("gamma", "beta"))
        for index in range(layers[part]):
            ours, theirs = f"model.{part}.layers.{index}", f"{part}/layer_{index}"
            for attention, place in [(_SELF, "self_attention"), (_CROSS, "attention")][: 1 if part == "encoder" else 2]:
                given = f"{theirs}/{place}"
                parts = ("q", "k", "v") if attention == _SELF else ("k", "v")
                joined = f"{given}/linear_0" if attention == _SELF else f"{given}/linear_1"
                weights, biases = (
                    np.split(numbers[f"{joined}/weight"], len(parts)),
                    np.split(numbers[f"{joined}/bias"], len(parts)),
                )
                for letter, weight, bias in zip(parts, weights, biases, strict=True):
                    put(f"{ours}.{attention}.{letter}_proj.weight", weight)
                    put(f"{ours}.{attention}.{letter}_proj.bias", bias)
                if attention == _CROSS:
                    pair(f"{ours}.{attention}.q_proj", f"{given}/linear_0")
                state.pop(f"{ours}.{attention}.k_proj.bias")  # Whisper has none; it is zero here
                pair(f"{ours}.{attention}.out_proj", f"{given}/linear_{1 if attention == _SELF else 2}")
                pair(f"{ours}.{attention}_layer_norm", f"{given}/layer_norm", ("gamma", "beta"))
            pair(f"{ours}.fc1", f"{theirs}/ffn/linear_0")
            pair(f"{ours}.fc2", f"{theirs}/ffn/linear_1")
            pair(f"{ours}.final_layer_norm", f"{theirs}/ffn/layer_norm", ("gamma", "beta"))
    put("model.decoder.embed_tokens.weight", numbers["decoder/embeddings/weight"])
    for number in (1, 2):
        pair(f"model.encoder.conv{number}", f"encoder/conv{number}")
    vocabulary, width = numbers["decoder/embeddings/weight"].shape
    sounds = numbers["encoder/conv1/weight"].shape[1]
    heads = int(numbers["encoder/num_heads"])
    config: dict[str, Any] = {
        "model_type": "whisper",
        "architectures": ["WhisperForConditionalGeneration"],
        "num_mel_bins": int(sounds),
        "max_source_positions": int(numbers["encoder/position_encodings/encodings"].shape[0]),
        "max_target_positions": int(numbers["decoder/position_encodings/encodings"].shape[0]),
        "d_model": int(width),
        "vocab_size": int(vocabulary),
        "pad_token_id": 50257,
        "bos_token_id": 50257,
        "eos_token_id": 50257,
        "decoder_start_token_id": 50258,
    }
    for part in ("encoder", "decoder"):
        config |= {
            f"{part}_layers": layers[part],
            f"{part}_attention_heads": heads,
            f"{part}_ffn_dim": int(numbers[f"{part}/layer_0/ffn/linear_0/weight"].shape[0]),
        }
    folder.mkdir()
    save_file(state, folder / "model.safetensors", {"format": "pt"})
    given = json.loads((source / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "generation_config.json").write_text(json.dumps({"alignment_heads": given["alignment_heads"]}))
    shutil.copy(source / "tokenizer.json", folder)
    return folder


def to_openai(source: Path, file: Path) -> Path:
    """Write a checkpoint of transformers as a file of openai-whisper."""
    from dataclasses import asdict

    from videochat.tools.whisper import from_transformers

    model = from_transformers(source, "cpu")
    torch.save({"dims": asdict(model.dims), "model_state_dict": model.state_dict()}, file)
    return file


def _layer(name: str) -> int:
    return int(name.split("/")[1].removeprefix("layer_"))
