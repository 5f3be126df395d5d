"""bias_act against its float64 definition: values, first and second derivatives, layouts, dtypes, torch."""

import json

import numpy as np
import pytest
import reference_bias_act as reference
from arrays import Guarded, laid_out, layouts
from cases_bias_act import ACTIVATIONS
from hypothesis import given, settings
from hypothesis import strategies as st

from pyapdraw import _C
from pyapdraw.errors import BadInput
from pyapdraw.ops import bias_act
from pyapdraw.ops._arrays import EMPTY

TOLERANCE = {"float32": 2e-6, "float64": 1e-14}


@pytest.fixture
def each_backend():
    names = _C.cpu_backends()
    yield names
    _C.use_backend(names[0])


@st.composite
def calls(draw):
    """x, bias, and the options of a call."""
    shape = tuple(draw(st.lists(st.integers(0, 9), min_size=1, max_size=5)))
    dim = draw(st.integers(0, len(shape) - 1))
    wide = draw(st.sampled_from([0, 0, 1, 1500]))  # some axes longer than a block
    if wide:
        axis = draw(st.integers(0, len(shape) - 1))
        shape = (*shape[:axis], wide, *shape[axis + 1 :])
        shape = tuple(min(n, 3) if i != axis else n for i, n in enumerate(shape))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    scale = draw(st.sampled_from([0.1, 3.0, 60.0]))
    x = rng.normal(scale=scale, size=shape).astype(draw(st.sampled_from(["float32", "float64"])))
    b = rng.normal(size=shape[dim]).astype(x.dtype) if draw(st.booleans()) else None
    options = {
        "dim": dim,
        "act": draw(st.sampled_from(ACTIVATIONS)),
        "alpha": draw(st.sampled_from([None, 0.1, -0.3, 0.0])),
        "gain": draw(st.sampled_from([None, 0.7, -2.0])),
        "clamp": draw(st.sampled_from([None, 0.5, 2.0])),
    }
    return x, b, options


def native_options(act, alpha, gain, clamp, **_):
    gain = reference.GAINS.get(act, 1.0) if gain is None else gain
    return _C.BiasAct(act, 0.2 if alpha is None else alpha, gain, -1.0 if clamp is None else clamp)


def close(got, expected, like):
    tolerance = TOLERANCE[str(like.dtype)]
    np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance * 0.1)


@settings(max_examples=700, deadline=None)
@given(calls(), layouts, layouts, st.sampled_from([1, 2, 3, 8]))
def test_is_its_definition_for_any_shape_and_layout(call, layout, out_layout, threads):
    x, b, options = call
    if x.ndim < 2:
        layout = "plain"
    out = Guarded(x.shape, x.dtype, "plain" if out_layout == "transposed" or x.ndim < 2 else out_layout)
    spaced_bias = EMPTY if b is None else np.repeat(b, 2)[::2]
    _C.bias_act(
        laid_out(x, layout), spaced_bias, out.view, native_options(**options), options["dim"], _C.Context(threads)
    )
    # Each side of the bias is rounded before the sum, and so is the sum.
    x_plus_b = x if b is None else x + b.reshape([-1 if i == options["dim"] else 1 for i in range(x.ndim)])
    close(out.view, reference.bias_act(x_plus_b, None, **options), x)
    out.check()


@settings(max_examples=400, deadline=None)
@given(calls(), layouts, st.integers(1, 3))
def test_gradient_is_that_of_the_definition(call, layout, threads):
    x, b, options = call
    layout = layout if x.ndim > 1 else "plain"
    x = np.where(np.abs(x) < 1e-3, 0.5, x).astype(x.dtype)  # away from the kink
    from_input = options["act"] == "swish" or (options["act"] == "lrelu" and (options["alpha"] or 0) < 0)
    bias = b if from_input else None
    grad = np.random.default_rng(1).normal(size=x.shape).astype(x.dtype)
    how = native_options(**options)
    v = reference.biased(x, bias, options["dim"]).astype(x.dtype)
    y = reference.bias_act(v, None, **options)
    clamp = options["clamp"]
    near = np.zeros(x.shape, bool) if clamp is None else np.abs(np.abs(y) - clamp) < 1e-3
    kept, out = (x if from_input else y.astype(x.dtype)), np.empty_like(x)
    _C.bias_act_backward(
        laid_out(grad, layout), laid_out(kept, layout), EMPTY if bias is None else bias, out, how, options["dim"],
        _C.Context(threads),
    )  # fmt: skip
    if not from_input and clamp is not None:
        near |= np.abs(y) >= clamp
        assert (out[np.abs(kept) >= clamp] == 0).all()
    expected = reference.gradient(grad, v, None, **options)
    # Where a result saturates, what its rounding leaves of 1 - y^2 is all there is.
    scale = np.finfo(x.dtype).eps * 20 * np.abs(grad) * max(1.0, abs(options["gain"] or 1.5))
    ok = np.abs(out - expected) <= scale + TOLERANCE[str(x.dtype)] * 5 * np.abs(expected)
    assert (ok | near).all()


@pytest.mark.parametrize("act", ACTIVATIONS)
def test_every_instruction_set_and_every_float(act, each_backend):
    """The whole range of float32, special values included; the largest error in units of the last place."""
    rng = np.random.default_rng(0)
    special = [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-42, -1e-42, 88.6, -88.6, -104.5, 3e38, -3e38]
    x = np.concatenate([rng.normal(scale=s, size=4000) for s in (1e-6, 0.01, 0.6, 4, 40, 200)] + [special])
    x = x.astype(np.float32)[:, None]
    expected = reference.bias_act(x, act=act, gain=1)
    for name in each_backend:
        _C.use_backend(name)
        got = bias_act(x, act=act, gain=1)
        same = (np.isnan(expected) & np.isnan(got)) | (expected.astype(np.float32) == got)
        with np.errstate(invalid="ignore"):
            ulp = np.abs(got - expected) / np.spacing(np.maximum(np.abs(expected), 1e-34).astype(np.float32))
        assert (same | (ulp <= 6)).all(), (name, x[~(same | (ulp <= 6))][:5])


@pytest.mark.parametrize("layout", ["plain", "channels_last"])
@pytest.mark.parametrize("channels", [1, 3, 64, 1500])
def test_any_number_of_threads_gives_the_same_bits(channels, layout):
    x = laid_out(np.random.default_rng(0).normal(size=(2, channels, 37, 41)).astype(np.float32), layout)
    b = np.arange(channels, dtype=np.float32)
    outs = [np.empty_like(x) for _ in range(4)]
    for out, threads in zip(outs, (1, 2, 3, 8)):
        _C.bias_act(x, b, out, _C.BiasAct("swish"), 1, _C.Context(threads))
    assert all(o.tobytes() == outs[0].tobytes() for o in outs)
    np.testing.assert_allclose(outs[0], reference.bias_act(x, b, act="swish", gain=1), rtol=1e-5, atol=1e-5)


def test_a_large_output_is_written_whole():
    x = np.random.default_rng(0).normal(size=(1, 5, 1300, 1301)).astype(np.float32)  # past the caches, odd rows
    got = bias_act(x, np.arange(5, dtype=np.float32), act="lrelu", gain=1)
    y = x + np.arange(5, dtype=np.float32).reshape(1, 5, 1, 1)
    np.testing.assert_array_equal(got, np.where(y < 0, y * np.float32(0.2), y))


def test_in_place_and_read_only():
    x = np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32)
    expected = bias_act(x, act="tanh")
    _C.bias_act(x, EMPTY, x, _C.BiasAct("tanh"), 1)
    np.testing.assert_array_equal(x, expected)
    with pytest.raises(BadInput, match="out: shares memory with x"):
        _C.bias_act(x[:, :2], EMPTY, x[:, 1:], _C.BiasAct(), 1)
    x.flags.writeable = False
    with pytest.raises(BadInput, match="out: is read-only"):
        _C.bias_act(x, EMPTY, x, _C.BiasAct(), 1)


WRONG = {
    "activation": ({"act": "gelu"}, "act: 'gelu' given, one of 'linear', 'relu'"),
    "clamp": ({"clamp": -1}, "clamp: -1 given"),
    "nan clamp": ({"clamp": np.nan}, "clamp: nan given"),
    "bias size": ({"b": np.zeros(4, np.float32)}, r"bias: shape \[4\] given, \[3\] expected"),
    "bias dtype": ({"b": np.zeros(3, np.int32)}, "bias: dtype int32 given"),
    "bias kind": ({"b": [0, 0, 0]}, "b: list given"),
    "dim": ({"b": np.zeros(3, np.float32), "dim": 4}, "dim: 4 given, an axis of x"),
    "negative dim": ({"b": np.zeros(3, np.float32), "dim": -1}, "dim: -1 given"),
    "dtype": ({"x": np.zeros((2, 3), np.float16)}, "x: dtype float16 given"),
    "integers": ({"x": np.zeros((2, 3), np.int32)}, "x: dtype int32 given"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_work_is_named(name):
    change, said = WRONG[name]
    with pytest.raises(BadInput, match=said):
        bias_act(**({"x": np.zeros((2, 3, 4, 4), np.float32)} | change))


class TestTorch:
    @pytest.fixture(autouse=True)
    def torch(self):
        return pytest.importorskip("torch", reason="the torch operator needs torch")

    def test_official_values_and_gradients(self, torch, shared_dir):
        folder = shared_dir / "reference" / "stylegan2_ops"
        arrays = np.load(folder / "bias_act.npz")
        for case in json.loads((folder / "bias_act.json").read_text()):
            options = {k: case[k] for k in ("dim", "act", "alpha", "gain", "clamp")}
            for dtype, tolerance in ((torch.float64, 1e-12), (torch.float32, 1e-5)):
                x, b, y, gy, gx, gb = (
                    torch.from_numpy(arrays[f"{case['id']}/{k}"]).to(dtype) for k in ("x", "b", "y", "gy", "gx", "gb")
                )
                x, b = x.requires_grad_(), b.requires_grad_()
                got = bias_act(x, b, **options)
                for a, e in zip((got, *torch.autograd.grad((got * gy).sum(), (x, b))), (y, gx, gb)):
                    torch.testing.assert_close(a, e, rtol=tolerance, atol=tolerance)

    @pytest.mark.parametrize("clamp", [None, 0.9])
    @pytest.mark.parametrize("act", ACTIVATIONS)
    @pytest.mark.parametrize("alpha", [None, -0.3])
    def test_first_and_second_derivative(self, torch, act, clamp, alpha):
        if alpha is not None and act != "lrelu":
            alpha = None
        x = torch.randn(2, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(3)).requires_grad_()
        b = torch.tensor([0.1, -0.4, 0.3], dtype=torch.float64).requires_grad_()

        def run(x, b):
            return bias_act(x, b, act=act, alpha=alpha, clamp=clamp)

        assert torch.autograd.gradcheck(run, (x, b))
        assert torch.autograd.gradgradcheck(run, (x, b))

    @settings(max_examples=100, deadline=None)
    @given(st.sampled_from(ACTIVATIONS), st.booleans(), st.integers(1, 40), st.integers(0, 10**6))
    def test_bfloat16_is_rounded_once(self, act, last, channels, seed):
        import torch

        generator = torch.Generator().manual_seed(seed)
        x = torch.randn(2, channels, 5, 7, generator=generator).bfloat16()
        x = x.contiguous(memory_format=torch.channels_last) if last else x
        b = torch.randn(channels, generator=generator).bfloat16()
        got = bias_act(x, b, act=act)
        assert got.stride() == x.stride() and got.dtype == torch.bfloat16
        expected = bias_act(x.float(), b.float(), act=act).bfloat16()
        assert torch.equal(got, expected)
        grad = torch.autograd.grad(bias_act(x.requires_grad_(), b, act=act).float().sum(), x)[0]
        wide = torch.autograd.grad(bias_act(x.float(), b.float(), act=act).sum(), x)[0]
        torch.testing.assert_close(grad, wide, rtol=0.02, atol=0.02)

    @pytest.mark.parametrize("act", ["linear", "lrelu", "swish", "tanh"])
    def test_operators_are_well_formed(self, torch, act):
        x, b = torch.randn(2, 3, 4, 5, requires_grad=True), torch.randn(3, requires_grad=True)
        y = bias_act(x, b, act=act)
        ops = torch.ops.pyapdraw
        torch.library.opcheck(ops.bias_act.default, (x, b, 1, act, 0.2, 1.5, 0.7))
        torch.library.opcheck(ops.bias_act.default, (x, None, 1, act, 0.2, 1.5, -1.0))
        kept = x if act == "swish" else y
        grad = torch.randn(2, 3, 4, 5, requires_grad=True)
        kept = kept.detach().requires_grad_()
        torch.library.opcheck(ops.bias_act_backward.default, (grad, kept, b.detach(), 1, act, 0.2, 1.5, 0.7))

    def test_compiles_into_one_graph(self, torch):
        x, b = torch.randn(2, 3, 4, 5, requires_grad=True), torch.randn(3, requires_grad=True)

        def step(x, b):
            return (bias_act(x, b, act="lrelu", clamp=1.0) * 2).square().mean()

        compiled = torch.compile(step, fullgraph=True, backend="aot_eager")(x, b)
        torch.testing.assert_close(compiled, step(x, b))
        for a, e in zip(torch.autograd.grad(compiled, (x, b)), torch.autograd.grad(step(x, b), (x, b))):
            torch.testing.assert_close(a, e)

    def test_memory_format_and_broadcast_inputs(self, torch):
        x = torch.randn(2, 8, 5, 6).contiguous(memory_format=torch.channels_last)
        assert bias_act(x).stride() == x.stride()
        wide = torch.randn(1, 8, 1, 1).expand(2, 8, 5, 6)
        torch.testing.assert_close(bias_act(wide, act="relu", gain=1), wide.relu())
        assert bias_act(torch.empty(0, 3)).shape == (0, 3)
