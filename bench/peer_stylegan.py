"""One layer of StyleGAN2 as its published torch code computes it: the peers of bench_modulated_conv2d.

Written from the definition. "grouped": weights modulated and demodulated per sample, the batch as groups of one
convolution (what the published code does at inference). "scale": activations scaled before and behind a convolution
with shared weights (what it does in training).
"""

import torch
from torch.nn.functional import conv2d, conv_transpose2d, leaky_relu, pad

SQRT2 = 2**0.5


def filtered(x, taps, pads, gain=1.0, up=1):
    """Zeros between the pixels, padding, and the depthwise convolution with the square of taps."""
    n, c, h, w = x.shape
    if up > 1:
        x = pad(x.reshape(n, c, h, 1, w, 1), [0, up - 1, 0, 0, 0, up - 1]).reshape(n, c, h * up, w * up)
    kernel = (torch.outer(taps, taps) * gain).flip([0, 1]).to(x.dtype)
    return conv2d(pad(x, pads), kernel[None, None].repeat(c, 1, 1, 1), groups=c)


def convolved(x, weight, up, taps, groups):
    """Plain convolution, or transposed convolution of stride 2 and the filter."""
    if up == 1:
        return conv2d(x, weight, padding=weight.shape[2] // 2, groups=groups)
    _, i, k, _ = weight.shape
    swapped = weight.reshape(groups, -1, i, k, k).transpose(1, 2).reshape(groups * i, -1, k, k)
    return filtered(conv_transpose2d(x, swapped, stride=2, groups=groups), taps, [1, 1, 1, 1], gain=4)


def composed(weight, taps):
    """Weight and filter of an up-sampling layer as one convolution: [4 O, I, 3, 3], the four phases of each output.

    The transposed convolution and the filter are linear, so together they are a transposed convolution of stride 2 with
    6x6 taps; each phase of its results meets 3x3 of them. Exact, borders included. Made once for a weight.
    """
    outputs, inputs, k, _ = weight.shape
    filter = torch.outer(taps, taps).to(weight) * 4
    wide = pad(weight, [3, 3, 3, 3]).reshape(outputs * inputs, 1, k + 6, k + 6)
    wide = conv2d(wide, filter.flip([0, 1])[None, None]).reshape(outputs, inputs, k + 3, k + 3)
    # Result (2y + p) meets tap 2 (y - source) + p + 1, so source y + 1, y, y - 1 for taps p - 1 + (0, 2, 4) + ...
    phases = [wide.flip([2, 3])[:, :, 1 - p :: 2, 1 - q :: 2] for p in (0, 1) for q in (0, 1)]
    return torch.stack(phases, 1).reshape(4 * outputs, inputs, 3, 3)


def phases(x, weight, styles, *, noise, bias, demodulated, activation="lrelu", clamp=256.0):
    """The scale form of an up-sampling layer with the weight of `composed`. demodulated [O, I]: the squares of the
    original weight, summed over its taps."""
    d = (styles.square() @ demodulated.T + 1e-8).rsqrt().to(x.dtype)[:, :, None, None]
    x = torch.nn.functional.pixel_shuffle(conv2d(x * styles.to(x.dtype)[:, :, None, None], weight, padding=1), 2)
    x = x * d if noise is None else torch.addcmul(noise.to(x.dtype), x, d)
    return after(x, bias, activation, clamp)


def after(x, bias, activation, clamp):
    """Bias, activation, gain, clamp."""
    x = x + bias.to(x.dtype)[None, :, None, None]
    if activation == "lrelu":
        x = leaky_relu(x, 0.2) * SQRT2
    return x if clamp is None else x.clamp(-clamp, clamp)


def modulated(weight, styles, demodulate):
    """Weights of every sample [N, O, I, k, k], and their demodulation [N, O]."""
    own = weight[None] * styles.to(weight.dtype)[:, None, :, None, None]
    return own, (own.square().sum(dim=[2, 3, 4]) + 1e-8).rsqrt() if demodulate else None


def grouped(x, weight, styles, *, noise, bias, taps, up=1, demodulate=True, activation="lrelu", clamp=256.0):
    n, i, h, w = x.shape
    own, d = modulated(weight, styles, demodulate)
    if demodulate:
        own = own * d[:, :, None, None, None]
    x = convolved(x.reshape(1, n * i, h, w), own.reshape(-1, *weight.shape[1:]), up, taps, n)
    x = x.reshape(n, -1, *x.shape[2:])
    if noise is not None:
        x = x.add_(noise.to(x.dtype))
    return after(x, bias, activation, clamp)


def scale(x, weight, styles, *, noise, bias, taps, up=1, demodulate=True, activation="lrelu", clamp=256.0):
    d = modulated(weight, styles, demodulate)[1]
    x = convolved(x * styles.to(x.dtype)[:, :, None, None], weight, up, taps, 1)
    if demodulate and noise is not None:
        x = torch.addcmul(noise.to(x.dtype), x, d.to(x.dtype)[:, :, None, None])
    elif demodulate:
        x = x * d.to(x.dtype)[:, :, None, None]
    elif noise is not None:
        x = x.add_(noise.to(x.dtype))
    return after(x, bias, activation, clamp)
