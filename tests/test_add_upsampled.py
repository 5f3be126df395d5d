"""A coarse map added to a finer one: exactly the definition, on every instruction set, and nothing beside the map."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyapdraw import _C
from pyapdraw.errors import BadInput

GUARD = np.float32(77)


def reference(x, coarse, top, left, slope):
    rows, columns = (top + np.arange(x.shape[1])) // 2, (left + np.arange(x.shape[2])) // 2
    total = x + coarse[:, rows][:, :, columns]
    return np.where(total > 0, total, total * np.float32(slope))


def made(n, h, w, c, top=0, left=0, seed=0):
    random = np.random.default_rng(seed)
    tall, wide = (top + h + 1) // 2, (left + w + 1) // 2
    return (random.normal(size=shape).astype(np.float32) for shape in ((n, h, w, c), (n, tall, wide, c)))


def check(x, coarse, top=0, left=0, slope=1.0, threads=0):
    n, h, w, c = x.shape
    frame = np.full((n, h + 2, w + 1, c + 3), GUARD)
    inside = frame[:, 1:-1, 1:, 2 : 2 + c]
    inside[:] = x
    before = coarse.copy()
    _C.add_upsampled(inside, coarse, top, left, slope, ctx=_C.Context(threads))
    np.testing.assert_array_equal(inside, reference(x, coarse, top, left, slope))
    np.testing.assert_array_equal(coarse, before)
    result = inside.copy()
    inside[:] = GUARD
    assert (frame == GUARD).all()
    return result


@pytest.fixture(params=_C.cpu_backends())
def backend(request):
    _C.use_backend(request.param)
    yield request.param
    _C.use_backend(_C.cpu_backends()[0])


@pytest.mark.parametrize("channels", [1, 3, 4, 12, 16, 20, 33, 71])
@pytest.mark.parametrize(("top", "left", "slope"), [(0, 0, 1.0), (1, 0, 0.1), (0, 1, 0.0), (1, 1, 0.1)])
def test_definition(backend, channels, top, left, slope):
    check(*made(2, 6, 8, channels, top, left), top, left, slope)


@settings(max_examples=200, deadline=None)
@given(
    st.integers(1, 3), st.integers(1, 9), st.integers(1, 20), st.integers(1, 40), st.integers(0, 1), st.integers(0, 1),
    st.sampled_from([0.0, 0.1, 1.0, -1.0]), st.integers(0, 99),
)  # fmt: skip
def test_any_view(n, h, w, c, top, left, slope, seed):
    x, coarse = made(n, h, w, c, top, left, seed)
    room = np.full((n, 2 * coarse.shape[1], coarse.shape[2] + 1, c + 5), np.nan, np.float32)
    view = room[:, ::2, 1:, 3 : 3 + c]
    view[:] = coarse
    check(x, view, top, left, slope)


def bilinear(x, coarse, slope):
    """Each step rounded to float32, as the kernel does it."""
    for axis in (1, 2):
        count = coarse.shape[axis]
        at = np.arange(2 * count)
        near, after = at // 2, np.clip(at // 2 + np.where(at % 2, 1, -1), 0, count - 1)
        coarse = coarse.take(near, axis) * np.float32(0.75) + coarse.take(after, axis) * np.float32(0.25)
    total = x + coarse
    return np.where(total > 0, total, total * np.float32(slope))


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 2), st.integers(1, 6), st.integers(1, 9), st.integers(1, 40), st.sampled_from([0.0, 0.1, 1.0]))
def test_bilinear(n, h, w, c, slope):
    random = np.random.default_rng(c)
    x, coarse = (random.normal(size=(n, k * h, k * w, c)).astype(np.float32) for k in (2, 1))
    frame = np.full((n, 2 * h + 2, 2 * w + 1, c + 3), GUARD)
    inside = frame[:, 1:-1, 1:, 2 : 2 + c]
    inside[:] = x
    _C.add_upsampled(inside, coarse, slope=slope, how="bilinear")
    np.testing.assert_allclose(inside, bilinear(x, coarse, slope), atol=2e-6)
    inside[:] = GUARD
    assert (frame == GUARD).all()


def test_bilinear_keeps_what_is_even(backend):
    x = np.zeros((1, 6, 8, 20), np.float32)
    _C.add_upsampled(x, np.full((1, 3, 4, 20), 2.5, np.float32), how="bilinear")
    assert (x == 2.5).all()


def test_bilinear_threads():
    one, three = (np.zeros((2, 64, 60, 16), np.float32) for _ in range(2))
    _, coarse = made(2, 64, 60, 16)
    _C.add_upsampled(one, coarse, how="bilinear", ctx=_C.Context(1))
    _C.add_upsampled(three, coarse, how="bilinear", ctx=_C.Context(3))
    np.testing.assert_array_equal(one, three)


def test_numbers_that_are_none():
    x, coarse = made(1, 2, 2, 5)
    x[0, 0, 0, :3] = np.nan, np.inf, -np.inf
    check(x, coarse, slope=0.1)


def test_threads():
    x, coarse = made(2, 101, 60, 16)
    np.testing.assert_array_equal(check(x, coarse, threads=1), check(x, coarse, threads=3))


def test_nothing_to_do():
    for shape in ((0, 2, 2, 3), (1, 0, 2, 3), (1, 2, 0, 3), (1, 2, 2, 0)):
        n, h, w, c = shape
        _C.add_upsampled(np.zeros(shape, np.float32), np.zeros((n, (h + 1) // 2, (w + 1) // 2, c), np.float32))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": np.zeros((4, 4, 3), np.float32)}, "x: "),
        ({"x": np.zeros((1, 4, 4, 3), np.float64)}, "x: dtype"),
        ({"x": np.zeros((1, 3, 4, 4), np.float32).transpose(0, 2, 3, 1)}, "x: channels"),
        ({"x": np.broadcast_to(np.float32(0), (1, 4, 4, 3))}, "x: "),
        ({"coarse": np.zeros((1, 2, 2, 4), np.float32)}, "coarse: shape"),
        ({"coarse": np.zeros((1, 3, 2, 3), np.float32)}, "coarse: shape"),
        ({"top": 2}, "top: 2 given"),
        ({"left": -1}, "left: -1 given"),
        ({"top": 1}, "coarse: shape"),
        ({"how": "cubic"}, "how: 'cubic' given"),
        ({"how": "bilinear", "top": 1, "coarse": np.zeros((1, 3, 2, 3), np.float32)}, "top: 1 given"),
        ({"how": "bilinear", "x": np.zeros((1, 3, 4, 3), np.float32)}, "x: shape .*even sides"),
    ],
)
def test_bad_input(change, message):
    arguments = {"x": np.zeros((1, 4, 4, 3), np.float32), "coarse": np.zeros((1, 2, 2, 3), np.float32)}
    with pytest.raises(BadInput, match=message):
        _C.add_upsampled(**(arguments | change))


def test_map_over_itself():
    memory = np.zeros(80, np.float32)
    with pytest.raises(BadInput, match="x: "):
        _C.add_upsampled(memory[:64].reshape(1, 4, 4, 4), memory[60:76].reshape(1, 2, 2, 4))
