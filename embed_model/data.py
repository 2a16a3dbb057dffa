"""Training data: annotation files in, batches of frames and passages out (SPEC 7.1-7.4, free of the faults of 8).

    annotation file ─ read_examples ─ Example ─ ClipDataset ─ Sample ─ collate ─ Batch

What cannot be used is left out, counted and named in a `Skips`; it is never replaced by something else. Every
random choice follows from the seed, the epoch and the example, not from which worker made it: a run that is
resumed, or that has another number of workers, sees the same batches.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any, Literal, Self

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler
from transformers import PreTrainedTokenizerBase

from videochat.embed_model.chat import normalise, picture_of_frame, picture_of_image
from videochat.embed_model.dialogue import (
    IMAGE_SLOT,
    SEPARATOR,
    VIDEO_SLOT,
    PromptError,
    TokenizedPrompt,
    alignment_passage,
    instruction_passage,
)
from videochat.embed_model.prompts import BRIEF_IMAGE, BRIEF_VIDEO
from videochat.errors import MediaError, VideoChatError
from videochat.media import Video

Stage = Literal["alignment", "instruction"]
"""Stage 1 learns captions, stage 2 conversations."""
Medium = Literal["image", "video"]

CAPTION_CHARACTERS = (2, 5000)
"""A caption of stage 1 that is shorter or longer is none; within, the limit in tokens cuts it."""


class DataError(VideoChatError):
    """Annotations from which nothing can be learned."""


@dataclass(frozen=True)
class Source:
    """An annotation file and the folder that its paths start from.

    Accepted are upstream's JSON lists (SPEC 7.4) and JSON lines of the same objects:
    `{"video" or "image": path, "caption": text}` for stage 1, `{..., "QA": [{"q": ..., "a": ...}]}` for stage 2.
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
    """Where it was read, for the one who must mend it."""


@dataclass
class Skips:
    """What was left out, and why."""

    reasons: dict[str, str] = field(default_factory=dict)
    """Place in the annotations, or path, to the reason; each once, however many epochs stumble over it."""

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
        skips: is told what is left out.
        check_files: look whether every file is there. Costs a look per example; for tens of millions of them,
            missing files can as well be found on the way.

    Raises:
        DataError: an annotation file is missing or no JSON at all, or nothing usable is left.
    """
    sources = list(sources)
    examples = []
    for source in sources:
        for place, item in _items(source.annotations, skips):
            try:
                example = _example(item, source.root, stage, place)
                if check_files and not example.path.is_file():
                    raise ValueError(f"file missing: {example.path}")
            except ValueError as error:
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


def _items(path: Path, skips: Skips) -> Iterator[tuple[str, Any]]:
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


def _example(item: Any, root: Path, stage: Stage, place: str) -> Example:
    if not isinstance(item, dict):
        raise ValueError(f"no object: {type(item).__name__}")
    medium: Medium = "video" if "video" in item else "image"
    name = item.get(medium)
    if not isinstance(name, str) or not name:
        raise ValueError('no path: an object needs "video" or "image"')
    if stage == "alignment":
        caption = item.get("caption")
        if not isinstance(caption, str):
            raise ValueError('no caption: stage 1 needs "caption"')
        caption, (least, most) = caption.strip(), CAPTION_CHARACTERS
        if not least <= len(caption) <= most:
            raise ValueError(f"caption length: {len(caption)} characters, not {least} to {most}")
        return Example(root / name, medium, caption=caption, place=place)
    turns = item.get("QA")
    if not isinstance(turns, list) or not turns:
        raise ValueError('no turns: stage 2 needs "QA"')
    pairs = []
    for turn in turns:
        question, answer = (turn.get("q"), turn.get("a")) if isinstance(turn, dict) else ("", "")
        if not (isinstance(question, str) and isinstance(answer, str) and question.strip() and answer.strip()):
            raise ValueError('empty turn: each needs "q" and "a"')
        if SEPARATOR in question + answer:
            raise ValueError(f"separator: {SEPARATOR} in a question or answer")
        pairs.append((question.strip(), answer.strip()))
    return Example(root / name, medium, turns=tuple(pairs), place=place)


@dataclass(frozen=True)
class Augmentation:
    """How a picture may differ from one epoch to the next (SPEC 7.1); the same for all frames of a clip."""

    crop_area: float = 0.5
    """Smallest share of the picture that is kept; 1 keeps all as inference does."""
    flip: float = 0.5
    """Chance of a mirror image, except where the text speaks of sides or of writing."""
    random_frames: bool = True
    """A random frame of each part of the video, not the middle one."""


NO_AUGMENTATION = Augmentation(crop_area=1.0, flip=0.0, random_frames=False)

_HANDED = re.compile(
    r"\b(left|right|leftwards?|rightwards?|(anti|counter)?-?clockwise|east\w*|west\w*|text|words?|letters?|writ\w*|"
    r"reads?|sign|signs|caption\w*|subtitle\w*|label\w*|logo\w*|number\w*|digits?|numerals?|title\w*|spell\w*)\b",
    re.IGNORECASE,
)


def may_flip(text: str) -> bool:
    """Whether a mirror image would still be told truly: nothing about left, right or anything written."""
    return _HANDED.search(text) is None and '"' not in text


def train_indices(frame_count: int, samples: int, random: Random | None) -> list[int]:
    """Choose frames as upstream trains (SPEC 7.1): one of each of `samples` equal parts.

    Args:
        frame_count: n, at least 1.
        samples: T; the last frame is repeated where there are fewer.
        random: draws a frame of each part, its last one left out, or sorted ones of all where a part has but
            one; None takes the middle.
    """
    taken = min(samples, frame_count)
    edges = np.linspace(0, frame_count, taken + 1).astype(int).tolist()
    parts = [(start, end - 1) for start, end in pairwise(edges)]
    if random is None:
        chosen = [(start + end) // 2 for start, end in parts]
    elif all(start < end for start, end in parts):
        chosen = [random.choice(range(start, end)) for start, end in parts]
    else:
        chosen = sorted(random.sample(range(frame_count), taken))
    return chosen + [chosen[-1]] * (samples - taken)


@dataclass(frozen=True)
class Sample:
    """An example made ready."""

    frames: Tensor
    """(T, 3, side, side), normalised; T = 1 is an image."""
    passage: TokenizedPrompt


@dataclass(frozen=True)
class Skipped:
    """An example that could not be made ready."""

    place: str
    reason: str


@dataclass(frozen=True)
class Batch:
    """Examples of one medium; what could not be read is missing from it."""

    frames: Tensor
    """(B, T, 3, side, side); B may be 0."""
    passages: list[TokenizedPrompt]
    skipped: list[Skipped]

    @property
    def learned(self) -> int:
        """Number of positions that are learned."""
        return sum(label >= 0 for passage in self.passages for label in passage.labels)


class ClipDataset(Dataset[Sample | Skipped]):
    """Decodes, crops and tokenises examples, in whatever process asks.

    Args:
        examples: what to learn from.
        stage: 1 or 2, by name.
        tokenizer: of the LLM.
        side: pixels of a side of the model's picture.
        frames: T of a video.
        max_text_tokens: see `alignment_passage` and `instruction_passage`.
        augmentation: what may differ between epochs.
        seed: of every random choice.
        remember: keep every picture of every video in memory once it was decoded, shrunk. For small sets of short
            videos, and only without cropping.
    """

    def __init__(
        self,
        examples: Sequence[Example],
        stage: Stage,
        tokenizer: PreTrainedTokenizerBase,
        *,
        side: int,
        frames: int,
        max_text_tokens: int,
        augmentation: Augmentation = Augmentation(),
        seed: int = 42,
        remember: bool = False,
    ) -> None:
        self.examples = examples
        self.stage = stage
        self.tokenizer = tokenizer
        self.side = side
        self.frames = frames
        self.max_text_tokens = max_text_tokens
        self.augmentation = augmentation
        self.seed = seed
        self.epoch = 0
        self._pictures: dict[Path, list[np.ndarray]] | None = {} if remember else None
        self._clips: dict[Path, tuple[int, float]] = {}

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, index: int) -> Sample | Skipped:
        example = self.examples[index]
        random = Random(f"{self.seed}/{self.epoch}/{index}")
        try:
            pictures, seconds = self._look(example, random)
            return Sample(normalise(pictures), self._passage(example, seconds, random))
        except (MediaError, PromptError) as error:
            kind = "unreadable" if isinstance(error, MediaError) else "nothing to learn"
            return Skipped(example.place or str(example.path), f"{kind}: {error}")

    def _passage(self, example: Example, seconds: list[float] | None, random: Random) -> TokenizedPrompt:
        if self.stage == "instruction":
            return instruction_passage(self.tokenizer, example.turns, seconds, self.max_text_tokens)
        return alignment_passage(
            self.tokenizer,
            alignment_prompt(random.choice(BRIEF_IMAGE if seconds is None else BRIEF_VIDEO), example.medium),
            example.caption,
            self.max_text_tokens,
        )

    def _look(self, example: Example, random: Random) -> tuple[list[np.ndarray], list[float] | None]:
        """Return pictures (side, side, 3) and, for a video, their seconds."""
        if example.medium == "image":
            numbers, seconds = [0], None
        else:
            count, rate = self._measure(example.path)
            numbers = train_indices(count, self.frames, random if self.augmentation.random_frames else None)
            seconds = [number / rate for number in numbers]
        said = " ".join([example.caption, *(text for turn in example.turns for text in turn)])
        pictures = self._shrunk(example, numbers, seconds, random)
        if random.random() < self.augmentation.flip and may_flip(said):
            pictures = [picture[:, ::-1] for picture in pictures]
        return pictures, seconds

    def _measure(self, path: Path) -> tuple[int, float]:
        """Return how many frames a video has, and their rate."""
        if path not in self._clips:
            video = Video(path)
            rate = video.frame_rate
            if rate is None:
                raise MediaError(f"{video.name!r} has sound but no pictures.")
            self._clips[path] = (max(round(video.duration_seconds * rate), 1), rate)
        return self._clips[path]

    def _shrunk(
        self, example: Example, numbers: list[int], seconds: list[float] | None, random: Random
    ) -> list[np.ndarray]:
        if self._pictures is None:
            return self._crop(_decode(example, seconds), example.medium, random)
        if example.path not in self._pictures:
            count, rate = (1, 1.0) if seconds is None else self._measure(example.path)
            every = None if seconds is None else [number / rate for number in range(count)]
            self._pictures[example.path] = self._crop(_decode(example, every), example.medium, random)
        return [self._pictures[example.path][number] for number in numbers]

    def _crop(self, images: Iterable[np.ndarray], medium: Medium, random: Random) -> list[np.ndarray]:
        if self.augmentation.crop_area >= 1:
            shrink = picture_of_frame if medium == "video" else picture_of_image
            return [shrink(image, self.side) for image in images]
        box: tuple[float, float, float, float] | None = None
        pictures = []
        for image in images:
            height, width = image.shape[:2]
            box = box or _random_box(width, height, self.augmentation.crop_area, random)
            small = Image.fromarray(image).resize((self.side, self.side), Image.Resampling.BICUBIC, box=box)
            pictures.append(np.asarray(small))
        return pictures


def alignment_prompt(instruction: str, medium: Medium) -> str:
    """Wrap a brief instruction as stage 1 does (SPEC 7.2)."""
    tag, slot = ("Video", VIDEO_SLOT) if medium == "video" else ("Image", IMAGE_SLOT)
    return f"{SEPARATOR}Human: <{tag}>{slot}</{tag}> {instruction} {SEPARATOR}Assistant: "


def _decode(example: Example, seconds: Sequence[float] | None) -> Iterator[np.ndarray]:
    """Yield pictures (height, width, 3), one at a time."""
    if seconds is not None:
        yield from (frame.image for frame in Video(example.path).frames(at_seconds=seconds))
        return
    try:
        with Image.open(example.path) as image:
            yield np.asarray(image.convert("RGB"))
    except (OSError, UnidentifiedImageError, ValueError, Image.DecompressionBombError) as error:
        raise MediaError(f"{example.path.name!r} is no image that can be read ({error}).") from error


def _random_box(width: int, height: int, least_area: float, random: Random) -> tuple[float, float, float, float]:
    """Choose (left, top, right, bottom) of `least_area` to 1 of the picture, its sides 3:4 to 4:3."""
    for _ in range(10):
        area = random.uniform(least_area, 1.0) * width * height
        ratio = np.exp(random.uniform(np.log(3 / 4), np.log(4 / 3)))
        w, h = (area * ratio) ** 0.5, (area / ratio) ** 0.5
        if w <= width and h <= height:
            left, top = random.uniform(0, width - w), random.uniform(0, height - h)
            return (left, top, left + w, top + h)
    # Long pictures leave no room for such a box: the largest square in the middle.
    side = min(width, height)
    return ((width - side) / 2, (height - side) / 2, (width + side) / 2, (height + side) / 2)


def collate(items: Sequence[Sample | Skipped]) -> Batch:
    """Put together what could be read."""
    samples = [item for item in items if isinstance(item, Sample)]
    frames = torch.stack([sample.frames for sample in samples]) if samples else torch.zeros(0)
    return Batch(frames, [sample.passage for sample in samples], [item for item in items if isinstance(item, Skipped)])


class StepSampler(Sampler[list[int]]):
    """Orders an epoch into optimizer steps of one medium each, and gives a process its share.

    A step is `batch x processes x accumulate` examples, whoever works on them: with twice the processes and half
    the batch, the same examples meet in the same step. What does not fill a last step is left for other epochs.

    Args:
        media: of each example.
        batch: examples a process takes at once.
        accumulate: batches of a process that make a step.
        processes: how many there are.
        rank: which of them this is.
        seed: of the order.
    """

    def __init__(
        self,
        media: Sequence[Medium],
        batch: int,
        *,
        accumulate: int = 1,
        processes: int = 1,
        rank: int = 0,
        seed: int = 42,
    ) -> None:
        self.batch, self.accumulate, self.processes, self.rank, self.seed = batch, accumulate, processes, rank, seed
        self.epoch = 0
        self.first_step = 0
        """Steps of the epoch that are passed over, after a resume."""
        self._by_medium = {
            medium: [index for index, one in enumerate(media) if one == medium] for medium in sorted(set(media))
        }

    @property
    def step_size(self) -> int:
        """Examples of one optimizer step, over all processes."""
        return self.batch * self.accumulate * self.processes

    @property
    def steps(self) -> int:
        """Optimizer steps of an epoch."""
        return sum(len(indices) // self.step_size for indices in self._by_medium.values())

    def order(self) -> list[list[int]]:
        """Return the examples of every step of this epoch."""
        random = Random(f"{self.seed}/{self.epoch}")
        steps = []
        for indices in self._by_medium.values():
            shuffled = random.sample(indices, len(indices))
            whole = len(shuffled) // self.step_size * self.step_size
            steps += [shuffled[at : at + self.step_size] for at in range(0, whole, self.step_size)]
        random.shuffle(steps)
        return steps

    def __iter__(self) -> Iterator[list[int]]:
        for step in self.order()[self.first_step :]:
            mine = step[self.rank :: self.processes]
            yield from (mine[at : at + self.batch] for at in range(0, len(mine), self.batch))

    def __len__(self) -> int:
        return (self.steps - self.first_step) * self.accumulate


def make_loader(dataset: ClipDataset, sampler: StepSampler, workers: int = 0) -> DataLoader[Any]:
    """Decode ahead in `workers` processes; 0 decodes where the training runs."""
    start: Callable[[int], None] | None = _one_thread if workers else None
    return DataLoader(
        dataset,
        batch_sampler=sampler,
        collate_fn=collate,
        num_workers=workers,
        worker_init_fn=start,
        pin_memory=False,
        # Its own, or every epoch that begins would move the stream of chance that dropout draws from, and a run
        # resumed within an epoch would not go on as it went.
        generator=torch.Generator(),
    )


def _one_thread(_worker: int) -> None:
    torch.set_num_threads(1)
