"""What the CUDA kernels of one-pass operations have of their own: packs of elements and what is left over, starts that
are not aligned, guard bands around gapless outputs, and float16."""

import numpy as np
import pytest
from arrays import CANARY, laid_out
from cases_upfirdn2d import BINOMIAL, FILTERS
from reference_bias_act import bias_act as reference_bias_act
from reference_bias_act import gradient as reference_gradient
from reference_composite import composite as reference_composite
from reference_conv_to_one import conv_to_one as reference_conv_to_one
from reference_fuse_regions import fuse_regions as reference_fuse_regions
from reference_upfirdn2d import upfirdn2d as reference_upfirdn2d
from reference_yuv import rgb_to_yuv as reference_rgb_to_yuv
from reference_yuv import yuv_to_rgb as reference_yuv_to_rgb

from pyapdraw import _C
from pyapdraw.ops import composite, nchw_to_rgb, rgb_to_nchw, rgb_to_yuv, yuv_to_nchw, yuv_to_rgb
from pyapdraw.ops._arrays import EMPTY
from pyapdraw.ops.upfirdn2d import filter_size, output_size

SIZES = range(1, 20)
OFFSETS = pytest.mark.parametrize("offset", [0, 1, 2, 3])
HALF = pytest.mark.parametrize("dtype", ["float32", "float16"])


@pytest.fixture(autouse=True)
def cuda_kernels(pytestconfig):
    if pytestconfig.getoption("device") not in ("emulated", "cuda"):
        pytest.skip("for `--device emulated` and `--device cuda`")


class Flat:
    """A gapless array that begins `offset` elements after a 16-byte boundary, between canaries."""

    def __init__(self, shape, dtype, offset=0, last=False):
        order = (shape[0], *shape[2:], shape[1]) if last else shape
        size, item = int(np.prod(shape)), np.dtype(dtype).itemsize
        self._whole = np.full(size + 80, CANARY, dtype)
        boundary = 16 + -(self._whole.ctypes.data // item + 16) % (16 // item)
        self._begin, self._end = boundary + offset, boundary + offset + size
        view = self._whole[self._begin : self._end].reshape(order)
        self.view = np.moveaxis(view, -1, 1) if last else view
        assert (self.view.ctypes.data - offset * item) % 16 == 0

    def check(self):
        assert (self._whole[: self._begin] == CANARY).all() and (self._whole[self._end :] == CANARY).all()


def placed(array, offset, last=False):
    flat = Flat(array.shape, array.dtype, offset, last)
    flat.view[...] = array
    return flat.view


def close(got, expected, dtype):
    """float16 is rounded once, from the float32 result."""
    tolerance = 2e-6 if dtype == "float32" else 1e-3
    np.testing.assert_allclose(got.astype(np.float64), expected, rtol=tolerance, atol=tolerance)


def values(shape, dtype, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


@HALF
@OFFSETS
@pytest.mark.parametrize("act", ["lrelu", "swish"])
def test_bias_act_in_packs(dtype, offset, act):
    how, options = _C.BiasAct(act, 0.2, 1.5, 0.9), {"act": act, "gain": 1.5, "clamp": 0.9}
    for n in SIZES:
        for shape, last in (((2, n), False), ((2, 3, n, 1), False), ((2, n, 2, 3), True)):
            x, b = values(shape, dtype), values(shape[1], dtype, 1)
            out = Flat(shape, dtype, offset, last)
            _C.bias_act(placed(x, offset, last), b, out.view, how, 1)
            wide = x.astype(np.float32) + b.astype(np.float32).reshape(-1, *[1] * (x.ndim - 2))
            close(out.view, reference_bias_act(wide, **options), dtype)
            out.check()


@HALF
@OFFSETS
def test_bias_act_backward_in_packs(dtype, offset):
    for n in SIZES:
        x, b, grad = values((3, n, 2), dtype), values(n, dtype, 1), values((3, n, 2), dtype, 2)
        for act in ("tanh", "swish"):
            wide = x.astype(np.float64) + (b[:, None] if act == "swish" else 0)
            kept = x if act == "swish" else np.tanh(wide).astype(dtype)
            out = Flat(x.shape, dtype, offset)
            how = _C.BiasAct(act, 0.2, 1.5 if act == "swish" else 1.0, -1.0)
            _C.bias_act_backward(placed(grad, offset), placed(kept, offset), b, out.view, how, 1)
            expected = reference_gradient(grad.astype(np.float64), wide, act=act, gain=1.5 if act == "swish" else 1)
            np.testing.assert_allclose(out.view, expected, rtol=0, atol=4e-6 if dtype == "float32" else 4e-3)
            out.check()


def test_bias_act_where_starts_differ():
    x = values((2, 3, 37), "float32")
    for a, b in ((0, 1), (2, 0), (3, 3)):
        out = Flat(x.shape, "float32", b)
        _C.bias_act(placed(x, a), EMPTY, out.view, _C.BiasAct("relu", 0.2, 1.0, -1.0), 1)
        np.testing.assert_array_equal(out.view, np.maximum(x, 0))
        out.check()


@HALF
@OFFSETS
@pytest.mark.parametrize("last", [False, True], ids=["planes", "channels_last"])
@pytest.mark.parametrize("name", ["binomial", "full", "asymmetric row"])
def test_upfirdn2d_in_packs(dtype, offset, last, name):
    f = FILTERS[name]
    for n in SIZES:
        channels, width = (n, 5) if last else (3, n)
        for up, down in ((1, 1), (2, 1), (1, 2), (3, 2)):
            x, padding = values((1, channels, 6, width), dtype), [4, 3, 2, 5]
            ups, downs = [up, up], [down, down]
            size = output_size(x.shape, filter_size(f), ups, downs, padding)
            out = Flat((1, channels, *size), dtype, offset, last)
            how = _C.Resampling(ups, downs, padding, False, 1.0)
            _C.upfirdn2d(placed(x, offset, last), f, out.view, how)
            expected = reference_upfirdn2d(x, f, ups, downs, padding, False, 1.0)
            np.testing.assert_allclose(out.view, expected, rtol=0, atol=2e-5 if dtype == "float32" else 2e-2)
            out.check()


def test_upfirdn2d_of_the_longest_filters_and_largest_steps():
    """Tiles shrink until they fit into shared memory: to a single output for 64 taps of float64."""
    rng = np.random.default_rng(0)
    for dtype, shape in (("float32", (1, 2, 70, 90)), ("float64", (1, 1, 66, 70))):
        x = rng.normal(size=shape).astype(dtype)
        for f, down in ((rng.normal(size=(64, 64)), 1), (rng.normal(size=64) / 8, 7), (rng.normal(size=(3, 40)), 5)):
            f = f.astype(np.float32)
            for layout in ("plain", "channels_last"):
                size = output_size(shape, filter_size(f), [1, 1], [down, down], [0] * 4)
                out = np.empty((*shape[:2], *size), dtype)
                _C.upfirdn2d(laid_out(x, layout), f, out, _C.Resampling([1, 1], [down, down], [0] * 4, True, 1.0))
                expected = reference_upfirdn2d(x, f, [1, 1], [down, down], [0] * 4, True, 1.0)
                np.testing.assert_allclose(out, expected, rtol=0, atol=1e-3 if dtype == "float32" else 1e-5)


@HALF
@OFFSETS
@pytest.mark.parametrize("last", [False, True], ids=["planes", "channels_last"])
def test_conv_to_one_in_packs(dtype, offset, last):
    for n in SIZES:
        for k, up, padding, mode in ((7, 1, 3, "zeros"), (3, 1, 1, "reflect"), (4, 2, 1, "zeros"), (2, 3, 0, "zeros")):
            x = values((1, n, 5, 9), dtype)
            weight = (values((1, n, k, k) if up == 1 else (n, 1, k, k), "float32", 1) / (k * n**0.5)).astype(dtype)
            expected = reference_conv_to_one(x, weight, None, up, padding, mode, "linear")
            for wide in (False, True):
                out = Flat(expected.shape, "float32" if wide else dtype, offset)
                _C.conv_to_one(placed(x, offset, last), weight, EMPTY, out.view, _C.ConvToOne(up, padding, mode))
                np.testing.assert_allclose(out.view, expected, rtol=0, atol=2e-5 if out.view.itemsize == 4 else 4e-3)
                out.check()


@HALF
@OFFSETS
@pytest.mark.parametrize("mask_dtype", ["bool", "uint8", "float32", "float16", "soft"])
def test_fuse_regions_in_packs(dtype, offset, mask_dtype):
    rng = np.random.default_rng(offset)
    for n in [*SIZES, 32, 40]:
        soft = mask_dtype == "soft"
        shape, sizes = (2, 1, 6, n), [(3, 4), (2, 5), (4, 3), (6, 9)]
        parts, (hair, background) = (
            [(rng.integers(-8, 9, (2, 1, *s)) / 8).astype(dtype) for s in sizes],
            (rng.integers(-8, 9, (2, *shape)) / 8).astype(dtype),
        )
        centres = rng.integers(-3, (n + 3, 9), (2, 4, 2))
        mask = rng.integers(0, 5, (2, 2 if soft else 1, 6, n)) / 4
        kind = dtype if soft else "float32" if mask_dtype == "float16" and dtype == "float32" else mask_dtype
        mask = mask.astype(kind) if soft or "float" in kind else (mask > 0.5).astype(kind)
        out, won = Flat(shape, dtype, offset), Flat(shape, "uint8", offset)
        frames = [placed(x, offset) for x in (hair, background, mask)]
        _C.fuse_regions(*parts, centres, *frames, out.view, won.view, "min")
        single = [x.astype(np.float32) for x in (*parts, hair, background)]
        weights = mask.astype(np.float32) if soft else mask
        expected = reference_fuse_regions(single[:4], centres, *single[4:], weights, "min")
        np.testing.assert_array_equal(out.view, expected.astype(dtype))
        out.check(), won.check()
        grad = (rng.integers(-8, 9, shape) / 8).astype(dtype)
        grads = [Flat((2, 1, *s), dtype, offset) for s in sizes] + [Flat(shape, dtype, offset) for _ in range(2)]
        factors = frames[2] if soft else EMPTY
        _C.fuse_regions_backward(placed(grad, offset), won.view, centres, factors, *[g.view for g in grads])
        # The same through strided arrays, one element at a time: products of eighths, quarters and halves are exact.
        plain = [np.repeat(np.zeros((2, 1, *s), "float32"), 2, -1)[..., ::2] for s in (*sizes, shape[2:], shape[2:])]
        strided = [np.repeat(a, 2, -1)[..., ::2] for a in (grad.astype(np.float32), won.view)]
        factors = np.repeat(weights, 2, -1)[..., ::2] if soft else EMPTY
        _C.fuse_regions_backward(*strided, centres, factors, *plain)
        for mine, theirs in zip(grads, plain):
            np.testing.assert_array_equal(mine.view, theirs.astype(dtype))
            mine.check()


@OFFSETS
@pytest.mark.parametrize("channels", [1, 2, 3])
def test_composite_in_packs(offset, channels):
    rng = np.random.default_rng(offset)
    for width in SIZES:
        shape = (3, width, channels)
        drawing, background = rng.integers(0, 256, (2, *shape), dtype=np.uint8)
        alpha = rng.integers(0, 256, shape[:2], dtype=np.uint8)
        out = Flat(shape, np.uint8, offset)
        deep = placed(np.repeat(alpha[..., None], channels, 2), offset)
        for given in (deep, np.broadcast_to(placed(alpha, offset)[..., None], shape)):
            _C.composite(placed(drawing, offset), given, placed(background, offset), out.view)
            opacity = alpha[..., None].astype(float)
            expected = np.rint((background * (255 - opacity) + drawing * opacity) / 255)  # never a tie: 255 is odd
            np.testing.assert_array_equal(out.view, expected)
            out.check()
        floats = [placed(a.astype(np.float32) / 255, offset) for a in (drawing, deep, background)]
        wide = Flat(shape, np.float32, offset)
        _C.composite(*floats, wide.view)
        np.testing.assert_allclose(wide.view, floats[2] + (floats[0] - floats[2]) * floats[1], atol=1e-6)
        wide.check()
    frame = placed(rng.integers(0, 256, (4, 16, 3), dtype=np.uint8), offset)
    expected = reference_composite(np.zeros((4, 16), np.uint8), np.full((4, 16), 77, np.uint8), frame.copy())
    composite(np.zeros((4, 16), np.uint8), np.full((4, 16), 77, np.uint8), frame, out=frame)
    np.testing.assert_array_equal(frame, expected)


@OFFSETS
def test_normalising_in_packs(offset):
    rng = np.random.default_rng(offset)
    for width in SIZES:
        image = rng.integers(0, 256, (3, width, 3), dtype=np.uint8)
        wide = Flat((1, 3, 3, width), np.float32, offset)
        rgb_to_nchw(placed(image, offset), out=wide.view)
        np.testing.assert_allclose(wide.view[0].transpose(1, 2, 0), image / 127.5 - 1, atol=1.2e-7)
        wide.check()
        back = Flat(image.shape, np.uint8, offset)
        nchw_to_rgb(wide.view[0], out=back.view)
        np.testing.assert_array_equal(back.view, image)
        back.check()


@OFFSETS
@pytest.mark.parametrize("subsampling", [(2, 2), (1, 2), (1, 1)])
@pytest.mark.parametrize("bits", [8, 10])
def test_yuv_in_packs(offset, subsampling, bits):
    rng = np.random.default_rng(offset)
    for width in SIZES:
        shape = (5, width)
        chroma = tuple(-(-n // s) for n, s in zip(shape, subsampling))
        dtype = np.uint8 if bits == 8 else np.uint16
        planes = [rng.integers(0, 2**bits, s, dtype=dtype) for s in (shape, chroma, chroma)]
        expected = reference_yuv_to_rgb(*planes, "bt709", False, bits)
        given = [placed(p, offset) for p in planes]
        out, wide = Flat((*shape, 3), np.uint8, offset), Flat((1, 3, *shape), np.float32, offset)
        yuv_to_rgb(*given, matrix="bt709", bits=bits, out=out.view)
        yuv_to_nchw(*given, matrix="bt709", bits=bits, out=wide.view)
        assert np.abs(out.view - expected).max() <= 0.5 + 1e-3
        np.testing.assert_allclose(wide.view[0].transpose(1, 2, 0), expected / 127.5 - 1, atol=1e-5)
        out.check(), wide.check()
        if bits == 8:
            outs = [Flat(s, np.uint8, offset) for s in (shape, chroma, chroma)]
            rgb_to_yuv(placed(out.view, offset), matrix="bt709", out=tuple(o.view for o in outs))
            for mine, theirs in zip(outs, reference_rgb_to_yuv(out.view, chroma, "bt709", False)):
                assert np.abs(mine.view - theirs).max() <= 0.5 + 1e-3
                mine.check()


def test_resize_and_warp_beyond_the_tables():
    """Reductions so strong that every thread computes its own weights."""
    from pyapdraw.ops import resize, warp_affine

    photo = np.random.default_rng(0).integers(0, 256, (90, 700, 3), dtype=np.uint8)
    strong = resize(photo, (4, 9))
    blocks = photo[:, :, None].astype(np.float64)
    assert np.abs(strong.astype(float).mean() - blocks.mean()) < 1.5
    shrink = np.array([[9 / 700, 0, 4.5 / 700 - 0.5], [0, 4 / 90, 2 / 90 - 0.5]])
    np.testing.assert_array_equal(warp_affine(photo, shrink, (4, 9), filter="antialias"), strong)
    np.testing.assert_array_equal(
        warp_affine(photo[..., 0], shrink, (4, 9), filter="antialias"), resize(photo[..., 0], (4, 9))
    )


def test_filters_are_found_to_be_products_or_not():
    """The same matrix as a product, and with one tap changed by more than rounding."""
    x = values((1, 2, 9, 11), "float32")
    for f in (BINOMIAL, BINOMIAL + np.float32(1e-4) * np.eye(4, dtype=np.float32)):
        out = np.empty((1, 2, 9, 11), np.float32)
        _C.upfirdn2d(x, f, out, _C.Resampling([1, 1], [1, 1], [2, 1, 2, 1], False, 1.0))
        expected = reference_upfirdn2d(x, f, [1, 1], [1, 1], [2, 1, 2, 1], False, 1.0)
        np.testing.assert_allclose(out, expected, rtol=0, atol=1e-6)
