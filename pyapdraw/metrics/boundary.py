"""How near a drawing is to a reference drawing: where its ink ends, and how dark it is.

Both figures compare two drawings uint8 [H,W] (0 = ink, 255 = paper) of one crop.
"""

from __future__ import annotations

import math

import numpy as np

from pyapdraw import _C
from pyapdraw.errors import BadInput

INK_BELOW = 128


def ink_boundary(drawing: np.ndarray) -> np.ndarray:
    """Ink pixels (< 128) with a paper pixel beside, above or below: bool [H,W]. The picture's border is none."""
    ink = drawing < INK_BELOW
    wide = np.pad(ink, 1, mode="edge")
    inner = wide[:-2, 1:-1] & wide[2:, 1:-1] & wide[1:-1, :-2] & wide[1:-1, 2:]
    return ink & ~inner


def boundary_f(drawing: np.ndarray, reference: np.ndarray, radius_px: float = 2.0) -> float:
    """F1 score of the ink's boundary pixels, matched within a radius.

    Precision is the share of the drawing's boundary pixels that have one of the reference within `radius_px`
    (Euclidean), recall the share of the reference's that have one of the drawing.

    Args:
        drawing, reference: uint8 [H,W] of one shape.
        radius_px: largest distance of a match, inclusive.

    Returns:
        0 (nothing matches, or one of the two has ink and the other none) to 1 (all match; both without ink).

    Raises:
        BadInput: shapes differ, or not uint8 [H,W].
    """
    _check(drawing, reference)
    ours, theirs = ink_boundary(drawing), ink_boundary(reference)
    if not ours.any() or not theirs.any():
        return 1.0 if ours.any() == theirs.any() else 0.0
    precision = float((_distance(theirs)[ours] <= radius_px).mean())
    recall = float((_distance(ours)[theirs] <= radius_px).mean())
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def tone_difference(drawing: np.ndarray, reference: np.ndarray, sigma_px: float = 4.0) -> float:
    """Mean absolute difference of the Gaussian-blurred drawings, 0 (same tones) to 1 (black against white).

    Args:
        drawing, reference: uint8 [H,W] of one shape.
        sigma_px: standard deviation of the Gaussian (truncated at 4 sigma, borders mirrored about the edge pixel).

    Raises:
        BadInput: shapes differ, or not uint8 [H,W].
    """
    _check(drawing, reference)
    difference = drawing.astype(np.float64) - reference  # the blur is linear
    return float(np.abs(_blur(_blur(difference, sigma_px).T, sigma_px)).mean() / 255)


def _check(drawing: np.ndarray, reference: np.ndarray) -> None:
    for name, array in (("drawing", drawing), ("reference", reference)):
        if array.ndim != 2 or array.dtype != np.uint8 or array.size == 0:
            raise BadInput(f"{name}: {array.dtype} {list(array.shape)} given, uint8 [H,W] expected")
    if drawing.shape != reference.shape:
        raise BadInput(
            f"reference: shape {list(reference.shape)} given, that of drawing, {list(drawing.shape)}, expected"
        )


def _distance(sites: np.ndarray) -> np.ndarray:
    distance = np.empty(sites.shape, np.float32)
    _C.distance_transform(np.ascontiguousarray(sites), distance)
    return distance


def _blur(rows: np.ndarray, sigma_px: float) -> np.ndarray:
    """Gaussian along the last axis."""
    radius = min(math.ceil(4 * sigma_px), rows.shape[1] - 1)
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma_px) ** 2)
    weights /= weights.sum()
    wide = np.pad(rows, ((0, 0), (radius, radius)), mode="reflect")
    return sum(w * wide[:, i : i + rows.shape[1]] for i, w in enumerate(weights))
