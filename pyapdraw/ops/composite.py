"""Alpha composition of a drawing onto a background."""

from typing import Any

import numpy as np

from pyapdraw import _C
from pyapdraw.errors import BadInput
from pyapdraw.ops._arrays import Array, all_torch, call, empty, is_torch, takes_device_arrays
from pyapdraw.ops._torch import Operator, declare, operators


@takes_device_arrays
def composite(drawing: Array, alpha: Array, background: Array | float, *, out: Array | None = None) -> Array:
    """background + (drawing - background) * alpha.

    Args:
        drawing: uint8 or float32; [H, W] (grey) or [H, W, 3], or [N, C, H, W] with C 1 or 3. numpy or torch (CPU,
            CUDA).
        alpha: same dtype, [H, W] or [N, 1, H, W]: uint8 0..255, float32 0..1 (255 or 1: the drawing alone).
        background: same dtype, the shapes of `drawing`; or a number.
        out: same dtype and kind, the shape of the result; written and returned. It may be `background` itself, views of
            a frame included; it must not overlap otherwise.

    Returns:
        The composition; of three channels where drawing or background is. uint8 is the exact value rounded to nearest.
        Differentiable in all three for float32.

    Raises:
        BadInput: wrong shape, dtype or kind, or an `out` that cannot be written.

    >>> composite(np.zeros((1, 3), np.uint8), np.array([[0, 128, 255]], np.uint8), 255)
    array([[255, 127,   0]], dtype=uint8)
    """
    number = isinstance(background, int | float | np.number)
    images = {"drawing": drawing, "alpha": alpha} | ({} if number else {"background": background})
    torch_kind = all_torch(**images, out=out)
    if not str(drawing.dtype).endswith(("uint8", "float32")):
        raise BadInput(f"drawing: dtype {drawing.dtype} given, uint8 or float32 expected")
    if number:
        background = _constant(background, drawing)
    if torch_kind and out is None:
        return operators().composite(drawing, alpha, background)
    if out is None:
        out = empty(_shape(drawing, alpha, background), drawing.dtype, like=drawing)
    _write(drawing, alpha, background, out)
    return out


def _constant(value: Any, drawing: Array) -> Any:
    text = str(drawing.dtype)
    if text.endswith("uint8") and (value != int(value) or not 0 <= value <= 255):
        raise BadInput(f"background: {value} given, a whole number of 0 to 255 expected with uint8 drawings")
    shape = drawing.shape[:2] if drawing.ndim < 4 else (drawing.shape[0], 1, *drawing.shape[2:])
    if isinstance(drawing, np.ndarray):
        return np.broadcast_to(np.array(value, drawing.dtype), shape)
    one = drawing.new_full((), value) if is_torch(drawing) else drawing.full(value, drawing.dtype)
    return one.expand(*shape)


def _shape(drawing: Array, alpha: Array, background: Array) -> tuple[int, ...]:
    """Shape of the result, or BadInput."""
    planar = drawing.ndim == 4
    ok = drawing.ndim in (2, 3, 4) and alpha.ndim == (4 if planar else 2) and (background.ndim == 4) == planar
    shape: tuple[int, ...] = ()
    if ok and planar:
        channels = max(drawing.shape[1], background.shape[1])
        ok = alpha.shape[1] == 1 and all(x.shape[1] in (1, channels) for x in (drawing, background))
        ok = ok and all(
            x.shape[0] == drawing.shape[0] and x.shape[2:] == drawing.shape[2:] for x in (alpha, background)
        )
        shape = (drawing.shape[0], channels, *drawing.shape[2:])
    elif ok:
        thick = [tuple(x.shape[2:]) for x in (drawing, background) if x.ndim == 3]
        ok = background.ndim in (2, 3) and drawing.shape[:2] == alpha.shape == background.shape[:2]
        ok = ok and all(t == thick[0] for t in thick)
        shape = (*drawing.shape[:2], *(thick[0] if thick else ()))
    if not ok:
        given = f"drawing {list(drawing.shape)}, alpha {list(alpha.shape)}, background {list(background.shape)}"
        raise BadInput(
            f"{given} given; drawing and background [H,W] or [H,W,3] with alpha [H,W], or all [N,C,H,W], expected"
        )
    return shape


def _full(x: Array, shape: tuple[int, ...]) -> Any:
    """A broadcast view of a [H,W] or [H,W,C] image as `shape`, which has three axes."""
    if x.ndim == 2:
        x = x[:, :, None]
    return np.broadcast_to(x, shape) if isinstance(x, np.ndarray) else x.expand(*shape)


def _write(drawing: Array, alpha: Array, background: Array, out: Array) -> None:
    shape = _shape(drawing, alpha, background)
    if tuple(out.shape) != shape:
        raise BadInput(f"out: shape {list(out.shape)} given, {list(shape)} expected")
    if len(shape) == 4:
        for n in range(shape[0]):
            for c in range(shape[1]):
                d, b = drawing[n, c % drawing.shape[1]], background[n, c % background.shape[1]]
                _write(d, alpha[n, 0], b, out[n, c])
        return
    target = out[:, :, None] if out.ndim == 2 else out
    full = tuple(target.shape)
    call(_C.composite, _full(drawing, full), _full(alpha, full), _full(background, full), target, like=out)


def _run(drawing: Any, alpha: Any, background: Any) -> Any:
    out = drawing.new_empty(_shape(drawing, alpha, background))
    _write(drawing.detach(), alpha.detach(), background.detach(), out)
    return out


def _fake(drawing: Any, alpha: Any, background: Any) -> Any:
    return drawing.new_empty(_shape(drawing, alpha, background))


def _save(ctx: Any, inputs: Any, output: Any) -> None:
    ctx.save_for_backward(*inputs)


def _sum_to(grad: Any, like: Any) -> Any:
    """Undo the broadcast of a grey image over channels."""
    if grad.ndim == 4:
        return grad if grad.shape[1] == like.shape[1] else grad.sum(1, keepdim=True)
    return grad.sum(2) if like.ndim < grad.ndim else grad


def _backward(ctx: Any, grad: Any) -> Any:
    drawing, alpha, background = ctx.saved_tensors

    def thick(x: Any) -> Any:
        return x[:, :, None] if grad.ndim == 3 and x.ndim == 2 else x

    a, difference = thick(alpha), thick(drawing) - thick(background)
    return _sum_to(grad * a, drawing), _sum_to(grad * difference, alpha), _sum_to(grad * (1 - a), background)


declare(Operator("composite(Tensor drawing, Tensor alpha, Tensor background) -> Tensor", _run, _fake, _save, _backward))
