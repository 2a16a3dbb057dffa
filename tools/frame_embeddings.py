"""Frame embeddings: pictures as vectors, to be found again by text or by another picture."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np

from videochat.batches import chunks
from videochat.devices import Device
from videochat.frames import Frame
from videochat.hub import Weights
from videochat.renamed import keywords
from videochat.tools.dual_encoder import MODEL_TYPES, DualEncoder, shared_dual_encoder
from videochat.tools.model_tool import UsesModel


@dataclass(frozen=True)
class FrameVector:
    """A moment of a video as a vector."""

    start_seconds: float
    """When the picture was sampled, in seconds from the first picture."""
    end_seconds: float
    """First moment that it no longer stands for."""
    vector: np.ndarray = field(repr=False)
    """Unit vector, float32, shape (d,)."""


class FrameEmbedder(UsesModel[DualEncoder]):
    """SigLIP 2 or CLIP vectors of pictures and texts; near means showing what the text says.

    Vectors of two embedders compare only if their `source` is the same.

    Args:
        model: hub id or folder of a SigLIP, SigLIP 2 (fixed resolution) or CLIP checkpoint; with the same one as
            the tags it is loaded once for both.
        batch_size: see `UsesModel`.
        device: see `UsesModel`.
    """

    name: ClassVar[str] = "frame_embeddings"
    accepts: ClassVar[tuple[str, ...]] = MODEL_TYPES
    batch_on_gpu: ClassVar[int] = 32

    @keywords(place="device")
    def __init__(
        self,
        model: Weights | str | os.PathLike[str] = "google/siglip2-base-patch16-224",
        *,
        batch_size: int | None = None,
        device: str | Device | None = None,
    ) -> None:
        super().__init__(model, batch_size=batch_size, device=device)

    @property
    def source(self) -> str:
        """Model and revision; exact once `prepare` has found the weights."""
        return f"{self.name}:{self.identity}"

    def load_model(self, folder: Path, device: Device) -> DualEncoder:
        """Load SigLIP or CLIP together with all who use it."""
        return shared_dual_encoder(folder, device)

    def embed_frames(self, frames: Iterable[Frame]) -> Iterator[FrameVector]:
        """Yield a vector for each picture of a stream, in order; holds no more than a batch."""
        encoder, batcher = self.loaded(), self.batcher

        def embed(batch: Sequence[Frame]) -> np.ndarray:
            return encoder.embed_images([frame.image for frame in batch])

        for batch in chunks(frames, batcher.size):
            for frame, vector in zip(batch, batcher(embed, batch), strict=True):
                yield FrameVector(frame.seconds, max(frame.end_seconds, frame.seconds + 0.001), vector)

    def embed_text(self, text: str) -> np.ndarray:
        """Embed what to look for; returns a unit vector, float32, shape (d,)."""
        vector: np.ndarray = self.loaded().embed_texts([text])[0]
        return vector

    def embed_image(self, image: np.ndarray) -> np.ndarray:
        """Embed a picture to look for others like it.

        Args:
            image: uint8 RGB array, shape (height, width, 3).

        Returns:
            Unit vector, float32, shape (d,).
        """
        vector: np.ndarray = self.loaded().embed_images([image])[0]
        return vector
