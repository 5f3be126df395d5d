"""Beards as strokes: where the lower face is dark and rough, not where it is shaded or covered."""

import numpy as np
import pytest

from pyapdraw import faces
from pyapdraw.artist import Artist
from pyapdraw.errors import BadInput
from pyapdraw.faces.eyes import FacePoints, FindEyes
from pyapdraw.style import pen
from pyapdraw.style.sketch import Sketch

LANDMARKS = (np.array([[202, 98], [246, 101], [224, 123], [203, 141], [243, 143]], float) - (96, 0)) * 2 + 0.5


@pytest.fixture(scope="module")
def face():
    pixels = np.ascontiguousarray(pytest.importorskip("skimage.data").astronaut()[:256, 96:352])
    pixels = np.kron(pixels, np.ones((2, 2, 1), np.uint8))
    points = faces.mesh(pixels, LANDMARKS)
    return pixels, FacePoints(points.astype(np.float64), FindEyes()(pixels, points), 1.0)


def lower_face(pixels, points, share, noise):
    """The face below the nose made darker by a share, with noise of that deviation, in grey levels."""
    spoilt = pixels.astype(float)
    top, bottom = round(points.points[2, 1]) + 4, round(points.points[152, 1]) + 8
    left, right = round(points.points[172, 0]), round(points.points[397, 0])
    part = np.s_[top:bottom, left:right]
    rough = np.random.default_rng(3).normal(0, noise, (bottom - top, right - left, 1))
    spoilt[part] = spoilt[part].mean((0, 1)) * share + 0.1 * share * (spoilt[part] - spoilt[part].mean((0, 1))) + rough
    return np.clip(spoilt, 0, 255).astype(np.uint8), part


def drawn(pixels, points, paper=255, beard=True):
    page = np.full(pixels.shape[:2], paper, np.uint8)
    pen.draw_features(page, pixels, np.full_like(page, 255), points, beard=beard)
    return page


def test_of_short_strokes(face):
    pixels, points = face
    bearded, part = lower_face(pixels, points, 0.25, 18)
    page, without = drawn(bearded, points), drawn(bearded, points, beard=False)
    assert 0.2 < (page[part] < 128).mean() < 0.8 and (without[part] < 128).mean() < 0.12
    changes = np.abs(np.diff((page[part] < 128).astype(int), axis=1)).sum(axis=1)
    assert np.median(changes) > 15, "many of them"
    above = np.s_[: part[0].start - 60]
    np.testing.assert_array_equal(page[above], without[above])


def test_what_was_drawn_of_it_goes(face):
    pixels, points = face
    bearded, part = lower_face(pixels, points, 0.25, 18)
    page = drawn(bearded, points, paper=0)
    middle = np.s_[part[0].start + 10 : part[0].stop - 20, part[1].start + 30 : part[1].stop - 30]
    assert 0.1 < (page[middle] > 128).mean() < 0.8


@pytest.mark.parametrize(
    ("share", "noise"), [(1.0, 0), (0.25, 0.5), (0.6, 0.5), (0.9, 12)], ids=["bare", "mask", "shade", "rough skin"]
)
def test_not_where_there_is_none(face, share, noise):
    pixels, points = face
    spoilt, _ = lower_face(pixels, points, share, noise)
    np.testing.assert_array_equal(drawn(spoilt, points), drawn(spoilt, points, beard=False))


def test_strokes_stay_where_the_face_is(face):
    """Moved with the picture, up to the page's pixels."""
    pixels, points = face
    bearded, part = lower_face(pixels, points, 0.25, 18)
    page = drawn(bearded, points)
    moved = drawn(np.roll(bearded, (6, -9), (0, 1)), points.moved(np.array([[1.0, 0, -9], [0, 1, 6]])))
    back = np.roll(moved, (-6, 9), (0, 1))
    assert (np.abs(page[part].astype(int) - back[part]) > 100).mean() < 0.02


def test_strokes_at_once_are_strokes_one_by_one():
    rng = np.random.default_rng(4)
    lines = rng.uniform(5, 55, (9, 6)) + 1j * rng.uniform(5, 35, (9, 6))
    widths = rng.uniform(0.5, 4, (9, 6))
    pages = [np.full((40, 60), 255, np.uint8) for _ in range(2)]
    sketches = [Sketch(page, np.ones((40, 60), np.float32), 1.5, 1 + 0j) for page in pages]
    sketches[0].stroke(lines, widths)
    for line, width in zip(lines, widths):
        sketches[1].stroke(line, width)
    np.testing.assert_array_equal(*pages)


def test_words():
    with pytest.raises(BadInput, match="beard: 'curls' given, one of strokes, tone expected"):
        Artist("ink", beard="curls")
