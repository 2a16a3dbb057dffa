"""Weights in and out: upstream's files, BLIP-2 of the hub, and our own folder of safetensors.

SPEC 4 gives upstream's names and shapes. Ours are those of the modules; only this file knows both. A folder
of ours holds `config.json`, `model*.safetensors` (vision and bridge) and `llm/`, a transformers folder with
its tokenizer.

Weights are read without running anything that a file brings along: safetensors, or `.pth` as plain tensors.
"""

from __future__ import annotations

import json
import logging
import math
import pickle
import re
import zipfile
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import torch
from huggingface_hub import save_torch_state_dict
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.nn.functional import interpolate
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    BitsAndBytesConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from videochat.embed_model.bridge import TokenBridge
from videochat.embed_model.config import EmbedConfig
from videochat.embed_model.vision import GMHRA, FrameTimes, VideoEncoder
from videochat.errors import MissingDependency, VideoChatError
from videochat.hub import find_weights

logger = logging.getLogger(__name__)

MODEL_TYPE = "videochat_embed"
"""`model_type` in the `config.json` of our folders."""
CONFIG_FILE = "config.json"
LLM_FOLDER = "llm"

LLMBits = Literal[4, 8]
"""Bits per weight of a quantized LLM."""


class CheckpointError(VideoChatError):
    """Weights that are not those expected: other names, other shapes, cut short, or more than weights."""


_BLOCK = r"vision.vit.encoder.layers.\1."
# Upstream's names to ours; a pair that becomes one tensor has its own code in `from_upstream`.
_RULES: Sequence[tuple[re.Pattern[str], str]] = [
    (re.compile(pattern), ours)
    for pattern, ours in [
        (r"visual_encoder\.cls_token", r"vision.vit.embeddings.class_embedding"),
        (r"visual_encoder\.pos_embed", r"vision.vit.embeddings.position_embedding"),
        (r"visual_encoder\.patch_embed\.proj\.(\w+)", r"vision.vit.embeddings.patch_embedding.\1"),
        (r"visual_encoder\.blocks\.(\d+)\.norm([12])\.(\w+)", _BLOCK + r"layer_norm\2.\3"),
        (r"visual_encoder\.blocks\.(\d+)\.attn\.qkv\.weight", _BLOCK + r"self_attn.qkv.weight"),
        (r"visual_encoder\.blocks\.(\d+)\.attn\.proj\.(\w+)", _BLOCK + r"self_attn.projection.\2"),
        (r"visual_encoder\.blocks\.(\d+)\.mlp\.fc([12])\.(\w+)", _BLOCK + r"mlp.fc\2.\3"),
        (r"visual_encoder\.gmhra_cls_token", r"vision.gmhra.query"),
        (r"visual_encoder\.gmhra\.(\d+)\.dpe\.(\w+)", r"vision.gmhra.layers.\1.position.\2"),
        (r"visual_encoder\.gmhra\.(\d+)\.attn\.out_proj\.(\w+)", r"vision.gmhra.layers.\1.attention.out.\2"),
        (r"visual_encoder\.gmhra\.(\d+)\.ln_1\.(\w+)", r"vision.gmhra.layers.\1.norm_query.\2"),
        (r"visual_encoder\.gmhra\.(\d+)\.ln_2\.(\w+)", r"vision.gmhra.layers.\1.norm_mlp.\2"),
        (r"visual_encoder\.gmhra\.(\d+)\.ln_3\.(\w+)", r"vision.gmhra.layers.\1.norm_tokens.\2"),
        (r"visual_encoder\.gmhra\.(\d+)\.mlp\.c_fc\.(\w+)", r"vision.gmhra.layers.\1.mlp.0.\2"),
        (r"visual_encoder\.gmhra\.(\d+)\.mlp\.c_proj\.(\w+)", r"vision.gmhra.layers.\1.mlp.3.\2"),
        (r"ln_vision\.(\w+)", r"bridge.norm.\1"),
        (r"query_tokens", r"bridge.queries"),
        (r"extra_query_tokens", r"bridge.extra_queries"),
        (r"Qformer\.bert\.embeddings\.LayerNorm\.(\w+)", r"bridge.qformer.layernorm.\1"),
        (
            r"Qformer\.bert\.encoder\.layer\.(\d+)\.(attention|crossattention)\.self\.(.+)",
            r"bridge.qformer.encoder.layer.\1.\2.attention.\3",
        ),
        (
            r"Qformer\.bert\.encoder\.layer\.(\d+)\.((?:attention|crossattention)\.output\..+)",
            r"bridge.qformer.encoder.layer.\1.\2",
        ),
        (
            r"Qformer\.bert\.encoder\.layer\.(\d+)\.((?:intermediate_query|output_query)\..+)",
            r"bridge.qformer.encoder.layer.\1.\2",
        ),
        (r"llama_proj\.(\w+)", r"bridge.projection.\1"),
        # Not upstream's, but the BLIP-2 repositories of the hub.
        (r"vision_model\.post_layernorm\.(\w+)", r"bridge.norm.\1"),
        (r"vision_model\.(.+)", r"vision.vit.\1"),
        (r"qformer\.(.+)", r"bridge.qformer.\1"),
    ]
]
_BLOCK_BIAS = re.compile(r"visual_encoder\.blocks\.(\d+)\.attn\.[qv]_bias")
_PACKED_INPUT = re.compile(r"visual_encoder\.gmhra\.(\d+)\.attn\.in_proj_(weight|bias)")


def from_upstream(state: Mapping[str, Tensor], config: EmbedConfig) -> dict[str, Tensor]:
    """Rename upstream's tensors to ours (SPEC 4.5), leaving aside those that the model has no use for.

    Tensors may be on the meta device: only shapes are looked at.

    Args:
        state: tensors under upstream's names, those of the ViT with `visual_encoder.` in front.
        config: the sizes, which decide how many blocks are used.

    Returns:
        Tensors under the names of `expected_shapes(config)`, though not necessarily all of those.

    Raises:
        CheckpointError: it has layers that no released model has.
    """
    if any("lmhra" in name for name in state):
        raise CheckpointError(
            "The checkpoint has LMHRA layers, which no released VideoChat-Embed has and this one does not "
            "build; give one without."
        )
    wanted = expected_shapes(config)
    ours: dict[str, Tensor] = {}
    unused: list[str] = []
    for name in state:
        found = {new: tensor for new, tensor in _renamed(name, state).items() if new in wanted}
        ours |= found
        if not found:
            unused.append(name)
    if unused:
        logger.info("%d tensors of the checkpoint are not used: %s", len(unused), ", ".join(sorted(unused)))
    _fit_patches(ours, config)
    return ours


def _renamed(name: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return what becomes of one of upstream's tensors: nothing, one of ours, or two."""
    tensor = state[name]
    if match := _BLOCK_BIAS.fullmatch(name):
        query, value = (state.get(f"visual_encoder.blocks.{match[1]}.attn.{part}_bias") for part in "qv")
        if query is None or value is None:
            return {}
        # Keys have no bias upstream; zeros in their third change nothing.
        return {
            f"vision.vit.encoder.layers.{match[1]}.self_attn.qkv.bias": torch.cat(
                [query, torch.zeros_like(query), value]
            )
        }
    if match := _PACKED_INPUT.fullmatch(name):
        third = tensor.shape[0] // 3
        attention = f"vision.gmhra.layers.{match[1]}.attention"
        # Copies: safetensors stores no views into a larger tensor.
        return {
            f"{attention}.query.{match[2]}": tensor[:third].clone(),
            f"{attention}.key_value.{match[2]}": tensor[third:].clone(),
        }
    for pattern, replacement in _RULES:
        if pattern.fullmatch(name):
            return {pattern.sub(replacement, name): tensor}
    return {}


def _fit_patches(ours: dict[str, Tensor], config: EmbedConfig) -> None:
    """Bring the patch weight and the positions to the config's picture size and temporal kernel."""
    patches = "vision.vit.embeddings.patch_embedding.weight"
    positions = "vision.vit.embeddings.position_embedding"
    if patches in ours:
        weight = ours[patches]
        if config.vision.temporal_downsample:
            # (C, 3, 3 times, p, p) to (C, 9, p, p) in the channel order of `VideoEncoder`.
            weight = inflate_patch_weight(weight) if weight.ndim == 4 else weight
            ours[patches] = weight.transpose(1, 2).flatten(1, 2)
        elif weight.ndim == 5:
            ours[patches] = weight.squeeze(2)
    if positions in ours and not ours[positions].is_meta:
        ours[positions] = resize_positions(ours[positions], config.vision.grid)


def inflate_patch_weight(weight: Tensor) -> Tensor:
    """Give a patch weight (C, 3, p, p) three taps in time, (C, 3, 3, p, p), the outer ones zero (SPEC 2)."""
    outer = torch.zeros_like(weight)
    return torch.stack([outer, weight, outer], dim=2)


def resize_positions(positions: Tensor, grid: int) -> Tensor:
    """Interpolate positions (1, 1 + g * g, C) to (1, 1 + grid * grid, C) but the class token's (SPEC 1).

    Positions that form no square are left as they are.
    """
    old = math.isqrt(positions.shape[1] - 1)
    if old == grid or 1 + old * old != positions.shape[1]:
        return positions
    for_class, for_patches = positions[:, :1], positions[:, 1:]
    square = for_patches.float().unflatten(1, (old, old)).permute(0, 3, 1, 2)  # (1, C, g, g)
    square = interpolate(square, size=(grid, grid), mode="bicubic", align_corners=False)
    return torch.cat([for_class, square.flatten(2).transpose(1, 2).to(positions.dtype)], dim=1)


def expected_shapes(config: EmbedConfig) -> dict[str, torch.Size]:
    """Return name and shape of every tensor of the model but the LLM's."""
    with torch.device("meta"):
        parts = nn.ModuleDict({"vision": VideoEncoder(config.vision), "bridge": TokenBridge(config)})
    return {name: tensor.shape for name, tensor in parts.state_dict().items()}


def check_complete(state: Mapping[str, Tensor], config: EmbedConfig, where: str) -> None:
    """Hold weights to every name and shape of the model.

    Raises:
        CheckpointError: some are missing or of another shape; the message lists them.
    """
    wanted = expected_shapes(config)
    missing = sorted(wanted.keys() - state.keys())
    if missing:
        raise CheckpointError(
            f"{where} lack {len(missing)} of the {len(wanted)} tensors of VideoChat-Embed: {_some(missing)}. "
            "Give all four of upstream's files (ViT, Q-Former, VideoChat, LLM), each of the right kind."
        )
    _check_shapes(state, wanted, where)


def _check_shapes(state: Mapping[str, Tensor], wanted: Mapping[str, torch.Size], where: str) -> None:
    projection = "bridge.projection.weight"
    if projection in state and state[projection].shape[0] != wanted[projection][0]:
        raise CheckpointError(
            f"{where} are made for an LLM of width {state[projection].shape[0]}, but the LLM given has width "
            f"{wanted[projection][0]}; give the LLM they were trained with."
        )
    wrong = [
        f"{name} is {tuple(tensor.shape)}, not {tuple(wanted[name])}"
        for name, tensor in state.items()
        if tensor.shape != wanted[name]
    ]
    if wrong:
        raise CheckpointError(f"{where} have tensors of another shape: {_some(wrong)}; they are of another model.")


def _some(things: Sequence[str]) -> str:
    shown = ", ".join(things[:8])
    return shown if len(things) <= 8 else f"{shown} and {len(things) - 8} more"


def read_weights(path: str | Path, stand_in: Iterable[str] = ()) -> dict[str, Tensor]:
    """Read one file of weights to the CPU, `.safetensors` or `.pth` (memory-mapped, plain tensors only).

    Args:
        path: the file. Where a `.pth` has its weights under `model`, those are returned.
        stand_in: names of classes, such as `utils.easydict.EasyDict`, whose objects may be in the file. They
            become plain dictionaries; the class itself is neither imported nor run.

    Raises:
        MissingDependency: there is no such file.
        CheckpointError: it is cut short, no checkpoint, or holds objects of classes not named in `stand_in`.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise MissingDependency(f"There is no file of weights {str(path)!r}; download it first or correct the path.")
    if path.suffix == ".safetensors":
        return dict(read_safetensors(path))
    # The one class that torch lets a file fill with items as well as with attributes.
    shells: list[Any] = [(OrderedDict, name) for name in stand_in]
    try:
        with torch.serialization.safe_globals(shells):
            # Files older than torch's zip format cannot be memory-mapped.
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except pickle.UnpicklingError as error:
        raise CheckpointError(_why_not_plain(path)) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise CheckpointError(_cut_short(path)) from error
    if isinstance(content, dict) and isinstance(content.get("model"), dict):
        content = content["model"]
    tensors = {k: v for k, v in content.items() if isinstance(v, Tensor)} if isinstance(content, dict) else {}
    if not tensors:
        raise CheckpointError(f"{path.name} holds no tensors by name; it is not a checkpoint of this model.")
    return tensors


def read_safetensors(path: Path) -> Iterator[tuple[str, Tensor]]:
    """Yield (name, tensor) of one file, one tensor at a time.

    Raises:
        CheckpointError: it is cut short or no safetensors file.
    """
    try:
        with safe_open(path, framework="pt") as file:
            names = file.keys()
            for name in names:
                yield name, file.get_tensor(name)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(_cut_short(path)) from error


def _cut_short(path: Path) -> str:
    size = path.stat().st_size
    return f"{path.name} ({size:,} bytes) is cut short or not a checkpoint; download it again."


def _why_not_plain(path: Path) -> str:
    if not zipfile.is_zipfile(path):
        return _cut_short(path)
    classes = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    named = ", ".join(repr(name) for name in classes)
    return (
        f"{path.name} holds Python objects beside its weights, of {', '.join(classes)}; if you expect them "
        f"there, read it with stand_in=[{named}], which puts plain dictionaries in their place."
    )


def folder_tensors(folder: Path, prefixes: tuple[str, ...] = ("",)) -> Iterator[tuple[str, Tensor]]:
    """Yield (name, tensor) from all `*.safetensors` of a folder, one tensor at a time.

    Args:
        folder: one file of weights or several with an index.
        prefixes: only names that begin with one of these; files without any are not opened.

    Raises:
        MissingDependency: there is none, or one named in the index is absent.
        CheckpointError: one is cut short.
    """
    files = {path.name for path in folder.glob("*.safetensors")}
    index = next(iter(folder.glob("*.safetensors.index.json")), None)
    if index is not None:
        places: dict[str, str] = json.loads(index.read_text())["weight_map"]
        needed = {file for name, file in places.items() if name.startswith(prefixes)}
        if absent := sorted(needed - files):
            raise MissingDependency(f"{str(folder)!r} lacks {_some(absent)}; download or convert it again.")
        files = needed
    if not files:
        raise MissingDependency(f"There are no safetensors in {str(folder)!r}; download or convert the weights again.")
    for file in sorted(files):
        for name, tensor in read_safetensors(folder / file):
            if name.startswith(prefixes):
                yield name, tensor


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
        four = {"bnb_4bit_compute_dtype": dtype, "bnb_4bit_quant_type": "nf4"} if bits == 4 else {}
        scheme = BitsAndBytesConfig(load_in_4bit=bits == 4, load_in_8bit=bits == 8, **four)
        quantized = {"quantization_config": scheme, "device_map": {"": device}}
    try:
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            folder, dtype=dtype, output_loading_info=True, local_files_only=True, **quantized
        )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise CheckpointError(
            f"{str(folder)!r} cannot be loaded as a decoder-only LLM of transformers: {_first_line(error)}"
        ) from error
    llm, report = loaded
    if report["missing_keys"]:
        raise CheckpointError(
            f"The LLM in {str(folder)!r} lacks {_some(sorted(report['missing_keys']))}; get it again."
        )
    return llm if quantized else llm.to(device)


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """Load the tokenizer that lies beside an LLM.

    Raises:
        CheckpointError: there is none.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise CheckpointError(f"There is no tokenizer in {str(folder)!r}: {_first_line(error)}") from error
    if tokenizer.convert_tokens_to_ids("</s>") == 2 and tokenizer.convert_tokens_to_ids("<s>") == 1:
        # Early LLaMA conversions name no special tokens, or the wrong ones (SPEC 3).
        tokenizer.bos_token, tokenizer.eos_token, tokenizer.unk_token = "<s>", "</s>", "<unk>"
    return tokenizer


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__


def read_config(folder: Path) -> EmbedConfig:
    """Read the sizes from a folder of ours.

    Raises:
        MissingDependency: there is no `config.json`.
        CheckpointError: it is of another kind of model.
    """
    path = folder / CONFIG_FILE
    if not path.is_file():
        raise MissingDependency(
            f"{str(folder)!r} is no VideoChat-Embed folder (it has no {CONFIG_FILE}); make one with "
            "`videochat embed convert`."
        )
    try:
        data = json.loads(path.read_text())
        if data.get("model_type") != MODEL_TYPE:
            raise CheckpointError(
                f"{str(folder)!r} holds a model of type {data.get('model_type')!r}, not {MODEL_TYPE!r}; "
                "make a VideoChat-Embed folder with `videochat embed convert`."
            )
        return EmbedConfig.from_dict(data)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{str(path)!r} does not describe a VideoChat-Embed: {error}.") from error


def write_folder(folder: Path, config: EmbedConfig, weights: dict[str, Tensor], max_shard_size: str = "2GB") -> None:
    """Write `config.json` and the safetensors of vision and bridge.

    The config comes last: a folder that was cut off while being written is not taken for a model.
    """
    folder.mkdir(parents=True, exist_ok=True)
    save_torch_state_dict(
        {name: tensor.contiguous() for name, tensor in weights.items()}, folder, max_shard_size=max_shard_size
    )
    text = json.dumps({"model_type": MODEL_TYPE, **config.as_dict()}, indent=2)
    (folder / CONFIG_FILE).write_text(text + "\n")


def convert(
    out: str | Path,
    *,
    llm: str | Path,
    vit: str | Path | None = None,
    qformer: str | Path | None = None,
    blip2: str | Path | None = None,
    videochat: str | Path | None = None,
    new_layers: bool = False,
    stand_in: Iterable[str] = (),
    config: EmbedConfig | None = None,
    llm_dtype: Literal["float16", "bfloat16", "float32"] = "float16",
    max_shard_size: str = "2GB",
) -> Path:
    """Gather all weights of a VideoChat-Embed in one folder for `VideoChatEmbed.from_pretrained`.

    Later files win, as upstream loads them: ViT, Q-Former, VideoChat. Everything is checked before anything
    is written.

    Args:
        out: folder to write.
        llm: transformers folder or hub id of a decoder-only LLM with its tokenizer.
        vit: upstream's `eva_vit_g.pth`.
        qformer: upstream's `blip2_pretrained_flant5xxl.pth`.
        blip2: instead of those two, a BLIP-2 folder or hub id, e.g. `Salesforce/blip2-flan-t5-xxl`.
        videochat: upstream's `videochat_7b.pth` or `videochat_13b.pth`.
        new_layers: instead of `videochat`, begin with untrained GMHRA, extra queries and projection.
        stand_in: see `read_weights`.
        config: sizes other than the released ones; the LLM's own width counts, not `config.llm_width`.
        llm_dtype: dtype the LLM is stored in.
        max_shard_size: largest file, e.g. `2GB`.

    Returns:
        The folder written.

    Raises:
        MissingDependency: a file or folder is not there.
        CheckpointError: a file is not what it should be, or together they do not cover every tensor.
        ValueError: neither or both of `videochat` and `new_layers`, or of `blip2` and the pair.
    """
    if (videochat is None) != new_layers:
        raise ValueError("Give either the file `videochat` or new_layers=True to begin with untrained layers.")
    if (blip2 is None) == (vit is None) or (vit is None) != (qformer is None):
        raise ValueError("Give either `blip2` or both of the files `vit` and `qformer`.")
    stand_in = tuple(stand_in)
    llm_folder = find_weights(llm, needed_by="The conversion", allow_download=True)
    config = replace(config or EmbedConfig(), llm_width=_llm_width(llm_folder))

    upstream: dict[str, Tensor] = {}
    names = []
    if blip2 is not None:
        folder = find_weights(blip2, needed_by="The conversion", allow_download=True)
        upstream.update(folder_tensors(folder, ("vision_model.", "qformer.", "query_tokens")))
        names.append(Path(blip2).name)
    for prefix, file in (("visual_encoder.", vit), ("", qformer), ("", videochat)):
        if file is not None:
            upstream.update({prefix + name: tensor for name, tensor in read_weights(file, stand_in).items()})
            names.append(Path(file).name)
    weights = from_upstream(upstream, config)
    if new_layers:
        weights = _untrained(config) | weights
    check_complete(weights, config, f"The weights ({', '.join(names)})")

    dtype = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float32": torch.float32}[llm_dtype]
    loaded = load_llm(llm_folder, dtype=dtype, device=torch.device("cpu"))
    tokenizer = load_tokenizer(llm_folder)
    out = Path(out).expanduser()
    save_llm(out / LLM_FOLDER, loaded, tokenizer, max_shard_size)
    write_folder(out, config, weights, max_shard_size)
    return out


def save_llm(
    folder: Path, llm: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, max_shard_size: str = "2GB"
) -> None:
    """Write LLM and tokenizer.

    Early LLaMA conversions carry ids in `config.json` that the tokenizer never makes (SPEC 3): its own
    replace them. Of several EOS ids all stay if the tokenizer's is among them.
    """
    for settings in (llm.config, llm.generation_config):
        ends = settings.eos_token_id if isinstance(settings.eos_token_id, list) else [settings.eos_token_id]
        if tokenizer.eos_token_id not in ends:
            settings.eos_token_id = tokenizer.eos_token_id
        settings.bos_token_id = tokenizer.bos_token_id
        settings.pad_token_id = tokenizer.pad_token_id
    llm.save_pretrained(folder, max_shard_size=max_shard_size)
    tokenizer.save_pretrained(folder)


def _llm_width(folder: Path) -> int:
    try:
        width = AutoConfig.from_pretrained(folder, local_files_only=True).get_text_config().hidden_size
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise CheckpointError(f"{str(folder)!r} is no transformers folder of an LLM: {_first_line(error)}") from error
    return int(width)


def _untrained(config: EmbedConfig) -> dict[str, Tensor]:
    """Return fresh weights of what VideoChat-Embed adds to BLIP-2 and the LLM."""
    bridge = TokenBridge(config)
    fresh = {f"vision.gmhra.{name}": tensor for name, tensor in GMHRA(config.vision).state_dict().items()}
    if config.vision.frame_times:
        width = config.vision.width
        fresh |= {f"vision.frame_times.{name}": t for name, t in FrameTimes(width).state_dict().items()}
    fresh |= {f"bridge.projection.{name}": tensor for name, tensor in bridge.projection.state_dict().items()}
    return fresh | {"bridge.extra_queries": bridge.extra_queries.detach()}
