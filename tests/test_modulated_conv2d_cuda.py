"""What the CUDA kernels of modulated_conv2d have of their own: every size of tile, channels and pixels about its edges,
splits, samples that share a tile, packed and unpacked operands, float16, and its range. The emulated device is built
for few processors, so that small layers are cut into large tiles there."""

import numpy as np
import pytest
from cases_modulated_conv2d import FILTER, assert_close, operands, size_of_sums
from reference_modulated_conv2d import backward_weight as reference_backward_weight
from reference_modulated_conv2d import modulated_conv2d as reference

from pyapdraw import _C

torch = pytest.importorskip("torch", reason="numpy has no bfloat16")


@pytest.fixture(autouse=True)
def cuda_kernels(pytestconfig):
    if pytestconfig.getoption("device") not in ("emulated", "cuda"):
        pytest.skip("for `--device emulated` and `--device cuda`")


TOLERANCE = {torch.float32: 1e-5, torch.float16: 2e-3, torch.bfloat16: 1e-2}
DTYPES = pytest.mark.parametrize("dtype", TOLERANCE, ids=str)

# name -> (N, I, O, H, W, k, up, down)
TILES = {
    "128x128": (1, 64, 128, 32, 32, 3, 1, 1),
    "128x128, edges": (1, 40, 120, 17, 30, 3, 1, 1),
    "256x64": (1, 64, 64, 30, 40, 3, 1, 1),
    "128x64": (1, 64, 64, 16, 32, 3, 1, 1),
    "128x64, edges": (1, 66, 56, 23, 25, 3, 1, 1),
    "128x64, two samples a tile": (6, 128, 64, 8, 8, 3, 1, 1),
    "64x64": (1, 64, 64, 8, 8, 3, 1, 1),
    "64x64, four samples a tile": (5, 128, 64, 4, 4, 3, 1, 1),
    "64x64, split": (2, 256, 48, 4, 4, 3, 1, 1),
    "64x64, uneven split": (1, 330, 24, 5, 4, 3, 1, 1),
    "128x32": (1, 64, 32, 20, 40, 3, 1, 1),
    "128x32, short rows": (1, 32, 32, 33, 33, 3, 1, 1),
    "128x32, own weights": (3, 24, 16, 20, 17, 3, 1, 1),
    "1x1, 64 outputs": (2, 72, 64, 17, 9, 1, 1, 1),
    "1x1, 3 outputs": (2, 128, 3, 20, 19, 1, 1, 1),
    "1x1, split": (1, 512, 40, 3, 4, 1, 1, 1),
    "up, 64 outputs": (1, 64, 64, 12, 15, 3, 2, 1),
    "up, 32 outputs": (2, 40, 32, 16, 16, 3, 2, 1),
    "up, split": (2, 256, 24, 4, 4, 3, 2, 1),
    "up, 1x1": (1, 64, 16, 9, 9, 1, 2, 1),
    "down": (2, 64, 40, 17, 18, 3, 1, 2),
    "down, split": (1, 192, 24, 8, 8, 3, 1, 2),
}


def native(x, weight, styles, out, *, taps=FILTER, noise=None, bias=None, demodulate=True, up=1, down=1, clamp=-1.0):
    small = [torch.empty(0) if a is None else torch.as_tensor(a, dtype=torch.float32) for a in (taps, noise, bias)]
    _C.modulated_conv2d(x, weight, styles, *small, out, demodulate, up, down, "lrelu", 0.2, 2**0.5, clamp)


def layer(shape, dtype, seed=0, layout=torch.channels_last):
    """Operands as the kernel gets them, and the exact result with the scale of its errors."""
    *sizes, up, down = shape
    x, weight, styles, noise, bias = operands(np.random.default_rng(seed), *sizes, up, down)
    x = torch.from_numpy(x).to(dtype).contiguous(memory_format=layout)
    weight, styles = torch.from_numpy(weight).to(dtype), torch.from_numpy(styles)
    exact = (x.double().numpy(), weight.double().numpy(), styles.numpy())
    options = {"demodulate": True, "up": up, "down": down, "resample_filter": FILTER, "gain": 2**0.5}
    expected = reference(*exact, **options, noise=noise, bias=bias, activation="lrelu")
    options_of_call = {"noise": noise, "bias": bias, "up": up, "down": down}
    return (x, weight, styles), options_of_call, expected, size_of_sums(*exact, **options)


def empty_for(x, weight, up, down, layout=torch.channels_last):
    shape = (x.shape[0], weight.shape[0], x.shape[2] * up // down, x.shape[3] * up // down)
    return torch.full(shape, 9, dtype=x.dtype).contiguous(memory_format=layout)


@DTYPES
@pytest.mark.parametrize("name", TILES)
def test_every_tile(name, dtype):
    main, options, expected, scale = layer(TILES[name], dtype)
    out = empty_for(*main[:2], options["up"], options["down"])
    native(*main, out, **options)
    assert_close(out.double().numpy(), expected, scale, TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("name", ["64x64, four samples a tile", "128x32, own weights", "up, split", "1x1, 3 outputs"])
@pytest.mark.parametrize("weight_layout", [torch.contiguous_format, torch.channels_last], ids=str)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=str)
def test_layouts_of_operands_and_result(name, dtype, layout, weight_layout):
    (x, weight, styles), options, expected, scale = layer(TILES[name], dtype, layout=layout)
    out = empty_for(x, weight, options["up"], options["down"], layout)
    native(x, weight.contiguous(memory_format=weight_layout), styles, out, **options)
    assert_close(out.double().numpy(), expected, scale, TOLERANCE[dtype])


@DTYPES
def test_operands_that_are_not_aligned(dtype):
    """Channels last, but the first element is not on a multiple of 16 bytes."""
    (x, weight, styles), options, expected, scale = layer(TILES["64x64"], dtype)
    store = torch.empty(x.numel() + 1, dtype=dtype)
    askew = store[1:].view(x.permute(0, 2, 3, 1).shape).permute(0, 3, 1, 2)
    askew.copy_(x)
    store = torch.full((expected.size + 2,), 7, dtype=dtype)
    out = store[1:-1].view(1, 8, 8, 64).permute(0, 3, 1, 2)
    native(askew, weight, styles, out, **options)
    assert_close(out.double().numpy(), expected, scale, TOLERANCE[dtype])
    assert store[0] == 7 and store[-1] == 7


@pytest.mark.parametrize("factor", [1e-5, 1e5])
@pytest.mark.parametrize("of", ["weight", "styles"])
@pytest.mark.parametrize("name", ["64x64, four samples a tile", "128x32, own weights", "up, split"])
def test_float16_has_the_range_of_float32_in_weights_and_styles(name, of, factor):
    """Demodulation takes the factor out again: nothing of it may be seen, though float16 itself ends at 65504."""
    (x, weight, styles), options, expected, scale = layer(TILES[name], torch.float16)
    weight = weight.float()
    if of == "weight":
        weight *= factor
    else:
        styles *= factor
    out = empty_for(x, weight, options["up"], options["down"])
    native(x, weight, styles, out, **options)
    # Next to the 1e-8 of demodulation a sum of (1e-5)^2 times some thousand squares is not quite all.
    exact = (x.double().numpy(), weight.double().numpy(), styles.double().numpy())
    expected = reference(*exact, demodulate=True, resample_filter=FILTER, activation="lrelu", **options)
    assert_close(out.double().numpy(), expected, scale, TOLERANCE[torch.float16])


@DTYPES
def test_the_same_bits_again(dtype):
    for name in ("64x64, split", "up, split", "128x32, own weights"):
        main, options, _, _ = layer(TILES[name], dtype)
        outs = [empty_for(*main[:2], options["up"], options["down"]) for _ in range(2)]
        for out in outs:
            native(*main, out, **options)
        assert torch.equal(*outs)


# name -> (N, O, I, h, w, k, stride, pad)
GRADIENTS = {
    "tile": (1, 64, 32, 8, 8, 3, 1, 1),
    "edges": (2, 72, 40, 9, 17, 3, 1, 1),
    "many samples": (9, 16, 24, 4, 4, 3, 1, 1),
    "stride": (2, 64, 64, 8, 9, 3, 2, 0),
    "1x1": (3, 3, 72, 11, 16, 1, 1, 0),
    "tall": (1, 40, 16, 40, 4, 3, 1, 1),
}


@DTYPES
@pytest.mark.parametrize("name", GRADIENTS)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=str)
def test_gradient_of_the_weight(name, dtype, layout):
    n, outputs, inputs, h, w, k, stride, pad = GRADIENTS[name]
    rng = np.random.default_rng(0)
    sides = [(side - 1) * stride + k - 2 * pad for side in (h, w)]
    grad, x = rng.normal(size=(n, outputs, h, w)), rng.normal(size=(n, inputs, *sides))
    grad, x = (torch.from_numpy(a).to(dtype).contiguous(memory_format=layout) for a in (grad, x))
    scales = [torch.from_numpy((1 + 0.5 * rng.normal(size=(n, c))).astype(np.float32)) for c in (outputs, inputs)]
    out = torch.full((outputs, inputs, k, k), 9.0)
    _C.modulated_conv2d_backward_weight(grad, scales[0], x, scales[1], out, stride, pad)
    exact = [a.double().numpy() for a in (grad, scales[0], x, scales[1])]
    expected = reference_backward_weight(*exact, k, stride, pad)
    squares = reference_backward_weight(*[a**2 for a in exact], k, stride, pad)
    assert_close(out.double().numpy(), expected, np.sqrt(squares.max()), TOLERANCE[dtype])
