"""flow_dog against its float64 definition, and what it promises of lines."""

import numpy as np
import pytest
from arrays import Guarded, laid_out, layouts
from cases_flow_dog import waves
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_flow_dog import flow_dog as reference

from pyapdraw import _C
from pyapdraw.errors import BadInput
from pyapdraw.ops import flow_dog

sides = st.integers(2, 24)
# Values are kept to 1/8192 and tangents to 1/32767, over up to fourteen steps of at most 1 per px.
CLOSE = 3e-4


@settings(max_examples=1000, deadline=None)
@given(
    sides,
    sides,
    st.sampled_from(["waves", "noise"]),
    st.sampled_from([0, 0.4, 1.3]),
    st.sampled_from([0, 0.5, 3.03]),
    st.sampled_from([0, 0.4, 1.85, 3.5]),
    st.sampled_from([0.1, 0.8, 1.98, 4]),
    st.integers(1, 4),
    layouts,
    st.integers(0, 999),
)
def test_is_the_definition(height, width, kind, fine, tensor, flow, line, reduce, layout, seed):
    image = waves(height, width, seed, 0.03)
    if kind == "noise":
        image = np.random.default_rng(seed).normal(size=(height, width)).astype(np.float32)
    out = Guarded(image.shape, np.float32, "plain" if layout == "transposed" else layout)
    options = {"fine_px": fine, "tensor_px": tensor, "flow_px": flow, "line_px": line, "reduce": reduce}
    flow_dog(laid_out(image, layout), out=out.view, **options)
    out.check()
    difference = np.abs(out.view - reference(image, *options.values()))
    if flow < 0.3:
        assert difference.max() <= 3e-6
    elif min(height, width) < 4 * reduce:  # one tangent is that of a third of the picture or more: see below
        assert np.abs(out.view).max() <= np.ptp(image)
    else:  # where no direction stands out, or the way turns exactly across the step before, either side may be taken
        few = difference.size < 400  # pixels, of which one such place is a larger share
        assert (difference > CLOSE).mean() <= (1 / 3 if few else 0.25)
        assert np.median(difference) <= CLOSE


@settings(max_examples=40, deadline=None)
@given(sides, sides, st.integers(0, 99))
def test_definition_holds_nearly_everywhere_on_stripes(height, width, seed):
    image = waves(height + 16, width + 16, seed, 0.01)
    difference = np.abs(flow_dog(image) - reference(image))
    assert (difference > CLOSE).mean() <= 0.01


def test_plain_areas_give_nothing_and_dark_lines_give_more():
    image = np.full((40, 60), 0.75, np.float32)
    np.testing.assert_allclose(flow_dog(image), 0, atol=1e-4)
    image[20, 5:55] = 0.25
    lines = flow_dog(image)
    assert lines[20, 10:50].min() > 0.2 and lines[17, 10:50].max() < 0.01


def test_gaps_in_a_line_are_bridged_along_the_flow():
    image = np.ones((48, 48), np.float32)
    np.fill_diagonal(image, 0)
    np.fill_diagonal(image[1:], 0)
    image[23:25, 22:26] = 1
    across = flow_dog(image, flow_px=0)
    along = flow_dog(image, flow_px=3.5)
    assert along[24, 24] > across[24, 24] + 0.1


@pytest.mark.parametrize("threads", [2, 3, 8])
def test_any_number_of_threads_gives_the_same_bits(threads):
    image = waves(130, 201, 1, 0.05)
    one, many = np.empty_like(image), np.empty_like(image)
    for out, n in ((one, 1), (many, threads)):
        _C.flow_dog(image, out, 0.4, 3.03, 1.85, 1.98, 2, _C.Context(threads=n))
    assert one.tobytes() == many.tobytes()


def test_every_instruction_set_agrees():
    image = waves(90, 133, 2, 0.05)
    best = _C.cpu_backends()[0]
    expected = flow_dog(image)
    try:
        for name in _C.cpu_backends():
            _C.use_backend(name)
            assert (np.abs(flow_dog(image) - expected) > CLOSE).mean() < 0.002
    finally:
        _C.use_backend(best)


def test_leading_axes_are_pictures_of_their_own():
    images = np.stack([waves(20, 31, seed) for seed in range(6)]).reshape(2, 3, 20, 31)
    together = flow_dog(images)
    for i in np.ndindex(2, 3):
        np.testing.assert_array_equal(together[i], flow_dog(images[i]))
    assert flow_dog(images[:0]).shape == (0, 3, 20, 31)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30])
def test_what_is_not_finite_stays_inside_the_memory(value):
    image = waves(33, 70)
    image[10:12, 20] = value
    out = Guarded(image.shape, np.float32)
    flow_dog(image, out=out.view)
    out.check()
    assert np.isfinite(out.view[25:]).all()  # and far away it does not matter


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image": np.ones((1, 9), np.float32)}, "image: shape"),
        ({"image": np.ones(9, np.float32)}, "image: shape"),
        ({"image": np.ones((9, 9))}, "image: dtype float64"),
        ({"fine_px": -1}, "fine_px: -1"),
        ({"tensor_px": np.nan}, "tensor_px: "),
        ({"line_px": 77}, "line_px: 77"),
        ({"flow_px": 3.6}, "flow_px: 3.6"),
        ({"reduce": 0}, "reduce: 0 given, 1 to 16 expected"),
        ({"out": np.ones((8, 9), np.float32)}, "out: shape"),
    ],
)
def test_wrong_arguments_are_named(change, message):
    with pytest.raises(BadInput, match=message):
        flow_dog(**{"image": np.ones((9, 9), np.float32), **change})


def test_outputs_that_cannot_be_written_are_named():
    image = waves(9, 9)
    with pytest.raises(BadInput, match="out: shares memory with image"):
        flow_dog(image, out=image)
    fixed = np.empty_like(image)
    fixed.flags.writeable = False
    with pytest.raises(BadInput, match="out: is read-only"):
        flow_dog(image, out=fixed)


class TestTorch:
    @pytest.fixture(autouse=True)
    def torch(self):
        return pytest.importorskip("torch", reason="the torch operator needs torch")

    def test_same_as_numpy(self, torch):
        image = waves(30, 41)
        np.testing.assert_array_equal(flow_dog(torch.from_numpy(image)).numpy(), flow_dog(image))
        out = torch.empty(30, 41)
        assert flow_dog(torch.from_numpy(image), out=out) is out

    def test_operator_is_well_formed(self, torch):
        image = torch.from_numpy(waves(12, 13))
        flow_dog(image)
        torch.library.opcheck(torch.ops.pyapdraw.flow_dog.default, (image, 0.4, 3.0, 1.85, 2.0, 1))

    def test_compiles_into_one_graph(self, torch):
        image = torch.from_numpy(waves(24, 24))
        compiled = torch.compile(lambda x: flow_dog(x * 2) + 1, fullgraph=True, backend="aot_eager")
        torch.testing.assert_close(compiled(image), flow_dog(image * 2) + 1)
