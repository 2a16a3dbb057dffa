"""The language model: any decoder-only LLM of transformers, with its tokenizer, in and out of a folder."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    BitsAndBytesConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from videochat.devices import loading
from videochat.embed_model.checkpoints import CheckpointError, first_few
from videochat.errors import MissingDependency, first_line

LLM_FOLDER = "llm"
"""Of the LLM inside a folder of ours."""

LLMBits = Literal[4, 8]
"""Bits per weight of a quantized LLM."""


def load_llm(folder: Path, *, dtype: torch.dtype, device: torch.device, bits: LLMBits | None = None) -> PreTrainedModel:
    """Load any decoder-only LLM of transformers; its weights go to memory once, shard by shard.

    Args:
        folder: a transformers folder.
        dtype: of the weights, and of the computation where they are quantized.
        device: where it runs.
        bits: 8 or 4 to quantize with bitsandbytes.

    Raises:
        MissingDependency: no weights in the folder, or bitsandbytes is not installed.
        CheckpointError: the folder is none of a decoder-only LLM, or weights are missing in it.
    """
    quantized: dict[str, Any] = {}
    if bits is not None:
        if find_spec("bitsandbytes") is None or find_spec("accelerate") is None:
            raise MissingDependency(f"A {bits}-bit LLM needs two more packages: pip install 'videochat[quantized]'.")
        four: dict[str, Any] = {"bnb_4bit_compute_dtype": dtype, "bnb_4bit_quant_type": "nf4"} if bits == 4 else {}
        scheme: Any = BitsAndBytesConfig
        quantized = {
            "quantization_config": scheme(load_in_4bit=bits == 4, load_in_8bit=bits == 8, **four),
            "device_map": {"": device},
        }
    what = f"The folder {str(folder)!r}, as a decoder-only LLM of transformers,"
    with loading(what, raising=CheckpointError):
        try:
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                folder, dtype=dtype, output_loading_info=True, local_files_only=True, **quantized
            )
        except SafetensorError as error:
            raise CheckpointError(f"{what} cannot be loaded: {first_line(error)}") from error
    llm, report = loaded
    if report["missing_keys"]:
        raise CheckpointError(
            f"The LLM in {str(folder)!r} lacks {first_few(sorted(report['missing_keys']))}; get it again."
        )
    placed: PreTrainedModel = llm if quantized else llm.to(device)
    return placed


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """Load the tokenizer that lies beside an LLM.

    Raises:
        CheckpointError: there is none.
    """
    with loading(f"The tokenizer in {str(folder)!r}", raising=CheckpointError):
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    if tokenizer.convert_tokens_to_ids("</s>") == 2 and tokenizer.convert_tokens_to_ids("<s>") == 1:
        # Early LLaMA conversions name no special tokens, or the wrong ones: docs/videochat_embed.md, section 3.
        tokenizer.bos_token, tokenizer.eos_token, tokenizer.unk_token = "<s>", "</s>", "<unk>"
    return tokenizer


def llm_width(folder: Path) -> int:
    """Return D, the width of an LLM's input embeddings, from its `config.json`.

    Raises:
        CheckpointError: the folder is none of an LLM.
    """
    with loading(f"The folder {str(folder)!r}, as an LLM of transformers,", raising=CheckpointError):
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
    width = getattr(config.get_text_config(), "hidden_size", None)
    if width is None:
        raise CheckpointError(
            f"The folder {str(folder)!r} holds a model of type {config.model_type!r}, which has no width; name the "
            "folder of an LLM."
        )
    return int(width)


def save_llm(
    folder: Path, llm: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, max_shard_size: str = "2GB"
) -> None:
    """Write LLM and tokenizer.

    Early LLaMA conversions carry ids in `config.json` that the tokenizer never makes: its own
    replace them. Of several EOS ids all stay if the tokenizer's is among them.

    Args:
        folder: where to write.
        llm: the LLM; its ids are put right in place.
        tokenizer: its tokenizer.
        max_shard_size: largest file, e.g. `2GB`.
    """
    for settings in (llm.config, llm.generation_config):
        ends = settings.eos_token_id if isinstance(settings.eos_token_id, list) else [settings.eos_token_id]
        if tokenizer.eos_token_id not in ends:
            settings.eos_token_id = tokenizer.eos_token_id
        settings.bos_token_id = tokenizer.bos_token_id
        settings.pad_token_id = tokenizer.pad_token_id
    llm.save_pretrained(folder, max_shard_size=max_shard_size)
    tokenizer.save_pretrained(folder)
