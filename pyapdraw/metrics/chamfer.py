"""Chamfer distance of two drawings: how far the ink of each is from the other's [APD19, equation 5, as a figure]."""

from __future__ import annotations

import math

import numpy as np

from pyapdraw import _C
from pyapdraw.errors import BadInput
from pyapdraw.metrics.boundary import INK_BELOW


def chamfer_distance(drawing: np.ndarray, reference: np.ndarray) -> float:
    """Mean distance of the drawing's ink to the nearest ink of the reference, and the other way round, averaged.

    Args:
        drawing, reference: uint8 [H,W] of one shape; ink is below 128.

    Returns:
        px; 0 for the same ink. Where just one of the two has ink, the diagonal of the picture; 0 where neither has.

    Raises:
        BadInput: shapes differ, or not uint8 [H,W].
    """
    for name, array in (("drawing", drawing), ("reference", reference)):
        if array.dtype != np.uint8 or array.ndim != 2 or array.size == 0:
            raise BadInput(f"{name}: {array.dtype} {list(array.shape)} given, uint8 [H,W] expected")
    if drawing.shape != reference.shape:
        expected = f"that of drawing, {list(drawing.shape)}"
        raise BadInput(f"reference: shape {list(reference.shape)} given, {expected}, expected")
    ours, theirs = drawing < INK_BELOW, reference < INK_BELOW
    if not ours.any() or not theirs.any():
        return 0.0 if ours.any() == theirs.any() else math.hypot(*drawing.shape)
    return (_mean_distance(ours, theirs) + _mean_distance(theirs, ours)) / 2


def _mean_distance(of: np.ndarray, to: np.ndarray) -> float:
    distance = np.empty(to.shape, np.float32)
    _C.distance_transform(to, distance)
    return float(distance[of].mean(dtype=np.float64))
