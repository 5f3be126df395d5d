"""Whole people: where they stand, at the scales of head and body, one or many, in pictures and in videos."""

from itertools import pairwise

import cases_ink as cases
import numpy as np
import pytest

import pyapdraw
from pyapdraw import align
from pyapdraw.artist import Artist
from pyapdraw.errors import BadInput
from pyapdraw.faces.detector import Face
from pyapdraw.frame_artist import FrameArtist
from pyapdraw.style.base import Picture, SteadyTools, Tools
from pyapdraw.style.figure import Figure


@pytest.fixture(scope="module")
def astronaut():
    return np.ascontiguousarray(pytest.importorskip("skimage.data").astronaut())


@pytest.fixture(scope="module")
def artist():
    return Artist()


def face_of(landmarks_px):
    x, y = landmarks_px.min(0), landmarks_px.max(0)
    return Face((*x, *y), landmarks_px, 1.0)


def share(drawing):
    return float((drawing < 128).mean())


def test_a_person_is_drawn_where_they_stand(artist, astronaut):
    drawing = artist.draw_pixels(astronaut)
    assert drawing.shape == (512, 512) and drawing.dtype == np.uint8
    assert 0.05 < share(drawing[40:150, 150:300]) < 0.6, "the head"
    assert share(drawing[300:, 100:300]) > 0.05, "the suit"
    assert (drawing[:130, 340:] == 255).all(), "the rocket is not there"
    grey = (drawing > 40) & (drawing < 215)
    assert grey.mean() < 0.12


def test_scene_as_thin_lines(artist, astronaut):
    alone = artist.draw_pixels(astronaut)
    scene = artist.with_options(background="draw").draw_pixels(astronaut)
    assert (scene <= alone).all() and 0.001 < share(scene) - share(alone) < 0.1
    assert (scene[:130, 340:] < 128).any(), "the rocket is there"


@pytest.mark.parametrize("background", ["photo", "keep"])
def test_the_photo_around_the_person(artist, astronaut, background):
    drawing = artist.with_options(background=background).draw_pixels(astronaut)
    assert drawing.shape == astronaut.shape
    np.testing.assert_array_equal(drawing[:100, 340:], astronaut[:100, 340:])
    assert (drawing[60:130, 190:255].max(axis=2) == drawing[60:130, 190:255].min(axis=2)).mean() > 0.95


def test_several_people(artist, astronaut):
    """Each is drawn as alone, up to where they meet."""
    half = np.ascontiguousarray(astronaut[:, 40:470])
    pair = np.concatenate([half, half[:, ::-1]], axis=1)
    found = artist.find(pair)
    assert len(found) == 2
    drawing = artist.draw_pixels(pair, found)
    alone = artist.draw_pixels(half)
    for own in (drawing[:, :430], drawing[:, 430:][:, ::-1]):
        head = np.s_[40:180, 120:260]
        assert ((own[head] < 128) != (alone[head] < 128)).mean() < 0.08
    largest = artist.with_options(faces="largest").draw_pixels(pair, found)
    assert share(largest) < 0.75 * share(drawing)


def test_many_faces_do_not_take_for_ever(artist):
    pixels, mask, landmarks = cases.figure(120, 60)
    rows, columns = 10, 20
    page = np.tile(pixels, (rows, columns, 1))
    faces = [face_of(landmarks + np.array([60 * x, 120 * y])) for y in range(rows) for x in range(columns)]
    drawing = artist.draw_pixels(page, faces, person=np.tile(mask, (rows, columns)))
    parts = drawing.reshape(rows, 120, columns, 60).swapaxes(1, 2)
    assert (np.array([share(part) for row in parts for part in row]) > 0.02).all()


@pytest.mark.parametrize("turn", [1, 2, 3])
def test_any_head_roll(artist, astronaut, turn):
    turned = np.ascontiguousarray(np.rot90(astronaut, turn))
    drawing, expected = artist.draw_pixels(turned), artist.draw_pixels(astronaut)
    assert ((np.rot90(drawing, -turn) < 128) != (expected < 128)).mean() < 0.06


def test_scales_of_head_and_body():
    landmarks = align.template(512) * 0.25 + (300, 40)
    picture = Picture(np.zeros((1200, 800, 3), np.uint8), [], Tools(), {"person": np.zeros((1200, 800), np.uint8)})
    figure = Figure(picture, (200, 0, 700, 1200), face_of(landmarks))
    assert figure.face_scale == pytest.approx(0.25, rel=1e-6)
    assert figure.body_scale == pytest.approx((0.25 * 1200 / 512) ** 0.5, rel=1e-6)
    x0, y0, x1, y1 = figure.head_box
    assert 0 <= x0 < 100 and x1 <= 300 and y0 == 5 and 155 <= y1 <= 165
    close = Figure(picture, (0, 0, 800, 1200), face_of(align.template(512) * 1.5))
    assert close.head_box is None, "a close portrait is drawn at one scale"


def test_the_seam_leaves_no_grey():
    landmarks = align.template(512) * 0.5
    picture = Picture(np.zeros((600, 300, 3), np.uint8), [], Tools(), {"person": np.zeros((600, 300), np.uint8)})
    figure = Figure(picture, (0, 0, 300, 600), face_of(landmarks))
    rng = np.random.default_rng(0)
    body = np.where(rng.random((600, 300)) < 0.5, np.uint8(0), np.uint8(255))
    head = np.full((260, 300), 255, np.uint8)
    joined = figure.join(body.copy(), head, (0, 0, 300, 260))
    assert (joined[:224] == 255).all() and (joined[236:] == body[236:]).all()
    grey = (joined > 60) & (joined < 195)
    assert grey.mean(axis=1).max() < 0.55 and grey.any(axis=1).sum() <= 3


def test_large_pictures_are_drawn_at_their_size(artist):
    pixels, mask, landmarks = cases.figure(2600, 2000)
    drawing = artist.draw_pixels(pixels, [face_of(landmarks)], person=mask)
    assert drawing.shape == (2600, 2000)
    grey = ((drawing > 40) & (drawing < 215)).mean()
    assert share(drawing) > 0.05 and grey < 0.02


@pytest.mark.parametrize("shape", [(13, 8), (9, 200), (400, 12), (40, 9000), (9000, 40), (1, 1)])
def test_people_of_any_size(artist, shape):
    """Also those of a few px, and pictures longer than the native drawing takes."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
    landmarks = align.template(512) / 512 * min(shape) + np.array([shape[1] // 3, 0])
    drawing = artist.draw_pixels(pixels, [face_of(landmarks)], person=np.full(shape, 255, np.uint8))
    assert drawing.shape == shape and drawing.dtype == np.uint8


def test_nobody_under_the_mask(artist, astronaut):
    drawing = artist.draw_pixels(astronaut, person=np.zeros((512, 512), np.uint8))
    assert (drawing == 255).all()


# --- busts


def test_a_bust_is_a_page_of_its_own(astronaut):
    bust = pyapdraw.draw(astronaut, frame="bust")
    assert bust.shape == (512, 512, 3)
    assert 0.05 < share(bust[100:400, 100:400]) < 0.6 and share(bust[:, :, 0]) > 0.1
    small = pyapdraw.draw(astronaut, frame="bust", largest_px=300)
    assert small.shape == (300, 300, 3)
    photo = pyapdraw.draw(astronaut, frame="bust", background="photo")
    assert photo.shape == (512, 512, 3) and (np.ptp(photo, axis=2) > 30).any()


@pytest.mark.parametrize("style", ["ink", "apdrawing"])
@pytest.mark.parametrize("size", [300, 700])
def test_size_is_the_bust_s_whatever_the_style_draws_on(astronaut, style, size):
    artist = Artist(style, frame="bust", largest_px=size)
    frame = FrameArtist(artist)(astronaut, 0.0)
    assert frame.shape == (size, size)
    photo = artist.draw_pixels(astronaut)
    assert photo.shape == (min(size, 512),) * 2
    for drawing in (frame, photo):
        assert ((drawing > 40) & (drawing < 215)).mean() < 0.25 and 0.05 < share(drawing) < 0.6


def test_busts_of_frames_are_of_one_size(astronaut):
    frames = FrameArtist(Artist(frame="bust"))
    blank = np.full_like(astronaut, 90)
    sizes = {
        frames(image, i / 30).shape for i, image in enumerate((blank, astronaut, astronaut[:, ::-1].copy(), blank))
    }
    assert sizes == {(512, 512)}


def test_unknown_frames_are_named():
    with pytest.raises(BadInput, match="frame: 'head' given, one of whole, bust expected"):
        Artist(frame="head")


# --- videos


def test_a_still_person_stays_still(astronaut):
    rng = np.random.default_rng(0)
    frames, drawn = FrameArtist(Artist()), []
    for k in range(14):
        noisy = np.clip(astronaut + rng.normal(0, 3, astronaut.shape), 0, 255).astype(np.uint8)
        drawn.append(frames(noisy, k / 30) < 128)
    changes = [(a != b).mean() for a, b in pairwise(drawn[4:])]
    assert np.mean(changes) < 0.02, changes


class Counting:
    """Tools that count what they are asked for."""

    def __init__(self, tools):
        self.tools, self.masks, self.points_found = tools, 0, []

    def person(self, pixels, faces, *, crop=False):
        self.masks += 1
        return np.full(pixels.shape[:2], 30 * self.masks, np.uint8)

    def points(self, pixels, face, near=None):
        self.points_found.append(near is not None)
        return self.tools.points(pixels, face, near)


def test_masks_are_kept_while_nothing_moves(astronaut):
    counting = Counting(Tools())
    steady = SteadyTools(counting)
    face = Face((0, 0, 1, 1), align.template(512) * 0.2 + 100, 1.0, track=7)
    masks = [steady.person(astronaut, [face])[0, 0] for _ in range(4)]
    assert masks == [30, 30, 40, 40], "every other frame, and then slowly"
    moved = Face(face.box_px, face.landmarks_px + 20, 1.0, track=7)
    assert steady.person(astronaut, [moved])[0, 0] == 90, "a face that moved"
    assert steady.person(255 - astronaut, [moved])[0, 0] == 120, "another scene"
    other = Face(face.box_px, moved.landmarks_px, 1.0, track=8)
    assert steady.person(255 - astronaut, [other])[0, 0] == 150, "another person"
    assert steady.person(astronaut[:400].copy(), [other]).shape == (400, 512), "another size"


def test_points_follow_the_face_and_rest_with_it(astronaut):
    counting = Counting(Tools())
    steady = SteadyTools(counting)
    landmarks = np.array([[202, 98], [246, 101], [224, 123], [203, 141], [243, 143]], float)
    first = steady.points(astronaut, Face((0, 0, 1, 1), landmarks, 1.0, track=1))
    shifted = steady.points(astronaut, Face((0, 0, 1, 1), landmarks + 3, 1.0, track=1))
    np.testing.assert_allclose(shifted.points[:, :2], first.points[:, :2] + 3, atol=1e-6)
    np.testing.assert_allclose(shifted.eyes.lids, first.eyes.lids + 3, atol=1e-6)
    steady.points(astronaut, Face((0, 0, 1, 1), landmarks, 1.0, track=1))
    assert counting.points_found == [False, True], "the second time from where they were"
    steady.points(astronaut, Face((0, 0, 1, 1), landmarks + 200, 1.0, track=1))
    assert counting.points_found[-1] is False, "a jump begins anew"
