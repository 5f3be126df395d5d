"""Affine warp: crops out of photos, and drawings back into them."""

import sys
from typing import Any, Literal

import numpy as np

from pyapdraw import _C
from pyapdraw.errors import BadInput
from pyapdraw.ops._arrays import Array, all_torch, empty, is_torch, takes_device_arrays
from pyapdraw.ops._images import Size, check_out, each_image, resized_shape, size_of
from pyapdraw.ops._torch import Operator, declare, operators
from pyapdraw.ops.resize import resize_adjoint

Filter = Literal["bilinear", "antialias"]


@takes_device_arrays
def warp_affine(
    image: Array,
    matrix: Array,
    size: Size,
    *,
    filter: Filter = "bilinear",
    border: float | Literal["edge"] = 255,
    out: Array | None = None,
) -> Array:
    """Move an image through an affine map.

    Args:
        image: uint8 or float32; [H, W], [H, W, C] or [N, C, H, W], any strides. numpy or torch (CPU, CUDA).
        matrix: [2, 3], image to output coordinates: x right, y down, pixel centres at integers (0-based). For
            [N, C, H, W] also [N, 2, 3]. It is used in float64, on the CPU, and carries no gradient. Output to a part of
            a
            frame: subtract the part's corner from the last column.
        size: (height, width) of the output in px, or one side of a square.
        filter: "bilinear": each output pixel interpolates four taps, in double precision and rounded half up: the
            sampling of the official alignment, bit for bit. "antialias": the image is first resized (see `resize`) to
            the scale of the output, so that a shrinking map loses no pixels; the same as bilinear where the map does
            not shrink.
        border: what a tap outside the image counts as: a number, or "edge" for the nearest pixel.
        out: same dtype and kind, of the output's shape; written and returned. It must not overlap `image`.

    Returns:
        The warped image, same dtype and layout. Differentiable in `image` for float32.

    Raises:
        BadInput: wrong shape, dtype, size or option, or a matrix that is not finite or has no inverse.

    >>> warp_affine(np.array([[10, 20, 30]], np.uint8), np.array([[1, 0, 1], [0, 1, 0]]), (1, 3))
    array([[255,  10,  20]], dtype=uint8)
    """
    wanted = size_of(size)
    mode, value = _border(border)
    matrices = matrices_of(matrix, image)
    if all_torch(image=image, out=out):
        if out is None:
            return operators().warp_affine(image, _torch_matrices(matrices), wanted, filter, mode, value)
    elif out is None:
        out = empty(resized_shape(image.shape, wanted), image.dtype, like=image)
    check_out(image, wanted, out)
    each_image(_native, image, out, list(matrices), filter, mode, value)
    return out


def _native(image: Array, out: Array, matrix: Array, *options: Any, **ctx: Any) -> None:
    _C.warp_affine(image, matrix, out, *options, **ctx)


def _border(border: Any) -> tuple[str, float]:
    if isinstance(border, str):
        if border != "edge":
            raise BadInput(f"border: '{border}' given, a number or 'edge' expected")
        return "edge", 0.0
    return "constant", float(border)


def matrices_of(matrix: Any, image: Array, arg: str = "matrix") -> np.ndarray:
    """float64 [1 or N, 2, 3]."""
    try:
        m = matrix.detach().cpu().numpy() if is_torch(matrix) else np.asarray(matrix)
    except (TypeError, ValueError) as e:  # CuPy gives nothing to the host unasked
        raise BadInput(f"{arg}: {type(matrix).__name__} given that is no array of the host ({e})") from None
    if not _is_compiling() and m.dtype.kind not in "biuf":  # a graph has no dtypes of numpy arrays
        raise BadInput(f"{arg}: dtype {m.dtype} given, numbers expected")
    batch = getattr(image, "ndim", 0) == 4
    if m.shape == (2, 3):
        m = m[None]
    elif not batch or m.shape != (image.shape[0], 2, 3):
        raise BadInput(f"{arg}: shape {list(m.shape)} given, [2,3]{' or [N,2,3]' if batch else ''} expected")
    return np.ascontiguousarray(m, np.float64).copy()  # a copy: aligned, and never the memory of `out`


def _is_compiling() -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and torch.compiler.is_compiling()


def _torch_matrices(m: np.ndarray) -> Any:
    import torch

    return torch.from_numpy(m)


def _run(image: Any, matrix: Any, size: Any, filter: str, border: str, value: float) -> Any:
    out = image.new_empty(resized_shape(image.shape, tuple(size)))
    each_image(_native, image.detach(), out, list(matrix), filter, border, value)
    return out


def _fake(image: Any, matrix: Any, size: Any, filter: str, border: str, value: float) -> Any:
    return image.new_empty(resized_shape(image.shape, tuple(size)))


def sampled_map(matrix: np.ndarray, shape: tuple[int, int], filter: str) -> tuple[np.ndarray, tuple[int, int]]:
    """The native plan: the [2,3] map from output pixels to the sampled image, and that image's (height, width)."""
    inverse = np.linalg.inv(np.vstack([matrix, [0.0, 0.0, 1.0]]))[:2]
    sampled = list(shape)
    for row, axis in ((0, 1), (1, 0)):
        n, step = shape[axis], float(np.hypot(*inverse[row, :2]))
        if filter == "antialias" and step > 1.0:
            reduced = max(1, int(np.floor(n / step + 0.5)))
            inverse[row] *= reduced / n
            inverse[row, 2] += 0.5 * reduced / n - 0.5
            sampled[axis] = reduced
    return inverse, (sampled[0], sampled[1])


def _save(ctx: Any, inputs: Any, output: Any) -> None:
    image, matrix, _, filter, border, _ = inputs
    ctx.shape, ctx.matrices, ctx.filter, ctx.border = image.shape, matrix, filter, border


def _scatter(grad: Any, inverse: np.ndarray, size: tuple[int, int], border: str) -> Any:
    """Transpose of bilinear sampling (torch): grad [h, w, C] of the output to [H, W, C] of the sampled image."""
    import torch

    rows, columns = grad.shape[:2]
    m = inverse.tolist()
    y = torch.arange(rows, dtype=torch.float64, device=grad.device)[:, None]
    x = torch.arange(columns, dtype=torch.float64, device=grad.device)[None]
    sx, sy = ((r[0] * x + r[1] * y + r[2]).clamp(-2, n + 1) for r, n in zip(m, (size[1], size[0])))
    left, top = sx.floor(), sy.floor()
    out = grad.new_zeros((size[0] * size[1], grad.shape[2]))
    for dy in (0, 1):
        for dx in (0, 1):
            u, v = (left + dx).long(), (top + dy).long()
            weight = (1 - (sx - u).abs()) * (1 - (sy - v).abs())
            if border != "edge":
                weight = weight * ((u >= 0) & (u < size[1]) & (v >= 0) & (v < size[0]))
            index = v.clamp(0, size[0] - 1) * size[1] + u.clamp(0, size[1] - 1)
            out.index_add_(0, index.reshape(-1), (grad * weight[..., None].to(grad.dtype)).reshape(-1, grad.shape[2]))
    return out.reshape(*size, grad.shape[2])


def _one_backward(grad: Any, matrix: Any, shape: tuple[int, int], filter: str, border: str) -> Any:
    inverse, size = sampled_map(matrix.numpy(), shape, filter)
    sampled = _scatter(grad, inverse, size, border)
    return sampled if size == shape else resize_adjoint(sampled, (*shape, grad.shape[2]))


def _run_backward(grad: Any, matrices: Any, full: Any, filter: str, border: str) -> Any:
    """An operator of its own, because it reads the matrices' values, which a traced graph does not have."""
    import torch

    full, options = tuple(full), (filter, border)
    if len(full) == 4:
        shape = full[2:]
        each = [
            _one_backward(g.permute(1, 2, 0), matrices[n % len(matrices)], shape, *options) for n, g in enumerate(grad)
        ]
        result = torch.stack(each).permute(0, 3, 1, 2) if each else grad.new_zeros(full)
    else:
        result = _one_backward(grad.reshape(*grad.shape[:2], -1), matrices[0], full[:2], *options).reshape(full)
    return result.contiguous()


def _fake_backward(grad: Any, matrices: Any, full: Any, filter: str, border: str) -> Any:
    return grad.new_empty(tuple(full))


def _backward(ctx: Any, grad: Any) -> Any:
    result = operators().warp_affine_backward(grad, ctx.matrices, ctx.shape, ctx.filter, ctx.border)
    return result, None, None, None, None, None


declare(
    Operator(
        "warp_affine_backward(Tensor grad, Tensor matrix, SymInt[] shape, str filter, str border) -> Tensor",
        _run_backward,
        _fake_backward,
    )
)
declare(
    Operator(
        "warp_affine(Tensor image, Tensor matrix, SymInt[] size, str filter, str border, float value) -> Tensor",
        _run,
        _fake,
        _save,
        _backward,
    )
)
