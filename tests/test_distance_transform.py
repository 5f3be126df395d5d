"""The distance transform against its definition, exactly: shapes, layouts, dtypes, hard images, torch."""

import os

import numpy as np
import pytest
from arrays import Guarded, laid_out, layouts
from cases_distance_transform import CASES, circle, line_drawing
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import as_strided
from reference_distance_transform import distance_transform as reference

from pyapdraw import _C
from pyapdraw.errors import BadInput
from pyapdraw.ops import distance_transform, distance_transform_pair

EXAMPLES = 60 if "CUDA_ON_CPU" in os.environ else 1000  # every thread of a CUDA block is a fiber there


@st.composite
def images(draw, most=70):
    shape = (*draw(st.lists(st.integers(0, 2), max_size=3)), draw(st.integers(0, most)), draw(st.integers(0, most)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    share = draw(st.sampled_from([0.0, 0.002, 0.02, 0.3, 0.9, 1.0]))
    sites = rng.random(shape) < share
    if draw(st.booleans()):
        return sites
    return sites * rng.integers(1, 256, shape, dtype=np.uint8)


@settings(max_examples=EXAMPLES, deadline=None)
@given(images(most=50), layouts, layouts, st.booleans(), st.integers(1, 4))
def test_is_the_definition_for_any_shape_and_layout(sites, layout, out_layout, squared, threads):
    out = Guarded(sites.shape, np.float32, out_layout if out_layout != "transposed" else "plain")
    _C.distance_transform(laid_out(sites, layout), out.view, squared, _C.Context(threads=threads))
    np.testing.assert_array_equal(out.view, reference(sites, squared))
    out.check()


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 60), st.integers(180, 1400), st.integers(1, 80), st.booleans(), st.integers(0, 2**32))
def test_is_the_definition_for_wide_images(height, width, count, clustered, seed):
    """Distances of every size: all ways of finishing a row are taken."""
    rng = np.random.default_rng(seed)
    sites = np.zeros((height, width), bool)
    columns = rng.normal(width * rng.random(), width / 20, count) if clustered else rng.uniform(0, width, count)
    sites[rng.integers(0, height, count), np.clip(columns, 0, width - 1).astype(int)] = True
    np.testing.assert_array_equal(distance_transform(sites), reference(sites))


@settings(max_examples=15, deadline=None)
@given(st.integers(900, 2300), st.integers(1, 9), st.integers(1, 40), st.integers(0, 2**32))
def test_is_the_definition_for_tall_images(height, width, count, seed):
    """Columns of many pieces, most of them without a site."""
    rng = np.random.default_rng(seed)
    sites = np.zeros((height, width), bool)
    sites[rng.integers(0, height, count), rng.integers(0, width, count)] = True
    expected = reference(sites)
    np.testing.assert_array_equal(distance_transform(sites), expected)
    to_ink, to_paper = distance_transform_pair(sites)
    np.testing.assert_array_equal(to_ink, expected)
    np.testing.assert_array_equal(to_paper, distance_transform(~sites))


@settings(max_examples=EXAMPLES, deadline=None)
@given(images(most=40), layouts, st.booleans(), st.integers(1, 3))
def test_pair_is_both_maps(ink, layout, squared, threads):
    to_ink, to_paper = Guarded(ink.shape, np.float32), Guarded(ink.shape, np.float32, "reversed")
    _C.distance_transform_pair(laid_out(ink, layout), to_ink.view, to_paper.view, squared, _C.Context(threads=threads))
    np.testing.assert_array_equal(to_ink.view, reference(ink != 0, squared))
    np.testing.assert_array_equal(to_paper.view, reference(ink == 0, squared))
    to_ink.check()
    to_paper.check()


@pytest.mark.parametrize("name", _C.cpu_backends())
@settings(max_examples=60, deadline=None)
@given(images(most=90))
def test_every_instruction_set_is_exact(name, ink):
    _C.use_backend(name)
    try:
        to_ink, to_paper = distance_transform_pair(ink)
    finally:
        _C.use_backend(_C.cpu_backends()[0])
    np.testing.assert_array_equal(to_ink, reference(ink != 0))
    np.testing.assert_array_equal(to_paper, reference(ink == 0))


@pytest.mark.parametrize("name", CASES)
def test_cases_match_scipy(name):
    ndimage = pytest.importorskip("scipy.ndimage", reason="scipy is the second opinion here")
    sites = CASES[name](600)  # wide enough for distances that 16 bits cannot hold
    expected = ndimage.distance_transform_edt(~sites) if sites.any() else np.full(sites.shape, np.inf)
    np.testing.assert_array_equal(distance_transform(sites), expected.astype(np.float32))


def test_pair_of_cases_equals_two_calls():
    ink = np.stack([line_drawing(200), circle(200), np.zeros((200, 200), bool)])
    to_ink, to_paper = distance_transform_pair(ink)
    np.testing.assert_array_equal(to_ink, distance_transform(ink))
    np.testing.assert_array_equal(to_paper, distance_transform(~ink))


@pytest.mark.parametrize("shape", [(1, 65536), (65536, 1), (1, 1_000_000), (70_000, 3), (2, 50_000), (46_400, 40)])
@pytest.mark.parametrize("corner", [(0, 0), (-1, -1)])
def test_long_sides_do_not_overflow(shape, corner):
    sites = np.zeros(shape, bool)
    sites[corner] = True
    y, x = np.ogrid[: shape[0], : shape[1]]
    if corner != (0, 0):
        y, x = y[::-1], x[:, ::-1]
    d2 = y.astype(np.int64) ** 2 + x.astype(np.int64) ** 2
    np.testing.assert_array_equal(distance_transform(sites, squared=True), d2.astype(np.float32))
    np.testing.assert_array_equal(distance_transform(sites), np.sqrt(d2.astype(np.float64)).astype(np.float32))


def from_sites(shape, ys, xs):
    """Squared distances to a few sites, int64."""
    y, x = np.ogrid[: shape[0], : shape[1]]
    return np.min([(y - j) ** 2 + (x - i) ** 2 for j, i in zip(ys, xs)], axis=0)


@pytest.mark.parametrize(
    ("shape", "ys", "xs"),
    [
        ((3, 70_000), [0, 1, 1, 2, 2], [9_000, 20_000, 20_100, 33_000, 61_000]),  # empty runs below and above 16,000
        ((2, 40_000), [1] * 5, [39_999, 30_000, 24_000, 9_000, 1]),
        ((5, 32_000), [2], [0]),  # the widest that 32 bits hold
        ((5, 32_001), [2], [0]),
        ((40_000, 40), [0, 39_000], [7, 30]),
        ((66_000, 33), [10, 50_000, 65_999], [0, 16, 32]),
    ],
)
def test_long_sides_with_few_sites(shape, ys, xs):
    sites = np.zeros(shape, bool)
    sites[ys, xs] = True
    expected = from_sites(shape, ys, xs)
    np.testing.assert_array_equal(distance_transform(sites, squared=True), expected.astype(np.float32))
    np.testing.assert_array_equal(distance_transform(sites), np.sqrt(expected.astype(np.float64)).astype(np.float32))


@pytest.mark.parametrize("width", [17_000, 33_000])
def test_pair_of_long_rows(width):
    ink = np.zeros((2, width), bool)
    ink[0, 5:9] = ink[1, 12_000:12_003] = True
    to_ink, to_paper = distance_transform_pair(ink, squared=True)
    ys, xs = np.nonzero(ink)
    np.testing.assert_array_equal(to_ink, from_sites(ink.shape, ys, xs).astype(np.float32))
    np.testing.assert_array_equal(to_paper, distance_transform(~ink, squared=True))
    np.testing.assert_array_equal(to_paper[0, 4:10], [0, 1, 1, 1, 1, 0])


@pytest.mark.parametrize("shape", [(1500, 1500), (1472, 1536), (3, 1000, 1000)])
def test_large_outputs_stay_inside_and_are_exact(shape):
    """Large outputs are written past the caches, in whole lines of 64 bytes with ends before and after."""
    sites = np.random.default_rng(1).random(shape) < 0.0005
    out = Guarded(shape, np.float32)
    _C.distance_transform(sites, out.view, True)
    flat = distance_transform(sites, return_indices=True)[1].astype(np.int64)
    y, x = np.divmod(flat, shape[-1])
    rows, columns = np.mgrid[: shape[-2], : shape[-1]]
    np.testing.assert_array_equal(out.view, (y - rows) ** 2 + (x - columns) ** 2)
    out.check()


def test_sides_beyond_the_limit_are_refused():
    sites = np.broadcast_to(np.zeros((1, 1), bool), (1, 2**30 + 1))
    with pytest.raises(BadInput, match=r"sites: shape \[1,1073741825\] given, sides of at most 2\^30 px"):
        _C.distance_transform(sites, np.empty((1, 1), np.float32))


def test_groups_of_images_and_empty_images():
    batch = np.random.default_rng(0).random((3, 2100, 4100)) < 0.0001  # more pixels than are worked on at a time
    batch[1] = False
    out = distance_transform(batch)
    assert np.isposinf(out[1]).all()
    for i in (0, 2):
        np.testing.assert_array_equal(out[i], distance_transform(batch[i]))
    for shape in [(0, 5), (5, 0), (0, 3, 4), (2, 0, 4)]:
        assert distance_transform(np.zeros(shape, bool)).shape == shape


def test_any_number_of_threads_gives_the_same_bits():
    sites = np.stack([line_drawing(300, seed) for seed in range(3)])
    outs = []
    for threads in (1, 2, 3, 8):
        outs.append(np.empty(sites.shape, np.float32))
        _C.distance_transform(sites, outs[-1], False, _C.Context(threads=threads))
    assert all(o.tobytes() == outs[0].tobytes() for o in outs)
    pairs = []
    for threads in (1, 2, 3, 8):
        pairs.append(np.empty((2, *sites.shape), np.float32))
        _C.distance_transform_pair(sites, *pairs[-1], False, _C.Context(threads=threads))
    assert all(p.tobytes() == pairs[0].tobytes() for p in pairs)
    np.testing.assert_array_equal(pairs[0][0], outs[0])


def test_out_is_written_and_returned():
    sites = np.eye(5, dtype=bool)
    out = np.empty((5, 5), np.float32)
    assert distance_transform(sites, out=out) is out
    np.testing.assert_array_equal(out, reference(sites))


def read_only():
    out = np.zeros((4, 6), np.float32)
    out.flags.writeable = False
    return out


def overlapping():
    memory = np.zeros(4 * 6 * 4, np.uint8)
    return memory[:24].reshape(4, 6), memory.view(np.float32).reshape(4, 6)


@pytest.mark.parametrize(
    ("sites", "out", "said"),
    [
        (np.zeros((4, 6), np.float32), None, "sites: dtype float32 given"),
        (np.zeros(6, bool), None, r"sites: shape \[6\] given, 2 to 5 axes"),
        (np.zeros((1, 1, 1, 1, 4, 6), bool), None, "6 axes"),
        ([[0, 1]], None, "sites: list given, numpy array, torch tensor or CUDA array expected"),
        (np.zeros((4, 6), bool), np.zeros((4, 5), np.float32), r"out: shape \[4,5\] given"),
        (np.zeros((4, 6), bool), np.zeros((4, 6), np.float64), "out: dtype float64 given, float32 expected"),
        (np.zeros((4, 6), bool), read_only(), "out: is read-only"),
        (
            np.zeros((4, 6), bool),
            as_strided(np.zeros(9, np.float32), (4, 6), (4, 4)),
            "out: has elements that share memory",
        ),
        (*overlapping(), "out: shares memory with sites"),
    ],
)
def test_what_cannot_work_is_named(sites, out, said):
    with pytest.raises(BadInput, match=said):
        distance_transform(sites, out=out)


def test_read_only_sites_are_fine():
    sites = np.eye(3, dtype=bool)
    sites.flags.writeable = False
    np.testing.assert_array_equal(distance_transform(sites), reference(sites))


class TestTorch:
    @pytest.fixture(autouse=True)
    def torch(self):
        return pytest.importorskip("torch", reason="the torch operator needs torch")

    @pytest.mark.parametrize("layout", ["plain", "transposed", "spaced"])
    def test_same_as_numpy(self, torch, layout):
        sites = np.stack([line_drawing(40), circle(40)])
        tensor = torch.from_numpy(laid_out(sites, layout))
        out = distance_transform(tensor)
        assert isinstance(out, torch.Tensor) and out.dtype == torch.float32 and not out.requires_grad
        np.testing.assert_array_equal(out.numpy(), distance_transform(sites))
        for mine, theirs in zip(distance_transform_pair(tensor), distance_transform_pair(sites)):
            np.testing.assert_array_equal(mine.numpy(), theirs)
        given = torch.empty(sites.shape)
        assert distance_transform(tensor, squared=True, out=given) is given
        np.testing.assert_array_equal(given.numpy(), distance_transform(sites, squared=True))

    def test_operator_is_well_formed(self, torch):
        distance_transform(torch.zeros(1, 1, dtype=torch.bool))
        for sites in (
            torch.eye(7, dtype=torch.bool),
            torch.zeros(2, 0, 3, dtype=torch.uint8),
            torch.eye(9).byte().T[::2],
        ):
            torch.library.opcheck(torch.ops.pyapdraw.distance_transform.default, (sites, False))
            torch.library.opcheck(torch.ops.pyapdraw.distance_transform_pair.default, (sites, True))

    def test_compiles_into_one_graph(self, torch):
        def chamfer(ink, drawn):
            return (distance_transform(ink) * drawn).mean() + distance_transform_pair(ink)[1].sum()

        ink, drawn = torch.eye(12, dtype=torch.bool), torch.rand(12, 12, requires_grad=True)
        compiled = torch.compile(chamfer, fullgraph=True, backend="aot_eager")
        torch.testing.assert_close(compiled(ink, drawn), chamfer(ink, drawn))
        compiled(ink, drawn).backward()
        torch.testing.assert_close(drawn.grad, distance_transform(ink) / 144)

    def test_errors_name_the_argument(self, torch):
        with pytest.raises(BadInput, match="sites: dtype float32"):
            distance_transform(torch.zeros(3, 3))
        with pytest.raises(BadInput, match="out: numpy arrays and torch tensors are mixed"):
            distance_transform(torch.zeros(3, 3, dtype=torch.bool), out=np.zeros((3, 3), np.float32))
