"""The composite operation against exact arithmetic, and drawings placed back into frames."""

import numpy as np
import pytest
from arrays import Guarded, laid_out, layouts
from cases_images import similarity, smooth_noise
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_composite import blend
from reference_composite import composite as reference

from pyapdraw import _C
from pyapdraw.composite import Canvas, Drawing, fade, margins, paste
from pyapdraw.errors import BadInput
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


# Drawings in frames. -----------------------------------------------------------------------


def black(side: int, mask: int = 255) -> Drawing:
    return Drawing(np.zeros((side, side), np.uint8), np.full((side, side), mask, np.uint8))


def centred(side: int, frame: tuple[int, int], scale: float = 1.0, degrees: float = 0.0) -> np.ndarray:
    """The photo -> crop map of a crop in the middle of a frame (height, width)."""
    middle = (side - 1) / 2
    return similarity(scale, degrees, ((frame[1] - 1) / 2, (frame[0] - 1) / 2), (middle, middle))


FRAME = np.full((120, 160, 3), (40, 90, 200), np.uint8)


def test_without_drawings_there_is_paper_or_the_photo():
    white = Canvas(FRAME, "white").result()
    assert white.shape == (120, 160) and (white == 255).all()
    for background in ("photo", "keep"):
        result = Canvas(FRAME, background).result()
        np.testing.assert_array_equal(result, FRAME)
        assert result is not FRAME and not np.shares_memory(result, FRAME)


@pytest.mark.parametrize("degrees", [0, 30, -90])
@pytest.mark.parametrize("background", ["white", "keep", "photo"])
def test_drawing_fades_into_what_surrounds_it(background, degrees):
    result = paste(FRAME, black(64), centred(64, (120, 160), degrees=degrees), background)
    assert result.shape == ((120, 160) if background == "white" else (120, 160, 3))
    around = np.full(3, 255) if background == "white" else FRAME[0, 0]
    deep = result if result.ndim == 3 else np.repeat(result[..., None], 3, 2)
    assert (deep[50:70, 70:90] == 0).all(), "the middle is drawn"
    assert (deep[:10] == around).all() and (deep[:, :30] == around).all(), "the rest is untouched"
    steps = np.abs(np.diff(deep.astype(int), axis=1)).max((0, 1)) / np.maximum(np.abs(around), 1)
    assert steps.max() < 0.6, "no hard edge: the ramp is about four pixels long"


def test_no_fade_where_the_frame_ends():
    side = 64
    over = similarity(1.0, 0, (0, 60), (31.5, 31.5))  # half of the crop lies left of the frame
    result = paste(FRAME, black(side), over, "white")
    assert (result[40:80, :20] == 0).all()
    whole = paste(FRAME, black(400), centred(400, (120, 160)), "keep")
    assert (whole == 0).all()


def test_mask_cuts_in_photo_and_only_there():
    half = np.zeros((64, 64), np.uint8)
    half[:, 32:] = 255
    drawing = Drawing(np.zeros((64, 64), np.uint8), half)
    to_crop = centred(64, (120, 160))
    photo, keep = (paste(FRAME, drawing, to_crop, b) for b in ("photo", "keep"))
    assert (photo[50:70, 60:78] == FRAME[0, 0]).all() and (photo[50:70, 82:100] == 0).all()
    assert (keep[50:70, 60:100] == 0).all()


def test_ink_of_overlapping_drawings_adds_up_on_white():
    left, right = np.full((64, 64), 255, np.uint8), np.full((64, 64), 255, np.uint8)
    left[:, 20], right[40, :] = 0, 0
    mask = np.full((64, 64), 255, np.uint8)
    to_crop = centred(64, (120, 160))
    both = Canvas(FRAME, "white")
    both.add(Drawing(left, mask), to_crop)
    both.add(Drawing(right, mask), to_crop)
    alone = [paste(FRAME, Drawing(d, mask), to_crop, "white") for d in (left, right)]
    np.testing.assert_array_equal(both.result(), np.minimum(*alone))


def test_larger_face_lies_over_the_smaller_one_in_any_order():
    small = Drawing(np.full((64, 64), 100, np.uint8), np.full((64, 64), 255, np.uint8))
    large = black(64)
    parts = [(small, centred(64, (120, 160), scale=2.0)), (large, centred(64, (120, 160)))]
    for order in (parts, parts[::-1]):
        canvas = Canvas(FRAME, "photo")
        for drawing, to_crop in order:
            canvas.add(drawing, to_crop)
        assert (canvas.result()[55:65, 75:85] == 0).all()


def test_colour_drawings_give_colour_on_white():
    red = Drawing(np.full((64, 64, 3), (255, 0, 0), np.uint8), np.full((64, 64), 255, np.uint8))
    canvas = Canvas(FRAME, "white")
    canvas.add(red, centred(64, (120, 160)))
    canvas.add(black(64), centred(64, (120, 160), scale=4.0))
    result = canvas.result()
    assert result.shape == FRAME.shape
    assert (result[60, 65] == (255, 0, 0)).all() and (result[60, 80] == 0).all() and (result[0] == 255).all()


@pytest.mark.parametrize("background", ["white", "photo"])
def test_crop_beside_the_frame_changes_nothing(background):
    result = paste(FRAME, black(64), similarity(1.0, 0, (5000, 60), (32, 32)), background)
    np.testing.assert_array_equal(result, Canvas(FRAME, background).result())


def test_out_is_written_and_returned():
    out = np.zeros((120, 160), np.uint8)
    canvas = Canvas(FRAME, "white")
    canvas.add(black(64), centred(64, (120, 160)))
    assert canvas.result(out) is out
    np.testing.assert_array_equal(out, canvas.result())


def test_round_trip_of_a_crop_keeps_the_picture():
    """What is cut out and put back unchanged lands where it came from."""
    from pyapdraw.align import crop

    frame = np.repeat(np.repeat(smooth_noise(60, 80), 4, 0), 4, 1)
    smooth = np.asarray(frame, np.uint8)
    to_crop = centred(200, smooth.shape[:2], scale=1.2, degrees=12)
    pixels = crop(smooth, to_crop, 200).pixels
    back = paste(smooth, Drawing(pixels, np.full((200, 200), 255, np.uint8)), to_crop, "keep")
    difference = np.abs(back.astype(int) - smooth)
    assert difference.mean() < 1.5
    shifted = np.abs(np.roll(back, 2, 1).astype(int) - smooth)[100:140, 130:190]
    assert difference[100:140, 130:190].mean() < 0.5 * shifted.mean()


def test_fade_falls_over_its_margins_and_cuts_the_lower_edge_in_an_arc():
    ramp = fade((100, 100), (6, 6, 6, 6))
    np.testing.assert_array_equal(ramp, ramp[:, ::-1])
    assert ramp[50, 0] < 10 and ramp[50, 6] == 255 and ramp[0, 50] < 10 and ramp[99, 50] < 10
    assert ramp[92, 50] == 255 and ramp[92, 8] < 160
    assert (fade((100, 100), (0, 0, 0, 0)) == 255).all() and fade((1, 1), (0, 0, 0, 0)).shape == (1, 1)
    only_left = fade((100, 100), (6, 0, 0, 0))
    assert (only_left[:, 6:] == 255).all() and (only_left[:, 0] < 10).all()


def test_margins_follow_where_the_edges_lie():
    identity = np.array([[1.0, 0, 0], [0, 1, 0]])
    assert margins(identity, (100, 100), (100, 100)) == (0, 0, 0, 0)
    assert margins(identity, (100, 100), (200, 100)) == (0, 0, 0, 6)
    shifted = np.array([[1.0, 0, 3], [0, 1, 50]])
    assert margins(shifted, (100, 100), (400, 400)) == (3, 6, 6, 6)
    doubled = np.array([[2.0, 0, 8], [0, 2, 100]])
    assert margins(doubled, (100, 100), (400, 400)) == (3, 6, 6, 6)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: Canvas(FRAME, "black"), "background: 'black' given, 'white', 'keep' or 'photo' expected"),
        (lambda: Canvas(FRAME[..., 0]), "frame: uint8"),
        (
            lambda: Canvas(FRAME).add(Drawing(FRAME[..., :2], FRAME[..., 0]), np.eye(2, 3)),
            r"drawing.pixels: uint8 \[120, 160, 2\]",
        ),
        (
            lambda: Canvas(FRAME).add(Drawing(np.zeros((8, 8), np.uint8), np.zeros((9, 9), np.uint8)), np.eye(2, 3)),
            "drawing.mask",
        ),
        (lambda: Canvas(FRAME).result(np.zeros((3, 3), np.uint8)), "out: uint8"),
    ],
)
def test_wrong_frames_and_drawings_are_named(call, said):
    with pytest.raises(BadInput, match=said):
        call()
