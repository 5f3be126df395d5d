"""Up- or downsampling by a filter [Karras et al.: Analyzing and Improving the Image Quality of StyleGAN]."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from pyapdraw import _C
from pyapdraw.errors import BadInput
from pyapdraw.ops._arrays import EMPTY, Array, all_torch, call, empty, takes_device_arrays
from pyapdraw.ops._torch import Operator, declare, operators


@takes_device_arrays
def upfirdn2d(
    x: Array,
    f: Array | None,
    *,
    up: int | Sequence[int] = 1,
    down: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    flip_filter: bool = False,
    gain: float = 1,
) -> Array:
    """Insert zeros, pad or crop, convolve, keep every ``down``-th sample, as StyleGAN2 defines it.

    Args:
        x: [N, C, H, W], any strides, float32, bfloat16 or float64, on CUDA also float16; numpy or torch.
        f: filter, float32: [fh, fw], or [f] that is applied along both axes, or None for none. Sides of 1 to 64.
        up: each sample becomes itself and up - 1 zeros after it; one integer or (x, y), 1 to 64.
        down: decimation, one of that many samples is kept; one integer or (x, y), 1 to 64.
        padding: zeros around the upsampled image, cropped where negative: one integer, (x, y), or (left, right, top,
            bottom).
        flip_filter: False convolves, True correlates.
        gain: factor on the result.

    Returns:
        [N, C, Ho, Wo] of x's dtype and memory format, ``Wo = (W * up + left + right - fw) // down + 1``, likewise Ho;
        computed in float32 (float64 for float64). With torch it carries derivatives of any order with respect to x,
        none with respect to f.

    Raises:
        BadInput: a shape, dtype, kind or device that does not fit, or padding that leaves less than the filter covers.

    >>> upfirdn2d(np.ones((1, 1, 1, 3), np.float32), None, up=(2, 1))
    array([[[[1., 0., 1., 0., 1., 0.]]]], dtype=float32)
    """
    up2, down2 = _pair(up, "up"), _pair(down, "down")
    sides = _sides(padding)
    if all_torch(x=x, f=f):
        if f is not None and f.requires_grad:
            raise BadInput("f: requires a gradient, which upfirdn2d does not give; expected a constant filter")
        return operators().upfirdn2d(x, f, up2, down2, sides, bool(flip_filter), float(gain))
    shape, how = _plan(x.shape, f if f is None else f.shape, *up2, *down2, *sides, bool(flip_filter), float(gain))
    if isinstance(x, np.ndarray) and _channels_last_numpy(x):
        n, channels, *size = shape
        out = np.empty((n, *size, channels), x.dtype).transpose(0, 3, 1, 2)
    else:
        out = empty(shape, x.dtype, like=x)
    call(_C.upfirdn2d, x, EMPTY if f is None else f, out, how, like=x)
    return out


def _pair(value: int | Sequence[int], name: str) -> list[int]:
    if isinstance(value, int):
        return [value, value]
    both = list(value)
    if len(both) != 2:
        raise BadInput(f"{name}: {value!r} given, an integer or (x, y) expected")
    return both


def _sides(padding: int | Sequence[int]) -> list[int]:
    if isinstance(padding, int):
        return [padding] * 4
    sides = list(padding)
    if len(sides) == 2:
        return [sides[0], sides[0], sides[1], sides[1]]
    if len(sides) != 4:
        raise BadInput(f"padding: {padding!r} given, an integer, (x, y) or (left, right, top, bottom) expected")
    return sides


def filter_size(f: Any) -> tuple[int, int]:
    """(height, width) of a filter as the caller gives it."""
    return _taps(None if f is None else f.shape)


def _taps(shape: Sequence[int] | None) -> tuple[int, int]:
    if shape is not None and len(shape) not in (1, 2):
        raise BadInput(f"f: shape {list(shape)} given, [fh,fw] or [f] expected")
    return (1, 1) if shape is None else (shape[0], shape[-1])


def output_size(
    shape: Sequence[int], taps: Sequence[int], up: Sequence[int], down: Sequence[int], sides: Sequence[int]
) -> list[int]:
    """[Ho, Wo]; a side that does not fit becomes 0, for the native checks to refuse."""
    width = (shape[3] * up[0] + sides[0] + sides[1] - taps[1]) // max(down[0], 1) + 1
    height = (shape[2] * up[1] + sides[2] + sides[3] - taps[0]) // max(down[1], 1) + 1
    return [max(height, 0), max(width, 0)]


# By type as well: 2 and 2.0 are one key, but the native module refuses one of them.
@lru_cache(512, typed=True)
def _plan(shape: tuple, filter_shape: tuple | None, *options: Any) -> tuple[tuple[int, ...], Any]:
    """The size of the result and the options of the native call, which a network asks for again and again.

    options: up, down and padding one number after the other, then flip_filter and gain.
    """
    if len(shape) != 4:
        raise BadInput(f"x: shape {list(shape)} given, [N,C,H,W] expected")
    up, down, padding = options[:2], options[2:4], options[4:8]
    size = output_size(shape, _taps(filter_shape), up, down, padding)
    return (shape[0], shape[1], *size), _C.Resampling(up, down, padding, *options[8:])


def _channels_last_numpy(x: np.ndarray) -> bool:
    return x.shape[1] > 1 and not x.flags.c_contiguous and x.transpose(0, 2, 3, 1).flags.c_contiguous


def _new(x: Any, *shape: int) -> Any:
    """Of the memory format of x."""
    if not x.is_contiguous():
        import torch

        last = torch.channels_last
        if x.is_contiguous(memory_format=last):
            return torch.empty(*shape, dtype=x.dtype, device=x.device, memory_format=last)
    return x.new_empty(*shape)


def _fake(x: Any, f: Any, up: list, down: list, padding: list, flip_filter: bool, gain: float) -> Any:
    width = (x.shape[3] * up[0] + padding[0] + padding[1] - filter_size(f)[1]) // down[0] + 1
    height = (x.shape[2] * up[1] + padding[2] + padding[3] - filter_size(f)[0]) // down[1] + 1
    return _new(x, *x.shape[:2], height, width)


def _run(x: Any, f: Any, up: list, down: list, padding: list, flip_filter: bool, gain: float) -> Any:
    shape, how = _plan(x.shape, f if f is None else f.shape, *up, *down, *padding, flip_filter, gain)
    out = _new(x, *shape)
    call(_C.upfirdn2d, x, EMPTY if f is None else f, out, how, like=x)
    return out


def _save(ctx: Any, inputs: tuple, output: Any) -> None:
    x, f, *rest = inputs
    ctx.save_for_backward(f)
    ctx.rest = tuple(rest)
    ctx.sizes = (x.shape[-2:], output.shape[-2:])


def _backward(ctx: Any, grad: Any) -> Any:
    (f,) = ctx.saved_tensors
    up, down, padding, flip_filter, gain = ctx.rest
    (height, width), (out_height, out_width) = ctx.sizes
    if height == 0 or width == 0:
        return grad.new_zeros((*grad.shape[:2], height, width)), *[None] * 6
    fh, fw = filter_size(f)
    left, top = fw - padding[0] - 1, fh - padding[2] - 1
    # What is left on the far sides, so that the result has the size of x.
    right = width * up[0] - out_width * down[0] + padding[0] - up[0] + 1
    bottom = height * up[1] - out_height * down[1] + padding[2] - up[1] + 1
    sides = [left, right, top, bottom]
    return operators().upfirdn2d(grad, f, down, up, sides, not flip_filter, gain), *[None] * 6


declare(
    Operator(
        "upfirdn2d(Tensor x, Tensor? f, int[] up, int[] down, SymInt[] padding, bool flip_filter, float gain)"
        " -> Tensor",
        _run,
        _fake,
        save=_save,
        backward=_backward,
    )
)
