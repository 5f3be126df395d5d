"""Flat washes under a drawing: the people's own colours, where people are, the same from frame to frame."""

import numpy as np
import pytest

import pyapdraw
from pyapdraw import composite
from pyapdraw.artist import Artist
from pyapdraw.errors import BadInput
from pyapdraw.frame_artist import FrameArtist
from pyapdraw.style import wash
from pyapdraw.style.base import SteadyTools, Tools

RED, BLUE = (200, 40, 30), (30, 60, 190)


@pytest.fixture(scope="module")
def astronaut():
    return np.ascontiguousarray(pytest.importorskip("skimage.data").astronaut())


def two_colours(height=120, width=300):
    """Red to the left, blue to the right, a person over the middle rows."""
    pixels = np.empty((height, width, 3), np.uint8)
    pixels[:, : width // 2], pixels[:, width // 2 :] = RED, BLUE
    person = np.zeros((height, width), np.uint8)
    person[height // 4 : -height // 4] = 255
    return pixels, person


def test_the_colours_of_the_people():
    pixels, person = two_colours()
    pixels[person == 0] = (0, 255, 0)
    found = wash.palette(pixels, person)
    assert found.shape == (wash.COLOURS, 3)
    for colour in (RED, BLUE):
        assert np.abs(found - colour).max(axis=1).min() < 12
    assert not (np.abs(found - (0, 255, 0)).max(axis=1) < 60).any()


def test_flat_and_only_where_people_are():
    pixels, person = two_colours()
    noisy = np.clip(pixels + np.random.default_rng(1).normal(0, 6, pixels.shape), 0, 255).astype(np.uint8)
    laid = wash.wash(noisy, person, np.array([RED, BLUE], np.float32))
    assert laid.shape == pixels.shape and laid.dtype == np.uint8
    assert (laid[person == 0] == 255).all()
    left, right = laid[40:80, 10:130], laid[40:80, 170:290]
    assert (left == left[0, 0]).all() and (right == right[0, 0]).all()
    assert left[0, 0, 0] > left[0, 0, 2] + 60 and right[0, 0, 2] > right[0, 0, 0] + 60
    assert left[0, 0].min() > min(RED), "lighter than the photo: ink brings the darkness"


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (700, 3), (40, 41)])
def test_any_shape_and_nobody(shape):
    pixels = np.random.default_rng(2).integers(0, 256, (*shape, 3), dtype=np.uint8)
    for level in (0, 255):
        person = np.full(shape, level, np.uint8)
        colours = wash.palette(pixels, person)
        laid = wash.wash(pixels, person, colours)
        assert laid.shape == pixels.shape and np.isfinite(colours).all()
        if level == 0:
            assert (laid == 255).all()


def test_of_a_photo(astronaut):
    plain, coloured = (Artist("ink", colour=colour).draw_pixels(astronaut) for colour in (False, True))
    assert plain.ndim == 2 and coloured.shape == (512, 512, 3)
    assert (coloured[plain == 0] == 0).all(), "the ink is the same"
    assert (coloured[:130, 340:] == 255).all(), "the rocket is not there"
    suit = coloured[330:480, 60:260].reshape(-1, 3)
    suit = suit[suit.max(axis=1) > 60]
    assert (suit[:, 0].astype(int) - suit[:, 2] > 60).mean() > 0.5, "the suit is orange"


@pytest.mark.parametrize(
    "how",
    [{"frame": "bust"}, {"background": "photo"}, {"background": "draw"}, {"frame": "bust", "background": "photo"}],
)
def test_with_other_options(astronaut, how):
    drawing = Artist("ink", colour=True, **how).draw_pixels(astronaut)
    assert drawing.ndim == 3 and drawing.dtype == np.uint8
    assert np.ptp(drawing, axis=2).max() > 30


def test_a_large_picture_keeps_its_colours(astronaut):
    """Beyond what is drawn at its own size."""
    large = np.kron(astronaut, np.ones((5, 5, 1), np.uint8))
    small = Artist("ink", colour=True).draw_pixels(astronaut)
    drawing = Artist("ink", colour=True).draw_pixels(large)
    assert drawing.shape == large.shape
    assert np.abs(drawing[::5, ::5].mean((0, 1)) - small.mean((0, 1))).max() < 12


def test_colours_follow_slowly_from_frame_to_frame():
    pixels, person = two_colours()
    tools = SteadyTools(Tools())
    first = tools.palette(pixels, person)
    second = tools.palette(pixels[:, ::-1], person)
    np.testing.assert_allclose(first, second, atol=1)
    third = tools.palette(np.clip(pixels.astype(int) + 40, 0, 255).astype(np.uint8), person)
    assert 0 < np.abs(third - second).max() < 10


def test_colours_come_with_the_first_person():
    pixels, person = two_colours()
    tools = SteadyTools(Tools())
    assert (tools.palette(pixels, np.zeros_like(person)) == 255).all()
    np.testing.assert_allclose(tools.palette(pixels, person), wash.palette(pixels, person))
    np.testing.assert_allclose(tools.palette(pixels, np.zeros_like(person)), wash.palette(pixels, person))


def test_a_video_with_frames_of_nobody(astronaut, tmp_path):
    av = pytest.importorskip("av")
    with av.open(str(tmp_path / "in.mp4"), "w") as clip:
        stream = clip.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 512
        for pixels in [np.full_like(astronaut, 120)] * 4 + [astronaut] * 4:
            clip.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        clip.mux(stream.encode(None))
    pyapdraw.draw_video(tmp_path / "in.mp4", tmp_path / "out.mp4", colour=True)
    with av.open(str(tmp_path / "out.mp4")) as clip:
        frames = [frame.to_ndarray(format="rgb24") for frame in clip.decode(video=0)]
    assert len(frames) == 8
    assert np.ptp(frames[0].astype(int), axis=2).max() < 12 and np.ptp(frames[-1].astype(int), axis=2).max() > 80


def test_frames(astronaut):
    draw = FrameArtist(Artist("ink", colour=True))
    frames = [draw(astronaut, i / 25) for i in range(3)]
    assert frames[0].shape == (512, 512, 3)
    assert np.abs(frames[1].astype(int) - frames[2]).mean() < 1


def test_ink_on_washes():
    drawing = np.array([[0, 128, 255]], np.uint8)
    laid = composite.over(drawing, np.full((1, 3, 3), 200, np.uint8))
    np.testing.assert_array_equal(laid[0, :, 0], [0, 100, 200])
    assert composite.over(drawing, np.full((4, 6, 3), 90, np.uint8)).shape == (1, 3, 3)


def test_true_or_false():
    with pytest.raises(BadInput, match="colour: 3 given, true or false expected"):
        Artist("ink", colour=3)
