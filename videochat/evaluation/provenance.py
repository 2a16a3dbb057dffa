"""Provenance: which code, machine and models a result comes from."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from videochat.hub import identity
from videochat.tools import PerceptionTool

_PACKAGES = ("videochat", "torch", "transformers", "langchain", "faster-whisper", "sentence-transformers")


def provenance(senses: Iterable[PerceptionTool], embedder: str) -> dict[str, Any]:
    """Return plain data about this run.

    Args:
        senses: that watch.
        embedder: name of what texts are compared by.
    """
    models = {sense.name: sense.source for sense in senses}
    models |= {sense.name: identity(sense.weights) for sense in senses if sense.weights is not None}
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "machine": machine(),
        "python": platform.python_version(),
        "packages": {name: found for name in _PACKAGES if (found := _version(name))},
        "models": models | {"text embeddings": embedder},
    }


def commit() -> str:
    """Return the commit of this package's source, with `+` where files were changed since; empty outside of git."""
    folder = Path(__file__).parents[2]
    if not (folder / ".git").exists():
        return ""
    try:
        head = _git(folder, "rev-parse", "--short=12", "HEAD")
        changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return ""
    return f"{head}+" if changed else head


def machine() -> str:
    """Return the processor, the number of its cores that may be used, and the accelerator, if there is one."""
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return f"{platform.system()} {platform.machine()}, {cores} cores{gpu}"


def _git(folder: Path, *arguments: str) -> str:
    run = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True, timeout=10)
    return run.stdout.strip()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
