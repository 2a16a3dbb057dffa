"""The language model step by step: a prompt in, then one position per row and step, with keys and values kept."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor
from transformers import PreTrainedModel, StaticCache

from videochat.embed_model.model import Sequences

_WARM_STEPS = 1
"""Steps before one is recorded: libraries make their handles and workspaces in the first."""


def recorded(work: Callable[[], Tensor]) -> Callable[[], Tensor]:
    """Record what `work` has a GPU do, without doing it; return what has it done.

    Args:
        work: reads and writes tensors that stay where they are, and waits for nothing.

    Returns:
        A function that does the same again, and returns the same tensor with new values.
    """
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = work()

    def replay() -> Tensor:
        graph.replay()
        return result

    return replay


class Decoder(Protocol):
    """Yields the logits of each next token, (B, vocabulary)."""

    def start(self) -> Tensor:
        """Read the prompts."""

    def step(self, chosen: Tensor) -> Tensor:
        """Read one more token of each row, ids of shape (B,)."""


def make_decoder(llm: PreTrainedModel, sequences: Sequences, most: int) -> Decoder:
    """Choose how the LLM decodes on its device.

    Launching the kernels of one step takes a GPU longer than running them: there a step is recorded once and
    replayed, which needs memory of fixed size.

    Args:
        llm: the language model.
        sequences: prompts, padded on the left.
        most: longest answer in tokens.
    """
    fixed = llm.device.type == "cuda" and getattr(llm, "_can_compile_fullgraph", False)
    if fixed and getattr(llm, "hf_quantizer", None) is None:
        return StaticDecoder(llm, sequences, most)
    return GrowingDecoder(llm, sequences)


def _last_only(llm: PreTrainedModel) -> dict[str, Any]:
    # Logits of the prompt's other positions are large and of no use; few old architectures compute only all.
    return {"logits_to_keep": 1} if "logits_to_keep" in inspect.signature(llm.forward).parameters else {}


class GrowingDecoder:
    """Keys and values grow by a position a step."""

    def __init__(self, llm: PreTrainedModel, sequences: Sequences) -> None:
        self._llm, self._options = llm, _last_only(llm)
        self._embeds, self._mask = sequences.embeds, sequences.mask  # (B, L, D), (B, L)
        self._positions = (self._mask.cumsum(1) - 1).clamp(min=0)
        self._past: Any = None

    def start(self) -> Tensor:
        """Read the prompts."""
        return self._forward(inputs_embeds=self._embeds)

    def step(self, chosen: Tensor) -> Tensor:
        """Read one more token of each row."""
        self._mask = torch.cat([self._mask, self._mask.new_ones(len(self._mask), 1)], dim=1)
        self._positions = self._positions[:, -1:] + 1
        return self._forward(input_ids=chosen[:, None])

    @torch.inference_mode()
    def _forward(self, **inputs: Tensor) -> Tensor:
        output = self._llm(
            **inputs,
            attention_mask=self._mask,
            position_ids=self._positions,
            past_key_values=self._past,
            use_cache=True,
            **self._options,
        )
        self._past = output.past_key_values
        logits: Tensor = output.logits[:, -1]
        return logits


class StaticDecoder:
    """Keys and values have room for the whole answer from the start; on CUDA a step is recorded and replayed."""

    def __init__(self, llm: PreTrainedModel, sequences: Sequences, most: int) -> None:
        self._llm, self._options = llm, _last_only(llm)
        self._embeds = sequences.embeds
        rows, length = sequences.mask.shape
        # Positions still to come are open: causality hides them until they are there.
        self._mask = torch.cat([sequences.mask, sequences.mask.new_ones(rows, most)], dim=1)
        self._first = (sequences.mask.cumsum(1) - 1).clamp(min=0)
        self._cache = StaticCache(config=llm.config, max_cache_len=length + most)
        self._ids = sequences.mask.new_zeros(rows, 1)
        self._position = self._first[:, -1:].clone()
        self._steps = 0
        self._replay: Callable[[], Tensor] = self._next

    @torch.inference_mode()
    def start(self) -> Tensor:
        """Read the prompts."""
        return self._forward(self._first, inputs_embeds=self._embeds)

    @torch.inference_mode()
    def step(self, chosen: Tensor) -> Tensor:
        """Read one more token of each row; the logits are overwritten by the next step."""
        self._ids.copy_(chosen[:, None])
        self._steps += 1
        if self._steps == _WARM_STEPS + 1 and self._llm.device.type == "cuda":
            self._replay = recorded(self._next)
        return self._replay()

    def _next(self) -> Tensor:
        self._position.add_(1)
        return self._forward(self._position, input_ids=self._ids)

    def _forward(self, positions: Tensor, **inputs: Tensor) -> Tensor:
        output = self._llm(
            **inputs,
            attention_mask=self._mask,
            position_ids=positions,
            past_key_values=self._cache,
            use_cache=True,
            **self._options,
        )
        logits: Tensor = output.logits[:, -1]
        return logits
