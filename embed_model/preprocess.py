"""Frame choice and pixels: which frames stand for a range of a video, and the tensor that the encoder reads.

The numbers are those of `docs/videochat_embed.md`, section 5 (inference) and section 8 (training).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from random import Random
from typing import Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from videochat.errors import InvalidArgument
from videochat.intervals import Interval

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
"""Of red, green and blue in [0, 1], over the pictures that CLIP was trained on."""
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
"""Standard deviations of the same."""

# Of a video that does not know its pictures per second.
_USUAL_FRAME_RATE = 25.0


class TimedPicture(Protocol):
    """A frame with its time, such as `videochat.Frame`."""

    @property
    def seconds(self) -> float:
        """When it is shown, from the first picture."""

    @property
    def image(self) -> np.ndarray:
        """uint8 RGB array, shape (height, width, 3)."""


class FrameSource(Protocol):
    """What is needed of a video, such as `videochat.Video`; one that says `is_picture` is encoded as an image."""

    @property
    def id(self) -> str:
        """The same for the same content."""

    @property
    def duration_seconds(self) -> float:
        """Length in seconds."""

    def frames(self, *, at_seconds: Sequence[float]) -> Iterable[TimedPicture]:
        """Yield the pictures shown at these seconds, one after the other."""


def sample_indices(frame_count: int, samples: int) -> list[int]:
    """Spread indices evenly over a video, as upstream does for inference; a short video repeats some.

    Args:
        frame_count: n, at least 1.
        samples: T, how many indices.

    Returns:
        T ascending indices in [0, n).
    """
    part = (frame_count - 1) / samples
    return [int(part / 2) + round(part * k) for k in range(samples)]


def sample_seconds(video: FrameSource, start_seconds: float, end_seconds: float, samples: int) -> list[float]:
    """Return the seconds of the frames that stand for a range.

    Args:
        video: its `frame_rate`, if it has one, decides where its frames lie.
        start_seconds: first moment of the range.
        end_seconds: first moment after it.
        samples: T, how many frames.
    """
    rate = getattr(video, "frame_rate", None) or _USUAL_FRAME_RATE
    frame_count = max(round((end_seconds - start_seconds) * rate), 1)
    return [start_seconds + index / rate for index in sample_indices(frame_count, samples)]


def train_indices(frame_count: int, samples: int, random: Random | None) -> list[int]:
    """Choose frames as upstream does for training: one of each of `samples` equal parts of the video.

    Args:
        frame_count: n, at least 1.
        samples: T, how many indices; the last frame is repeated where the video has fewer.
        random: draws a frame of each part, its last one left out, or sorted ones of all where a part has only
            one; None takes the middle of each part.

    Returns:
        T ascending indices in [0, n).
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


def windows(start_seconds: float, end_seconds: float, window_seconds: float) -> list[Interval]:
    """Cut a range into equal windows.

    Args:
        start_seconds: first moment of the range.
        end_seconds: first moment after it.
        window_seconds: longest window.

    Raises:
        InvalidArgument: `window_seconds` is not positive.
    """
    if not window_seconds > 0:
        raise InvalidArgument(f"window_seconds must be positive, got {window_seconds!r}")
    count = max(math.ceil((end_seconds - start_seconds) / window_seconds - 1e-9), 1)
    edges = np.linspace(start_seconds, end_seconds, count + 1).tolist()
    return list(pairwise(edges))


def crop_frame(image: np.ndarray, side: int) -> np.ndarray:
    """Shrink a video frame (height, width, 3) to (side, side, 3): shorter side to `side`, then the middle."""
    height, width = image.shape[:2]
    size = (side, int(side * height / width)) if width <= height else (int(side * width / height), side)
    left, top = round((size[0] - side) / 2), round((size[1] - side) / 2)
    resized = Image.fromarray(image).resize(size, Image.Resampling.BICUBIC)
    return np.asarray(resized.crop((left, top, left + side, top + side)))


def squash_image(image: np.ndarray, side: int) -> np.ndarray:
    """Resize an image (height, width, 3) to (side, side, 3), nothing cut off and its proportions not kept."""
    return np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC))


def normalise(pictures: Sequence[np.ndarray]) -> Tensor:
    """Turn uint8 pictures, each (side, side, 3), into the encoder's input (T, 3, side, side), float32."""
    pixels = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (CLIP_MEAN, CLIP_STD))
    return (pixels - mean) / std
