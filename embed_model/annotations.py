"""Annotation files: which video or image, and the caption or the turns that are to be learned from it.

The formats are upstream's (`docs/videochat_embed.md`, section 11) and those of `annotation_formats`. What cannot be
used is left out, counted and named in a `Skips`; it is never replaced by something else.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from videochat.embed_model.annotation_formats import Unusable, csv_items, files_by_stem, upstream_form
from videochat.embed_model.dialogue import SEPARATOR, Medium
from videochat.errors import VideoChatError

Stage = Literal["alignment", "instruction"]
"""Stage 1 learns captions, stage 2 conversations."""

CAPTION_CHARACTERS = (2, 5000)
"""Captions of stage 1 that are shorter or longer are left out; a longer one within is cut at the token limit."""


class DataError(VideoChatError):
    """Annotations from which nothing can be learned."""


@dataclass(frozen=True)
class Source:
    """An annotation file and the folder that its paths start from.

    Accepted are upstream's JSON lists and JSON lines of the same objects:
    `{"video" or "image": path, "caption": text}` for stage 1, `{..., "QA": [{"q": ..., "a": ...}]}` for stage 2; and
    the files of LLaVA, ShareGPT, WebVid and Video-ChatGPT (`annotation_formats`).
    """

    annotations: Path
    root: Path

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `FILE` or `FILE:FOLDER`; without a folder, paths start from where the file lies."""
        file, colon, root = text.rpartition(":")
        annotations = Path(file if colon else text).expanduser()
        return cls(annotations, Path(root).expanduser() if colon else annotations.parent)


@dataclass(frozen=True)
class Example:
    """A video or image and what is to be learned from it: a caption, or turns of a conversation."""

    path: Path
    medium: Medium
    caption: str = ""
    turns: tuple[tuple[str, str], ...] = ()
    """(question, answer) pairs."""
    place: str = ""
    """File and line (or item) it was read from, to find it again."""


@dataclass
class Skips:
    """What was left out, and why."""

    reasons: dict[str, str] = field(default_factory=dict)
    """Place in the annotations, or path, to the reason; each once, however many epochs meet it."""

    def add(self, place: str, reason: str) -> bool:
        """Note one; return whether it is new."""
        new = place not in self.reasons
        self.reasons.setdefault(place, reason)
        return new

    def __len__(self) -> int:
        return len(self.reasons)

    def __str__(self) -> str:
        kinds = Counter(reason.partition(":")[0] for reason in self.reasons.values())
        return ", ".join(f"{count} x {kind}" for kind, count in kinds.most_common()) or "nothing"


def read_examples(sources: Iterable[Source], stage: Stage, skips: Skips, *, check_files: bool = True) -> list[Example]:
    """Read annotations, leaving out what cannot be used.

    Args:
        sources: annotation files.
        stage: what the objects must hold.
        skips: gets what is left out.
        check_files: check that every file is there. That is one system call per example; for tens of millions of them,
            missing files can as well be found on the way.

    Raises:
        DataError: an annotation file is missing or no JSON at all, or nothing usable is left.
    """
    sources = list(sources)
    examples = []
    for source in sources:
        videos = _Named(source.root)
        for place, item in _items(source.annotations, skips):
            try:
                example = _example(item, source.root, stage, place, videos)
                if check_files and not example.path.is_file():
                    raise Unusable(f"file missing: {example.path}")
            except Unusable as error:
                skips.add(place, str(error))
            else:
                examples.append(example)
    if not examples:
        names = ", ".join(source.annotations.name for source in sources)
        first = next(iter(skips.reasons.items()), ("the first", "no items"))
        raise DataError(
            f"Nothing in {names or 'no annotation files'} can be used for {stage} (left out: {skips}; {first[0]}: "
            f"{first[1]}). Check the annotations and the folder their paths start from."
        )
    return examples


class _Named(dict[str, str]):
    """Videos below a folder by their name, listed when the first is asked for."""

    def __init__(self, root: Path) -> None:
        super().__init__()
        self._root: Path | None = root

    def get(self, name: str, default: Any = None) -> Any:
        if self._root is not None:
            self.update(files_by_stem(self._root))
            self._root = None
        return super().get(name, default)


def _items(path: Path, skips: Skips) -> Iterator[tuple[str, Any]]:
    if path.suffix.lower() == ".csv":
        try:
            for number, item in csv_items(path):
                yield f"{path.name}, line {number}", item
        except (OSError, csv.Error) as error:
            raise DataError(f"The annotations {str(path)!r} cannot be read ({error}).") from error
        return
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise DataError(f"The annotations {str(path)!r} cannot be read ({error.strerror}).") from error
    if text.lstrip().startswith("["):
        try:
            for number, item in enumerate(json.loads(text), 1):
                yield f"{path.name}, item {number}", item
        except ValueError as error:
            raise DataError(f"{str(path)!r} begins as a JSON list but is none ({error}); mend or remake it.") from error
        return
    for number, line in enumerate(text.splitlines(), 1):
        place = f"{path.name}, line {number}"
        if line.strip():
            try:
                yield place, json.loads(line)
            except ValueError as error:
                skips.add(place, f"broken JSON: {error}")


def _example(item: Any, root: Path, stage: Stage, place: str, videos: Mapping[str, str]) -> Example:
    if not isinstance(item, dict):
        raise Unusable(f"no object: {type(item).__name__}")
    item = upstream_form(item, videos)
    medium: Medium = "video" if "video" in item else "image"
    name = item.get(medium)
    if not isinstance(name, str) or not name:
        raise Unusable('no path: an object needs "video" or "image"')
    if stage == "alignment":
        caption = item.get("caption")
        if not isinstance(caption, str):
            raise Unusable('no caption: stage 1 needs "caption"')
        caption, (least, most) = caption.strip(), CAPTION_CHARACTERS
        if not least <= len(caption) <= most:
            raise Unusable(f"caption length: {len(caption)} characters, not {least} to {most}")
        return Example(root / name, medium, caption=caption, place=place)
    turns = item.get("QA")
    if not isinstance(turns, list) or not turns:
        raise Unusable('no turns: stage 2 needs "QA"')
    pairs = []
    for turn in turns:
        question, answer = (turn.get("q"), turn.get("a")) if isinstance(turn, dict) else ("", "")
        if not (isinstance(question, str) and isinstance(answer, str) and question.strip() and answer.strip()):
            raise Unusable('empty turn: each needs "q" and "a"')
        if SEPARATOR in question + answer:
            raise Unusable(f"separator: {SEPARATOR} in a question or answer")
        pairs.append((question.strip(), answer.strip()))
    return Example(root / name, medium, turns=tuple(pairs), place=place)
