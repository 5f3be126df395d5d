"""Exact Euclidean distance transform [Felzenszwalb, Huttenlocher: Distance Transforms of Sampled Functions, 2012].

The chamfer terms of [APD19, section 4.2] are built on these maps.
"""

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
        float32 [..., H, W]; +inf everywhere in an image without a site. The exact value, rounded once (sides up to
        65,536). The map is piecewise constant in `sites`, so it carries no gradient.

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


def distance_transform_pair(ink: Array, *, squared: bool = False) -> tuple[Array, Array]:
    """Both maps of a drawing in one call: (distance to the nearest ink, distance to the nearest paper), in px.

    Args:
        ink: bool or uint8 [..., H, W], nonzero = ink, zero = paper; two to five axes, any strides.
        squared: give squared distances.

    Returns:
        Two float32 arrays [..., H, W] as `distance_transform` gives them for `ink` and for its complement; each pixel
        is zero in exactly one of the two.

    Raises:
        BadInput: wrong shape, dtype or kind.

    >>> distance_transform_pair(np.array([[0, 0, 1]], np.uint8))[1]
    array([[0., 0., 1.]], dtype=float32)
    """
    if all_torch(ink=ink):
        return operators().distance_transform_pair(ink, squared)
    to_ink, to_paper = np.empty(ink.shape, np.float32), np.empty(ink.shape, np.float32)
    _C.distance_transform_pair(ink, to_ink, to_paper, squared)
    return to_ink, to_paper


def _fake(sites: Any, squared: bool) -> Any:
    import torch

    return sites.new_empty(sites.shape, dtype=torch.float32)


def _run(sites: Any, squared: bool) -> Any:
    out = _fake(sites, squared)
    call(_C.distance_transform, sites, out, squared, like=sites)
    return out


def _fake_pair(ink: Any, squared: bool) -> tuple[Any, Any]:
    return _fake(ink, squared), _fake(ink, squared)


def _run_pair(ink: Any, squared: bool) -> tuple[Any, Any]:
    to_ink, to_paper = _fake_pair(ink, squared)
    call(_C.distance_transform_pair, ink, to_ink, to_paper, squared, like=ink)
    return to_ink, to_paper


# No backward: integer inputs cannot require a gradient, and there is none to give.
declare(Operator("distance_transform(Tensor sites, bool squared) -> Tensor", _run, _fake))
declare(Operator("distance_transform_pair(Tensor ink, bool squared) -> (Tensor, Tensor)", _run_pair, _fake_pair))
