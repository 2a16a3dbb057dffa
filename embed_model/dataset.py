"""Training data: examples become batches of frames and tokenized prompts (`docs/videochat_embed.md`, sections 8-10).

    Example ─ ClipDataset ─ Sample ─ collate ─ Batch

Every random choice follows from the seed, the epoch and the example, not from which worker made it: a run that is
resumed, or that has another number of workers, gets the same batches.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler
from transformers import PreTrainedTokenizerBase

from videochat.embed_model.annotations import Example, Stage
from videochat.embed_model.dialogue import (
    Medium,
    PromptError,
    TokenizedPrompt,
    alignment_prompt,
    tokenize_alignment,
    tokenize_instruction,
)
from videochat.embed_model.preprocess import crop_frame, normalise, squash_image, train_indices
from videochat.embed_model.prompts import BRIEF_IMAGE, BRIEF_VIDEO
from videochat.errors import MediaError
from videochat.media import Video


@dataclass(frozen=True)
class Augmentation:
    """How a picture may differ from one epoch to the next; the same for all frames of a clip."""

    crop_area: float = 0.5
    """Smallest share of the picture that is kept; 1 keeps all as inference does."""
    flip: float = 0.5
    """Chance of a mirror image, except where the text speaks of sides or of writing."""
    random_frames: bool = True
    """A random frame of each part of the video, not the middle one."""


NO_AUGMENTATION = Augmentation(crop_area=1.0, flip=0.0, random_frames=False)

_SIDES_OR_WRITING = re.compile(
    r"\b(left|right|leftwards?|rightwards?|(anti|counter)?-?clockwise|east\w*|west\w*|text|words?|letters?|writ\w*|"
    r"reads?|sign|signs|caption\w*|subtitle\w*|label\w*|logo\w*|number\w*|digits?|numerals?|title\w*|spell\w*)\b",
    re.IGNORECASE,
)


def may_flip(text: str) -> bool:
    """Return whether a text stays true of a mirror image: it says nothing of left, right or anything written."""
    return _SIDES_OR_WRITING.search(text) is None and '"' not in text


@dataclass(frozen=True)
class Sample:
    """An example as tensors and token ids."""

    frames: Tensor
    """(T, 3, side, side), normalised; T = 1 is an image."""
    prompt: TokenizedPrompt


@dataclass(frozen=True)
class Skipped:
    """An example that could not be read."""

    place: str
    reason: str


@dataclass(frozen=True)
class Batch:
    """Examples of one medium; what could not be read is missing from it."""

    frames: Tensor
    """(B, T, 3, side, side); B may be 0."""
    prompts: list[TokenizedPrompt]
    skipped: list[Skipped]

    @property
    def learned(self) -> int:
        """Number of positions that are learned."""
        return sum(label >= 0 for prompt in self.prompts for label in prompt.labels)


class ClipDataset(Dataset[Sample | Skipped]):
    """Decodes, crops and tokenizes examples, in the process that asks for them.

    Args:
        examples: what to learn from.
        stage: 1 or 2, by name.
        tokenizer: of the LLM.
        side: pixels of a side of the model's picture.
        frames: T of a video.
        max_text_tokens: see `tokenize_alignment` and `tokenize_instruction`.
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
        self._cached: dict[Path, list[np.ndarray]] | None = {} if remember else None
        self._lengths: dict[Path, tuple[int, float]] = {}

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, index: int) -> Sample | Skipped:
        example = self.examples[index]
        random = Random(f"{self.seed}/{self.epoch}/{index}")
        try:
            pictures, seconds = self._pictures(example, random)
            return Sample(normalise(pictures), self._prompt(example, seconds, random))
        except (MediaError, PromptError) as error:
            kind = "unreadable" if isinstance(error, MediaError) else "nothing to learn"
            return Skipped(example.place or str(example.path), f"{kind}: {error}")

    def _prompt(self, example: Example, seconds: list[float] | None, random: Random) -> TokenizedPrompt:
        if self.stage == "instruction":
            return tokenize_instruction(self.tokenizer, example.turns, seconds, self.max_text_tokens)
        return tokenize_alignment(
            self.tokenizer,
            alignment_prompt(random.choice(BRIEF_IMAGE if seconds is None else BRIEF_VIDEO), example.medium),
            example.caption,
            self.max_text_tokens,
        )

    def _pictures(self, example: Example, random: Random) -> tuple[list[np.ndarray], list[float] | None]:
        """Return pictures (side, side, 3) and, for a video, their seconds."""
        if example.medium == "image":
            numbers, seconds = [0], None
        else:
            count, rate = self._length(example.path)
            numbers = train_indices(count, self.frames, random if self.augmentation.random_frames else None)
            seconds = [number / rate for number in numbers]
        text = " ".join([example.caption, *(part for turn in example.turns for part in turn)])
        pictures = self._shrunk(example, numbers, seconds, random)
        if random.random() < self.augmentation.flip and may_flip(text):
            pictures = [picture[:, ::-1] for picture in pictures]
        return pictures, seconds

    def _length(self, path: Path) -> tuple[int, float]:
        """Return how many frames a video has, and their rate."""
        if path not in self._lengths:
            video = Video(path)
            rate = 1.0 if video.is_picture else video.frame_rate
            if rate is None:
                raise MediaError(f"{video.name!r} has sound but no pictures.")
            self._lengths[path] = (max(round(video.duration_seconds * rate), 1), rate)
        return self._lengths[path]

    def _shrunk(
        self, example: Example, numbers: list[int], seconds: list[float] | None, random: Random
    ) -> list[np.ndarray]:
        if self._cached is None:
            return self._crop(_decode(example, seconds), example.medium, random)
        if example.path not in self._cached:
            count, rate = (1, 1.0) if seconds is None else self._length(example.path)
            every = None if seconds is None else [number / rate for number in range(count)]
            self._cached[example.path] = self._crop(_decode(example, every), example.medium, random)
        return [self._cached[example.path][number] for number in numbers]

    def _crop(self, images: Iterable[np.ndarray], medium: Medium, random: Random) -> list[np.ndarray]:
        if self.augmentation.crop_area >= 1:
            shrink = crop_frame if medium == "video" else squash_image
            return [shrink(image, self.side) for image in images]
        box: tuple[float, float, float, float] | None = None
        pictures = []
        for image in images:
            height, width = image.shape[:2]
            box = box or _random_box(width, height, self.augmentation.crop_area, random)
            small = Image.fromarray(image).resize((self.side, self.side), Image.Resampling.BICUBIC, box=box)
            pictures.append(np.asarray(small))
        return pictures


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
    """Stack the examples that could be read; note the others."""
    samples = [item for item in items if isinstance(item, Sample)]
    frames = torch.stack([sample.frames for sample in samples]) if samples else torch.zeros(0)
    return Batch(frames, [sample.prompt for sample in samples], [item for item in items if isinstance(item, Skipped)])


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
        # Its own, or every epoch that begins would move the stream of random numbers that dropout draws from, and a run
        # resumed within an epoch would not go on as it went.
        generator=torch.Generator(),
    )


def _one_thread(_worker: int) -> None:
    torch.set_num_threads(1)
