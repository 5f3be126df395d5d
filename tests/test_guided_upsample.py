"""Guided upsampling equals its definition to a grey level, on every instruction set, and keeps to its output."""

import numpy as np
import pytest
import reference_guided_upsample as reference
from hypothesis import given, settings
from hypothesis import strategies as st

from pyapdraw import _C
from pyapdraw.errors import BadInput


def made(h, w, H, W, seed=0):
    random = np.random.default_rng(seed)
    coarse = random.random((h, w), dtype=np.float32)
    image = np.repeat(np.repeat(random.integers(0, 256, (-(-H // 3), -(-W // 3), 3)), 3, 0), 3, 1)[:H, :W]
    return coarse, image.astype(np.uint8)


def run(coarse, image, *settings, threads=0):
    H, W = image.shape[:2]
    frame = np.full((H + 2, W + 2), 77, np.uint8)
    _C.guided_upsample(coarse, image, frame[1:-1, 1:-1], *settings, ctx=_C.Context(threads))
    inside = frame[1:-1, 1:-1].copy()
    frame[1:-1, 1:-1] = 77
    assert (frame == 77).all()
    return inside


@pytest.fixture(params=_C.cpu_backends())
def backend(request):
    _C.use_backend(request.param)
    yield request.param
    _C.use_backend(_C.cpu_backends()[0])


@pytest.mark.parametrize(
    "sizes", [(16, 16, 64, 64), (16, 12, 50, 71), (5, 9, 5, 9), (8, 8, 3, 2), (1, 1, 7, 7), (1, 6, 1, 1)]
)
@pytest.mark.parametrize("radius, epsilon, gain", [(4, 1e-3, 1.0), (1, 1e-2, 1.5), (0, 1e-3, 1.0), (40, 1e-3, 2.0)])
def test_definition(backend, sizes, radius, epsilon, gain):
    coarse, image = made(*sizes)
    expected = reference.guided_upsample(coarse, image, radius, epsilon, gain)
    assert np.abs(run(coarse, image, radius, epsilon, gain) - expected).max() < 0.75


@settings(max_examples=1000, deadline=None)
@given(sizes=st.tuples(*[st.integers(1, 20)] * 2, *[st.integers(1, 40)] * 2), seed=st.integers(0, 99))
def test_any_size(sizes, seed):
    coarse, image = made(*sizes, seed)
    assert np.abs(run(coarse, image) - reference.guided_upsample(coarse, image)).max() < 0.75


def test_constant_stays(backend):
    _, image = made(8, 8, 40, 40)
    for value in (0.0, 0.2, 1.0):
        assert np.ptp(run(np.full((8, 8), value, np.float32), image)) == 0
        assert run(np.full((8, 8), value, np.float32), image)[0, 0] == round(255 * value)


def test_edge_goes_where_the_image_has_it():
    """A ramp that crosses one half two pixels beside an edge of the image is pulled onto the edge."""
    image = np.zeros((64, 64, 3), np.uint8)
    image[:, 30:] = 200
    coarse = np.repeat(np.clip((np.arange(16) - 6) / 3, 0, 1)[None].astype(np.float32), 16, 0)
    row = run(coarse, image, 2, 1e-3)[32] >= 128
    assert row[30:].all() and not row[:30].any()


def test_views_and_threads_change_nothing():
    coarse, image = made(16, 16, 96, 80)
    expected = run(coarse, image, threads=1)
    np.testing.assert_array_equal(run(coarse, image, threads=3), expected)
    wide = np.zeros((16, 32), np.float32)
    wide[:, ::2] = coarse
    planar = np.ascontiguousarray(image.transpose(2, 0, 1)).transpose(1, 2, 0)
    np.testing.assert_array_equal(run(wide[:, ::2], planar), expected)
    columns = np.zeros((96, 160), np.uint8)
    _C.guided_upsample(coarse, image, columns[:, ::2])
    np.testing.assert_array_equal(columns[:, ::2], expected)
    assert (columns[:, 1::2] == 0).all()


def test_empty_image_is_nothing_to_do():
    _C.guided_upsample(np.zeros((4, 4), np.float32), np.zeros((0, 8, 3), np.uint8), np.zeros((0, 8), np.uint8))


@pytest.mark.parametrize(
    "name, change",
    [
        ("coarse", {"coarse": np.zeros((4, 4))}),
        ("coarse", {"coarse": np.zeros((0, 4), np.float32)}),
        ("image", {"image": np.zeros((8, 8, 4), np.uint8)}),
        ("image", {"image": np.zeros((8, 8, 3), np.float32)}),
        ("out", {"out": np.zeros((8, 9), np.uint8)}),
        ("out", {"out": np.zeros((8, 8), np.float32)}),
        ("radius", {"radius": -1}),
        ("epsilon", {"epsilon": 0.0}),
    ],
)
def test_wrong_arguments_are_named(name, change):
    arguments = {
        "coarse": np.zeros((4, 4), np.float32),
        "image": np.zeros((8, 8, 3), np.uint8),
        "out": np.zeros((8, 8), np.uint8),
    }
    with pytest.raises(BadInput, match=f"^{name}"):
        _C.guided_upsample(**(arguments | change))
