"""A tool for agents: look at a range of the video with an end-to-end model and answer a question about it.

The model is VideoChat-Embed (paper section 3.2) or any video-language model of transformers, such as Qwen3-VL
or SmolVLM2. It is loaded when first asked and stays in memory for the next question, together with others as
long as they fit the budget.
"""

from __future__ import annotations

import json
import math
import struct
import threading
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from langchain_core.tools import BaseTool, ToolException
from langchain_core.tools.base import ArgsSchema
from pydantic import BaseModel, Field

from videochat.devices import BUDGET
from videochat.errors import InvalidArgument, MissingDependency, VideoChatError
from videochat.hub import find_weights
from videochat.intervals import clock_range
from videochat.records import Caption

if TYPE_CHECKING:
    from videochat.media import Video

# Weights are not all: activations and the LLM's keys and values come on top.
_ROOM_FOR_WORK = 1.2
# Longer side of the pictures for models that take any size.
_LONGER_SIDE = 640


class WatchClipInput(BaseModel):
    """What the agent gives."""

    question: str = Field(min_length=1, description="what to find out, as a full question")
    start: float = Field(ge=0, description="first second of the range to look at")
    end: float = Field(gt=0, description="end of the range in seconds; at most a minute is seen well")


class Watcher(Protocol):
    """A loaded model that answers questions about a range of a video."""

    def answer(self, video: Video, question: str, start_seconds: float, end_seconds: float, frames: int) -> str:
        """Look at `frames` pictures of `[start_seconds, end_seconds)` and answer."""


class ModelCache:
    """Keeps loaded models; those not used for longest make room when the memory budget would be passed."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        """To be held while a model is got and used."""
        self._models: OrderedDict[tuple[str, int | None], tuple[int, Watcher]] = OrderedDict()

    def get(self, weights: str, llm_bits: Literal[4, 8] | None, memory_gb: float | None) -> Watcher:
        """Return a model, loading it if it is not here.

        Args:
            weights: folder or hub id.
            llm_bits: of a quantized LLM.
            memory_gb: budget of all models here together; None for a share of the device's memory.

        Raises:
            MissingDependency: the weights or a package are not here, or do not fit the budget.
        """
        key = (weights, llm_bits)
        if key not in self._models:
            folder = find_weights(weights, needed_by="The tool 'watch_clip'")
            needed = needed_bytes(folder, llm_bits)
            budget = BUDGET.left(None if memory_gb is None else memory_gb * 1e9, besides=self._models)
            if needed > budget:
                raise MissingDependency(
                    f"The model {weights!r} needs about {needed / 1e9:.1f} GB, but the budget is "
                    f"{budget / 1e9:.1f} GB; raise memory_gb, quantize its LLM (llm_bits=8 or 4), or "
                    "choose a smaller model."
                )
            self._make_room(budget - needed)
            watcher = _load(folder, llm_bits)
            BUDGET.claim(key, needed, watcher)
            self._models[key] = (needed, watcher)
        self._models.move_to_end(key)
        return self._models[key][1]

    def _make_room(self, left: int) -> None:
        dropped = False
        while self._models and sum(size for size, _ in self._models.values()) > left:
            self._models.popitem(last=False)
            dropped = True
        if dropped:
            import torch

            if torch.cuda.is_available():
                torch.cuda.empty_cache()


_SHELF = ModelCache()


class WatchClip(BaseTool):
    """Answers a question about a range of one video by looking at it.

    The answer is text for the model; the artifact is a list of one plain dict, `Caption.as_dict()` of the
    answer with the range that was watched, so that an agent can cite it. Mistakes and missing weights come
    back as one sentence.

    Args:
        video: the video that is looked at.
        weights: folder or hub id, of VideoChat-Embed (`videochat embed convert`) or a video-language model.
        frames: pictures taken from a range.
        memory_gb: models loaded by these tools together stay below; None for 80 % of the device's memory.
        llm_bits: 8 or 4 to quantize the LLM of VideoChat-Embed.
        shelf: where loaded models are kept; all tools of a process share one.
    """

    name: str = "watch_clip"
    description: str = (
        "Look at a stretch of the video again with a video model and answer a question about it. Use it when "
        "the stored captions do not tell, e.g. how something is done, in what order, or why. "
        "Best for up to a minute."
    )
    args_schema: ArgsSchema | None = WatchClipInput
    response_format: Literal["content", "content_and_artifact"] = "content_and_artifact"
    handle_tool_error: Any = True
    video: Any = Field(exclude=True, repr=False)
    weights: str
    frames: int = Field(default=8, ge=1, le=64)
    memory_gb: float | None = None
    llm_bits: Literal[4, 8] | None = None
    shelf: Any = Field(default_factory=lambda: _SHELF, exclude=True, repr=False)

    def _run(self, question: str, start: float, end: float) -> tuple[str, list[dict[str, Any]]]:
        caption = self.watch(question, start, end)
        when = clock_range(caption.start_seconds, caption.end_seconds)
        return f"[{when}] {caption.text}", [caption.as_dict()]

    def watch(self, question: str, start_seconds: float, end_seconds: float) -> Caption:
        """Look at a range and answer a question about it.

        Raises:
            ToolException: the range holds nothing, the model cannot be had, or it says nothing.
        """
        start, end = start_seconds, end_seconds
        try:
            end = min(end, self.video.duration_seconds)
            if not 0 <= start < end:
                raise InvalidArgument(
                    f"There is nothing to see from {start:g} to {end:g} seconds: the start "
                    f"must be before the end, and the video ends at {self.video.duration_seconds:.1f}."
                )
            # Tool calls of one turn come in parallel threads; there is one device.
            with self.shelf.lock:
                watcher = self.shelf.get(self.weights, self.llm_bits, self.memory_gb)
                text = watcher.answer(self.video, question, start, end, self.frames)
        except VideoChatError as error:
            raise ToolException(str(error)) from error
        when = clock_range(start, end)
        if not text:
            raise ToolException(f"The video model had nothing to say about {when}; ask it in other words.")
        return Caption(self.video.id, start, end, "clip_caption", text, source=Path(self.weights).name)


def needed_bytes(folder: Path, llm_bits: int | None = None) -> int:
    """Estimate the memory of a loaded model from the headers of its safetensors.

    Args:
        folder: weights, also in folders below.
        llm_bits: bits per weight in folders called `llm`.

    Raises:
        MissingDependency: there are no safetensors, or one is cut short.
    """
    from videochat.embed_model.model import choose_embed_device

    plain = choose_embed_device().dtype.itemsize
    files = list(folder.rglob("*.safetensors"))
    if not files:
        raise MissingDependency(f"There are no safetensors in {str(folder)!r}; download or convert them again.")
    total = 0.0
    for path in files:
        each = llm_bits / 8 if llm_bits and path.parent.name == "llm" else plain
        try:
            with path.open("rb") as file:
                (length,) = struct.unpack("<Q", file.read(8))
                header = json.loads(file.read(length))
        except (OSError, ValueError, struct.error, OverflowError, MemoryError) as error:
            raise MissingDependency(f"{str(path)!r} is cut short or no safetensors file; get it again.") from error
        header.pop("__metadata__", None)
        total += each * sum(math.prod(tensor["shape"]) for tensor in header.values())
    return int(total * _ROOM_FOR_WORK)


def _load(folder: Path, llm_bits: Literal[4, 8] | None) -> Watcher:
    from videochat.embed_model.checkpoints import MODEL_TYPE

    config = folder / "config.json"
    if not config.is_file():
        raise MissingDependency(f"{str(folder)!r} holds no model (no config.json); download or convert it again.")
    if json.loads(config.read_text()).get("model_type") == MODEL_TYPE:
        return _EmbedWatcher(folder, llm_bits)
    return _LanguageModelWatcher(folder)


class _EmbedWatcher:
    """VideoChat-Embed."""

    def __init__(self, folder: Path, llm_bits: Literal[4, 8] | None) -> None:
        from videochat.embed_model.model import VideoChatEmbed

        self._model = VideoChatEmbed.from_pretrained(folder, llm_bits=llm_bits)
        self._encoders: dict[int, Any] = {}

    def answer(self, video: Video, question: str, start_seconds: float, end_seconds: float, frames: int) -> str:
        from videochat.embed_model.chat import ClipEncoder
        from videochat.embed_model.generation import GREEDY

        if frames not in self._encoders:
            self._encoders[frames] = ClipEncoder(self._model, frames=frames)
        return self._encoders[frames].chat(video, start_seconds, end_seconds).ask(question, GREEDY)


class _LanguageModelWatcher:
    """A video-language model of transformers with a chat template that takes videos."""

    def __init__(self, folder: Path) -> None:
        import torch
        from transformers import AutoModelForImageTextToText, AutoProcessor

        from videochat.embed_model.model import choose_embed_device

        device = choose_embed_device()
        try:
            self._processor = AutoProcessor.from_pretrained(folder, local_files_only=True)
            loaded: Any = AutoModelForImageTextToText.from_pretrained(
                folder, dtype=device.dtype, output_loading_info=True, local_files_only=True
            )
        except ImportError as error:
            raise MissingDependency(
                f"The model in {str(folder)!r} needs a package that is not installed ({_first_line(error)}); "
                "pip install 'videochat[video-llm]'."
            ) from error
        except (OSError, ValueError, KeyError) as error:
            raise MissingDependency(
                f"{str(folder)!r} cannot be loaded as a video-language model: {_first_line(error)}"
            ) from error
        model, report = loaded
        if report["missing_keys"]:
            raise MissingDependency(
                f"The model in {str(folder)!r} lacks {len(report['missing_keys'])} weights; get it again."
            )
        if hasattr(self._processor.video_processor, "cap_pixels_per_frame"):
            # Otherwise a short clip costs Qwen-VL nearly its native resolution in tokens.
            self._processor.video_processor.cap_pixels_per_frame = True
        self._model = model.to(device.name).eval()
        self._inference = torch.inference_mode

    def answer(self, video: Video, question: str, start_seconds: float, end_seconds: float, frames: int) -> str:
        import numpy as np
        from transformers.video_utils import VideoMetadata

        from videochat.embed_model.dialogue import sampling_message
        from videochat.embed_model.preprocess import sample_seconds

        seconds = sample_seconds(video, start_seconds, end_seconds, frames)
        pictures = video.frames(at_seconds=seconds, max_side=_LONGER_SIDE)
        clip = np.stack([picture.image for picture in pictures])  # (T, height, width, 3)
        # Milliseconds as frame numbers of a video with 1000 frames per second: the times that processors
        # compute and write into the prompt are then the true ones.
        told = VideoMetadata(
            total_num_frames=round(video.duration_seconds * 1000),
            fps=1000.0,
            duration=video.duration_seconds,
            frames_indices=[round(second * 1000) for second in seconds],
        )
        # Not every model writes times of its own (InternVL does not), so they are said as well.
        words = f"{sampling_message(seconds)} {question}"
        content = [{"type": "video"}, {"type": "text", "text": words}]
        prompt = self._processor.apply_chat_template(
            [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True
        )
        given = self._processor(
            text=[prompt], videos=[clip], video_metadata=[told], do_sample_frames=False, return_tensors="pt"
        ).to(self._model.device, self._model.dtype)
        with self._inference():
            ids = self._model.generate(**given, max_new_tokens=200, do_sample=False)
        said = ids[:, given["input_ids"].shape[1] :]
        return self._processor.batch_decode(said, skip_special_tokens=True)[0].strip()


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]
