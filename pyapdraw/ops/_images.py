"""Image shapes shared by warp_affine, resize and composite: [H,W], [H,W,C], or [N,C,H,W]."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pyapdraw.errors import BadInput
from pyapdraw.ops._arrays import Array, call

Size = int | Sequence[int]  # (height, width), or one side of a square


def size_of(size: Size) -> tuple[int, int]:
    """(height, width) in px."""
    try:
        h, w = (size, size) if isinstance(size, int | np.integer) else size
        h, w = int(h), int(w)
    except (TypeError, ValueError):
        raise BadInput(f"size: {size!r} given, (height, width) or one side in px expected") from None
    if h < 0 or w < 0:
        raise BadInput(f"size: {(h, w)} given, sides of at least 0 px expected")
    return h, w


def resized_shape(shape: Sequence[int], size: tuple[int, int]) -> tuple[int, ...]:
    """The shape of an image of the three layouts with another height and width."""
    if len(shape) == 4:
        return (*shape[:2], *size)
    if len(shape) in (2, 3):
        return (*size, *shape[2:])
    raise BadInput(f"image: shape {list(shape)} given, [H,W], [H,W,C] or [N,C,H,W] expected")


def check_out(image: Array, size: tuple[int, int], out: Array) -> None:
    """Raises BadInput: `out` has not the shape of `image` at another size (height, width)."""
    expected = resized_shape(image.shape, size)
    if tuple(out.shape) != expected:
        raise BadInput(f"out: shape {list(out.shape)} given, {list(expected)} expected")


def _interleaved(x: Array) -> Any:
    return x.transpose(1, 2, 0) if isinstance(x, np.ndarray) else x.permute(1, 2, 0)


def each_image(native: Any, image: Array, out: Array, *args: Any) -> None:
    """native(image, out, *args) for every image of a batch, or for the one image.

    An argument that is a list holds one value an image. Planar images cross as strided [H,W,C] views.
    """
    if image.ndim != 4:
        call(native, image, out, *(a[0] if isinstance(a, list) else a for a in args), like=image)
        return
    if out.ndim != 4 or out.shape[0] != image.shape[0]:
        raise BadInput(f"out: shape {list(out.shape)} given, {image.shape[0]} images [N,C,H,W] expected")
    for n in range(image.shape[0]):
        own = (a[n % len(a)] if isinstance(a, list) else a for a in args)
        call(native, _interleaved(image[n]), _interleaved(out[n]), *own, like=image)
