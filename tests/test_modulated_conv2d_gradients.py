"""Gradients of modulated_conv2d, of first and second order, and its torch operator."""

import itertools

import numpy as np
import pytest
from cases_modulated_conv2d import FILTER, SHAPES, operands
from test_modulated_conv2d import published

from pyapdraw.errors import BadInput
from pyapdraw.ops import modulated_conv2d

torch = pytest.importorskip("torch", reason="gradients need torch")
WAYS = [(1, 1), (2, 1), (1, 2)]


def leaves(shape, dtype="float64", noise=1, seed=0):
    """x, weight, styles, noise, bias as leaves that require a gradient."""
    arrays = operands(np.random.default_rng(seed), *shape, noise=noise)
    return [torch.from_numpy(a).to(getattr(torch, dtype)).requires_grad_() for a in arrays]


def layer(x, weight, styles, noise, bias, **options):
    return modulated_conv2d(x, weight, styles, noise=noise, bias=bias, **options)


def slow_layer(x, weight, styles, noise, bias, **options):
    """The composed definition, differentiated by torch."""
    from pyapdraw.ops._modulated_conv2d_torch import composed

    gain, clamp = options.get("gain") or 2**0.5, options.get("clamp")
    order = [options.get(k, default) for k, default in (("demodulate", True), ("up", 1), ("down", 1))]
    small = [x, weight, styles, options.get("resample_filter"), noise, bias]
    return composed(*small, *order, options["activation"], gain, -1.0 if clamp is None else clamp)


def test_published_gradients(shared_dir):
    for arrays, options in published(shared_dir):
        tensors = {k: torch.from_numpy(v) for k, v in arrays.items()}
        options["noise"] = tensors.get("noise")
        options["resample_filter"] = torch.from_numpy(FILTER)
        for dtype, relative in ((torch.float64, 1e-10), (torch.float32, 1e-5)):
            leaf = [tensors[k].detach().to(dtype).requires_grad_() for k in "xws"]
            y = modulated_conv2d(*leaf, **options)
            grads = torch.autograd.grad(y, leaf, tensors["gy"].to(dtype))
            for name, grad in zip(("gx_f64", "gw_f64", "gs_f64"), grads):
                exact = tensors[name]
                # With one input channel demodulation undoes the style: the exact gradient is what eps leaves over.
                floor = 0.0 if leaf[0].shape[1] > 1 else float(tensors["gy"].abs().sum())
                error = (grad.double() - exact).abs().max()
                assert error <= relative * max(float(exact.abs().max()), floor), (name, dtype, options)


@pytest.mark.parametrize(("up", "down"), WAYS)
@pytest.mark.parametrize(("k", "demodulate"), [(3, True), (1, False)])
def test_gradcheck_of_both_orders(up, down, k, demodulate):
    leaf = leaves((2, 2, 3, 2, 3, k, up, down))
    taps = torch.tensor([0.3, 0.5, -0.2, 0.4], dtype=torch.float64)

    def run(*tensors):
        return layer(*tensors, demodulate=demodulate, up=up, down=down, resample_filter=taps, activation="lrelu")

    assert torch.autograd.gradcheck(run, leaf, fast_mode=True)
    assert torch.autograd.gradgradcheck(run, leaf, fast_mode=True)


@pytest.mark.parametrize(
    ("taps", "activation"),
    [(None, "linear"), (4, "relu"), *((taps, "lrelu") for taps in (None, 1, 2, 3, (2, 3), (3, 5)))],
    ids=str,
)
@pytest.mark.parametrize(("k", "way"), [(k, way) for k in (1, 3) for way in WAYS[1:]])
def test_gradients_for_any_filter_and_side(taps, activation, k, way):
    up, down = way
    rng = np.random.default_rng(2)
    taps = None if taps is None else torch.from_numpy(rng.normal(size=taps))
    options = {"up": up, "down": down, "resample_filter": taps, "activation": activation, "clamp": 1.5, "gain": 1.3}
    for h, w in ((5, 4), (1, 1)):
        leaf = leaves((2, 3, 2, h, w, k, up, down), noise=2)
        mine, theirs = layer(*leaf, **options), slow_layer(*leaf, **options)
        torch.testing.assert_close(mine, theirs)
        cotangent = torch.from_numpy(rng.normal(size=mine.shape))
        if mine.numel() == 0:
            assert not any(g.any() for g in torch.autograd.grad(mine, leaf, cotangent))
            continue
        first = [torch.autograd.grad(y, leaf, cotangent, create_graph=True) for y in (mine, theirs)]
        torch.testing.assert_close(*first)
        # With a linear layer some gradients depend on nothing else; a zero of every leaf keeps them in the graph.
        sums = [sum((g.square().sum() for g in grads), sum(0 * x.sum() for x in leaf)) for grads in first]
        torch.testing.assert_close(*(torch.autograd.grad(s, leaf) for s in sums))


@pytest.mark.parametrize("wanted", [w for w in itertools.product([False, True], repeat=5) if any(w)])
def test_only_what_is_wanted(wanted):
    leaf = [x.detach().requires_grad_(want) for x, want in zip(leaves((2, 5, 4, 4, 3, 3, 2, 1), "float32"), wanted)]
    options = {"up": 2, "resample_filter": torch.from_numpy(FILTER).float(), "activation": "lrelu", "clamp": 2.0}
    mine, theirs = layer(*leaf, **options), slow_layer(*leaf, **options)
    asked = [x for x in leaf if x.requires_grad]
    cotangent = torch.randn(mine.shape, generator=torch.Generator().manual_seed(0))
    for a, b in zip(torch.autograd.grad(mine, asked, cotangent), torch.autograd.grad(theirs, asked, cotangent)):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("name", ["odd everything", "up odd", "down odd", "toRGB"])
def test_gradients_in_the_kernels_dtypes(name, dtype):
    *shape, up, down = SHAPES[name]
    narrow = leaves((*shape, up, down), "float32")
    narrow[0] = narrow[0].detach().to(getattr(torch, dtype)).requires_grad_()
    exact = [x.detach().double().requires_grad_() for x in narrow]
    taps = torch.from_numpy(FILTER)
    # In bfloat16 a sum near zero may land on the other side of the kink, so that case has none.
    activation = "lrelu" if dtype == "float32" else "linear"
    options = {"up": up, "down": down, "resample_filter": taps, "activation": activation, "demodulate": shape[5] == 3}
    mine, theirs = layer(*narrow, **options), layer(*exact, **options)
    cotangent = torch.from_numpy(np.random.default_rng(1).normal(size=mine.shape))
    grads = torch.autograd.grad(mine, narrow, cotangent.to(mine.dtype))
    expected = torch.autograd.grad(theirs, exact, cotangent)
    relative = 1e-5 if dtype == "float32" else 2e-2
    for leaf, a, b in zip(narrow, grads, expected):
        assert a.dtype == leaf.dtype and a.shape == leaf.shape
        assert (a - b).abs().max() <= relative * b.abs().max()


def path_length_step(dtype):
    """Path length regularisation of a two-layer generator: the gradient of |J^T y| in the weights."""
    x, weight, styles, *_ = leaves((2, 6, 6, 4, 4, 3), dtype)
    taps = torch.from_numpy(FILTER)
    y = modulated_conv2d(x, weight, styles, activation="lrelu")
    y = modulated_conv2d(y, weight, styles, up=2, resample_filter=taps, activation="lrelu")
    noise = torch.from_numpy(np.random.default_rng(4).normal(size=y.shape)).to(y.dtype) / 8
    (slope,) = torch.autograd.grad((y * noise).sum(), styles, create_graph=True)
    lengths = slope.square().sum(1).sqrt()
    return torch.autograd.grad((lengths - 1).square().mean(), [x, weight, styles])


def test_path_length_regularisation():
    for mine, exact in zip(path_length_step("float32"), path_length_step("float64")):
        assert (mine - exact).abs().max() <= 1e-4 * exact.abs().max()


def test_gradient_stops_at_the_clamp():
    x = torch.tensor([[[[0.5, 2.0, -3.0, -0.1]]]], requires_grad=True)
    weight, styles = torch.ones(1, 1, 1, 1), torch.ones(1, 1)
    y = modulated_conv2d(x, weight, styles, demodulate=False, activation="lrelu", gain=1.0, clamp=0.5)
    y.sum().backward()
    np.testing.assert_allclose(y.detach().flatten(), [0.5, 0.5, -0.5, -0.02], rtol=1e-6)
    np.testing.assert_allclose(x.grad.flatten(), [0, 0, 0, 0.2], rtol=1e-6)


def test_other_dtypes_of_torch():
    main = operands(np.random.default_rng(0), 2, 5, 6, 4, 4, 3)
    exact = layer(*(torch.from_numpy(a).double() for a in main))
    half = layer(*(torch.from_numpy(a).half() for a in main[:2]), *(torch.from_numpy(a) for a in main[2:]))
    assert exact.dtype == torch.float64 and half.dtype == torch.float16
    assert (
        modulated_conv2d(half, *(torch.ones(s) for s in ((2, 6, 1, 1), (2, 6))), activation="tanh").dtype == half.dtype
    )
    torch.testing.assert_close(half.double(), exact, rtol=5e-3, atol=5e-3)
    with pytest.raises(BadInput, match="resample_filter: requires a gradient"):
        modulated_conv2d(*exact_main(main), up=2, resample_filter=torch.ones(4, requires_grad=True))


def exact_main(main):
    return [torch.from_numpy(a) for a in main[:3]]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", ["odd everything", "up odd", "down odd"])
def test_memory_format_is_kept(name, dtype):
    *shape, up, down = SHAPES[name]
    x, weight, styles, *_ = (a.detach() for a in leaves((*shape, up, down), "float32"))
    x = x.to(getattr(torch, dtype))
    plain = modulated_conv2d(x, weight, styles, up=up, down=down)
    last = modulated_conv2d(x.contiguous(memory_format=torch.channels_last), weight, styles, up=up, down=down)
    assert plain.is_contiguous() and last.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(plain, last, rtol=2e-2, atol=2e-2 if dtype == "bfloat16" else 1e-4)


@pytest.mark.parametrize(("up", "down"), WAYS)
def test_operator_is_well_formed(up, down):
    x, weight, styles, noise, bias = leaves((2, 5, 4, 6, 4, 3, up, down), "float32")
    layer(x, weight, styles, None, bias)  # defines the operator
    taps = None if up == down else torch.from_numpy(FILTER).float()
    options = (True, up, down, "lrelu", 2**0.5, 2.0)
    op = torch.ops.pyapdraw.modulated_conv2d.default
    torch.library.opcheck(op, (x, weight, styles, taps, noise, bias, *options))
    last = x.detach().contiguous(memory_format=torch.channels_last)
    torch.library.opcheck(op, (last, weight.detach(), styles.detach(), taps, None, None, *options))
    grads = [torch.randn(2, c, 4, 6).requires_grad_() for c in (4, 5)]
    scales = [torch.rand(2, c).requires_grad_() for c in (4, 5)]
    arguments = (grads[0], scales[0], grads[1], scales[1], 3, 1, 1)
    if up == down:
        torch.library.opcheck(torch.ops.pyapdraw.modulated_conv2d_backward_weight.default, arguments)


@pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
def test_compiles_into_one_graph(backend):
    leaf = leaves((2, 5, 4, 6, 4, 3, 2, 1), "float32")
    taps = torch.from_numpy(FILTER).float()

    def step(*tensors):
        return (layer(*tensors, up=2, resample_filter=taps, activation="lrelu") * 2).square().mean()

    compiled = torch.compile(step, fullgraph=True, backend=backend)(*leaf)
    expected = step(*leaf)
    torch.testing.assert_close(compiled, expected)
    for a, b in zip(torch.autograd.grad(compiled, leaf), torch.autograd.grad(expected, leaf)):
        torch.testing.assert_close(a, b)
