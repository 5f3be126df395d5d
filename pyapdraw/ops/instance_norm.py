"""Instance normalisation [Ulyanov et al.: Instance Normalization, 2016]: every map by its own mean and variance."""

from typing import Any

import numpy as np  # noqa: F401 - of the doctests

from pyapdraw import _C
from pyapdraw.ops._arrays import EMPTY, Array, all_torch, call, empty_like, takes_device_arrays
from pyapdraw.ops._torch import Operator, declare, operators


@takes_device_arrays
def instance_norm(
    x: Array,
    weight: Array | None = None,
    bias: Array | None = None,
    *,
    eps: float = 1e-5,
    out: Array | None = None,
) -> Array:
    """``(x - mean) / sqrt(variance + eps) * weight + bias``, statistics of each sample and channel over its pixels.

    It is batch normalisation of a batch of one in training mode. The variance is the biased one. Sums are float64 and
    of differences to a pixel of the map, so that the error stays about 1e-6 of the result's deviation however far the
    mean lies from 0; no sample's result depends on the others, nor any on the number of threads.

    Args:
        x: [N, C, H, W], float32 or bfloat16, on CUDA also float16, any strides; numpy or torch. Channels last is fast.
        weight: factor of each channel, float32 [C]; None for 1.
        bias: added to each channel, float32 [C]; None for 0.
        eps: added to the variance, from 0 on.
        out: like x, or x itself; written and returned.

    Returns:
        Like x, in the same memory format. A map of a single pixel becomes its bias. No gradient.

    Raises:
        BadInput: a shape, dtype, kind, device or option that does not fit.

    >>> instance_norm(np.array([[[[1.0, 3.0]]]], np.float32), eps=0)
    array([[[[-1.,  1.]]]], dtype=float32)
    """
    eps = float(eps)
    given = {} if weight is None else {"weight": weight}
    if all_torch(x=x, bias=bias, out=out, **given):
        if out is None:
            return operators().instance_norm(x, weight, bias, eps)
        _into(out.detach(), x.detach(), weight, bias, eps)
        return out
    return _into(empty_like(x) if out is None else out, x, weight, bias, eps)


def _into(out: Any, x: Any, weight: Any, bias: Any, eps: float) -> Any:
    per_channel = (EMPTY if v is None else v.detach() if hasattr(v, "detach") else v for v in (weight, bias))
    call(_C.instance_norm, x, *per_channel, out, eps, like=x)
    return out


def _fake(x: Any, weight: Any, bias: Any, eps: float) -> Any:
    import torch

    return torch.empty_like(x)


def _run(x: Any, weight: Any, bias: Any, eps: float) -> Any:
    return _into(_fake(x, weight, bias, eps), x.detach(), weight, bias, eps)


declare(Operator("instance_norm(Tensor x, Tensor? weight, Tensor? bias, float eps) -> Tensor", _run, _fake))
