"""Depthwise convolution: its definition on every instruction set, any padding, any view, nothing beside the output."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyapdraw import _C
from pyapdraw.errors import BadInput

GUARD = np.float32(77)


def reference(x, weight, bias, size, stride, pad, activation):
    """float64; zeros beyond x."""
    n, h, w, c = x.shape
    kh, kw = weight.shape[:2]
    bottom, right = ((s - 1) * stride - pad + k for s, k in zip(size, (kh, kw)))
    frame = np.zeros((n, pad + max(h, bottom), pad + max(w, right), c))
    frame[:, pad : pad + h, pad : pad + w] = x
    total = np.tile(bias.astype(np.float64), (n, *size, 1))
    for ky in range(kh):
        for kx in range(kw):
            rows = slice(ky, ky + (size[0] - 1) * stride + 1, stride)
            columns = slice(kx, kx + (size[1] - 1) * stride + 1, stride)
            total += frame[:, rows, columns] * weight[ky, kx].astype(np.float64)
    if activation == "relu":
        return np.maximum(total, 0)
    return total * np.clip(total + 3, 0, 6) / 6 if activation == "hard_swish" else total


def made(n, h, w, c, kh, kw, seed=0):
    random = np.random.default_rng(seed)
    return [random.normal(size=shape).astype(np.float32) for shape in ((n, h, w, c), (kh, kw, c), (c,))]


def check(x, weight, bias, size, stride=1, pad=0, activation="linear", threads=0):
    n, c = x.shape[0], x.shape[3]
    frame = np.full((n, size[0] + 2, size[1] + 1, c + 3), GUARD)
    out = frame[:, 1:-1, 1:, 2 : 2 + c]
    _C.depthwise_conv2d(x, weight, bias, out, stride, pad, activation, _C.Context(threads))
    result = out.copy()
    scale = np.abs(weight).sum(axis=(0, 1)) * (np.abs(x).max() if x.size else 0) + np.abs(bias)
    expected = reference(x, weight, bias, size, stride, pad, activation)
    assert (np.abs(result - expected) <= 2e-6 * (scale + 1) * (2 + np.abs(expected) / 3)).all()
    out[:] = GUARD
    assert (frame == GUARD).all()
    return result


@pytest.fixture(params=_C.cpu_backends())
def backend(request):
    _C.use_backend(request.param)
    yield request.param
    _C.use_backend(_C.cpu_backends()[0])


@pytest.mark.parametrize("activation", ["linear", "relu", "hard_swish"])
@pytest.mark.parametrize("channels", [1, 3, 4, 16, 24, 71, 72])
@pytest.mark.parametrize(("kernel", "stride", "pad", "size"), [
    (3, 1, 1, (8, 11)),  # the same sides
    (3, 2, 0, (4, 6)),  # TensorFlow's "same" of even sides: nothing before, one column behind
    (5, 2, 1, (4, 6)),
    (5, 1, 2, (8, 11)),
    (3, 1, 0, (6, 9)),  # inside alone
    (3, 3, 1, (2, 2)),  # ends before x does
    (1, 1, 0, (8, 11)),
])  # fmt: skip
def test_definition(backend, activation, channels, kernel, stride, pad, size):
    check(*made(2, 8, 11, channels, kernel, kernel), size, stride, pad, activation)


@settings(max_examples=200, deadline=None)
@given(
    st.integers(1, 2), st.integers(1, 9), st.integers(1, 12), st.integers(1, 40), st.integers(1, 5), st.integers(1, 5),
    st.integers(1, 3), st.data(), st.sampled_from(["linear", "relu", "hard_swish"]),
)  # fmt: skip
def test_any_view(n, h, w, c, kh, kw, stride, data, activation):
    pad = data.draw(st.integers(0, min(kh, kw) - 1))
    size = tuple(data.draw(st.integers(1, (side - 1 + pad) // stride + 1)) for side in (h, w))
    x, weight, bias = made(n, h, w, c, kh, kw)
    room = np.full((n, 2 * h, w + 1, c + 5), np.nan, np.float32)
    view = room[:, ::2, 1:, 3 : 3 + c]
    view[:] = x
    check(view, weight, bias, size, stride, pad, activation)


def test_numbers_that_are_none():
    """They reach the windows that hold them and stay what they are."""
    x, weight, bias = made(1, 5, 5, 20, 3, 3)
    x[0, 2, 2, 7] = np.nan
    out = np.zeros_like(x)
    for activation in ("linear", "relu", "hard_swish"):
        _C.depthwise_conv2d(x, weight, bias, out, 1, 1, activation)
        assert np.isnan(out[0, 1:4, 1:4, 7]).all() and np.isnan(out).sum() == 9


def test_threads():
    arguments = made(2, 64, 60, 16, 3, 3)
    one, three = (check(*arguments, (64, 60), 1, 1, threads=threads) for threads in (1, 3))
    np.testing.assert_array_equal(one, three)


def test_nothing_to_do():
    weight, bias = np.zeros((3, 3, 4), np.float32), np.zeros(4, np.float32)
    for x, out in (((0, 5, 5, 4), (0, 5, 5, 4)), ((1, 5, 5, 4), (1, 0, 5, 4)), ((1, 0, 5, 4), (1, 0, 5, 4))):
        _C.depthwise_conv2d(np.zeros(x, np.float32), weight, bias, np.zeros(out, np.float32), 1, 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": np.zeros((5, 5, 4), np.float32)}, "x: "),
        ({"x": np.zeros((1, 5, 5, 4))}, "x: dtype"),
        ({"x": np.zeros((1, 4, 5, 5), np.float32).transpose(0, 2, 3, 1)}, "x: channels"),
        ({"weight": np.zeros((3, 3, 5), np.float32)}, "weight: shape"),
        ({"weight": np.zeros((0, 3, 4), np.float32)}, "weight: shape"),
        ({"weight": np.zeros((3, 3, 8), np.float32)[..., ::2]}, "weight: is not contiguous"),
        ({"bias": np.zeros(5, np.float32)}, "bias: shape"),
        ({"out": np.zeros((1, 7, 5, 4), np.float32)}, "out: shape .*the last window"),
        ({"out": np.zeros((1, 5, 5, 3), np.float32)}, "out: shape"),
        ({"out": np.broadcast_to(np.float32(0), (1, 5, 5, 4))}, "out: "),
        ({"stride": 0}, "stride: 0 given"),
        ({"pad": -1}, "pad: -1 given"),
        ({"pad": 3}, "pad: 3 given"),
        ({"activation": "swish"}, "activation: 'swish' given"),
    ],
)
def test_bad_input(change, message):
    arguments = {
        "x": np.zeros((1, 5, 5, 4), np.float32), "weight": np.zeros((3, 3, 4), np.float32),
        "bias": np.zeros(4, np.float32), "out": np.zeros((1, 5, 5, 4), np.float32), "pad": 1,
    }  # fmt: skip
    _C.depthwise_conv2d(**arguments)
    with pytest.raises(BadInput, match=message):
        _C.depthwise_conv2d(**(arguments | change))


def test_output_over_the_input():
    x = np.zeros((1, 5, 5, 4), np.float32)
    with pytest.raises(BadInput, match="out: shares memory"):
        _C.depthwise_conv2d(x, np.zeros((3, 3, 4), np.float32), np.zeros(4, np.float32), x, 1, 1)
