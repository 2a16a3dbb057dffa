"""Captions: a sentence about each sampled picture."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from videochat.batches import chunks
from videochat.devices import Device, config_of, load_model, load_processor, to_pixels
from videochat.errors import UnknownName
from videochat.frames import Frame, Sampling
from videochat.hub import Weights
from videochat.media import Video
from videochat.records import Caption, Kind
from videochat.renamed import keywords
from videochat.tools.base import MIN_CHANGE, Needs, Settled
from videochat.tools.florence import MAX_SIDE, Florence, shared_florence
from videochat.tools.model_tool import ModelTool

Detail = Literal["brief", "detailed", "paragraph"]

# Florence's task, and where to cut what does not end by itself.
_TASKS: dict[str, tuple[str, int]] = {
    "brief": ("<CAPTION>", 40),
    "detailed": ("<DETAILED_CAPTION>", 120),
    "paragraph": ("<MORE_DETAILED_CAPTION>", 200),
}
_BLIP_TOKENS = 40


class FrameCaptioner(ModelTool["Florence | _Blip"]):
    """Florence-2 (or BLIP) on a picture at a time.

    Of Florence-2 the native checkpoints of `florence-community` load. Its `-large-ft` is known to give empty
    captions; the others do not.

    Args:
        model: hub id or folder of a Florence-2 or BLIP checkpoint.
        every_seconds: how often to look.
        min_change: see `Sampling`: of pictures that look alike only the first is looked at; 0 for all.
        detail: how much to say; BLIP knows only "brief".
        batch_size: see `UsesModel`.
        device: see `UsesModel`.

    Raises:
        UnknownName: there is no such detail.
    """

    name: ClassVar[str] = "captions"
    kind: ClassVar[Kind] = "clip_caption"
    sees: ClassVar[str] = "what the picture shows, in a sentence"
    accepts: ClassVar[tuple[str, ...]] = ("florence2", "blip")
    # A step of decoding costs a GPU the same for few pictures as for many.
    batch_on_gpu: ClassVar[int] = 32

    @keywords(place="device")
    def __init__(
        self,
        model: Weights | str | os.PathLike[str] = "florence-community/Florence-2-base",
        *,
        every_seconds: float = 1.0,
        min_change: float = MIN_CHANGE,
        detail: Detail = "brief",
        batch_size: int | None = None,
        device: str | Device | None = None,
    ) -> None:
        if detail not in _TASKS:
            raise UnknownName("detail", detail, _TASKS)
        super().__init__(model, batch_size=batch_size, device=device)
        self.needs: Needs = Sampling(every_seconds, MAX_SIDE, min_change)
        self.detail = detail

    def settings(self) -> str:
        """Return how often it looks and how much it says."""
        return f"{self.needs} {self.detail}"

    def perceive(
        self, stream: Iterable[Frame], video: Video, start_seconds: float, end_seconds: float
    ) -> Iterator[Caption | Settled]:
        """Yield one caption for each picture, true until the next is looked at."""
        captioner = self.loaded()
        task, max_new_tokens = _TASKS[self.detail]

        def describe(frames: Sequence[Frame]) -> list[str]:
            return captioner.caption([frame.image for frame in frames], task, max_new_tokens)

        for frames in chunks(stream, self.batcher.size):
            for frame, text in zip(frames, self.batcher(describe, frames), strict=True):
                if any(sign.isalnum() for sign in text):
                    yield Caption(video.id, frame.seconds, frame.end_seconds, self.kind, text, self.source)
            yield Settled(frames[-1].end_seconds)
        yield Settled(end_seconds)

    def load_model(self, folder: Path, device: Device) -> Florence | _Blip:
        """Load BLIP, or Florence-2 together with all who use it."""
        is_blip = config_of(folder)["model_type"] == "blip"
        return (_Blip if is_blip else shared_florence)(folder, device)


class _Blip:
    """A loaded BLIP."""

    def __init__(self, folder: Path, device: Device) -> None:
        self.device = device
        self.processor = load_processor("AutoProcessor", folder)
        self.model: Any = load_model("AutoModelForImageTextToText", folder, device)

    def caption(self, images: Sequence[np.ndarray], task: str, max_new_tokens: int) -> list[str]:
        """Describe pictures; a BLIP has one task and is never long."""
        import torch

        pixels = to_pixels(self.processor.image_processor, list(images), self.device)
        with torch.inference_mode():
            ids = self.model.generate(
                pixel_values=pixels,
                max_new_tokens=min(max_new_tokens, _BLIP_TOKENS),
                num_beams=1,
                do_sample=False,
            )
        texts: list[str] = self.processor.batch_decode(ids, skip_special_tokens=True)
        return [text.strip() for text in texts]
