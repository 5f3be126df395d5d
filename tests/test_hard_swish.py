"""hard_swish in place: exactly the definition, on every instruction set."""

import numpy as np
import pytest

from pyapdraw import _C
from pyapdraw.errors import BadInput


def reference(x):
    """Each step rounded to float32, as the kernel does it."""
    return x * np.clip(x + np.float32(3), 0, 6) / np.float32(6)


@pytest.fixture(params=_C.cpu_backends())
def backend(request):
    _C.use_backend(request.param)
    yield request.param
    _C.use_backend(_C.cpu_backends()[0])


@pytest.mark.parametrize("count", [1, 3, 15, 16, 17, 4095, 4096, 4097, 40000])
def test_definition(backend, count):
    room = np.random.default_rng(count).normal(scale=4, size=count + 2).astype(np.float32)
    expected, before = reference(room[1:-1]), room.copy()
    _C.hard_swish(room[1:-1])
    np.testing.assert_array_equal(room[1:-1], expected)
    assert room[0] == before[0] and room[-1] == before[-1]


def test_any_rank_and_numbers_that_are_none():
    x = np.array([[np.nan, np.inf, -np.inf], [-3, 3, -0.0]], np.float32)
    with np.errstate(invalid="ignore"):
        expected = reference(x)
    _C.hard_swish(x)
    np.testing.assert_array_equal(x, expected)
    for shape in ((), (0,), (2, 0, 3), (1, 1, 1, 1)):
        _C.hard_swish(np.zeros(shape, np.float32))


def test_threads():
    x = np.random.default_rng(0).normal(size=(3, 100, 100, 16)).astype(np.float32)
    one, three = x.copy(), x.copy()
    _C.hard_swish(one, _C.Context(1))
    _C.hard_swish(three, _C.Context(3))
    np.testing.assert_array_equal(one, three)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros(4), "x: dtype"),
        (np.zeros(8, np.float32)[::2], "x: is not contiguous"),
        (np.broadcast_to(np.float32(0), (4,)), "x: "),
    ],
)
def test_bad_input(x, message):
    with pytest.raises(BadInput, match=message):
        _C.hard_swish(x)
