"""Pictures without a face: the whole drawing of style ink, and what photos and videos make of the policies."""

import threading
from itertools import pairwise

import cases_faces
import numpy as np
import pytest
from cases_video import Clip, frames, make_clip

import pyapdraw
from pyapdraw import cli
from pyapdraw.artist import Artist, NoFace, Options
from pyapdraw.errors import BadInput
from pyapdraw.frame_artist import FrameArtist
from pyapdraw.style import ink_whole
from pyapdraw.style.base import Style
from pyapdraw.style.ink import Ink


@pytest.fixture(scope="module")
def astronaut():
    return np.ascontiguousarray(pytest.importorskip("skimage.data").astronaut())


@pytest.fixture(scope="module")
def coffee():
    return np.ascontiguousarray(pytest.importorskip("skimage.data").coffee())


def scene(height=180, width=240):
    """A dark bar and a thin dark line on light paper."""
    pixels = np.full((height, width, 3), 200, np.uint8)
    pixels[30:70, 30:200] = 20
    pixels[110:112, 30:200] = 90
    return pixels


# --- the drawing


def test_dark_areas_and_lines_are_ink_and_the_rest_is_paper():
    drawing = ink_whole.draw_whole(scene())
    assert drawing.shape == (180, 240) and drawing.dtype == np.uint8
    assert (drawing[34:66, 36:194] < 10).all()
    assert (drawing[109:113, 40:190].min(axis=0) < 100).all()
    assert (drawing[80:104] == 255).all() and (drawing[125:] == 255).all()


def test_brightness_changes_little(coffee):
    drawing = ink_whole.draw_whole(coffee)
    darker = ink_whole.draw_whole((coffee * 0.8).astype(np.uint8))
    assert 0.05 < (drawing < 128).mean() < 0.4
    assert ((drawing < 128) != (darker < 128)).mean() < 0.04


def test_grain_leaves_no_salt():
    rng = np.random.default_rng(0)
    plain = np.clip(rng.normal(150, 6, (300, 400, 1)).repeat(3, 2), 0, 255).astype(np.uint8)
    assert (ink_whole.draw_whole(plain) < 200).mean() < 1e-3


@pytest.mark.parametrize("shape", [(1, 9), (9, 1), (2, 2), (3, 200), (2, 9000), (9000, 3), (31, 17)])
def test_any_shape(shape):
    drawing = ink_whole.draw_whole(np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8))
    assert drawing.shape == shape and (min(shape) > 1 or (drawing == 255).all())


def test_large_pictures_are_drawn_crisply_from_a_smaller_one(coffee):
    large = np.ascontiguousarray(coffee.repeat(4, 0).repeat(4, 1))
    drawing, small = ink_whole.draw_whole(large), ink_whole.draw_whole(coffee)
    grey = ((drawing > 20) & (drawing < 235)).mean()
    assert grey < 0.06  # edges of a pixel or two, as sharp as a small picture's
    blocks = drawing.reshape(400, 4, 600, 4).mean((1, 3))
    assert ((blocks < 128) != (small < 128)).mean() < 0.06


def test_strips_and_threads_change_nothing(coffee, monkeypatch):
    expected = ink_whole.draw_whole(coffee)
    drawn = [None] * 4

    def draw(i):
        drawn[i] = Ink().draw_whole(coffee)

    threads = [threading.Thread(target=draw, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    monkeypatch.setattr(ink_whole, "STRIP_PX", 1)
    for drawing in [*drawn, ink_whole.draw_whole(coffee)]:
        np.testing.assert_array_equal(drawing, expected)


def test_the_steps_are_what_they_are_called():
    plane = np.random.default_rng(0).random((23, 31)).astype(np.float32)
    padded = np.pad(plane, 2, mode="edge")
    mean = np.array([[padded[y : y + 5, x : x + 5].mean() for x in range(31)] for y in range(23)])
    np.testing.assert_allclose(ink_whole._box(plane, 2), mean, rtol=1e-5)
    padded = np.pad(plane, ((0, 1), (0, 1)), mode="edge")
    cells = np.array([[padded[y : y + 4, x : x + 4].max() for x in range(0, 32, 4)] for y in range(0, 24, 4)])
    np.testing.assert_array_equal(ink_whole._cells(plane, 4, np.maximum), cells)
    padded = np.pad(cells, 1, mode="edge")
    highest = [[padded[y : y + 3, x : x + 3].max() for x in range(cells.shape[1])] for y in range(cells.shape[0])]
    np.testing.assert_array_equal(ink_whole._highest(cells), highest)
    ramp = np.linspace(-2, 2, 41, dtype=np.float32)[None].repeat(5, 0)  # 0.1 a pixel: one pixel of grey
    covered = ink_whole._coverage(ramp, 0.0)[2, 1:-1]
    np.testing.assert_allclose(covered, np.clip(0.5 + ramp[2, 1:-1] / 0.1, 0, 1), atol=1e-5)


def test_still_frames_flicker_no_more_than_faces_do(astronaut):
    """Change from frame to frame under sensor noise, as a share of the ink."""
    rng = np.random.default_rng(0)
    still = [cases_faces.noisy(astronaut, rng, 2.0) for _ in range(5)]
    artist = FrameArtist(Artist())
    faces = [artist(frame, i / 25) for i, frame in enumerate(still)]
    assert min(artist.faces_per_frame) == 1
    assert flicker([ink_whole.draw_whole(frame) for frame in still]) <= flicker(faces)


def flicker(drawings):
    drawings = [drawing.astype(int) for drawing in drawings]
    change = np.mean([np.abs(a - b).mean() for a, b in pairwise(drawings)])
    return change / np.mean([(255 - drawing).mean() for drawing in drawings])


# --- the policies


def test_styles_draw_the_same_without_a_face(coffee):
    expected = ink_whole.draw_whole(coffee)
    for style in (Ink(), Artist("apdrawing").style):
        np.testing.assert_array_equal(style.draw_whole(coffee), expected)


def test_photos_pass_and_frames_are_drawn_unless_told_otherwise(coffee):
    expected = ink_whole.draw_whole(coffee)
    assert np.array_equal(Artist().draw(coffee), coffee)
    assert np.array_equal(Artist(no_face="draw").draw(coffee)[..., 1], expected)
    assert np.array_equal(FrameArtist(Artist())(coffee, 0), expected)
    assert FrameArtist(Artist(no_face="pass"))(coffee, 0) is None
    assert (FrameArtist(Artist(no_face="skip"))(coffee, 0) == 255).all()
    for policy in ("skip", "error"):
        with pytest.raises(NoFace):
            Artist(no_face=policy).draw(coffee)
    with pytest.raises(NoFace, match=r"frame at 1.500 s"):
        FrameArtist(Artist(no_face="error"))(coffee, 1.5)
    with pytest.raises(BadInput, match="draw, pass, skip, error"):
        Options(no_face="never")


def test_a_style_that_knows_faces_alone_leaves_white_paper(coffee):
    artist = Artist(no_face="draw")
    artist.style = object.__new__(Style)
    assert (artist.draw(coffee) == 255).all()


@pytest.fixture
def film(tmp_path, coffee):
    return make_clip(tmp_path / "in.mp4", Clip(frames=3, width=600, height=400, source=lambda i: coffee))


def test_a_film_without_faces_is_drawn(tmp_path, film, coffee, capsys):
    assert cli.main(["draw", str(film), "-o", str(tmp_path / "out.mp4")]) == cli.codes.DONE
    said = capsys.readouterr()
    assert "3 frames" in said.out and "3 of 3 frames without a face, drawn all the same" in said.err
    for shown in frames(tmp_path / "out.mp4"):
        assert ((shown[..., 1] < 128) != (ink_whole.draw_whole(coffee) < 128)).mean() < 0.03
    for policy, words in (("skip", "left empty"), ("pass", "passed through unchanged")):
        command = ["draw", str(film), "-o", str(tmp_path / "out.mp4"), "--overwrite", "--no-face", policy]
        assert cli.main(command) == cli.codes.DONE
        assert words in capsys.readouterr().err
    assert np.abs(frames(tmp_path / "out.mp4")[0].astype(int) - coffee).mean() < 6
    with pytest.raises(NoFace, match=r"in.mp4: frame at 0.000 s: no face"):
        pyapdraw.draw_video(film, tmp_path / "new.mp4", no_face="error")


def test_draw_video_is_what_the_command_does(tmp_path, film):
    report = pyapdraw.draw_video(film, tmp_path / "out.webm", side_by_side=True, start=0.04, crf=30)
    assert report["kind"] == "video" and report["frames"]["in"] == 2 and report["faces_per_frame"] == [0, 0]
    assert frames(tmp_path / "out.webm")[0].shape == (400, 1200, 3) and report["encoder"]["crf"] == 30
    for wrong in ({"crf": 99}, {"start": "soon"}, {"no_face": "what"}, {"nonsense": 1}, {"style": "none"}):
        with pytest.raises(BadInput):
            pyapdraw.draw_video(film, tmp_path / "x.mp4", **wrong)
    assert not (tmp_path / "x.mp4").exists()
