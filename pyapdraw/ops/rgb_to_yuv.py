"""RGB or grey pixels to the Y'CbCr planes of video frames."""

from typing import Any

import numpy as np

from pyapdraw import _C
from pyapdraw.errors import BadInput
from pyapdraw.ops._arrays import Array, all_torch, call, empty, takes_device_arrays
from pyapdraw.ops._torch import Operator, declare, operators
from pyapdraw.ops.yuv_to_rgb import Matrix, chroma_planes


@takes_device_arrays
def rgb_to_yuv(
    image: Array, *, matrix: Matrix = "bt601", full_range: bool = False, out: tuple[Array, ...] | None = None
) -> tuple[Array, ...]:
    """R'G'B' of 0..255 to 8-bit Y'CbCr planes.

    Args:
        image: uint8 [H, W, 3], or [H, W] grey (chroma is then 128 everywhere, and cheap). numpy or torch (CPU, CUDA).
        matrix, full_range: as in `yuv_to_rgb`.
        out: planes to write, (y, u, v) or NV12's (y, uv [h, w, 2]); uint8, any row strides; each chroma axis of full or
            half size (rounded up). Planes of a PyAV frame: `np.frombuffer(plane, np.uint8).reshape(-1,
            plane.line_size)[:h, :w]`.

    Returns:
        (y, u, v), 4:2:0 unless `out` says otherwise, or `out`. Chroma is that of the mean of the pixels of its block.
        Within 1 of the float64 definition. Grey survives full_range both ways exactly; in video range the 256 greys
        share 220 levels, so they come back within 1. No gradient.

    Raises:
        BadInput: wrong shapes or dtypes, or planes that cannot be written.

    >>> [int(p[0, 0]) for p in rgb_to_yuv(np.full((2, 2, 3), 255, np.uint8))]
    [235, 128, 128]
    """
    if out is None:
        if all_torch(image=image):
            return tuple(operators().rgb_to_yuv(image, matrix, full_range))
        out = tuple(empty(shape, np.uint8, like=image) for shape in _shapes(image))
    if len(out) not in (2, 3):
        raise BadInput(f"out: {len(out)} planes given, (y, u, v) or (y, uv) expected")
    u, v = chroma_planes(out[1], out[2] if len(out) == 3 else None)
    all_torch(image=image, y=out[0], u=u, v=v)
    call(_C.rgb_to_yuv, image, out[0], u, v, _C.YuvFormat(matrix, full_range, 8), like=image)
    return out


def _shapes(image: Array) -> list[tuple[int, int]]:
    if image.ndim not in (2, 3):
        raise BadInput(f"image: shape {list(image.shape)} given, [H,W] or [H,W,3] expected")
    h, w = image.shape[:2]
    half = ((h + 1) // 2, (w + 1) // 2)
    return [(h, w), half, half]


def _run(image: Any, matrix: str, full_range: bool) -> Any:
    planes = _fake(image, matrix, full_range)
    call(_C.rgb_to_yuv, image, *planes, _C.YuvFormat(matrix, full_range, 8), like=image)
    return planes


def _fake(image: Any, matrix: str, full_range: bool) -> Any:
    return tuple(image.new_empty(shape) for shape in _shapes(image))


declare(Operator("rgb_to_yuv(Tensor image, str matrix, bool full_range) -> (Tensor, Tensor, Tensor)", _run, _fake))
