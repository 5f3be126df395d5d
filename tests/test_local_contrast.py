"""Luma against its surroundings equals its definition, on every instruction set, and keeps to its output."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_local_contrast import local_contrast as reference

from pyapdraw import _C
from pyapdraw.errors import BadInput

FLAT = 0.04


def made(height, width, seed=0):
    random = np.random.default_rng(seed)
    rough = random.integers(0, 256, (-(-height // 5), -(-width // 5), 3))
    image = np.repeat(np.repeat(rough, 5, 0), 5, 1)[:height, :width] + random.integers(-20, 20, (height, width, 3))
    return np.clip(image, 0, 255).astype(np.uint8)


def run(image, cell, flat=FLAT, threads=0):
    frame = np.full((image.shape[0] + 2, image.shape[1] + 2, 3), 77, np.float32)
    _C.local_contrast(image, frame[1:-1, 1:-1, 1], cell, flat, _C.Context(threads))
    inside = frame[1:-1, 1:-1, 1].copy()
    frame[1:-1, 1:-1, 1] = 77
    assert (frame == 77).all()
    return inside


@pytest.fixture(params=_C.cpu_backends())
def backend(request):
    _C.use_backend(request.param)
    yield request.param
    _C.use_backend(_C.cpu_backends()[0])


@pytest.mark.parametrize("rows, columns, cell", [(4, 4, 8), (1, 1, 7), (1, 5, 3), (6, 1, 2), (9, 7, 1), (3, 2, 32)])
def test_definition(backend, rows, columns, cell):
    image = made(rows * cell, columns * cell)
    np.testing.assert_allclose(run(image, cell), reference(image, cell, FLAT), atol=2e-4)


@settings(max_examples=200, deadline=None)
@given(rows=st.integers(1, 7), columns=st.integers(1, 7), cell=st.integers(1, 9), seed=st.integers(0, 99))
def test_any_size(rows, columns, cell, seed):
    image = made(rows * cell, columns * cell, seed)
    np.testing.assert_allclose(run(image, cell), reference(image, cell, FLAT), atol=2e-4)


def test_light_and_contrast_hardly_matter():
    """What is left of a darker, flatter photo where it is not flat altogether: the reason for the operation."""
    image = made(64, 64).astype(np.float64)
    dark = np.rint(image * 0.5 + 10).astype(np.uint8)
    bright, dim = run(image.astype(np.uint8), 16), run(dark, 16)
    assert np.abs(bright - dim).max() < 0.15 and np.ptp(bright) > 2


def test_views_and_threads():
    image = made(64, 96)
    wide = np.zeros((64, 96, 4), np.uint8)
    wide[:, :, :3] = image
    expected = run(image, 8, threads=1)
    np.testing.assert_array_equal(run(wide[:, :, :3], 8), expected)
    np.testing.assert_array_equal(run(np.ascontiguousarray(image[::-1])[::-1], 8), expected)
    np.testing.assert_array_equal(run(np.ascontiguousarray(image.transpose(2, 0, 1)).transpose(1, 2, 0), 8), expected)
    np.testing.assert_array_equal(run(image, 8, threads=2), expected)


def test_nothing_to_do():
    _C.local_contrast(np.zeros((0, 8, 3), np.uint8), np.zeros((0, 8), np.float32), 4, FLAT)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image": np.zeros((8, 8), np.uint8)}, "image"),
        ({"image": np.zeros((8, 8, 4), np.uint8)}, "image"),
        ({"image": np.zeros((8, 8, 3), np.float32)}, "image"),
        ({"image": np.zeros((9, 8, 3), np.uint8), "out": np.zeros((9, 8), np.float32)}, "whole cells of 4 px"),
        ({"out": np.zeros((8, 7), np.float32)}, "out"),
        ({"out": np.zeros((8, 8), np.float64)}, "out"),
        ({"cell": 0}, "cell: 0 given"),
        ({"flat": 0.0}, "flat"),
    ],
)
def test_bad_input(change, message):
    arguments = {"image": np.zeros((8, 8, 3), np.uint8), "out": np.zeros((8, 8), np.float32), "cell": 4, "flat": FLAT}
    with pytest.raises(BadInput, match=message):
        _C.local_contrast(**(arguments | change))
