"""conv_to_one against its float64 definition: values, gradients, layouts, dtypes, torch."""

import numpy as np
import pytest
from arrays import Guarded, laid_out
from cases_bias_act import ACTIVATIONS
from cases_conv_to_one import ODD
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from reference_conv_to_one import conv_to_one as reference

from pyapdraw import _C
from pyapdraw.errors import BadInput
from pyapdraw.ops import conv_to_one
from pyapdraw.ops._arrays import EMPTY

LAYOUTS = st.sampled_from(["plain", "channels_last", "channels_last", "spaced", "reversed", "transposed"])


@pytest.fixture
def each_backend():
    names = _C.cpu_backends()
    yield names
    _C.use_backend(names[0])


def arrays(n, c, h, w, kh, kw, up, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, c, h, w)).astype(np.float32)
    weight = rng.normal(size=(1, c, kh, kw) if up == 1 else (c, 1, kh, kw)) / np.sqrt(c * kh * kw)
    return x, weight.astype(np.float32), rng.normal(size=1).astype(np.float32)


@st.composite
def calls(draw):
    n, c = draw(st.integers(0, 2)), draw(st.sampled_from([1, 2, 3, 8, 16, 17, 32, 35]))
    h, w = draw(st.integers(1, 12)), draw(st.sampled_from([1, 2, 5, 9, 17, 40, 70]))
    kh, kw = draw(st.integers(1, 8)), draw(st.sampled_from([1, 2, 3, 4, 5, 7, 9, 16]))
    up, padding = draw(st.sampled_from([1, 1, 1, 2, 2, 3, 4])), draw(st.integers(0, 5))
    mode = draw(st.sampled_from(["zeros", "reflect"])) if up == 1 and padding < min(h, w) else "zeros"
    for side, k in ((h, kh), (w, kw)):
        assume((side + 2 * padding - k + 1 if up == 1 else (side - 1) * up - 2 * padding + k) > 0)
    return *arrays(n, c, h, w, kh, kw, up, draw(st.integers(0, 2**32))), up, padding, mode


@settings(max_examples=800, deadline=None)
@given(calls(), LAYOUTS, st.sampled_from(["plain", "spaced", "reversed"]), st.booleans(), st.sampled_from([1, 2, 8]))
def test_is_its_definition_for_any_shape_and_layout(call, layout, out_layout, with_bias, threads):
    x, weight, bias, up, padding, mode = call
    bias = bias if with_bias else None
    expected = reference(x, weight, bias, up, padding, mode, "linear")
    out = Guarded(expected.shape, np.float32, out_layout)
    how = _C.ConvToOne(up, padding, mode, "linear")
    _C.conv_to_one(
        laid_out(x, layout), weight, EMPTY if bias is None else bias, out.view, how, _C.Context(threads=threads)
    )
    np.testing.assert_allclose(out.view, expected, rtol=0, atol=2e-5)
    out.check()


@pytest.mark.parametrize("case", ODD, ids=str)
@pytest.mark.parametrize("layout", ["plain", "channels_last"])
def test_threads_and_instruction_sets(case, layout, each_backend):
    c, h, w, k, up, padding, mode = case
    x, weight, bias = arrays(2, c, h, w, k, k, up, 0)
    expected = reference(x, weight, bias, up, padding, mode, "tanh")
    x, how = laid_out(x, layout), _C.ConvToOne(up, padding, mode, "tanh")
    for name in each_backend:
        _C.use_backend(name)
        outs = [np.empty(expected.shape, np.float32) for _ in range(4)]
        for out, threads in zip(outs, (1, 2, 3, 8)):
            _C.conv_to_one(x, weight, bias, out, how, _C.Context(threads=threads))
        np.testing.assert_allclose(outs[0], expected, rtol=0, atol=2e-5)
        assert all(o.tobytes() == outs[0].tobytes() for o in outs)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations(activation):
    x, weight, bias = arrays(1, 8, 12, 13, 3, 3, 1, 1)
    got = conv_to_one(x, weight, bias, padding=1, activation=activation)
    np.testing.assert_allclose(got, reference(x, weight, bias, 1, 1, "zeros", activation), rtol=0, atol=1e-5)


def test_nan_and_infinity_reach_as_far_as_the_kernel():
    x, weight, bias = arrays(1, 8, 20, 90, 7, 7, 1, 2)
    x[0, 3, 10, 70] = np.nan
    x[0, 4, 10, 10] = np.inf
    out = conv_to_one(x, weight, bias, padding=3)[0, 0]
    assert np.isnan(out[7:14, 67:74]).all() and np.isnan(out).sum() == 49
    assert np.isinf(out[7:14, 7:14]).all() and np.isinf(out).sum() == 49


WRONG = {
    "axes": ({"x": np.zeros((3, 4, 4), np.float32)}, r"x: shape \[3, 4, 4\], weight \[1, 3, 3, 3\] given, 4 axes"),
    "dtype": ({"x": np.zeros((1, 3, 8, 8))}, "x: dtype float64 given"),
    "no pixel": ({"x": np.zeros((1, 3, 0, 8), np.float32)}, r"x: shape \[1,3,0,8\] given, at least one"),
    "too small": ({"x": np.zeros((1, 3, 2, 8), np.float32)}, r"x: shape \[1,3,2,8\] given, too small for weight"),
    "weight dtype": ({"weight": np.zeros((1, 3, 3, 3))}, "weight: dtype float64 given"),
    "two outputs": ({"weight": np.zeros((2, 3, 3, 3), np.float32)}, r"weight: shape \[2,3,3,3\] given, \[1,3,3,3\]"),
    "not transposed": ({"up": 2}, r"weight: shape \[1,3,3,3\] given, \[3,1,3,3\] expected"),
    "kernel": ({"weight": np.zeros((1, 3, 3, 17), np.float32)}, "sides of 1 to 16 expected"),
    "bias": ({"bias": np.zeros(3, np.float32)}, r"bias: shape \[3\] given, \[1\] expected"),
    "up": ({"up": 5}, "up: 5 given, 1 to 4 expected"),
    "padding": ({"padding": -1}, "padding: -1 given, 0 to"),
    "reflect": ({"padding": 8, "padding_mode": "reflect"}, r"padding: 8 given, less than the sides of x, \[1,3,8,8\]"),
    "mode": ({"padding_mode": "edge"}, "padding_mode: 'edge' given, one of 'zeros', 'reflect'"),
    "activation": ({"activation": "gelu"}, "activation: 'gelu' given, one of 'linear'"),
    "out": ({"out": np.zeros((1, 1, 6, 5), np.float32)}, r"out: shape \[1,1,6,5\] given, \[1,1,6,6\]"),
    "out dtype": ({"out": np.zeros((1, 1, 6, 6))}, "out: dtype float64 given"),
    "broadcast out": ({"out": np.broadcast_to(np.float32(0), (1, 1, 6, 6))}, "out: is read-only"),
    "kind": ({"bias": [0.0]}, "bias: list given"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_work_is_named(name):
    change, said = WRONG[name]
    given_arguments = {"x": np.zeros((1, 3, 8, 8), np.float32), "weight": np.zeros((1, 3, 3, 3), np.float32)}
    with pytest.raises(BadInput, match=said):
        conv_to_one(**(given_arguments | change))


def test_out_must_not_share_memory():
    x = np.zeros((1, 1, 8, 8), np.float32)
    with pytest.raises(BadInput, match="out: shares memory with x"):
        conv_to_one(x, np.ones((1, 1, 1, 1), np.float32), out=x)


class TestTorch:
    @pytest.fixture(autouse=True)
    def torch(self):
        return pytest.importorskip("torch", reason="the torch operator needs torch")

    @settings(max_examples=200, deadline=None)
    @given(calls(), st.booleans(), st.booleans())
    def test_bfloat16_within_its_rounding(self, call, last, wide_out):
        import torch

        x, weight, bias, up, padding, mode = call
        x = torch.from_numpy(x).bfloat16()
        x = x.contiguous(memory_format=torch.channels_last) if last else x
        rounded = torch.from_numpy(weight).bfloat16()
        expected = reference(x.float().numpy(), rounded.float().numpy(), bias, up, padding, mode, "linear")
        out = torch.empty(expected.shape, dtype=torch.float32 if wide_out else torch.bfloat16)
        for w in (rounded, torch.from_numpy(weight)):  # float32 weights are rounded
            got = conv_to_one(x, w, torch.from_numpy(bias), up=up, padding=padding, padding_mode=mode, out=out)
            assert got is out
            # Sums are float32; the result is rounded once.
            np.testing.assert_allclose(got.float().numpy(), expected, rtol=0 if wide_out else 1 / 256, atol=2e-5)

    @pytest.mark.parametrize("activation", ["linear", "tanh", "swish", "lrelu"])
    @pytest.mark.parametrize("up, padding, mode", [(1, 1, "zeros"), (1, 2, "reflect"), (2, 1, "zeros")])
    def test_gradients_are_those_of_torch(self, torch, up, padding, mode, activation):
        from torch.nn import functional as F

        arrays_ = arrays(2, 5, 7, 9, 4, 4, up, 3)
        leaf = [torch.from_numpy(a).requires_grad_() for a in arrays_]
        x, weight, bias = leaf
        got = conv_to_one(x, weight, bias, up=up, padding=padding, padding_mode=mode, activation=activation)
        act = {"linear": lambda v: v, "tanh": torch.tanh, "swish": F.silu, "lrelu": lambda v: F.leaky_relu(v, 0.2)}
        if up > 1:
            expected = F.conv_transpose2d(x, weight, bias, stride=up, padding=padding)
        elif mode == "reflect":
            expected = F.conv2d(F.pad(x, [padding] * 4, mode="reflect"), weight, bias)
        else:
            expected = F.conv2d(x, weight, bias, padding=padding)
        expected = act[activation](expected)
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)
        grad = torch.randn(got.shape, generator=torch.Generator().manual_seed(0))
        for a, e in zip(torch.autograd.grad(got, leaf, grad), torch.autograd.grad(expected, leaf, grad)):
            torch.testing.assert_close(a, e, rtol=1e-4, atol=1e-5)

    def test_operator_is_well_formed(self, torch):
        x, weight, bias = (torch.from_numpy(a).requires_grad_() for a in arrays(2, 4, 8, 9, 3, 3, 1, 0))
        conv_to_one(x, weight, bias)
        op = torch.ops.pyapdraw.conv_to_one.default
        torch.library.opcheck(op, (x, weight, bias, 1, 2, "reflect", "tanh"))
        x, weight, _ = (torch.from_numpy(a).requires_grad_() for a in arrays(2, 4, 8, 9, 4, 4, 2, 0))
        torch.library.opcheck(op, (x, weight, None, 2, 1, "zeros", "linear"))

    def test_compiles_into_one_graph(self, torch):
        leaf = [torch.from_numpy(a).requires_grad_() for a in arrays(1, 4, 8, 9, 3, 3, 1, 0)]

        def step(x, weight, bias):
            return conv_to_one(x, weight, bias, padding=1, padding_mode="reflect", activation="tanh").square().mean()

        compiled = torch.compile(step, fullgraph=True, backend="aot_eager")(*leaf)
        torch.testing.assert_close(compiled, step(*leaf))
        for a, e in zip(torch.autograd.grad(compiled, leaf), torch.autograd.grad(step(*leaf), leaf)):
            torch.testing.assert_close(a, e)
