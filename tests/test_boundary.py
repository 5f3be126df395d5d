"""The two figures of drawing quality, on drawings whose figures are known."""

import numpy as np
import pytest

from pyapdraw.errors import BadInput
from pyapdraw.metrics.boundary import boundary_f, ink_boundary, tone_difference


def sheet(*boxes, side_px=64):
    drawing = np.full((side_px, side_px), 255, np.uint8)
    for x0, y0, x1, y1 in boxes:
        drawing[y0:y1, x0:x1] = 0
    return drawing


def test_boundary_is_the_rim_of_the_ink():
    rim = ink_boundary(sheet((10, 10, 20, 20)))
    expected = np.zeros((64, 64), bool)
    expected[10:20, 10:20] = True
    expected[11:19, 11:19] = False
    np.testing.assert_array_equal(rim, expected)
    assert not ink_boundary(np.zeros((8, 8), np.uint8)).any(), "the border of the sheet is no boundary"


@pytest.mark.parametrize(("shift", "matched"), [(0, True), (2, True), (3, False)])
def test_matches_reach_two_pixels(shift, matched):
    ours, theirs = sheet((10, 20, 50, 21)), sheet((10, 20 + shift, 50, 21 + shift))
    assert (boundary_f(ours, theirs) == 1.0) is matched


def test_f_is_the_harmonic_mean():
    ours, theirs = sheet((5, 10, 55, 11), (5, 40, 55, 41)), sheet((5, 10, 55, 11))
    assert boundary_f(ours, theirs) == pytest.approx(2 * 0.5 * 1 / 1.5)
    assert boundary_f(theirs, ours) == pytest.approx(2 * 0.5 * 1 / 1.5)


def test_sheets_without_ink():
    assert boundary_f(sheet(), sheet()) == 1
    assert boundary_f(sheet(), sheet((5, 5, 9, 9))) == 0


def test_tone_difference_equals_scipy():
    ndimage = pytest.importorskip("scipy.ndimage")
    rng = np.random.default_rng(0)
    a, b = (rng.integers(0, 256, (70, 90)).astype(np.uint8) for _ in range(2))
    blur = [ndimage.gaussian_filter(x.astype(float), 4, mode="mirror", truncate=4) for x in (a, b)]
    assert tone_difference(a, b) == pytest.approx(np.abs(blur[0] - blur[1]).mean() / 255, rel=1e-6)
    assert tone_difference(np.zeros_like(a), np.full_like(a, 255)) == pytest.approx(1)


def test_wrong_arguments_are_named():
    with pytest.raises(BadInput, match="reference: shape"):
        boundary_f(sheet(), sheet(side_px=32))
    with pytest.raises(BadInput, match="drawing: float64"):
        tone_difference(sheet().astype(float), sheet())
