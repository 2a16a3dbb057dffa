"""watch_clip: a LangChain tool that asks a video-language model a question about a range of a video.

The model is VideoChat-Embed (paper section 3.2) or any video-language model of transformers, such as Qwen3-VL
or SmolVLM2. It is loaded when first asked and stays in memory for the next question, together with others as
long as they fit the memory budget.
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
from pydantic import Field

from videochat.devices import BUDGET, config_of, free_memory, load_model, load_processor
from videochat.errors import MissingDependency, VideoChatError
from videochat.fence import failure, fenced
from videochat.hub import find_weights
from videochat.intervals import clock_range, fit_interval
from videochat.records import Caption
from videochat.renamed import keywords
from videochat.tools.langchain_tool import RangeInput

if TYPE_CHECKING:
    from videochat.media import Video

# Weights are not all: activations and the LLM's keys and values come on top.
_ROOM_FOR_WORK = 1.2
# Longer side of the pictures for models that take any size.
_LONGER_SIDE = 640


class WatchClipInput(RangeInput):
    """A range, and a question about it, as a language model gives them."""

    question: str = Field(min_length=1, description="what to find out, as a full question")
    end: float = Field(gt=0, description="end of the range in seconds; at most a minute is seen well")


class ClipModel(Protocol):
    """A loaded model that answers questions about a range of a video."""

    def answer(self, video: Video, question: str, start_seconds: float, end_seconds: float, frames: int) -> str:
        """Look at a range and answer a question.

        Args:
            video: where to look.
            question: what to find out.
            start_seconds: first moment.
            end_seconds: first moment no longer.
            frames: how many pictures, evenly spread over the range.
        """
        ...


class ModelCache:
    """Keeps loaded models; those not used for longest are freed when the memory budget would be passed."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        """To be held while a model is got and used."""
        self._models: OrderedDict[tuple[str, int | None], tuple[int, ClipModel]] = OrderedDict()

    def get(self, weights: str, llm_bits: Literal[4, 8] | None, memory_gb: float | None) -> ClipModel:
        """Return a model, loading it if it is not here. Nothing is downloaded.

        Args:
            weights: folder or hub id.
            llm_bits: of a quantized LLM.
            memory_gb: budget of all models of this process together; None for most of the device's memory.

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
                    f"{max(budget, 0) / 1e9:.1f} GB; raise memory_gb, quantize its LLM (llm_bits=8 or 4), or "
                    "choose a smaller model."
                )
            self._make_room(budget - needed)
            model = _load(folder, llm_bits)
            BUDGET.claim(key, needed, model)
            self._models[key] = (needed, model)
        self._models.move_to_end(key)
        return self._models[key][1]

    def free(self, weights: str) -> None:
        """Free a model, if it is loaded."""
        with self.lock:
            for key in [key for key in self._models if key[0] == weights]:
                _, model = self._models.pop(key)
                BUDGET.release(model)
                del model
        free_memory()

    def _make_room(self, left: int) -> None:
        dropped = False
        while self._models and sum(size for size, _ in self._models.values()) > left:
            _, (_, model) = self._models.popitem(last=False)
            BUDGET.release(model)
            dropped = True
        if dropped:
            del model
            free_memory()


_MODELS = ModelCache()
"""The one that all tools of this process share."""


def ask_clip_model(
    weights: str, video: Video, question: str, start_seconds: float, end_seconds: float, *, frames: int
) -> str:
    """Ask a model about a range of a video; all users in this process share what is loaded.

    Args:
        weights: folder or hub id.
        video: where to look.
        question: what to find out.
        start_seconds: first moment.
        end_seconds: first moment no longer.
        frames: how many pictures, evenly spread over the range.

    Raises:
        MissingDependency: the weights or a package are not here, or do not fit into memory.
    """
    with _MODELS.lock:
        return _MODELS.get(weights, None, None).answer(video, question, start_seconds, end_seconds, frames)


def free_clip_model(weights: str) -> None:
    """Free what `ask_clip_model` has loaded."""
    _MODELS.free(weights)


class WatchClip(BaseTool):
    """Answers a question about a range of one video by looking at it.

    The answer is text for the model; the artifact is a list of one plain dict, `Caption.as_dict()` of the
    answer, a claim about the range that was watched. Mistakes and missing weights come
    back as one sentence.

    Args:
        video: the video that is looked at.
        weights: folder or hub id, of VideoChat-Embed (`videochat embed convert`) or a video-language model.
        frames: pictures taken from a range.
        memory_gb: all models of this process together stay below; None for most of the device's memory.
        llm_bits: 8 or 4 to quantize the LLM of VideoChat-Embed.
        models: where loaded models are kept; all tools of a process share one.
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
    models: Any = Field(default_factory=lambda: _MODELS, exclude=True, repr=False)

    @keywords(shelf="models")
    def __init__(self, **fields: Any) -> None:
        super().__init__(**fields)

    def watch(self, question: str, start_seconds: float, end_seconds: float) -> Caption:
        """Look at a range and answer a question about it.

        Args:
            question: what to find out, as a full question.
            start_seconds: first moment.
            end_seconds: first moment no longer; brought back to the end of the video.

        Returns:
            The answer as a `claim` about the range that was watched, with the attribute `question`.

        Raises:
            InvalidArgument: the range holds nothing.
            MissingDependency: the weights or a package are not on this machine, or do not fit into memory.
            VideoChatError: the model had nothing to say.
        """
        start, end = fit_interval(start_seconds, end_seconds, self.video.duration_seconds)
        # LangChain runs the tool calls of one message in parallel threads; there is one device.
        with self.models.lock:
            model = self.models.get(self.weights, self.llm_bits, self.memory_gb)
            text = model.answer(self.video, question, start, end, self.frames)
        if not text:
            raise VideoChatError(
                f"The video model had nothing to say about {clock_range(start, end)}; ask it in other words."
            )
        source = Path(self.weights).name
        return Caption(self.video.id, start, end, "claim", text, source, attributes={"question": question})

    def _run(self, question: str, start: float, end: float) -> tuple[str, list[dict[str, Any]]]:
        try:
            caption = self.watch(question, start, end)
        except VideoChatError as error:
            raise ToolException(failure(error)) from error
        when = clock_range(caption.start_seconds, caption.end_seconds)
        return fenced(f"[{when}] {caption.text}"), [caption.as_dict()]


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


def _load(folder: Path, llm_bits: Literal[4, 8] | None) -> ClipModel:
    from videochat.embed_model.checkpoints import MODEL_TYPE

    if config_of(folder).get("model_type") == MODEL_TYPE:
        return _VideoChatEmbedModel(folder, llm_bits)
    return _VideoLanguageModel(folder)


class _VideoChatEmbedModel:
    """VideoChat-Embed."""

    def __init__(self, folder: Path, llm_bits: Literal[4, 8] | None) -> None:
        from videochat.embed_model.model import VideoChatEmbed

        self._model = VideoChatEmbed.from_pretrained(folder, llm_bits=llm_bits)
        self._encoders: dict[int, Any] = {}  # by number of pictures

    def answer(self, video: Video, question: str, start_seconds: float, end_seconds: float, frames: int) -> str:
        from videochat.embed_model.chat import ClipEncoder
        from videochat.embed_model.generation import GREEDY

        if frames not in self._encoders:
            self._encoders[frames] = ClipEncoder(self._model, frames=frames)
        text: str = self._encoders[frames].chat(video, start_seconds, end_seconds).ask(question, GREEDY)
        return text


class _VideoLanguageModel:
    """A video-language model of transformers with a chat template that takes videos."""

    def __init__(self, folder: Path) -> None:
        from videochat.embed_model.model import choose_embed_device

        self._device = choose_embed_device()
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

    def answer(self, video: Video, question: str, start_seconds: float, end_seconds: float, frames: int) -> str:
        import numpy as np
        import torch
        from transformers.video_utils import VideoMetadata

        from videochat.embed_model.dialogue import sampling_message
        from videochat.embed_model.preprocess import sample_seconds

        seconds = sample_seconds(video, start_seconds, end_seconds, frames)
        pictures = video.frames(at_seconds=seconds, max_side=_LONGER_SIDE)
        clip = np.stack([picture.image for picture in pictures])  # (T, height, width, 3)
        # Milliseconds as frame numbers of a video with 1000 frames per second: the times that processors
        # compute and write into the prompt are then the true ones.
        metadata = VideoMetadata(
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
            text=[prompt], videos=[clip], video_metadata=[metadata], do_sample_frames=False, return_tensors="pt"
        ).to(self._model.device, self._model.dtype)
        with torch.inference_mode(), self._device.computing():
            ids = self._model.generate(**given, max_new_tokens=200, do_sample=False)
        new = ids[:, given["input_ids"].shape[1] :]
        text: str = self._processor.batch_decode(new, skip_special_tokens=True)[0]
        return text.strip()
