"""torch tensors of a GPU: the host path past the dispatcher, kept contexts, known scratch memory, producers without
streams, tensors of no elements. test_host_path.py and test_cuda_arrays.py have the same with stand-ins."""

import numpy as np
import pytest

from pyapdraw import _C, ops

torch = pytest.importorskip("torch", reason="about torch tensors")
pytestmark = pytest.mark.skipif(
    not torch.cuda.is_available() or "cuda" not in _C.backends(), reason="needs a GPU and a build with CUDA kernels"
)
SITES = np.random.default_rng(0).random((3, 130, 170)) < 0.02


@pytest.fixture
def sites():
    return torch.from_numpy(SITES).cuda()


def test_the_dispatcher_is_not_entered(sites):
    ops.distance_transform(sites)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as seen:
        ops.distance_transform(sites)
        ops.bias_act(torch.rand(2, 3, 4, 5, device="cuda"), act="lrelu")
    assert not [e.name for e in seen.events() if e.name.startswith("pyapdraw::")]


def test_kept_contexts_serve_several_streams_and_hold_no_memory(sites):
    expected = ops.distance_transform(SITES)
    streams = [torch.cuda.Stream() for _ in range(3)]
    torch.cuda.synchronize()
    before, found = torch.cuda.memory_allocated(), []
    for _ in range(4):
        for stream in streams:
            with torch.cuda.stream(stream):
                found.append(ops.distance_transform(sites))
    torch.cuda.synchronize()
    assert all(np.array_equal(one.cpu().numpy(), expected) for one in found)
    del found
    assert torch.cuda.memory_allocated() == before


def test_scratch_memory_of_known_and_of_new_size_in_a_capture(sites):
    outs = [torch.empty(sites.shape, device="cuda"), torch.empty(sites[:, :77].shape, device="cuda")]
    ops.distance_transform(sites, out=outs[0])
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        ops.distance_transform(sites, out=outs[0])
        ops.distance_transform(sites[:, :77], out=outs[1])
    for out in outs:
        out.fill_(-1)
    graph.replay()
    torch.cuda.synchronize()
    for out, given in zip(outs, (SITES, SITES[:, :77])):
        np.testing.assert_array_equal(out.cpu().numpy(), ops.distance_transform(np.ascontiguousarray(given)))


@pytest.mark.parametrize("error", [NotImplementedError, TypeError])
def test_dlpack_producers_without_streams(sites, error):
    class Producer:
        def __dlpack_device__(self):
            return sites.__dlpack_device__()

        def __dlpack__(self, **named):
            if "stream" in named:
                raise error("stream")
            return sites.__dlpack__()

    with torch.cuda.stream(torch.cuda.Stream()):
        got = torch.from_dlpack(ops.distance_transform(Producer()))
    np.testing.assert_array_equal(got.cpu().numpy(), ops.distance_transform(SITES))


def test_tensors_of_no_elements():
    for shape in ((0, 5), (5, 0), (3, 0, 4)):
        given = torch.zeros(shape, dtype=torch.bool, device="cuda")
        assert ops.distance_transform(given).shape == shape
    assert ops.bias_act(torch.empty(0, 3, 4, 5, device="cuda")).shape == (0, 3, 4, 5)
    assert ops.resize(torch.empty(2, 3, 0, 0, device="cuda"), 0).shape == (2, 3, 0, 0)
