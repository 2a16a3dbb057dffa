"""Models that look at a range of a video and answer: which, how, and where they stay loaded.

VideoChat-Embed (paper section 3.2) or any video-language model of transformers, such as Qwen3-VL or SmolVLM2. A model
is loaded when it is first asked and stays in memory for the next question, together with others as long as they fit
the memory budget.
"""

from __future__ import annotations

import json
import math
import queue
import re
import struct
import threading
from collections import OrderedDict
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from videochat.devices import BUDGET, config_of, free_memory
from videochat.errors import InvalidArgument, MissingDependency, UnknownName, VideoChatError, check_number
from videochat.hub import find_weights
from videochat.intervals import Interval, clock_range
from videochat.tools.clip_backends import ClipModel, Reply, is_embed, is_picture, load_clip_model

if TYPE_CHECKING:
    from videochat.media import Video

MAX_FRAMES = 64
"""Most pictures of a range."""
# Weights are not all: activations and the LLM's keys and values come on top.
_ROOM_FOR_WORK = 1.2
_SETTING = re.compile(r",(\w+)=([^,]*)$")


@dataclass(frozen=True)
class VideoModel:
    """A model that looks at video, and how it looks.

    Raises:
        InvalidArgument: a number out of its range.
    """

    weights: str
    """Folder or hub id of VideoChat-Embed (`videochat embed convert`) or of a video-language model."""
    frames: int = 8
    """Pictures of a range, 1 to 64; the released weights of VideoChat-Embed know 4 and 8."""
    llm_bits: Literal[4, 8] | None = None
    """8 or 4 to quantize the LLM of VideoChat-Embed."""
    device: str | None = None
    """Where it runs, as torch writes it; None for CUDA where there is one, else the CPU."""
    memory_gb: float | None = None
    """All models of this process together stay below; None for most of the device's memory."""
    window_seconds: float = 60.0
    """A longer range is looked at in windows of at most so long; the paper calls a minute and more a weak spot."""
    captions: bool = False
    """Whether, where it is the one who answers, it reads the captions that were retrieved, too (paper figure 1)."""

    _read: ClassVar[dict[str, tuple[str, Callable[[str], Any]]]] = {
        "frames": ("frames", int),
        "bits": ("llm_bits", int),
        "device": ("device", str),
        "memory_gb": ("memory_gb", float),
        "window": ("window_seconds", float),
        "captions": ("captions", lambda text: {"yes": True, "no": False}[text]),
    }

    def __post_init__(self) -> None:
        if not isinstance(self.frames, int) or not 1 <= self.frames <= MAX_FRAMES:
            raise InvalidArgument(f"frames must be a whole number from 1 to {MAX_FRAMES}, got {self.frames!r}.")
        if self.llm_bits not in (None, 4, 8):
            raise InvalidArgument(f"The bits of an LLM are 4 or 8, or none are said; got {self.llm_bits!r}.")
        if self.memory_gb is not None:
            check_number("memory_gb", self.memory_gb, above=0)
        check_number("The window of a video model", self.window_seconds, above=0)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `FOLDER[,frames=N][,bits=8][,device=cuda:1][,memory_gb=N][,window=SECONDS][,captions=yes]`.

        Raises:
            InvalidArgument: a value does not fit.
            UnknownName: there is no such setting.
        """
        found: dict[str, Any] = {}
        rest = text
        while not Path(rest).expanduser().exists() and (match := _SETTING.search(rest)):
            name, value = match.groups()
            if name not in cls._read:
                raise UnknownName("setting of a video model", name, cls._read)
            field, read = cls._read[name]
            try:
                found[field] = read(value)
            except (ValueError, KeyError) as error:
                raise InvalidArgument(f"{name}={value} of a video model does not fit; got {text!r}.") from error
            rest = rest[: match.start()]
        return cls(rest, **found)

    @classmethod
    def of(cls, model: Any) -> VideoModel:
        """Return a model that was named by a text, a path or itself.

        Raises:
            InvalidArgument: it is none of them, or a value does not fit.
            UnknownName: there is no such setting.
        """
        if isinstance(model, VideoModel):
            return model
        if isinstance(model, str):
            return cls.parse(model)
        if isinstance(model, Path):
            return cls(str(model))
        raise InvalidArgument(f"A video model is a folder, a hub id or a VideoModel, got {model!r:.60}.")

    @property
    def name(self) -> str:
        """The name by which its claims are told from those of others."""
        return Path(self.weights).expanduser().resolve().name if Path(self.weights).exists() else self.weights

    @property
    def key(self) -> tuple[str, int | None, str | None]:
        """What tells it from other loaded models."""
        return self.weights, self.llm_bits, self.device

    def find(self, needed_by: str = "The video model") -> Path:
        """Return the folder of the weights. Nothing is downloaded.

        Raises:
            MissingDependency: they are not on this machine.
        """
        return find_weights(self.weights, needed_by=needed_by)

    def check(self, needed_by: str = "The video model") -> Path:
        """Find the weights and hold them to what can be told without loading them; return their folder.

        Raises:
            MissingDependency: they are not here, are none of such a model, or do not fit the memory budget.
            InvalidArgument: there is no such device, or the LLM of this model is not quantized.
        """
        import torch

        folder = self.find(needed_by)
        embed = is_embed(folder)
        if self.llm_bits and not embed:
            raise InvalidArgument(
                f"Only the LLM of a VideoChat-Embed is quantized; {self.weights!r} is another model: leave bits out."
            )
        try:
            device = torch.device(self.device or "cpu")
        except RuntimeError as error:
            raise InvalidArgument(
                f"There is no device {self.device!r}; write it as torch does: cpu, cuda, cuda:1."
            ) from error
        if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
            raise MissingDependency(
                f"The device {self.device!r} is not on this machine; leave it out to take the best."
            )
        if embed:
            from videochat.embed_model.checkpoints import read_config

            read_config(folder)
        CLIP_MODELS.check_room(self, folder)
        return folder


class ModelCache:
    """Keeps loaded models; those not used for longest are freed when the memory budget would be passed."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        """To be held while a model is got and used."""
        self._models: OrderedDict[tuple[str, int | None, str | None], tuple[int, ClipModel]] = OrderedDict()

    def get(self, wanted: VideoModel) -> ClipModel:
        """Return a model, loading it if it is not here. Nothing is downloaded.

        Raises:
            MissingDependency: the weights or a package are not here, or do not fit the budget.
        """
        key = wanted.key
        if key not in self._models:
            folder = wanted.find()
            needed, budget = self.check_room(wanted, folder)
            self._make_room(budget - needed)
            model = load_clip_model(folder, wanted.device, wanted.llm_bits)
            BUDGET.claim(key, needed, model)
            self._models[key] = (needed, model)
        self._models.move_to_end(key)
        return self._models[key][1]

    def check_room(self, wanted: VideoModel, folder: Path) -> tuple[int, int]:
        """Return the bytes that a model needs and those that there are; nothing is loaded.

        Raises:
            MissingDependency: it does not fit the budget, even alone.
        """
        needed = needed_bytes(folder, wanted.llm_bits, wanted.device)
        limit = None if wanted.memory_gb is None else wanted.memory_gb * 1e9
        budget = BUDGET.left(limit, besides=self._models)
        if needed > budget and wanted.key not in self._models:
            raise MissingDependency(
                f"The model {wanted.weights!r} needs about {needed / 1e9:.1f} GB, but the budget is "
                f"{max(budget, 0) / 1e9:.1f} GB; raise memory_gb, quantize its LLM (8 or 4 bits), or choose a "
                "smaller model."
            )
        return needed, budget

    def ask(self, wanted: VideoModel, video: Video, question: str, span: Interval, **more: Any) -> Reply:
        """Ask a model about a range, and wait for the whole answer; `more` as of `ClipModel.answer`.

        Raises:
            MissingDependency: the weights or a package are not here, or do not fit into memory.
        """
        with self.lock:
            return self.get(wanted).answer(video, question, span, wanted.frames, **more)

    def stream(
        self, wanted: VideoModel, video: Video, question: str, span: Interval, **more: Any
    ) -> Generator[str, None, Reply]:
        """Yield the answer as it is made, and return the reply; `more` as of `ClipModel.answer`.

        The model works in a thread of its own, so that who reads may do so from several, as asyncio does.

        Raises:
            MissingDependency: as `ask`.
        """
        pieces: queue.SimpleQueue[str | Reply | BaseException] = queue.SimpleQueue()
        given_up = threading.Event()

        def say(piece: str) -> None:
            if given_up.is_set():
                raise _GivenUp
            pieces.put(piece)

        def work() -> None:
            try:
                pieces.put(self.ask(wanted, video, question, span, say=say, **more))
            except BaseException as error:  # whatever it is, it belongs to who waits
                pieces.put(error)

        threading.Thread(target=work, daemon=True, name="videochat-look").start()
        try:
            while True:
                piece = pieces.get()
                if isinstance(piece, Reply):
                    return piece
                if isinstance(piece, BaseException):
                    raise piece
                yield piece
        finally:
            given_up.set()

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


class NothingSaid(VideoChatError):
    """A model gave an empty answer."""


class _GivenUp(Exception):
    """Nobody reads the answer any more."""


CLIP_MODELS = ModelCache()
"""The one that all users in this process share."""


def needed_bytes(folder: Path, llm_bits: int | None = None, device: str | None = None) -> int:
    """Estimate the memory of a loaded model from the headers of its safetensors.

    Args:
        folder: weights, also in folders below.
        llm_bits: bits per weight in folders called `llm`.
        device: where it runs, which decides the floats.

    Raises:
        MissingDependency: there are no safetensors, or one is cut short.
    """
    from videochat.embed_model.model import choose_embed_device

    plain = choose_embed_device(device).dtype.itemsize
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


def context_tokens(folder: Path) -> int | None:
    """Return how many tokens the LLM of a model reads at once, where its files say so."""
    for place in (folder / "llm", folder):
        if (place / "config.json").is_file():
            config = config_of(place)
            found = config.get("text_config", config).get("max_position_embeddings")
            if isinstance(found, int):
                return found
    return None


def stream_windows(
    models: ModelCache,
    wanted: VideoModel,
    video: Video,
    question: str,
    span: Interval,
    *,
    turns: Sequence[tuple[str, str]] = (),
    system: str = "",
) -> Generator[str, None, list[tuple[Interval, Reply]]]:
    """Ask about a range; about a long one window by window, each answer on a line of its own behind its time.

    Args:
        models: where loaded models are.
        wanted: the model.
        video: where to look.
        question: what to find out.
        span: `(start_seconds, end_seconds)` of the range.
        turns: earlier questions, each with its answer.
        system: what the model is told before the conversation.

    Yields:
        The answer, piece by piece.

    Returns:
        What was said of each window.

    Raises:
        MissingDependency: the weights or a package are not here, or do not fit into memory.
        NothingSaid: the model had nothing to say about any window.
    """
    from videochat.embed_model.preprocess import windows

    spans = [span] if is_picture(video) else windows(*span, wanted.window_seconds)
    found: list[tuple[Interval, Reply]] = []
    for number, window in enumerate(spans):
        if len(spans) > 1:
            yield f"{chr(10) if number else ''}{clock_range(*window)}: "
        reply = yield from models.stream(wanted, video, question, window, turns=turns, system=system)
        found.append((window, reply))
        if not reply.text and len(spans) > 1:
            yield "(nothing)"
    if not any(reply.text for _, reply in found):
        raise NothingSaid(f"The video model had nothing to say about {clock_range(*span)}; ask it in other words.")
    return found
