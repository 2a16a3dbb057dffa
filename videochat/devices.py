"""Devices and dtypes, the one lock under which models load, and the memory that they may take together."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import os
import sys
import threading
from collections.abc import Callable, Collection, Hashable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from weakref import WeakSet, WeakValueDictionary

from videochat.errors import MissingDependency, VideoChatError, first_line

if TYPE_CHECKING:
    import torch

_T = TypeVar("_T")
_R = TypeVar("_R")

LOADING = threading.RLock()
"""Held while a model of any kind is made. Meanwhile transformers replaces functions of torch for the whole process:
models that load at the same time would leave weights untied, for each other and for every later one. Whatever makes
a model does so under `loading`, which takes it."""


@contextmanager
def loading(what: str, raising: type[VideoChatError] = MissingDependency) -> Iterator[None]:
    """Hold the lock under which every model, processor and tokenizer of this package is made.

    Errors of the libraries become one sentence; errors of ours pass.

    Args:
        what: the model, as the sentence begins: `The model in 'folder'`.
        raising: class of the error.

    Raises:
        MissingDependency: (or `raising`) the files are damaged, or of another kind of model, or a package is missing.
    """
    from safetensors import SafetensorError

    with LOADING, _without_progress_bars():
        try:
            yield
        except VideoChatError:
            raise
        except (
            ImportError,
            OSError,
            ValueError,
            KeyError,
            TypeError,
            RuntimeError,
            UnpicklingError,
            SafetensorError,
        ) as error:
            raise raising(f"{what} cannot be loaded ({type(error).__name__}): {first_line(error)}") from error


@contextmanager
def _without_progress_bars() -> Iterator[None]:
    """Keep transformers from drawing a bar for a model that loads in a moment."""
    if "transformers" not in sys.modules:
        yield
        return
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    if shown:
        logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


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
    def share(self) -> Iterator[int]:
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
class Device:
    """A device and the floats that are fast on it."""

    name: str
    """`cuda`, `cuda:1`, `cpu` ..., as torch writes it."""
    dtype: torch.dtype
    """Of weights and activations."""

    @property
    def is_cuda(self) -> bool:
        """Whether it is an NVIDIA or AMD GPU."""
        return self.name.startswith("cuda")

    def computing(self) -> AbstractContextManager[Any]:
        """Return what to hold while computing: on a CPU, a share of the cores.

        A GPU orders the work by itself, and while it computes the next batch can be made ready.
        """
        return nullcontext() if self.is_cuda else _CPU.share()

    def usual_batch(self, on_gpu: int, on_cpu: int = 1) -> int:
        """Return how many items to compute at once.

        On a CPU one picture keeps the cores busy, and more only leave their caches.
        """
        return on_gpu if self.is_cuda else on_cpu


def choose_device(device: str | Device | None = None) -> Device:
    """Return where to run.

    On CUDA bfloat16, before Ampere float16; on a CPU float32, or bfloat16 where it has instructions for it
    (AMX or AVX-512 BF16), which is two to four times faster.

    Args:
        device: a torch device by name; None for CUDA where there is one, else the CPU; a `Device` is returned as
            it is.
    """
    import torch

    if isinstance(device, Device):
        return device
    name = device or ("cuda" if torch.cuda.is_available() else "cpu")
    if name.startswith("cuda"):
        fast = torch.cuda.get_device_capability(torch.device(name))[0] >= _AMPERE
        return Device(name, torch.bfloat16 if fast else torch.float16)
    checks = [getattr(torch.cpu, f"_is_{what}_supported", None) for what in ("amx_tile", "avx512_bf16")]
    fast = name == "cpu" and any(check is not None and check() for check in checks)
    return Device(name, torch.bfloat16 if fast else torch.float32)


def config_of(folder: Path) -> dict[str, Any]:
    """Return the `config.json` of a transformers model folder.

    Raises:
        MissingDependency: there is none, or it is not JSON.
    """
    path = folder / "config.json"
    try:
        config: dict[str, Any] = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise MissingDependency(
            f"{str(folder)!r} is not a transformers model: its config.json cannot be read ({type(error).__name__})."
        ) from error
    return config


def load_model(auto_class: str, folder: Path, device: Device, **options: Any) -> Any:
    """Load a transformers model from a folder, ready for inference; never touches the network.

    Args:
        auto_class: name of a transformers class, e.g. `AutoModelForObjectDetection`.
        folder: as `hub.find_weights` returned it.
        device: device and floats.
        options: further arguments of `from_pretrained`.

    Raises:
        MissingDependency: the checkpoint is of another architecture or damaged, or lacks weights that the model needs.
            transformers alone would fill those with random numbers.
    """
    import torch
    import transformers

    with loading(f"The model in {str(folder)!r}, as {auto_class},"):
        model, info = getattr(transformers, auto_class).from_pretrained(
            folder, dtype=device.dtype, output_loading_info=True, local_files_only=True, **options
        )
    lacking = sorted(info["missing_keys"])
    if lacking:
        raise MissingDependency(
            f"The checkpoint in {str(folder)!r} lacks {len(lacking)} weights of {type(model).__name__}, among them "
            f"{lacking[0]!r}: it is cut short, or was made for another task. Get the model again, or name another."
        )
    model = model.to(device.name).eval().requires_grad_(False)
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
        MissingDependency: its files are not there.
    """
    import transformers

    with loading(f"What lies beside the model in {str(folder)!r}, as {auto_class},"):
        return getattr(transformers, auto_class).from_pretrained(folder, local_files_only=True, **options)


def to_pixels(processor: Any, pictures: Any, device: Device) -> torch.Tensor:
    """Return pictures as a model wants them, in its floats.

    On a GPU they are moved once, as bytes, and resized and normalised there, where the processor can.

    Args:
        processor: an image processor of transformers.
        pictures: list of uint8 RGB arrays of shape (height, width, 3), or of lists of such.
        device: where the model runs.
    """
    there = device.is_cuda and any(base.__name__ == "TorchvisionBackend" for base in type(processor).__mro__)
    options = {"device": device.name} if there else {}
    pixels: torch.Tensor = processor(pictures, return_tensors="pt", **options)["pixel_values"]
    return pixels.to(device.name, device.dtype)


class MemoryBudget:
    """How many bytes the models of this process may take together: most of what was free when it was first asked.

    A model is counted once, however many use it, from when somebody claims it until all have released it or are gone.
    """

    def __init__(self) -> None:
        self._limit: int | None = None
        self._claims: dict[Hashable, tuple[int, WeakSet[Any]]] = {}
        self._guard = threading.Lock()

    def claim(self, model: Hashable, size: int, owner: Any) -> None:
        """Count a model as taken by `owner`.

        Args:
            model: what tells it from others, such as its `Weights`.
            size: bytes that it takes once loaded.
            owner: who uses it; held weakly.
        """
        with self._guard:
            _, owners = self._claims.get(model, (0, WeakSet()))
            owners.add(owner)
            self._claims[model] = (size, owners)

    def release(self, owner: Any) -> None:
        """Forget all claims of an owner."""
        with self._guard:
            for _, owners in self._claims.values():
                owners.discard(owner)

    def left(self, limit: float | None = None, *, besides: Collection[Hashable] = ()) -> int:
        """Return how many bytes may still be taken; below 0 where too many are.

        Args:
            limit: bytes for all models together; None for most of what is free on the device.
            besides: models that are not counted, since whoever asks will free or reuse them.
        """
        with self._guard:
            self._claims = {model: claim for model, claim in self._claims.items() if len(claim[1])}
            taken = sum(size for model, (size, _) in self._claims.items() if model not in besides)
            own = sum(size for model, (size, _) in self._claims.items() if model in besides)
        if limit is not None:
            return int(limit) - taken
        free = free_bytes()
        if self._limit is None:
            self._limit = int(_USUAL_SHARE * free)
        # What is claimed may not be loaded yet, and others may have taken memory since.
        return min(self._limit - taken, int(_USUAL_SHARE * free) + own)


BUDGET = MemoryBudget()
"""The one of this process."""


def free_bytes() -> int:
    """Return how much memory is free where models run: on the first CUDA device, else of this machine."""
    import torch

    if torch.cuda.is_available():
        return int(torch.cuda.mem_get_info()[0])
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    with contextlib.suppress(OSError, ValueError, IndexError):
        lines = Path("/proc/meminfo").read_text().splitlines()
        found.append(next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")))
    with contextlib.suppress(OSError, ValueError):  # a container may have less than its machine
        group = Path("/sys/fs/cgroup")
        found.append(int((group / "memory.max").read_text()) - int((group / "memory.current").read_text()))
    return max(min(found), 0)


class SharedModels(Generic[_T]):
    """Loads each model once for all who use it, and frees it when the last of them has let go."""

    def __init__(self) -> None:
        self._models: WeakValueDictionary[Hashable, Any] = WeakValueDictionary()
        self._lock = threading.Lock()

    def get(self, key: Hashable, load: Callable[[], _T]) -> _T:
        """Return the model of that key, loading it if nobody holds it; those who ask meanwhile wait."""
        with self._lock:
            model: _T | None = self._models.get(key)
            if model is None:
                model = self._models[key] = load()
            return model


def free_memory() -> None:
    """Give back what is no longer held: to the system, and to the GPU's other programs."""
    gc.collect()
    # Importing torch takes longer than a question; where nobody did, it holds nothing.
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
    # glibc keeps what its threads have freed: more than a gigabyte after four models of usual size.
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)
