"""Talking with VideoChat-Embed about a range of a video (SPEC 5, 6 and 9).

A `ClipEncoder` looks: it takes T frames, spread evenly over the range, and encodes them once. A `Chat` talks about
what was seen, turn after turn. A frame is decoded, shrunk to the model's picture and let go before the next.
"""

from __future__ import annotations

import inspect
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from videochat.embed_model.dialogue import (
    SEPARATOR,
    Conversation,
    PromptError,
    clean_answer,
    prompt_passage,
)
from videochat.embed_model.model import Sequences, VideoChatEmbed
from videochat.errors import InvalidArgument

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)

MAX_FRAMES = 64
"""Upstream's demo offers 8 to 64; the released weights saw 4 and 8 in training."""

# Of a video that does not know its pictures per second.
_USUAL_FRAME_RATE = 25.0


class TimedPicture(Protocol):
    """A frame, such as `videochat.Frame`."""

    @property
    def seconds(self) -> float:
        """When it is shown, from the first picture."""

    @property
    def image(self) -> np.ndarray:
        """uint8 RGB array, shape (height, width, 3)."""


class FrameSource(Protocol):
    """What a viewer needs of a video, such as `videochat.Video`."""

    @property
    def id(self) -> str:
        """The same for the same content."""

    @property
    def duration_seconds(self) -> float:
        """Length in seconds."""

    def frames(self, *, at_seconds: Sequence[float]) -> Iterable[TimedPicture]:
        """Yield the pictures shown at these seconds, one after the other."""


@dataclass(frozen=True)
class SamplingSettings:
    """How the next token is chosen; the defaults are upstream's (SPEC 6).

    Raises:
        ValueError: a number out of its range.
    """

    max_new_tokens: int = 200
    """Longest answer."""
    temperature: float = 1.0
    """0 for always the likeliest token."""
    top_p: float = 0.9
    """Only the likeliest tokens that together reach this probability, in (0, 1]."""
    top_k: int = 50
    """Only so many likeliest tokens; 0 for all."""
    seed: int | None = None
    """Makes an answer repeatable."""

    def __post_init__(self) -> None:
        if self.max_new_tokens < 1 or self.temperature < 0 or not 0 < self.top_p <= 1 or self.top_k < 0:
            raise ValueError(
                "SamplingSettings needs max_new_tokens >= 1, temperature >= 0, 0 < top_p <= 1 and top_k >= 0, "
                f"got {self}"
            )


GREEDY = SamplingSettings(temperature=0)
"""Always the likeliest token: the same question has the same answer."""


@dataclass(frozen=True)
class EncodedClip:
    """A range of a video, or an image, as the LLM will see it."""

    embeds: Tensor
    """(Q, D)."""
    seconds: tuple[float, ...] | None
    """When the frames were taken, from the first picture; None for an image."""
    start_seconds: float = 0.0
    """First moment of the range."""
    end_seconds: float = 0.0
    """First moment after it."""

    def conversation(self) -> Conversation:
        """Begin to talk about it."""
        return Conversation.about_image() if self.seconds is None else Conversation.about_video(self.seconds)

    def __repr__(self) -> str:
        what = "image" if self.seconds is None else f"[{self.start_seconds:g}, {self.end_seconds:g}) s"
        return f"EncodedClip({what}, embeds of shape {tuple(self.embeds.shape)})"


def sample_indices(frame_count: int, samples: int) -> list[int]:
    """Spread `samples` indices over `frame_count` frames as upstream does, repeating if few (SPEC 5)."""
    part = (frame_count - 1) / samples
    return [int(part / 2) + round(part * k) for k in range(samples)]


def sample_seconds(video: FrameSource, start_seconds: float, end_seconds: float, samples: int) -> list[float]:
    """Return the seconds of the frames that stand for `[start_seconds, end_seconds)`."""
    rate = getattr(video, "frame_rate", None) or _USUAL_FRAME_RATE
    frame_count = max(round((end_seconds - start_seconds) * rate), 1)
    return [start_seconds + index / rate for index in sample_indices(frame_count, samples)]


def check_range(
    video: FrameSource, start_seconds: float = 0.0, end_seconds: float | None = None
) -> tuple[float, float]:
    """Return the range, its end brought back to the video's, None meaning that.

    Raises:
        InvalidArgument: it is empty, or begins before 0 or after the end of the video.
    """
    duration = video.duration_seconds
    end = duration if end_seconds is None else min(end_seconds, duration)
    if not 0 <= start_seconds < end:
        raise InvalidArgument(
            f"There is nothing to see from second {start_seconds:g} to "
            f"{duration if end_seconds is None else end_seconds:g}: a range needs 0 <= start < end, "
            f"and the video ends at {duration:.1f}."
        )
    return start_seconds, end


def windows(start_seconds: float, end_seconds: float, window_seconds: float) -> list[tuple[float, float]]:
    """Cut a range into equal windows of at most `window_seconds`.

    Raises:
        ValueError: `window_seconds` is not positive.
    """
    if window_seconds <= 0:
        raise ValueError(f"window_seconds must be positive, got {window_seconds!r}")
    count = max(int(np.ceil((end_seconds - start_seconds) / window_seconds - 1e-9)), 1)
    edges = np.linspace(start_seconds, end_seconds, count + 1).tolist()
    return list(pairwise(edges))


def picture_of_frame(image: np.ndarray, side: int) -> np.ndarray:
    """Shrink a video frame (height, width, 3) to (side, side, 3): shorter side to `side`, then the middle."""
    height, width = image.shape[:2]
    size = (side, int(side * height / width)) if width <= height else (int(side * width / height), side)
    left, top = round((size[0] - side) / 2), round((size[1] - side) / 2)
    resized = Image.fromarray(image).resize(size, Image.Resampling.BICUBIC)
    return np.asarray(resized.crop((left, top, left + side, top + side)))


def picture_of_image(image: np.ndarray, side: int) -> np.ndarray:
    """Squash an image (height, width, 3) to (side, side, 3), nothing cut off."""
    return np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC))


def normalise(pictures: Sequence[np.ndarray]) -> Tensor:
    """Turn uint8 pictures, each (side, side, 3), into the encoder's input (T, 3, side, side), float32."""
    pixels = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (CLIP_MEAN, CLIP_STD))
    return (pixels - mean) / std


class ClipEncoder:
    """Looks at videos and images, and remembers what it saw last.

    Args:
        model: the model, on its device.
        frames: T, taken from each range, 1 to 64. Cost grows with it; the released weights know 4 and 8.
        remember: so many sights are kept; each is Q x D numbers, less than 1 MB.

    Raises:
        ValueError: `frames` out of range.
    """

    def __init__(self, model: VideoChatEmbed, *, frames: int = 8, remember: int = 64) -> None:
        if not 1 <= frames <= MAX_FRAMES:
            raise ValueError(f"frames must be between 1 and {MAX_FRAMES}, got {frames}")
        self.model = model
        self.frames = frames
        self._remember = remember
        self._seen: OrderedDict[tuple[str, float, float], EncodedClip] = OrderedDict()

    def look(self, video: FrameSource, start_seconds: float = 0.0, end_seconds: float | None = None) -> EncodedClip:
        """Encode T frames of a range; a range looked at before is not decoded again.

        Raises:
            InvalidArgument: the range is none.
            MediaError: the video cannot be read.
        """
        return self.look_at_all([(video, start_seconds, end_seconds)])[0]

    @torch.inference_mode()
    def look_at_all(self, ranges: Iterable[tuple[FrameSource, float, float | None]]) -> list[EncodedClip]:
        """Encode several ranges, of one or several videos, in one batch.

        Args:
            ranges: (video, start_seconds, end_seconds) of each; None for the end of the video.

        Raises:
            InvalidArgument: a range is none.
            MediaError: a video cannot be read.
        """
        wanted = [(video, *check_range(video, start, end)) for video, start, end in ranges]
        keys = [(video.id, start, end) for video, start, end in wanted]
        found = {key: self._seen[key] for key in keys if key in self._seen}
        new = {key: one for key, one in zip(keys, wanted, strict=True) if key not in found}
        if new:
            seconds = [sample_seconds(*one, self.frames) for one in new.values()]
            pixels = [self._pixels(video, when) for (video, *_), when in zip(new.values(), seconds, strict=True)]
            embeds = self.model.encode(torch.stack(pixels))  # (B, Q, D)
            for key, row, when in zip(new, embeds, seconds, strict=True):
                found[key] = EncodedClip(row, tuple(when), key[1], key[2])
        for key in keys:
            self._seen[key] = found[key]
            self._seen.move_to_end(key)
        while len(self._seen) > self._remember:
            self._seen.popitem(last=False)
        return [found[key] for key in keys]

    @torch.inference_mode()
    def look_at_image(self, image: np.ndarray) -> EncodedClip:
        """Encode one picture, uint8 RGB of shape (height, width, 3), as T = 1."""
        picture = picture_of_image(image, self.model.config.vision.image_size)
        return EncodedClip(self.model.encode(normalise([picture])[None])[0], None)

    def chat(self, video: FrameSource, start_seconds: float = 0.0, end_seconds: float | None = None) -> Chat:
        """Look at a range and begin to talk about it."""
        return Chat(self.model, self.look(video, start_seconds, end_seconds))

    def ask_windows(
        self,
        video: FrameSource,
        question: str,
        *,
        window_seconds: float = 60.0,
        start_seconds: float = 0.0,
        end_seconds: float | None = None,
        batch: int = 4,
        wording: SamplingSettings = GREEDY,
    ) -> Iterator[tuple[EncodedClip, str]]:
        """Put one question to every window of a long range, a few windows at a time.

        The paper calls videos of a minute and more a weak spot: T frames tell little of a long stretch.

        Args:
            video: what to look at.
            question: asked of each window on its own.
            window_seconds: longest window.
            start_seconds: first moment of the range.
            end_seconds: first moment after it; None for the end of the video.
            batch: windows encoded and answered together.
            wording: how tokens are chosen.

        Yields:
            What was seen, with its range, and the answer; in order of time.
        """
        cut = windows(*check_range(video, start_seconds, end_seconds), window_seconds)
        for first in range(0, len(cut), batch):
            sights = self.look_at_all([(video, *one) for one in cut[first : first + batch]])
            yield from zip(sights, ask_each(self.model, sights, question, wording), strict=True)

    def _pixels(self, video: FrameSource, seconds: Sequence[float]) -> Tensor:
        side = self.model.config.vision.image_size
        pictures = [picture_of_frame(frame.image, side) for frame in video.frames(at_seconds=seconds)]
        return normalise(pictures)  # (T, 3, side, side)


class Chat:
    """A conversation about one sight; every turn is asked with all earlier ones in the prompt."""

    def __init__(self, model: VideoChatEmbed, sight: EncodedClip) -> None:
        self.model = model
        self.sight = sight
        self.conversation = sight.conversation()

    def ask(self, question: str, wording: SamplingSettings = SamplingSettings()) -> str:
        """Return the answer and remember the turn.

        Raises:
            PromptError: the question is empty.
        """
        for _ in self.stream(question, wording):
            pass
        return self.conversation.turns[-1][1]

    def stream(self, question: str, wording: SamplingSettings = SamplingSettings()) -> Iterator[str]:
        """Yield the answer piece by piece as it is made; the turn is remembered when the last piece is out.

        The pieces together are the answer, unless the model says `Assistant:` within it: what stood before is
        no part of the answer, but has been said.

        Raises:
            PromptError: the question is empty.
        """
        sequences = _ready(self.model, [self.sight], [self.conversation.prompt(question)])
        ids: list[int] = []
        said = 0
        for (token,) in generate(self.model, sequences, wording):
            if token is not None:
                ids.append(token)
            answer = _speakable(_text(self.model, ids))
            if len(answer) > said:
                yield answer[said:]
                said = len(answer)
        answer = clean_answer(_text(self.model, ids))
        if len(answer) > said:
            yield answer[said:]
        self.conversation.turns.append((question, answer))


def ask_each(
    model: VideoChatEmbed, sights: Sequence[EncodedClip], question: str, wording: SamplingSettings = GREEDY
) -> list[str]:
    """Put one question to several sights in one batch; each answer is what a batch of one would give."""
    prompts = [sight.conversation().prompt(question) for sight in sights]
    rows: list[list[int]] = [[] for _ in sights]
    for step in generate(model, _ready(model, sights, prompts), wording):
        for row, token in zip(rows, step, strict=True):
            if token is not None:
                row.append(token)
    return [clean_answer(_text(model, row)) for row in rows]


@torch.inference_mode()
def _ready(model: VideoChatEmbed, sights: Sequence[EncodedClip], prompts: Sequence[str]) -> Sequences:
    passages = [prompt_passage(model.tokenizer, prompt) for prompt in prompts]
    return model.sequences(passages, torch.stack([sight.embeds for sight in sights]), padding="left")


def _text(model: VideoChatEmbed, ids: list[int]) -> str:
    return model.tokenizer.batch_decode([ids], skip_special_tokens=True)[0]


def _speakable(text: str) -> str:
    """Return what of an unfinished answer will stand: no half character, half `###` or half `Assistant:`."""
    if SEPARATOR not in text:
        text = text.rstrip("#\ufffd")
    answer = clean_answer(text)
    return "" if "Assistant:".startswith(answer) else answer


def generate(
    model: VideoChatEmbed, sequences: Sequences, wording: SamplingSettings = GREEDY
) -> Iterator[list[int | None]]:
    """Yield for every step the next token id of each row; None for a row that is finished.

    A row is finished by an EOS of the LLM or when it has said `###`, whichever tokens spell that (SPEC 6).
    The LLM's keys and values are kept, so each step computes one position per row.

    Args:
        model: the model.
        sequences: prompts with the visual embeddings in place, padded on the left.
        wording: how tokens are chosen.

    Raises:
        PromptError: the prompts leave no room for an answer in what the LLM can read.
    """
    length = sequences.mask.shape[1]
    context: int = getattr(model.llm.config.get_text_config(), "max_position_embeddings", length + 10**9)
    if length >= context:
        raise PromptError(
            f"The conversation has grown to {length} tokens, but the LLM reads at most {context}; begin a new chat."
        )
    ends = model.eos_ids
    device = sequences.embeds.device
    chance = None
    if wording.temperature > 0:
        chance = torch.Generator(device)
        if wording.seed is None:
            chance.seed()
        else:
            chance.manual_seed(wording.seed)
    # Logits of the prompt's other positions are large and of no use; few old architectures insist on them.
    knows_how = "logits_to_keep" in inspect.signature(model.llm.forward).parameters
    last_only = {"logits_to_keep": 1} if knows_how else {}
    mask = sequences.mask  # (B, L)
    given: dict[str, Tensor] = {"inputs_embeds": sequences.embeds}
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    past = None
    recent: list[list[int]] = [[] for _ in range(len(mask))]
    running = [True] * len(mask)
    for _ in range(min(wording.max_new_tokens, context - length)):
        # Entered at each step, not around the loop: between steps the caller's own code runs.
        with torch.inference_mode():
            output = model.llm(
                **given,
                attention_mask=mask,
                position_ids=positions,
                past_key_values=past,
                use_cache=True,
                **last_only,
            )
            chosen = choose(output.logits[:, -1].float(), wording, chance)  # (B,)
            past = output.past_key_values
            given = {"input_ids": chosen[:, None]}
            mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)
            positions = positions[:, -1:] + 1
        step: list[int | None] = []
        for row, token in enumerate(chosen.tolist()):
            if not running[row] or token in ends:
                running[row] = False
                step.append(None)
                continue
            step.append(token)
            # `###` is at most three tokens, and a word may hang on either side.
            recent[row] = [*recent[row][-4:], token]
            running[row] = SEPARATOR not in _text(model, recent[row])
        yield step
        if not any(running):
            return


def choose(logits: Tensor, wording: SamplingSettings, chance: torch.Generator | None) -> Tensor:
    """Choose an id (B,) from logits (B, vocabulary): temperature, then top-k, then top-p (SPEC 6)."""
    if chance is None:
        return logits.argmax(-1)
    logits = logits / wording.temperature
    count = min(wording.top_k or logits.shape[-1], logits.shape[-1])
    best, ids = logits.topk(count)  # (B, k), best first
    odds = best.softmax(-1)
    # A token stays if those before it have not yet reached top_p; the first always does.
    odds = odds.masked_fill(odds.cumsum(-1) - odds >= wording.top_p, 0)
    return ids.gather(-1, torch.multinomial(odds, 1, generator=chance))[:, 0]
