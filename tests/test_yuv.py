"""The Y'CbCr and the normalising conversions against their definitions, Pillow's and PyAV's."""

import numpy as np
import pytest
from arrays import Guarded, laid_out, layouts
from cases_images import smooth_noise
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_yuv import rgb_to_yuv as reference_to_yuv
from reference_yuv import yuv_to_rgb as reference_to_rgb

from pyapdraw import _C
from pyapdraw.errors import BadInput
from pyapdraw.ops import nchw_to_rgb, rgb_to_nchw, rgb_to_yuv, yuv_to_nchw, yuv_to_rgb

MATRICES = ["bt601", "bt709", "bt2020"]
sides = st.one_of(st.integers(1, 24), st.sampled_from([31, 32, 33, 50, 65]))
matrices = st.sampled_from(MATRICES)
guarded_layouts = st.sampled_from(["plain", "reversed", "spaced"])


def chroma_shape(height, width, subsampling):
    return (height + 1) // 2 if subsampling == "420" else height, width if subsampling == "444" else (width + 1) // 2


subsamplings = st.sampled_from(["420", "422", "444"])


@settings(max_examples=1000, deadline=None)
@given(
    sides,
    sides,
    subsamplings,
    matrices,
    st.booleans(),
    st.sampled_from([8, 10, 12, 16]),
    layouts,
    guarded_layouts,
    st.integers(0, 99),
)
def test_yuv_to_rgb_is_the_definition(height, width, subsampling, matrix, full_range, bits, layout, out_layout, seed):
    rng = np.random.default_rng(seed)
    dtype, shape = (np.uint8 if bits == 8 else np.uint16), chroma_shape(height, width, subsampling)
    y, u, v = (rng.integers(0, 2**bits, s, dtype=dtype) for s in ((height, width), shape, shape))
    expected = reference_to_rgb(y, u, v, matrix, full_range, bits)
    planes = [laid_out(p, layout) for p in (y, u, v)]
    out = Guarded((height, width, 3), np.uint8, out_layout)
    yuv_to_rgb(*planes, matrix=matrix, full_range=full_range, bits=bits, out=out.view)
    assert np.abs(out.view - expected).max() <= 0.5 + 1e-3
    out.check()
    wide = Guarded((1, 3, height, width), np.float32, out_layout)
    yuv_to_nchw(*planes, matrix=matrix, full_range=full_range, bits=bits, out=wide.view)
    np.testing.assert_allclose(wide.view[0].transpose(1, 2, 0), expected / 127.5 - 1, atol=1e-5)
    wide.check()


@settings(max_examples=1000, deadline=None)
@given(sides, sides, subsamplings, matrices, st.booleans(), st.booleans(), layouts, guarded_layouts, st.integers(0, 99))
def test_rgb_to_yuv_is_the_definition(height, width, subsampling, matrix, full_range, grey, layout, out_layout, seed):
    image = np.random.default_rng(seed).integers(
        0, 256, (height, width) if grey else (height, width, 3), dtype=np.uint8
    )
    shape = chroma_shape(height, width, subsampling)
    outs = [Guarded(s, np.uint8, out_layout) for s in ((height, width), shape, shape)]
    rgb_to_yuv(laid_out(image, layout), matrix=matrix, full_range=full_range, out=tuple(o.view for o in outs))
    for out, expected in zip(outs, reference_to_yuv(image, shape, matrix, full_range)):
        assert np.abs(out.view - expected).max() <= 0.5 + 1e-3
        out.check()


@pytest.mark.parametrize("backend", _C.cpu_backends())
def test_every_instruction_set_agrees(backend):
    image = smooth_noise(67, 131)
    best = _C.cpu_backends()[0]
    planes, back = rgb_to_yuv(image), yuv_to_rgb(*rgb_to_yuv(image))
    try:
        _C.use_backend(backend)
        for mine, theirs in zip(rgb_to_yuv(image), planes):
            assert np.abs(mine.astype(int) - theirs).max() <= 1
        assert np.abs(yuv_to_rgb(*planes).astype(int) - back).max() <= 1
        np.testing.assert_array_equal(nchw_to_rgb(rgb_to_nchw(image))[0], image)
    finally:
        _C.use_backend(best)


def test_nv12_planes_are_views_of_one():
    image = smooth_noise(37, 51)
    y, u, v = rgb_to_yuv(image)
    padded_y, padded_uv = np.full((37, 64), 9, np.uint8), np.full((19, 32, 2), 9, np.uint8)
    plane_y, plane_uv = padded_y[:, :51], padded_uv[:, :26]
    given = (plane_y, plane_uv)
    assert rgb_to_yuv(image, out=given) is given
    np.testing.assert_array_equal(plane_y, y)
    np.testing.assert_array_equal(plane_uv, np.stack([u, v], -1))
    assert (padded_y[:, 51:] == 9).all() and (padded_uv[:, 26:] == 9).all()
    np.testing.assert_array_equal(yuv_to_rgb(plane_y, plane_uv), yuv_to_rgb(y, u, v))


@pytest.mark.parametrize("matrix", MATRICES)
def test_greys_come_back(matrix):
    greys = np.arange(256, dtype=np.uint8).reshape(16, 16)
    full = yuv_to_rgb(*rgb_to_yuv(greys, matrix=matrix, full_range=True), matrix=matrix, full_range=True)
    np.testing.assert_array_equal(full, np.repeat(greys[..., None], 3, 2))
    y, u, v = rgb_to_yuv(greys, matrix=matrix)
    assert y.min() == 16 and y.max() == 235 and (u == 128).all() and (v == 128).all()
    video = yuv_to_rgb(y, u, v, matrix=matrix)
    assert np.abs(video.astype(int) - greys[..., None]).max() <= 1
    colour = np.repeat(greys[..., None], 3, 2)
    for mine, theirs in zip(rgb_to_yuv(colour, matrix=matrix), (y, u, v)):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("matrix", MATRICES)
def test_flat_colours_come_back(matrix, full_range):
    """Blocks of one colour lose only the rounding of the codes: at most 3 levels, in video range."""
    colours = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    image = colours.repeat(2, 0).repeat(2, 1)
    back = yuv_to_rgb(*rgb_to_yuv(image, matrix=matrix, full_range=full_range), matrix=matrix, full_range=full_range)
    assert np.abs(back.astype(int) - image).max() <= (2 if full_range else 3)


def test_jpeg_colours_of_pillow():
    """Pillow's YCbCr is full-range BT.601 with full chroma, in truncating integers."""
    image_module = pytest.importorskip("PIL.Image")
    image = smooth_noise(64, 80)
    theirs = np.asarray(image_module.fromarray(image).convert("YCbCr"))
    planes = tuple(np.empty((64, 80), np.uint8) for _ in range(3))
    rgb_to_yuv(image, full_range=True, out=planes)
    assert np.abs(np.stack(planes, -1).astype(int) - theirs).max() <= 1


def test_frames_of_pyav():
    av = pytest.importorskip("av")
    image = smooth_noise(90, 166)
    frame = av.VideoFrame(166, 90, "yuv420p")
    planes = tuple(
        np.frombuffer(p, np.uint8).reshape(-1, p.line_size)[: p.height, : p.width] for p in frame.planes
    )  # fmt: skip
    rgb_to_yuv(image, out=planes)
    for plane, expected in zip(frame.planes, rgb_to_yuv(image)):
        view = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[:, : plane.width]
        np.testing.assert_array_equal(view, expected)
    theirs = frame.to_ndarray(format="rgb24").astype(int)
    assert np.abs(yuv_to_rgb(*planes) - theirs).mean() < 2  # swscale rounds coarsely, and interpolates chroma


@settings(max_examples=1000, deadline=None)
@given(sides, sides, st.integers(1, 5), layouts, guarded_layouts, st.integers(0, 99))
def test_normalising_there_and_back(height, width, channels, layout, out_layout, seed):
    image = np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)
    wide = Guarded((1, channels, height, width), np.float32, out_layout)
    rgb_to_nchw(laid_out(image, layout), out=wide.view)
    expected = (image.astype(np.float64) / 127.5 - 1).transpose(2, 0, 1)
    np.testing.assert_allclose(wide.view[0], expected, atol=1.2e-7)
    wide.check()
    back = Guarded((height, width, channels), np.uint8, out_layout)
    nchw_to_rgb(laid_out(wide.view[0], layout), out=back.view)
    np.testing.assert_array_equal(back.view, image)
    back.check()


def test_saturation_rounding_and_nan():
    values = np.array([-np.inf, -2, -1, 0, 1, 2, np.inf, np.nan, 1 / 255, -1 + 1.01 / 255, -1 + 0.99 / 255], np.float32)
    expected = [0, 0, 0, 128, 255, 255, 255, 0, 128, 1, 0]
    np.testing.assert_array_equal(nchw_to_rgb(np.tile(values, (1, 1, 9)))[0, :, 0], np.tile(expected, 9))


def test_batches():
    batch = np.random.default_rng(0).integers(0, 256, (3, 5, 7, 3), dtype=np.uint8)
    planes = rgb_to_nchw(batch)
    assert planes.shape == (3, 3, 5, 7)
    np.testing.assert_array_equal(nchw_to_rgb(planes), batch)
    np.testing.assert_array_equal(rgb_to_nchw(batch[0, :, :, 0]), planes[:1, :1])


def test_any_number_of_threads_gives_the_same_bits():
    image = smooth_noise(333, 555)
    outs = []
    for threads in (1, 2, 5):
        y, u, v = np.empty((333, 555), np.uint8), np.empty((167, 278), np.uint8), np.empty((167, 278), np.uint8)
        rgb = np.empty_like(image)
        _C.rgb_to_yuv(image, y, u, v, _C.YuvFormat(), _C.Context(threads=threads))
        _C.yuv_to_rgb(y, u, v, rgb, _C.YuvFormat(), _C.Context(threads=threads))
        outs.append(y.tobytes() + u.tobytes() + v.tobytes() + rgb.tobytes())
    assert outs[0] == outs[1] == outs[2]


def test_empty():
    empty = np.zeros((0, 4), np.uint8)
    assert yuv_to_rgb(empty, np.zeros((0, 2), np.uint8), np.zeros((0, 2), np.uint8)).shape == (0, 4, 3)
    assert [p.shape for p in rgb_to_yuv(np.zeros((0, 5, 3), np.uint8))] == [(0, 5), (0, 3), (0, 3)]
    assert rgb_to_nchw(np.zeros((4, 0, 3), np.uint8)).shape == (1, 3, 4, 0)


Y, C = np.zeros((4, 6), np.uint8), np.zeros((2, 3), np.uint8)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: yuv_to_rgb(Y, C, np.zeros((2, 2), np.uint8)), r"v: shape \[2,2\] given"),
        (lambda: yuv_to_rgb(Y, Y[:3], Y[:3]), "u: shape .* each axis of full or half size"),
        (lambda: yuv_to_rgb(Y, C), "v: none given"),
        (lambda: yuv_to_rgb(Y, C, C.astype(np.uint16)), "v: dtype uint16 given, uint8 expected"),
        (lambda: yuv_to_rgb(Y, C, C, bits=10), "y: dtype uint8 given, uint16 expected"),
        (lambda: yuv_to_rgb(Y, C, C, bits=7), "bits: 7 given, 8 to 16 expected"),
        (
            lambda: yuv_to_rgb(Y, C, C, matrix="bt470"),
            "matrix: 'bt470' given, one of 'bt601', 'bt709', 'bt2020' expected",
        ),
        (lambda: yuv_to_rgb(Y, C, C, out=np.zeros((4, 6), np.uint8)), "out: uint8"),
        (lambda: rgb_to_yuv(np.zeros((4, 6, 4), np.uint8)), r"image: shape \[4,6,4\] given"),
        (lambda: rgb_to_yuv(np.zeros((4, 6, 3), np.float32)), "image: dtype float32 given"),
        (lambda: rgb_to_yuv(np.zeros((4, 6, 3), np.uint8), out=(Y, C)), "v: none given"),
        (lambda: rgb_to_yuv(np.zeros((4, 6, 3), np.uint8), out=(C, C, C)), "y: shape"),
        (lambda: rgb_to_nchw(np.zeros((4, 6), np.float32)), "image: dtype float32 given, uint8 expected"),
        (lambda: nchw_to_rgb(np.zeros((3, 4, 6))), "image: dtype float64 given, float32 expected"),
        (lambda: nchw_to_rgb(np.zeros((4, 6), np.float32)), "image: shape"),
    ],
)
def test_what_cannot_work_is_named(call, said):
    with pytest.raises(BadInput, match=said):
        call()


class TestTorch:
    @pytest.fixture(autouse=True)
    def torch(self):
        return pytest.importorskip("torch", reason="the torch operators need torch")

    def test_same_as_numpy(self, torch):
        image = smooth_noise(21, 34)
        tensor = torch.from_numpy(image)
        for mine, theirs in zip(rgb_to_yuv(tensor), rgb_to_yuv(image)):
            np.testing.assert_array_equal(mine.numpy(), theirs)
        planes = rgb_to_yuv(tensor)
        arrays = [p.numpy() for p in planes]
        np.testing.assert_array_equal(yuv_to_rgb(*planes).numpy(), yuv_to_rgb(*arrays))
        np.testing.assert_array_equal(yuv_to_nchw(*planes).numpy(), yuv_to_nchw(*arrays))
        np.testing.assert_array_equal(rgb_to_nchw(tensor).numpy(), rgb_to_nchw(image))
        np.testing.assert_array_equal(nchw_to_rgb(rgb_to_nchw(tensor)).numpy()[0], image)
        wide = torch.full((2, 2), 700, dtype=torch.uint16)
        np.testing.assert_array_equal(yuv_to_rgb(wide, wide, wide).numpy(), yuv_to_rgb(*[wide.numpy()] * 3))

    def test_operators_are_well_formed(self, torch):
        image = torch.zeros(5, 7, 3, dtype=torch.uint8)
        y, u, v = rgb_to_yuv(image)
        ops, check = torch.ops.pyapdraw, torch.library.opcheck
        check(ops.rgb_to_yuv.default, (image, "bt709", True))
        check(ops.yuv_to_rgb.default, (y, u, v, "bt601", False, 8, False))
        check(ops.yuv_to_rgb.default, (y, u, v, "bt601", False, 8, True))
        check(ops.rgb_to_nchw.default, (image,))
        check(ops.nchw_to_rgb.default, (torch.zeros(2, 3, 4, 5),))

    def test_compiles_into_one_graph(self, torch):
        image = torch.from_numpy(smooth_noise(6, 8))
        function = lambda t: nchw_to_rgb(rgb_to_nchw(t) * -1)  # noqa: E731
        compiled = torch.compile(function, fullgraph=True, backend="aot_eager")
        torch.testing.assert_close(compiled(image)[0], 255 - image)
