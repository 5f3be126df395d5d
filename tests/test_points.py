"""468 points: the network is what its published graph computes, and they turn, move and grow with the face."""

import numpy as np
import pytest
import reference_mediapipe as reference
from cases_faces import portraits, rolled

from pyapdraw import weights
from pyapdraw.errors import BadInput
from pyapdraw.faces.face_mesh import FaceMesh
from pyapdraw.faces.points import Mesh, five


@pytest.fixture(scope="module")
def mesh():
    return Mesh()


@pytest.fixture(scope="module")
def face():
    """A picture and the five landmarks of its face."""
    data = pytest.importorskip("skimage.data")
    return data.astronaut(), np.array([[202, 98], [246, 101], [224, 123], [203, 141], [243, 143]], float)


def test_network_equals_the_float64_definition(face):
    crop = face[0][20:212, 130:322].astype(np.float32)[None] / 255
    noise = np.random.default_rng(0).random((1, 192, 192, 3), np.float32)
    tensors = weights.load("face_mesh")
    points, scores = FaceMesh()(np.concatenate([crop, noise]))
    for n, seen in enumerate((crop[0], noise[0])):
        expected, logit = reference.face_mesh(tensors, seen.astype(np.float64))
        np.testing.assert_allclose(points[n], expected - [0.5, 0.5, 0], atol=1e-3)
        assert scores[n] == pytest.approx(reference.sigmoid(logit), abs=1e-4)
    assert scores[0] > 0.99 > 0.5 > scores[1]
    one, two = FaceMesh(threads=1)(crop), FaceMesh(threads=2)(crop)
    np.testing.assert_array_equal(one[0], two[0])


def test_points_lie_on_the_face(mesh, face):
    pixels, landmarks = face
    points, scores = mesh(pixels, landmarks[None])
    eyes = np.linalg.norm(landmarks[1] - landmarks[0])
    assert scores[0] > 0.99 and np.linalg.norm(five(points)[0] - landmarks, axis=1).max() < 0.15 * eyes
    x, y, z = points[0].T
    assert np.ptp(x) < 3 * eyes and np.ptp(y) < 4 * eyes
    assert z[4] == z.min() or z[1] == z.min()  # the nose is nearest


def test_start_is_forgotten(mesh, face):
    """Landmarks that are a tenth of the eye distance off give nearly the same points."""
    pixels, landmarks = face
    expected, _ = mesh(pixels, landmarks[None])
    eyes = np.linalg.norm(landmarks[1] - landmarks[0])
    starts = landmarks + np.random.default_rng(0).normal(scale=0.1 * eyes, size=(6, 5, 2))
    found, _ = mesh(pixels, starts)
    assert np.linalg.norm(found - expected, axis=2).mean() < 0.03 * eyes


@pytest.mark.parametrize("degrees", range(30, 360, 30))
def test_points_turn_with_the_face(mesh, face, degrees):
    pixels, landmarks = face
    expected, _ = mesh(pixels, landmarks[None])
    image, moved = rolled(pixels, np.concatenate([landmarks, expected[0, :, :2]]), degrees)
    found, scores = mesh(image, moved[None, :5])
    eyes = np.linalg.norm(landmarks[1] - landmarks[0])
    assert scores[0] > 0.99 and np.linalg.norm(found[0, :, :2] - moved[5:], axis=1).mean() < 0.04 * eyes


@pytest.mark.parametrize("times", [0.4, 3, 9])
def test_points_grow_with_the_picture(mesh, face, times):
    """Also where the square is larger than the warp antialiases."""
    from PIL import Image

    pixels, landmarks = face
    expected, _ = mesh(pixels, landmarks[None])
    size = round(512 * times)
    larger = np.asarray(Image.fromarray(pixels).resize((size, size), Image.Resampling.LANCZOS))
    found, _ = mesh(larger, ((landmarks + 0.5) * times - 0.5)[None])
    eyes = np.linalg.norm(landmarks[1] - landmarks[0])
    assert np.linalg.norm((found[..., :2] + 0.5) / times - 0.5 - expected[..., :2], axis=2).mean() < 0.04 * eyes


def test_several_faces_are_each_as_alone(mesh, face):
    pixels, landmarks = face
    starts = np.stack([landmarks, landmarks + 1.5, landmarks - 2])
    together, _ = mesh(pixels, starts)
    for n in range(3):
        np.testing.assert_allclose(together[n], mesh(pixels, starts[n : n + 1])[0][0], atol=1e-3)


def test_portraits(mesh, shared_dir):
    """The five landmarks within 0.05 eye distances of the given ones, on average over the portraits."""
    off = []
    for _, photo, truth in portraits(shared_dir):
        found, scores = mesh(photo, truth[None])
        assert scores[0] > 0.9
        off.append(np.linalg.norm(five(found)[0] - truth, axis=1).mean() / np.linalg.norm(truth[1] - truth[0]))
    assert np.mean(off) < 0.045 and max(off) < 0.08


def test_odd_faces(mesh):
    """No face, points beyond the picture or all in one place: some points, no error."""
    pixels = np.full((40, 30, 3), 200, np.uint8)
    for landmarks in (np.zeros((1, 5, 2)), np.full((1, 5, 2), 1e4), np.random.default_rng(0).random((1, 5, 2)) * 1e3):
        points, scores = mesh(pixels, landmarks)
        assert np.isfinite(points).all() and scores[0] < 0.9
    points, scores = mesh(pixels, np.empty((0, 5, 2)))
    assert points.shape == (0, 468, 3) and scores.shape == (0,)


@pytest.mark.parametrize(
    ("pixels", "landmarks", "message"),
    [
        (np.zeros((4, 4), np.uint8), np.zeros((1, 5, 2)), "pixels: uint8"),
        (np.zeros((4, 4, 3)), np.zeros((1, 5, 2)), "pixels: float64"),
        (np.zeros((0, 4, 3), np.uint8), np.zeros((1, 5, 2)), r"pixels: \[0, 4, 3\]"),
        (np.zeros((4, 4, 3), np.uint8), np.zeros((5, 2)), "landmarks_px: "),
        (np.zeros((4, 4, 3), np.uint8), np.full((1, 5, 2), np.nan), "landmarks_px: .*finite"),
        (None, np.zeros((1, 5, 2)), "pixels: NoneType"),
    ],
)
def test_bad_input(mesh, pixels, landmarks, message):
    with pytest.raises(BadInput, match=message):
        mesh(pixels, landmarks)


# --- what is made of the points


def test_68_points_in_their_order(face):
    from pyapdraw import faces

    pixels, landmarks = face
    points = faces.points68(pixels, landmarks)
    assert points.shape == (68, 2) and points.dtype == np.float32
    eyes = np.linalg.norm(landmarks[1] - landmarks[0])
    for part, at in (((36, 42), 0), ((42, 48), 1)):
        assert np.linalg.norm(points[slice(*part)].mean(0) - landmarks[at]) < 0.1 * eyes
    assert np.linalg.norm(points[48] - landmarks[3]) < 0.15 * eyes
    assert np.linalg.norm(points[54] - landmarks[4]) < 0.15 * eyes
    jaw = points[:17]
    assert (np.diff(jaw[:, 0]) > 0).all() and jaw[8, 1] == jaw[:, 1].max(), "from ear to ear through the chin"
    assert (points[17:27, 1] < points[36:48, 1].min()).all(), "brows above the eyes"
    assert points[27, 1] < points[28, 1] < points[29, 1] < points[30, 1] < points[33, 1], "down the nose"


@pytest.mark.parametrize("degrees", [0, 120])
def test_masks_of_the_parts(face, degrees):
    from pyapdraw import faces
    from pyapdraw.faces.part_masks import OUTLINES

    image, moved = rolled(face[0], face[1], degrees)
    masks = faces.parts(image, moved)
    assert set(masks) == set(OUTLINES)
    assert all(m.shape == image.shape[:2] and m.dtype == np.uint8 for m in masks.values())
    for name, at in (("eye_left", moved[0]), ("eye_right", moved[1]), ("nose", moved[2])):
        x, y = at.round().astype(int)
        assert masks[name][y, x] >= 128, name
    inner = [name for name in masks if name != "face"]
    assert all((masks["face"][masks[name] == 255] > 0).mean() > 0.97 for name in inner)
    total = sum((masks[name] == 255).astype(int) for name in inner)
    assert total.max() == 1, "no two parts share a pixel"
    areas = {name: (m >= 128).sum() for name, m in masks.items()}
    assert areas["face"] > 5 * areas["nose"] > 5 * areas["eye_left"] > 0 and areas["lips"] > areas["eye_left"]


def test_parts_beyond_the_picture_are_cut(face):
    from pyapdraw.faces.part_masks import part_masks

    points = np.random.default_rng(0).uniform(-80, 120, (468, 3))
    assert all(m.shape == (40, 30) for m in part_masks(points, (40, 30)).values())
    assert all(not m.any() for m in part_masks(points + 5000, (40, 30)).values())
    for wrong in (points[:10], points * np.nan, points[:, :1]):
        with pytest.raises(BadInput, match=r"points: .* finite points"):
            part_masks(wrong, (40, 30))


def test_a_face_is_five_points_or_a_face(face):
    from pyapdraw import faces

    with pytest.raises(BadInput, match=r"face: .* a Face or five points"):
        faces.mesh(face[0], face[1][:4])
