"""Scratch memory of calls with CUDA arrays: from the arrays' library, enough, and asked for once where it is known."""

import fakes_cuda
import numpy as np
import pytest
from cases_valid_calls import VALID, results, run
from fakes_cuda import SERVED, Cai, emulated, fake_library, host, installed, lent

from pyapdraw import _C, ops

SITES = np.random.default_rng(0).random((9, 13)) < 0.2


def scratch_library(made):
    """CuPy's stand-in, which notes the flat byte arrays that it is asked for and guards their ends."""
    tree, kind = fake_library("cupy")

    def empty(shape, dtype):
        if len(shape) != 1 or dtype != np.uint8:
            return kind(np.full(shape, 99, dtype))
        whole = np.full(shape[0] + 512, 0xA5, np.uint8)
        start = -whole.ctypes.data % 256
        made.append((whole, start, shape[0]))
        return kind(whole[start : start + shape[0]])

    tree["cupy"].empty = empty
    return tree, kind


@emulated
@pytest.mark.parametrize("op", SERVED)
def test_scratch_memory_comes_from_the_library_and_is_enough(op):
    call, made = VALID[op](), []
    expected = results(run(op, call.arrays, **call.options))
    tree, kind = scratch_library(made)
    with installed(tree):
        answer = results(run(op, lent(call, kind), **call.options))
    for got, wanted in zip(answer, expected, strict=True):
        np.testing.assert_array_equal(host(got), wanted)
    for whole, start, count in made:
        assert (whole[:start] == 0xA5).all() and (whole[start + count :] == 0xA5).all(), "written outside the scratch"


@emulated
@pytest.mark.parametrize("op", SERVED)
def test_known_shapes_are_not_measured_again(op):
    """From the second call on: one pass through the operation for each of its scratch memory, asked for at once."""
    call, made = VALID[op](), []
    tree, kind = scratch_library(made)
    given = lent(call, kind)
    with installed(tree):
        run(op, given, **call.options)
        first, made[:] = [count for *_, count in made], []
        fakes_cuda.runtime_calls()
        run(op, given, **call.options)
    sized = [detail for name, detail in fakes_cuda.runtime_calls() if name == "workspace"]
    assert [count for *_, count in made] == first and [s for s in sized if s] == first


@emulated
def test_a_larger_call_of_the_same_shapes_gets_what_it_needs():
    """The scratch memory of flow_dog depends on its windows, which the guess does not know."""
    image = np.random.default_rng(0).random((24, 30), np.float32)
    for sigma in (1.0, 12.0, 1.0, 12.0):
        options = {"line_px": sigma, "tensor_px": sigma}
        np.testing.assert_array_equal(host(ops.flow_dog(Cai(image), **options)), ops.flow_dog(image, **options))


@emulated
def test_measuring_runs_nothing():
    sites, out = (_C.DeviceArray(Cai(a)) for a in (SITES, np.full(SITES.shape, 7, np.float32)))
    ctx = _C.Context(measure=True)
    fakes_cuda.runtime_calls()
    _C.distance_transform(sites, out, False, ctx=ctx)
    assert ctx.needed >= 0 and "launch" not in [name for name, _ in fakes_cuda.runtime_calls()]
    assert (host(out) == 7).all()
