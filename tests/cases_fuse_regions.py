"""Inputs of fuse_regions for the tests and the benchmark."""

import numpy as np

# Part sizes (height, width) and mean centres (x, y) of [APD19] at 512 px.
SIZES = [(80, 112), (80, 112), (96, 96), (80, 128)]
CENTRES = [(198.4, 238.9), (313.6, 239.2), (255.5, 304.2), (256.2, 366.4)]


def portrait(n: int, size: int = 512, channels: int = 1, seed: int = 0):
    """parts, centres int32 [n,4,2], hair, background, mask float32: rectangles overlap, as they do on real faces."""
    rng = np.random.default_rng(seed)
    scale = size / 512
    sizes = [(round(h * scale), round(w * scale)) for h, w in SIZES]
    parts = [rng.uniform(-1, 1, (n, channels, *s)).astype(np.float32) for s in sizes]
    centres = (np.array(CENTRES) * scale + rng.uniform(-9, 9, (n, 4, 2)) * scale).astype(np.int32)
    hair, background = rng.uniform(-1, 1, (2, n, channels, size, size)).astype(np.float32)
    yy, xx = np.mgrid[:size, :size] / size
    mask = (np.hypot((xx - 0.5) / 0.35, (yy - 0.6) / 0.55) < 1).astype(np.float32)
    return parts, centres, hair, background, np.broadcast_to(mask, (n, 1, size, size)).copy()
