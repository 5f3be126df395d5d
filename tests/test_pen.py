"""The pen in the face: strokes lie on what is dark, eyes follow what they look like, and the rest is left alone."""

import numpy as np
import pytest

from pyapdraw import faces
from pyapdraw.faces.eyes import Eyes, FacePoints, FindEyes
from pyapdraw.style import pen


@pytest.fixture(scope="module")
def face():
    """A picture, the points of its face, and white paper to draw on: twice the astronaut."""
    pixels = np.ascontiguousarray(pytest.importorskip("skimage.data").astronaut()[:256, 96:352])
    pixels = np.kron(pixels, np.ones((2, 2, 1), np.uint8))
    landmarks = (np.array([[202, 98], [246, 101], [224, 123], [203, 141], [243, 143]], float) - (96, 0)) * 2 + 0.5
    points = faces.mesh(pixels, landmarks)
    return pixels, FacePoints(points.astype(np.float64), FindEyes()(pixels, points), 1.0)


def drawn(pixels, points, paper=255, mask=None, **options):
    page = np.full(pixels.shape[:2], paper, np.uint8)
    pen.draw_features(page, pixels, np.full_like(page, 255) if mask is None else mask, points, **options)
    return page


def around(points, which, reach):
    """The box about some of the 468 points, grown by a share of its width."""
    at = points.points[list(which), :2]
    (x0, y0), (x1, y1) = at.min(0), at.max(0)
    more = reach * (x1 - x0)
    return np.s_[round(y0 - more) : round(y1 + more), round(x0 - more) : round(x1 + more)]


EYES = ((33, 133, 159, 145), (263, 362, 386, 374))
LIPS = (61, 291, 0, 17)


def test_eyes_and_mouth_and_nothing_else(face):
    pixels, points = face
    page = drawn(pixels, points)
    for which, least in ((EYES[0], 0.05), (EYES[1], 0.05), (LIPS, 0.01)):
        box = around(points, which, 0.4)
        assert least < (page[box] < 128).mean() < 0.6
        page[box] = 255
    assert (page == 255).all()


def test_nothing_beyond_the_person(face):
    pixels, points = face
    mask = np.full(pixels.shape[:2], 255, np.uint8)
    middle = round(float(points.points[1, 0]))
    mask[:, middle:] = 0
    page = drawn(pixels, points, mask=mask)
    assert (page[:, middle:] == 255).all()
    np.testing.assert_array_equal(page[:, :middle], drawn(pixels, points)[:, :middle])


def test_smudges_within_the_features_go(face):
    pixels, points = face
    page = drawn(pixels, points, paper=0)
    for eye in EYES:
        white = page[around(points, eye, 0.0)] > 200
        assert white.mean() > 0.25
    assert (page[:20] == 0).all() and (page[-20:] == 0).all()


def test_pupils_are_where_the_irises_are(face):
    pixels, points = face
    page = drawn(pixels, points)
    for iris in points.eyes.irises:
        x, y = iris[0].round().astype(int)
        assert (page[y - 2 : y + 3, x - 2 : x + 3] < 128).mean() > 0.5


def shut(points):
    """The same face with its lids on the line of the lower ones."""
    lids = points.eyes.lids.copy()
    lids[:, 9:16] = lids[:, 1:8]
    at = points.points.copy()
    for upper, lower in ((row[9:16], row[1:8]) for row in pen.LIDS_OF_MESH):
        at[list(upper)] = at[list(lower)]
    return FacePoints(at, Eyes(lids, points.eyes.irises), 1.0)


def test_a_shut_eye_is_one_line(face):
    pixels, points = face
    page = drawn(pixels, shut(points))
    box = around(points, EYES[0], 0.0)
    rows = (page[box] < 128).sum(axis=0)
    assert (rows > 0).mean() > 0.6 and rows.max() < 12


def test_no_eye_is_invented_in_the_dark(face):
    """Where hair, glasses or a hand are, there is no skin under the eye."""
    pixels, points = face
    dark = pixels.copy()
    dark[around(points, EYES[0], 0.6)] = 20
    page = drawn(dark, points)
    assert (page[around(points, EYES[0], 0.3)] == 255).all()
    assert (page[around(points, EYES[1], 0.3)] < 128).any()


@pytest.mark.parametrize("change", ["small", "unsure", "outside", "profile"])
def test_faces_that_are_left_alone(face, change):
    pixels, points = face
    at, eyes, score = points.points.copy(), points.eyes, 1.0
    if change == "small":
        at *= 0.1
    if change == "unsure":
        score = 0.3
    if change == "outside":
        at[:, 0] += 5000
    if change == "profile":
        at[:, 0] = at[:, 0].mean() + 0.02 * (at[:, 0] - at[:, 0].mean())
    page = drawn(pixels, FacePoints(at, eyes, score))
    assert (page == 255).all()


def test_width_of_lines(face):
    pixels, points = face
    ink = [(255 - drawn(pixels, points, line=line).astype(float)).sum() for line in (0.5, 1, 2)]
    assert ink[0] < ink[1] < ink[2]


@pytest.mark.parametrize("degrees", [30, 90, 200])
def test_turned_faces(face, degrees):
    """The drawing turns with the face, up to the grid."""
    from pyapdraw import align
    from pyapdraw.ops import warp_affine

    pixels, points = face
    a = np.deg2rad(degrees)
    turn = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    to = np.column_stack([turn, np.array([255.5, 255.5]) - turn @ (255.5, 255.5)])
    turned = warp_affine(pixels, to, 512, border="edge")
    page = drawn(turned, points.moved(to))
    back = warp_affine(page, align.invert(to), 512, border=255)
    expected = drawn(pixels, points)
    near = np.zeros((512, 512), bool)
    for which in (*EYES, LIPS):
        near[around(points, which, 0.3)] = True
    assert ((back < 128) != (expected < 128))[near].mean() < 0.06


def test_a_line_snaps_to_what_is_dark():
    tone = np.ones((60, 100), np.float32)
    y, x = np.mgrid[:60, :100]
    tone[np.abs(y - 30 - 3 * np.sin(x / 15)) < 1] = 0.2
    sketch = pen.Sketch(np.full((60, 100), 255, np.uint8), tone, 1.0, 1 + 0j)
    line = np.linspace(10, 90, pen.POINTS) + 31j
    (found,), (dark,) = pen.snapped(sketch, line[None], np.array([6.0]))
    assert np.abs(found.imag - 30 - 3 * np.sin(found.real / 15)).max() < 1.2 and dark.min() > 0.4
    (same,), (none,) = pen.snapped(
        pen.Sketch(sketch.page, np.ones_like(tone), 1.0, 1 + 0j), line[None], np.array([6.0])
    )
    assert np.abs(same - line).max() < 0.6 and none.max() < 0.01


def test_points_lie_evenly_along_a_curve():
    corner = np.array([0, 10 + 5j, 20 + 0j])
    line = pen.along(corner)
    assert len(line) == pen.POINTS and line[0] == 0 and line[-1] == 20
    steps = np.abs(np.diff(line))
    assert np.ptp(steps) < 0.1 * steps.mean() and line.imag.max() == pytest.approx(5, abs=0.3)
