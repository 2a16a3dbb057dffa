"""Dense captions: the regions of a picture, each with a phrase and a box."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import ClassVar

from videochat.batches import chunks
from videochat.devices import Device
from videochat.frames import Frame, Sampling
from videochat.hub import Weights
from videochat.media import Video
from videochat.records import Caption, Kind
from videochat.renamed import keywords
from videochat.tools.base import MIN_CHANGE, Needs, Settled
from videochat.tools.florence import MAX_SIDE, Florence, Region, shared_florence
from videochat.tools.model_tool import ModelTool


class DenseCaptioner(ModelTool[Florence]):
    """Florence-2's region descriptions; it gives no scores.

    Args:
        model: hub id or folder of a Florence-2 checkpoint, best the same as of the captions: then they share it.
        every_seconds: how often to look. Regions take many tokens, so this is less often than a caption.
        min_change: see `Sampling`: of pictures that look alike only the first is looked at; 0 for all.
        batch_size: see `UsesModel`.
        device: see `UsesModel`.
    """

    name: ClassVar[str] = "dense_captions"
    kind: ClassVar[Kind] = "dense_caption"
    sees: ClassVar[str] = "the things in the picture, each described and with its place"
    accepts: ClassVar[tuple[str, ...]] = ("florence2",)
    task: ClassVar[str] = "<DENSE_REGION_CAPTION>"
    """What Florence is asked."""
    max_new_tokens: ClassVar[int] = 300
    """Where its answer is cut."""
    # Its pictures wait longest; a long queue here would outrun the encodings that it shares with the captions.
    batch_on_gpu: ClassVar[int] = 8

    @keywords(place="device")
    def __init__(
        self,
        model: Weights | str | os.PathLike[str] = "florence-community/Florence-2-base",
        *,
        every_seconds: float = 5.0,
        min_change: float = MIN_CHANGE,
        batch_size: int | None = None,
        device: str | Device | None = None,
    ) -> None:
        super().__init__(model, batch_size=batch_size, device=device)
        self.needs: Needs = Sampling(every_seconds, MAX_SIDE, min_change)

    def perceive(
        self, stream: Iterable[Frame], video: Video, start_seconds: float, end_seconds: float
    ) -> Iterator[Caption | Settled]:
        """Yield a caption with a box in source pixels for each region of each picture."""
        florence = self.loaded()
        size = video.size or (0, 0)

        def describe(frames: Sequence[Frame]) -> list[list[Region]]:
            return florence.regions([frame.image for frame in frames], self.task, size, self.max_new_tokens)

        for frames in chunks(stream, self.batcher.size):
            for frame, regions in zip(frames, self.batcher(describe, frames), strict=True):
                for region in regions:
                    yield Caption(
                        video.id,
                        frame.seconds,
                        frame.end_seconds,
                        self.kind,
                        region.phrase,
                        self.source,
                        box=region.box,
                    )
            yield Settled(frames[-1].end_seconds)
        yield Settled(end_seconds)

    def load_model(self, folder: Path, device: Device) -> Florence:
        """Load Florence-2 together with all who use it."""
        return shared_florence(folder, device)
