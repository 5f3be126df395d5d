"""Bias, activation, gain and clamp in one pass [Karras et al.: Analyzing and Improving ... StyleGAN, 2020]."""

from functools import lru_cache
from typing import Any

import numpy as np  # noqa: F401 - of the doctests

from pyapdraw import _C
from pyapdraw.errors import BadInput
from pyapdraw.ops._arrays import EMPTY, Array, all_torch, call, empty_like, takes_device_arrays
from pyapdraw.ops._torch import Operator, declare, operators

# Activations and their gains: what keeps the variance of normal inputs roughly as it is.
GAINS = {
    "linear": 1.0,
    "relu": 2**0.5,
    "lrelu": 2**0.5,
    "tanh": 1.0,
    "sigmoid": 1.0,
    "elu": 1.0,
    "selu": 1.0,
    "softplus": 1.0,
    "swish": 2**0.5,
}
NO_CLAMP = -1.0


@takes_device_arrays
def bias_act(
    x: Array,
    b: Array | None = None,
    *,
    dim: int = 1,
    act: str = "linear",
    alpha: float | None = None,
    gain: float | None = None,
    clamp: float | None = None,
) -> Array:
    """``clamp(gain * act(x + b), -clamp, clamp)``, as StyleGAN2 defines it.

    Args:
        x: one to five axes, any strides, float32, bfloat16 or float64, on CUDA also float16; numpy or torch.
        b: bias [x.shape[dim]], of x's dtype or float32; None for none.
        dim: the axis of x that b belongs to, 0 to x.ndim - 1.
        act: "linear", "relu", "lrelu", "tanh", "sigmoid", "elu", "selu", "softplus" or "swish".
        alpha: slope of "lrelu" below 0, default 0.2; the others take none.
        gain: factor on the activation; default sqrt(2) for "relu", "lrelu" and "swish", 1 for the others.
        clamp: bound on the magnitude of the result; None for none.

    Returns:
        Like x, in the same memory format. Computed in float32 (float64 for float64). With torch it carries first and
        second derivatives; the derivative is 0 where the result is clamped or just reaches the bound.

    Raises:
        BadInput: an unknown activation, a negative clamp, or a shape, dtype, kind or device that does not fit.

    >>> bias_act(np.array([[-1.0, 3.0]], np.float32), act="lrelu", gain=1)
    array([[-0.2,  3. ]], dtype=float32)
    """
    if act not in GAINS:
        raise BadInput(f"act: {act!r} given, one of {', '.join(map(repr, GAINS))} expected")
    alpha = 0.2 if alpha is None else float(alpha)
    gain = GAINS[act] if gain is None else float(gain)
    if clamp is not None and not clamp >= 0:
        raise BadInput(f"clamp: {clamp} given, None or a number that is not negative expected")
    clamp = NO_CLAMP if clamp is None else float(clamp)
    if all_torch(x=x, b=b):
        return operators().bias_act(x, b, dim, act, alpha, gain, clamp)
    out = empty_like(x)
    call(_C.bias_act, x, EMPTY if b is None else b, out, _options(act, alpha, gain, clamp), dim, like=x)
    return out


# The same few in every call. By type as well: 1 and 1.0 are one key, but the native module may refuse one of them.
_options = lru_cache(256, typed=True)(_C.BiasAct)


def keeps_input(act: str, alpha: float) -> bool:
    """Whether the gradient is computed from x, because it cannot be told from the result."""
    return act == "swish" or (act == "lrelu" and alpha < 0)


def _fake(x: Any, b: Any, dim: int, act: str, alpha: float, gain: float, clamp: float) -> Any:
    import torch

    return torch.empty_like(x)


def _run(x: Any, b: Any, dim: int, act: str, alpha: float, gain: float, clamp: float) -> Any:
    out = _fake(x, b, dim, act, alpha, gain, clamp)
    call(_C.bias_act, x, EMPTY if b is None else b, out, _options(act, alpha, gain, clamp), dim, like=x)
    return out


def _save(ctx: Any, inputs: tuple, output: Any) -> None:
    x, b, ctx.dim, *rest = inputs
    ctx.rest = tuple(rest)
    act, alpha = rest[:2]
    ctx.keeps_input = keeps_input(act, alpha)
    ctx.bias_dtype = None if b is None else b.dtype
    if act == "linear" and rest[3] < 0:
        ctx.save_for_backward(None, None)
    else:
        ctx.save_for_backward(x if ctx.keeps_input else output, b if ctx.keeps_input else None)


def _sum_to_bias(grad: Any, dim: int, dtype: Any) -> Any:
    return grad.sum([i for i in range(grad.ndim) if i != dim]).to(dtype)


def _backward(ctx: Any, grad: Any) -> Any:
    kept, b = ctx.saved_tensors
    wants_x, wants_b = ctx.needs_input_grad[:2]
    grad_x = grad_b = None
    if wants_x or wants_b:
        if kept is None:  # linear and not clamped
            grad_x = grad * ctx.rest[2] if ctx.rest[2] != 1 else grad
        else:
            grad_x = operators().bias_act_backward(grad, kept, b, ctx.dim, *ctx.rest)
    if wants_b:
        grad_b = _sum_to_bias(grad_x, ctx.dim, ctx.bias_dtype)
    return grad_x if wants_x else None, grad_b, None, None, None, None, None


def _fake_backward(grad: Any, kept: Any, b: Any, dim: int, act: str, alpha: float, gain: float, clamp: float) -> Any:
    import torch

    return torch.empty_like(kept)


def _run_backward(grad: Any, kept: Any, b: Any, dim: int, *rest: Any) -> Any:
    out = _fake_backward(grad, kept, b, dim, *rest)
    call(_C.bias_act_backward, grad, kept, EMPTY if b is None else b, out, _options(*rest), dim, like=kept)
    return out


def _save_backward(ctx: Any, inputs: tuple, output: Any) -> None:
    grad, kept, b, ctx.dim, *rest = inputs
    ctx.rest = tuple(rest)
    ctx.save_for_backward(grad, kept, b)


def _second_backward(ctx: Any, grad2: Any) -> Any:
    grad, kept, b = ctx.saved_tensors
    wants_grad, wants_kept, wants_b = ctx.needs_input_grad[:3]
    to_grad = to_kept = to_b = None
    if wants_grad:
        to_grad = operators().bias_act_backward(grad2, kept, b, ctx.dim, *ctx.rest)
    if wants_kept or wants_b:
        to_kept = grad2 * grad * slope_derivative(kept, b, ctx.dim, *ctx.rest)
        if wants_b and keeps_input(*ctx.rest[:2]):
            to_b = _sum_to_bias(to_kept, ctx.dim, b.dtype)
    return to_grad, to_kept if wants_kept else None, to_b, None, None, None, None, None


def slope_derivative(kept: Any, b: Any, dim: int, act: str, alpha: float, gain: float, clamp: float) -> Any:
    """The derivative of ``gain * act'`` by what the gradient was computed from, in torch operations.

    kept: the result of bias_act, or x where `keeps_input`, which then b is added to.
    """
    import torch

    if act == "swish":
        v = kept if b is None else kept + b.reshape([-1 if i == dim else 1 for i in range(kept.ndim)])
        s = torch.sigmoid(v)
        slope = gain * s * (1 - s) * (2 + v * (1 - 2 * s))
        return slope if clamp < 0 else slope * ((gain * v * s).abs() < clamp)
    if act in ("linear", "relu", "lrelu") or gain == 0:
        return torch.zeros_like(kept)
    u = kept / gain
    if act == "tanh":
        slope = -2 * u
    elif act == "sigmoid":
        slope = 1 - 2 * u
    elif act == "softplus":
        slope = torch.exp(-u)
    else:  # elu, selu
        slope = (u <= 0).to(u.dtype)
    return slope if clamp < 0 else slope * (kept.abs() < clamp)


_OPTIONS = "int dim, str act, float alpha, float gain, float clamp"
declare(Operator(f"bias_act(Tensor x, Tensor? b, {_OPTIONS}) -> Tensor", _run, _fake, save=_save, backward=_backward))
declare(
    Operator(
        f"bias_act_backward(Tensor grad, Tensor kept, Tensor? b, {_OPTIONS}) -> Tensor",
        _run_backward,
        _fake_backward,
        save=_save_backward,
        backward=_second_backward,
    )
)
