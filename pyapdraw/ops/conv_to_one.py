"""Convolution with a single output channel: the last layers of drawing networks, as in [APD19]."""

from functools import lru_cache
from typing import Any

import numpy as np  # noqa: F401 - of the doctests

from pyapdraw import _C
from pyapdraw.errors import BadInput
from pyapdraw.ops._arrays import EMPTY, Array, all_torch, call, empty, takes_device_arrays
from pyapdraw.ops._torch import Operator, declare, operators

ACTIVATIONS = ("linear", "relu", "lrelu", "tanh", "sigmoid", "elu", "selu", "softplus", "swish")


@takes_device_arrays
def conv_to_one(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    *,
    up: int = 1,
    padding: int = 0,
    padding_mode: str = "zeros",
    activation: str = "linear",
    out: Array | None = None,
) -> Array:
    """Convolution (``up=1``) or transposed convolution of stride ``up`` with one output channel, bias and activation.

    Args:
        x: [N, C, H, W], float32 or bfloat16, on CUDA also float16, any strides; numpy or torch. Channels last is the
            fast layout.
        weight: of the same types: [1, C, kh, kw], or [C, 1, kh, kw] where transposed, as torch has them; sides 1 to
            16. It is rounded to x's type.
        bias: [1], float32 or x's dtype; None for none.
        up: 1, or the stride of the transposed convolution, 2 to 4.
        padding: on all sides; taken off the output where transposed.
        padding_mode: "zeros", or "reflect" (up = 1, padding less than the sides of x).
        activation: "linear", "relu", "lrelu" (slope 0.2), "tanh", "sigmoid", "elu", "selu", "softplus" or "swish".
        out: float32 or x's dtype, [N, 1, Ho, Wo]; written and returned. Not differentiable.

    Returns:
        [N, 1, Ho, Wo] of x's dtype, ``Ho = H + 2 * padding - kh + 1``, or ``(H - 1) * up - 2 * padding + kh`` where
        transposed; sums are float32. With torch it carries the gradients of x, weight and bias, by torch's convolution.

    Raises:
        BadInput: a shape, dtype, kind, device or option that does not fit.

    >>> conv_to_one(np.ones((1, 2, 2, 3), np.float32), np.ones((1, 2, 2, 2), np.float32))
    array([[[[8., 8.]]]], dtype=float32)
    """
    if padding_mode not in ("zeros", "reflect"):
        raise BadInput(f"padding_mode: {padding_mode!r} given, one of 'zeros', 'reflect' expected")
    if activation not in ACTIVATIONS:
        raise BadInput(f"activation: {activation!r} given, one of {', '.join(map(repr, ACTIVATIONS))} expected")
    if all_torch(x=x, weight=weight, bias=bias, out=out):
        if out is None:
            return operators().conv_to_one(x, weight, bias, up, padding, padding_mode, activation)
        x, weight, bias = x.detach(), weight.detach(), None if bias is None else bias.detach()
    shape, how = _plan(x.shape, weight.shape, up, padding, padding_mode, activation)
    if out is None:
        out = empty(shape, x.dtype, like=x)
    call(_C.conv_to_one, x, weight, EMPTY if bias is None else bias, out, how, like=x)
    return out


# By type as well: 2 and 2.0 are one key, but the native module refuses one of them.
@lru_cache(512, typed=True)
def _plan(
    x: tuple[int, ...], weight: tuple[int, ...], up: int, padding: int, padding_mode: str, activation: str
) -> tuple[tuple[int, int, int, int], Any]:
    """(N, 1, Ho, Wo) for the shapes of x and weight, and the options of the native call, which a network asks for again
    and again. A side that does not fit becomes 0, for the native checks to refuse."""
    if len(x) != 4 or len(weight) != 4:
        raise BadInput(f"x: shape {list(x)}, weight {list(weight)} given, 4 axes each expected")
    sizes = (n + 2 * padding - k + 1 if up == 1 else (n - 1) * up - 2 * padding + k for n, k in zip(x[2:], weight[2:]))
    height, width = (max(0, n) for n in sizes)
    return (x[0], 1, height, width), _C.ConvToOne(up, padding, padding_mode, activation)


def _fake(x: Any, weight: Any, bias: Any, up: int, padding: int, padding_mode: str, activation: str) -> Any:
    height, width = (
        n + 2 * padding - k + 1 if up == 1 else (n - 1) * up - 2 * padding + k
        for n, k in zip(x.shape[2:], weight.shape[2:])
    )
    return x.new_empty((x.shape[0], 1, height, width))


def _run(x: Any, weight: Any, bias: Any, up: int, padding: int, padding_mode: str, activation: str) -> Any:
    shape, how = _plan(x.shape, weight.shape, up, padding, padding_mode, activation)
    out = x.new_empty(*shape)
    call(_C.conv_to_one, x, weight, EMPTY if bias is None else bias, out, how, like=x)
    return out


def _save(ctx: Any, inputs: tuple, output: Any) -> None:
    x, weight, bias, ctx.up, ctx.padding, ctx.padding_mode, ctx.activation = inputs
    ctx.save_for_backward(x, weight, bias, output if ctx.activation != "linear" else None)


def _backward(ctx: Any, grad: Any) -> Any:
    import torch

    x, weight, bias, y = ctx.saved_tensors
    wants = ctx.needs_input_grad[:3]
    if ctx.activation == "swish":  # needs the sum before it
        y = in_torch(x, weight, bias, ctx.up, ctx.padding, ctx.padding_mode)
    if y is not None:
        grad = operators().bias_act_backward(grad, y, None, 1, ctx.activation, 0.2, 1.0, -1.0)
    p, mode = ctx.padding, ctx.padding_mode
    source = torch.nn.functional.pad(x, [p] * 4, mode="reflect") if mode == "reflect" and p else x
    stride, inner = [ctx.up] * 2, [0 if mode == "reflect" else p] * 2
    grads = torch.ops.aten.convolution_backward(
        grad, source, weight.to(x.dtype), [1], stride, inner, [1, 1], ctx.up > 1, [0, 0], 1,
        [wants[0], wants[1], wants[2] and bias is not None],
    )  # fmt: skip
    grad_x, grad_weight, grad_bias = grads
    if wants[0] and source is not x:
        grad_x = torch.ops.aten.reflection_pad2d_backward(grad_x, x, [p] * 4)
    return (
        grad_x if wants[0] else None,
        grad_weight.to(weight.dtype) if wants[1] else None,
        grad_bias.to(bias.dtype) if wants[2] and bias is not None else None,
        *[None] * 4,
    )


def in_torch(x: Any, weight: Any, bias: Any, up: int, padding: int, padding_mode: str) -> Any:
    """The same without activation, in torch operations of x's dtype."""
    import torch.nn.functional as F

    weight, bias = weight.to(x.dtype), None if bias is None else bias.to(x.dtype)
    if up > 1:
        return F.conv_transpose2d(x, weight, bias, stride=up, padding=padding)
    if padding_mode == "reflect" and padding:
        return F.conv2d(F.pad(x, [padding] * 4, mode="reflect"), weight, bias)
    return F.conv2d(x, weight, bias, padding=padding)


declare(
    Operator(
        "conv_to_one(Tensor x, Tensor weight, Tensor? bias, int up, int padding, str padding_mode, str activation)"
        " -> Tensor",
        _run,
        _fake,
        save=_save,
        backward=_backward,
    )
)
