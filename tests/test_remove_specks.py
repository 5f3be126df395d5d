"""Small areas of a drawing go, as SciPy's labels say, and nothing else changes."""

import numpy as np
import pytest
from arrays import Guarded
from hypothesis import given, settings
from hypothesis import strategies as st

from pyapdraw import _C
from pyapdraw.errors import BadInput

CORNERS, SIDES = np.ones((3, 3)), None


def definition(drawing, speck, pinhole, reach=0):
    ndimage = pytest.importorskip("scipy.ndimage")
    out = drawing.copy()
    if speck:
        near = ndimage.binary_dilation(out < 176, CORNERS, reach) if reach else out < 176
        out[small(ndimage, near, out < 128, CORNERS, speck)] = 255
    out[~ndimage.binary_dilation(out < 176, CORNERS)] = 255
    if pinhole:
        out[small(ndimage, out >= 64, out >= 128, SIDES, pinhole)] = 0
    return out


def small(ndimage, chosen, counts, structure, least):
    labels, count = ndimage.label(chosen, structure)
    areas = ndimage.sum_labels(counts, labels, np.arange(count + 1))
    return chosen & (areas[labels] < least)


@settings(max_examples=200, deadline=None)
@given(
    st.integers(1, 60), st.integers(1, 70), st.sampled_from([0, 1, 3, 12, 60, 5000]), st.sampled_from([0, 1, 3, 12]),
    st.integers(0, 999), st.sampled_from(["plain", "reversed", "spaced", "transposed"]), st.integers(0, 2),
    st.sampled_from([0, 1, 2, 7]),
)  # fmt: skip
def test_is_the_definition(height, width, speck, pinhole, seed, layout, smooth, reach):
    ndimage = pytest.importorskip("scipy.ndimage")
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(height, width)), smooth)
    drawing = np.clip(128 + 120 * noise / max(noise.std(), 1e-6), 0, 255).astype(np.uint8)
    out = Guarded(drawing.shape, np.uint8, layout)
    out.view[...] = drawing
    _C.remove_specks(out.view, speck, pinhole, reach)
    np.testing.assert_array_equal(out.view, definition(drawing, speck, pinhole, reach))
    out.check()


def test_a_dot_goes_and_a_line_stays():
    drawing = np.full((40, 60), 255, np.uint8)
    drawing[5:8, 5:8] = 0
    drawing[20, 5:55] = 0
    drawing[19, 5:55] = 200  # its rim
    drawing[4, 4:9] = 200  # the dot's
    expected = drawing.copy()
    expected[4:8, 4:9] = 255
    _C.remove_specks(drawing, 10, 0)
    np.testing.assert_array_equal(drawing, expected)


def test_a_dot_beside_a_line_stays_within_reach():
    drawing = np.full((40, 60), 255, np.uint8)
    drawing[20, 5:55] = 0
    drawing[16:18, 10:12] = drawing[10:12, 30:32] = 0
    expected = drawing.copy()
    expected[10:12, 30:32] = 255
    _C.remove_specks(drawing, 10, 0, 1)
    np.testing.assert_array_equal(drawing, expected)


def test_all_ink_and_all_paper_stay():
    for level in (0, 255):
        page = np.full((300, 500), level, np.uint8)
        _C.remove_specks(page, 100, 100)
        assert (page == level).all()


def test_alternating_pixels():
    """As many areas as there can be."""
    page = np.full((101, 103), 255, np.uint8)
    page[::2, ::2] = 0
    _C.remove_specks(page, 2, 0)
    assert (page == 255).all()


def test_nothing_is_nothing():
    _C.remove_specks(np.empty((0, 7), np.uint8), 5, 5)


@pytest.mark.parametrize(
    ("drawing", "areas", "message"),
    [
        (np.zeros((4, 4, 3), np.uint8), (5, 5), "drawing"),
        (np.zeros((4, 4), np.float32), (5, 5), "drawing"),
        (np.zeros((4, 4), np.uint8), (-1, 5), "speck: -1 given, 0 or more pixels expected"),
        (np.zeros((4, 4), np.uint8), (5, -2), "pinhole: -2 given"),
        (np.zeros((4, 4), np.uint8), (5, 5, 65), "reach: 65 given, 0 to 64 pixels expected"),
    ],
)
def test_what_it_cannot_take_is_named(drawing, areas, message):
    with pytest.raises(BadInput, match=message):
        _C.remove_specks(drawing, *areas)
