"""The end of a residual block: exactly the definition, on every instruction set, and nothing beside the map."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyapdraw import _C
from pyapdraw.errors import BadInput

GUARD = np.float32(77)


def reference(x, other, slope):
    total = x.copy()
    total[..., : other.shape[3]] += other
    return np.where(total > 0, total, total * slope)


def made(n, h, w, c, fewer, seed=0):
    random = np.random.default_rng(seed)
    return [random.normal(size=shape).astype(np.float32) for shape in ((n, h, w, c), (n, h, w, fewer), (c,))]


def check(x, other, slope, threads=0):
    n, h, w, c = x.shape
    frame = np.full((n, h + 2, w + 1, c + 3), GUARD)
    inside = frame[:, 1:-1, 1:, 2 : 2 + c]
    inside[:] = x
    _C.add_prelu(inside, other, slope, _C.Context(threads))
    np.testing.assert_array_equal(inside, reference(x, other, slope))
    result = inside.copy()
    inside[:] = GUARD
    assert (frame == GUARD).all()
    return result


@pytest.fixture(params=_C.cpu_backends())
def backend(request):
    _C.use_backend(request.param)
    yield request.param
    _C.use_backend(_C.cpu_backends()[0])


@pytest.mark.parametrize(("channels", "fewer"), [(1, 1), (3, 3), (4, 0), (16, 16), (32, 16), (36, 20), (71, 33)])
def test_definition(backend, channels, fewer):
    check(*made(2, 6, 8, channels, fewer))


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 3), st.integers(1, 9), st.integers(1, 20), st.integers(1, 40), st.data())
def test_any_view(n, h, w, c, data):
    x, other, slope = made(n, h, w, c, data.draw(st.integers(0, c)))
    room = np.full((n, 2 * h, w + 1, c + 5), np.nan, np.float32)
    view = room[:, ::2, 1:, 3 : 3 + other.shape[3]]
    view[:] = other
    check(x, view, slope)


def test_numbers_that_are_none():
    x, other, slope = made(1, 2, 2, 20, 20)
    x[0, 0, 0, :3] = np.nan, np.inf, -np.inf
    check(x, other, slope)


def test_threads():
    arguments = made(2, 101, 60, 16, 16)
    np.testing.assert_array_equal(check(*arguments, threads=1), check(*arguments, threads=3))


def test_nothing_to_do():
    for shape in ((0, 2, 2, 3), (1, 0, 2, 3), (1, 2, 0, 3), (1, 2, 2, 0)):
        _C.add_prelu(np.zeros(shape, np.float32), np.zeros(shape, np.float32), np.zeros(shape[3], np.float32))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": np.zeros((4, 4, 3), np.float32)}, "x: "),
        ({"x": np.zeros((1, 4, 4, 3))}, "x: dtype"),
        ({"x": np.zeros((1, 3, 4, 4), np.float32).transpose(0, 2, 3, 1)}, "x: channels"),
        ({"x": np.broadcast_to(np.float32(0), (1, 4, 4, 3))}, "x: "),
        ({"other": np.zeros((1, 4, 4, 4), np.float32)}, "other: shape .*at most the channels"),
        ({"other": np.zeros((1, 4, 3, 3), np.float32)}, "other: shape"),
        ({"slope": np.zeros(4, np.float32)}, "slope: shape"),
        ({"slope": np.zeros(6, np.float32)[::2]}, "slope: is not contiguous"),
    ],
)
def test_bad_input(change, message):
    arguments = {"x": np.zeros((1, 4, 4, 3), np.float32), "other": np.zeros((1, 4, 4, 3), np.float32)}
    arguments["slope"] = np.zeros(3, np.float32)
    _C.add_prelu(**arguments)
    with pytest.raises(BadInput, match=message):
        _C.add_prelu(**(arguments | change))


def test_map_over_itself():
    memory = np.zeros(80, np.float32)
    with pytest.raises(BadInput, match="x: shares memory"):
        _C.add_prelu(memory[:64].reshape(1, 4, 4, 4), memory[16:].reshape(1, 4, 4, 4), np.zeros(4, np.float32))
