"""Batches: a function over many items, so many at once as fit into memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

from videochat.devices import Device, free_memory

_T = TypeVar("_T")
_R = TypeVar("_R")

_LIBRARIES_SAY = ("out of memory", "_STATUS_ALLOC_FAILED", "CUBLAS_STATUS_NOT_INITIALIZED", "can't allocate memory")
"""How CUDA's libraries, and torch on a CPU, say in a plain RuntimeError that memory ran out. cuBLAS is not initialised
where its workspace does not fit any more."""


class Batcher:
    """Runs a function over batches; when memory runs out it halves the batch and goes on.

    The smaller size is kept, so that the next batch does not fail again.

    Args:
        size: how many items to try at once.
        device: where the function computes.
    """

    def __init__(self, size: int, device: Device) -> None:
        if size < 1:
            raise ValueError(f"a batch holds at least one item, got {size!r}")
        self.size, self.device = size, device

    def __call__(self, run: Callable[[Sequence[_T]], Iterable[_R]], items: Sequence[_T]) -> list[_R]:
        """Return one result for each item, in order.

        Raises:
            RuntimeError: (mostly as `torch.OutOfMemoryError`) even one item is too much.
        """
        results: list[_R] = []
        while len(results) < len(items):
            batch = items[len(results) : len(results) + self.size]
            try:
                with self.device.computing():
                    results.extend(run(batch))
                continue
            except RuntimeError as error:
                if len(batch) == 1 or not _out_of_memory(error):
                    raise
            # Outside of the handler: the exception holds the frames that hold the tensors.
            self.size = max(len(batch) // 2, 1)
            free_memory()
        return results


def _out_of_memory(error: RuntimeError) -> bool:
    import torch

    return isinstance(error, torch.OutOfMemoryError) or any(words in str(error) for words in _LIBRARIES_SAY)


def chunks(stream: Iterable[_T], size: int) -> Iterator[list[_T]]:
    """Yield a stream in lists of `size` items; the last may be shorter."""
    iterator = iter(stream)
    while chunk := list(islice(iterator, size)):
        yield chunk
