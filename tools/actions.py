"""Actions: what is being done in each window of two or three seconds."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np

from videochat.batches import chunks
from videochat.devices import Device, config_of, load_model, load_processor, to_pixels
from videochat.frames import Frame, Sampling
from videochat.hub import Weights
from videochat.media import Video
from videochat.records import Caption, Kind
from videochat.renamed import keywords
from videochat.tools.base import Needs, Settled
from videochat.tools.model_tool import ModelTool
from videochat.tools.text_vectors import digest_of, stored_vectors, word_list, words_from

_MAX_SIDE = 320
_USUAL_PICTURES = 8
_TEXT_BATCH = 64


class ActionRecognizer(ModelTool["_Classifier"]):
    """X-CLIP over an open list of labels, or a classifier with the labels it was trained on.

    A window is a stretch of the video's own time, `[n x window, (n + 1) x window)`, so that watching a part gives
    the same windows as watching all.

    Args:
        model: hub id or folder of an X-CLIP, VideoMAE, TimeSformer or ViViT checkpoint.
        window_seconds: length of a window.
        labels: for X-CLIP, what to tell apart: words, or a file with one a line; None for the 400 actions of
            Kinetics. Classifiers bring their own.
        top: at most this many actions a window.
        min_score: an action's least probability, in [0, 1].
        batch_size: see `UsesModel`; counted in windows.
        device: see `UsesModel`.

    Raises:
        InvalidArgument: the list of labels is empty.
    """

    name: ClassVar[str] = "actions"
    kind: ClassVar[Kind] = "action"
    sees: ClassVar[str] = "what people do, of 400 everyday actions and sports"
    has_own_rate: ClassVar[bool] = True
    follows_motion: ClassVar[bool] = True
    accepts: ClassVar[tuple[str, ...]] = ("xclip", "videomae", "timesformer", "vivit")

    @keywords(place="device")
    def __init__(
        self,
        model: Weights | str | os.PathLike[str] = "microsoft/xclip-base-patch32",
        *,
        window_seconds: float = 2.0,
        labels: Sequence[str] | str | os.PathLike[str] | None = None,
        top: int = 3,
        min_score: float = 0.1,
        batch_size: int | None = None,
        device: str | Device | None = None,
    ) -> None:
        super().__init__(model, batch_size=batch_size, device=device)
        self.labels = word_list("kinetics400.txt") if labels is None else words_from(labels)
        self.window_seconds, self.top, self.min_score = window_seconds, top, min_score
        self._sample(_USUAL_PICTURES)

    def fit(self, config: dict[str, Any]) -> None:
        """Look as often as the model wants pictures in a window."""
        of_pictures = config.get("vision_config", config)
        self._sample(int(of_pictures.get("num_frames", _USUAL_PICTURES)))

    def _sample(self, pictures: int) -> None:
        self._pictures = pictures
        self.needs: Needs = Sampling(every_seconds=self.window_seconds / pictures, max_side=_MAX_SIDE)

    def settings(self) -> str:
        """Return window, limits and a digest of the labels."""
        return f"{self.window_seconds} {self._pictures} {self.top} {self.min_score} {digest_of(*self.labels)}"

    def perceive(
        self, stream: Iterable[Frame], video: Video, start_seconds: float, end_seconds: float
    ) -> Iterator[Caption | Settled]:
        """Yield one caption for each window, likeliest action first; its score is that of the likeliest."""
        classifier = self.loaded()

        def score(windows: Sequence[list[Frame]]) -> np.ndarray:
            return classifier.probabilities([self._spread(window) for window in windows])

        for windows in chunks(self._windows(stream), self.batcher.size):
            for window, scores in zip(windows, self.batcher(score, windows), strict=True):
                best = [i for i in np.argsort(-scores, kind="stable")[: self.top] if scores[i] >= self.min_score]
                if best:
                    yield Caption(
                        video.id,
                        window[0].seconds,
                        max(window[-1].end_seconds, window[0].seconds + 0.001),
                        self.kind,
                        ", ".join(classifier.labels[i] for i in best),
                        self.source,
                        score=round(float(scores[best[0]]), 4),
                    )
            # Not the end of the last picture: a checkpoint inside of a window would cut it in two when resumed.
            number = self._number(windows[-1][0])
            yield Settled(min((number + 1) * self.window_seconds, end_seconds))
        yield Settled(end_seconds)

    def _number(self, frame: Frame) -> int:
        return int(frame.seconds / self.window_seconds + 1e-6)

    def _windows(self, stream: Iterable[Frame]) -> Iterator[list[Frame]]:
        for _, frames in groupby(stream, key=self._number):
            yield list(frames)

    def _spread(self, window: list[Frame]) -> list[np.ndarray]:
        """Return as many pictures as the model wants; a window cut short by an end repeats some."""
        picked = np.linspace(0, len(window) - 1, self._pictures).round().astype(int)
        return [window[i].image for i in picked]

    def load_model(self, folder: Path, device: Device) -> _Classifier:
        """Load X-CLIP, or a classifier with fixed labels."""
        if config_of(folder)["model_type"] == "xclip":
            return _OpenLabels(folder, device, self.labels, self.usual_source())
        return _FixedLabels(folder, device)


class _Classifier(Protocol):
    """A loaded model that recognises actions."""

    labels: Sequence[str]

    def probabilities(self, clips: Sequence[list[np.ndarray]]) -> np.ndarray:
        """Return the probability of each label, shape (len(clips), len(labels)).

        Args:
            clips: for each the pictures, uint8 RGB arrays of shape (height, width, 3).
        """


class _OpenLabels:
    """X-CLIP with the texts encoded once instead of with every clip; the result is the same."""

    def __init__(self, folder: Path, device: Device, labels: Sequence[str], source: str) -> None:
        import torch

        self.labels, self.device = labels, device
        self.processor = load_processor("AutoProcessor", folder)
        self.model = load_model("AutoModel", folder, device)
        texts = stored_vectors(f"{source} {device.dtype}", labels, self._embed_texts)
        self.texts = torch.from_numpy(texts).to(device.name, device.dtype)  # (labels, d)

    def _embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        import torch

        length = self.model.config.text_config.max_position_embeddings
        parts = []
        for first in range(0, len(texts), _TEXT_BATCH):
            batch = list(texts[first : first + _TEXT_BATCH])
            tokens = self.processor.tokenizer(
                batch, padding=True, truncation=True, max_length=length, return_tensors="pt"
            ).to(self.device.name)
            with torch.inference_mode():
                parts.append(self.model.get_text_features(**tokens).pooler_output.float().cpu().numpy())
        return np.concatenate(parts)

    def probabilities(self, clips: Sequence[list[np.ndarray]]) -> np.ndarray:
        import torch

        model = self.model
        pixels = to_pixels(self.processor.video_processor, [list(clip) for clip in clips], self.device)
        B, T = pixels.shape[:2]  # noqa: N806 - dimensions are capitals: clips, pictures
        with torch.inference_mode():
            # Of shapes (B * T, patches, width) and (B * T, width).
            patches, pooled = model.vision_model(pixel_values=pixels.flatten(0, 1))[:2]
            clip = model.mit(model.visual_projection(pooled).view(B, T, -1))[1]  # (B, d)
            seen = model.prompts_visual_layernorm(patches[:, 1:]) @ model.prompts_visual_projection
            seen = seen.view(B, T, -1, clip.shape[-1]).mean(1)  # (B, patches - 1, d)
            texts = self.texts.expand(B, -1, -1)
            texts = texts + model.prompts_generator(texts, seen)  # (B, labels, d)
            nearness = torch.nn.functional.cosine_similarity(clip[:, None].float(), texts.float(), dim=-1)
            scores: np.ndarray = (model.logit_scale.exp().float() * nearness).softmax(-1).cpu().numpy()
        return scores


class _FixedLabels:
    """A classifier that knows the labels of its training."""

    def __init__(self, folder: Path, device: Device) -> None:
        self.device = device
        self.processor = load_processor("AutoImageProcessor", folder)
        self.model = load_model("AutoModelForVideoClassification", folder, device)
        names = self.model.config.id2label
        self.labels: Sequence[str] = [names[i] for i in range(len(names))]

    def probabilities(self, clips: Sequence[list[np.ndarray]]) -> np.ndarray:
        import torch

        pixels = to_pixels(self.processor, [list(clip) for clip in clips], self.device)
        with torch.inference_mode():
            logits = self.model(pixel_values=pixels).logits
        scores: np.ndarray = logits.float().softmax(-1).cpu().numpy()
        return scores
