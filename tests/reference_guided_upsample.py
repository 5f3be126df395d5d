"""Guided upsampling from its definition, in float64, window by window: slow and plain."""

import numpy as np


def guided_upsample(coarse, image, radius=4, epsilon=1e-3, gain=1.0):
    """coarse [h,w], image uint8 [H,W,3] -> float64 [H,W] before rounding, in 0..255."""
    h, w = coarse.shape
    H, W = image.shape[:2]
    grey = image @ np.array([0.299, 0.587, 0.114]) / 255
    p = coarse.astype(np.float64)
    guide = np.empty((h, w))
    for i in range(h):
        for j in range(w):
            guide[i, j] = grey[i * H // h : -(-(i + 1) * H // h), j * W // w : -(-(j + 1) * W // w)].mean()

    def windows(values):
        means = np.empty((h, w))
        for i in range(h):
            for j in range(w):
                means[i, j] = values[max(i - radius, 0) : i + radius + 1, max(j - radius, 0) : j + radius + 1].mean()
        return means

    a = (windows(guide * p) - windows(guide) * windows(p)) / (windows(guide**2) - windows(guide) ** 2 + epsilon)
    b = windows(p) - a * windows(guide)
    value = bilinear(windows(a), H, W) * grey + bilinear(windows(b), H, W)
    return np.clip(((value - 0.5) * gain + 0.5) * 255, 0, 255)


def bilinear(values, H, W):
    """Values at cell centres, interpolated at the pixel centres of the same square; nearest beyond the outermost."""

    def axis(n, cells):
        s = np.clip((np.arange(n) + 0.5) * cells / n - 0.5, 0, cells - 1)
        low = np.floor(s).astype(int)
        return low, np.minimum(low + 1, cells - 1), s - low

    y0, y1, fy = axis(H, values.shape[0])
    x0, x1, fx = axis(W, values.shape[1])
    rows = values[y0] * (1 - fy)[:, None] + values[y1] * fy[:, None]
    return rows[:, x0] * (1 - fx) + rows[:, x1] * fx
