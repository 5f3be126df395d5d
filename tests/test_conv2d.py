import numpy as np
import pytest
import reference_conv2d as reference
from cases_conv2d import LAYERS, ODD, POOLS
from hypothesis import given, settings
from hypothesis import strategies as st

from pyapdraw import _C
from pyapdraw.errors import BadInput
from pyapdraw.ops.conv2d import conv2d, max_pool2d

GUARD = np.float32(-12345.0)


def inputs(n, h, w, c, o, k, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, h, w, c)).astype(np.float32)
    weight = rng.normal(size=(k, k, c, o)).astype(np.float32)
    bias, slope = rng.normal(size=o).astype(np.float32), rng.uniform(-0.2, 0.5, o).astype(np.float32)
    return x, weight, bias, slope


def bound(weight):
    """Rounding of a float32 sum of K normal products, with room: measured errors are a tenth of this."""
    return 1e-5 * max(1.0, np.sqrt(np.prod(weight.shape[:3])))


@pytest.mark.parametrize("case", LAYERS + ODD, ids=str)
def test_conv2d_is_its_definition(case):
    n, h, w, c, o, k, stride, pad = case
    x, weight, bias, slope = inputs(n, h, w, c, o, k)
    expected = reference.conv2d(x, weight, bias, slope, stride, pad)
    got = conv2d(x, weight, bias, slope, stride=stride, pad=pad)
    assert got.shape == expected.shape and got.dtype == np.float32
    np.testing.assert_allclose(got, expected, rtol=0, atol=bound(weight))


def rounded(x):
    """To bfloat16, to nearest even, as float32."""
    bits = x.view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000).astype(np.uint32).view(np.float32)


def check_bf16(x, weight, bias, slope, stride, pad, view=None, out=None):
    """Either of the rounded operands, where the processor multiplies those, or conv2d to the bit."""
    expected = reference.conv2d(rounded(x), rounded(weight), bias, slope, stride, pad)
    got = np.empty(expected.shape, np.float32) if out is None else out
    _C.conv2d_bf16(x if view is None else view, weight, bias, slope, got, stride, pad)
    if not np.array_equal(got, conv2d(x, weight, bias, slope, stride=stride, pad=pad)):
        np.testing.assert_allclose(got, expected, rtol=0, atol=bound(weight))
    return got


@pytest.mark.parametrize("case", LAYERS + ODD, ids=str)
def test_conv2d_bf16_is_conv2d_of_rounded_numbers(case):
    n, h, w, c, o, k, stride, pad = case
    x, weight, bias, slope = inputs(n, h, w, c, o, k, 7)
    check_bf16(x, weight, bias, slope, stride, pad)


@settings(max_examples=300, deadline=None)
@given(
    st.integers(1, 3), st.integers(1, 14), st.integers(1, 30), st.integers(1, 9), st.integers(1, 70),
    st.integers(1, 11), st.integers(1, 3), st.integers(0, 3), st.integers(0, 2**31),
)  # fmt: skip
def test_conv2d_bf16_on_any_view(n, h, w, c, o, k, stride, pad, seed):
    """Also kernels taller than what it takes, which conv2d computes. Nothing beside the output changes."""
    if min(h, w) + 2 * pad < k:
        h = w = k
    x, weight, bias, slope = inputs(n, h, w, c, o, k, seed)
    room = np.full((n + 1, 2 * h, w + 3, c + 4), np.nan, np.float32)
    view = room[:n, ::2, 2 : 2 + w, 1 : 1 + c]
    view[:] = x
    ho, wo = ((side + 2 * pad - k) // stride + 1 for side in (h, w))
    target = np.full((n, ho + 2, wo + 2, o + 5), GUARD)
    out = target[:, 1 : 1 + ho, 1 : 1 + wo, 3 : 3 + o]
    check_bf16(x, weight, bias, slope, stride, pad, view, out)
    out[:] = GUARD
    assert (target == GUARD).all()


def test_conv2d_bf16_does_not_depend_on_threads():
    x, weight, bias, slope = inputs(2, 37, 41, 6, 20, 3)
    results = []
    for threads in (1, 2, 5):
        out = np.empty((2, 37, 41, 20), np.float32)
        _C.conv2d_bf16(x, weight, bias, slope, out, 1, 1, _C.Context(threads))
        results.append(out)
    assert np.array_equal(results[0], results[1]) and np.array_equal(results[0], results[2])


@settings(max_examples=1000, deadline=None)
@given(
    st.integers(1, 3), st.integers(1, 14), st.integers(1, 30), st.integers(1, 9), st.integers(1, 70), st.integers(1, 4),
    st.integers(1, 3), st.integers(0, 3), st.integers(0, 2**31),
)  # fmt: skip
def test_conv2d_on_any_view(n, h, w, c, o, k, stride, pad, seed):
    """Strided input and output views give the same numbers, and nothing beside the output changes."""
    if min(h, w) + 2 * pad < k:
        h = w = k
    x, weight, bias, slope = inputs(n, h, w, c, o, k, seed)
    room = np.full((n + 1, 2 * h, w + 3, c + 4), np.nan, np.float32)
    view = room[:n, ::2, 2 : 2 + w, 1 : 1 + c]
    view[:] = x
    expected = reference.conv2d(x, weight, bias, slope, stride, pad)
    _, ho, wo, _ = expected.shape
    target = np.full((n, ho + 2, wo + 2, o + 5), GUARD)
    out = target[:, 1 : 1 + ho, 1 : 1 + wo, 3 : 3 + o]
    conv2d(view, weight, bias, slope, stride=stride, pad=pad, out=out)
    np.testing.assert_allclose(out, expected, rtol=0, atol=bound(weight))
    assert np.array_equal(out, conv2d(x, weight, bias, slope, stride=stride, pad=pad))
    out[:] = GUARD
    assert (target == GUARD).all()


@pytest.mark.parametrize("case", [LAYERS[0], LAYERS[4], LAYERS[8], LAYERS[9], ODD[5]], ids=str)
def test_conv2d_does_not_depend_on_threads(case):
    n, h, w, c, o, k, stride, pad = case
    x, weight, bias, slope = inputs(n, h, w, c, o, k)
    one = conv2d(x, weight, bias, slope, stride=stride, pad=pad, threads=1)
    for threads in (2, 3, 8):
        assert np.array_equal(one, conv2d(x, weight, bias, slope, stride=stride, pad=pad, threads=threads))


def test_conv2d_writes_into_a_concatenation():
    x, weight, bias, slope = inputs(2, 8, 9, 6, 10, 3)
    both = np.full((2, 8, 9, 16), GUARD)
    both[..., :6] = x
    conv2d(both[..., :6], weight, bias, slope, pad=1, out=both[..., 6:])
    assert np.array_equal(both[..., :6], x)
    assert np.array_equal(both[..., 6:], conv2d(x, weight, bias, slope, pad=1))
    with pytest.raises(BadInput, match="out: shares memory"):
        conv2d(both[..., :6], weight, bias, slope, pad=1, out=both[..., 5:15])


def test_conv2d_activations():
    x, weight, bias, _ = inputs(1, 6, 6, 3, 20, 3)
    linear = conv2d(x, weight, bias)
    assert (linear < 0).any()
    assert np.array_equal(conv2d(x, weight, bias, 0.0), np.maximum(linear, 0))
    np.testing.assert_allclose(conv2d(x, weight) + bias, linear, atol=1e-4)
    x[0, 2, 2, 1] = np.nan
    assert np.isnan(conv2d(x, weight, bias, 0.0)[0, 1, 1]).all()


@pytest.mark.parametrize(
    "change, message",
    [
        ({"x": np.zeros((1, 5, 5, 4), np.float32)}, "weight: shape"),
        ({"x": np.zeros((1, 5, 5, 3), np.float64)}, "x: dtype float64"),
        ({"x": np.zeros((1, 2, 5, 3), np.float32)}, "it must hold the kernel"),
        ({"x": np.zeros((1, 5, 5, 6), np.float32)[..., ::2]}, "x: channels are not adjacent"),
        ({"weight": np.zeros((3, 3, 3, 8), np.float32)[..., ::2]}, "weight: is not contiguous"),
        ({"bias": np.zeros(5, np.float32)}, "bias: shape"),
        ({"slope": np.zeros(4, np.float64)}, "slope: dtype"),
        ({"stride": 0}, "stride: 0 given"),
        ({"pad": -1}, "pad: -1 given"),
        ({"out": np.zeros((1, 3, 4, 4), np.float32)}, "out: shape"),
        ({"out": np.broadcast_to(np.zeros(4, np.float32), (1, 3, 3, 4))}, "out: "),
    ],
)
def test_conv2d_names_the_wrong_argument(change, message):
    x, weight, bias, slope = inputs(1, 5, 5, 3, 4, 3)
    arguments = {
        "x": x,
        "weight": weight,
        "bias": bias,
        "slope": slope,
        "out": np.zeros((1, 3, 3, 4), np.float32),
        "stride": 1,
        "pad": 0,
    }
    _C.conv2d(**arguments)
    with pytest.raises(BadInput, match=message):
        _C.conv2d(**(arguments | change))


@pytest.mark.parametrize("ceil", [False, True])
@pytest.mark.parametrize("case", POOLS, ids=str)
def test_max_pool2d_is_its_definition(case, ceil):
    n, h, w, c, kernel, stride = case
    x = np.random.default_rng(1).normal(size=(n, h, w, c + 3)).astype(np.float32)[..., 1 : 1 + c]
    got = max_pool2d(x, kernel, stride, ceil=ceil)
    assert np.array_equal(got, reference.max_pool2d(x, kernel, stride, ceil))
    assert np.array_equal(got, max_pool2d(x, kernel, stride, ceil=ceil, threads=3))


def test_max_pool2d_keeps_nan_and_refuses_wrong_sizes():
    x = np.zeros((1, 4, 4, 1), np.float32)
    x[0, 1, 1] = np.nan
    assert np.isnan(max_pool2d(x, 2, 2)[0, 0, 0, 0]) and max_pool2d(x, 2, 2)[0, 1, 1, 0] == 0
    with pytest.raises(BadInput, match="out: shape"):
        _C.max_pool2d(x, np.zeros((1, 3, 2, 1), np.float32), 2, 2)


@settings(max_examples=1000, deadline=None)
@given(
    st.integers(0, 2), st.integers(1, 9), st.integers(1, 20), st.integers(1, 35), st.integers(1, 4), st.integers(1, 4),
    st.booleans(), st.integers(0, 2**31),
)  # fmt: skip
def test_max_pool2d_on_any_view(n, h, w, c, kernel, stride, ceil, seed):
    room = np.random.default_rng(seed).normal(size=(n + 1, 2 * h, w + 3, c + 4)).astype(np.float32)
    x = room[:n, ::2, 2 : 2 + w, 1 : 1 + c]
    expected = reference.max_pool2d(x, kernel, stride, ceil)
    target = np.full((n, expected.shape[1] + 2, expected.shape[2] + 2, c + 5), GUARD)
    out = target[:, 1:-1, 1:-1, 3 : 3 + c]
    _C.max_pool2d(x, out, kernel, stride)
    assert np.array_equal(out, expected)
    out[:] = GUARD
    assert (target == GUARD).all()
