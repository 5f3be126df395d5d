"""Slow float64 definition of the modulated convolution, one step at a time: weights of every sample, zeros inserted by
hand, every filter tap a shifted copy. After the layer of StyleGAN2 [Karras et al. 2020]."""

import math

import numpy as np

GAINS = {"relu": math.sqrt(2), "lrelu": math.sqrt(2), "swish": math.sqrt(2)}
ACTIVATIONS = {
    "linear": lambda v: v,
    "relu": lambda v: np.maximum(v, 0),
    "lrelu": lambda v: np.where(v < 0, 0.2 * v, v),
    "tanh": np.tanh,
    "sigmoid": lambda v: 1 / (1 + np.exp(-v)),
    "elu": lambda v: np.where(v < 0, np.expm1(np.minimum(v, 0)), v),
    "selu": lambda v: 1.0507009873554805 * np.where(v < 0, 1.6732632423543772 * np.expm1(np.minimum(v, 0)), v),
    "softplus": lambda v: np.logaddexp(0, v),
    "swish": lambda v: v / (1 + np.exp(-v)),
}


def padded(x, left, right, top, bottom):
    """Zeros around the image; negative numbers cut off."""
    x = np.pad(x, [(0, 0), (0, 0), (max(top, 0), max(bottom, 0)), (max(left, 0), max(right, 0))])
    h, w = x.shape[2:]
    return x[:, :, max(-top, 0) : h - max(-bottom, 0), max(-left, 0) : w - max(-right, 0)]


def correlation(x, weight, stride):
    """Valid correlation, every sample with its own weight: x [N, I, H, W], weight [N, O, I, k, k]."""
    k = weight.shape[3]
    h, w = ((side - k) // stride + 1 for side in x.shape[2:])
    y = np.zeros((*weight.shape[:2], h * w))
    for a in range(k):
        for b in range(k):
            window = x[:, :, a : a + (h - 1) * stride + 1 : stride, b : b + (w - 1) * stride + 1 : stride]
            y += weight[:, :, :, a, b] @ window.reshape(*x.shape[:2], h * w)
    return y.reshape(*y.shape[:2], h, w)


def transposed(x, weight):
    """Transposed convolution of stride 2: every input pixel adds its k x k patch."""
    k, (n, i, h, w) = weight.shape[3], x.shape
    y = np.zeros((*weight.shape[:2], (h - 1) * 2 + k, (w - 1) * 2 + k))
    for a in range(k):
        for b in range(k):
            patch = weight[:, :, :, a, b] @ x.reshape(n, i, h * w)
            y[:, :, a : a + 2 * h - 1 : 2, b : b + 2 * w - 1 : 2] += patch.reshape(n, -1, h, w)
    return y


def upfirdn(x, filter, up, down, pads, gain):
    """Zeros between the pixels, zeros around, true convolution with the filter, every down-th pixel."""
    n, c, h, w = x.shape
    spread = np.zeros((n, c, h * up, w * up))
    spread[:, :, ::up, ::up] = x
    x = padded(spread, *pads)
    fh, fw = filter.shape
    h, w = x.shape[2] - fh + 1, x.shape[3] - fw + 1
    y = np.zeros((n, c, max(h, 0), max(w, 0)))
    for a in range(fh):
        for b in range(fw):
            y += filter[fh - 1 - a, fw - 1 - b] * x[:, :, a : a + h, b : b + w]
    return gain * y[:, :, ::down, ::down]


def convolved(x, weight, filter, up, down):
    """The resampled convolution with padding k // 2 of x [N, I, H, W], every sample with its own weight."""
    k = weight.shape[3]
    size = [side * up // down for side in x.shape[2:]]
    if 0 in (*size, len(x)):
        return np.zeros((*weight.shape[:2], *size))
    if up == down:
        return correlation(padded(x, *[k // 2] * 4), weight, 1)
    pads = []
    for taps in (filter.shape[1], filter.shape[0]):
        if down == 2:
            pads += [k // 2 + (taps - 1) // 2, k // 2 + (taps - 2) // 2]
        else:
            pads += [k // 2 + (taps + 1) // 2 - (k - 1), k // 2 + (taps - 2) // 2 - (k - 2 if k == 3 else 0)]
    if down == 2:
        y = upfirdn(x, filter, 1, 1 if k == 3 else 2, pads, 1)
        return correlation(y, weight, 2 if k == 3 else 1)
    if k == 3:
        return upfirdn(transposed(x, weight), filter, 1, 1, pads, 4)
    return upfirdn(correlation(x, weight, 1), filter, 2, 1, pads, 4)


def modulated_conv2d(
    x,
    weight,
    styles,
    *,
    demodulate=True,
    up=1,
    down=1,
    resample_filter=None,
    noise=None,
    bias=None,
    activation="linear",
    gain=None,
    clamp=None,
):
    x, weight, styles = (np.asarray(a, np.float64) for a in (x, weight, styles))
    filter = np.ones((1, 1)) if resample_filter is None else np.asarray(resample_filter, np.float64)
    filter = np.outer(filter, filter) if filter.ndim == 1 else filter
    own = weight[None] * styles[:, None, :, None, None]  # [N, O, I, k, k]
    if demodulate:
        own = own / np.sqrt((own**2).sum((2, 3, 4), keepdims=True) + 1e-8)
    y = convolved(x, own, filter, up, down)
    if noise is not None:
        y = y + np.asarray(noise, np.float64)
    if bias is not None:
        y = y + np.asarray(bias, np.float64)[:, None, None]
    y = ACTIVATIONS[activation](y) * (GAINS.get(activation, 1.0) if gain is None else gain)
    return y if clamp is None else np.clip(y, -clamp, clamp)


def backward_weight(grad, grad_scale, x, x_scale, k, stride, pad):
    """The weight gradient of the plain convolution of x_scale x; grad_scale grad is the gradient of its result."""
    grad = np.asarray(grad, np.float64) * np.asarray(grad_scale, np.float64)[:, :, None, None]
    x = padded(np.asarray(x, np.float64) * np.asarray(x_scale, np.float64)[:, :, None, None], *[pad] * 4)
    h, w = grad.shape[2:]
    out = np.zeros((grad.shape[1], x.shape[1], k, k))
    if grad.size == 0:
        return out
    for a in range(k):
        for b in range(k):
            window = x[:, :, a : a + (h - 1) * stride + 1 : stride, b : b + (w - 1) * stride + 1 : stride]
            out[:, :, a, b] = np.einsum("nohw,nihw->oi", grad, window)
    return out
