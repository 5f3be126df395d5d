"""Structural similarity [Wang et al.: Image quality assessment: from error visibility to structural similarity, IEEE
TIP 2004], with the authors' settings: Gaussian window of sigma 1.5 and 11 px, population covariance, K1 0.01, K2 0.03.
"""

from __future__ import annotations

import numpy as np

from pyapdraw.errors import BadInput

SIGMA, RADIUS = 1.5, 5
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def ssim(a: np.ndarray, b: np.ndarray) -> float:
    """Mean over all whole windows.

    Args:
        a, b: uint8 [H,W] of one shape, sides of at least 11 px.

    Returns:
        -1 to 1, 1 for equal pictures.

    Raises:
        BadInput: shapes differ, not uint8 [H,W], or smaller than the window.
    """
    for name, array in (("a", a), ("b", b)):
        if array.dtype != np.uint8 or array.ndim != 2 or min(array.shape) < 2 * RADIUS + 1:
            given = f"{array.dtype} {list(array.shape)}"
            raise BadInput(f"{name}: {given} given, uint8 [H,W] with sides of at least {2 * RADIUS + 1} px expected")
    if a.shape != b.shape:
        raise BadInput(f"b: shape {list(b.shape)} given, that of a, {list(a.shape)}, expected")
    x, y = a.astype(np.float64), b.astype(np.float64)
    mean_x, mean_y = _windows(x), _windows(y)
    var_x, var_y = _windows(x * x) - mean_x**2, _windows(y * y) - mean_y**2
    both = _windows(x * y) - mean_x * mean_y
    like = (2 * mean_x * mean_y + C1) * (2 * both + C2)
    return float((like / ((mean_x**2 + mean_y**2 + C1) * (var_x + var_y + C2))).mean())


def _windows(picture: np.ndarray) -> np.ndarray:
    """Gaussian means of all whole windows."""
    weights = np.exp(-0.5 * (np.arange(-RADIUS, RADIUS + 1) / SIGMA) ** 2)
    weights /= weights.sum()
    for _ in range(2):
        rows = np.lib.stride_tricks.sliding_window_view(picture, len(weights), axis=1) @ weights
        picture = rows.T
    return picture
