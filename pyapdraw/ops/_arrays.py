"""What the wrappers of the native operations share: which kind of array came in, and how the native call is made."""

import sys
import threading
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from pyapdraw import _C
from pyapdraw.errors import BadInput, DeviceError
from pyapdraw.ops._device import ArrayView, takes_device_arrays
from pyapdraw.ops._torch import all_tensors

__all__ = ["EMPTY", "Array", "ArrayView", "all_torch", "call", "empty", "empty_like", "is_torch", "takes_device_arrays"]

Array = Any  # numpy.ndarray, torch.Tensor, or a CUDA array of another library; none is imported for the annotation

EMPTY = np.empty(0, np.uint8)  # stands for an output that is not wanted


def is_torch(x: Array) -> bool:
    """Whether x is a torch tensor. Never imports torch: without it in the process, x cannot be one."""
    if isinstance(x, np.ndarray):
        return False
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(x, torch.Tensor)


# Arguments that may be None, wherever they occur; every other array is required.
OPTIONAL = frozenset({"out", "b", "f", "bias", "noise", "resample_filter"})

_CODES = frozenset("?BHilqefd")  # numpy's letters for the element types of the core
_DTYPES = "bool, uint8, uint16, int32, int64, float16, float32 or float64"


def check_numpy(name: str, x: np.ndarray) -> None:
    """What the native module would refuse without knowing the argument's name, or could not read."""
    dtype = x.dtype
    if dtype.char not in _CODES or not dtype.isnative:
        raise BadInput(f"{name}: dtype {dtype} given, {_DTYPES} in the machine's byte order expected")
    if x.ndim > 5:
        raise BadInput(f"{name}: {x.ndim} axes given, at most 5 expected")
    flags = x.flags
    if not flags.aligned:
        raise BadInput(f"{name}: data that is not aligned to its elements given, a copy expected")
    if not flags.c_contiguous and any(s % dtype.itemsize for s in x.strides):
        raise BadInput(f"{name}: strides {x.strides} that are no multiples of the element given, a copy expected")


def all_torch(**arrays: Array) -> bool:
    """True if all arguments are torch tensors, False if all are numpy arrays, or ArrayViews of CUDA arrays.

    None counts only for the names of OPTIONAL. Raises BadInput for anything else, and for a mixture: same kind out as
    in would have no meaning.
    """
    if all_tensors(arrays, OPTIONAL):
        return True
    kind = None
    torch = sys.modules.get("torch")
    tensor = () if torch is None else torch.Tensor
    for name, x in arrays.items():
        if x is None and name in OPTIONAL:
            continue
        if isinstance(x, tensor):
            this = "torch tensors"
        elif isinstance(x, np.ndarray):
            this = "numpy arrays"
            check_numpy(name, x)
        elif isinstance(x, ArrayView):
            this = "CUDA arrays of other libraries"
        else:
            given = "None" if x is None else type(x).__name__
            raise BadInput(f"{name}: {given} given, numpy array, torch tensor or CUDA array expected")
        if kind is None:
            kind = this
        elif this != kind:
            raise BadInput(f"{name}: {' and '.join(sorted((kind, this)))} are mixed, one kind expected")
    return kind == "torch tensors"


def empty(shape: Sequence[int], dtype: Any, like: Array) -> Array:
    """A new array of the kind of `like`, a numpy array or an ArrayView: of the same library, on the same device."""
    if isinstance(like, ArrayView):
        return like.call.empty(shape, dtype, like.device)
    return np.empty(shape, dtype)


def empty_like(like: Array) -> Array:
    """The same with the shape and dtype of `like`, and its memory format where it is a numpy array."""
    return like.call.empty(like.shape, like.dtype, like.device) if isinstance(like, ArrayView) else np.empty_like(like)


def call(native: Any, *args: Any, like: Array) -> None:
    """Run a native function. With a CUDA array `like`: on the current stream of its library, on its device.

    Scratch memory, where an operation needs it, comes from the same library: with torch from its caching allocator,
    which knows streams and graph capture.
    """
    if type(like) is ArrayView:  # isinstance asks its metaclass: 0.1 us
        native(*args, ctx=like.call.context(like))
    elif isinstance(like, np.ndarray) or not like.is_cuda:
        native(*args)
    else:
        index = like.get_device()
        context = _context(index, _torch_stream(index))
        try:
            native(*args, ctx=context)
        finally:
            context.let_go()


class _Contexts(threading.local):
    """Those of a thread: two threads on one stream must not drop each other's scratch memory."""

    def __init__(self) -> None:
        self.known: dict[tuple[int, int], Any] = {}


_contexts = _Contexts()
_MOST_CONTEXTS = 256  # a program that makes streams without end


def _context(index: int, stream: int) -> Any:
    """For torch tensors of a CUDA device, on that stream; kept, because making one costs as much as a small launch."""
    known = _contexts.known
    found = known.get((index, stream))
    if found is None:
        if len(known) >= _MOST_CONTEXTS:
            known.clear()
        found = known[index, stream] = _C.Context(stream=stream, allocate=partial(_torch_scratch, index))
    return found


def _torch_stream(index: int) -> int:
    """The handle of torch's current stream on a device."""
    import torch

    raw = getattr(torch._C, "_cuda_getCurrentRawStream", None)  # without a Stream object around it: 0.1 us against 3
    return raw(index) if raw is not None else torch.cuda.current_stream(index).cuda_stream


def _torch_scratch(index: int, count: int) -> Any:
    import torch

    try:
        return torch.empty(count, dtype=torch.uint8, device=torch.device("cuda", index))
    except torch.OutOfMemoryError as e:
        raise DeviceError(f"no free memory on the CUDA device for {count} bytes of scratch ({e})") from e
