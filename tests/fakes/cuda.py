"""A CUDA device that is none: tensors that say they are on it, and compute on the CPU.

torch's own FakeTensorMode has no values, and whatever chooses a token or a box needs some. Here every operation
runs for real, under the rules of a GPU: tensors of two devices do not meet (single numbers may), floats of two
kinds are not multiplied, NumPy reads only what came back to the CPU.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing

_CPU = torch.device("cpu")
_BYTES = 80 * 2**30
_CUDA = torch.device("cuda:0")
_INSIDE = torch.device("meta:7")
"""What torch's own code takes the device for: one that needs no driver, and that nobody else has."""


_DATA: Any = torch.Tensor.data
_AUTOCAST: ContextVar[bool] = ContextVar("autocast", default=False)
_IN_HALF = {"mm", "addmm", "bmm", "baddbmm", "convolution", "_scaled_dot_product_attention_math"}
_CALLS_IN_HALF = {"conv1d", "conv2d", "conv3d", "linear", "matmul", "scaled_dot_product_attention"}
"""Before torch has looked whether all are of one kind."""
_IN_THE_WIDEST = {"grid_sampler_2d", "addcmul", "addcdiv", "layer_norm", "native_layer_norm", "_softmax", "cumsum"}


class CudaTensor(torch.Tensor):
    """A tensor whose device is `cuda:0`; `held` has its values."""

    held: torch.Tensor
    device = property(lambda tensor: _CUDA)
    is_cuda = property(lambda tensor: True)
    is_meta = property(lambda tensor: False)

    @staticmethod
    def __new__(cls, held: torch.Tensor) -> CudaTensor:
        """Wrap a tensor of the CPU."""
        made: CudaTensor = torch.Tensor._make_wrapper_subclass(
            cls,
            held.size(),
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device=_INSIDE,
            requires_grad=held.requires_grad,
        )
        made.held = held
        return made

    @property
    def data(self) -> torch.Tensor:
        """What it holds, without gradients."""
        return CudaTensor(self.held.detach())

    @data.setter
    def data(self, new: torch.Tensor) -> None:
        assert isinstance(new, CudaTensor)
        _DATA.__set__(self, new)
        self.held = new.held

    def tolist(self) -> Any:
        """Wait for the device and return its numbers."""
        return self.held.tolist()

    def numpy(self, *, force: bool = False) -> Any:
        """Refuse, as for every tensor that is not on the CPU."""
        raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() first.")

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        """Refuse, too."""
        self.numpy()

    # Torch declares these as other things than the methods that its documentation has subclasses define.
    __repr__: Any = lambda tensor, **_: f"CudaTensor({tensor.held!r})"
    __torch_dispatch__: Any = classmethod(
        lambda cls, func, types, args=(), kwargs=None: _compute(func, args, kwargs or {})
    )


def _is_cuda(device: Any) -> bool:
    if device is None or isinstance(device, torch.Tensor):
        return False
    named = torch.device(device)
    return named.type == "cuda" or named == _INSIDE


def _moves(func: Any) -> bool:
    return func in {torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default}


def _compute(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    tensors = [leaf for leaf in pytree.tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
    there = [tensor for tensor in tensors if isinstance(tensor, CudaTensor)]
    if there and not _moves(func):
        strays = [t for t in tensors if not isinstance(t, CudaTensor) and t.ndim > 0]
        # As on a GPU, places may be given from the CPU.
        if strays and not func.overloadpacket.__name__.startswith(("index", "_index_put", "_unsafe_index")):
            raise RuntimeError(
                f"Expected all tensors to be on the same device, but found cuda:0 and cpu: {func} got "
                f"{[tuple(t.shape) for t in strays]} on the CPU."
            )
    bare_args, bare = pytree.tree_map_only(CudaTensor, lambda tensor: tensor.held, (args, kwargs))
    if _AUTOCAST.get():
        bare_args, bare = _autocast(func.overloadpacket.__name__, bare_args, bare)
    wanted = bare.get("device")
    onto_gpu = _is_cuda(wanted) if wanted is not None else bool(there)
    if func is torch.ops.aten.copy_.default:
        onto_gpu = isinstance(args[0], CudaTensor)
    if wanted is not None:
        bare["device"] = _CPU
        bare.pop("pin_memory", None)
    found = _product(func, bare_args, bare) if func.overloadpacket.__name__ in _IN_HALF else func(*bare_args, **bare)
    if not onto_gpu:
        return found
    wrapped = pytree.tree_map_only(torch.Tensor, CudaTensor, found)
    return return_and_correct_aliasing(func, args, kwargs, wrapped) if there else wrapped


def _product(func: Any, args: Any, kwargs: Any) -> Any:
    """Multiply in 32 bits what a GPU multiplies in 16: a CPU takes very long for those."""
    kinds = {leaf.dtype for leaf in pytree.tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)}
    if kinds not in ({torch.float16}, {torch.bfloat16}):
        return func(*args, **kwargs)  # floats that are mixed are refused there
    args, kwargs = pytree.tree_map_only(torch.Tensor, torch.Tensor.float, (args, kwargs))
    return pytree.tree_map_only(torch.Tensor, lambda tensor: tensor.to(kinds.copy().pop()), func(*args, **kwargs))


def _autocast(name: str, args: Any, kwargs: Any) -> Any:
    """Give an operation its floats as torch does for CUDA."""
    if name in _IN_HALF:
        wanted = torch.get_autocast_dtype("cuda")
    elif name in _IN_THE_WIDEST:
        wanted = torch.float32
    else:
        return args, kwargs
    return pytree.tree_map_only(
        torch.Tensor, lambda tensor: tensor.to(wanted) if tensor.is_floating_point() else tensor, (args, kwargs)
    )


class _Operations(TorchDispatchMode):
    """Takes what is made on the device inside of torch."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _compute(func, args, kwargs or {})


class _Calls(TorchFunctionMode):
    """Takes calls that name the device, before torch looks for a driver."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        # Further down torch no longer says so.
        _AUTOCAST.set(torch.is_autocast_enabled("cuda"))
        if _AUTOCAST.get() and getattr(func, "__name__", "") in _CALLS_IN_HALF:
            args, kwargs = _autocast("mm", args, kwargs)
        if func is torch.Tensor.cuda:
            return self.__torch_function__(torch.Tensor.to, types, (args[0], "cuda"))
        if func is torch.Tensor.to and len(args) > 1 and isinstance(args[1], (str, torch.device)):
            kwargs["device"] = args[1]
            args = (args[0], *args[2:])
            if len(args) > 1:
                kwargs["dtype"] = args[1]
                args = args[:1]
        if func is torch.Tensor.to and len(args) == 2 and isinstance(args[1], CudaTensor):
            kwargs |= {"device": "cuda", "dtype": args[1].dtype}
            args = args[:1]
        if getattr(func, "__name__", "") == "__get__" or not _is_cuda(kwargs.get("device")):
            return func(*args, **kwargs)
        kwargs["device"] = _CPU
        kwargs.pop("pin_memory", None)
        kwargs.pop("non_blocking", None)
        if func is torch.Tensor.to:
            (tensor,) = args
            del kwargs["device"]
            if isinstance(tensor, CudaTensor):
                return func(tensor, **kwargs) if kwargs else tensor
            return _OntoGpu.apply(func(tensor, **kwargs) if kwargs else tensor)
        found = func(*args, **kwargs)
        return pytree.tree_map_only(torch.Tensor, _claimed, found)


class _OntoGpu(torch.autograd.Function):
    """Moving a tensor, which gradients follow back."""

    @staticmethod
    def forward(ctx: Any, tensor: torch.Tensor) -> Any:
        return CudaTensor(tensor.detach())

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return gradients[0].held


def _enter_no_grad(mode: Any) -> None:
    mode.before = torch.is_grad_enabled()
    if mode.mode:
        torch.set_grad_enabled(False)


def _exit_no_grad(mode: Any, *_: Any) -> None:
    torch.set_grad_enabled(mode.before)


def _claimed(tensor: torch.Tensor) -> torch.Tensor:
    return tensor if isinstance(tensor, CudaTensor) else CudaTensor(tensor)


def _with_modes(run: Callable[[threading.Thread], None], thread: threading.Thread) -> None:
    with _Operations(), _Calls():
        run(thread)


@contextmanager
def pretended(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have torch find a GPU of compute capability 9.0 with 80 GiB, in this thread and in those begun meanwhile."""
    properties = SimpleNamespace(total_memory=_BYTES, major=9, minor=0, name="none", multi_processor_count=1)
    with monkeypatch.context() as patch:
        for name, value in {
            "is_available": True,
            "device_count": 1,
            "current_device": 0,
            "get_device_capability": (9, 0),
            "get_device_properties": properties,
            "mem_get_info": (_BYTES, _BYTES),
            "synchronize": None,
            "empty_cache": None,
            "is_current_stream_capturing": False,
            "set_device": None,
            "get_device_name": "pretended",
        }.items():
            patch.setattr(torch.cuda, name, lambda *_, value=value, **__: value)
        # Views of a wrapper cannot be inference tensors; without gradients the numbers are the same.
        patch.setattr(torch.autograd.grad_mode.inference_mode, "__enter__", _enter_no_grad)
        patch.setattr(torch.autograd.grad_mode.inference_mode, "__exit__", _exit_no_grad)
        # Nothing can be recorded; the work is done each time.
        patch.setattr("videochat.embed_model.decoder.recorded", lambda work: work)
        made = torch.Generator
        patch.setattr(torch, "Generator", lambda device="cpu": made())
        run = threading.Thread.run
        # What torch takes for the mode belongs to a thread.
        patch.setattr(threading.Thread, "run", lambda thread: _with_modes(run, thread))
        with _Operations(), _Calls():
            yield
