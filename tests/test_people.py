"""People told apart by their faces: every pixel is somebody's, and boxes hold them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyapdraw.faces.people import people

FACE = np.array([[-10, 0], [10, 0], [0, 12], [-8, 24], [8, 24]], float)  # eyes 20 px apart


def figure(mask, x, y):
    """A head and a body below it, put into a mask; returns the face."""
    mask[y - 20 : y + 40, x - 20 : x + 20] = 255
    mask[y + 40 : y + 160, x - 40 : x + 40] = 255
    return FACE + np.array([x, y])


def test_two_people_beside_each_other():
    mask = np.zeros((300, 400), np.uint8)
    faces = [figure(mask, 120, 60), figure(mask, 210, 80)]
    left, right = people(mask, faces)
    for person, face, x in ((left, faces[0], 120), (right, faces[1], 210)):
        x0, y0, x1, y1 = person.box_px
        assert x0 <= x - 38 and x1 >= x + 38 and y0 <= face[0, 1] and y1 >= face[0, 1] + 155
        kept = person.keep(np.zeros((y1 - y0, x1 - x0), np.uint8))
        assert kept.shape == (y1 - y0, x1 - x0)
        assert (kept[:, x - x0 - 15 : x - x0 + 15] == 0).all()
    own = np.zeros((300, 400))
    for person in (left, right):
        x0, y0, x1, y1 = person.box_px
        own[y0:y1, x0:x1] += person.own / 255.0
    assert (own[mask == 255] > 0.99).all() and (own[mask == 255] < 1.01).all(), "shares add up to one"


def test_one_person_has_all_of_the_mask():
    mask = np.zeros((300, 200), np.uint8)
    (person,) = people(mask, [figure(mask, 100, 60)])
    drawing = np.full((9, 9), 7, np.uint8)
    assert person.own is None and person.keep(drawing) is drawing


def test_the_face_is_in_the_box():
    """Also where the mask has its person somewhere else alone."""
    mask = np.zeros((300, 400), np.uint8)
    mask[280:290, 380:390] = 255
    (person,) = people(mask, [FACE + np.array([60, 50])])
    x0, y0, x1, y1 = person.box_px
    assert x0 <= 50 and y0 <= 50 and x1 >= 390 and y1 >= 290
    (person,) = people(mask, [FACE - 500])
    x0, y0, x1, y1 = person.box_px
    assert 0 <= x0 < x1 <= 400 and 0 <= y0 < y1 <= 300


def test_nobody_under_the_mask():
    assert people(np.zeros((50, 60), np.uint8), [FACE + 30, FACE + 40]) == [None, None]
    assert people(np.zeros((50, 60), np.uint8), []) == []


def test_a_lying_person_is_measured_along_the_body():
    """Head at the left, body to the right: its feet are its own, not those of the one who stands nearer to them."""
    mask = np.full((200, 500), 255, np.uint8)
    lying = FACE[:, ::-1] * (1, -1) + np.array([40, 100])  # the face turned so that down is to the right
    standing = FACE * 0.5 + np.array([250, 20])
    first, _ = people(mask, [lying, standing])
    x0, y0, _, _ = first.box_px
    assert first.own[100 - y0, 170 - x0] == 255


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 400), st.integers(1, 400), st.integers(1, 12), st.integers(0, 99))
def test_boxes_lie_in_the_picture(height, width, count, seed):
    rng = np.random.default_rng(seed)
    mask = rng.integers(0, 256, (height, width), dtype=np.uint8)
    faces = [FACE * rng.uniform(0.1, 2) + rng.uniform(-20, 420, 2) for _ in range(count)]
    for person in people(mask, faces):
        if person is None:
            continue
        x0, y0, x1, y1 = person.box_px
        assert 0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height
        assert person.own is None or person.own.shape == (y1 - y0, x1 - x0)


@pytest.mark.parametrize("value", [0.0, 1e-9])
def test_points_in_one_place(value):
    assert people(np.full((9, 9), 255, np.uint8), [FACE * value, FACE * value + 1])[0] is not None
