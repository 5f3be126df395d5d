"""A drawing back into the planes of the video frame that its crop was cut from."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pyapdraw.errors import BadInput
from pyapdraw.ops._arrays import Array, all_torch
from pyapdraw.ops.composite import composite
from pyapdraw.ops.resize import resize
from pyapdraw.ops.rgb_to_yuv import rgb_to_yuv
from pyapdraw.ops.warp_affine import matrices_of, warp_affine
from pyapdraw.ops.yuv_to_rgb import Matrix, chroma_planes


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

    Drawing and alpha are warped into the rectangle of the frame that they reach (`warp_affine`, "antialias"), the
    drawing is converted (`rgb_to_yuv`), and each plane becomes plane + (drawing - plane) alpha (`composite`); alpha is
    halved by `resize` for halved chroma.

    Args:
        y, u, v: uint8 planes as in `yuv_to_rgb`, written; numpy or torch (CPU, CUDA).
        drawing: uint8 [S, S] or [S, S, 3].
        alpha: uint8 [S, S], 255 = the drawing alone.
        to_crop: [2, 3], frame to crop coordinates.
        matrix, full_range: as in `yuv_to_rgb`.

    Raises:
        BadInput: wrong shapes, dtypes or options, or a map without inverse.

    >>> y, u, v = np.zeros((4, 4), np.uint8), np.zeros((2, 2), np.uint8), np.zeros((2, 2), np.uint8)
    >>> white = np.full((2, 2), 255, np.uint8)
    >>> paste_yuv(y, u, v, drawing=white, alpha=white, to_crop=[[1, 0, -2], [0, 1, 0]])
    >>> y.tolist()
    [[0, 0, 235, 235], [0, 0, 235, 235], [0, 0, 0, 0], [0, 0, 0, 0]]
    """
    u, v = chroma_planes(u, v)
    all_torch(y=y, u=u, v=v, drawing=drawing, alpha=alpha)
    for name, plane in (("y", y), ("u", u), ("v", v)):
        if plane.ndim != 2:
            raise BadInput(f"{name}: shape {list(plane.shape)} given, [H,W] expected")
        if isinstance(plane, np.ndarray) and not plane.flags.writeable:
            raise BadInput(f"{name}: is read-only, a writable plane expected")
    if alpha.ndim != 2 or tuple(drawing.shape[:2]) != tuple(alpha.shape):
        raise BadInput(f"alpha: shape {list(alpha.shape)} given for drawing {list(drawing.shape)}, [S,S] expected")
    to_frame = _inverse(matrices_of(to_crop, drawing)[0])
    halved = (u.shape[0] != y.shape[0], u.shape[1] != y.shape[1])
    rows, columns = reach(to_frame, alpha.shape, y.shape, halved)
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return
    to_frame[:, 2] -= (columns.start, rows.start)
    size = (rows.stop - rows.start, columns.stop - columns.start)
    opacity = warp_affine(alpha, to_frame, size, filter="antialias", border=0)
    pixels = warp_affine(drawing, to_frame, size, filter="antialias", border=255)
    chroma_size = [-(-n // 2) if half else n for n, half in zip(size, halved)]
    planes = tuple(_empty(y, shape) for shape in (size, chroma_size, chroma_size))
    luma, blue, red = rgb_to_yuv(pixels, matrix=matrix, full_range=full_range, out=planes)
    part = y[rows, columns]
    composite(luma, opacity, part, out=part)
    if any(halved):
        opacity = resize(opacity, chroma_size)
    window = tuple(slice(s.start // 2, -(-s.stop // 2)) if h else s for s, h in zip((rows, columns), halved))
    for plane, own in ((u, blue), (v, red)):
        part = plane[window]
        composite(own, opacity, part, out=part)


def _empty(like: Array, shape: Sequence[int]) -> Array:
    return np.empty(shape, np.uint8) if isinstance(like, np.ndarray) else like.new_empty(tuple(shape))


def _inverse(affine: np.ndarray) -> np.ndarray:
    try:
        linear = np.linalg.inv(affine[:, :2])
    except np.linalg.LinAlgError:
        linear = np.full((2, 2), np.nan)
    if not (np.isfinite(affine).all() and np.isfinite(linear).all()):
        raise BadInput(f"to_crop: {affine.tolist()} given, a finite map with an inverse expected")
    return np.column_stack([linear, -linear @ affine[:, 2]])


def reach(
    to_frame: np.ndarray, crop: Sequence[int], frame: Sequence[int], halved: tuple[bool, bool]
) -> tuple[slice, slice]:
    """Rows and columns of the frame that a crop can touch, whole pixels of chroma."""
    far = np.array([crop[1], crop[0]], np.float64)
    corners = np.array([(x, y) for x in (-1.0, far[0]) for y in (-1.0, far[1])]) @ to_frame[:, :2].T + to_frame[:, 2]
    found = []
    for axis, low, high in (
        (0, corners[:, 1].min(), corners[:, 1].max()),
        (1, corners[:, 0].min(), corners[:, 0].max()),
    ):
        n, unit = frame[axis], 2 if halved[axis] else 1
        first = int(np.clip(np.floor(low), 0, n)) // unit * unit
        last = -(-int(np.clip(np.ceil(high) + 1, 0, n)) // unit) * unit
        found.append(slice(first, min(last, n)))
    return found[0], found[1]
