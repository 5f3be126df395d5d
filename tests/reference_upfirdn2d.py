"""Definitions of upfirdn2d: slow in float64, and in plain torch operations, the way it is written without a kernel."""

import numpy as np


def upfirdn2d(x, f, up, down, padding, flip_filter, gain):
    """x [N,C,H,W]; f [fh,fw], [f] or None; up, down (x, y); padding (left, right, top, bottom)."""
    x = np.asarray(x, np.float64)
    f = np.ones((1, 1)) if f is None else np.asarray(f, np.float64)
    f = (np.outer(f, f) if f.ndim == 1 else f) * gain
    if not flip_filter:
        f = f[::-1, ::-1]
    n, c, h, w = x.shape
    wide = np.zeros((n, c, h * up[1], w * up[0]))
    wide[:, :, :: up[1], :: up[0]] = x
    left, right, top, bottom = padding
    wide = np.pad(wide, [(0, 0), (0, 0), (max(top, 0), max(bottom, 0)), (max(left, 0), max(right, 0))])
    rows, columns = wide.shape[2] - max(-bottom, 0), wide.shape[3] - max(-right, 0)
    wide = wide[:, :, max(-top, 0) : rows, max(-left, 0) : columns]
    ho, wo = wide.shape[2] - f.shape[0] + 1, wide.shape[3] - f.shape[1] + 1
    out = np.zeros((n, c, ho, wo))
    for k in range(f.shape[0]):
        for l in range(f.shape[1]):
            out += f[k, l] * wide[:, :, k : k + ho, l : l + wo]
    return out[:, :, :: down[1], :: down[0]]


def in_torch(x, f, up=1, down=1, padding=(0, 0, 0, 0), flip_filter=False, gain=1):
    """Zeros inserted by padding a reshaped view, torch padding, one convolution a channel, strided slices."""
    import torch

    n, c, h, w = x.shape
    if up > 1:
        x = torch.nn.functional.pad(x.reshape(n, c, h, 1, w, 1), [0, up - 1, 0, 0, 0, up - 1])
        x = x.reshape(n, c, h * up, w * up)
    left, right, top, bottom = padding
    x = torch.nn.functional.pad(x, [max(left, 0), max(right, 0), max(top, 0), max(bottom, 0)])
    x = x[:, :, max(-top, 0) : x.shape[2] - max(-bottom, 0), max(-left, 0) : x.shape[3] - max(-right, 0)]
    f = f * gain ** (f.ndim / 2)
    f = (f if flip_filter else f.flip(list(range(f.ndim)))).to(x.dtype)
    if f.ndim == 2:
        x = torch.nn.functional.conv2d(x, f[None, None].repeat(c, 1, 1, 1), groups=c)
    else:
        x = torch.nn.functional.conv2d(x, f[None, None, :, None].repeat(c, 1, 1, 1), groups=c)
        x = torch.nn.functional.conv2d(x, f[None, None, None].repeat(c, 1, 1, 1), groups=c)
    return x[:, :, ::down, ::down]
