"""Images and maps for the tests and benchmarks of the image operations."""

import numpy as np


def smooth_noise(height: int, width: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    """uint8 [H, W, C] with edges, gradients and grain, like a photo."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / max(height, width, 1)
    image = np.empty((height, width, channels))
    for c in range(channels):
        a, b, p = rng.uniform(4, 40, 3)
        image[..., c] = (
            128 + 60 * np.sin(a * x + b * y + p) + 50 * ((x - 0.5) ** 2 + (y - 0.5) ** 2 < rng.uniform(0.02, 0.2))
        )
    return np.clip(image + rng.normal(0, 4, image.shape), 0, 255).astype(np.uint8)


def similarity(scale: float, degrees: float, source: tuple[float, float], target: tuple[float, float]) -> np.ndarray:
    """The map that turns and scales an image so that point `source` comes to `target` (x, y)."""
    angle = np.radians(degrees)
    linear = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.column_stack([linear, np.array(target) - linear @ np.array(source)])


# name: (height, width, scale of the face crop of 512 px)
PHOTOS = {"720p": (720, 1280, 1 / 1.3), "1080p": (1080, 1920, 1 / 1.9), "12 Mpx": (3000, 4000, 1 / 5.8)}
