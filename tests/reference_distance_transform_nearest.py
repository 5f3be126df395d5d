"""The slow definition of the distance transform with spacings: the smallest distance over all sites, in float64."""

import numpy as np


def squared_distances(sites: np.ndarray, sampling: tuple[float, float] = (1.0, 1.0)) -> np.ndarray:
    """float64 [H,W]; +inf everywhere if the image has no site."""
    best = np.full(sites.shape, np.inf)
    rows, columns = np.ogrid[: sites.shape[0], : sites.shape[1]]
    for y, x in zip(*np.nonzero(sites)):
        best = np.minimum(best, ((rows - y) * sampling[0]) ** 2 + ((columns - x) * sampling[1]) ** 2)
    return best


def squared_distances_to(nearest: np.ndarray, sampling: tuple[float, float] = (1.0, 1.0)) -> np.ndarray:
    """float64 [H,W]: how far the pixels are from the sites with these flat indices."""
    y, x = np.divmod(nearest.astype(np.int64), nearest.shape[1])
    rows, columns = np.ogrid[: nearest.shape[0], : nearest.shape[1]]
    return ((rows - y) * sampling[0]) ** 2 + ((columns - x) * sampling[1]) ** 2
