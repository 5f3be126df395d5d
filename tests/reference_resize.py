"""The slow definition of resize: one triangle of weights an output pixel, in float64, not rounded."""

import numpy as np


def weights(n_in: int, n_out: int) -> np.ndarray:
    """[n_out, n_in]"""
    scale = n_in / n_out
    radius = max(1.0, scale)
    w = np.zeros((n_out, n_in))
    for i in range(n_out):
        centre = (i + 0.5) * scale
        for x in range(n_in):
            w[i, x] = max(0.0, 1.0 - abs(x + 0.5 - centre) / radius)
        w[i] /= w[i].sum()
    return w


def resize(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """float64 [h, w] or [h, w, C] of any real image."""
    tall = np.tensordot(weights(image.shape[0], size[0]), image.astype(np.float64), (1, 0))
    return np.moveaxis(np.tensordot(weights(image.shape[1], size[1]), tall, (1, 1)), 0, 1)
