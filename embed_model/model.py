"""VideoChat-Embed whole: frames in, language out (paper section 3.2.1, SPEC 1-3 and 7).

    frames ─ VideoEncoder ─ TokenBridge ─┐
    text before, text after ─ LLM words ─┴─ LLM

Shapes: B examples, T frames, Q embeddings of one video, L positions of the LLM, D width of the LLM.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from videochat.embed_model.bridge import TokenBridge
from videochat.embed_model.checkpoints import (
    LLM_FOLDER,
    CheckpointError,
    LLMBits,
    check_complete,
    folder_tensors,
    load_llm,
    load_tokenizer,
    read_config,
    save_llm,
    write_folder,
)
from videochat.embed_model.config import EmbedConfig
from videochat.embed_model.dialogue import IGNORED, TokenizedPrompt
from videochat.embed_model.vision import VideoEncoder
from videochat.hub import find_weights


@dataclass(frozen=True)
class Sequences:
    """A batch as the LLM reads it: words, visual embeddings, words, and padding at one end."""

    embeds: Tensor
    """(B, L, D)."""
    mask: Tensor
    """(B, L) int64, 1 where there is something and 0 on padding."""
    labels: Tensor
    """(B, L) int64, the id at a position to be learned and -100 elsewhere; not shifted."""


@dataclass(frozen=True)
class EmbedOutput:
    """What one pass over a batch gives."""

    loss: Tensor
    """() float32, mean cross-entropy over every learned position of the batch."""
    logits: Tensor
    """(B, L, vocabulary); position p speaks about the id at p + 1."""
    sequences: Sequences


class VideoChatEmbed(nn.Module):
    """A video encoder, a bridge and any decoder-only LLM of transformers.

    Args:
        config: sizes of encoder and bridge.
        llm: the language model.
        tokenizer: its tokenizer.

    Raises:
        CheckpointError: the LLM's width is not `config.llm_width`.
    """

    def __init__(self, config: EmbedConfig, llm: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
        super().__init__()
        width = llm.get_input_embeddings().embedding_dim
        if width != config.llm_width:
            raise CheckpointError(
                f"The bridge is made for an LLM of width {config.llm_width}, but the LLM given has width "
                f"{width}; give the LLM it was trained with."
            )
        self.config = config
        self.tokenizer = tokenizer
        self.vision = VideoEncoder(config.vision)
        self.bridge = TokenBridge(config)
        self.llm = llm

    @classmethod
    def from_pretrained(
        cls,
        folder: str | Path,
        *,
        device: str | torch.device | None = None,
        dtype: torch.dtype | None = None,
        llm_bits: LLMBits | None = None,
    ) -> Self:
        """Load a folder written by `convert` or `save_pretrained`, tensor by tensor and ready to answer.

        Args:
            folder: the folder, or a hub id of one.
            device: where it runs; None for `default_device()`.
            dtype: of the weights; None for `best_dtype(device)`.
            llm_bits: 8 or 4 to quantize the LLM.

        Raises:
            MissingDependency: the folder or a file in it is not there.
            CheckpointError: it is not a complete VideoChat-Embed.
        """
        folder = find_weights(folder, needed_by="VideoChat-Embed")
        config = read_config(folder)
        device = default_device() if device is None else torch.device(device)
        dtype = dtype or best_dtype(device)
        llm = load_llm(folder / LLM_FOLDER, dtype=dtype, device=device, bits=llm_bits)
        tokenizer = load_tokenizer(folder / LLM_FOLDER)
        with torch.device("meta"):
            model = cls(config, llm, tokenizer)
        # One tensor at a time: at no moment are the weights in memory twice.
        weights = {name: tensor.to(device, dtype) for name, tensor in folder_tensors(folder, ("vision.", "bridge."))}
        check_complete(weights, config, f"The weights in {str(folder)!r}")
        model.load_state_dict(weights, strict=False, assign=True)
        return model.eval().requires_grad_(False)

    def save_pretrained(self, folder: str | Path, max_shard_size: str = "2GB") -> None:
        """Write the folder that `from_pretrained` reads."""
        folder = Path(folder).expanduser()
        weights = {name: tensor for name, tensor in self.state_dict().items() if not name.startswith("llm.")}
        save_llm(folder / LLM_FOLDER, self.llm, self.tokenizer, max_shard_size)
        write_folder(folder, self.config, weights, max_shard_size)

    @property
    def device(self) -> torch.device:
        """Where it runs."""
        return self.bridge.projection.weight.device

    @property
    def eos_ids(self) -> frozenset[int]:
        """The ids that end an answer; some LLMs have several."""
        ids = self.llm.generation_config.eos_token_id
        several = ids if isinstance(ids, list) else [ids]
        return frozenset([self.tokenizer.eos_token_id, *several]) - {None}

    def train(self, mode: bool = True) -> Self:
        """Switch GMHRA's dropout; the LLM is frozen and stays in eval mode."""
        super().train(mode)
        self.llm.eval()
        return self

    def trainable(self) -> dict[str, nn.Parameter]:
        """Return what both training stages learn: GMHRA, the norm, the extra queries, the projection.

        The paper names GMHRA, queries and projection; upstream trains the norm too (SPEC 7.1). Frame times are
        among them where the config has them.
        """
        learned = (
            "vision.gmhra.",
            "vision.frame_times.",
            "bridge.norm.",
            "bridge.extra_queries",
            "bridge.projection.",
        )
        return {name: p for name, p in self.named_parameters() if name.startswith(learned)}

    def encode(self, frames: Tensor) -> Tensor:
        """Map normalised frames (B, T, 3, height, width) to embeddings (B, Q, D); T = 1 is an image."""
        tokens = self.vision(frames.to(self.device))  # (B, T' * (1+N) + 1, C)
        return self.bridge(tokens)

    def sequences(
        self,
        passages: Sequence[TokenizedPrompt],
        visual: Tensor,
        *,
        padding: Literal["left", "right"] = "right",
        ones_for_bos: bool = False,
    ) -> Sequences:
        """Put visual embeddings (B, Q, D) between the words of each passage and pad to the longest.

        Args:
            passages: one for each row of `visual`.
            visual: from `encode`.
            padding: `right` for training, `left` for generation.
            ones_for_bos: write the BOS id into its whole embedding, as upstream's second stage does by
                mistake; for weights that may depend on it (SPEC 8, fault 4).

        Raises:
            ValueError: not as many passages as rows.
        """
        words = self.llm.get_input_embeddings()
        kept = visual.shape[1]
        longest = max(len(p.before) + kept + len(p.after) for p in passages)
        embeds, masks, labels = [], [], []
        for passage, seen in zip(passages, visual, strict=True):
            start, end = len(passage.before), len(passage.before) + kept
            spare = longest - end - len(passage.after)
            ids = passage.before + passage.after + [self.tokenizer.eos_token_id] * spare
            embedded = words(torch.tensor(ids, device=visual.device))
            before, after, filling = embedded.split([start, len(passage.after), spare])
            if ones_for_bos:
                before = torch.cat([torch.full_like(before[:1], passage.before[0]), before[1:]])
            row = [before, seen.to(before.dtype), after]
            mask = [1] * (longest - spare)
            label = [IGNORED] * end + passage.labels
            right = padding == "right"
            embeds.append(torch.cat([*row, filling] if right else [filling, *row]))  # (L, D)
            masks.append(mask + [0] * spare if right else [0] * spare + mask)
            labels.append(label + [IGNORED] * spare if right else [IGNORED] * spare + label)
        return Sequences(
            torch.stack(embeds),
            torch.tensor(masks, device=visual.device),
            torch.tensor(labels, device=visual.device),
        )

    def forward(
        self, frames: Tensor, passages: Sequence[TokenizedPrompt], *, ones_for_bos: bool = False
    ) -> EmbedOutput:
        """Return loss and logits of a batch of training examples, all videos of T frames or all images.

        Args:
            frames: (B, T, 3, height, width), normalised.
            passages: one for each example.
            ones_for_bos: see `sequences`.
        """
        sequences = self.sequences(passages, self.encode(frames), ones_for_bos=ones_for_bos)
        logits = self.llm(
            inputs_embeds=sequences.embeds,
            attention_mask=sequences.mask,
            # Upstream counts positions through the padding, which is at the right and changes nothing.
            position_ids=torch.arange(sequences.mask.shape[1], device=self.device)[None],
            use_cache=False,
        ).logits  # (B, L, vocabulary)
        loss = cross_entropy(
            logits[:, :-1].flatten(0, 1).float(), sequences.labels[:, 1:].flatten(), ignore_index=IGNORED
        )
        return EmbedOutput(loss, logits, sequences)


def default_device() -> torch.device:
    """Return CUDA if there is any, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def best_dtype(device: torch.device) -> torch.dtype:
    """Return the dtype to run in: bfloat16 or float16 on CUDA, float32 elsewhere."""
    if device.type != "cuda":
        return torch.float32
    return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
