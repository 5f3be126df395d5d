"""Fusion of six local drawings into one by their smallest or largest values [APD19, section 4.1]."""

import sys
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np  # noqa: F401 - of the doctests

from pyapdraw import _C
from pyapdraw.errors import BadInput
from pyapdraw.ops._arrays import EMPTY, Array, all_torch, call, empty, takes_device_arrays
from pyapdraw.ops._torch import Operator, declare, new_like, operators

Mode = Literal["min", "max"]
_PARTS = ("parts[0]", "parts[1]", "parts[2]", "parts[3]")


@takes_device_arrays
def fuse_regions(
    parts: Sequence[Array],
    centres: Array,
    hair: Array,
    background: Array,
    mask: Array,
    *,
    mode: Mode = "min",
    out: Array | None = None,
) -> Array:
    """Fuse the drawings of eyes, nose, mouth, hair and background by their darkest value.

    Every image is extended to the whole frame with white (+1): a part outside its rectangle, hair off the person and
    inside all rectangles, background on the person. The result is the elementwise minimum of the six, so it is never
    above 1; NaN wins. With mode "max" (the authors' comb_op 0) all is mirrored: the extension is black (-1), and the
    largest value wins.

    Args:
        parts: four images [N, C, h_i, w_i]: eye at smaller x, other eye, nose, mouth; the frame's dtype.
        centres: (x, y) of each part in px of the frame, [N, 4, 2], int32, int64, float32 or float64. Coordinates are
            truncated to integers; part i covers [x - w_i/2, x + w_i/2) by [y - h_i/2, y + h_i/2), rounded down for odd
            sizes. What leaves the frame is cut off.
        hair, background: [N, C, H, W], float32 or bfloat16; on CUDA also float16.
        mask: person mask [N, 1, H, W]: bool, uint8 (nonzero = person) or floating point (>= 0.5 = person).
            Or soft weights [N, 2, H, W], float32 or the frame's dtype, of hair and of background, as [APDrawingGAN++]
            has with soft borders: both images count everywhere, as w x + (1 - w) extension in float32, and rectangles
            cut nothing out of hair but what its weight says. No gradient flows to masks and weights.
        mode: "min" or "max".
        out: like `hair`; written and returned. Not differentiable.

    Returns:
        [N, C, H, W]. With torch the result carries the gradient of parts, hair and background: as that of the official
        nested minimum, in which each tie gives one half to either side (values equal to the extension tie too).

    Raises:
        BadInput: wrong shape, dtype, kind, mode or device. Unsupported: a dtype without a kernel on this device.

    >>> parts, white = [np.full((1, 1, 2, 2), v, np.float32) for v in (0.1, 0.2, 0.3, 0.4)], np.ones((1, 1, 4, 4))
    >>> centres = np.array([[[1, 1], [3, 1], [2, 2], [2, 3]]])
    >>> fused = fuse_regions(parts, centres, *[white.astype(np.float32)] * 2, white > 0)
    >>> (10 * fused[0, 0]).round().astype(int).tolist()
    [[1, 1, 2, 2], [1, 1, 2, 2], [10, 3, 3, 10], [10, 4, 4, 10]]
    """
    if len(parts) != 4:
        raise BadInput(f"parts: {len(parts)} images given, 4 expected (eye, eye, nose, mouth)")
    named = dict(zip(_PARTS, parts))
    if out is not None:
        named["out"] = out
    if all_torch(hair=hair, background=background, mask=mask, centres=centres, **named):
        if out is None:
            needs_grad = _any_requires_grad(*parts, hair, background)
            return operators().fuse_regions(*parts, centres, hair, background, mask, needs_grad, mode)[0]
        if _any_requires_grad(*parts, hair, background):
            raise BadInput("out: given together with inputs that require a gradient, expected None or torch.no_grad()")
        call(_C.fuse_regions, *parts, centres, hair, background, mask, out, EMPTY, mode, like=hair)
        return out
    if out is None:
        out = empty(hair.shape, hair.dtype, like=hair)
    call(_C.fuse_regions, *parts, centres, hair, background, mask, out, EMPTY, mode, like=hair)
    return out


def _any_requires_grad(*tensors: Any) -> bool:
    if sys.modules["torch"].is_grad_enabled():
        for t in tensors:
            if t.requires_grad:
                return True
    return False


# The inputs of the operator, in this order: eyel, eyer, nose, mouth, centres, hair, background, mask, winners, mode.
def _fake(*inputs: Any) -> Any:
    import torch

    hair, winners = inputs[5], inputs[8]
    return hair.new_empty(hair.shape), hair.new_empty(hair.shape if winners else (0,), dtype=torch.uint8)


def _run(*inputs: Any) -> Any:
    out, won = _fake(*inputs)
    call(_C.fuse_regions, *inputs[:8], out, won, inputs[9], like=out)
    return out, won


def _run_alone(*inputs: Any) -> Any:
    if inputs[8]:
        return _run(*inputs)
    out = new_like(inputs[5])
    call(_C.fuse_regions, *inputs[:8], out, EMPTY, inputs[9], like=out)
    return out, None


def _save(ctx: Any, inputs: tuple, output: tuple) -> None:
    mask = inputs[7]
    weights = mask if mask.shape[1] == 2 else mask.new_empty(0)
    ctx.save_for_backward(output[1], inputs[4], weights)
    ctx.part_sizes = [p.shape[-2:] for p in inputs[:4]]
    ctx.with_winners = inputs[8]


def _backward(ctx: Any, grad: Any, _: Any) -> Any:
    if not ctx.with_winners:
        raise BadInput("winners: False given to the operator, True expected where a gradient is wanted")
    won, centres, weights = ctx.saved_tensors
    sizes = [side for size in ctx.part_sizes for side in size]
    grads = operators().fuse_regions_backward(grad, won, centres, weights, sizes)
    return *grads[:4], None, *grads[4:], None, None, None


def _fake_backward(grad: Any, winners: Any, centres: Any, weights: Any, part_sizes: Sequence[int]) -> list:
    n, c = grad.shape[:2]
    parts = [grad.new_empty((n, c, part_sizes[2 * i], part_sizes[2 * i + 1])) for i in range(4)]
    return [*parts, grad.new_empty(grad.shape), grad.new_empty(grad.shape)]


def _run_backward(grad: Any, winners: Any, centres: Any, weights: Any, part_sizes: Sequence[int]) -> list:
    grads = _fake_backward(grad, winners, centres, weights, part_sizes)
    call(_C.fuse_regions_backward, grad, winners, centres, weights, *grads, like=grad)
    return grads


declare(
    Operator(
        "fuse_regions(Tensor eyel, Tensor eyer, Tensor nose, Tensor mouth, Tensor centres, Tensor hair,"
        " Tensor background, Tensor mask, bool winners, str mode) -> (Tensor, Tensor)",
        _run,
        _fake,
        save=_save,
        backward=_backward,
        alone=_run_alone,
    )
)
declare(
    Operator(
        "fuse_regions_backward(Tensor grad, Tensor winners, Tensor centres, Tensor weights, SymInt[] part_sizes)"
        " -> Tensor[]",
        _run_backward,
        _fake_backward,
    )
)
