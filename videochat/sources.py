"""Videos as people name many of them: folders, patterns, files, addresses."""

from __future__ import annotations

import contextlib
import glob
import os
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass
from pathlib import Path

from videochat.errors import MediaError
from videochat.local_files import local_path

SUFFIXES = frozenset(
    [
        ".3g2",
        ".3gp",
        ".aac",
        ".asf",
        ".avi",
        ".divx",
        ".f4v",
        ".flac",
        ".flv",
        ".m2ts",
        ".m2v",
        ".m4a",
        ".m4v",
        ".mkv",
        ".mov",
        ".mp3",
        ".mp4",
        ".mpe",
        ".mpeg",
        ".mpg",
        ".mts",
        ".mxf",
        ".oga",
        ".ogg",
        ".ogv",
        ".opus",
        ".rm",
        ".rmvb",
        ".ts",
        ".vob",
        ".wav",
        ".webm",
        ".wma",
        ".wmv",
    ]
)
"""Endings of the files of a folder that are taken for videos or sound; pictures beside them are mostly thumbnails."""
PICTURE_SUFFIXES = frozenset(
    [".avif", ".bmp", ".gif", ".heic", ".heif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"]
)
"""Endings of the files that a folder without videos stands for."""


@dataclass(frozen=True)
class Source:
    """One video of many, before it is opened."""

    text: str
    """A path or an address, as `Video` takes it."""
    size: int = 0
    """Bytes of the file; 0 where that is not known."""
    problem: str = ""
    """Why there is no video to open, as a sentence; empty where there may be one."""

    @property
    def is_address(self) -> bool:
        """Whether it lies elsewhere, by its address."""
        return "://" in self.text


def find_sources(given: str | os.PathLike[str] | Iterable[str | os.PathLike[str] | Source]) -> list[Source]:
    """Return the videos that paths, folders, patterns and addresses stand for, in order, each path once.

    A folder stands for the videos and sound files in it and below, sorted by name, without hidden ones; one that
    holds none, for its pictures; a pattern (`lectures/**/*.mp4`) for what fits it. Files that are named are taken
    whatever they are called. Nothing is opened.

    Args:
        given: what people gave, one or several; empty texts are left out, and what was found before is taken as it is.
    """
    found: dict[str, Source] = {}
    for each in [given] if isinstance(given, str | os.PathLike) else given:
        if isinstance(each, Source):
            found.setdefault(each.text, each)
            continue
        text = os.fspath(each).strip() if isinstance(each, str) else os.fspath(each)
        if text:
            for source in _expand(text):
                found.setdefault(source.text, source)
    return list(found.values())


def is_many(text: str) -> bool:
    """Whether a text stands for several videos: a folder, or a pattern that is no file's name."""
    if "://" in text:
        return False
    with contextlib.suppress(OSError, ValueError, MediaError):
        path = local_path(text)
        return path.is_dir() or (not path.exists() and glob.has_magic(text))
    return False


def _expand(text: str) -> Iterator[Source]:
    if "://" in text:
        yield Source(text)
        return
    try:
        path = local_path(text)
        if path.is_dir():
            files = list(_below(path, SUFFIXES)) or list(_below(path, PICTURE_SUFFIXES))
            missing = f"The folder {text!r} holds no video, sound file or picture."
        elif not path.exists() and glob.has_magic(text):
            # Path.glob takes no absolute pattern.
            names = sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207
            files = [Path(name) for name in names if Path(name).is_file()]
            missing = f"No file fits the pattern {text!r}."
        else:
            files, missing = [path], ""
    except (OSError, ValueError, MediaError) as error:
        yield Source(text, problem=f"{text[:200]!r} cannot be looked for ({error}).")
        return
    for file in files:
        size = 0
        with contextlib.suppress(OSError, ValueError):
            size = file.stat().st_size
        yield Source(str(file), size)
    if not files:
        yield Source(text, problem=missing)


def _below(folder: Path, suffixes: Set[str]) -> Iterator[Path]:
    """Yield the files with such endings of a folder and of those below it, without hidden ones, sorted."""
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "@")))
        for name in sorted(names):
            file = Path(root, name)
            if not name.startswith(".") and file.suffix.lower() in suffixes and file.is_file():
                yield file
