"""What spoils a drawing whatever it is of: loose specks, and grey where a pen leaves black and white."""

from __future__ import annotations

import numpy as np

from pyapdraw.errors import BadInput
from pyapdraw.need import need

INK_BELOW = 128
SPECK_AREA, SPECK_GAP = 15.0, 3.0  # px^2 and px of a crop of 512 px: smaller areas, further from other ink
GREY = (40, 215)  # levels that are neither ink nor paper


def specks(drawing: np.ndarray, scale: float = 1.0) -> int:
    """Areas of ink (< 128, corners touch) smaller than 15 px^2 with no other ink within 3 px.

    drawing: uint8 [H,W]. scale: px of the drawing a px of a 512 px crop. Raises BadInput; Unsupported: no SciPy here.
    """
    _check(drawing)
    ndimage = need("scipy.ndimage", extra="dev", why="counting specks")
    labels, count = ndimage.label(drawing < INK_BELOW, np.ones((3, 3)))
    if count == 0:
        return 0
    areas = np.bincount(labels.ravel())
    gap = max(1, round(SPECK_GAP * scale))
    loose = 0
    for number, box in enumerate(ndimage.find_objects(labels), start=1):
        if areas[number] >= SPECK_AREA * scale**2:
            continue
        around = tuple(slice(max(0, part.start - gap), part.stop + gap) for part in box)
        near = labels[around]
        own = near == number
        others = (near > 0) & ~own
        loose += not (others.any() and (others & ndimage.binary_dilation(own, np.ones((3, 3)), gap)).any())
    return loose


def grey_share(drawing: np.ndarray) -> float:
    """Share of the pixels that are grey (40 to 215) among neighbours, all eight, that are grey as well: washes and
    fades, not the rims of lines. drawing: uint8 [H,W]. Raises BadInput."""
    _check(drawing)
    if min(drawing.shape) < 3:
        return 0.0
    grey = (drawing >= GREY[0]) & (drawing <= GREY[1])
    rows = grey[:-2] & grey[1:-1] & grey[2:]
    return float((rows[:, :-2] & rows[:, 1:-1] & rows[:, 2:]).sum() / drawing.size)


def _check(drawing: np.ndarray) -> None:
    if not isinstance(drawing, np.ndarray) or drawing.dtype != np.uint8 or drawing.ndim != 2:
        given = f"{drawing.dtype} {list(drawing.shape)}" if isinstance(drawing, np.ndarray) else type(drawing).__name__
        raise BadInput(f"drawing: {given} given, uint8 [H,W] expected")
