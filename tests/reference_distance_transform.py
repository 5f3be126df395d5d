"""The slow definition of the distance transform: the smallest distance over all sites, in integers."""

import numpy as np


def squared_distances(sites: np.ndarray) -> np.ndarray:
    """int64 [H,W]; -1 everywhere if the image has no site."""
    height, width = sites.shape
    ys, xs = np.nonzero(sites)
    best = np.full((height, width), -1, np.int64)
    if len(ys) == 0:
        return best
    columns = np.arange(width)[None, :, None]
    for y in range(height):
        best[y] = ((ys - y) ** 2 + (xs - columns) ** 2).min(axis=-1)[0]
    return best


def distance_transform(sites: np.ndarray, squared: bool = False) -> np.ndarray:
    """float32 [...,H,W], rounded once from float64."""
    out = np.empty(sites.shape, np.float32)
    for index in np.ndindex(sites.shape[:-2]):
        d2 = squared_distances(sites[index])
        out[index] = np.where(d2 < 0, np.inf, d2 if squared else np.sqrt(np.maximum(d2, 0).astype(np.float64)))
    return out
