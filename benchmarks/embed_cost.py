"""What one question to VideoChat-Embed costs at full shape: seconds and memory beside the floor.

    python -m benchmarks.embed_cost --frames 8 --tokens 100

The floor is arithmetic: the operations of the real modules, counted on the meta device, at the GPU's peak;
and the bytes of the LLM's weights, keys and values, once per token, at its bandwidth. Where CUDA is present
the same work is also measured, with random weights, and half precision is compared with fp32.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode
from transformers import LlamaConfig, LlamaForCausalLM

from videochat.embed_model.bridge import TokenBridge
from videochat.embed_model.config import EmbedConfig, llama_shape
from videochat.embed_model.decoder import GrowingDecoder, StaticDecoder
from videochat.embed_model.model import Sequences
from videochat.embed_model.vision import VideoEncoder

HALF_BYTES = 2


@dataclass(frozen=True)
class Parts:
    """The model's three parts, on one device."""

    vision: VideoEncoder
    bridge: TokenBridge
    llm: LlamaForCausalLM

    @classmethod
    def of_size(cls, size: str, device: str, dtype: torch.dtype) -> Parts:
        """Build with random weights (on `meta` with none)."""
        config = EmbedConfig.preset(size)
        with torch.device(device), default_dtype(dtype):
            llm = LlamaForCausalLM(LlamaConfig(**llama_shape(size)))
            parts = cls(VideoEncoder(config.vision), TokenBridge(config), llm)
        for part in (parts.vision, parts.bridge, parts.llm):
            part.eval().requires_grad_(False)
        return parts

    def encode(self, frames: Tensor) -> Tensor:
        """Map (1, T, 3, height, width) to (1, Q, D)."""
        return self.bridge(self.vision(frames))


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """Build modules in this dtype."""
    usual = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(usual)


def count_flops(work: Callable[[], Any]) -> int:
    """Count the floating-point operations of matrix products, convolutions and attention."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        work()
    return counter.get_total_flops()


def parameter_count(*modules: nn.Module) -> int:
    """Add up the parameters."""
    return sum(p.numel() for module in modules for p in module.parameters())


def arithmetic(size: str, frames: int, tokens: int, words: int) -> dict[str, float]:
    """Count operations and bytes of one question, in half precision.

    Args:
        size: preset.
        frames: T.
        tokens: length of the answer.
        words: prompt tokens that are not the video.

    Returns:
        `encode_flops`, `prefill_flops`, `decode_flops`, `decode_bytes`, `weight_bytes`, `cache_bytes`.
    """
    config, shape = EmbedConfig.preset(size), llama_shape(size)
    parts = Parts.of_size(size, "meta", torch.float32)
    prompt = config.bridge.tokens + words
    side = config.vision.image_size
    pixels = torch.empty(1, frames, 3, side, side, device="meta")
    embeds = torch.empty(1, prompt, config.llm_width, device="meta")
    one = embeds[:, :1]
    per_position = 2 * shape["num_hidden_layers"] * shape["hidden_size"] * HALF_BYTES
    # Of the table of words a step reads one row. Attention to what came before is left out of the operations.
    read = parameter_count(parts.llm) - parameter_count(parts.llm.get_input_embeddings())
    return {
        "encode_flops": count_flops(lambda: parts.encode(pixels)),
        "prefill_flops": count_flops(lambda: parts.llm(inputs_embeds=embeds, logits_to_keep=1)),
        "decode_flops": tokens * count_flops(lambda: parts.llm(inputs_embeds=one)),
        "decode_bytes": tokens * (read * HALF_BYTES + (prompt + tokens / 2) * per_position),
        "weight_bytes": parameter_count(parts.vision, parts.bridge, parts.llm) * HALF_BYTES,
        "cache_bytes": (prompt + tokens) * per_position,
    }


def floor_seconds(counted: dict[str, float], tera_flops: float, gigabytes: float) -> dict[str, float]:
    """Return the least seconds of each stage at a peak and a bandwidth (per second)."""
    return {
        "encode": counted["encode_flops"] / (tera_flops * 1e12),
        "prefill": counted["prefill_flops"] / (tera_flops * 1e12),
        # Reading and computing go on at the same time: the slower of the two counts.
        "decode": max(counted["decode_bytes"] / (gigabytes * 1e9), counted["decode_flops"] / (tera_flops * 1e12)),
    }


@torch.inference_mode()
def measure(size: str, frames: int, tokens: int, words: int, device: str) -> dict[str, float]:
    """Time the stages with random weights; the median of five after one that does not count.

    Decoding is timed in the ways of `videochat.embed_model.decoder`: `decode` is that of the device.
    """
    floats = torch.bfloat16 if device.startswith("cuda") else torch.float32
    parts = Parts.of_size(size, device, floats)
    config = EmbedConfig.preset(size)
    side = config.vision.image_size
    pixels = torch.randn(1, frames, 3, side, side, device=device)
    text = torch.randn(1, words, config.llm_width, device=device, dtype=floats)
    found: dict[str, list[float]] = {}
    ways = {"decode, growing memory": GrowingDecoder, "decode, replayed steps": StaticDecoder}
    for _ in range(6):
        started = _now(device)
        embeds = torch.cat([parts.encode(pixels), text], dim=1)
        found.setdefault("encode", []).append(_now(device) - started)
        mask = torch.ones(embeds.shape[:2], dtype=torch.int64, device=device)
        for way, make in ways.items():
            started = _now(device)
            decoder: Any = make(parts.llm, Sequences(embeds, mask, mask), *([tokens] if make is StaticDecoder else []))
            logits = decoder.start()
            filled = _now(device)
            for _ in range(tokens):
                chosen = logits.argmax(-1)
                chosen.tolist()  # as an answer that is streamed needs it
                logits = decoder.step(chosen)
            done = _now(device)
            found.setdefault("prefill", []).append(filled - started)
            found.setdefault(way, []).append(done - filled)
    return {stage: sorted(seconds[len(seconds) // 6 :])[len(seconds) // 2 - 1] for stage, seconds in found.items()}


def _now(device: str) -> float:
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


@torch.inference_mode()
def half_precision_errors(size: str, frames: int, device: str) -> dict[str, float]:
    """Return the largest difference of the visual embeddings to fp32, over the largest of fp32, by dtype."""
    torch.manual_seed(0)
    parts = Parts.of_size(size, device, torch.float32)
    side = EmbedConfig.preset(size).vision.image_size
    pixels = torch.randn(1, frames, 3, side, side, device=device)
    for parameter in (*parts.vision.parameters(), *parts.bridge.parameters()):
        if parameter.ndim > 1:  # transformers starts the ViT near zero, where every dtype agrees
            parameter.normal_(0, parameter.shape[-1] ** -0.5)
    exact = parts.encode(pixels)
    errors = {}
    for dtype in (torch.bfloat16, torch.float16):
        half = Parts(parts.vision.to(dtype), parts.bridge.to(dtype), parts.llm)
        errors[str(dtype).removeprefix("torch.")] = float(
            (half.encode(pixels).float() - exact).abs().max() / exact.abs().max()
        )
        parts.vision.float()
        parts.bridge.float()
    return errors


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="7b", help="preset: 7b, 13b or toy")
    parser.add_argument("--frames", type=int, default=8, help="frames of the video")
    parser.add_argument("--tokens", type=int, default=100, help="tokens of the answer")
    parser.add_argument("--words", type=int, default=100, help="prompt tokens beside the video")
    parser.add_argument("--tera-flops", type=float, default=989, help="peak in half precision (H100: 989)")
    parser.add_argument("--gigabytes", type=float, default=3350, help="memory bandwidth per second (H100: 3350)")
    given = parser.parse_args()

    counted = arithmetic(given.size, given.frames, given.tokens, given.words)
    floor = floor_seconds(counted, given.tera_flops, given.gigabytes)
    print(
        f"{given.size}, {given.frames} frames, {given.words} words, {given.tokens} tokens answered\n"
        f"ARITHMETIC, not measured, at {given.tera_flops:g} TFLOP/s and {given.gigabytes:g} GB/s:\n"
        f"  weights {counted['weight_bytes'] / 1e9:.2f} GB, "
        f"keys and values {counted['cache_bytes'] / 1e9:.2f} GB\n"
        f"  encode  {counted['encode_flops'] / 1e12:8.2f} TFLOP  {floor['encode'] * 1000:8.1f} ms\n"
        f"  prefill {counted['prefill_flops'] / 1e12:8.2f} TFLOP  {floor['prefill'] * 1000:8.1f} ms\n"
        f"  decode  {counted['decode_bytes'] / 1e9:8.1f} GB     {floor['decode'] * 1000:8.1f} ms\n"
        f"  together {sum(floor.values()) * 1000:.1f} ms"
    )
    if not torch.cuda.is_available():
        print("No CUDA here: nothing was measured.")
        return
    torch.cuda.reset_peak_memory_stats()
    seconds = measure(given.size, given.frames, given.tokens, given.words, "cuda")
    print(f"MEASURED on {torch.cuda.get_device_name()}, bfloat16, random weights:")
    for stage, value in seconds.items():
        print(f"  {stage:24}{value * 1000:8.1f} ms, {value / floor[stage.split(',')[0]]:.1f} times the floor")
    print(f"  peak memory {torch.cuda.max_memory_allocated() / 1e9:.2f} GB")
    for name, error in half_precision_errors(given.size, given.frames, "cuda").items():
        print(f"  {name} against float32, visual embeddings: {error:.1e}")


if __name__ == "__main__":
    main()
