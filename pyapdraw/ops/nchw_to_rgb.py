"""float32 planes in [-1, 1], as models write them, to uint8 pixels."""

from typing import Any

import numpy as np

from pyapdraw import _C
from pyapdraw.errors import BadInput
from pyapdraw.ops._arrays import Array, all_torch, call, empty, takes_device_arrays
from pyapdraw.ops._torch import Operator, declare, operators


@takes_device_arrays
def nchw_to_rgb(image: Array, *, out: Array | None = None) -> Array:
    """(x + 1) * 127.5, rounded and saturated, with the channels moved to the end.

    Args:
        image: float32 [N, C, H, W] or [C, H, W], any strides. numpy or torch (CPU, CUDA).
        out: uint8 [N, H, W, C] or [H, W, C]; written and returned.

    Returns:
        uint8 [N, H, W, C], or [H, W, C] for three axes. Values outside [-1, 1] saturate, NaN becomes 0. No gradient.

    Raises:
        BadInput: wrong shape or dtype.

    >>> nchw_to_rgb(np.array([-1.0, 0.0, 2.0], np.float32).reshape(3, 1, 1))
    array([[[  0, 128, 255]]], dtype=uint8)
    """
    if all_torch(image=image, out=out):
        if out is None:
            return operators().nchw_to_rgb(image.detach())
    elif out is None:
        out = empty(_shape(image), np.uint8, like=image)
    _write(image, out)
    return out


def _shape(image: Array) -> tuple[int, ...]:
    if image.ndim not in (3, 4):
        raise BadInput(f"image: shape {list(image.shape)} given, [C,H,W] or [N,C,H,W] expected")
    *n, c, h, w = image.shape
    return (*n, h, w, c)


def _write(image: Array, out: Array) -> None:
    if tuple(out.shape) != _shape(image):
        raise BadInput(f"out: shape {list(out.shape)} given, {list(_shape(image))} expected")
    if image.ndim == 3:
        call(_C.nchw_to_rgb, image, out, like=image)
        return
    for one, target in zip(image, out):
        call(_C.nchw_to_rgb, one, target, like=image)


def _run(image: Any) -> Any:
    out = _fake(image)
    _write(image, out)
    return out


def _fake(image: Any) -> Any:
    import torch

    return image.new_empty(_shape(image), dtype=torch.uint8)


declare(Operator("nchw_to_rgb(Tensor image) -> Tensor", _run, _fake))
