"""Tags: which words of a vocabulary fit the picture."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from videochat.batches import chunks
from videochat.devices import Device
from videochat.frames import Frame, Sampling
from videochat.hub import Weights
from videochat.media import Video
from videochat.records import Caption, Kind
from videochat.renamed import keywords
from videochat.tools.base import MIN_CHANGE, Needs, Settled
from videochat.tools.dual_encoder import MAX_SIDE, MODEL_TYPES, DualEncoder, shared_dual_encoder
from videochat.tools.model_tool import ModelTool
from videochat.tools.text_vectors import digest_of, stored_vectors, word_list, words_from

_SENTENCE = "a photo of {}."
# SigLIP's probabilities of one word stand alone, CLIP's are shares among thousands of words.
_USUAL_MIN_SCORE = {"siglip": 0.05, "clip": 0.03}


class FrameTagger(ModelTool[DualEncoder]):
    """SigLIP 2 or CLIP, without training: every word of a vocabulary is compared with the picture.

    The words' vectors are computed once for a model and kept in the data folder.

    Args:
        model: hub id or folder of a SigLIP, SigLIP 2 (fixed resolution) or CLIP checkpoint.
        every_seconds: how often to look.
        min_change: see `Sampling`: of pictures that look alike only the first is looked at; 0 for all.
        vocabulary: words, or a file with one a line; None for the list that ships with the package.
        top: at most this many tags a picture.
        min_score: a tag's least probability, in [0, 1]; None for what suits the model.
        batch_size: see `UsesModel`.
        device: see `UsesModel`.

    Raises:
        InvalidArgument: the vocabulary is empty.
    """

    name: ClassVar[str] = "tags"
    kind: ClassVar[Kind] = "tags"
    sees: ClassVar[str] = "which of 2,600 everyday things, places and doings are in the picture"
    accepts: ClassVar[tuple[str, ...]] = MODEL_TYPES
    batch_on_gpu: ClassVar[int] = 32

    @keywords(place="device")
    def __init__(
        self,
        model: Weights | str | os.PathLike[str] = "google/siglip2-base-patch16-224",
        *,
        every_seconds: float = 2.0,
        min_change: float = MIN_CHANGE,
        vocabulary: Sequence[str] | str | os.PathLike[str] | None = None,
        top: int = 8,
        min_score: float | None = None,
        batch_size: int | None = None,
        device: str | Device | None = None,
    ) -> None:
        super().__init__(model, batch_size=batch_size, device=device)
        self.needs: Needs = Sampling(every_seconds, MAX_SIDE, min_change)
        self.vocabulary = word_list("tags.txt") if vocabulary is None else words_from(vocabulary)
        self.top, self.min_score = top, min_score

    def settings(self) -> str:
        """Return rate, limits and a digest of the vocabulary."""
        return f"{self.needs} {self.top} {self.min_score} {digest_of(*self.vocabulary)}"

    def perceive(
        self, stream: Iterable[Frame], video: Video, start_seconds: float, end_seconds: float
    ) -> Iterator[Caption | Settled]:
        """Yield one caption with the tags of each picture, best first; its score is that of the best."""
        encoder = self.loaded()
        sentences = [_SENTENCE.format(word) for word in self.vocabulary]
        key = f"{self.usual_source()} {self.device.dtype}"
        words = stored_vectors(key, sentences, encoder.embed_texts)  # (words, d)

        def score(frames: Sequence[Frame]) -> np.ndarray:
            return encoder.probabilities(encoder.embed_images([frame.image for frame in frames]), words)

        limit = self.min_score
        if limit is None:
            limit = _USUAL_MIN_SCORE["siglip" if encoder.is_siglip else "clip"]
        for frames in chunks(stream, self.batcher.size):
            for frame, scores in zip(frames, self.batcher(score, frames), strict=True):
                best = [i for i in np.argsort(-scores, kind="stable")[: self.top] if scores[i] >= limit]
                if best:
                    yield Caption(
                        video.id,
                        frame.seconds,
                        frame.end_seconds,
                        self.kind,
                        ", ".join(self.vocabulary[i] for i in best),
                        self.source,
                        score=round(float(scores[best[0]]), 4),
                    )
            yield Settled(frames[-1].end_seconds)
        yield Settled(end_seconds)

    def load_model(self, folder: Path, device: Device) -> DualEncoder:
        """Load SigLIP or CLIP together with all who use it."""
        return shared_dual_encoder(folder, device)
