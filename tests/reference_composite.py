"""The slow definition of composite: exact rational arithmetic, rounded to nearest."""

from fractions import Fraction

import numpy as np


def blend(drawing: int, alpha: int, background: int) -> int:
    return round(background + Fraction(int(drawing) - int(background)) * int(alpha) / 255)


def composite(drawing: np.ndarray, alpha: np.ndarray, background: np.ndarray) -> np.ndarray:
    """uint8 [H, W] or [H, W, 3]; drawing and background grey or RGB, alpha [H, W]."""
    deep = drawing.ndim == 3 or background.ndim == 3
    out = np.empty((*alpha.shape, 3) if deep else alpha.shape, np.uint8)
    for index in np.ndindex(out.shape):
        d, b = (x[index[: x.ndim]] for x in (drawing, background))
        out[index] = blend(d, alpha[index[:2]], b)
    return out
