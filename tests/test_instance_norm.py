"""instance_norm against its float64 definition: layouts, far means, hardly any variance, threads, batches, torch."""

import numpy as np
import pytest
import reference_instance_norm as reference
from arrays import Guarded, laid_out
from cases_instance_norm import ODD
from hypothesis import given, settings
from hypothesis import strategies as st

from pyapdraw import _C
from pyapdraw.errors import BadInput
from pyapdraw.ops import instance_norm
from pyapdraw.ops._arrays import EMPTY

LAYOUTS = ["plain", "channels_last", "transposed", "reversed", "spaced"]
layouts = st.sampled_from(LAYOUTS)


@pytest.fixture(params=_C.cpu_backends())
def instruction_set(request):
    _C.use_backend(request.param)
    yield request.param
    _C.use_backend(_C.cpu_backends()[0])


def made(shape, mean=0.0, deviation=1.0, seed=0):
    rng = np.random.default_rng([seed, *shape])
    own = rng.normal(size=(*shape[:2], 1, 1))  # each map has its own mean and deviation
    return (mean + deviation * (own + np.exp(own / 2) * rng.normal(size=shape))).astype(np.float32)


def weights(channels, seed=0):
    rng = np.random.default_rng([seed, channels])
    return [rng.uniform(0.5, 2, channels).astype(np.float32), rng.normal(size=channels).astype(np.float32)]


def check(got, x, weight=None, bias=None, eps=1e-5):
    wanted = reference.instance_norm(x, weight, bias, eps)
    spread = 1 if weight is None else np.abs(weight)[:, None, None]
    off = np.abs(got - wanted) / (spread + np.abs(wanted))
    assert off.max(initial=0) <= 1e-6, off.max()


@settings(max_examples=300, deadline=None)
@given(
    st.tuples(st.integers(0, 3), st.integers(0, 70), st.integers(0, 20), st.integers(0, 40)),
    layouts,
    st.sampled_from(["plain", "spaced", "reversed"]),
    st.sampled_from([0.0, -30.0, 1000.0]),
    st.booleans(),
    st.integers(1, 3),
)
def test_is_its_definition_for_any_shape_and_layout(shape, layout, out_layout, mean, affine, threads):
    x, out = made(shape, mean), Guarded(shape, np.float32, out_layout)
    weight, bias = weights(shape[1]) if affine else (EMPTY, EMPTY)
    _C.instance_norm(laid_out(x, layout), weight, bias, out.view, 1e-5, _C.Context(threads))
    check(out.view, x, *((weight, bias) if affine else ()))
    out.check()


@pytest.mark.parametrize("layout", ["plain", "channels_last"])
@pytest.mark.parametrize("shape", ODD)
def test_every_instruction_set(instruction_set, shape, layout):
    x = made((2, *shape), 3)
    weight, bias = weights(shape[0])
    check(instance_norm(laid_out(x, layout), weight, bias), x, weight, bias)


@pytest.mark.parametrize("layout", ["plain", "channels_last"])
@pytest.mark.parametrize("first", [None, 1e6])
def test_a_mean_far_from_zero_costs_nothing(layout, first):
    """The first pixel is what sums are taken around; where it lies far from all others, too."""
    x = made((1, 5, 120, 121), mean=1000, deviation=1)
    if first is not None:
        x[:, :, 0, 0] = first
    check(instance_norm(laid_out(x, layout)), x)


@pytest.mark.parametrize("layout", ["plain", "channels_last"])
@pytest.mark.parametrize("deviation", [0.0, 1e-6, 1e-3])
@pytest.mark.parametrize("side", [1, 2, 3])
def test_hardly_any_variance(side, deviation, layout):
    """Bottlenecks: variances around and far below eps, with what torch's batch normalisation makes of them."""
    x = made((2, 33, side, side), mean=0.7, deviation=deviation)
    weight, bias = weights(33)
    got = instance_norm(laid_out(x, layout), weight, bias)
    check(got, x, weight, bias)
    if side == 1 or deviation == 0:
        np.testing.assert_array_equal(got, np.broadcast_to(bias[:, None, None], x.shape))
    torch = pytest.importorskip("torch", reason="torch's batch normalisation is the peer")
    for sample in range(2 if side > 1 else 0):  # batch normalisation refuses a single value
        one = torch.from_numpy(x[sample : sample + 1]).double()
        theirs = torch.nn.functional.batch_norm(
            one, None, None, torch.from_numpy(weight).double(), torch.from_numpy(bias).double(), training=True
        )
        np.testing.assert_allclose(got[sample], theirs[0].numpy(), rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("layout", ["plain", "channels_last"])
@pytest.mark.parametrize("shape", [(5, 300, 200), (64, 130, 70), (512, 33, 20), (700, 3, 3)])
def test_neither_threads_nor_other_samples_change_a_bit(shape, layout):
    x = made((3, *shape), 5)
    x[1] = x[1] * 1e6 + 1e8
    x = laid_out(x, layout)
    weight, bias = weights(shape[0])
    outs = [np.empty_like(x) for _ in range(4)]
    for out, threads in zip(outs, (1, 2, 3, 8)):
        _C.instance_norm(x, weight, bias, out, 1e-5, _C.Context(threads))
        assert out.tobytes() == outs[0].tobytes()
    for sample in range(3):
        alone = laid_out(x[sample : sample + 1], layout)
        assert instance_norm(alone, weight, bias).tobytes() == outs[0][sample : sample + 1].tobytes()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_stays_within_its_map(value):
    x = made((2, 3, 9, 7))
    clean = instance_norm(x)
    for place in ((0, 0), (5, 3)):
        spoilt = x.copy()
        spoilt[(1, 2, *place)] = value
        got = instance_norm(spoilt)
        assert np.isnan(got[1, 2]).all()
        got[1, 2] = clean[1, 2]
        np.testing.assert_array_equal(got, clean)


def test_eps_alone_stands_under_the_root_of_a_plain_map():
    x = np.full((1, 2, 4, 4), 3, np.float32)
    assert (instance_norm(x) == 0).all()
    x[0, 0, 0, 0] = 4
    for eps in (0, 1e-5, 2.0):
        check(instance_norm(x[:, :1], eps=eps), x[:, :1], eps=eps)


WRONG = {
    "rank": ({"x": np.zeros((3, 4, 5), np.float32)}, r"x: shape \[3,4,5\] given, 4 axes expected"),
    "dtype": ({"x": np.zeros((1, 2, 3, 4))}, "x: dtype float64 given"),
    "weight size": ({"weight": np.zeros(3, np.float32)}, r"weight: shape \[3\] given, \[2\] expected"),
    "weight dtype": ({"weight": np.zeros(2)}, "weight: dtype float64 given, float32 expected"),
    "bias size": ({"bias": np.zeros((2, 1), np.float32)}, r"bias: shape \[2,1\] given"),
    "eps": ({"eps": -1e-5}, "eps: -0.000010 given"),
    "nan eps": ({"eps": np.nan}, "eps: nan given"),
}


@pytest.mark.parametrize(("change", "message"), WRONG.values(), ids=WRONG)
def test_wrong_calls_name_the_argument(change, message):
    with pytest.raises(BadInput, match=message):
        instance_norm(**{"x": np.zeros((1, 2, 3, 4), np.float32), **change})


@pytest.mark.parametrize("layout", LAYOUTS)
def test_in_place(layout):
    exact = made((2, 40, 31, 33), 2)
    x, (weight, bias) = laid_out(exact, layout), weights(40)
    wanted = instance_norm(x, weight, bias)
    assert instance_norm(x, weight, bias, out=x) is x
    np.testing.assert_array_equal(x, wanted)


def test_output_over_other_inputs_is_refused():
    x = np.zeros((1, 2, 3, 4), np.float32)
    with pytest.raises(BadInput, match="out: shares memory with x"):
        instance_norm(x, out=x[:, :, ::-1])
    with pytest.raises(BadInput, match="out: shares memory with weight"):
        _C.instance_norm(x[:, :, :1, :1].copy(), x[0, :, 0, 0], EMPTY, x[:, :, :1, :1])


# torch ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("layout", ["contiguous_format", "channels_last"])
def test_torch_tensors_keep_their_kind_and_layout(layout, dtype):
    torch = pytest.importorskip("torch")
    exact = made((2, 5, 30, 31), 2)
    x = torch.from_numpy(exact).to(getattr(torch, dtype)).contiguous(memory_format=getattr(torch, layout))
    weight, bias = weights(5)
    got = instance_norm(x, torch.from_numpy(weight), torch.from_numpy(bias))
    assert got.dtype == x.dtype and got.is_contiguous(memory_format=getattr(torch, layout))
    wanted = reference.instance_norm(x.float().numpy(), weight, bias)
    tolerance = 1e-6 if dtype == "float32" else 2**-8  # one rounding
    np.testing.assert_allclose(got.float().numpy(), wanted, rtol=tolerance, atol=3e-6)


def test_the_operator_is_well_formed():
    torch = pytest.importorskip("torch")

    x = torch.from_numpy(made((2, 3, 5, 4))).to(memory_format=torch.channels_last)
    weight, bias = map(torch.from_numpy, weights(3))
    for call in ((x, weight, bias, 1e-5), (x, None, None, 0.1)):
        torch.library.opcheck(
            torch.ops.pyapdraw.instance_norm.default, call, test_utils=("test_schema", "test_faketensor")
        )


def test_it_compiles_and_exports():
    torch = pytest.importorskip("torch")
    x = torch.from_numpy(made((2, 3, 8, 8)))

    class Twice(torch.nn.Module):
        def forward(self, x):
            return instance_norm(x) * 2

    wanted = instance_norm(x) * 2
    assert torch.equal(torch.compile(Twice(), backend="eager", fullgraph=True)(x), wanted)
    assert torch.equal(torch.export.export(Twice(), (x,)).module()(x), wanted)
