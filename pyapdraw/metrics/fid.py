"""Frechet distance between two sets of pictures [Heusel et al.: GANs trained by a two time-scale update rule converge
to a local Nash equilibrium, NeurIPS 2017].

The published figures take 2048 features of an Inception network. Its weights are not part of this package: `fid` takes
any function from pictures to features, and `frechet_distance` the features themselves. Figures of different networks,
or of different ways to resize pictures for one, do not compare, nor do those of a few dozen pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from pyapdraw.errors import BadInput

Features = Callable[[np.ndarray], np.ndarray]  # uint8 [H,W,3] -> floating point [D]


def fid(pictures: Iterable[np.ndarray], references: Iterable[np.ndarray], features: Features) -> float:
    """Frechet distance between the features of two sets.

    Args:
        pictures, references: uint8 [H,W,3] each; at least two a set.
        features: picture -> [D].

    Raises:
        BadInput: fewer than two pictures, features that are not numeric, or of different lengths.
    """
    sets = []
    for name, given in (("pictures", pictures), ("references", references)):
        rows = [_numbers(features(p)) for p in given]
        if len(rows) < 2 or len({row.size for row in rows}) != 1:
            raise BadInput(f"{name}: {len(rows)} with {sorted({r.size for r in rows})} features given, "
                           "two or more with one length expected")  # fmt: skip
        sets.append(np.stack(rows))
    return frechet_distance(*sets)


def _numbers(found: Any) -> np.ndarray:
    try:
        return np.asarray(found, np.float64).ravel()
    except (TypeError, ValueError, RuntimeError) as error:  # torch: a gradient is recorded
        raise BadInput(f"features: {type(found).__name__} given, numbers [D] expected ({error})") from error


def frechet_distance(a: np.ndarray, b: np.ndarray) -> float:
    """|mean_a - mean_b|^2 + trace(C_a + C_b - 2 (C_a C_b)^(1/2)) of two sets of features.

    Args:
        a, b: floating point [N,D] and [M,D], N and M at least 2.

    Returns:
        At least 0.

    Raises:
        BadInput: other shapes, or features that are not finite.
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    for name, array in (("a", a), ("b", b)):
        if array.ndim != 2 or len(array) < 2 or array.shape[1] != a.shape[-1] or not np.isfinite(array).all():
            raise BadInput(
                f"{name}: shape {list(array.shape)} given, finite features [N,D] with N of at least 2 expected"
            )
    cov_a, cov_b = (np.atleast_2d(np.cov(x, rowvar=False)) for x in (a, b))
    # The trace of (C_a C_b)^(1/2) is that of the symmetric (C_a^(1/2) C_b C_a^(1/2))^(1/2): real, without scipy.
    values, vectors = np.linalg.eigh(cov_a)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    mixed = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ cov_b @ root), 0)).sum()
    difference = a.mean(0) - b.mean(0)
    return float(max(0.0, difference @ difference + np.trace(cov_a) + np.trace(cov_b) - 2 * mixed))
