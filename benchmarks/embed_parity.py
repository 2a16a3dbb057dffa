"""Compute VideoChat-Embed's numbers on a directory of upstream's, to be compared with upstream's own.

    python -m benchmarks.embed_parity ../shared/embed/golden --out parity.safetensors

Read are weights (`main/state.safetensors`), sizes and texts (`main/meta.json`), the tokenizer, and tensors
named `image`; nothing that is to be computed. Runs on the CPU in fp32, one thread.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn.functional import log_softmax
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerBase

from videochat.embed_model.checkpoints import check_complete
from videochat.embed_model.config import BridgeConfig, EmbedConfig, VisionConfig
from videochat.embed_model.dialogue import (
    IGNORED,
    TokenizedPrompt,
    tokenize_alignment,
    tokenize_instruction,
    tokenize_prompt,
)
from videochat.embed_model.language_model import load_tokenizer
from videochat.embed_model.model import VideoChatEmbed
from videochat.embed_model.upstream import from_upstream

TRAINING_SAMPLES = ("s1_video", "s1_image", "s2_video", "s2_image")
CHAT_SAMPLES = ("chat_video", "chat_image")


def read_sizes(meta: Mapping[str, Any]) -> EmbedConfig:
    """Turn the `config` of a `meta.json` into ours."""
    vit, qformer, llama = (meta["config"][part] for part in ("vit", "qformer", "llama"))
    return EmbedConfig(
        VisionConfig(
            image_size=vit["img_size"],
            patch_size=vit["patch_size"],
            width=vit["width"],
            depth=vit["depth"],
            heads=vit["heads"],
            mlp_width=vit["block_mlp_hidden"],
            gmhra_layers=vit["gmhra_layers"],
            gmhra_mlp_width=vit["gmhra_mlp_hidden"],
            temporal_downsample=vit["temporal_downsample"],
        ),
        BridgeConfig(
            width=qformer["hidden"],
            depth=qformer["layers"],
            heads=qformer["heads"],
            mlp_width=qformer["intermediate"],
            queries=qformer["num_query"],
            extra_queries=qformer["num_extra_query"],
            cross_attention_every=qformer["cross_attention_every"],
        ),
        llm_width=llama["hidden"],
    )


def build(meta: Mapping[str, Any], state: Mapping[str, Tensor], tokenizer: PreTrainedTokenizerBase) -> VideoChatEmbed:
    """Make the model of a directory from upstream's complete state dict."""
    llama = meta["config"]["llama"]
    llm = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=llama["vocab"],
            hidden_size=llama["hidden"],
            num_hidden_layers=llama["layers"],
            num_attention_heads=llama["heads"],
            num_key_value_heads=llama["heads"],
            intermediate_size=llama["intermediate"],
            rms_norm_eps=llama["rms_norm_eps"],
            rope_parameters={"rope_type": "default", "rope_theta": llama["rope_theta"]},
            bos_token_id=llama["bos_id"],
            eos_token_id=llama["eos_id"],
        )
    )
    prefix = "llama_model."
    llm.load_state_dict(
        {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix) and "inv_freq" not in k}
    )
    config = read_sizes(meta)
    weights = from_upstream(state, config)
    check_complete(weights, config, "main/state.safetensors")
    model = VideoChatEmbed(config, llm, tokenizer)
    model.load_state_dict(weights, strict=False)
    return model.eval()


def training_prompts(
    meta: Mapping[str, Any], sample: Mapping[str, Any], tokenizer: PreTrainedTokenizerBase
) -> list[TokenizedPrompt]:
    """Build the sequences of a training sample from its texts."""
    if sample["stage"] == 1:
        limit = meta["config"]["stage1_max_txt_len"]
        return [
            tokenize_alignment(tokenizer, sample["prompt_chosen"], caption, limit) for caption in sample["text_input"]
        ]
    seconds = None if sample["secs"] is None else [float(second) for second in sample["secs"]]
    return [
        tokenize_instruction(tokenizer, [(qa["q"], qa["a"]) for qa in turns], seconds, sample["max_txt_len"])
        for turns in sample["qa"]
    ]


def trace_vision(model: VideoChatEmbed, image: Tensor) -> dict[str, Tensor]:
    """Return every station on the way from frames (B, T, 3, height, width) to the LLM's embeddings."""
    tokens = model.vision(image)
    normalised = model.bridge.normalise(tokens)
    compressed = model.bridge.compress(normalised)
    return {
        "vit_out": tokens,
        "ln_vision": normalised,
        "qformer": compressed,
        "llama_proj": model.bridge.projection(compressed),
    }


@torch.inference_mode()
def compute(directory: Path) -> dict[str, Tensor]:
    """Return all tensors asked for, under upstream's names."""
    meta = json.loads((directory / "main" / "meta.json").read_text())
    state = load_file(directory / "main" / "state.safetensors")
    tokenizer = load_tokenizer(directory)
    model = build(meta, state, tokenizer)
    found: dict[str, Tensor] = {}

    for name in TRAINING_SAMPLES:
        sample, image = meta["samples"][name], read_image(directory, "tensors", f"{name}/image")
        output = model(image, training_prompts(meta, sample, tokenizer), ones_for_bos=sample["stage"] == 2)
        labels = output.sequences.labels
        spoken = labels[:, 1:] != IGNORED
        logprob = log_softmax(output.logits[:, :-1].float(), dim=-1)
        logprob = logprob.gather(-1, labels[:, 1:].clamp(min=0)[..., None])[..., 0] * spoken
        stations = trace_vision(model, image) | {
            "llm_labels": labels,
            "llm_attention_mask": output.sequences.mask,
            "llm_label_logprob": logprob,
            "llm_loss": output.loss,
        }
        found |= {f"{name}/{station}": tensor for station, tensor in stations.items()}

    for name in CHAT_SAMPLES:
        visual = model.encode(read_image(directory, "tensors", f"{name}/image"))
        found[f"{name}/img_emb"] = visual
        for number, turn in enumerate(meta["samples"][name]["turns"]):
            sequences = model.sequences([tokenize_prompt(tokenizer, turn["prompt"])], visual)
            logits = model.llm(inputs_embeds=sequences.embeds, attention_mask=sequences.mask).logits
            found[f"{name}/turn{number}/context_emb"] = sequences.embeds
            found[f"{name}/turn{number}/last_logits"] = logits[:, -1]

    scaled = {name: tensor * meta["eps_probe_scale"].get(name, 1) for name, tensor in state.items()}
    probe = build(meta, scaled, tokenizer)
    found["eps_probe/llama_proj"] = probe.encode(read_image(directory, "eps_probe", "image"))
    return found


def read_image(directory: Path, file: str, name: str) -> Tensor:
    """Read one input and nothing else of a file that also holds expected values."""
    with safe_open(directory / "main" / f"{file}.safetensors", framework="pt") as tensors:
        return tensors.get_tensor(name)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path, help="directory laid out like ../shared/embed/golden")
    parser.add_argument("--out", type=Path, required=True, help="safetensors file to write")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    found = {name: tensor.contiguous() for name, tensor in compute(arguments.directory).items()}
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    save_file(found, arguments.out)
    print(f"{len(found)} tensors written to {arguments.out}")


if __name__ == "__main__":
    main()
