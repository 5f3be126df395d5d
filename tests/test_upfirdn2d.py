"""upfirdn2d against its float64 definition: values, derivatives, layouts, dtypes, torch."""

import json

import numpy as np
import pytest
from arrays import Guarded, laid_out, layouts
from cases_upfirdn2d import BINOMIAL, FILTERS
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from reference_upfirdn2d import in_torch
from reference_upfirdn2d import upfirdn2d as reference

from pyapdraw import _C
from pyapdraw.errors import BadInput
from pyapdraw.ops import upfirdn2d
from pyapdraw.ops._arrays import EMPTY
from pyapdraw.ops.upfirdn2d import filter_size, output_size

FEW = st.sampled_from([0, 1, 2, 3, 5])
factors = st.sampled_from([1, 1, 2, 2, 3, 4])


@pytest.fixture
def each_backend():
    names = _C.cpu_backends()
    yield names
    _C.use_backend(names[0])


@st.composite
def calls(draw, channels=FEW):
    """x, f, up, down, padding, flip, gain, output size: anything that leaves at least one sample."""
    n, c = draw(st.integers(0, 2)), draw(channels)
    h, w = draw(st.integers(0, 20)), draw(st.integers(0, 40))
    f = FILTERS[draw(st.sampled_from(sorted(FILTERS)))]
    up, down = [draw(factors), draw(factors)], [draw(factors), draw(factors)]
    padding = [draw(st.integers(-4, 9)) for _ in range(4)]
    size = output_size((n, c, h, w), filter_size(f), up, down, padding)
    assume(min(size) > 0)
    for i, side in enumerate((w, h)):  # what is cropped is there
        left, right = padding[2 * i : 2 * i + 2]
        assume(side * up[i] + max(left, 0) + max(right, 0) >= max(-left, 0) + max(-right, 0))
    x = np.random.default_rng(draw(st.integers(0, 2**32))).normal(size=(n, c, h, w))
    x = x.astype(draw(st.sampled_from(["float32", "float32", "float64"])))
    return x, f, up, down, padding, draw(st.booleans()), draw(st.sampled_from([1.0, 4.0, -0.5])), size


def run(x, f, up, down, padding, flip, gain, out, threads=0):
    how = _C.Resampling(up, down, padding, flip, gain)
    _C.upfirdn2d(x, EMPTY if f is None else f, out, how, _C.Context(threads))


def close(got, expected, f, gain):
    taps = np.ones(1) if f is None else np.abs(f if f.ndim == 2 else np.outer(f, f))
    # The taps are float32, and so are a product's factors.
    tolerance = 2e-6 * abs(gain) * taps.sum() * 4
    np.testing.assert_allclose(got, expected, rtol=0, atol=tolerance)


@settings(max_examples=700, deadline=None)
@given(calls(), layouts, layouts, layouts, st.sampled_from([1, 2, 3, 8]))
def test_is_its_definition_for_any_shape_and_layout(call, layout, out_layout, filter_layout, threads):
    x, f, up, down, padding, flip, gain, size = call
    out = Guarded((*x.shape[:2], *size), x.dtype, "plain" if out_layout == "transposed" else out_layout)
    given_f = laid_out(f, filter_layout) if f is not None and f.ndim == 2 else f
    run(laid_out(x, layout), given_f, up, down, padding, flip, gain, out.view, threads)
    close(out.view, reference(x, f, up, down, padding, flip, gain), f, gain)
    out.check()


@settings(max_examples=400, deadline=None)
@given(calls(channels=st.sampled_from([16, 17, 32, 40, 64])), st.booleans(), st.integers(1, 3))
def test_channels_last_is_its_definition(call, given_last, threads):
    x, f, up, down, padding, flip, gain, size = call
    x = laid_out(x, "channels_last") if given_last else x
    guarded = Guarded((x.shape[0], *size, x.shape[1]), x.dtype)
    run(x, f, up, down, padding, flip, gain, guarded.view.transpose(0, 3, 1, 2), threads)
    close(guarded.view.transpose(0, 3, 1, 2), reference(x, f, up, down, padding, flip, gain), f, gain)
    guarded.check()


@pytest.mark.parametrize("layout", ["plain", "channels_last"])
@pytest.mark.parametrize("up, down", [(1, 1), (2, 1), (1, 2), (3, 2)])
def test_bands_threads_and_instruction_sets(up, down, layout, each_backend):
    """Images of several bands and strips; the same bits for any number of threads."""
    x = laid_out(np.random.default_rng(0).normal(size=(1, 33, 150, 301)).astype(np.float32), layout)
    padding = [2, 1, 2, 1]
    expected = reference(x, BINOMIAL, [up, up], [down, down], padding, False, 4.0)
    for name in each_backend:
        _C.use_backend(name)
        outs = []
        for threads in (1, 2, 3, 8):
            outs.append(laid_out(np.zeros(expected.shape, np.float32), layout))
            run(x, BINOMIAL, [up, up], [down, down], padding, False, 4.0, outs[-1], threads)
        np.testing.assert_allclose(outs[0], expected, rtol=0, atol=1e-5)
        assert all(o.tobytes() == outs[0].tobytes() for o in outs)


@pytest.mark.parametrize("layout", ["plain", "channels_last"])
def test_a_large_output_is_written_whole(layout):
    x = laid_out(np.random.default_rng(0).normal(size=(1, 16, 643, 645)).astype(np.float32), layout)
    got = upfirdn2d(x, BINOMIAL, padding=1)  # past the caches, rows that begin anywhere in a line
    np.testing.assert_allclose(got, reference(x, BINOMIAL, [1, 1], [1, 1], [1] * 4, False, 1), rtol=0, atol=1e-5)


def test_infinite_and_nan_samples_stay_where_the_filter_reaches():
    x = np.zeros((1, 1, 9, 40), np.float32)
    x[0, 0, 4, 20] = np.nan
    out = upfirdn2d(x, BINOMIAL, padding=[1, 2, 1, 2])
    assert np.isnan(out[0, 0, 2:6, 18:22]).all() and np.isnan(out).sum() == 16


def test_memory_format_is_kept():
    x = np.zeros((2, 5, 8, 9), np.float32)
    assert upfirdn2d(x, BINOMIAL, padding=2).flags.c_contiguous
    last = upfirdn2d(laid_out(x, "channels_last"), BINOMIAL, padding=2)
    assert last.transpose(0, 2, 3, 1).flags.c_contiguous and last.shape == (2, 5, 9, 10)


WRONG = {
    "axes": ({"x": np.zeros((2, 3, 4), np.float32)}, r"x: shape \[2, 3, 4\] given, \[N,C,H,W\] expected"),
    "dtype": ({"x": np.zeros((1, 1, 4, 4), np.float16)}, "x: dtype float16 given"),
    "filter dtype": ({"f": BINOMIAL.astype(np.float64)}, "f: dtype float64 given"),
    "filter axes": ({"f": np.ones((1, 2, 2), np.float32)}, r"f: shape \[1,2,2\] given, 1 to 2 axes"),
    "filter too long": ({"f": np.ones(65, np.float32)}, r"f: shape \[65\] given, sides of 1 to 64"),
    "empty filter": ({"f": np.ones((0, 2), np.float32)}, r"f: shape \[0,2\] given"),
    "up": ({"up": 0}, "up: 0 given, 1 to 64"),
    "three ups": ({"up": [1, 2, 3]}, r"up: \[1, 2, 3\] given, an integer or \(x, y\)"),
    "down": ({"down": (1, -1)}, "down: -1 given"),
    "padding": ({"padding": [1, 2, 3]}, r"padding: \[1, 2, 3\] given"),
    "nothing left": ({"padding": -1}, r"padding: x \[1,2,4,5\] is 3 wide after upsampling and padding"),
    "kind": ({"f": [1, 2]}, "f: list given"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_work_is_named(name):
    change, said = WRONG[name]
    with pytest.raises(BadInput, match=said):
        upfirdn2d(**({"x": np.zeros((1, 2, 4, 5), np.float32), "f": BINOMIAL} | change))


def test_outputs_that_cannot_be_written():
    x = np.zeros((1, 2, 8, 8), np.float32)
    for out, said in (
        (np.zeros((1, 2, 8, 7), np.float32), r"out: shape \[1,2,8,7\] given, \[1,2,8,8\] expected"),
        (x, "out: shares memory with x"),
        (np.broadcast_to(np.float32(0), x.shape), "out: is read-only"),
        (np.zeros((1, 2, 8, 8)), "out: dtype float64 given"),
    ):
        with pytest.raises(BadInput, match=said):
            run(x, None, [1, 1], [1, 1], [0] * 4, False, 1.0, out)


class TestTorch:
    @pytest.fixture(autouse=True)
    def torch(self):
        return pytest.importorskip("torch", reason="the torch operator needs torch")

    def test_official_values_and_gradients(self, torch, shared_dir):
        folder = shared_dir / "reference" / "stylegan2_ops"
        arrays = np.load(folder / "upfirdn2d.npz")
        for case in json.loads((folder / "upfirdn2d.json").read_text()):
            f = None if case["filter"] == "1" else torch.from_numpy(arrays[f"filter/{case['filter']}"]).float()
            for dtype, tolerance in ((torch.float64, 1e-6), (torch.float32, 1e-5)):
                x, y, gy, gx = (torch.from_numpy(arrays[f"{case['id']}/{k}"]).to(dtype) for k in ("x", "y", "gy", "gx"))
                options = {k: case[k] for k in ("up", "down", "flip_filter", "gain")}
                x = x.requires_grad_()
                got = upfirdn2d(x, f, padding=case["padding_x0x1y0y1"], **options)
                torch.testing.assert_close(got, y, rtol=tolerance, atol=tolerance)
                grad = torch.autograd.grad((got * gy).sum(), x)[0]
                torch.testing.assert_close(grad, gx, rtol=tolerance, atol=tolerance)

    @pytest.mark.parametrize("name", ["binomial", "asymmetric row", "full", "none"])
    @pytest.mark.parametrize(
        "up, down, padding", [(1, 1, 1), (2, 1, (2, 1)), (1, 2, (-1, 2, 3, 0)), ((3, 2), (2, 3), 2)]
    )
    def test_derivatives(self, torch, name, up, down, padding):
        f = FILTERS[name] if FILTERS[name] is None else torch.from_numpy(FILTERS[name])
        x = torch.randn(1, 2, 6, 7, dtype=torch.float64, requires_grad=True)

        def resample(x):
            return upfirdn2d(x, f, up=up, down=down, padding=padding, gain=2)

        assert torch.autograd.gradcheck(resample, x)
        assert torch.autograd.gradgradcheck(resample, x)

    @settings(max_examples=100, deadline=None)
    @given(calls(channels=st.sampled_from([1, 3, 16, 40])), st.booleans())
    def test_bfloat16_is_rounded_once_and_gradients_follow_the_definition(self, call, last):
        import torch

        x, f, up, down, padding, flip, gain, _ = call
        f = None if f is None else torch.from_numpy(f)
        x = torch.from_numpy(x).bfloat16()
        x = x.contiguous(memory_format=torch.channels_last) if last else x
        options = {"up": up, "down": down, "padding": padding, "flip_filter": flip, "gain": gain}
        got = upfirdn2d(x, f, **options)
        wide = x.float().requires_grad_()
        expected = upfirdn2d(wide, f, **options)
        assert got.dtype == torch.bfloat16 and torch.equal(got, expected.bfloat16())
        weight = torch.randn(expected.shape)
        grad = torch.autograd.grad(expected, wide, weight)[0]
        # The transpose of a linear map: <w, A x> = <A' w, x>.
        left, right = (weight.double() * expected.double()).sum(), (grad.double() * x.double()).sum()
        scale = (weight.double() * expected.double()).abs().sum() + 1
        assert abs(left - right) <= 1e-5 * scale

    def test_the_formulation_in_torch_is_the_same(self, torch):
        x, f = torch.randn(1, 4, 9, 11), torch.from_numpy(BINOMIAL)
        for up, down, padding in ((1, 1, [1] * 4), (2, 1, [2, 1, 2, 1]), (1, 2, [-1, 2, 0, 3])):
            expected = in_torch(x, f, up, down, padding, gain=4)
            torch.testing.assert_close(upfirdn2d(x, f, up=up, down=down, padding=padding, gain=4), expected)

    def test_operator_is_well_formed(self, torch):
        x, f = torch.randn(2, 3, 8, 9, requires_grad=True), torch.from_numpy(BINOMIAL)
        upfirdn2d(x, f)
        op = torch.ops.pyapdraw.upfirdn2d.default
        torch.library.opcheck(op, (x, f, [2, 2], [1, 1], [2, 1, 2, 1], False, 4.0))
        last = torch.randn(2, 3, 8, 9).contiguous(memory_format=torch.channels_last).requires_grad_()
        torch.library.opcheck(op, (last, None, [1, 1], [2, 2], [0, 0, -1, 0], True, 1.0))
        with pytest.raises(BadInput, match="f: requires a gradient"):
            upfirdn2d(x, f.clone().requires_grad_())

    def test_compiles_into_one_graph(self, torch):
        x, f = torch.randn(2, 3, 8, 9, requires_grad=True), torch.from_numpy(BINOMIAL)

        def step(x):
            return upfirdn2d(x, f, up=2, padding=(2, 1), gain=4).square().mean()

        compiled = torch.compile(step, fullgraph=True, backend="aot_eager")(x)
        torch.testing.assert_close(compiled, step(x))
        torch.testing.assert_close(torch.autograd.grad(compiled, x), torch.autograd.grad(step(x), x))
