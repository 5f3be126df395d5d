"""Strokes of a pen: exactly the definition, within the page, whatever the points are."""

import numpy as np
import pytest
from arrays import Guarded
from hypothesis import given, settings
from hypothesis import strategies as st

from pyapdraw import _C
from pyapdraw.errors import BadInput


def definition(points, page):
    """Pixel by pixel, in float64."""
    height, width = page.shape
    y, x = np.mgrid[:height, :width].astype(np.float64)
    most = np.zeros(page.shape)
    for i, (bx, by, bw, joined) in enumerate(points.astype(np.float64)):
        ax, ay, aw, _ = points[i - 1].astype(np.float64) if i and joined else (bx, by, bw, 0)
        if not np.isfinite([ax, ay, aw, bx, by, bw]).all():
            continue
        dx, dy = bx - ax, by - ay
        t = np.clip(((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy + 1e-12), 0, 1)
        wide = aw + t * (bw - aw)
        cover = 0.5 * wide - np.hypot(x - ax - t * dx, y - ay - t * dy) + 0.5
        most = np.maximum(most, np.clip(cover, 0, np.clip(wide, 0, 1)))
    return np.minimum(page, 255 * (1 - most))


def rows(*points):
    return np.array(points, np.float32)


@settings(max_examples=150, deadline=None)
@given(
    st.integers(1, 50), st.integers(1, 60), st.integers(0, 30), st.integers(0, 999),
    st.sampled_from(["plain", "reversed", "spaced"]),
)  # fmt: skip
def test_is_the_definition(height, width, count, seed, layout):
    rng = np.random.default_rng(seed)
    points = rows(*([0] * 4 for _ in range(count))).reshape(-1, 4)
    points[:, :2] = rng.uniform(-20, 80, (count, 2))
    points[:, 2], points[:, 3] = rng.uniform(-1, 9, count), rng.integers(0, 2, count)
    page = rng.integers(0, 256, (height, width), dtype=np.uint8)
    out = Guarded(page.shape, np.uint8, layout)
    out.view[...] = page
    _C.strokes(points, out.view)
    np.testing.assert_allclose(out.view, definition(points, page), atol=0.51 + 1e-2)
    out.check()
    alone = page.copy()
    _C.strokes(points, alone, _C.Context(1))
    np.testing.assert_array_equal(out.view, alone)


def test_a_line_has_its_width_and_a_dot_its_area():
    page = np.full((40, 60), 255, np.uint8)
    _C.strokes(rows((10, 20, 5, 0), (50, 20, 5, 1)), page)
    assert (255 - page[:, 30].astype(float)).sum() / 255 == pytest.approx(5, abs=0.02)
    page[:] = 255
    _C.strokes(rows((30, 20, 20, 0)), page)
    assert (255 - page.astype(float)).sum() / 255 == pytest.approx(np.pi * 100, rel=0.02)


def test_thin_strokes_fade_and_tapers_end_in_nothing():
    page = np.full((9, 60), 255, np.uint8)
    _C.strokes(rows((2, 4, 0.25, 0), (57, 4, 0.25, 1)), page)
    assert 185 < page[4, 30] < 195
    page[:] = 255
    _C.strokes(rows((5, 4, 0, 0), (55, 4, 4, 1)), page)
    ink = (255 - page.astype(float)).sum(axis=0)
    assert (np.diff(ink[6:54]) > -1).all() and ink[6] < 60 < 900 < ink[53]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 3e38])
def test_points_that_are_none_draw_nothing(bad):
    page = np.full((20, 20), 200, np.uint8)
    for k in range(2):
        points = rows((5, 5, 2, 0), (15, 15, 2, 1))
        points[:, k] = bad
        _C.strokes(points, page)
    assert (page == 200).all()


def test_nothing_to_draw_and_nowhere():
    page = np.full((5, 5), 9, np.uint8)
    _C.strokes(np.empty((0, 4), np.float32), page)
    _C.strokes(rows((1, 1, 3, 0)), np.empty((0, 7), np.uint8))
    assert (page == 9).all()


@pytest.mark.parametrize(
    ("points", "page", "said"),
    [
        (np.zeros((3, 3), np.float32), np.zeros((4, 4), np.uint8), "points: shape"),
        (np.zeros((3, 4)), np.zeros((4, 4), np.uint8), "points: dtype"),
        (np.zeros((3, 8), np.float32)[:, ::2], np.zeros((4, 4), np.uint8), "points: is not contiguous"),
        (np.zeros((3, 4), np.float32), np.zeros((4, 4), np.float32), "page: dtype"),
        (np.zeros((3, 4), np.float32), np.zeros((4, 4, 1), np.uint8), "page"),
    ],
)
def test_wrong_arguments_are_named(points, page, said):
    with pytest.raises(BadInput, match=said):
        _C.strokes(points, page)
