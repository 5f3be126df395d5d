"""Spacings and nearest sites of the distance transform against the definition in float64."""

import numpy as np
import pytest
from arrays import Guarded, laid_out, layouts
from cases_distance_transform import CASES
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_distance_transform_nearest import squared_distances, squared_distances_to

from pyapdraw import _C
from pyapdraw.errors import BadInput
from pyapdraw.ops import distance_transform

spacings = st.one_of(st.just((1.0, 1.0)), st.tuples(st.floats(0.01, 100), st.floats(0.01, 100)))
seeds, shares = st.integers(0, 2**32), st.sampled_from([0.0, 0.01, 0.1, 0.5, 1.0])


def check(sites, found, nearest, sampling, squared=False):
    """found is right to float32 rounding, and nearest names sites that are as near; exactly so with unit spacing."""
    expected = squared_distances(sites != 0, sampling)
    if not np.any(sites):
        assert (nearest == -1).all() and np.isposinf(found).all()
        return
    assert (sites.reshape(-1)[nearest] != 0).all()
    value = expected if squared else np.sqrt(expected)
    if sampling == (1.0, 1.0):
        np.testing.assert_array_equal(squared_distances_to(nearest), expected)
        np.testing.assert_array_equal(found, value.astype(np.float32))
    else:
        np.testing.assert_allclose(squared_distances_to(nearest, sampling), expected, rtol=1e-12)
        np.testing.assert_allclose(found, value, rtol=1e-6)


@settings(max_examples=1000, deadline=None)
@given(st.integers(1, 14), st.integers(1, 40), shares, seeds, layouts, spacings, st.booleans(), st.integers(1, 3))
def test_is_the_definition(height, width, share, seed, layout, sampling, squared, threads):
    rng = np.random.default_rng(seed)
    sites = (rng.random((height, width)) < share) * rng.integers(1, 256, (height, width), dtype=np.uint8)
    out = Guarded(sites.shape, np.float32, layout if layout != "transposed" else "plain")
    nearest = Guarded(sites.shape, rng.choice([np.int32, np.int64]), layout if layout != "transposed" else "plain")
    args = (laid_out(sites, layout), out.view, nearest.view, squared, *sampling, _C.Context(threads=threads))
    _C.distance_transform_nearest(*args)
    check(sites, out.view, nearest.view, sampling, squared)
    out.check()
    nearest.check()


@settings(max_examples=60, deadline=None)
@given(st.integers(30, 80), st.integers(1, 60), st.integers(1, 12), seeds, spacings)
def test_several_chunks_of_rows(height, width, count, seed, sampling):
    rng = np.random.default_rng(seed)
    sites = np.zeros((height, width), bool)
    sites[rng.integers(0, height, count), rng.integers(0, width, count)] = True
    found, nearest = distance_transform(sites, sampling=sampling, return_indices=True)
    check(sites, found, nearest, sampling)


@pytest.mark.parametrize("name", CASES)
def test_indices_give_the_map_of_the_fast_way(name):
    sites = CASES[name](300)
    found, nearest = distance_transform(sites, return_indices=True)
    assert nearest.dtype == np.int32
    np.testing.assert_array_equal(found, distance_transform(sites))
    if sites.any():
        assert sites.reshape(-1)[nearest].all()
        np.testing.assert_array_equal(np.sqrt(squared_distances_to(nearest)).astype(np.float32), found)


def test_extreme_spacings_stay_finite_and_right():
    sites = np.zeros((5, 7), bool)
    sites[2, 3] = sites[4, 0] = True
    for sampling in [(1e9, 1e-9), (1e-9, 1e9), (1e9, 1e9), (1e-9, 1e-9)]:
        expected = np.sqrt(squared_distances(sites, sampling))
        np.testing.assert_allclose(distance_transform(sites, sampling=sampling), expected, rtol=1e-6)


def test_batches_threads_and_instruction_sets_give_the_same_bits():
    sites = np.stack([CASES[name](150) for name in ("line drawing a", "diagonal", "no ink", "circle")])
    results = []
    for name in _C.cpu_backends():
        _C.use_backend(name)
        for threads in (1, 2, 3, 8):
            out, nearest = np.empty(sites.shape, np.float32), np.empty(sites.shape, np.int32)
            for sampling in ((1.0, 1.0), (0.7, 1.3)):
                _C.distance_transform_nearest(sites, out, nearest, False, *sampling, _C.Context(threads=threads))
                results.append((sampling, out.tobytes(), nearest.tobytes()))
    _C.use_backend(_C.cpu_backends()[0])
    assert len(set(results)) == 2
    one = distance_transform(sites[3], return_indices=True)[1]
    np.testing.assert_array_equal(one, distance_transform(sites, return_indices=True)[1][3])


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (2, 0, 4)])
def test_empty_images(shape):
    found, nearest = distance_transform(np.zeros(shape, bool), sampling=(2, 1), return_indices=True)
    assert found.shape == nearest.shape == shape


def test_out_is_written_and_returned():
    sites, out = np.eye(4, dtype=bool), np.empty((4, 4), np.float32)
    assert distance_transform(sites, sampling=(2, 2), out=out) is out
    np.testing.assert_allclose(out, 2 * distance_transform(sites), rtol=1e-6)
    assert distance_transform(sites, return_indices=True, out=out)[0] is out


@pytest.mark.parametrize(
    ("sampling", "said"),
    [
        (3, r"sampling: 3 given, two numbers \(sy, sx\)"),
        ((1, 2, 3), "sampling: .* given, two numbers"),
        (("a", 1), "sampling: .* given, two numbers"),
        ((0, 1), r"sampling\[0\]: 0.0* given, a spacing of 1e-9 to 1e9"),
        ((1, -2), r"sampling\[1\]: -2.0* given"),
        ((float("nan"), 1), r"sampling\[0\]: -?nan given"),
        ((1, float("inf")), r"sampling\[1\]: inf given"),
    ],
)
def test_wrong_spacings_are_named(sampling, said):
    with pytest.raises(BadInput, match=said):
        distance_transform(np.eye(3, dtype=bool), sampling=sampling)


def test_wrong_indices_are_named():
    sites, out = np.eye(3, dtype=bool), np.empty((3, 3), np.float32)
    for nearest, said in [
        (np.empty((3, 3), np.uint8), "indices: dtype uint8 given, int32 or int64 expected"),
        (np.empty((3, 2), np.int32), r"indices: shape \[3,2\] given"),
        (out.view(np.int32), "indices: shares memory with out"),
        (np.broadcast_to(np.zeros(3, np.int32), (3, 3)), "indices: is read-only"),
    ]:
        with pytest.raises(BadInput, match=said):
            _C.distance_transform_nearest(sites, out, nearest)
    huge = np.broadcast_to(np.zeros((1, 1), bool), (2**16, 2**15))
    wide = np.lib.stride_tricks.as_strided(np.zeros(1, np.float32), huge.shape, (0, 0))
    with pytest.raises(BadInput, match="out: "):  # before anything of that size is touched
        _C.distance_transform_nearest(huge, wide, np.empty((1, 1), np.int32))


class TestTorch:
    @pytest.fixture(autouse=True)
    def torch(self):
        return pytest.importorskip("torch", reason="the torch operator needs torch")

    @pytest.mark.parametrize("sampling", [None, (1.0, 0.5)])
    def test_same_as_numpy(self, torch, sampling):
        sites = np.stack([CASES["circle"](40), CASES["no ink"](40)])
        expected = distance_transform(sites, sampling=sampling, return_indices=True)
        tensor = torch.from_numpy(sites)
        out = torch.empty(sites.shape)
        for given_out in (None, out):
            found = distance_transform(tensor, sampling=sampling, return_indices=True, out=given_out)
            assert found[1].dtype == torch.int32
            for mine, theirs in zip(found, expected):
                np.testing.assert_array_equal(mine.numpy(), theirs)
        only = distance_transform(tensor, sampling=sampling)
        np.testing.assert_array_equal(only.numpy(), expected[0])

    @pytest.mark.parametrize("indices", [False, True])
    def test_operator_is_well_formed(self, torch, indices):
        distance_transform(torch.zeros(1, 1, dtype=torch.bool))
        for sites in (torch.eye(7, dtype=torch.bool), torch.zeros(2, 0, 3, dtype=torch.uint8)):
            args = (sites, False, 2.0, 1.0, indices)
            torch.library.opcheck(torch.ops.pyapdraw.distance_transform_nearest.default, args)

    def test_compiles_into_one_graph_with_the_sub_gradient_of_the_docs(self, torch):
        def relaxed_gradient(ink, grad_out):
            _, nearest = distance_transform(ink, return_indices=True)
            return torch.zeros(ink.numel()).index_add_(0, nearest.flatten().long(), grad_out.flatten())

        ink, grad_out = torch.eye(12, dtype=torch.bool), torch.rand(12, 12, generator=torch.Generator().manual_seed(0))
        grad_cost = relaxed_gradient(ink, grad_out)
        compiled = torch.compile(relaxed_gradient, fullgraph=True, backend="aot_eager")
        torch.testing.assert_close(compiled(ink, grad_out), grad_cost)
        # Lowering the cost of one site a little lowers the distance of those that it is nearest to, one for one.
        _, nearest = distance_transform(ink, return_indices=True)
        for q in (0, 13 * 5):
            torch.testing.assert_close(grad_cost[q], grad_out[nearest == q].sum())
        assert (grad_cost[~ink.flatten()] == 0).all()
