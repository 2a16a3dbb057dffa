"""Chat with VideoChat-Embed about a range of a video.

A `ClipEncoder` takes T frames, spread evenly over the range, and encodes them once. A `Chat` asks about what was
encoded, each turn with all earlier ones in the prompt. A frame is decoded, shrunk to the model's picture and let go
before the next. See `docs/videochat_embed.md`, sections 5, 6 and 13.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from videochat.embed_model.dialogue import SEPARATOR, Conversation, clean_answer, tokenize_prompt
from videochat.embed_model.generation import GREEDY, UPSTREAM_SAMPLING, SamplingSettings, decode, generate
from videochat.embed_model.model import Sequences, VideoChatEmbed
from videochat.embed_model.preprocess import (
    FrameSource,
    crop_frame,
    normalise,
    sample_seconds,
    squash_image,
    windows,
)
from videochat.errors import InvalidArgument
from videochat.intervals import fit_interval
from videochat.renamed import attributes, getter, keywords

if not TYPE_CHECKING:
    __getattr__ = getter(__name__)

MAX_FRAMES = 64
"""Upstream's demo offers 8 to 64; the released weights saw 4 and 8 in training."""


@dataclass(frozen=True)
class EncodedClip:
    """A range of a video, or an image, as the LLM reads it."""

    embeds: Tensor
    """(Q, D)."""
    seconds: tuple[float, ...] | None
    """When the frames were taken, from the first picture; None for an image."""
    start_seconds: float = 0.0
    """First moment of the range."""
    end_seconds: float = 0.0
    """First moment after it."""

    def conversation(self) -> Conversation:
        """Open a conversation about it."""
        return Conversation.about_image() if self.seconds is None else Conversation.about_video(self.seconds)

    def __repr__(self) -> str:
        what = "image" if self.seconds is None else f"[{self.start_seconds:g}, {self.end_seconds:g}) s"
        return f"EncodedClip({what}, embeds of shape {tuple(self.embeds.shape)})"


@attributes(look="encode", look_at_all="encode_all", look_at_image="encode_image")
class ClipEncoder:
    """Encodes ranges of videos and images, and keeps the last results.

    Args:
        model: the model, on its device.
        frames: T, taken from each range, 1 to 64. Cost grows with it; the released weights know 4 and 8.
        remember: how many encoded clips are kept; each is Q x D numbers, less than 1 MB.

    Raises:
        InvalidArgument: `frames` out of range.
    """

    def __init__(self, model: VideoChatEmbed, *, frames: int = 8, remember: int = 64) -> None:
        if not 1 <= frames <= MAX_FRAMES:
            raise InvalidArgument(f"frames must be between 1 and {MAX_FRAMES}, got {frames}")
        self.model = model
        self.frames = frames
        self._remember = remember
        self._encoded: OrderedDict[tuple[str, float, float], EncodedClip] = OrderedDict()

    def encode(self, video: FrameSource, start_seconds: float = 0.0, end_seconds: float | None = None) -> EncodedClip:
        """Encode T frames of a range; a range encoded before is not decoded again.

        Args:
            video: the video.
            start_seconds: first moment of the range.
            end_seconds: first moment after it; None for the end of the video.

        Raises:
            InvalidArgument: the range holds nothing.
            MediaError: the video cannot be read.
        """
        return self.encode_all([(video, start_seconds, end_seconds)])[0]

    @torch.inference_mode()
    def encode_all(self, ranges: Iterable[tuple[FrameSource, float, float | None]]) -> list[EncodedClip]:
        """Encode several ranges, of one or several videos, in one batch; a still picture is encoded as an image.

        Args:
            ranges: (video, start_seconds, end_seconds) of each; None for the end of the video.

        Raises:
            InvalidArgument: a range holds nothing.
            MediaError: a video cannot be read.
        """
        fitted = [(video, *fit_interval(start, end, video.duration_seconds)) for video, start, end in ranges]
        keys = [(video.id, start, end) for video, start, end in fitted]
        clips = {key: self._encoded[key] for key in keys if key in self._encoded}
        new = {key: one for key, one in zip(keys, fitted, strict=True) if key not in clips}
        for key in [key for key, (video, *_) in new.items() if getattr(video, "is_picture", False)]:
            (picture,) = new.pop(key)[0].frames(at_seconds=[0.0])
            clips[key] = replace(self.encode_image(picture.image), start_seconds=key[1], end_seconds=key[2])
        if new:
            seconds = [sample_seconds(*one, self.frames) for one in new.values()]
            pixels = [self._pixels(video, at) for (video, *_), at in zip(new.values(), seconds, strict=True)]
            embeds = self.model.encode(torch.stack(pixels))  # (B, Q, D)
            for key, row, at in zip(new, embeds, seconds, strict=True):
                clips[key] = EncodedClip(row, tuple(at), key[1], key[2])
        for key in keys:
            self._encoded[key] = clips[key]
            self._encoded.move_to_end(key)
        while len(self._encoded) > self._remember:
            self._encoded.popitem(last=False)
        return [clips[key] for key in keys]

    @torch.inference_mode()
    def encode_image(self, image: np.ndarray) -> EncodedClip:
        """Encode one picture, uint8 RGB of shape (height, width, 3), as T = 1."""
        picture = squash_image(image, self.model.config.vision.image_size)
        return EncodedClip(self.model.encode(normalise([picture])[None])[0], None)

    def chat(self, video: FrameSource, start_seconds: float = 0.0, end_seconds: float | None = None) -> Chat:
        """Encode a range and open a chat about it; arguments and errors as of `encode`."""
        return Chat(self.model, self.encode(video, start_seconds, end_seconds))

    @keywords(wording="sampling")
    def ask_windows(
        self,
        video: FrameSource,
        question: str,
        *,
        window_seconds: float = 60.0,
        start_seconds: float = 0.0,
        end_seconds: float | None = None,
        batch: int = 4,
        sampling: SamplingSettings = GREEDY,
    ) -> Iterator[tuple[EncodedClip, str]]:
        """Ask one question about every window of a long range, a few windows at a time.

        The paper calls videos of a minute and more a weak spot: T frames tell little of a long stretch.

        Args:
            video: the video.
            question: asked of each window on its own.
            window_seconds: longest window.
            start_seconds: first moment of the range.
            end_seconds: first moment after it; None for the end of the video.
            batch: windows encoded and answered together.
            sampling: how tokens are chosen.

        Yields:
            The encoded window, with its range, and the answer; in order of time.

        Raises:
            InvalidArgument: the range holds nothing, or `window_seconds` is not positive.
            MediaError: the video cannot be read.
            PromptError: the question is empty.
        """
        ranges = windows(*fit_interval(start_seconds, end_seconds, video.duration_seconds), window_seconds)
        for first in range(0, len(ranges), batch):
            clips = self.encode_all([(video, *one) for one in ranges[first : first + batch]])
            yield from zip(clips, ask_each(self.model, clips, question, sampling), strict=True)

    def _pixels(self, video: FrameSource, seconds: Sequence[float]) -> Tensor:
        side = self.model.config.vision.image_size
        pictures = [crop_frame(frame.image, side) for frame in video.frames(at_seconds=seconds)]
        return normalise(pictures)  # (T, 3, side, side)


@attributes(sight="clip")
class Chat:
    """A conversation about one encoded clip; every turn is asked with all earlier ones in the prompt."""

    def __init__(self, model: VideoChatEmbed, clip: EncodedClip) -> None:
        self.model = model
        self.clip = clip
        self.conversation = clip.conversation()

    @keywords(wording="sampling")
    def ask(self, question: str, sampling: SamplingSettings = UPSTREAM_SAMPLING) -> str:
        """Return the answer and keep the turn.

        Args:
            question: what to ask.
            sampling: how tokens are chosen.

        Raises:
            PromptError: the question is empty, or the conversation too long for the LLM.
        """
        for _ in self.stream(question, sampling):
            pass
        return self.conversation.turns[-1][1]

    @keywords(wording="sampling")
    def stream(self, question: str, sampling: SamplingSettings = UPSTREAM_SAMPLING) -> Iterator[str]:
        """Yield the answer piece by piece as it is made; the turn is kept when the last piece is out.

        The pieces together are the answer, unless the model writes `Assistant:` within it: what stood before that
        is no part of the answer, but has been yielded.

        Args:
            question: what to ask.
            sampling: how tokens are chosen.

        Raises:
            PromptError: the question is empty, or the conversation too long for the LLM.
        """
        sequences = _left_padded(self.model, [self.clip], [self.conversation.prompt(question)])
        ids: list[int] = []
        yielded = 0
        for (token,) in generate(self.model, sequences, sampling):
            if token is not None:
                ids.append(token)
            answer = _final_part(decode(self.model, ids))
            if len(answer) > yielded:
                yield answer[yielded:]
                yielded = len(answer)
        answer = clean_answer(decode(self.model, ids))
        if len(answer) > yielded:
            yield answer[yielded:]
        self.conversation.turns.append((question, answer))


@keywords(wording="sampling", sights="clips")
def ask_each(
    model: VideoChatEmbed, clips: Sequence[EncodedClip], question: str, sampling: SamplingSettings = GREEDY
) -> list[str]:
    """Ask one question about several clips in one batch; each answer is what a batch of one would give.

    Args:
        model: the model that encoded the clips.
        clips: at least one.
        question: asked of each on its own.
        sampling: how tokens are chosen.

    Raises:
        PromptError: the question is empty, or too long for the LLM.
    """
    prompts = [clip.conversation().prompt(question) for clip in clips]
    rows: list[list[int]] = [[] for _ in clips]
    for step in generate(model, _left_padded(model, clips, prompts), sampling):
        for row, token in zip(rows, step, strict=True):
            if token is not None:
                row.append(token)
    return [clean_answer(decode(model, row)) for row in rows]


@torch.inference_mode()
def _left_padded(model: VideoChatEmbed, clips: Sequence[EncodedClip], prompts: Sequence[str]) -> Sequences:
    tokenized = [tokenize_prompt(model.tokenizer, prompt) for prompt in prompts]
    return model.sequences(tokenized, torch.stack([clip.embeds for clip in clips]), padding="left")


def _final_part(text: str) -> str:
    """Return what of an unfinished answer later tokens cannot change: no half character, `###` or `Assistant:`."""
    if SEPARATOR not in text:
        text = text.rstrip("#\ufffd")
    answer = clean_answer(text)
    return "" if "Assistant:".startswith(answer) else answer
