"""Pixels of 2 x 2 blocks as channels: the definition, on every instruction set, and nothing beside the output."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyapdraw import _C
from pyapdraw.errors import BadInput

GUARD = np.float32(77)


def reference(x):
    planes, height, width = x.shape
    out = np.empty((height // 2, width // 2, 4 * planes), np.float32)
    for k, y, u in np.ndindex(x.shape):
        out[y // 2, u // 2, 4 * k + 2 * (y % 2) + u % 2] = x[k, y, u]
    return out


def made(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def check(x, threads=0):
    planes, height, width = x.shape
    frame = np.full((height // 2 + 2, width // 2 + 1, 4 * planes + 3), GUARD)
    out = frame[1:-1, 1:, 1 : 1 + 4 * planes]
    _C.pixel_unshuffle(x, out, _C.Context(threads))
    np.testing.assert_array_equal(out, reference(x))
    result = out.copy()
    out[:] = GUARD
    assert (frame == GUARD).all()
    return result


@pytest.fixture(params=_C.cpu_backends())
def backend(request):
    _C.use_backend(request.param)
    yield request.param
    _C.use_backend(_C.cpu_backends()[0])


@pytest.mark.parametrize("shape", [(1, 2, 2), (5, 6, 10), (3, 34, 18), (1, 2, 130)])
def test_definition(backend, shape):
    x = made(shape)
    x[0, 0, 0] = np.nan
    check(x)


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 6), st.integers(1, 9), st.integers(1, 40), st.integers(0, 99))
def test_any_view(planes, height, width, seed):
    room = made((planes, 4 * height, 6 * width), seed)
    check(room[:, ::2, ::3])
    check(room[:, : 2 * height, ::-3])


def test_torch_agrees_where_it_is_installed():
    torch = pytest.importorskip("torch", reason="torch's pixel_unshuffle is the peer")
    x = made((3, 16, 12))
    theirs = torch.nn.functional.pixel_unshuffle(torch.from_numpy(x), 2).permute(1, 2, 0).numpy()
    np.testing.assert_array_equal(check(x), theirs)


def test_threads():
    x = made((5, 200, 300))
    np.testing.assert_array_equal(check(x[:, :40], threads=1), check(x[:, :40], threads=3))


def test_nothing_to_do():
    for shape in ((0, 4, 4), (2, 0, 4), (2, 4, 0)):
        _C.pixel_unshuffle(
            np.zeros(shape, np.float32), np.zeros((shape[1] // 2, shape[2] // 2, 4 * shape[0]), np.float32)
        )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": np.zeros((4, 4), np.float32)}, "x: "),
        ({"x": np.zeros((1, 3, 4), np.float32)}, "even sides"),
        ({"x": np.zeros((1, 4, 4), np.float64)}, "x: dtype"),
        ({"out": np.zeros((2, 2, 3), np.float32)}, "out: shape"),
        ({"out": np.zeros((2, 2, 4), np.uint8)}, "out: dtype"),
        ({"out": np.zeros((4, 2, 2), np.float32).transpose(1, 2, 0)}, "out: channels"),
        ({"out": np.broadcast_to(np.float32(0), (2, 2, 4))}, "out: "),
    ],
)
def test_bad_input(change, message):
    with pytest.raises(BadInput, match=message):
        _C.pixel_unshuffle(**({"x": np.zeros((1, 4, 4), np.float32), "out": np.zeros((2, 2, 4), np.float32)} | change))


def test_output_over_input():
    memory = np.zeros(64, np.float32)
    with pytest.raises(BadInput, match="out"):
        _C.pixel_unshuffle(memory[:16].reshape(1, 4, 4), memory[8:24].reshape(2, 2, 4))
