"""BERT sentence encoders without torch: a question is embedded before torch would have been imported.

It reads folders of sentence-transformers whose model is a BERT with mean pooling, such as all-MiniLM-L6-v2, and gives
their vectors (cosine above 0.9999). Whatever else such a folder holds is for sentence-transformers itself.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

_MASKED = -1e9
_PIECE = 32_768
_TOKENS = 1024
"""Of a batch: more of them leave the cache of a core."""


class BertEncoder:
    """A sentence encoder in NumPy.

    Args:
        directory: of a sentence-transformers model.

    Raises:
        ValueError: it is none of those that can be read here.
        OSError: a file of it is missing.
    """

    def __init__(self, directory: Path) -> None:
        modules = json.loads((directory / "modules.json").read_text())
        kinds = [module["type"].rsplit(".", 1)[-1] for module in modules]
        if kinds not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]):
            raise ValueError(f"modules are {kinds}")
        folder = directory / modules[0]["path"]
        pooling = json.loads((directory / modules[1]["path"] / "config.json").read_text())
        self._config: dict[str, Any] = json.loads((folder / "config.json").read_text())
        settings = _read_if_there(directory / "config_sentence_transformers.json")
        plain = not any((settings.get("prompts") or {}).values()) and not settings.get("default_prompt_name")
        mean = pooling.get("pooling_mode_mean_tokens") or pooling.get("pooling_mode") == "mean"
        bert = self._config.get("model_type") == "bert" and self._config.get("hidden_act") == "gelu"
        if not (plain and mean and bert) or self._config.get("position_embedding_type", "absolute") != "absolute":
            raise ValueError("it is no plain BERT with mean pooling")
        from safetensors.numpy import load_file
        from tokenizers import Tokenizer

        weights = load_file(folder / "model.safetensors")
        self._weights = {
            name.removeprefix("bert."): value.astype(np.float32, copy=False) for name, value in weights.items()
        }
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        longest = _read_if_there(folder / "sentence_bert_config.json").get("max_seq_length")
        self._tokenizer.enable_truncation(int(longest or self._config["max_position_embeddings"]))
        self._tokenizer.no_padding()

    def encode(self, texts: list[str]) -> np.ndarray:
        """Return unit vectors of texts, float32, shape (n, hidden size)."""
        tokens = [one.ids for one in self._tokenizer.encode_batch(texts)]
        vectors = np.empty((len(texts), int(self._config["hidden_size"])), np.float32)
        # Texts of like length go together: beside a long one, a short one would be as much work.
        waiting = sorted(range(len(texts)), key=lambda number: -len(tokens[number]))
        while waiting:
            count = max(_TOKENS // max(len(tokens[waiting[0]]), 1), 1)
            batch, waiting = waiting[:count], waiting[count:]
            vectors[batch] = self._encode([tokens[number] for number in batch])
        return vectors

    def _encode(self, tokens: list[list[int]]) -> np.ndarray:
        longest = max(map(len, tokens))
        padding = int(self._config.get("pad_token_id") or 0)
        ids = np.array([one + [padding] * (longest - len(one)) for one in tokens])
        mask = np.array([[1.0] * len(one) + [0.0] * (longest - len(one)) for one in tokens], np.float32)
        w, size = self._weights, int(self._config["hidden_size"])
        states = w["embeddings.word_embeddings.weight"][ids] + w["embeddings.token_type_embeddings.weight"][0]
        states = self._norm(states + w["embeddings.position_embeddings.weight"][: ids.shape[1]], "embeddings.LayerNorm")
        bias = np.where(mask > 0, np.float32(0), np.float32(_MASKED))[:, None, None, :]
        for layer in range(int(self._config["num_hidden_layers"])):
            states = self._layer(states, bias, f"encoder.layer.{layer}", size)
        pooled = (states * mask[..., None]).sum(1) / np.maximum(mask.sum(1, keepdims=True), 1e-9)
        return np.asarray(pooled / np.maximum(np.linalg.norm(pooled, axis=1, keepdims=True), 1e-12), np.float32)

    def _layer(self, states: np.ndarray, bias: np.ndarray, name: str, size: int) -> np.ndarray:
        heads = int(self._config["num_attention_heads"])
        count, length, _ = states.shape

        def split(part: str) -> np.ndarray:
            projected = self._linear(states, f"{name}.attention.self.{part}")
            return projected.reshape(count, length, heads, size // heads).transpose(0, 2, 1, 3)

        scores = split("query") @ split("key").transpose(0, 1, 3, 2) / np.float32(np.sqrt(size // heads)) + bias
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        seen = (scores / scores.sum(-1, keepdims=True)) @ split("value")
        seen = self._linear(seen.transpose(0, 2, 1, 3).reshape(count, length, size), f"{name}.attention.output.dense")
        states = self._norm(states + seen, f"{name}.attention.output.LayerNorm")
        inner = _gelu(self._linear(states, f"{name}.intermediate.dense"))
        return self._norm(states + self._linear(inner, f"{name}.output.dense"), f"{name}.output.LayerNorm")

    def _linear(self, states: np.ndarray, name: str) -> np.ndarray:
        return np.asarray(states @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"])

    def _norm(self, states: np.ndarray, name: str) -> np.ndarray:
        centred = states - states.mean(-1, keepdims=True)
        scale = np.sqrt((centred**2).mean(-1, keepdims=True) + np.float32(self._config.get("layer_norm_eps", 1e-12)))
        return np.asarray(centred / scale * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"])


def _gelu(x: np.ndarray) -> np.ndarray:
    """Return x * (1 + erf(x / sqrt 2)) / 2, computed in pieces that stay in the cache of a core."""
    # erf by Abramowitz and Stegun 7.1.26, off by at most 1.5e-7; SciPy's takes longer to import than a question.
    result = np.empty_like(x)
    values, results = x.reshape(-1), result.reshape(-1)
    for start in range(0, values.size, _PIECE):
        piece = values[start : start + _PIECE]
        z = np.abs(piece)
        z *= np.float32(0.70710678)
        t = z * np.float32(0.3275911)
        t += np.float32(1)
        np.reciprocal(t, out=t)
        erf = t * np.float32(1.061405429)
        for factor in (-1.453152027, 1.421413741, -0.284496736, 0.254829592):
            erf += np.float32(factor)
            erf *= t
        z *= z
        erf *= np.exp(np.negative(z, out=z), out=z)
        np.copysign(np.subtract(np.float32(1), erf, out=erf), piece, out=erf)
        erf += np.float32(1)
        erf *= piece
        np.multiply(erf, np.float32(0.5), out=results[start : start + _PIECE])
    return result


def _read_if_there(file: Path) -> dict[str, Any]:
    return dict(json.loads(file.read_text())) if file.is_file() else {}
