"""Separable antialiased resampling with a triangle filter."""

from typing import Any

import numpy as np

from pyapdraw import _C
from pyapdraw.ops._arrays import Array, all_torch, empty, takes_device_arrays
from pyapdraw.ops._images import Size, check_out, each_image, resized_shape, size_of
from pyapdraw.ops._torch import Operator, declare, operators


@takes_device_arrays
def resize(image: Array, size: Size, *, out: Array | None = None) -> Array:
    """Resample an image: bilinear where it grows, area-weighted (antialiased) where it shrinks.

    Args:
        image: uint8 or float32; [H, W], [H, W, C] or [N, C, H, W], any strides. numpy or torch (CPU, CUDA).
        size: (height, width) in px, or one side of a square.
        out: same dtype and kind, of the new size; written and returned. It must not overlap `image`.

    Returns:
        The image of the new size, same dtype. Output pixel i sums source pixels under a triangle of half width
        max(1, scale) around (i + 1/2) * scale, renormalised at the borders (the filter of Pillow's BILINEAR; uint8
        results are within 1 of it, and within 1 of the float64 definition). Differentiable for float32.

    Raises:
        BadInput: wrong shape, dtype or size; an empty image with a non-empty size; an `out` that cannot be written.

    >>> resize(np.array([[0, 100, 200, 100]], np.uint8), (1, 2))
    array([[ 71, 143]], dtype=uint8)
    """
    wanted = size_of(size)
    if all_torch(image=image, out=out):
        if out is None:
            return operators().resize(image, wanted)
    elif out is None:
        out = empty(resized_shape(image.shape, wanted), image.dtype, like=image)
    check_out(image, wanted, out)
    each_image(_C.resize, image, out)
    return out


def triangle_weights(n_in: int, n_out: int) -> np.ndarray:
    """The float64 [n_out, n_in] matrix that resize applies along one axis."""
    scale = n_in / n_out
    centre = (np.arange(n_out)[:, None] + 0.5) * scale
    weights = np.maximum(0.0, 1.0 - np.abs(np.arange(n_in)[None] + 0.5 - centre) / max(1.0, scale))
    return weights / weights.sum(1, keepdims=True)


def _run(image: Any, size: Any) -> Any:
    out = image.new_empty(resized_shape(image.shape, tuple(size)))
    each_image(_C.resize, image.detach(), out)
    return out


def _fake(image: Any, size: Any) -> Any:
    return image.new_empty(resized_shape(image.shape, tuple(size)))


def _save(ctx: Any, inputs: Any, output: Any) -> None:
    ctx.shape = inputs[0].shape
    ctx.size = tuple(inputs[1])


def resize_adjoint(grad: Any, shape: Any) -> Any:
    """The transpose of resize (torch): gradient of an image of `shape` from that of its resized copy."""
    import torch

    planar = len(shape) == 4
    axes = (2, 3) if planar else (0, 1)
    down, across = (
        torch.from_numpy(triangle_weights(int(shape[a]), int(grad.shape[a]))).to(grad.device, grad.dtype) for a in axes
    )
    rule = "ncyx,yh,xw->nchw" if planar else ("yxc,yh,xw->hwc" if len(shape) == 3 else "yx,yh,xw->hw")
    return torch.einsum(rule, grad, down, across)


def _backward(ctx: Any, grad: Any) -> Any:
    return resize_adjoint(grad, ctx.shape), None


declare(Operator("resize(Tensor image, SymInt[] size) -> Tensor", _run, _fake, _save, _backward))
