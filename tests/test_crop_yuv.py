"""Crops straight from the planes of a frame, and drawings straight back into them: equal to their parts to the bit."""

import numpy as np
import pytest
from arrays import Guarded, laid_out, layouts
from cases_images import similarity, smooth_noise
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pyapdraw import _C
from pyapdraw.errors import BadInput
from pyapdraw.ops import composite, crop_yuv, paste_yuv, rgb_to_nchw, rgb_to_yuv, warp_affine, yuv_to_rgb

sides = st.one_of(st.integers(1, 20), st.sampled_from([31, 33, 40]))
matrices = st.sampled_from(["bt601", "bt709", "bt2020"])


@st.composite
def frames(draw, bits=(8, 10)):
    height, width, kind = draw(sides), draw(sides), draw(st.sampled_from(["420", "422", "440", "444"]))
    n = draw(st.sampled_from(bits))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    halves = ((height + 1) // 2 if kind in ("420", "440") else height, (width + 1) // 2 if kind[1] == "2" else width)
    dtype = np.uint8 if n == 8 else np.uint16
    return [rng.integers(0, 2**n, s, dtype=dtype) for s in ((height, width), halves, halves)], n


@st.composite
def maps(draw):
    """Frame to crop: all sizes, turns, places beside the frame, mirrored or sheared now and then."""
    scale = draw(st.floats(0.1, 6))
    centre = [draw(st.floats(-15, 55)) for _ in range(2)]
    affine = similarity(scale, draw(st.floats(-180, 180)), centre, [draw(st.floats(0, 20)) for _ in range(2)])
    if draw(st.integers(0, 4)) == 0:
        affine = affine * draw(st.sampled_from([[[-1.0], [1.0]], [[1.0], [0.4]]]))
    return affine


@settings(max_examples=1000, deadline=None)
@given(frames(), maps(), sides, sides, st.sampled_from(["bilinear", "antialias"]), matrices, st.booleans(), layouts)
def test_crop_is_that_of_the_three_operations(frame, to_crop, height, width, filter, matrix, full, layout):
    planes, bits = frame
    colours = {"matrix": matrix, "full_range": full, "bits": bits}
    rgb = yuv_to_rgb(*planes, **colours)
    expected = rgb_to_nchw(warp_affine(rgb, to_crop, (height, width), filter=filter, border=200))
    out = Guarded((1, 3, height, width), np.float32, "plain" if layout == "transposed" else layout)
    given_planes = [laid_out(p, layout) for p in planes]
    options = {"to_crop": to_crop, "size": (height, width), "filter": filter, "border": 200}
    crop_yuv(*given_planes, **options, **colours, out=out.view)
    np.testing.assert_array_equal(out.view, expected)
    out.check()


def means(alpha: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Opacity of chroma pixels, block by block."""
    tall, wide = (2 if n != m else 1 for n, m in zip(alpha.shape, shape))
    out = np.empty(shape, np.uint8)
    for i, j in np.ndindex(*shape):
        block = alpha[i * tall : (i + 1) * tall, j * wide : (j + 1) * wide].astype(float)
        out[i, j] = int(block.mean() + 0.5)
    return out


def pasted(planes, drawing, alpha, to_crop, **colours):
    """The definition: whole frames of drawing and opacity, operation by operation."""
    to_frame = np.linalg.inv(np.vstack([to_crop, [0, 0, 1]]))[:2]
    shape = planes[0].shape
    options = {"filter": "antialias"}
    opacity = warp_affine(alpha, to_frame, shape, border=0, **options)
    pixels = warp_affine(drawing, to_frame, shape, border=255, **options)
    own = tuple(np.empty_like(p) for p in planes)
    rgb_to_yuv(pixels, out=own, **colours)
    weights = [opacity, *[means(opacity, planes[1].shape)] * 2]
    return [composite(d, a, p) for d, a, p in zip(own, weights, planes)]


@settings(max_examples=1000, deadline=None)
@given(frames(bits=(8,)), maps(), sides, st.booleans(), matrices, st.booleans(), layouts, st.integers(1, 3))
def test_paste_is_that_of_its_operations(frame, to_crop, side, grey, matrix, full, layout, threads):
    planes, _ = frame
    # How far the images are reduced is a rounded number; near a tie, either is right.
    reduced = side / np.hypot(to_crop[:, 0], to_crop[:, 1])
    assume((np.abs(reduced - np.floor(reduced) - 0.5) > 1e-9).all())
    rng = np.random.default_rng(side)
    drawing = rng.integers(0, 256, (side, side) if grey else (side, side, 3), dtype=np.uint8)
    alpha = rng.integers(0, 256, (side, side), dtype=np.uint8)
    expected = pasted(planes, drawing, alpha, to_crop, matrix=matrix, full_range=full)
    outs = [Guarded(p.shape, np.uint8, "plain" if layout == "transposed" else layout) for p in planes]
    for out, plane in zip(outs, planes):
        out.view[...] = plane
    form, where = _C.YuvFormat(matrix, full, 8), np.ascontiguousarray(to_crop)
    views = [out.view for out in outs]
    _C.paste_yuv(laid_out(drawing, "plain"), laid_out(alpha, layout), where, form, *views, _C.Context(threads=threads))
    for out, plane in zip(outs, expected):
        # The definition goes through the inverse of the inverse, whose coordinates round otherwise: ties may turn.
        difference = np.abs(out.view.astype(int) - plane)
        assert difference.max(initial=0) <= 1 or (difference > 1).mean() < 0.02
        assert (difference > 0).mean() <= 0.05
        out.check()


def test_pasting_a_whole_frame_at_its_own_place_is_exact():
    frame, drawing = smooth_noise(37, 51), smooth_noise(37, 51, seed=4)
    planes, own = rgb_to_yuv(frame), rgb_to_yuv(drawing)
    place = np.array([[1.0, 0, 0], [0, 1, 0]])
    paste_yuv(*planes, drawing=drawing, alpha=np.full((37, 51), 255, np.uint8), to_crop=place)
    for mine, theirs in zip(planes, own):
        np.testing.assert_array_equal(mine, theirs)


def test_nothing_beyond_the_crop_is_touched():
    planes = rgb_to_yuv(smooth_noise(64, 80))
    before = [p.copy() for p in planes]
    white = np.full((16, 16), 255, np.uint8)
    paste_yuv(*planes, drawing=white, alpha=white, to_crop=np.array([[1.0, 0, -40], [0, 1, -20]]))
    for plane, old, unit in zip(planes, before, (1, 2, 2)):
        inside = np.zeros(plane.shape, bool)
        inside[20 // unit : 36 // unit, 40 // unit : 56 // unit] = True
        np.testing.assert_array_equal(plane[~inside], old[~inside])
    assert (planes[0][20:36, 40:56] == 235).all() and (planes[1][10:18, 20:28] == 128).all()
    paste_yuv(*planes, drawing=white, alpha=white, to_crop=np.array([[1.0, 0, -400], [0, 1, -20]]))  # beside the frame


def test_nv12_planes():
    rgb = smooth_noise(24, 32)
    y, u, v = rgb_to_yuv(rgb)
    both = np.stack([u, v], -1)
    where = similarity(0.7, 20, (16, 12), (8, 8))
    np.testing.assert_array_equal(crop_yuv(y, both, to_crop=where, size=16), crop_yuv(y, u, v, to_crop=where, size=16))
    luma, alpha = y.copy(), np.full((16, 16), 90, np.uint8)
    paste_yuv(y, both, drawing=alpha, alpha=alpha, to_crop=where)
    paste_yuv(luma, u, v, drawing=alpha, alpha=alpha, to_crop=where)
    np.testing.assert_array_equal(both, np.stack([u, v], -1))


def test_every_instruction_set_agrees():
    planes = rgb_to_yuv(smooth_noise(97, 131))
    where, best = similarity(0.8, 33, (60, 50), (32, 32)), _C.cpu_backends()[0]
    expected = crop_yuv(*planes, to_crop=where, size=64)
    alpha = smooth_noise(64, 64)[..., 0].copy()
    try:
        results = []
        for name in _C.cpu_backends():
            _C.use_backend(name)
            assert np.abs(crop_yuv(*planes, to_crop=where, size=64) - expected).max() <= 3 / 127.5
            mine = [p.copy() for p in planes]
            paste_yuv(*mine, drawing=alpha, alpha=alpha, to_crop=where)
            results.append(mine)
        for mine in results[1:]:
            assert max(np.abs(a.astype(int) - b).max() for a, b in zip(mine, results[0])) <= 1
    finally:
        _C.use_backend(best)


PLANES = [np.zeros((8, 8), np.uint8), np.zeros((4, 4), np.uint8), np.zeros((4, 4), np.uint8)]
HERE = np.array([[1.0, 0, 0], [0, 1, 0]])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"to_crop": np.zeros((2, 3))}, "to_crop: not finite or not invertible"),
        ({"to_crop": np.eye(3)}, "to_crop: shape"),
        ({"size": -1}, "size: "),
        ({"filter": "cubic"}, "filter: 'cubic' given"),
        ({"border": 300}, "border: 300"),
        ({"bits": 10}, "y: dtype uint8 given, uint16 expected"),
        ({"u": np.zeros((3, 4), np.uint8)}, "v: shape"),
        ({"out": np.zeros((1, 3, 4, 5), np.float32)}, "out: shape"),
    ],
)
def test_wrong_arguments_of_crop_are_named(change, message):
    arguments = {"y": PLANES[0], "u": PLANES[1], "v": PLANES[2], "to_crop": HERE, "size": 4, **change}
    with pytest.raises(BadInput, match=message):
        crop_yuv(**arguments)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"to_crop": np.zeros((2, 3))}, "to_crop: not finite or not invertible"),
        ({"alpha": np.zeros((3, 4), np.uint8)}, "drawing: shape"),
        ({"drawing": np.zeros((4, 4), np.float32)}, "drawing: dtype"),
        ({"y": PLANES[0].astype(np.uint16)}, "y: dtype"),
        ({"u": PLANES[0][:4, :4], "v": PLANES[0][4:, 4:]}, "u: shares memory with y"),
    ],
)
def test_wrong_arguments_of_paste_are_named(change, message):
    drawing = np.zeros((4, 4), np.uint8)
    arguments = {"y": PLANES[0], "u": PLANES[1], "v": PLANES[2], "to_crop": HERE, "drawing": drawing, "alpha": drawing}
    with pytest.raises(BadInput, match=message):
        paste_yuv(**(arguments | change))


class TestTorch:
    @pytest.fixture(autouse=True)
    def torch(self):
        return pytest.importorskip("torch", reason="the torch operator needs torch")

    def test_same_as_numpy_well_formed_and_compiled(self, torch):
        planes = rgb_to_yuv(smooth_noise(24, 32))
        tensors = [torch.from_numpy(p) for p in planes]
        expected = crop_yuv(*planes, to_crop=HERE, size=16)
        np.testing.assert_array_equal(crop_yuv(*tensors, to_crop=HERE, size=16).numpy(), expected)
        given = (*tensors, torch.from_numpy(HERE), [16, 16], "antialias", 255.0, "bt601", False, 8)
        torch.library.opcheck(torch.ops.pyapdraw.crop_yuv.default, given)
        compiled = torch.compile(
            lambda y, u, v: crop_yuv(y, u, v, to_crop=HERE, size=16) * 2, fullgraph=True, backend="aot_eager"
        )
        np.testing.assert_array_equal(compiled(*tensors).numpy(), expected * 2)
        alpha = np.full((16, 16), 128, np.uint8)
        paste_yuv(*planes, drawing=alpha, alpha=alpha, to_crop=HERE)
        paste_yuv(*tensors, drawing=torch.from_numpy(alpha), alpha=torch.from_numpy(alpha), to_crop=HERE)
        for mine, theirs in zip(tensors, planes):  # the tensors share the arrays' memory: pasted twice, both
            np.testing.assert_array_equal(mine.numpy(), theirs)
