"""Model weights: which a model needs, under what licence, how large, and the folder where they lie.

One policy for every model of the product, in this order: the user's own folder or file; the hub's cache, without any
network; a package of weights that is installed; one bounded probe of the hub, which tells why the model cannot be had;
and only where it was asked for, the download. Nothing here waits for a network longer than a few seconds, unless a
download has begun.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, TypeVar

from videochat.errors import MissingDependency
from videochat.packaged import packaged

_T = TypeVar("_T")

TRANSFORMERS_FILES = ("*.json", "*.txt", "*.model", "*.jinja", "*.safetensors")
"""What a transformers model needs; repositories often hold the same weights in three more formats."""

# One request with this timeout; a server that accepts and then trickles may hold it longer, so the probe as
# a whole is also bounded.
_PROBE_SECONDS = 5.0
_PROBE_BOUND_SECONDS = 6.5

_WEIGHT_SUFFIXES = (".safetensors", ".bin", ".pt", ".onnx")
_HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")


@dataclass(frozen=True)
class Weights:
    """What a model must have on this machine before it can run."""

    model: str
    """A Hugging Face hub id (`owner/name`), or the path of a local folder or file."""
    revision: str | None = None
    """Commit hash of the hub repository. None takes what the cache holds, or else the newest. Meaningless for a
    path."""
    licence: str = "see its model card"
    """Licence of the weights."""
    download_mb: int | None = None
    """Size of the download in megabytes, rounded up from the number of parameters; None if not known."""
    memory_mb: int | None = None
    """Megabytes that the weights take in 16-bit floats; twice that in 32-bit ones. None if not known."""
    files: tuple[str, ...] = TRANSFORMERS_FILES
    """Glob patterns of the files that are used."""

    def __str__(self) -> str:
        size = "" if self.download_mb is None else f", about {self.download_mb} MB"
        return f"{self.model} ({self.licence}{size})"


_PICKLED = ("*.json", "*.txt", "*.model", "pytorch_model.bin")
"""Where a repository has no safetensors; torch reads such a file as weights only."""
_CTRANSLATE2 = ("*.json", "*.txt", "model.bin")
"""What faster-whisper needs."""

CATALOGUE: dict[str, Weights] = {
    weights.model: weights
    for weights in (
        Weights("florence-community/Florence-2-base", "00921df66db728a9ceb750f5eca43e5c203a2051", "MIT", 470, 470),
        Weights("florence-community/Florence-2-large", "4271c66b88cdbc05735372ec13b2360108de5317", "MIT", 1560, 1550),
        Weights(
            "Salesforce/blip-image-captioning-base",
            "82a37760796d32b1411fe092ab5d4e227313294b",
            "BSD-3-Clause",
            990,
            490,
            _PICKLED,
        ),
        Weights(
            "Salesforce/blip-image-captioning-large",
            "353689b859fcf0523410b1806dace5fb46ecdf41",
            "BSD-3-Clause",
            1880,
            940,
        ),
        Weights("microsoft/xclip-base-patch32", "a2e27a78a2b5d802e894b8a1ef14f3a8ce490963", "MIT", 790, 390),
        Weights(
            "MCG-NJU/videomae-base-finetuned-kinetics",
            "488eb9a0565f257b32866000305c8178965eb9f6",
            "CC-BY-NC-4.0, not for commercial use",
            350,
            170,
        ),
        Weights("google/siglip2-base-patch16-224", "75de2d55ec2d0b4efc50b3e9ad70dba96a7b2fa2", "Apache-2.0", 1540, 750),
        Weights(
            "google/siglip2-so400m-patch14-384", "e8e487298228002f3d8a82e0cd5c8ea9c567f57f", "Apache-2.0", 4560, 2280
        ),
        Weights("openai/clip-vit-base-patch32", "3d74acf9a28c67741b2f4f2ea7635f0aaf6f0268", "MIT", 610, 300, _PICKLED),
        Weights(
            "ustc-community/dfine-small-obj2coco", "2b548d12a7623d674bb2aa2bf24022ce090b7736", "Apache-2.0", 42, 21
        ),
        Weights("Roboflow/rf-detr-medium", "1b5b672408f86dd38e05dd3cf3f2e0834e545a59", "Apache-2.0", 135, 68),
        Weights(
            "ustc-community/dfine-xlarge-obj2coco", "15f18d917eaddcedf9e3ffb082adcfb97a0b2d4d", "Apache-2.0", 252, 126
        ),
        Weights(
            "IDEA-Research/grounding-dino-tiny", "a2bb814dd30d776dcf7e30523b00659f4f141c71", "Apache-2.0", 690, 345
        ),
        Weights("Qwen/Qwen3-VL-2B-Instruct", "89644892e4d85e24eaac8bacfd4f463576704203", "Apache-2.0", 4270, 4260),
        Weights("Qwen/Qwen3-VL-4B-Instruct", "ebb281ec70b05090aa6165b016eac8ec08e71b17", "Apache-2.0", 8890, 8880),
        Weights(
            "HuggingFaceTB/SmolVLM2-500M-Video-Instruct",
            "7b375e1b73b11138ff12fe22c8f2822d8fe03467",
            "Apache-2.0",
            2040,
            1020,
        ),
        Weights(
            "sentence-transformers/all-MiniLM-L6-v2",
            "c9745ed1d9f207416be6d2e6f8de32d1f16199bf",
            "Apache-2.0",
            92,
            46,
            ("*.json", "*.txt", "model.safetensors"),
        ),
        Weights("openai/whisper-tiny", "169d4a4341b33bc18d8881c4b69c2e104e1cc0af", "Apache-2.0", 160, 76),
        Weights("openai/whisper-tiny.en", "87c7102498dcde7456f24cfd30239ca606ed9063", "Apache-2.0", 160, 76),
        Weights("openai/whisper-base", "e37978b90ca9030d5170a5c07aadb050351a65bb", "Apache-2.0", 290, 146),
        Weights("openai/whisper-base.en", "911407f4214e0e1d82085af863093ec0b66f9cd6", "Apache-2.0", 290, 146),
        Weights("openai/whisper-small", "973afd24965f72e36ca33b3055d56a652f456b4d", "Apache-2.0", 970, 484),
        Weights("openai/whisper-small.en", "e8727524f962ee844a7319d92be39ac1bd25655a", "Apache-2.0", 970, 484),
        Weights("openai/whisper-medium", "abdf7c39ab9d0397620ccaea8974cc764cd0953e", "Apache-2.0", 3060, 1530),
        Weights("openai/whisper-medium.en", "2e98eb6279edf5095af0c8dedb36bdec0acd172b", "Apache-2.0", 3060, 1530),
        Weights("openai/whisper-large-v2", "ae4642769ce2ad8fc292556ccea8e901f1530655", "Apache-2.0", 6180, 3090),
        # Beside the weights its repository holds the same in 32-bit floats.
        Weights(
            "openai/whisper-large-v3",
            "06f233fe06e710322aca913c1bc4249a0d71fce1",
            "Apache-2.0",
            3090,
            3090,
            ("*.json", "*.txt", "model.safetensors"),
        ),
        Weights("openai/whisper-large-v3-turbo", "41f01f3fe87f28c78e2fbf8b568835947dd65ed9", "Apache-2.0", 1620, 1620),
        *(
            Weights(f"{owner}/faster-whisper-{size}", revision, "MIT", megabytes + 3, megabytes, _CTRANSLATE2)
            for owner, size, revision, megabytes in (
                ("Systran", "tiny", "d90ca5fe260221311c53c58e660288d3deb8d356", 76),
                ("Systran", "tiny.en", "0d3d19a32d3338f10357c0889762bd8d64bbdeba", 76),
                ("Systran", "base", "ebe41f70d5b6dfa9166e2c581c45c9c0cfc57b66", 146),
                ("Systran", "base.en", "3d3d5dee26484f91867d81cb899cfcf72b96be6c", 146),
                ("Systran", "small", "536b0662742c02347bc0e980a01041f333bce120", 484),
                ("Systran", "small.en", "d1d751a5f8271d482d14ca55d9e2deeebbae577f", 484),
                ("Systran", "medium", "08e178d48790749d25932bbc082711ddcfdfbc4f", 1530),
                ("Systran", "medium.en", "a29b04bd15381511a9af671baec01072039215e3", 1530),
                ("Systran", "large-v2", "f0fe81560cb8b68660e564f55dd99207059c092e", 3090),
                ("Systran", "large-v3", "edaa852ec7e145841d8ffdb056a99866b5f0a478", 3090),
                ("mobiuslabsgmbh", "large-v3-turbo", "0a363e9161cbc7ed1431c9597a8ceaf0c4f78fcf", 1620),
            )
        ),
        Weights("nvidia/Nemotron-3-Diarization", None, "OpenMDW-1.1", 400, 200),
        Weights("google/flan-t5-base", "7bcac572ce56db69c1ea7c8af255c5d7c9672fc2", "Apache-2.0", 1000, 500),
        Weights(
            "mrm8488/flan-t5-large-finetuned-openai-summarize_from_feedback", None, "Apache-2.0", 3130, 1500, _PICKLED
        ),
    )
}
"""Facts about models by hub id; a model that is not here can be used all the same."""


def known(model: Weights | str | os.PathLike[str]) -> Weights:
    """Return what the catalogue knows about a model, or an entry that knows only its name or path."""
    if isinstance(model, Weights):
        return model
    name = os.fspath(model)
    return CATALOGUE.get(name) or Weights(name)


def find_weights(weights: Weights | str | os.PathLike[str], *, needed_by: str, allow_download: bool = False) -> Path:
    """Return the local folder (or file) of a model.

    Args:
        weights: what is wanted; a plain hub id or path will do.
        needed_by: who needs it, as the message begins: `The sense 'ocr'`, `Text search`.
        allow_download: whether the user asked for it.

    Raises:
        MissingDependency: the model is not here; within ten seconds unless a download has begun. The message names
            who needs it, model, reason and remedy.
    """
    wanted = known(weights)
    local = Path(wanted.model).expanduser()
    if local.exists():
        if local.is_dir() and (absent := _absent_shards(local)):
            named = f"{absent[0]!r}" + (f" and {len(absent) - 1} more" if len(absent) > 1 else "")
            raise _missing(wanted, needed_by, f"the folder lacks {named}, which its index names", "Get it again.")
        if local.is_dir() and not _has_weights(local):
            kinds = ", ".join(_WEIGHT_SUFFIXES)
            raise _missing(wanted, needed_by, f"the folder is there, but no weights are in it ({kinds})", _CHECK_PATH)
        return local
    if not _HUB_ID.fullmatch(wanted.model):
        raise _missing(wanted, needed_by, "there is no such folder or file", _CHECK_PATH)
    if folder := cached(wanted):
        return folder
    from_package = packaged(wanted.model)
    if from_package.folder is not None:
        return from_package.folder
    if from_package.reason:
        again = "Install it anew with `pip install --force-reinstall 'videochat[offline]'`."
        raise _missing(wanted, needed_by, from_package.reason, again)
    if _offline():
        raise _missing(
            wanted,
            needed_by,
            "it is neither a folder here nor in the hub's cache, and HF_HUB_OFFLINE forbids the network",
            f"Unset HF_HUB_OFFLINE and fetch it with `videochat download {wanted.model}`, or {_OWN_FOLDER}",
        )
    reason, remedy = _probe(wanted)
    if reason:
        raise _missing(wanted, needed_by, reason, remedy)
    if not allow_download:
        raise _missing(
            wanted,
            needed_by,
            "it is not on this machine, and nothing is downloaded without being asked for",
            f"Fetch it with `videochat download {wanted.model}`, or {_OWN_FOLDER}",
        )
    return _download(wanted, needed_by)


_OWN_FOLDER = "name the folder of a copy instead."
_CHECK_PATH = "Check the path."


def cached(weights: Weights) -> Path | None:
    """Return the folder of a complete copy in the hub's cache, or None. Never touches the network."""
    from huggingface_hub import constants

    if not Path(constants.HF_HUB_CACHE, f"models--{weights.model.replace('/', '--')}").is_dir():
        return None  # before what reads it is imported, which takes longer than to look
    from huggingface_hub import snapshot_download

    try:
        folder = Path(snapshot_download(weights.model, revision=weights.revision, local_files_only=True))
    except (OSError, ValueError):
        return None
    return folder if _has_weights(folder, weights.files) else None


def is_here(weights: Weights) -> bool:
    """Return whether a model is on this machine: as a path, in the hub's cache, or as an installed package.

    Never touches the network.
    """
    if Path(weights.model).expanduser().exists() or cached(weights) is not None:
        return True
    return packaged(weights.model).folder is not None


def memory_of(weights: Weights, bytes_each: int) -> int:
    """Estimate the bytes that weights take in memory; 0 where nothing is known of them.

    Args:
        weights: the model.
        bytes_each: of one number; 2 for 16-bit floats.
    """
    if weights.memory_mb is not None:
        return weights.memory_mb * 500_000 * bytes_each
    place = Path(weights.model).expanduser()
    files = [place] if place.is_file() else [path for path in place.rglob("*") if path.suffix in _WEIGHT_SUFFIXES]
    return sum(path.stat().st_size for path in files)


def identity(weights: Weights, folder: Path | None = None) -> str:
    """Return the name under which captions remember a model: `id@revision`, or folder name and digest.

    Args:
        weights: the model.
        folder: where it lies, as `find_weights` returned it. Without it, a hub model that is not pinned has no
            revision in its name.
    """
    local = Path(weights.model).expanduser()
    if local.exists():
        return f"{local.resolve().name}@{_digest(local)}"
    revision = weights.revision or (folder.name if folder and folder.parent.name == "snapshots" else None)
    return f"{weights.model}@{revision[:12]}" if revision else weights.model


def _digest(path: Path) -> str:
    """Return 12 hex digits that change with the content: names, sizes and blocks spread over each file."""
    digest = hashlib.blake2b(digest_size=6)
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    for file in files:
        size = file.stat().st_size
        digest.update(f"{file.relative_to(path) if file != path else ''}\0{size}\0".encode())
        with file.open("rb") as content:
            for step in range(16):
                content.seek(size * step // 16)
                digest.update(content.read(2**14))
    return digest.hexdigest()


def _has_weights(folder: Path, patterns: tuple[str, ...] = ()) -> bool:
    """Whether a folder holds weights (that match one of `patterns`) and every shard that its index names."""
    files = [p for p in folder.rglob("*") if p.suffix in _WEIGHT_SUFFIXES and p.is_file()]
    if patterns:
        files = [file for file in files if any(fnmatch(file.name, pattern) for pattern in patterns)]
    return bool(files) and not _absent_shards(folder)


def _absent_shards(folder: Path) -> list[str]:
    """Return the files that an index of shards names and that are not there."""
    named: set[str] = set()
    for index in folder.glob("*.safetensors.index.json"):
        named |= set(json.loads(index.read_text())["weight_map"].values())
    return sorted(shard for shard in named if not (folder / shard).is_file())


def _offline() -> bool:
    from huggingface_hub import constants

    return constants.is_offline_mode() or os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")


def _probe(weights: Weights) -> tuple[str, str]:
    """Ask the hub once; return (reason, remedy), both empty if the model can be fetched."""
    from huggingface_hub import HfApi, get_token
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    gated = (
        "its owner gives it only to those who accepted its terms",
        f"Accept them on its model card and log in with `hf auth login`, or {_OWN_FOLDER}",
    )

    def ask() -> Any:
        return HfApi().model_info(weights.model, revision=weights.revision, timeout=_PROBE_SECONDS)

    try:
        info = _bounded(ask, _PROBE_BOUND_SECONDS)
    except GatedRepoError:
        return gated
    except RevisionNotFoundError:
        return f"the hub has it, but not its revision {weights.revision}", f"Check the revision, or {_OWN_FOLDER}"
    except RepositoryNotFoundError:
        return "the hub has no model of that name, or hides it", f"Check the name, or {_OWN_FOLDER}"
    except Exception as error:
        # Which exceptions a broken connection raises depends on the hub's HTTP library and its version.
        return (
            f"it is neither a folder here nor in the hub's cache, and the hub cannot be reached "
            f"({type(error).__name__})",
            f"Check the network and fetch it with `videochat download {weights.model}`, or {_OWN_FOLDER}",
        )
    if getattr(info, "gated", False) and not get_token():
        return gated
    return "", ""


def _bounded(call: Callable[[], _T], seconds: float) -> _T:
    """Return what `call` returns; give up waiting after `seconds`.

    Raises:
        TimeoutError: it takes longer. Its thread is left behind; it ends with the process.
    """
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append((call(), None))
        except Exception as error:
            outcome.append((None, error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if not outcome:
        raise TimeoutError(f"no answer within {seconds:g} s")
    value, error = outcome[0]
    if error is not None:
        raise error
    answer: _T = value
    return answer


def _download(weights: Weights, needed_by: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError

    try:
        folder = Path(
            snapshot_download(
                weights.model,
                revision=weights.revision,
                allow_patterns=list(weights.files),
                etag_timeout=_PROBE_SECONDS,
            )
        )
    except GatedRepoError as error:
        remedy = f"Accept its terms on its model card, or {_OWN_FOLDER}"
        raise _missing(weights, needed_by, "its owner has not granted you access", remedy) from error
    except Exception as error:
        reason = f"the download broke off ({type(error).__name__})"
        raise _missing(weights, needed_by, reason, "Try again: it goes on where it stopped.") from error
    if not _has_weights(folder, weights.files):
        reason = f"its repository holds no weights among {', '.join(weights.files)}"
        raise _missing(weights, needed_by, reason, f"Name another model, or {_OWN_FOLDER}")
    return folder


def _missing(weights: Weights, needed_by: str, reason: str, remedy: str) -> MissingDependency:
    return MissingDependency(f"{needed_by} needs the model {weights}, but {reason}. {remedy}")
