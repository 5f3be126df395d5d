"""What the wrappers of the native operations share: which kind of array came in, and how the native call is made."""

import sys
from typing import Any

import numpy as np

from pyapdraw import _C
from pyapdraw.errors import BadInput

Array = Any  # numpy.ndarray or torch.Tensor; torch is not imported for the annotation

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
    """True if all arguments are torch tensors, False if all are numpy arrays that the core can read.

    None counts only for the names of OPTIONAL. Raises BadInput for anything else, and for a mixture: same kind out as
    in would have no meaning.
    """
    kind = None
    for name, x in arrays.items():
        if x is None and name in OPTIONAL:
            continue
        if isinstance(x, np.ndarray):
            this = False
            check_numpy(name, x)
        elif is_torch(x):
            this = True
        else:
            given = "None" if x is None else type(x).__name__
            raise BadInput(f"{name}: {given} given, numpy array or torch tensor expected")
        if kind is None:
            kind = this
        elif this != kind:
            raise BadInput(f"{name}: numpy arrays and torch tensors are mixed, one kind expected")
    return bool(kind)


def call(native: Any, *args: Any, like: Array) -> None:
    """Run a native function. With a CUDA tensor `like`: on its device and on torch's current stream there."""
    if isinstance(like, np.ndarray) or not like.is_cuda:
        native(*args)
        return
    import torch

    with torch.cuda.device(like.device):
        native(*args, ctx=_C.Context(stream=torch.cuda.current_stream().cuda_stream))
