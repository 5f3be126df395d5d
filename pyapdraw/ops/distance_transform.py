"""Exact Euclidean distance transform [Felzenszwalb, Huttenlocher: Distance Transforms of Sampled Functions, 2012]."""

from typing import Any

import numpy as np

from pyapdraw import _C
from pyapdraw.ops._arrays import Array, all_torch, call
from pyapdraw.ops._torch import Operator, declare, operators


def distance_transform(sites: Array, *, squared: bool = False, out: Array | None = None) -> Array:
    """Distance from every pixel to the nearest site, in px.

    Args:
        sites: bool or uint8 [..., H, W], nonzero = site; two to five axes, any strides. numpy or torch (CPU, CUDA).
        squared: give the squared distance (an integer, exact below 2^24).
        out: float32 of the same shape, kind and device; written and returned. It must not overlap `sites`.

    Returns:
        float32 [..., H, W]; +inf everywhere in an image without a site. Rounded once from the exact value. The map is
        piecewise constant in `sites`, so it carries no gradient.

    Raises:
        BadInput: wrong shape, dtype, kind or device, or an `out` that cannot be written.

    >>> distance_transform(np.array([[0, 0, 1]], np.uint8))
    array([[2., 1., 0.]], dtype=float32)
    """
    if all_torch(sites=sites, out=out):
        if out is None:
            return operators().distance_transform(sites, squared)
        call(_C.distance_transform, sites, out, squared, like=sites)
        return out
    if out is None:
        out = np.empty(sites.shape, np.float32)
    _C.distance_transform(sites, out, squared)
    return out


def _run(sites: Any, squared: bool) -> Any:
    out = sites.new_empty(sites.shape, dtype=_float32())
    call(_C.distance_transform, sites, out, squared, like=sites)
    return out


def _fake(sites: Any, squared: bool) -> Any:
    return sites.new_empty(sites.shape, dtype=_float32())


def _float32() -> Any:
    import torch

    return torch.float32


declare(Operator("distance_transform(Tensor sites, bool squared) -> Tensor", _run, _fake))
