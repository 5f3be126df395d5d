"""resize against its definition, Pillow and OpenCV."""

import numpy as np
import pytest
from arrays import Guarded, laid_out, layouts
from cases_images import smooth_noise
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_resize import resize as reference

from pyapdraw import _C
from pyapdraw.errors import BadInput
from pyapdraw.ops import resize

sides = st.integers(1, 40)


@st.composite
def images(draw):
    shape = [draw(sides), draw(sides), *draw(st.sampled_from([(), (1,), (2,), (3,), (4,), (5,)]))]
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    if draw(st.booleans()):
        return rng.integers(0, 256, shape, dtype=np.uint8)
    return rng.normal(size=shape).astype(np.float32)


@settings(max_examples=1000, deadline=None)
@given(images(), sides, sides, layouts, layouts, st.integers(1, 3))
def test_is_the_definition(image, height, width, layout, out_layout, threads):
    shape = (height, width, *image.shape[2:])
    out = Guarded(shape, image.dtype, out_layout if out_layout != "transposed" else "plain")
    _C.resize(laid_out(image, layout), out.view, _C.Context(threads=threads))
    expected = reference(image, (height, width))
    if image.dtype == np.uint8:
        # the rounded exact value, or its neighbour where that is a hair away from a tie
        assert np.abs(out.view - expected).max() <= 0.5 + 1e-3
    else:
        np.testing.assert_allclose(out.view, expected, atol=2e-6 * max(1.0, np.abs(image).max()))
    out.check()


@pytest.mark.parametrize("size", [(1, 1), (37, 11), (64, 300), (301, 64), (720, 1280), (900, 1300)])
def test_is_within_one_of_pillow(size):
    image_module = pytest.importorskip("PIL.Image")
    photo = smooth_noise(720, 1280)
    theirs = np.asarray(image_module.fromarray(photo).resize(size[::-1], image_module.Resampling.BILINEAR))
    assert np.abs(resize(photo, size).astype(int) - theirs).max() <= 1


def test_extreme_factors():
    wide = np.zeros((1, 100_000), np.uint8)
    wide[0, 50_000:] = 200
    assert resize(wide, (1, 1)).item() == 100
    # Each triangle reaches half its width over the step, an eighth of its area, and loses as much at the border.
    np.testing.assert_array_equal(resize(wide, (3, 2)), [[round(200 / 7), round(200 * 6 / 7)]] * 3)
    np.testing.assert_array_equal(resize(np.array([[7]], np.uint8), (50, 70)), np.full((50, 70), 7))


def test_same_size_is_a_copy_and_constants_stay():
    photo = smooth_noise(31, 45)
    np.testing.assert_array_equal(resize(photo, photo.shape[:2]), photo)
    for value in (0, 1, 127, 254, 255):
        assert (resize(np.full((41, 33), value, np.uint8), (17, 80)) == value).all()


def test_batch_of_planes_is_each_image():
    batch = np.random.default_rng(0).normal(size=(2, 3, 20, 30)).astype(np.float32)
    out = resize(batch, (7, 40))
    assert out.shape == (2, 3, 7, 40)
    for n in range(2):
        expected = resize(np.ascontiguousarray(batch[n].transpose(1, 2, 0)), (7, 40))
        np.testing.assert_allclose(out[n].transpose(1, 2, 0), expected, atol=1e-6)


def test_any_number_of_threads_gives_the_same_bits():
    photo = smooth_noise(300, 400)
    outs = [np.empty((111, 222, 3), np.uint8) for _ in range(4)]
    for threads, out in zip((1, 2, 3, 8), outs):
        _C.resize(photo, out, _C.Context(threads=threads))
    assert all(out.tobytes() == outs[0].tobytes() for out in outs)


def test_empty():
    assert resize(np.zeros((5, 5, 3), np.uint8), (0, 4)).shape == (0, 4, 3)
    with pytest.raises(BadInput, match="at least one pixel"):
        resize(np.zeros((0, 5), np.uint8), (2, 2))


@pytest.mark.parametrize(
    ("image", "size", "out", "said"),
    [
        (np.zeros((4, 4)), 2, None, "image: dtype float64 given, uint8 or float32 expected"),
        (np.zeros(4, np.uint8), 2, None, r"image: shape \[4\] given"),
        (np.zeros((4, 4), np.uint8), (2, -1), None, "size"),
        (np.zeros((4, 4), np.uint8), "big", None, "size: 'big' given"),
        (np.zeros((4, 4), np.uint8), 2, np.zeros((2, 3), np.uint8), r"out: shape \[2, 3\] given"),
        (np.zeros((4, 4), np.uint8), 2, np.zeros((2, 2), np.float32), "out: dtype float32 given"),
        ([[1, 2]], 2, None, "image: list given"),
    ],
)
def test_what_cannot_work_is_named(image, size, out, said):
    with pytest.raises(BadInput, match=said):
        resize(image, size, out=out)


class TestTorch:
    @pytest.fixture(autouse=True)
    def torch(self):
        return pytest.importorskip("torch", reason="the torch operator needs torch")

    def test_same_as_numpy(self, torch):
        photo = smooth_noise(40, 50)
        np.testing.assert_array_equal(resize(torch.from_numpy(photo), (20, 60)).numpy(), resize(photo, (20, 60)))

    @pytest.mark.parametrize("shape", [(9, 14), (9, 14, 3), (2, 3, 9, 14)])
    @pytest.mark.parametrize("size", [(4, 5), (17, 9), (9, 14)])
    def test_backward_is_the_transpose(self, torch, shape, size):
        x = torch.randn(shape, requires_grad=True)
        y = resize(x, size)
        g = torch.randn(y.shape)
        (grad,) = torch.autograd.grad(y, x, g)
        z = torch.randn(shape)
        torch.testing.assert_close((resize(z, size) * g).sum(), (z * grad).sum(), rtol=1e-4, atol=1e-4)

    def test_operator_is_well_formed(self, torch):
        resize(torch.zeros(2, 2), 1)
        for x in (
            torch.rand(5, 6, requires_grad=True),
            torch.rand(2, 3, 5, 6),
            torch.zeros(4, 4, 3, dtype=torch.uint8),
        ):
            torch.library.opcheck(torch.ops.pyapdraw.resize.default, (x, [3, 8]))

    def test_compiles_into_one_graph(self, torch):
        x = torch.rand(6, 7)
        compiled = torch.compile(lambda t: resize(t * 2, (3, 3)).sum(), fullgraph=True, backend="aot_eager")
        torch.testing.assert_close(compiled(x), resize(x * 2, (3, 3)).sum())
