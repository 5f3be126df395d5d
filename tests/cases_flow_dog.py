"""Pictures for flow_dog in tests and benchmark."""

import numpy as np


def waves(height: int, width: int, seed: int = 0, noise: float = 0.0) -> np.ndarray:
    """float32 of 0..1: stripes of one direction that bend a little, with noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width].astype(np.float64)
    angle, period = rng.uniform(0, np.pi), rng.uniform(5, 14)
    across = x * np.cos(angle) + y * np.sin(angle)
    along = -x * np.sin(angle) + y * np.cos(angle)
    picture = 0.5 + 0.4 * np.sin(2 * np.pi * across / period + 0.6 * np.sin(along / 9) + rng.uniform(0, 6))
    return (picture + noise * rng.normal(size=picture.shape)).clip(0, 1).astype(np.float32)
