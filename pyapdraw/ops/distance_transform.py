"""Exact Euclidean distance transform [Felzenszwalb, Huttenlocher: Distance Transforms of Sampled Functions, 2012].

The chamfer terms of [APD19, section 4.2] are built on these maps.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pyapdraw import _C
from pyapdraw.errors import BadInput
from pyapdraw.ops._arrays import EMPTY, Array, all_torch, call, empty, is_torch, takes_device_arrays
from pyapdraw.ops._torch import Operator, declare, new_like, operators


@takes_device_arrays
def distance_transform(
    sites: Array,
    *,
    squared: bool = False,
    sampling: Sequence[float] | None = None,
    return_indices: bool = False,
    out: Array | None = None,
) -> Any:
    """Distance from every pixel to the nearest site, in px.

    Args:
        sites: bool or uint8 [..., H, W], nonzero = site; two to five axes, any strides. numpy or torch (CPU, CUDA).
        squared: give the squared distance (an integer, exact below 2^24).
        sampling: (sy, sx), the distance between rows and between columns, 1e-9 to 1e9; None: 1 px each.
        return_indices: give the nearest sites as well.
        out: float32 of the same shape, kind and device; written and returned. It must not overlap `sites`.

    Returns:
        float32 [..., H, W]; +inf everywhere in an image without a site. The exact value, rounded once (sides up to
        65,536; with `sampling` the arithmetic is float64). With `return_indices` a tuple of that and int32 (int64 for
        images of 2^31 pixels or more) [..., H, W]: the flat index y * W + x, within its image, of a nearest site; which
        one of several at the same distance depends on neither threads nor instruction sets (but may differ on CUDA);
        -1 without a site.

        The map is piecewise constant in `sites`, so it carries no gradient. The relaxed transform, the minimum over
        sites q of |p - q| + cost(q), has the sub-gradient d out(p) / d cost(q) = 1 where indices(p) = q; in torch:
        `grad_cost = torch.zeros(H * W).index_add_(0, indices.flatten().long(), grad_out.flatten())`.

    Raises:
        BadInput: wrong shape, dtype, kind or device, a `sampling` that is not two such numbers, or an `out` that cannot
            be written.

    >>> distance_transform(np.array([[0, 0, 1]], np.uint8))
    array([[2., 1., 0.]], dtype=float32)
    >>> distance_transform(np.array([[0, 0, 1]], np.uint8), sampling=(1, 0.5), return_indices=True)
    (array([[1. , 0.5, 0. ]], dtype=float32), array([[2, 2, 2]], dtype=int32))
    """
    torch_given = all_torch(sites=sites, out=out)
    spacing_y, spacing_x = _spacings(sampling)
    if return_indices or spacing_y != 1 or spacing_x != 1:
        return _nearest(sites, squared, (spacing_y, spacing_x), return_indices, out)
    if out is None:
        if torch_given:
            return operators().distance_transform(sites, squared)
        out = empty(sites.shape, np.float32, like=sites)
    call(_C.distance_transform, sites, out, squared, like=sites)
    return out


def _spacings(sampling: Sequence[float] | None) -> tuple[float, float]:
    if sampling is None:
        return 1.0, 1.0
    try:
        spacing_y, spacing_x = (float(s) for s in sampling)
    except (TypeError, ValueError):
        raise BadInput(f"sampling: {sampling!r} given, two numbers (sy, sx) or None expected") from None
    return spacing_y, spacing_x


def _nearest(
    sites: Array, squared: bool, sampling: tuple[float, float], return_indices: bool, out: Array | None
) -> Any:
    """The general way: with spacings, with indices, or with both."""
    if is_torch(sites):
        if out is None:
            found, nearest = operators().distance_transform_nearest(sites, squared, *sampling, return_indices)
            return (found, nearest) if return_indices else found
        nearest = sites.new_empty(sites.shape if return_indices else (0,), dtype=_index_type(sites))
    else:
        out = empty(sites.shape, np.float32, like=sites) if out is None else out
        nearest = empty(sites.shape, _index_type(sites), like=sites) if return_indices else EMPTY
    call(_C.distance_transform_nearest, sites, out, nearest, squared, *sampling, like=sites)
    return (out, nearest) if return_indices else out


def _index_type(sites: Array) -> Any:
    """int32 where it holds every flat index of an image."""
    small = len(sites.shape) < 2 or sites.shape[-2] * sites.shape[-1] < 2**31
    if not is_torch(sites):
        return np.int32 if small else np.int64
    import torch

    return torch.int32 if small else torch.int64


@takes_device_arrays
def distance_transform_chamfer(sites: Array, *, out: Array | None = None) -> Array:
    """OpenCV's 5x5 approximation of the distance to the nearest site, in px.

    The maps that the published training code of [APD19] used: `cv2.distanceTransform(sites == 0, cv2.DIST_L2, 5)`, to
    the bit as OpenCV's own code computes it (its IPP variant adds up floats, differs by up to 2e-6 relative, and fills
    an image without a site with the largest float). Steps of 1, 1.4 (diagonal) and 2.1969 (knight's move) px
    [Borgefors: Distance transformations in digital images, 1986], in 16 fractional bits. Up to 2 % from the exact
    distance, which `distance_transform` gives in about the same time.

    Args:
        sites: bool or uint8 [..., H, W], nonzero = site; two to five axes, any strides. numpy or torch (CPU, CUDA).
        out: float32 of the same shape and kind; written and returned. It must not overlap `sites`.

    Returns:
        float32 [..., H, W], at most 65533.8: that is also what an image without a site is filled with.

    Raises:
        BadInput: wrong shape, dtype, kind or device, or an `out` that cannot be written.

    >>> distance_transform_chamfer(np.array([[0, 0, 1], [0, 0, 0]], np.uint8))
    array([[2.       , 1.       , 0.       ],
           [2.1968994, 1.3999939, 1.       ]], dtype=float32)
    """
    torch_given = all_torch(sites=sites, out=out)
    if out is None:
        if torch_given:
            return operators().distance_transform_chamfer(sites)
        out = empty(sites.shape, np.float32, like=sites)
    call(_C.distance_transform_chamfer, sites, out, like=sites)
    return out


@takes_device_arrays
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
    to_ink, to_paper = (empty(ink.shape, np.float32, like=ink) for _ in range(2))
    call(_C.distance_transform_pair, ink, to_ink, to_paper, squared, like=ink)
    return to_ink, to_paper


def _fake(sites: Any, squared: bool) -> Any:
    import torch

    return new_like(sites, torch.float32)


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


def _fake_nearest(sites: Any, squared: bool, spacing_y: float, spacing_x: float, indices: bool) -> tuple[Any, Any]:
    return _fake(sites, squared), sites.new_empty(sites.shape if indices else (0,), dtype=_index_type(sites))


def _run_nearest(sites: Any, squared: bool, spacing_y: float, spacing_x: float, indices: bool) -> tuple[Any, Any]:
    out, nearest = _fake_nearest(sites, squared, spacing_y, spacing_x, indices)
    call(_C.distance_transform_nearest, sites, out, nearest, squared, spacing_y, spacing_x, like=sites)
    return out, nearest


def _fake_chamfer(sites: Any) -> Any:
    return _fake(sites, False)


def _run_chamfer(sites: Any) -> Any:
    out = _fake_chamfer(sites)
    call(_C.distance_transform_chamfer, sites, out, like=sites)
    return out


# No backward: integer inputs cannot require a gradient, and there is none to give.
declare(Operator("distance_transform(Tensor sites, bool squared) -> Tensor", _run, _fake))
declare(
    Operator(
        "distance_transform_nearest(Tensor sites, bool squared, float spacing_y, float spacing_x, bool indices)"
        " -> (Tensor, Tensor)",
        _run_nearest,
        _fake_nearest,
    )
)
declare(Operator("distance_transform_chamfer(Tensor sites) -> Tensor", _run_chamfer, _fake_chamfer))
declare(Operator("distance_transform_pair(Tensor ink, bool squared) -> (Tensor, Tensor)", _run_pair, _fake_pair))
