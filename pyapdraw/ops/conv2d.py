"""2D convolution and max pooling on channel-last float32 numpy arrays: the layers of the nets that run natively."""

from __future__ import annotations

import numpy as np

from pyapdraw import _C
from pyapdraw.errors import BadInput


def conv2d(
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None = None,
    slope: np.ndarray | float | None = None,
    *,
    stride: int = 1,
    pad: int = 0,
    out: np.ndarray | None = None,
    threads: int = 0,
) -> np.ndarray:
    """Cross-correlation plus bias, then PReLU: ``y = v if v > 0 else slope * v``.

    x: float32 [N,H,W,C]; may be a slice of a larger array, but its channels must be adjacent. weight: float32
    [kh,kw,C,O], contiguous. bias: float32 [O], default zeros. slope: float32 [O] or one number (0 is ReLU),
    default no activation. out: float32 [N,Ho,Wo,O], ``Ho = (H + 2 pad - kh) // stride + 1``, made if not given;
    a channel slice of a larger array saves a concatenation. threads: 0 means the process default.
    Raises BadInput for shapes, dtypes or layouts that do not fit.
    """
    if x.ndim != 4 or weight.ndim != 4:
        raise BadInput(
            f"conv2d: x {list(x.shape)} and weight {list(weight.shape)} given, [N,H,W,C] and [kh,kw,C,O] expected"
        )
    kh, kw, _, outputs = weight.shape
    if bias is None:
        bias = np.zeros(outputs, np.float32)
    if not isinstance(slope, np.ndarray):
        slope = np.full(outputs, 1.0 if slope is None else slope, np.float32)
    if out is None:
        n, h, w, _ = x.shape
        size = [max(0, (side + 2 * pad - k) // max(1, stride) + 1) for side, k in ((h, kh), (w, kw))]
        out = np.empty((n, *size, outputs), np.float32)
    _C.conv2d(x, weight, bias, slope, out, stride, pad, _C.Context(threads))
    return out


def max_pool2d(x: np.ndarray, kernel: int, stride: int, *, ceil: bool = False, threads: int = 0) -> np.ndarray:
    """Maximum over windows of kernel x kernel pixels, one every ``stride``.

    x: float32 [N,H,W,C], channels adjacent -> float32 [N,Ho,Wo,C]. ceil: also take the last windows that the
    border cuts, as long as they start inside. A side shorter than the kernel gives one window.
    """
    if x.ndim != 4 or stride < 1 or kernel < 1:
        raise BadInput(
            f"max_pool2d: x {list(x.shape)}, kernel {kernel}, stride {stride} given, [N,H,W,C] and at least 1 expected"
        )
    n, h, w, c = x.shape
    size = []
    for side in (h, w):
        rest = max(0, side - kernel)
        count = (rest + stride - 1) // stride + 1 if ceil else rest // stride + 1
        size.append(0 if side == 0 else count - int((count - 1) * stride >= side))
    out = np.empty((n, *size, c), np.float32)
    _C.max_pool2d(x, out, kernel, stride, _C.Context(threads))
    return out
