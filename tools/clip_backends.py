"""The models behind `clip_models`, once loaded: VideoChat-Embed, and any video-language model of transformers."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from videochat.devices import config_of, load_model, load_processor
from videochat.errors import MissingDependency
from videochat.intervals import Interval

if TYPE_CHECKING:
    from videochat.media import Video

Say = Callable[[str], None]
"""Is told an answer piece by piece."""

# Longer side of the pictures for models that take any size.
_LONGER_SIDE = 640
_KEPT_CLIPS = 4  # of decoded pictures of a video-language model, which keeps nothing of its own


@dataclass(frozen=True)
class Reply:
    """What a model said of a range."""

    text: str
    input_tokens: int = 0
    """Read by its LLM, the video's among them."""
    output_tokens: int = 0
    """Written by its LLM."""


class ClipModel(Protocol):
    """A loaded model that answers questions about a range of a video."""

    def answer(
        self,
        video: Video,
        question: str,
        span: Interval,
        frames: int,
        *,
        turns: Sequence[tuple[str, str]] = (),
        system: str = "",
        say: Say = lambda _: None,
    ) -> Reply:
        """Look at a range and answer a question.

        Args:
            video: where to look.
            question: what to find out.
            span: `(start_seconds, end_seconds)` of the range.
            frames: how many pictures, evenly spread over the range.
            turns: earlier questions, each with its answer.
            system: what the model is told before the conversation.
            say: is told the answer piece by piece.
        """
        ...


def looked_at(video: Video, span: Interval, frames: int) -> list[float]:
    """Return the seconds of the pictures that a model gets of a range; of a picture, that it is one."""
    from videochat.embed_model.preprocess import sample_seconds

    return [0.0] if is_picture(video) else sample_seconds(video, *span, frames)


def is_picture(video: object) -> bool:
    """Whether a video is a still picture, which models get as one (the paper's T = 1)."""
    return bool(getattr(video, "is_picture", False))


def is_embed(folder: Path) -> bool:
    """Whether a folder holds a VideoChat-Embed."""
    from videochat.embed_model.checkpoints import MODEL_TYPE

    return bool(config_of(folder).get("model_type") == MODEL_TYPE)


def load_clip_model(folder: Path, device: str | None, llm_bits: Literal[4, 8] | None) -> ClipModel:
    """Load a model from a folder, whichever of the two it is.

    Args:
        folder: of the weights.
        device: as torch writes it; None for the best there is.
        llm_bits: 8 or 4 to quantize the LLM of VideoChat-Embed.

    Raises:
        MissingDependency: it cannot be loaded, or a package is missing.
    """
    if is_embed(folder):
        return _VideoChatEmbedModel(folder, device, llm_bits)
    return _VideoLanguageModel(folder, device)


class _VideoChatEmbedModel:
    """VideoChat-Embed; what it has encoded of a range is kept."""

    def __init__(self, folder: Path, device: str | None, llm_bits: Literal[4, 8] | None) -> None:
        from videochat.embed_model.model import VideoChatEmbed

        self._model = VideoChatEmbed.from_pretrained(folder, device=device, llm_bits=llm_bits)
        self._encoders: dict[int, Any] = {}  # by number of pictures

    def answer(
        self,
        video: Video,
        question: str,
        span: Interval,
        frames: int,
        *,
        turns: Sequence[tuple[str, str]] = (),
        system: str = "",
        say: Say = lambda _: None,
    ) -> Reply:
        from videochat.embed_model.chat import Chat, ClipEncoder
        from videochat.embed_model.dialogue import PromptError, plain_text
        from videochat.embed_model.generation import GREEDY

        if frames not in self._encoders:
            self._encoders[frames] = ClipEncoder(self._model, frames=frames)
        clip = self._encoders[frames].encode(video, *span)
        kept = [(plain_text(q), plain_text(a)) for q, a in turns]
        while True:
            chat = Chat(self._model, clip)
            chat.conversation.system = plain_text(system)
            chat.conversation.turns = list(kept)
            read = self._count(chat.conversation.prompt(plain_text(question))) + clip.embeds.shape[0]
            try:
                for piece in chat.stream(plain_text(question), GREEDY):
                    say(piece)
            except PromptError:
                if not kept:
                    raise
                kept.pop(0)  # a long conversation goes on without its beginning
                continue
            text = chat.conversation.turns[-1][1]
            return Reply(text, read, self._count(text))

    def _count(self, text: str) -> int:
        return len(self._model.tokenizer(text, add_special_tokens=False)["input_ids"])


class _VideoLanguageModel:
    """A video-language model of transformers with a chat template that takes videos."""

    def __init__(self, folder: Path, device: str | None) -> None:
        from videochat.embed_model.model import choose_embed_device

        self._device = choose_embed_device(device)
        try:
            self._processor = load_processor("AutoProcessor", folder)
            self._model = load_model("AutoModelForImageTextToText", folder, self._device)
        except MissingDependency as error:
            if isinstance(error.__cause__, ImportError):
                raise MissingDependency(f"{error} Run `pip install 'videochat[video-llm]'`.") from error
            raise
        video_processor = getattr(self._processor, "video_processor", None)
        if video_processor is None:
            raise MissingDependency(f"The model in {str(folder)!r} takes no videos; choose a video-language model.")
        if hasattr(video_processor, "cap_pixels_per_frame"):
            # Otherwise a short clip costs Qwen-VL nearly its native resolution in tokens.
            video_processor.cap_pixels_per_frame = True
        self._clips: OrderedDict[tuple[str, Interval, int], Any] = OrderedDict()

    def answer(
        self,
        video: Video,
        question: str,
        span: Interval,
        frames: int,
        *,
        turns: Sequence[tuple[str, str]] = (),
        system: str = "",
        say: Say = lambda _: None,
    ) -> Reply:
        import torch

        words, visual = self._visual(video, span, frames)
        first, *later = [*(text for turn in turns for text in turn), question]
        seen = {"type": "image" if "images" in visual else "video"}
        messages: list[dict[str, Any]] = [{"role": "system", "content": [_words(system)]}] if system else []
        messages.append({"role": "user", "content": [seen, _words(f"{words}{first}")]})
        for number, text in enumerate(later):
            messages.append({"role": "user" if number % 2 else "assistant", "content": [_words(text)]})
        prompt = self._processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        given = self._processor(text=[prompt], return_tensors="pt", **visual).to(self._model.device, self._model.dtype)
        length = given["input_ids"].shape[1]
        with torch.inference_mode(), self._device.computing():
            ids = self._model.generate(
                **given, max_new_tokens=200, do_sample=False, streamer=_streamer(self._processor, say)
            )
        said: str = self._processor.batch_decode(ids[:, length:], skip_special_tokens=True)[0]
        return Reply(said.strip(), length, ids.shape[1] - length)

    def _visual(self, video: Video, span: Interval, frames: int) -> tuple[str, dict[str, Any]]:
        """Return what is said of the pictures before the question, and what the processor is given of them."""
        import numpy as np
        from transformers.video_utils import VideoMetadata

        from videochat.embed_model.dialogue import sampling_message

        seconds = looked_at(video, span, frames)
        key = (video.id, span, frames)
        if key not in self._clips:
            pictures = [frame.image for frame in video.frames(at_seconds=seconds, max_side=_LONGER_SIDE)]
            self._clips[key] = np.stack(pictures)  # (T, height, width, 3)
            if len(self._clips) > _KEPT_CLIPS:
                self._clips.popitem(last=False)
        self._clips.move_to_end(key)
        if is_picture(video):
            return "", {"images": [self._clips[key][0]]}
        # Milliseconds as frame numbers of a video with 1000 frames per second: the times that processors
        # compute and write into the prompt are then the true ones.
        metadata = VideoMetadata(
            total_num_frames=round(video.duration_seconds * 1000),
            fps=1000.0,
            duration=video.duration_seconds,
            frames_indices=[round(second * 1000) for second in seconds],
        )
        given = {"videos": [self._clips[key]], "video_metadata": [metadata], "do_sample_frames": False}
        # Not every model writes times of its own (InternVL does not), so they are said as well.
        return f"{sampling_message(seconds)} ", given


def _words(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}


def _streamer(processor: Any, say: Say) -> Any:
    from transformers import TextStreamer

    begun = False

    def told(text: str, stream_end: bool = False) -> None:
        nonlocal begun
        text = text if begun else text.lstrip()
        begun = begun or bool(text)
        if text:
            say(text)

    streamer = TextStreamer(processor.tokenizer, skip_prompt=True, skip_special_tokens=True)
    streamer.on_finalized_text = told
    return streamer
