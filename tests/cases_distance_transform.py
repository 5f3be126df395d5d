"""Images for the tests and the benchmark of the distance transform: bool [n,n] by name."""

import numpy as np


def line_drawing(n: int, seed: int = 0) -> np.ndarray:
    """Smooth random strokes over a frame, about a tenth of it ink."""
    rng = np.random.default_rng(seed)
    image = np.zeros((n, n), bool)
    t = np.linspace(0, 1, 8 * n)
    yy, xx = np.mgrid[-1:2, -1:2]
    for _ in range(24):
        middle, reach = rng.uniform(0.25, 0.75, 2), rng.uniform(0.05, 0.35, 2)
        turns, phase = rng.integers(1, 4, 2), rng.uniform(0, 6.28, 2)
        y = (n * (middle[0] + reach[0] * np.sin(6.28 * turns[0] * t + phase[0]))).astype(int)
        x = (n * (middle[1] + reach[1] * np.sin(6.28 * turns[1] * t + phase[1]))).astype(int)
        for dy, dx in zip(yy.ravel(), xx.ravel()):
            image[np.clip(y + dy, 0, n - 1), np.clip(x + dx, 0, n - 1)] = True
    return image


def point(n: int) -> np.ndarray:
    image = np.zeros((n, n), bool)
    image[n // 3, n // 2] = True
    return image


def circle(n: int) -> np.ndarray:
    """All sites equally far from the centre: no candidate can be ruled out early there."""
    yy, xx = np.mgrid[:n, :n]
    return np.abs(np.hypot(yy - n / 2, xx - n / 2) - 0.48 * n) < 0.7


def noise(n: int, share: float) -> np.ndarray:
    return np.random.default_rng(0).random((n, n)) < share


CASES = {
    "line drawing a": line_drawing,
    "line drawing b": lambda n: line_drawing(n, seed=1),
    "sparse 1 %": lambda n: noise(n, 0.01),
    "sparse 0.01 %": lambda n: noise(n, 0.0001),
    "random 50 %": lambda n: noise(n, 0.5),
    "point": point,
    "circle": circle,
    "diagonal": lambda n: np.eye(n, dtype=bool),
    "all ink": lambda n: np.ones((n, n), bool),
    "no ink": lambda n: np.zeros((n, n), bool),
}
