"""warp_affine against its definition, to the bit where it is bilinear."""

import numpy as np
import pytest
from arrays import Guarded, laid_out, layouts
from cases_images import similarity, smooth_noise
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_warp_affine import warp_affine as reference

from pyapdraw import _C
from pyapdraw.errors import BadInput
from pyapdraw.ops import resize, warp_affine

sides = st.integers(1, 24)


@st.composite
def images(draw):
    shape = [draw(sides), draw(sides), *draw(st.sampled_from([(), (1,), (2,), (3,), (4,), (5,)]))]
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    if draw(st.booleans()):
        return rng.integers(0, 256, shape, dtype=np.uint8)
    return rng.normal(size=shape).astype(np.float32)


@st.composite
def matrices(draw):
    kind = draw(st.sampled_from(["similarity", "affine", "grid"]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    if kind == "similarity":
        return similarity(
            np.exp(rng.uniform(-1.6, 1.6)), rng.uniform(-180, 180), rng.uniform(0, 20, 2), rng.uniform(0, 20, 2)
        )
    if kind == "affine":
        return rng.normal(size=(2, 3)) * [1, 1, 8] + [[1, 0, 0], [0, 1, 0]]
    # halves and quarters: coordinates and values fall on ties and on pixel centres exactly
    turned = draw(st.sampled_from([np.eye(2), [[0, 1], [-1, 0]], [[-1, 0], [0, 1]]]))
    return np.column_stack(
        [np.array(turned) * draw(st.sampled_from([0.25, 0.5, 1, 2, 4])), rng.integers(-16, 48, 2) / 4]
    )


borders = st.sampled_from([255, 0, 17.5, "edge"])


def run(image, matrix, out, filter, border, threads):
    mode = ("edge", 0.0) if border == "edge" else ("constant", float(border))
    _C.warp_affine(image, np.ascontiguousarray(matrix), out, filter, *mode, _C.Context(threads=threads))


@pytest.mark.parametrize("seed", [1239, 2000, 2246])
def test_beyond_the_image_is_the_border_itself(seed):
    """Half a level: with these matrices a blend of four such values is a little less, and was rounded down."""
    image, matrix = np.array([[95]], np.uint8), np.random.default_rng(seed).normal(size=(2, 3)) * [1, 1, 8]
    matrix += [[1, 0, 0], [0, 1, 0]]
    out = np.empty((1, 2), np.uint8)
    run(image, matrix, out, "bilinear", 17.5, 1)
    assert 17 not in out
    np.testing.assert_array_equal(out, reference(image, matrix, (1, 2), border=17.5))


@settings(max_examples=1000, deadline=None)
@given(images(), matrices(), sides, sides, borders, layouts, layouts, st.integers(1, 3))
def test_bilinear_is_the_definition_to_the_bit(image, matrix, height, width, border, layout, out_layout, threads):
    out = Guarded((height, width, *image.shape[2:]), image.dtype, out_layout if out_layout != "transposed" else "plain")
    run(laid_out(image, layout), matrix, out.view, "bilinear", border, threads)
    np.testing.assert_array_equal(out.view, reference(image, matrix, (height, width), border=border))
    out.check()


@settings(max_examples=100, deadline=None)
@given(images(), matrices(), sides, sides, borders, layouts)
def test_antialias_is_the_definition(image, matrix, height, width, border, layout):
    out = Guarded((height, width, *image.shape[2:]), image.dtype)
    run(laid_out(image, layout), matrix, out.view, "antialias", border, 2)
    expected = reference(image, matrix, (height, width), "antialias", border)
    if image.dtype == np.uint8:
        assert np.abs(out.view.astype(int) - expected).max() <= 1
    else:
        np.testing.assert_allclose(out.view, expected, atol=1e-5)
    out.check()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("degrees", [0, 17, 90, 180, -60])
@pytest.mark.parametrize("scale", [0.3, 1.0, 2.7])
def test_long_rows_are_the_definition_to_the_bit(channels, degrees, scale):
    """Rows of more than one block of 64 pixels, with border on both sides."""
    photo = smooth_noise(50, 60, channels)
    matrix = similarity(scale, degrees, (30.2, 24.9), (100.3, 10.0))
    np.testing.assert_array_equal(warp_affine(photo, matrix, (20, 200)), reference(photo, matrix, (20, 200)))


def each_backend():
    return _C.cpu_backends()


@pytest.mark.parametrize("backend", each_backend())
def test_every_instruction_set_gives_the_same_bits(backend):
    photo = smooth_noise(120, 150)
    matrix = similarity(1.37, 21.3, (70, 60), (100, 90))
    expected = warp_affine(photo, matrix, 200)
    best = each_backend()[0]
    try:
        _C.use_backend(backend)
        np.testing.assert_array_equal(warp_affine(photo, matrix, 200), expected)
    finally:
        _C.use_backend(best)


def test_identity_shift_and_flip():
    photo = smooth_noise(30, 40)
    np.testing.assert_array_equal(warp_affine(photo, np.eye(2, 3), (30, 40)), photo)
    shifted = warp_affine(photo, np.array([[1, 0, 3], [0, 1, -2]]), (30, 40), border=9)
    np.testing.assert_array_equal(shifted[:28, 3:], photo[2:, :37])
    assert (shifted[:, :3] == 9).all() and (shifted[28:] == 9).all()
    np.testing.assert_array_equal(warp_affine(photo, np.array([[-1, 0, 39], [0, 1, 0]]), (30, 40)), photo[:, ::-1])


def test_antialias_is_bilinear_where_nothing_shrinks_and_resize_where_nothing_turns():
    photo = smooth_noise(60, 80)
    enlarge = similarity(1.3, 12, (40, 30), (60, 60))
    np.testing.assert_array_equal(
        warp_affine(photo, enlarge, 120, filter="antialias"), warp_affine(photo, enlarge, 120, filter="bilinear")
    )
    halve = np.array([[0.5, 0, -0.25], [0, 0.5, -0.25]])
    np.testing.assert_array_equal(warp_affine(photo, halve, (30, 40), filter="antialias"), resize(photo, (30, 40)))


def test_antialias_keeps_no_moire():
    """A fine checkerboard reduced eight times is grey; four taps alone would leave a pattern of full contrast."""
    board = (np.indices((512, 512)).sum(0) % 2 * 255).astype(np.uint8)
    matrix = similarity(1 / 8, 10, (256, 256), (32, 32))
    inner = warp_affine(board, matrix, 64, filter="antialias")[16:48, 16:48].astype(float)
    assert inner.std() < 2 and abs(inner.mean() - 127.5) < 2
    assert warp_affine(board, matrix, 64)[16:48, 16:48].std() > 40


def test_there_and_back():
    photo = smooth_noise(200, 200, 1)[..., 0] // 4 * 3
    smooth = resize(resize(photo, 50), 200)
    matrix = similarity(2.2, 25, (100, 100), (220, 220))
    back = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))[:2]
    again = warp_affine(warp_affine(smooth, matrix, 440), back, 200)
    assert np.abs(again.astype(int) - smooth)[40:160, 40:160].mean() < 0.6


def test_region_of_the_output_is_the_same_pixels():
    photo = smooth_noise(70, 90)
    matrix = similarity(0.8, -33, (45, 35), (60, 50))
    whole = warp_affine(photo, matrix, (100, 120))
    shifted = matrix - [[0, 0, 20], [0, 0, 30]]
    part = warp_affine(photo, shifted, (40, 50)).astype(int)
    assert np.abs(part - whole[30:70, 20:70]).max() <= 1


def test_huge_and_tiny_scales_and_far_away():
    photo = smooth_noise(64, 64)
    assert (warp_affine(photo, np.array([[1, 0, 1e15], [0, 1, 0]]), 8) == 255).all()
    tiny = warp_affine(photo, similarity(1e-4, 0, (31.5, 31.5), (2, 2)), 5, filter="antialias", border="edge")
    np.testing.assert_array_equal(tiny[2, 2], resize(photo, 1)[0, 0])
    huge = warp_affine(photo, similarity(1e6, 0, (10, 20), (4, 4)), 9)
    assert (huge == photo[20, 10]).all()


def test_any_number_of_threads_gives_the_same_bits():
    photo = smooth_noise(300, 400)
    matrix = similarity(0.4, 20, (200, 150), (64, 64))
    for filter in ("bilinear", "antialias"):
        outs = [np.empty((128, 128, 3), np.uint8) for _ in range(4)]
        for threads, out in zip((1, 2, 3, 8), outs):
            run(photo, matrix, out, filter, 255, threads)
        assert all(out.tobytes() == outs[0].tobytes() for out in outs)


def test_batches_with_one_or_many_matrices():
    batch = np.random.default_rng(0).normal(size=(2, 3, 20, 30)).astype(np.float32)
    two = np.stack([similarity(1.5, 5, (10, 10), (9, 9)), similarity(0.5, -5, (10, 10), (9, 9))])
    for matrix in (two, two[0]):
        out = warp_affine(batch, matrix, (16, 18), filter="antialias")
        for n in range(2):
            own = matrix[n] if matrix.ndim == 3 else matrix
            alone = warp_affine(np.ascontiguousarray(batch[n].transpose(1, 2, 0)), own, (16, 18), filter="antialias")
            np.testing.assert_allclose(out[n].transpose(1, 2, 0), alone, atol=1e-6)


def test_empty():
    assert warp_affine(np.zeros((5, 5, 3), np.uint8), np.eye(2, 3), (0, 4)).shape == (0, 4, 3)
    with pytest.raises(BadInput, match="at least one pixel"):
        warp_affine(np.zeros((0, 5), np.uint8), np.eye(2, 3), 2)


IMAGE = np.zeros((4, 4), np.uint8)


@pytest.mark.parametrize(
    ("image", "matrix", "options", "said"),
    [
        (IMAGE.astype(np.float64), np.eye(2, 3), {}, "image: dtype float64 given, uint8 or float32 expected"),
        (IMAGE, np.eye(3), {}, r"matrix: shape \[3, 3\] given"),
        (IMAGE, np.ones((2, 3)), {}, "matrix: not finite or not invertible"),
        (IMAGE, np.full((2, 3), np.nan), {}, "matrix: not finite or not invertible"),
        (IMAGE, np.eye(2, 3), {"filter": "cubic"}, "filter: 'cubic' given, one of 'bilinear', 'antialias' expected"),
        (IMAGE, np.eye(2, 3), {"border": "wrap"}, "border: 'wrap' given"),
        (IMAGE, np.eye(2, 3), {"border": 300}, "border"),
        (IMAGE, np.eye(2, 3), {"out": np.zeros((3, 2), np.uint8)}, "out: shape"),
        (IMAGE, np.eye(2, 3), {"out": IMAGE[:2, :2]}, "out: shares memory with image"),
    ],
)
def test_what_cannot_work_is_named(image, matrix, options, said):
    with pytest.raises(BadInput, match=said):
        warp_affine(image, matrix, 2, **options)


class TestTorch:
    @pytest.fixture(autouse=True)
    def torch(self):
        return pytest.importorskip("torch", reason="the torch operator needs torch")

    def test_same_as_numpy(self, torch):
        photo, matrix = smooth_noise(40, 50), similarity(0.7, 20, (25, 20), (10, 10))
        theirs = warp_affine(torch.from_numpy(photo), torch.from_numpy(matrix), 20, filter="antialias")
        np.testing.assert_array_equal(theirs.numpy(), warp_affine(photo, matrix, 20, filter="antialias"))

    @pytest.mark.parametrize("shape", [(9, 14), (9, 14, 3), (2, 3, 9, 14)])
    @pytest.mark.parametrize("scale", [0.4, 1.7])
    @pytest.mark.parametrize("filter", ["bilinear", "antialias"])
    @pytest.mark.parametrize("border", [0, "edge"])
    def test_backward_is_the_transpose(self, torch, shape, scale, filter, border):
        def linear(t):
            return warp_affine(t, matrix, (12, 10), filter=filter, border=border)

        matrix = similarity(scale, 25, (7, 4), (5, 6))
        x, z = torch.randn(shape, requires_grad=True), torch.randn(shape)
        y = linear(x)
        g = torch.randn(y.shape)
        (grad,) = torch.autograd.grad(y, x, g)
        torch.testing.assert_close((linear(z) * g).sum(), (z * grad).sum(), rtol=1e-4, atol=1e-4)

    def test_operator_is_well_formed(self, torch):
        warp_affine(torch.zeros(2, 2), np.eye(2, 3), 1)
        m = torch.from_numpy(similarity(0.5, 10, (3, 3), (2, 2)))[None]
        for x in (
            torch.rand(5, 6, requires_grad=True),
            torch.rand(2, 3, 5, 6),
            torch.zeros(4, 4, 3, dtype=torch.uint8),
        ):
            torch.library.opcheck(torch.ops.pyapdraw.warp_affine.default, (x, m, [3, 8], "antialias", "constant", 0.0))

    def test_compiles_into_one_graph(self, torch):
        x, m = torch.rand(6, 7), torch.from_numpy(similarity(0.5, 10, (3, 3), (2, 2)))[None]
        operator = torch.ops.pyapdraw.warp_affine
        compiled = torch.compile(
            lambda t: operator(t, m, [4, 4], "bilinear", "edge", 0.0).sum(), fullgraph=True, backend="aot_eager"
        )
        torch.testing.assert_close(compiled(x), operator(x, m, [4, 4], "bilinear", "edge", 0.0).sum())
