"""What a pen leaves of the network's drawing: black and white, no specks, nothing beyond the person, ink where its crop
ends or a face is small."""

import numpy as np
import pytest

from pyapdraw import align, composite
from pyapdraw.artist import Artist
from pyapdraw.metrics.cleanliness import grey_share, specks
from pyapdraw.style import apdrawing
from pyapdraw.style.base import Picture
from pyapdraw.style.figure import Figure
from pyapdraw.style.ink import Ink


@pytest.fixture(scope="module")
def astronaut():
    return np.ascontiguousarray(pytest.importorskip("skimage.data").astronaut())


@pytest.fixture(scope="module")
def artist():
    return Artist("apdrawing")


def figure_of(artist, pixels):
    faces = artist.find(pixels)[:1]
    picture = Picture(pixels, faces, artist.tools)
    return Figure(picture, (0, 0, *pixels.shape[1::-1]), faces[0])


@pytest.mark.parametrize("frame", ["whole", "bust"])
def test_neither_specks_nor_washes(artist, astronaut, frame):
    drawing = artist.with_options(frame=frame).draw_pixels(astronaut)
    assert 0.02 < (drawing < 128).mean() < 0.5
    assert specks(drawing) <= 6 and grey_share(drawing) < 5e-4


def test_nothing_beyond_the_person_but_what_ink_draws(artist, astronaut):
    figure = figure_of(artist, astronaut)
    drawing, ink = (
        style.draw_figure(figure) for style in (artist.style, Ink(options=apdrawing.PEN, under=apdrawing.UNDER))
    )
    beyond = figure.person < 64
    assert ((drawing < 100) & (ink > 200) & beyond).mean() < 1e-4


def test_ink_goes_on_where_the_crop_ends(artist, astronaut):
    """Of a face so near that half of its hair is not in the crop."""
    pixels = np.ascontiguousarray(np.kron(astronaut[:400, 60:380], np.ones((4, 4, 1), np.uint8)))
    figure = figure_of(artist, pixels)
    drawing, ink = (
        style.draw_figure(figure) for style in (artist.style, Ink(options=apdrawing.PEN, under=apdrawing.UNDER))
    )
    to_crop = align.fit(figure.landmarks_px)
    y, x = np.mgrid[: pixels.shape[0], : pixels.shape[1]]
    v = to_crop[1, 0] * x + to_crop[1, 1] * y + to_crop[1, 2]
    u = to_crop[0, 0] * x + to_crop[0, 1] * y + to_crop[0, 2]
    outside = ((u < -2) | (u > 514) | (v < -2)) & (v < 440)
    assert outside.mean() > 0.05
    np.testing.assert_array_equal(drawing[outside] < 128, ink[outside] < 128)
    inside = (u > 40) & (u < 470) & (v > 40) & (v < 440)
    assert ((drawing < 128) != (ink < 128))[inside].mean() > 0.01, "the network draws there"


def test_small_faces_are_drawn_by_ink(artist, astronaut):
    small = np.full((300, 300, 3), 200, np.uint8)
    small[100:228, 80:208] = astronaut[::4, ::4]
    faces = artist.find(small)
    assert len(faces) == 1
    drawing = artist.draw_pixels(small, faces)
    ink = Artist("ink", hair="ink").draw_pixels(small, faces)
    assert (drawing != ink).mean() < 1e-3, "but for what is cleared below the eyes"


def test_what_is_certain_stays_and_ink_decides_the_rest():
    sure, middle = np.array([[0, 255]], np.uint8), np.array([[127, 127]], np.uint8)
    fine = np.array([[255, 0]], np.uint8)
    np.testing.assert_array_equal(apdrawing._refined(sure, fine), sure)
    np.testing.assert_array_equal(apdrawing._refined(middle, fine), fine)


def test_a_page_of_its_own_keeps_its_edges(artist, astronaut):
    """A bust that is enlarged is black and white as well."""
    large = artist.with_options(frame="bust").draw_pixels(np.kron(astronaut, np.ones((3, 3, 1), np.uint8)))
    assert grey_share(composite.enlarge(large, (1024, 1024))) < 5e-4
