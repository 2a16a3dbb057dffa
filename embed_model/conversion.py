"""Conversion: upstream's files, or BLIP-2 of the hub, and an LLM are gathered in one folder of ours.

Weights are read without running anything that a file brings along: safetensors, or `.pth` as plain tensors.
"""

from __future__ import annotations

import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from videochat.devices import loading
from videochat.embed_model.bridge import TokenBridge
from videochat.embed_model.checkpoints import (
    CheckpointError,
    check_complete,
    cut_short,
    folder_tensors,
    read_safetensors,
    write_folder,
)
from videochat.embed_model.config import EmbedConfig
from videochat.embed_model.language_model import LLM_FOLDER, llm_width, load_llm, load_tokenizer, save_llm
from videochat.embed_model.upstream import from_upstream
from videochat.embed_model.vision import GMHRA, FrameTimes
from videochat.errors import InvalidArgument, MissingDependency
from videochat.hub import find_weights


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
        InvalidArgument: neither or both of `videochat` and `new_layers`, or of `blip2` and the pair.
    """
    if (videochat is None) != new_layers:
        raise InvalidArgument("Give either the file `videochat` or new_layers=True to begin with untrained layers.")
    if (blip2 is None) == (vit is None) or (vit is None) != (qformer is None):
        raise InvalidArgument("Give either `blip2` or both of the files `vit` and `qformer`.")
    stand_in = tuple(stand_in)
    llm_folder = find_weights(llm, needed_by="The conversion", allow_download=True)
    config = replace(config or EmbedConfig(), llm_width=llm_width(llm_folder))

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


def _untrained(config: EmbedConfig) -> dict[str, Tensor]:
    """Return fresh weights of what VideoChat-Embed adds to BLIP-2 and the LLM."""
    with loading("The untrained layers of VideoChat-Embed", raising=CheckpointError):
        bridge, gmhra = TokenBridge(config), GMHRA(config.vision)
    fresh = {f"vision.gmhra.{name}": tensor for name, tensor in gmhra.state_dict().items()}
    if config.vision.frame_times:
        width = config.vision.width
        fresh |= {f"vision.frame_times.{name}": t for name, t in FrameTimes(width).state_dict().items()}
    fresh |= {f"bridge.projection.{name}": tensor for name, tensor in bridge.projection.state_dict().items()}
    return fresh | {"bridge.extra_queries": bridge.extra_queries.detach()}


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
        raise CheckpointError(cut_short(path)) from error
    if isinstance(content, dict) and isinstance(content.get("model"), dict):
        content = content["model"]
    tensors = {k: v for k, v in content.items() if isinstance(v, Tensor)} if isinstance(content, dict) else {}
    if not tensors:
        raise CheckpointError(f"{path.name} holds no tensors by name; it is not a checkpoint of this model.")
    return tensors


def _why_not_plain(path: Path) -> str:
    if not zipfile.is_zipfile(path):
        return cut_short(path)
    classes = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    named = ", ".join(repr(name) for name in classes)
    return (
        f"{path.name} holds Python objects beside its weights, of {', '.join(classes)}; if you expect them "
        f"there, read it with stand_in=[{named}], which puts plain dictionaries in their place."
    )
