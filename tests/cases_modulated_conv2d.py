"""Shapes and operands of the modulated convolution, for its tests and its benchmark."""

import numpy as np
from reference_modulated_conv2d import modulated_conv2d as reference

FILTER = np.array([1, 3, 3, 1]) / 8

# name -> (N, I, O, H, W, k, up, down): sides and channels off every block size of the kernels
SHAPES = {
    "one pixel": (1, 1, 1, 1, 1, 3, 1, 1),
    "one pixel up": (2, 3, 2, 1, 1, 3, 2, 1),
    "one pixel 1x1 up": (2, 3, 2, 1, 1, 1, 2, 1),
    "const block": (2, 64, 64, 4, 4, 3, 1, 1),
    "odd everything": (3, 17, 33, 7, 11, 3, 1, 1),
    "wide": (1, 5, 3, 2, 131, 3, 1, 1),
    "tall": (1, 5, 48, 67, 2, 3, 1, 1),
    "32 outputs": (1, 40, 32, 12, 20, 3, 1, 1),
    "2x2 tiles": (2, 36, 40, 13, 15, 3, 1, 1),
    "2x2 tiles wide": (1, 33, 17, 3, 150, 3, 1, 1),
    "toRGB": (2, 37, 3, 9, 16, 1, 1, 1),
    "1x1 wide": (1, 65, 70, 5, 33, 1, 1, 1),
    "up": (2, 16, 32, 8, 8, 3, 2, 1),
    "up odd": (1, 19, 21, 5, 23, 3, 2, 1),
    "up 1x1": (2, 9, 5, 6, 7, 1, 2, 1),
    "down": (2, 16, 32, 8, 8, 3, 1, 2),
    "down odd": (1, 11, 13, 9, 7, 3, 1, 2),
    "down 1x1 odd": (2, 11, 13, 5, 9, 1, 1, 2),
}


def operands(rng, n, inputs, outputs, h, w, k, up=1, down=1, noise=1):
    """x, weight, styles, noise, bias in float32; noise: the samples of the noise, 0 for none."""
    x = rng.normal(size=(n, inputs, h, w))
    weight = rng.normal(size=(outputs, inputs, k, k))
    styles = 1 + 0.5 * rng.normal(size=(n, inputs))
    grain = rng.normal(size=(noise, 1, h * up // down, w * up // down)) if noise else None
    bias = rng.normal(size=outputs)
    return [None if a is None else a.astype(np.float32) for a in (x, weight, styles, grain, bias)]


def size_of_sums(x, weight, styles, *, demodulate, up, down, resample_filter, gain, **_):
    """What the sums would be with random signs, at their largest: the scale of rounding errors. |y| alone would ask for
    digits that a sum has lost when its terms cancel, as they may in an output of a few pixels."""
    x, weight, styles = (np.asarray(a, np.float64) for a in (x, weight, styles))
    own = ((weight**2).sum((2, 3))[None] * (styles**2)[:, None]).sum(2) + 1e-8
    taps = None if resample_filter is None else np.asarray(resample_filter, np.float64)
    if taps is not None:
        taps = np.outer(taps, taps) if taps.ndim == 1 else taps
        taps = (2 * taps) ** 2
    squares = reference(x**2, weight**2, styles**2, demodulate=False, up=up, down=down, resample_filter=taps, gain=1)
    squares = squares / own[:, :, None, None] if demodulate else squares
    return abs(gain) * np.sqrt(squares.max(initial=0))


def assert_close(y, expected, scale, relative):
    """max |y - expected| <= relative * max(largest |expected|, scale); not finite values at the same places."""
    y = np.asarray(y, np.float64)
    assert y.shape == expected.shape
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(np.isfinite(y), finite)
    scale = max(np.abs(expected[finite]).max(initial=0), scale)
    error = np.abs(y[finite] - expected[finite]).max(initial=0)
    assert error <= relative * scale, f"error {error:.2e} at {scale:.2e}: {error / scale:.2e}, at most {relative}"
