"""The native weight gradient of the modulated convolution against its definition in float64."""

import numpy as np
import pytest
from arrays import Guarded, laid_out, layouts
from hypothesis import given, settings
from hypothesis import strategies as st

from pyapdraw import _C
from pyapdraw.errors import BadInput


def definition(grad, grad_scale, x, x_scale, k, stride, pad):
    """sum over n, y, x of grad_scale grad[n,o,y,x] x_scale x[n, i, y stride + ky - pad, x stride + kx - pad]"""
    grad = grad.astype(np.float64) * grad_scale[:, :, None, None]
    x = np.pad(x.astype(np.float64) * x_scale[:, :, None, None], ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    h, w = grad.shape[2:]
    out = np.zeros((grad.shape[1], x.shape[1], k, k))
    for ky in range(k):
        for kx in range(k):
            seen = x[:, :, ky : ky + (h - 1) * stride + 1 : stride, kx : kx + (w - 1) * stride + 1 : stride]
            out[:, :, ky, kx] = np.einsum("noyx,niyx->oi", grad, seen)
    return out


def arrays(n, o, i, h, w, k, stride, pad, seed=0):
    rng = np.random.default_rng(seed)
    size = [(side - 1) * stride + k - 2 * pad for side in (h, w)]
    grad, x = rng.normal(size=(n, o, h, w)), rng.normal(size=(n, i, max(size[0], 0), max(size[1], 0)))
    given = grad, rng.normal(size=(n, o)), x, rng.normal(size=(n, i))
    return [a.astype(np.float32) for a in given]


def run(given, k, stride, pad, threads=0):
    out = np.empty((given[0].shape[1], given[2].shape[1], k, k), np.float32)
    _C.modulated_conv2d_backward_weight(*given, out, stride, pad, _C.Context(threads=threads))
    return out


def agree(got, expected):
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-5 * max(1.0, np.abs(expected).max(initial=0)))


@settings(max_examples=1000, deadline=None)
@given(
    st.integers(1, 2), st.integers(1, 36), st.integers(1, 20), st.integers(1, 5), st.integers(1, 7),
    st.sampled_from([(1, 1, 0), (1, 2, 0), (3, 1, 1), (3, 1, 0), (3, 2, 0)]), layouts, st.integers(0, 2**31),
)  # fmt: skip
def test_is_its_definition_in_any_layout(n, o, i, h, w, kind, layout, seed):
    given = arrays(n, o, i, h, w, *kind, seed)
    expected = definition(*given, *kind)
    given[0], given[2] = laid_out(given[0], layout), laid_out(given[2], layout)
    guarded = Guarded(expected.shape, np.float32, "spaced")
    _C.modulated_conv2d_backward_weight(*given, guarded.view, *kind[1:])
    agree(guarded.view, expected)
    guarded.check()


@pytest.mark.parametrize("name", _C.cpu_backends())
@pytest.mark.parametrize("shape", [(1, 70, 33, 9, 40), (3, 16, 64, 3, 300), (2, 32, 13, 17, 16)], ids=str)
def test_channels_last_every_instruction_set_and_thread_count(name, shape):
    given = arrays(*shape, 3, 1, 1)
    expected = definition(*given, 3, 1, 1)
    given[0], given[2] = laid_out(given[0], "channels_last"), laid_out(given[2], "channels_last")
    _C.use_backend(name)
    try:
        one = run(given, 3, 1, 1, threads=1)
        agree(one, expected)
        for threads in (2, 3, 8):
            assert np.array_equal(one, run(given, 3, 1, 1, threads=threads))
    finally:
        _C.use_backend(_C.cpu_backends()[0])


def test_empty_batch_gives_zeros_and_nan_spreads():
    given = arrays(1, 3, 2, 4, 4, 3, 1, 1)
    assert (run([a[:0] for a in given], 3, 1, 1) == 0).all()
    given[2][0, 1, 2, 2] = np.nan
    out = run(given, 3, 1, 1)
    assert np.isnan(out[:, 1]).all() and not np.isnan(out[:, 0]).any()


@pytest.mark.parametrize(
    "change, message",
    [
        ({"grad": np.zeros((1, 3, 4), np.float32)}, "grad: shape"),
        ({"grad": np.zeros((1, 3, 4, 4))}, "grad: dtype float64"),
        ({"grad_scale": np.zeros((1, 2), np.float32)}, "grad_scale: shape"),
        ({"x": np.zeros((2, 2, 4, 4), np.float32)}, "x: shape"),
        ({"x": np.zeros((1, 2, 3, 4), np.float32)}, "x: shape .* too small"),
        ({"x_scale": np.zeros((1, 2), np.float64)}, "x_scale: dtype"),
        ({"grad_weight": np.zeros((3, 2, 2, 2), np.float32)}, "grad_weight: shape"),
        ({"grad_weight": np.zeros((2, 2, 3, 3), np.float32)}, "grad_weight: shape"),
        ({"grad_weight": np.broadcast_to(np.float32(0), (3, 2, 3, 3))}, "grad_weight: "),
        ({"stride": 3}, "stride: 3 given"),
        ({"pad": 2}, "pad: 2 given"),
    ],
)
def test_names_the_wrong_argument(change, message):
    names = ("grad", "grad_scale", "x", "x_scale")
    arguments = dict(zip(names, arrays(1, 3, 2, 4, 4, 3, 1, 1)))
    arguments |= {"grad_weight": np.zeros((3, 2, 3, 3), np.float32), "stride": 1, "pad": 1}
    _C.modulated_conv2d_backward_weight(**arguments)
    with pytest.raises(BadInput, match=message):
        _C.modulated_conv2d_backward_weight(**(arguments | change))
