"""A drawing back into the planes of the video frame that its crop was cut from."""

from typing import Any

import numpy as np  # noqa: F401 - of the doctests

from pyapdraw import _C
from pyapdraw.ops._arrays import Array, all_torch, call, takes_device_arrays
from pyapdraw.ops.warp_affine import matrices_of
from pyapdraw.ops.yuv_to_rgb import Matrix, chroma_planes


@takes_device_arrays
def paste_yuv(
    y: Array,
    u: Array,
    v: Array | None = None,
    *,
    drawing: Array,
    alpha: Array,
    to_crop: Any,
    matrix: Matrix = "bt601",
    full_range: bool = False,
) -> None:
    """Put a drawing back where its crop was cut, in place, without leaving the planes: nothing else is touched.

    Drawing and alpha are sampled at the pixels of the frame (`warp_affine`, "antialias"; beyond the crop white, of
    opacity 0), the drawing is converted (`rgb_to_yuv`), and each plane becomes plane + (drawing - plane) alpha
    (`composite`). The opacity of a chroma pixel is the mean of its block's, rounded half up.

    Args:
        y, u, v: uint8 planes as in `yuv_to_rgb`, written; numpy or torch (CPU, CUDA).
        drawing: uint8 [h, w] or [h, w, 3].
        alpha: uint8 [h, w], 255 = the drawing alone.
        to_crop: [2, 3], frame to crop coordinates.
        matrix, full_range: as in `yuv_to_rgb`.

    Raises:
        BadInput: wrong shapes, dtypes or options, planes that cannot be written, or a map without inverse.

    >>> y, u, v = np.zeros((4, 4), np.uint8), np.zeros((2, 2), np.uint8), np.zeros((2, 2), np.uint8)
    >>> white = np.full((2, 2), 255, np.uint8)
    >>> paste_yuv(y, u, v, drawing=white, alpha=white, to_crop=[[1, 0, -2], [0, 1, 0]])
    >>> y.tolist()
    [[0, 0, 235, 235], [0, 0, 235, 235], [0, 0, 0, 0], [0, 0, 0, 0]]
    """
    u, v = chroma_planes(u, v)
    all_torch(y=y, u=u, v=v, drawing=drawing, alpha=alpha)
    affine = matrices_of(to_crop, y, "to_crop")[0]
    call(_C.paste_yuv, drawing, alpha, affine, _C.YuvFormat(matrix, full_range, 8), y, u, v, like=y)
