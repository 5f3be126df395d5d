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


def all_torch(**arrays: Array) -> bool:
    """True if all arguments are torch tensors, False if all are numpy arrays; None arguments do not count.

    Raises BadInput for anything else, and for a mixture: same kind out as in would have no meaning.
    """
    kind = None
    for name, x in arrays.items():
        if x is None:
            continue
        this = is_torch(x)
        if not this and not isinstance(x, np.ndarray):
            raise BadInput(f"{name}: {type(x).__name__} given, numpy array or torch tensor expected")
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
