"""Y'CbCr planes of video frames to RGB pixels, or to the normalised planes that models read."""

from typing import Any, Literal

import numpy as np

from pyapdraw import _C
from pyapdraw.errors import BadInput
from pyapdraw.ops._arrays import Array, all_torch, call, empty, is_torch, takes_device_arrays
from pyapdraw.ops._torch import Operator, declare, operators

Matrix = Literal["bt601", "bt709", "bt2020"]


@takes_device_arrays
def yuv_to_rgb(
    y: Array,
    u: Array,
    v: Array | None = None,
    *,
    matrix: Matrix = "bt601",
    full_range: bool = False,
    bits: int | None = None,
    out: Array | None = None,
) -> Array:
    """Y'CbCr to R'G'B' of 0..255.

    Args:
        y: [H, W] uint8, or uint16 with the value in its low bits; any strides. numpy or torch (CPU, CUDA).
        u, v: same dtype; [H or ceil(H/2), W or ceil(W/2)], so 4:2:0, 4:2:2 and 4:4:4 are told by the shape. NV12: leave
            v out and give the interleaved plane [h, w, 2] as u.
        matrix: "bt601", "bt709" (HD) or "bt2020" (non-constant luminance).
        full_range: False: luma 16..235 and chroma 16..240 (video); True: 0..255 (JPEG).
        bits: of a uint16 sample, 9 to 16 (10 by default; P010 frames are 16).
        out: uint8 [H, W, 3]; written and returned.

    Returns:
        uint8 [H, W, 3]. Chroma is repeated over its block, not interpolated. Within 1 of the float64 definition; no
        gradient.

    Raises:
        BadInput: wrong shapes, dtypes, bits or option.

    >>> yuv_to_rgb(np.full((2, 2), 235, np.uint8), np.full((1, 1), 128, np.uint8), np.full((1, 1), 128, np.uint8))[0, 0]
    array([255, 255, 255], dtype=uint8)
    """
    return _convert(y, u, v, matrix, full_range, bits, False, out)


@takes_device_arrays
def yuv_to_nchw(
    y: Array,
    u: Array,
    v: Array | None = None,
    *,
    matrix: Matrix = "bt601",
    full_range: bool = False,
    bits: int | None = None,
    out: Array | None = None,
) -> Array:
    """As yuv_to_rgb, but float32 [1, 3, H, W] in [-1, 1], without the rounding to uint8 in between."""
    return _convert(y, u, v, matrix, full_range, bits, True, out)


def _convert(
    y: Array, u: Array, v: Array | None, matrix: str, full_range: bool, bits: int | None, nchw: bool, out: Array | None
) -> Array:
    u, v = chroma_planes(u, v)
    torch_kind = all_torch(y=y, u=u, v=v, out=out)
    if bits is None:
        bits = 8 if str(y.dtype).endswith("uint8") else 10
    if torch_kind and out is None:
        return operators().yuv_to_rgb(y, u, v, matrix, full_range, bits, nchw)
    if y.ndim != 2:
        raise BadInput(f"y: shape {list(y.shape)} given, [H,W] expected")
    if out is None:
        out = empty((1, 3, *y.shape), np.float32, like=y) if nchw else empty((*y.shape, 3), np.uint8, like=y)
    _write(y, u, v, out, _C.YuvFormat(matrix, full_range, bits), nchw)
    return out


def chroma_planes(u: Array, v: Array | None) -> tuple[Array, Array]:
    """(u, v), also from the interleaved plane of NV12."""
    if v is not None:
        return u, v
    if getattr(u, "ndim", 0) != 3 or u.shape[2] != 2:
        raise BadInput("v: none given; that is for an interleaved chroma plane [h,w,2], given as u")
    return u[:, :, 0], u[:, :, 1]


def _write(y: Array, u: Array, v: Array, out: Array, form: Any, nchw: bool) -> None:
    expected = ((1, 3, *y.shape), "float32") if nchw else ((*y.shape, 3), "uint8")
    if tuple(out.shape) != expected[0] or not str(out.dtype).endswith(expected[1]):
        raise BadInput(f"out: {out.dtype} {list(out.shape)} given, {expected[1]} {list(expected[0])} expected")
    call(_C.yuv_to_rgb, y, u, v, out[0] if nchw else out, form, like=out if is_torch(out) else y)


def _empty(y: Any, nchw: bool) -> Any:
    import torch

    if nchw:
        return y.new_empty((1, 3, *y.shape), dtype=torch.float32)
    return y.new_empty((*y.shape, 3), dtype=torch.uint8)


def _run(y: Any, u: Any, v: Any, matrix: str, full_range: bool, bits: int, nchw: bool) -> Any:
    out = _empty(y, nchw)
    _write(y, u, v, out, _C.YuvFormat(matrix, full_range, bits), nchw)
    return out


def _fake(y: Any, u: Any, v: Any, matrix: str, full_range: bool, bits: int, nchw: bool) -> Any:
    return _empty(y, nchw)


declare(
    Operator(
        "yuv_to_rgb(Tensor y, Tensor u, Tensor v, str matrix, bool full_range, int bits, bool nchw) -> Tensor",
        _run,
        _fake,
    )
)
