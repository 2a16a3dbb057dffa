"""Batches."""

from collections.abc import Sequence

import pytest
import torch

from videochat.batches import Batcher, chunks
from videochat.devices import Device


def test_out_of_memory_halves_the_batch_and_goes_on() -> None:
    sizes = []

    def run(items: Sequence[int]) -> list[int]:
        sizes.append(len(items))
        if len(items) > 3:
            raise torch.OutOfMemoryError("too much")
        return [item * 2 for item in items]

    batcher = Batcher(8, Device("cpu", torch.float32))
    assert batcher(run, list(range(10))) == list(range(0, 20, 2))
    assert sizes == [8, 4, 2, 2, 2, 2, 2]
    assert batcher(run, [1, 2, 3]) == [2, 4, 6]
    assert sizes[7:] == [2, 1]


@pytest.mark.parametrize(
    "error",
    [
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "CUDA error: out of memory",
        "[enforce fail at alloc_cpu.cpp:118] . DefaultCPUAllocator: can't allocate memory: you tried",
    ],
)
def test_libraries_that_run_out_of_memory_halve_it_too(error: str) -> None:
    def run(items: Sequence[int]) -> Sequence[int]:
        if len(items) > 2:
            raise RuntimeError(error)
        return items

    batcher = Batcher(4, Device("cpu", torch.float32))
    assert batcher(run, list(range(5))) == list(range(5))
    assert batcher.size == 2


def test_other_errors_are_not_about_memory() -> None:
    def run(items: Sequence[int]) -> list[int]:
        raise RuntimeError("shape '[2]' is invalid for input of size 3")

    with pytest.raises(RuntimeError, match="shape"):
        Batcher(4, Device("cpu", torch.float32))(run, [1, 2])


def test_one_item_too_large_is_an_error() -> None:
    def run(items: Sequence[int]) -> list[int]:
        raise torch.OutOfMemoryError("too much")

    with pytest.raises(torch.OutOfMemoryError):
        Batcher(4, Device("cpu", torch.float32))(run, [1, 2])
    with pytest.raises(ValueError, match="at least one item"):
        Batcher(0, Device("cpu", torch.float32))


def test_chunks() -> None:
    assert list(chunks(iter(range(5)), 2)) == [[0, 1], [2, 3], [4]]
