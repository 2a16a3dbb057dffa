"""Frame embeddings: pictures as vectors, to be found again by text or by another picture."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from videochat.devices import Batcher, Device, choose_device, chunks, config_of, free_memory
from videochat.errors import MissingDependency
from videochat.frames import Frame
from videochat.hub import Weights, find_weights, identity, known
from videochat.tools.dual_encoder import MODEL_TYPES, DualEncoder, shared_dual_encoder

_NAME = "frame_embeddings"


@dataclass(frozen=True)
class FrameVector:
    """A moment of a video as a vector."""

    start_seconds: float
    """When the picture was sampled, in seconds from the first picture."""
    end_seconds: float
    """First moment that it no longer stands for."""
    vector: np.ndarray = field(repr=False)
    """Unit vector, float32, shape (d,)."""


class FrameEmbedder:
    """SigLIP 2 or CLIP vectors of pictures and texts; near means showing what the text says.

    Vectors of two embedders compare only if their `source` is the same.

    Args:
        model: hub id or folder of a SigLIP, SigLIP 2 (fixed resolution) or CLIP checkpoint; with the same one as
            the tags it is loaded once for both.
        batch_size: pictures at once; None for what suits the device. Halved when memory runs out.
        device: device and floats; None for the best there is.
    """

    def __init__(
        self,
        model: Weights | str | os.PathLike[str] = "google/siglip2-base-patch16-224",
        *,
        batch_size: int | None = None,
        device: str | Device | None = None,
    ) -> None:
        self.weights = known(model)
        self.source = f"{_NAME}:{identity(self.weights)}"
        """Model and revision; exact once `prepare` has found the weights."""
        self.batch_size = batch_size
        self._device = device
        self._batcher: Batcher | None = None
        self._folder: Path | None = None
        self._encoder: DualEncoder | None = None

    def prepare(self) -> None:
        """Find the weights, without loading them.

        Raises:
            MissingDependency: they are not on this machine, or are of another architecture.
        """
        if self._folder is not None:
            return
        folder = find_weights(self.weights, needed_by=f"The sense {_NAME!r}")
        model_type = config_of(folder).get("model_type")
        if model_type not in MODEL_TYPES:
            raise MissingDependency(
                f"{self.weights.model} is of type {model_type!r}; {_NAME} takes {', '.join(MODEL_TYPES)}. "
                "Give another model as model=."
            )
        self.source = f"{_NAME}:{identity(self.weights, folder)}"
        self._folder = folder

    def embed_frames(self, frames: Iterable[Frame]) -> Iterator[FrameVector]:
        """Yield a vector for each picture of a stream, in order; holds no more than a batch."""
        encoder, batcher = self._load()

        def embed(batch: Sequence[Frame]) -> np.ndarray:
            return encoder.embed_images([frame.image for frame in batch])

        for batch in chunks(frames, batcher.size):
            for frame, vector in zip(batch, batcher(embed, batch), strict=True):
                yield FrameVector(frame.seconds, max(frame.end_seconds, frame.seconds + 0.001), vector)

    def embed_text(self, text: str) -> np.ndarray:
        """Embed what to look for; returns a unit vector, float32, shape (d,)."""
        vector: np.ndarray = self._load()[0].embed_texts([text])[0]
        return vector

    def embed_image(self, image: np.ndarray) -> np.ndarray:
        """Embed a picture to look for others like it.

        Args:
            image: uint8 RGB array, shape (height, width, 3).

        Returns:
            Unit vector, float32, shape (d,).
        """
        vector: np.ndarray = self._load()[0].embed_images([image])[0]
        return vector

    def _load(self) -> tuple[DualEncoder, Batcher]:
        self.prepare()
        self._device = choose_device(self._device)
        if self._encoder is None and self._folder is not None:
            self._encoder = shared_dual_encoder(self._folder, self._device)
        if self._batcher is None:
            self._batcher = Batcher(self.batch_size or self._device.usual_batch(32), self._device)
        assert self._encoder is not None  # noqa: S101 - prepare() has set the folder or raised
        return self._encoder, self._batcher

    def close(self) -> None:
        """Free the model, unless another sense uses it too."""
        self._encoder = None
        free_memory()
