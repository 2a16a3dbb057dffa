"""Our checkpoint folder: `config.json`, `model*.safetensors` (vision and bridge), and the LLM in `llm/`.

Weights are read without running anything that a file brings along, and held to every name and shape of the model
before they are used. `docs/videochat_embed.md`, section 4.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from huggingface_hub import save_torch_state_dict
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from videochat.devices import loading
from videochat.embed_model.bridge import TokenBridge
from videochat.embed_model.config import EmbedConfig
from videochat.embed_model.vision import VideoEncoder
from videochat.errors import MissingDependency, VideoChatError
from videochat.renamed import getter

if not TYPE_CHECKING:
    __getattr__ = getter(__name__)

MODEL_TYPE = "videochat_embed"
"""`model_type` in the `config.json` of our folders."""
CONFIG_FILE = "config.json"


class CheckpointError(VideoChatError):
    """Weights that are not those expected: other names, other shapes, cut short, or more than weights."""


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

    Args:
        folder: where to write; made if it is not there.
        config: the sizes.
        weights: every tensor of `expected_shapes(config)`.
        max_shard_size: largest file, e.g. `2GB`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    save_torch_state_dict(
        {name: tensor.contiguous() for name, tensor in weights.items()}, folder, max_shard_size=max_shard_size
    )
    text = json.dumps({"model_type": MODEL_TYPE, **config.as_dict()}, indent=2)
    (folder / CONFIG_FILE).write_text(text + "\n")


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
            raise MissingDependency(f"{str(folder)!r} lacks {first_few(absent)}; download or convert it again.")
        files = needed
    if not files:
        raise MissingDependency(f"There are no safetensors in {str(folder)!r}; download or convert the weights again.")
    for file in sorted(files):
        for name, tensor in read_safetensors(folder / file):
            if name.startswith(prefixes):
                yield name, tensor


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
        raise CheckpointError(cut_short(path)) from error


def cut_short(path: Path) -> str:
    """Return the sentence about a file that ends too early or is something else."""
    size = path.stat().st_size
    return f"{path.name} ({size:,} bytes) is cut short or not a checkpoint; download it again."


def expected_shapes(config: EmbedConfig) -> dict[str, torch.Size]:
    """Return name and shape of every tensor of the model but the LLM's."""
    with loading("The layers of VideoChat-Embed", raising=CheckpointError), torch.device("meta"):
        parts = nn.ModuleDict({"vision": VideoEncoder(config.vision), "bridge": TokenBridge(config)})
    return {name: tensor.shape for name, tensor in parts.state_dict().items()}


def check_complete(state: Mapping[str, Tensor], config: EmbedConfig, where: str) -> None:
    """Hold weights to every name and shape of the model.

    Args:
        state: tensors by our names.
        config: the sizes.
        where: where they come from, as the message begins, in the plural: `The weights in 'folder'`.

    Raises:
        CheckpointError: some are missing or of another shape; the message lists them.
    """
    wanted = expected_shapes(config)
    missing = sorted(wanted.keys() - state.keys())
    if missing:
        raise CheckpointError(
            f"{where} lack {len(missing)} of the {len(wanted)} tensors of VideoChat-Embed: {first_few(missing)}. "
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
        raise CheckpointError(f"{where} have tensors of another shape: {first_few(wrong)}; they are of another model.")


def first_few(things: Sequence[str]) -> str:
    """Join the first eight of a list; say how many more there are."""
    shown = ", ".join(things[:8])
    return shown if len(things) <= 8 else f"{shown} and {len(things) - 8} more"
