"""A toy VideoChat-Embed, upstream's files of it, and a video that counts what is decoded."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from videochat.embed_model.checkpoints import expected_shapes
from videochat.embed_model.config import EmbedConfig, llama_shape
from videochat.embed_model.model import VideoChatEmbed

torch.set_num_threads(1)

TOY = EmbedConfig.preset("toy")
SHARED = Path(__file__).parents[3] / "shared"
GOLDEN = SHARED / "embed" / "golden"


def need(path: Path) -> Path:
    """Return a path of the shared folder; without it skip, but never where it is promised."""
    if not path.exists():
        message = f"{path.name} of ../shared is not on this machine"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return path


def worst_error(found: Tensor, expected: Tensor) -> float:
    """Largest difference over the largest expected value."""
    assert found.shape == expected.shape
    return float((found - expected).abs().max() / expected.abs().max())


def byte_tokenizer() -> PreTrainedTokenizerFast:
    """A tokenizer that needs no file: specials <unk> 0, <s> 1, </s> 2, then one token per byte."""
    symbols = ["<unk>", "<s>", "</s>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokenizer = Tokenizer(models.BPE({symbol: i for i, symbol in enumerate(symbols)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


def toy_llm() -> LlamaForCausalLM:
    return LlamaForCausalLM(LlamaConfig(**llama_shape("toy"))).eval()


def stir(model: torch.nn.Module) -> None:
    """Draw every parameter anew, so that nothing is hidden by a zero; norms stay near one."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            norm = parameter.ndim == 1 and name.endswith("weight")
            parameter.normal_(1.0 if norm else 0.0, 0.1)


def toy_model(seed: int = 0) -> VideoChatEmbed:
    torch.manual_seed(seed)
    model = VideoChatEmbed(EmbedConfig.preset("toy"), toy_llm(), byte_tokenizer())
    stir(model)
    return model.eval().requires_grad_(False)


def talking_model(seed: int = 9) -> VideoChatEmbed:
    """A toy that says small letters, so that what it says can be read and compared; of seed 9 it soon ends."""
    model = toy_model(seed)
    head = model.llm.get_output_embeddings().weight
    letters = model.tokenizer.convert_tokens_to_ids([*"abcdefghijklmnopqrstuvwxyz"])
    generator = torch.Generator().manual_seed(seed)
    rows, end = torch.randn(13, head.shape[1], generator=generator), torch.randn(head.shape[1], generator=generator)
    head.data.zero_()
    # One of a row and its opposite is never below zero, where all other tokens are.
    head.data[letters] = torch.cat([rows, -rows])
    head.data[model.tokenizer.eos_token_id] = 1.5 * end
    return model


def toy_frames(batch: int, frames: int, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, frames, 3, 28, 28, generator=generator)


@dataclass(frozen=True)
class Picture:
    seconds: float
    image: np.ndarray


@dataclass
class CountingVideo:
    """A video drawn on the spot, each picture another colour; it knows which seconds were asked for."""

    id: str = "drawn"
    duration_seconds: float = 10.0
    frame_rate: float = 25.0
    decoded: list[float] = field(default_factory=list)

    def frames(self, *, at_seconds: Sequence[float]) -> Iterator[Picture]:
        for seconds in at_seconds:
            self.decoded.append(seconds)
            hue = int(seconds * 251) % 256
            image = np.full((36, 64, 3), (hue, 255 - hue, 90), np.uint8)
            image[: hue % 36] = 200
            yield Picture(seconds, image)


def upstream_files(folder: Path, config: EmbedConfig) -> dict[str, Path]:
    """Write random weights as upstream does: ViT, Q-Former, VideoChat and an LLM folder."""
    folder.mkdir(parents=True, exist_ok=True)
    vit: dict[str, Tensor] = {}
    blip2: dict[str, Tensor] = {}
    own: dict[str, Tensor] = {}
    generator = torch.Generator().manual_seed(5)
    sizes = config.vision

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator) * 0.1

    c, m, w = sizes.width, sizes.mlp_width, config.bridge.width
    vit["cls_token"], vit["pos_embed"] = draw(1, 1, c), draw(1, sizes.tokens_per_frame, c)
    vit["patch_embed.proj.weight"] = draw(c, 3, sizes.patch_size, sizes.patch_size)
    vit["patch_embed.proj.bias"] = draw(c)
    for block in range(sizes.depth + 1):  # the EVA file has one block more than is used
        b = f"blocks.{block}."
        for norm in ("norm1", "norm2"):
            vit[f"{b}{norm}.weight"], vit[f"{b}{norm}.bias"] = 1 + draw(c), draw(c)
        vit[f"{b}attn.qkv.weight"] = draw(3 * c, c)
        vit[f"{b}attn.q_bias"], vit[f"{b}attn.v_bias"] = draw(c), draw(c)
        vit[f"{b}attn.proj.weight"], vit[f"{b}attn.proj.bias"] = draw(c, c), draw(c)
        vit[f"{b}mlp.fc1.weight"], vit[f"{b}mlp.fc1.bias"] = draw(m, c), draw(m)
        vit[f"{b}mlp.fc2.weight"], vit[f"{b}mlp.fc2.bias"] = draw(c, m), draw(c)
    vit["norm.weight"], vit["head.weight"] = draw(c), draw(10, c)

    blip2["query_tokens"] = draw(1, config.bridge.queries, w)
    blip2["Qformer.bert.embeddings.position_ids"] = torch.arange(512)[None]
    for name, shape in expected_shapes(config).items():
        if name.startswith("bridge.qformer."):
            tail = name.removeprefix("bridge.qformer.")
            tail = tail.replace("layernorm.", "embeddings.LayerNorm.") if "encoder" not in tail else tail
            tail = tail.replace("attention.attention.", "attention.self.")
            blip2[f"Qformer.bert.{tail}"] = draw(*shape)
    for file in (blip2, own):
        file["ln_vision.weight"], file["ln_vision.bias"] = 1 + draw(c), draw(c)
    blip2["t5_proj.weight"] = draw(7, w)

    own["extra_query_tokens"] = draw(1, config.bridge.extra_queries, w)
    own["llama_proj.weight"], own["llama_proj.bias"] = draw(config.llm_width, w), draw(config.llm_width)
    own["visual_encoder.gmhra_cls_token"] = draw(1, 1, c)
    own["llama_model.model.layers.0.self_attn.rotary_emb.inv_freq"] = draw(6)
    for layer in range(sizes.gmhra_layers):
        g, h = f"visual_encoder.gmhra.{layer}.", sizes.gmhra_mlp_width
        own[f"{g}dpe.weight"], own[f"{g}dpe.bias"] = draw(c, 1, 3, 3, 3), draw(c)
        own[f"{g}attn.in_proj_weight"], own[f"{g}attn.in_proj_bias"] = draw(3 * c, c), draw(3 * c)
        own[f"{g}attn.out_proj.weight"], own[f"{g}attn.out_proj.bias"] = draw(c, c), draw(c)
        for norm in ("ln_1", "ln_2", "ln_3"):
            own[f"{g}{norm}.weight"], own[f"{g}{norm}.bias"] = 1 + draw(c), draw(c)
        own[f"{g}mlp.c_fc.weight"], own[f"{g}mlp.c_fc.bias"] = draw(h, c), draw(h)
        own[f"{g}mlp.c_proj.weight"], own[f"{g}mlp.c_proj.bias"] = draw(c, h), draw(c)

    torch.manual_seed(6)
    llm = toy_llm()
    stir(llm)
    llm.save_pretrained(folder / "vicuna")
    byte_tokenizer().save_pretrained(folder / "vicuna")
    torch.save({name: tensor.half() for name, tensor in vit.items()}, folder / "eva_vit_g.pth")
    torch.save({"model": blip2}, folder / "blip2.pth")
    torch.save({"model": own}, folder / "videochat_toy.pth")
    return {
        "vit": folder / "eva_vit_g.pth",
        "qformer": folder / "blip2.pth",
        "videochat": folder / "videochat_toy.pth",
        "llm": folder / "vicuna",
    }
