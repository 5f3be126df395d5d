"""The native weight gradient against its float64 definition: shapes, layouts, thread counts, instruction sets, errors.
What it is part of: test_modulated_conv2d_gradients.py."""

import numpy as np
import pytest
from arrays import Guarded, laid_out
from cases_modulated_conv2d import assert_close
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_modulated_conv2d import backward_weight as reference

from pyapdraw import _C
from pyapdraw.errors import BadInput

LAYOUTS = st.sampled_from(["plain", "channels_last", "transposed", "reversed", "spaced"])
OUT_LAYOUTS = st.sampled_from(["plain", "reversed", "spaced"])


def operands(rng, n, outputs, inputs, h, w, k, stride=1, pad=0):
    """grad, grad_scale, x, x_scale in float32; x has just the size that the windows of grad need."""
    size = ((side - 1) * stride + k - 2 * pad for side in (h, w))
    grad, x = rng.normal(size=(n, outputs, h, w)), rng.normal(size=(n, inputs, *(max(0, side) for side in size)))
    scales = (1 + 0.5 * rng.normal(size=(n, channels)) for channels in (outputs, inputs))
    grad_scale, x_scale = scales
    return [a.astype(np.float32) for a in (grad, grad_scale, x, x_scale)]


def size_of_sums(grad, grad_scale, x, x_scale, *how):
    """What the sums would be with random signs, at their largest."""
    squares = reference(grad.astype(np.float64) ** 2, grad_scale**2, x.astype(np.float64) ** 2, x_scale**2, *how)
    return np.sqrt(squares.max(initial=0))


@st.composite
def cases(draw):
    k = draw(st.sampled_from([1, 3]))
    how = (k, draw(st.integers(1, 2)), draw(st.integers(0, 1)) if k == 3 else 0)
    sides, channels = st.integers(0 if how[2] == 0 else 2, 9), st.integers(1, 20)
    if draw(st.integers(0, 9)) == 0:
        channels = st.integers(30, 70)
    shape = (draw(st.integers(0, 3)), draw(channels), draw(channels), draw(sides), draw(sides))
    return operands(np.random.default_rng(draw(st.integers(0, 2**32))), *shape, *how), how


@settings(max_examples=700, deadline=None)
@given(cases(), LAYOUTS, LAYOUTS, OUT_LAYOUTS, st.sampled_from([1, 2, 3, 8]))
def test_float32_is_the_definition(case, layout, x_layout, out_layout, threads):
    (grad, grad_scale, x, x_scale), (k, stride, pad) = case
    out = Guarded((grad.shape[1], x.shape[1], k, k), np.float32, out_layout)
    strange = laid_out(grad, layout), grad_scale, laid_out(x, x_layout), x_scale
    _C.modulated_conv2d_backward_weight(*strange, out.view, stride, pad, _C.Context(threads=threads))
    out.check()
    assert_close(out.view, reference(*case[0], k, stride, pad), size_of_sums(*case[0], k, stride, pad), 1e-5)


@settings(max_examples=300, deadline=None)
@given(cases(), st.sampled_from(["contiguous_format", "channels_last"]), st.sampled_from(["both", "grad", "x"]))
def test_bfloat16_is_the_definition(case, memory_format, narrow):
    torch = pytest.importorskip("torch", reason="numpy has no bfloat16")
    (grad, grad_scale, x, x_scale), (k, stride, pad) = case
    grad, x = (torch.from_numpy(a).contiguous(memory_format=getattr(torch, memory_format)) for a in (grad, x))
    grad = grad.bfloat16() if narrow != "x" else grad
    x = x.bfloat16() if narrow != "grad" else x
    out = np.empty((grad.shape[1], x.shape[1], k, k), np.float32)
    _C.modulated_conv2d_backward_weight(grad, grad_scale, x, x_scale, out, stride, pad)
    exact = (grad.float().numpy(), grad_scale, x.float().numpy(), x_scale)
    assert_close(out, reference(*exact, k, stride, pad), size_of_sums(*exact, k, stride, pad), 1e-2)


SHAPES = {"odd": (3, 33, 17, 7, 11, 3, 1, 1), "stride": (2, 40, 65, 9, 8, 3, 2, 0), "1x1": (2, 3, 70, 12, 9, 1, 1, 0)}
SHAPES |= {"wide": (3, 16, 64, 3, 300, 3, 1, 1), "channels": (1, 70, 33, 9, 40, 3, 1, 1)}


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("isa", _C.cpu_backends())
def test_every_instruction_set_and_any_number_of_threads(name, isa):
    case = operands(np.random.default_rng(0), *SHAPES[name])
    k, stride, pad = SHAPES[name][5:]
    _C.use_backend(isa)
    try:
        outs = [np.empty((case[0].shape[1], case[2].shape[1], k, k), np.float32) for _ in range(4)]
        for out, threads in zip(outs, (1, 2, 3, 8)):
            _C.modulated_conv2d_backward_weight(*case, out, stride, pad, _C.Context(threads=threads))
    finally:
        _C.use_backend(_C.cpu_backends()[0])
    assert all(out.tobytes() == outs[0].tobytes() for out in outs)
    assert_close(outs[0], reference(*case, k, stride, pad), 0, 1e-5)


def test_what_is_not_finite_stays_in_its_channels():
    grad, grad_scale, x, x_scale = operands(np.random.default_rng(0), *SHAPES["odd"])
    x[1, 4, 3, 5] = np.nan
    grad[2, 7, 2, 2] = np.inf
    out = np.empty((33, 17, 3, 3), np.float32)
    _C.modulated_conv2d_backward_weight(grad, grad_scale, x, x_scale, out, 1, 1)
    expected = np.zeros(out.shape, bool)
    expected[:, 4] = True
    expected[7] = True
    np.testing.assert_array_equal(~np.isfinite(out), expected)


WRONG = {
    "grad of three axes": ({"grad": lambda a: a[0]}, "grad: shape"),
    "float64 grad": ({"grad": lambda a: a.astype(np.float64)}, "grad: dtype float64"),
    "scale of other outputs": ({"grad_scale": lambda a: a[:, 1:]}, "grad_scale: shape"),
    "x of another batch": ({"x": lambda a: a[1:]}, "x: shape"),
    "smaller x": ({"x": lambda a: a[..., :-3, :]}, "x: shape"),
    "float64 scale": ({"x_scale": lambda a: a.astype(np.float64)}, "x_scale: dtype float64"),
    "5x5": ({"out": lambda a: np.zeros((33, 17, 5, 5), np.float32)}, "grad_weight: shape"),
    "of other inputs": ({"out": lambda a: a[:, 1:]}, "grad_weight: shape"),
    "float64 result": ({"out": lambda a: a.astype(np.float64)}, "grad_weight: dtype float64"),
    "on itself": ({"out": lambda a: np.broadcast_to(np.float32(0), a.shape)}, "grad_weight: "),
    "stride 3": ({"stride": lambda a: 3}, "stride: 3 given"),
    "pad 2": ({"pad": lambda a: 2}, "pad: 2 given"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_work_is_named(name):
    values = operands(np.random.default_rng(0), *SHAPES["odd"])
    arguments = dict(zip(("grad", "grad_scale", "x", "x_scale"), values))
    arguments |= {"out": np.zeros((33, 17, 3, 3), np.float32), "stride": 1, "pad": 1}
    changes, said = WRONG[name]
    for key, change in changes.items():
        arguments[key] = change(arguments[key])
    with pytest.raises(BadInput, match=said):
        _C.modulated_conv2d_backward_weight(*arguments.values())
