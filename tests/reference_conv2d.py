"""Slow definitions of conv2d and max_pool2d in float64."""

import numpy as np


def conv2d(x, weight, bias, slope, stride, pad):
    n, h, w, _ = x.shape
    kh, kw, _, outputs = weight.shape
    padded = np.pad(x.astype(np.float64), ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    ho, wo = (h + 2 * pad - kh) // stride + 1, (w + 2 * pad - kw) // stride + 1
    y = np.zeros((n, ho, wo, outputs)) + bias
    for ky in range(kh):
        for kx in range(kw):
            tap = padded[:, ky : ky + (ho - 1) * stride + 1 : stride, kx : kx + (wo - 1) * stride + 1 : stride]
            y += tap @ weight[ky, kx].astype(np.float64)
    return np.where(y > 0, y, slope * y)


def max_pool2d(x, kernel, stride, ceil):
    n, h, w, c = x.shape

    def count(side):
        k = 1 + max(0, side - kernel) / stride
        k = int(np.ceil(k) if ceil else np.floor(k))
        return k - 1 if (k - 1) * stride >= side else k

    out = np.zeros((n, count(h), count(w), c))
    for y in range(out.shape[1]):
        for u in range(out.shape[2]):
            out[:, y, u] = x[:, y * stride : y * stride + kernel, u * stride : u * stride + kernel].max(axis=(1, 2))
    return out
