"""The composite operation against exact arithmetic, and drawings placed back into frames."""

import numpy as np
import pytest
from arrays import Guarded, laid_out, layouts
from cases_images import smooth_noise
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_composite import blend
from reference_composite import composite as reference

from pyapdraw import _C
from pyapdraw.composite import Work, add, blank, enlarge, page, side_by_side
from pyapdraw.errors import BadInput
from pyapdraw.faces.detector import Face
from pyapdraw.ops import composite

sides = st.one_of(st.integers(1, 12), st.sampled_from([15, 17, 33]))


def test_every_drawing_alpha_and_background_byte():
    """256 x 256 x 16 of the 2^24 combinations, every alpha and every drawing value among them."""
    drawing, alpha, background = np.meshgrid(np.arange(256), np.arange(256), np.arange(0, 256, 17), indexing="ij")
    shape = (256, 256 * 16)
    parts = [p.reshape(shape).astype(np.uint8) for p in (drawing, alpha, background)]
    exact = np.rint((background * (255 - alpha) + drawing * alpha) / 255).astype(np.uint8)  # never a tie: 255 is odd
    np.testing.assert_array_equal(composite(*parts), exact.reshape(shape))
    assert blend(10, 128, 204) == exact[10, 128, 12]


@settings(max_examples=1000, deadline=None)
@given(
    sides,
    sides,
    st.booleans(),
    st.booleans(),
    layouts,
    st.sampled_from(["plain", "reversed", "spaced"]),
    st.integers(0, 99),
)
def test_is_the_definition(height, width, grey, grey_background, layout, out_layout, seed):
    rng = np.random.default_rng(seed)
    shape = (height, width)
    drawing = rng.integers(0, 256, shape if grey else (*shape, 3), dtype=np.uint8)
    background = rng.integers(0, 256, shape if grey_background else (*shape, 3), dtype=np.uint8)
    alpha = rng.integers(0, 256, shape, dtype=np.uint8)
    expected = reference(drawing, alpha, background)
    out = Guarded(expected.shape, np.uint8, out_layout)
    composite(laid_out(drawing, layout), laid_out(alpha, layout), laid_out(background, layout), out=out.view)
    np.testing.assert_array_equal(out.view, expected)
    out.check()


def test_in_place_on_a_part_of_a_frame():
    frame, before = smooth_noise(60, 80), smooth_noise(60, 80)
    drawing, alpha = smooth_noise(20, 30, 1, seed=1)[..., 0], smooth_noise(20, 30, 1, seed=2)[..., 0]
    part = frame[10:30, 40:70]
    composite(drawing, alpha, part, out=part)
    np.testing.assert_array_equal(frame[10:30, 40:70], reference(drawing, alpha, before[10:30, 40:70]))
    frame[10:30, 40:70] = before[10:30, 40:70]
    np.testing.assert_array_equal(frame, before)


def test_constant_background_and_floats():
    drawing, alpha = smooth_noise(9, 11), smooth_noise(9, 11, 1, seed=3)[..., 0]
    np.testing.assert_array_equal(
        composite(drawing, alpha, 255), reference(drawing, alpha, np.full((9, 11), 255, np.uint8))
    )
    d, a, b = (np.random.default_rng(i).normal(size=(2, c, 5, 7)).astype(np.float32) for i, c in enumerate((1, 1, 3)))
    np.testing.assert_allclose(composite(d, a, b), b + (d - b) * a, atol=1e-6)


def test_any_number_of_threads_gives_the_same_bits():
    d, b, a = smooth_noise(200, 300), smooth_noise(200, 300, seed=1), smooth_noise(200, 300, seed=2)
    outs = [np.empty_like(d) for _ in range(3)]
    for threads, out in zip((1, 2, 7), outs):
        _C.composite(d, a, b, out, _C.Context(threads=threads))
    assert all(out.tobytes() == outs[0].tobytes() for out in outs)


GREY = np.zeros((4, 6), np.uint8)


@pytest.mark.parametrize(
    ("drawing", "alpha", "background", "out", "said"),
    [
        (GREY, GREY[:3], GREY, None, r"alpha \[3, 6\]"),
        (GREY, GREY, GREY.astype(np.float32), None, "background: dtype float32 given"),
        (GREY, GREY, 256, None, "background: 256 given"),
        (GREY, GREY, 0.5, None, "background: 0.5 given"),
        (GREY, GREY, GREY, np.zeros((4, 6, 3), np.uint8), "out: shape"),
        (np.zeros((4, 6, 3), np.uint8), GREY, np.zeros((4, 6, 4), np.uint8), None, "expected"),
    ],
)
def test_what_cannot_work_is_named(drawing, alpha, background, out, said):
    with pytest.raises(BadInput, match=said):
        composite(drawing, alpha, background, out=out)


def test_out_may_not_overlap_by_half():
    memory = np.zeros((5, 6), np.uint8)
    with pytest.raises(BadInput, match="out: shares memory with background"):
        composite(GREY, GREY, memory[1:], out=memory[:4])


class TestTorch:
    @pytest.fixture(autouse=True)
    def torch(self):
        return pytest.importorskip("torch", reason="the torch operator needs torch")

    @pytest.mark.parametrize(
        ("drawing", "alpha", "background"),
        [
            ((5, 6), (5, 6), (5, 6)),
            ((5, 6), (5, 6), (5, 6, 3)),
            ((5, 6, 3), (5, 6), (5, 6)),
            ((2, 1, 5, 6), (2, 1, 5, 6), (2, 3, 5, 6)),
            ((2, 3, 5, 6), (2, 1, 5, 6), (2, 3, 5, 6)),
        ],
    )
    def test_gradients_are_those_of_the_formula(self, torch, drawing, alpha, background):
        d, a, b = (torch.randn(s, requires_grad=True) for s in (drawing, alpha, background))
        out = composite(d, a, b)

        def thick(x):
            return x[:, :, None] if x.ndim == 2 and out.ndim == 3 else x

        plain = thick(b) + (thick(d) - thick(b)) * thick(a)
        torch.testing.assert_close(out, plain)
        g = torch.randn(out.shape)
        for mine, theirs in zip(torch.autograd.grad(out, (d, a, b), g), torch.autograd.grad(plain, (d, a, b), g)):
            torch.testing.assert_close(mine, theirs)

    def test_operator_is_well_formed(self, torch):
        composite(torch.zeros(1, 1), torch.zeros(1, 1), 0.0)
        d, a, b = torch.rand(5, 6, requires_grad=True), torch.rand(5, 6), torch.rand(5, 6, 3, requires_grad=True)
        torch.library.opcheck(torch.ops.pyapdraw.composite.default, (d, a, b))

    def test_compiles_into_one_graph(self, torch):
        d, a, b = torch.rand(5, 6), torch.rand(5, 6), torch.rand(5, 6, 3)
        compiled = torch.compile(lambda *t: composite(*t) * 2, fullgraph=True, backend="aot_eager")
        torch.testing.assert_close(compiled(d, a, b), composite(d, a, b) * 2)


# Drawings on a page. -----------------------------------------------------------------------

PHOTO = np.full((40, 60, 3), (40, 90, 200), np.uint8)


def face_at(x, y):
    points = np.array([[x, y], [x + 10, y], [x + 5, y + 6], [x, y + 12], [x + 10, y + 12]], np.float64)
    return Face((x - 5.0, y - 5.0, x + 15.0, y + 17.0), points, 1.0)


def test_ink_adds_up_and_stays_in_its_box():
    page = blank(PHOTO)
    first, second = np.full((10, 10), 255, np.uint8), np.full((10, 10), 255, np.uint8)
    first[:, 2], second[4] = 0, 100
    add(page, first, (5, 5, 15, 15))
    add(page, second, (8, 0, 18, 10))
    assert page.shape == (40, 60) and (page[5:15, 7] == 0).all() and (page[4, 8:18] == 100).all()
    page[5:15, 7] = page[4, 8:18] = 255
    assert (page == 255).all()


@pytest.mark.parametrize("grey", [True, False])
def test_what_is_behind_the_people(grey):
    drawing = np.full((40, 60) if grey else (40, 60, 3), 255, np.uint8)
    drawing[10], drawing[20] = 0, 128
    mask = np.zeros((40, 60), np.uint8)
    mask[:, 30:] = 255
    assert page(drawing, PHOTO, lambda: mask, "white") is drawing
    photo, keep = (page(drawing, PHOTO, lambda: mask, b) for b in ("photo", "keep"))
    assert (photo[:, :30] == PHOTO[:, :30]).all() and (photo[15, 30:] == 255).all() and (photo[10, 30:] == 0).all()
    assert (keep[10] == 0).all() and (keep[20, :30] == (40, 90, 128)).all() and (keep[15, :30] == PHOTO[15, 0]).all()
    assert (PHOTO == (40, 90, 200)).all(), "the picture is left alone"


def test_unknown_backgrounds_are_named():
    with pytest.raises(BadInput, match="background: 'black' given, one of white, keep, photo, draw expected"):
        page(blank(PHOTO), PHOTO, lambda: blank(PHOTO), "black")


def test_a_small_picture_is_drawn_as_it_is():
    work, face = Work(PHOTO), face_at(20, 10)
    plane = blank(PHOTO)
    assert work.pixels is PHOTO and work.face(face) is face and work.enlarged(plane) is plane


@pytest.mark.parametrize("shape", [(400, 600), (401, 599), (30, 9000)])
def test_a_large_picture_is_drawn_smaller_and_the_drawing_enlarged(shape):
    pixels = np.zeros((*shape, 3), np.uint8)
    pixels[: shape[0] // 2] = 255
    work = Work(pixels, most_px=20_000)
    height, width = work.pixels.shape[:2]
    assert height * width <= 20_200 and abs(height / width - shape[0] / shape[1]) < 0.05 * shape[0] / shape[1]
    face = work.face(face_at(shape[1] / 2, shape[0] / 2))
    share = height / shape[0]
    np.testing.assert_allclose(
        face.landmarks_px[0], (np.array(shape[::-1]) / 2 + 0.5) * share - 0.5, rtol=0.03, atol=0.5
    )
    large = work.enlarged(work.pixels[..., 0])
    assert large.shape == shape
    assert ((large > 20) & (large < 235)).mean() <= 3 / shape[0], "edges are as steep as they were"
    assert (large[: shape[0] // 2 - 12] == 255).all() and (large[shape[0] // 2 + 12 :] == 0).all()


def test_a_smaller_size_keeps_black_and_white():
    drawing = blank(PHOTO)
    drawing[:, :30] = 0
    small = enlarge(drawing, (13, 20))
    assert (small[:, :8] == 0).all() and (small[:, 12:] == 255).all()


@pytest.mark.parametrize(("size", "wide"), [((20, 30), 60), ((40, 40), 40), ((80, 40), 20)])
def test_side_by_side_is_as_high_as_the_photo(size, wide):
    both = side_by_side(PHOTO, np.full(size, 9, np.uint8))
    assert both.shape == (40, 60 + wide, 3) and (both[:, :60] == PHOTO).all() and (both[:, 60:] == 9).all()
