"""uint8 pixels to the float32 planes in [-1, 1] that models read."""

from typing import Any

import numpy as np

from pyapdraw import _C
from pyapdraw.errors import BadInput
from pyapdraw.ops._arrays import Array, all_torch, call, empty, takes_device_arrays
from pyapdraw.ops._torch import Operator, declare, operators


@takes_device_arrays
def rgb_to_nchw(image: Array, *, out: Array | None = None) -> Array:
    """x / 127.5 - 1, with the channels moved in front.

    Args:
        image: uint8 [H, W], [H, W, C] or [N, H, W, C], any strides. numpy or torch (CPU, CUDA).
        out: float32 [N, C, H, W]; written and returned.

    Returns:
        float32 [N, C, H, W], N = 1 for one image. `nchw_to_rgb` gives the pixels back exactly. No gradient (bytes carry
        none).

    Raises:
        BadInput: wrong shape or dtype.

    >>> rgb_to_nchw(np.array([[[0, 255]]], np.uint8))[0, :, 0, 0]
    array([-1.,  1.], dtype=float32)
    """
    if all_torch(image=image, out=out):
        if out is None:
            return operators().rgb_to_nchw(image)
    elif out is None:
        out = empty(_shape(image), np.float32, like=image)
    _write(image, out)
    return out


def _batch(image: Array) -> Array:
    if image.ndim == 2:
        return image[None, :, :, None]
    if image.ndim not in (3, 4):
        raise BadInput(f"image: shape {list(image.shape)} given, [H,W], [H,W,C] or [N,H,W,C] expected")
    return image[None] if image.ndim == 3 else image


def _shape(image: Array) -> tuple[int, ...]:
    n, h, w, c = _batch(image).shape
    return n, c, h, w


def _write(image: Array, out: Array) -> None:
    if tuple(out.shape) != _shape(image):
        raise BadInput(f"out: shape {list(out.shape)} given, {list(_shape(image))} expected")
    for one, target in zip(_batch(image), out):
        call(_C.rgb_to_nchw, one, target, like=image)


def _run(image: Any) -> Any:
    out = _fake(image)
    _write(image, out)
    return out


def _fake(image: Any) -> Any:
    import torch

    return image.new_empty(_shape(image), dtype=torch.float32)


declare(Operator("rgb_to_nchw(Tensor image) -> Tensor", _run, _fake))
