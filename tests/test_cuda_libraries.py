"""CuPy, pycuda, Numba, JAX and torch for real: results as on the CPU, of the same library, in stream order.

Skipped where a library or a CUDA device is missing.
"""

import numpy as np
import pytest
from cases_valid_calls import VALID, results, run
from fakes_cuda import EMULATED, LIBRARIES, SERVED, STATE, lent

from pyapdraw import ops

pytestmark = pytest.mark.skipif(
    EMULATED or not STATE["devices"], reason=f"no CUDA device: {STATE['reason'] or 'the emulated one does not count'}"
)
SITES = np.random.default_rng(0).random((512, 512)) < 0.01


def cupy_tools():
    cupy = pytest.importorskip("cupy")
    return cupy.asarray, cupy.asnumpy, cupy.ndarray


def pycuda_tools():
    pytest.importorskip("pycuda.autoprimaryctx", reason="pycuda is not installed")
    from pycuda import gpuarray

    return gpuarray.to_gpu, lambda a: a.get(), gpuarray.GPUArray


def numba_tools():
    cuda = pytest.importorskip("numba.cuda", reason="numba is not installed")
    return cuda.to_device, lambda a: a.copy_to_host(), type(cuda.device_array(1))


def jax_tools():
    jax = pytest.importorskip("jax")
    if jax.default_backend() != "gpu":
        pytest.skip("jax has no GPU here")
    return jax.numpy.asarray, np.asarray, jax.Array


def torch_tools():
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("torch has no CUDA here")
    return lambda a: torch.from_numpy(a.copy()).cuda(), lambda a: a.cpu().numpy(), torch.Tensor


def tools_of(library):
    return globals()[f"{library}_tools"]()


@pytest.mark.parametrize("library", [*LIBRARIES, "torch"])
@pytest.mark.parametrize("op", SERVED)
def test_results_agree_with_the_cpu_and_are_of_the_same_library(op, library):
    call = VALID[op]()
    to_device, to_host, kind = tools_of(library)
    if library == "jax" and call.inplace:
        pytest.skip("arrays of jax are not written")
    if library == "jax" and any(a.dtype.itemsize == 8 for a in call.arrays.values()):
        pytest.skip("jax has no 64-bit numbers by default")
    expected = results(run(op, call.arrays, **call.options))
    answer = results(run(op, lent(call, lambda a: to_device(np.ascontiguousarray(a))), **call.options))
    for got, wanted in zip(answer, expected, strict=True):
        assert isinstance(got, kind)
        np.testing.assert_allclose(to_host(got), wanted, rtol=1e-4, atol=1 if wanted.dtype == np.uint8 else 1e-4)


@pytest.mark.parametrize("library", ["cupy", "pycuda", "numba", "torch"])
def test_out_is_written_and_returned(library):
    to_device, to_host, _ = tools_of(library)
    out = to_device(np.zeros(SITES.shape, np.float32))
    assert ops.distance_transform(to_device(SITES), out=out) is out
    np.testing.assert_array_equal(to_host(out), ops.distance_transform(SITES))


def test_cupy_streams_are_followed():
    cupy = pytest.importorskip("cupy")
    sites, expected = cupy.zeros(SITES.shape, bool), ops.distance_transform(SITES)
    right = cupy.asarray(SITES)
    with cupy.cuda.Stream(non_blocking=True):
        big = cupy.ones((4096, 4096), cupy.float32)
        for _ in range(20):  # keeps the stream busy, so that an unordered call would read zeros
            big = big @ big * 1e-4
        sites[...] = right
        got = ops.distance_transform(sites)
        np.testing.assert_array_equal(cupy.asnumpy(got), expected)


def test_torch_side_streams_and_graphs():
    torch = pytest.importorskip("torch")
    to_device, to_host, _ = torch_tools()
    sites = to_device(SITES)
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        ops.distance_transform(sites)  # as torch asks for: once outside of the capture
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        got = ops.distance_transform(sites)
    flipped = np.ascontiguousarray(SITES[::-1])
    sites.copy_(to_device(flipped))
    graph.replay()
    torch.cuda.synchronize()
    np.testing.assert_array_equal(to_host(got), ops.distance_transform(flipped))
