"""An aligned crop straight from the planes of a video frame."""

from typing import Any

import numpy as np

from pyapdraw import _C
from pyapdraw.errors import BadInput
from pyapdraw.ops._arrays import Array, all_torch, call, empty, is_torch, takes_device_arrays
from pyapdraw.ops._images import Size, size_of
from pyapdraw.ops._torch import Operator, declare, operators
from pyapdraw.ops.warp_affine import Filter, matrices_of
from pyapdraw.ops.yuv_to_rgb import Matrix, chroma_planes


@takes_device_arrays
def crop_yuv(
    y: Array,
    u: Array,
    v: Array | None = None,
    *,
    to_crop: Any,
    size: Size,
    filter: Filter = "antialias",
    border: float = 255,
    matrix: Matrix = "bt601",
    full_range: bool = False,
    bits: int | None = None,
    out: Array | None = None,
) -> Array:
    """What a model reads of a frame: the same bits as yuv_to_rgb, warp_affine and rgb_to_nchw one after the other.

    Only the part of the frame that the crop needs is converted.

    Args:
        y, u, v: planes as in `yuv_to_rgb`; numpy or torch (CPU, CUDA).
        to_crop: [2, 3], frame to crop coordinates, as `matrix` of `warp_affine`.
        size: (height, width) of the crop in px, or one side of a square.
        filter: as in `warp_affine`.
        border: what lies outside the frame counts as, 0 to 255.
        matrix, full_range, bits: as in `yuv_to_rgb`.
        out: float32 [1, 3, h, w]; written and returned.

    Returns:
        float32 [1, 3, h, w] in [-1, 1]. No gradient (bytes carry none).

    Raises:
        BadInput: wrong shapes, dtypes, sizes or options, or a map without inverse.

    >>> y, c = np.full((4, 4), 235, np.uint8), np.full((2, 2), 128, np.uint8)
    >>> crop_yuv(y, c, c, to_crop=[[1, 0, 0], [0, 1, 0]], size=2).ravel().tolist()
    [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    """
    u, v = chroma_planes(u, v)
    torch_kind = all_torch(y=y, u=u, v=v, out=out)
    if bits is None:
        bits = 8 if str(y.dtype).endswith("uint8") else 10
    h, w = size_of(size)
    affine = matrices_of(to_crop, y, "to_crop")[0]
    if torch_kind and out is None:
        import torch

        given = torch.from_numpy(affine)
        return operators().crop_yuv(y, u, v, given, (h, w), filter, float(border), matrix, full_range, bits)
    if out is None:
        out = empty((1, 3, h, w), np.float32, like=y)
    elif tuple(out.shape) != (1, 3, h, w):
        raise BadInput(f"out: shape {list(out.shape)} given, {[1, 3, h, w]} expected")
    _write(y, u, v, affine, out, filter, border, _C.YuvFormat(matrix, full_range, bits))
    return out


def _write(y: Array, u: Array, v: Array, affine: Array, out: Array, filter: str, border: float, form: Any) -> None:
    call(
        _C.crop_yuv, y, u, v, affine, out[0], form, filter, "constant", float(border), like=out if is_torch(out) else y
    )


def _fake(y: Any, u: Any, v: Any, affine: Any, size: Any, *_: Any) -> Any:
    import torch

    return y.new_empty((1, 3, *size), dtype=torch.float32)


def _run(
    y: Any, u: Any, v: Any, affine: Any, size: Any, filter: str, border: float, matrix: str, full_range: bool, bits: int
) -> Any:
    out = _fake(y, u, v, affine, size)
    _write(y, u, v, affine, out, filter, border, _C.YuvFormat(matrix, full_range, bits))
    return out


declare(
    Operator(
        "crop_yuv(Tensor y, Tensor u, Tensor v, Tensor to_crop, SymInt[] size, str filter, float border, str matrix,"
        " bool full_range, int bits) -> Tensor",
        _run,
        _fake,
    )
)
