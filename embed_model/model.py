"""VideoChat-Embed whole: frames in, language out (paper section 3.2.1; `docs/videochat_embed.md`, sections 1-3, 8).

    frames ─ VideoEncoder ─ TokenBridge ─────────────────┐
    text before and after ─ input embeddings of the LLM ─┴─ LLM

Shapes: B examples, T frames, Q embeddings of one video, L positions of the LLM, D width of the LLM.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Self

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from videochat.devices import Device, choose_device, loading
from videochat.embed_model.bridge import TokenBridge
from videochat.embed_model.checkpoints import (
    CheckpointError,
    check_complete,
    folder_tensors,
    read_config,
    write_folder,
)
from videochat.embed_model.config import EmbedConfig
from videochat.embed_model.dialogue import IGNORED, TokenizedPrompt
from videochat.embed_model.language_model import LLM_FOLDER, LLMBits, load_llm, load_tokenizer, save_llm
from videochat.embed_model.vision import VideoEncoder
from videochat.errors import InvalidArgument
from videochat.hub import find_weights
from videochat.renamed import keywords


@dataclass(frozen=True)
class Sequences:
    """A batch as the LLM reads it: text, visual embeddings, text, and padding at one end."""

    embeds: Tensor
    """(B, L, D)."""
    mask: Tensor
    """(B, L) int64, 1 on text and visual embeddings, 0 on padding."""
    labels: Tensor
    """(B, L) int64, the id at a position to be learned and -100 elsewhere; not shifted."""


@dataclass(frozen=True)
class EmbedOutput:
    """What one pass over a batch gives."""

    loss: Tensor
    """() float32, mean cross-entropy over every learned position of the batch."""
    logits: Tensor
    """(B, L, vocabulary); position p predicts the id at p + 1."""
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
        device: str | torch.device | Device | None = None,
        dtype: torch.dtype | None = None,
        llm_bits: LLMBits | None = None,
    ) -> Self:
        """Load a folder written by `convert` or `save_pretrained`, ready to answer; nothing is downloaded.

        Args:
            folder: the folder, or a hub id that is in the cache.
            device: where it runs; None for CUDA where there is one, else the CPU.
            dtype: of the weights; None for what `choose_embed_device` says of the device.
            llm_bits: 8 or 4 to quantize the LLM.

        Raises:
            MissingDependency: the folder or a file in it is not there.
            CheckpointError: it is not a complete VideoChat-Embed.
        """
        folder = find_weights(folder, needed_by="VideoChat-Embed")
        chosen = choose_embed_device(device)
        there, floats = torch.device(chosen.name), dtype or chosen.dtype
        with loading(f"The VideoChat-Embed in {str(folder)!r}", raising=CheckpointError):
            config = read_config(folder)
            llm = load_llm(folder / LLM_FOLDER, dtype=floats, device=there, bits=llm_bits)
            tokenizer = load_tokenizer(folder / LLM_FOLDER)
            with torch.device("meta"):
                model = cls(config, llm, tokenizer)
            # One tensor at a time: at no moment are the weights in memory twice.
            tensors = folder_tensors(folder, ("vision.", "bridge."))
            weights = {name: tensor.to(there, floats) for name, tensor in tensors}
            check_complete(weights, config, f"The weights in {str(folder)!r}")
            model.load_state_dict(weights, strict=False, assign=True)
        model.train(False)
        return model.requires_grad_(False)

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
        self.llm.train(False)
        return self

    def trainable(self) -> dict[str, nn.Parameter]:
        """Return what both training stages learn: GMHRA, the norm, the extra queries, the projection.

        The paper names GMHRA, queries and projection; upstream trains the norm too. Frame times are among them
        where the config has them.
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
        embeds: Tensor = self.bridge(tokens)
        return embeds

    @keywords(passages="prompts")
    def sequences(
        self,
        prompts: Sequence[TokenizedPrompt],
        visual: Tensor,
        *,
        padding: Literal["left", "right"] = "right",
        ones_for_bos: bool = False,
    ) -> Sequences:
        """Put visual embeddings (B, Q, D) between the two sides of each prompt and pad to the longest.

        Args:
            prompts: one for each row of `visual`.
            visual: from `encode`.
            padding: `right` for training, `left` for generation.
            ones_for_bos: write the BOS id into its whole embedding, as upstream's second stage does by
                mistake; for weights that may depend on it (`docs/videochat_embed.md`, section 12, fault 4).

        Raises:
            InvalidArgument: not as many prompts as rows.
        """
        if len(prompts) != len(visual):
            raise InvalidArgument(f"{len(visual)} rows of visual embeddings need as many prompts, got {len(prompts)}")
        word_embeddings = self.llm.get_input_embeddings()
        count = visual.shape[1]
        longest = max(len(p.before) + count + len(p.after) for p in prompts)
        embeds, masks, labels = [], [], []
        for prompt, clip in zip(prompts, visual, strict=True):
            start, end = len(prompt.before), len(prompt.before) + count
            spare = longest - end - len(prompt.after)
            ids = prompt.before + prompt.after + [self.tokenizer.eos_token_id] * spare
            embedded: Tensor = word_embeddings(torch.tensor(ids, device=visual.device))
            before, after, filling = torch.split(embedded, [start, len(prompt.after), spare])
            if ones_for_bos:
                before = torch.cat([torch.full_like(before[:1], prompt.before[0]), before[1:]])
            row = [before, clip.to(before.dtype), after]
            mask = [1] * (longest - spare)
            label = [IGNORED] * end + prompt.labels
            right = padding == "right"
            embeds.append(torch.cat([*row, filling] if right else [filling, *row]))  # (L, D)
            masks.append(mask + [0] * spare if right else [0] * spare + mask)
            labels.append(label + [IGNORED] * spare if right else [IGNORED] * spare + label)
        return Sequences(
            torch.stack(embeds),
            torch.tensor(masks, device=visual.device),
            torch.tensor(labels, device=visual.device),
        )

    @keywords(passages="prompts")
    def forward(self, frames: Tensor, prompts: Sequence[TokenizedPrompt], *, ones_for_bos: bool = False) -> EmbedOutput:
        """Return loss and logits of a batch of training examples, all videos of T frames or all images.

        Args:
            frames: (B, T, 3, height, width), normalised.
            prompts: one for each example.
            ones_for_bos: see `sequences`.
        """
        sequences = self.sequences(prompts, self.encode(frames), ones_for_bos=ones_for_bos)
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


def choose_embed_device(device: str | torch.device | Device | None = None) -> Device:
    """Return where VideoChat-Embed runs: as `devices.choose_device`, but on a CPU always in float32.

    Its numbers are checked against upstream's in float32, and half precision on a CPU would change every answer.

    Args:
        device: a torch device or its name; None for CUDA where there is one, else the CPU; a `Device` is returned
            as it is.
    """
    if isinstance(device, Device):
        return device
    chosen = choose_device(None if device is None else str(device))
    return chosen if chosen.is_cuda else replace(chosen, dtype=torch.float32)
