"""Where models run and in which floats; how they are loaded, batched and freed."""

from __future__ import annotations

import ctypes
import gc
import json
import os
import sys
import threading
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from weakref import WeakValueDictionary

from videochat.errors import MissingPart

if TYPE_CHECKING:
    import torch

_T = TypeVar("_T")
_R = TypeVar("_R")

LOADING = threading.RLock()
"""Held while a model of any kind is made. Meanwhile transformers replaces functions of torch for the whole process:
senses that load at the same time would leave weights untied, for each other and for every later model."""


class Cores:
    """Shares the cores of a CPU among the models that want to compute at the same time.

    A model that is alone takes all of them. Several take one or more each and do not wait for one another: two
    models on a core each do more than one after the other on both, and no thread spins at a barrier.
    """

    def __init__(self, count: int) -> None:
        self.count, self._free, self._wanting = count, count, 0
        self._usual = count
        self._change = threading.Condition()
        self._mine = threading.local()

    @contextmanager
    def turn(self) -> Iterator[int]:
        """Hold one core or more; gives how many, and has torch use so many in this thread.

        A thread that holds some already goes on with those.
        """
        import torch

        if held := getattr(self._mine, "held", 0):
            yield held
            return
        with self._change:
            if not self._wanting:
                # While others compute, a new thread would take over what torch was told for them.
                self._usual = torch.get_num_threads()
            self._wanting += 1
        try:
            with self._change:
                self._change.wait_for(lambda: self._free > 0)
                held = self._mine.held = min(self._free, max(self.count // self._wanting, 1), self._usual)
                self._free -= held
            torch.set_num_threads(held)
            yield held
        finally:
            torch.set_num_threads(self._usual)
            self._mine.held = 0
            with self._change:
                self._free += held
                self._wanting -= 1
                self._change.notify_all()


_CPU = Cores(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)

# Of the device's memory; the rest is for pictures, activations and other programs.
_USUAL_SHARE = 0.8
_AMPERE = 8
"""First compute capability with bfloat16 arithmetic."""


@dataclass(frozen=True)
class Place:
    """A device and the floats that are fast on it."""

    device: str
    """`cuda`, `cuda:1`, `cpu` ..., as torch writes it."""
    dtype: torch.dtype
    """Of weights and activations."""

    @property
    def is_cuda(self) -> bool:
        """Whether it is an NVIDIA or AMD GPU."""
        return self.device.startswith("cuda")

    def turn(self) -> AbstractContextManager[Any]:
        """Return what to hold while computing: on a CPU, a share of the cores.

        A GPU orders the work by itself, and while it computes the next batch can be made ready.
        """
        return nullcontext() if self.is_cuda else _CPU.turn()

    def usual_batch(self, on_gpu: int, on_cpu: int = 1) -> int:
        """Return how many items to compute at once.

        On a CPU one picture keeps the cores busy, and more only leave their caches.
        """
        return on_gpu if self.is_cuda else on_cpu


def best_place(device: str | None = None) -> Place:
    """Return where to run.

    On CUDA bfloat16, before Ampere float16; on a CPU float32, or bfloat16 where it has instructions for it
    (AMX or AVX-512 BF16), which is two to four times faster.

    Args:
        device: a torch device; None for CUDA where there is one, else the CPU.
    """
    import torch

    name = device or ("cuda" if torch.cuda.is_available() else "cpu")
    if name.startswith("cuda"):
        fast = torch.cuda.get_device_capability(torch.device(name))[0] >= _AMPERE
        return Place(name, torch.bfloat16 if fast else torch.float16)
    checks = [getattr(torch.cpu, f"_is_{what}_supported", None) for what in ("amx_tile", "avx512_bf16")]
    fast = name == "cpu" and any(check is not None and check() for check in checks)
    return Place(name, torch.bfloat16 if fast else torch.float32)


def config_of(folder: Path) -> dict[str, Any]:
    """Return the `config.json` of a transformers model folder.

    Raises:
        MissingPart: there is none, or it is not JSON.
    """
    path = folder / "config.json"
    try:
        config: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise MissingPart(
            f"{str(folder)!r} is not a transformers model: its config.json cannot be read ({type(error).__name__})."
        ) from error
    return config


def load_model(auto_class: str, folder: Path, place: Place, **options: Any) -> Any:
    """Load a transformers model from a folder, ready for inference; never touches the network.

    Args:
        auto_class: name of a transformers class, e.g. `AutoModelForObjectDetection`.
        folder: as `weights.resolve` returned it.
        place: device and floats.
        options: further arguments of `from_pretrained`.

    Raises:
        MissingPart: the checkpoint is of another architecture or damaged, or lacks weights that the model needs.
            transformers alone would fill those with random numbers.
    """
    import torch
    import transformers
    from transformers.utils import logging

    with LOADING:
        shows_progress = logging.is_progress_bar_enabled()
        logging.disable_progress_bar()
        try:
            model, info = getattr(transformers, auto_class).from_pretrained(
                folder, dtype=place.dtype, output_loading_info=True, local_files_only=True, **options
            )
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            reason = str(error).strip().split("\n")[0]
            raise MissingPart(f"The model in {str(folder)!r} cannot be loaded as {auto_class}: {reason}") from error
        finally:
            if shows_progress:
                logging.enable_progress_bar()
    lacking = sorted(info["missing_keys"])
    if lacking:
        raise MissingPart(
            f"The checkpoint in {str(folder)!r} lacks {len(lacking)} weights of {type(model).__name__}, among them "
            f"{lacking[0]!r}: it is cut short, or was made for another task. Get the model again, or name another."
        )
    model = model.to(place.device).eval().requires_grad_(False)
    for parameter in model.parameters():
        if parameter.ndim == 4:
            # Convolutions in half precision take two thirds of the time with the channels last, and what they put
            # out then has the layout of tokens. A depthwise kernel counts as both layouts and is left as it is by
            # `contiguous`; its strides decide all the same.
            parameter.data = parameter.data.permute(0, 2, 3, 1).clone(memory_format=torch.contiguous_format)
            parameter.data = parameter.data.permute(0, 3, 1, 2)
    return model


def load_processor(auto_class: str, folder: Path, **options: Any) -> Any:
    """Load a processor or tokenizer from a folder; never touches the network.

    Raises:
        MissingPart: its files are not there.
    """
    import transformers

    try:
        return getattr(transformers, auto_class).from_pretrained(folder, local_files_only=True, **options)
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = str(error).strip().split("\n")[0]
        raise MissingPart(f"The files beside the model in {str(folder)!r} do not load: {reason}") from error


def to_pixels(processor: Any, pictures: Any, place: Place) -> torch.Tensor:
    """Return pictures as a model wants them, in its floats.

    On a GPU they are moved once, as bytes, and resized and normalised there, where the processor can.

    Args:
        processor: an image processor of transformers.
        pictures: list of uint8 RGB arrays of shape (height, width, 3), or of lists of such.
        place: where the model runs.
    """
    there = place.is_cuda and any(base.__name__ == "TorchvisionBackend" for base in type(processor).__mro__)
    options = {"device": place.device} if there else {}
    pixels: torch.Tensor = processor(pictures, return_tensors="pt", **options)["pixel_values"]
    return pixels.to(place.device, place.dtype)


def usual_budget() -> int:
    """Return how many bytes models may take where nobody says: most of the device's memory."""
    import torch

    if torch.cuda.is_available():
        return int(_USUAL_SHARE * torch.cuda.get_device_properties(0).total_memory)
    return int(_USUAL_SHARE * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


class SharedModels(Generic[_T]):
    """Loads each model once for all senses that use it, and frees it when the last of them has let go."""

    def __init__(self) -> None:
        self._models: WeakValueDictionary[Hashable, Any] = WeakValueDictionary()
        self._lock = threading.Lock()

    def get(self, key: Hashable, load: Callable[[], _T]) -> _T:
        """Return the model of that key, loading it if nobody holds it; senses that ask meanwhile wait."""
        with self._lock:
            model: _T | None = self._models.get(key)
            if model is None:
                model = self._models[key] = load()
            return model


class Batcher:
    """Runs a function over batches; when memory runs out it halves the batch and goes on.

    The smaller size is kept, so that the next batch does not fail again.

    Args:
        size: how many items to try at once.
        place: where the function computes.
    """

    def __init__(self, size: int, place: Place) -> None:
        if size < 1:
            raise ValueError(f"a batch holds at least one item, got {size!r}")
        self.size, self.place = size, place

    def __call__(self, run: Callable[[Sequence[_T]], Iterable[_R]], items: Sequence[_T]) -> list[_R]:
        """Return one result for each item, in order.

        Raises:
            torch.OutOfMemoryError: even one item is too much.
        """
        import torch

        results: list[_R] = []
        while len(results) < len(items):
            batch = items[len(results) : len(results) + self.size]
            try:
                with self.place.turn():
                    results.extend(run(batch))
                continue
            except torch.OutOfMemoryError:
                if len(batch) == 1:
                    raise
            # Outside of the handler: the exception holds the frames that hold the tensors.
            self.size = max(len(batch) // 2, 1)
            free_memory()
        return results


def chunks(stream: Iterable[_T], size: int) -> Iterator[list[_T]]:
    """Yield a stream in lists of `size` items; the last may be shorter."""
    iterator = iter(stream)
    while chunk := list(islice(iterator, size)):
        yield chunk


def free_memory() -> None:
    """Give back what is no longer held: to the system, and to the GPU's other programs."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    # glibc keeps what its threads have freed: more than a gigabyte after four models of usual size.
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)
