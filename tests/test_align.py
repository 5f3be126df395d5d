"""Alignment: the official crop to the bit, and the fit on faces whose place is known."""

import numpy as np
import pytest
from cases_images import similarity, smooth_noise
from hypothesis import given, settings
from hypothesis import strategies as st

from pyapdraw import align
from pyapdraw.errors import BadInput

OFFICIAL_512 = [
    (201.142857, 246.857143),
    (310.857143, 246.857143),
    (256, 311.771429),
    (206.628571, 370.834286),
    (305.371429, 370.834286),
]


def test_template_is_the_published_one():
    np.testing.assert_allclose(align.template(512) + 1, OFFICIAL_512, atol=5e-7)
    np.testing.assert_array_equal(align.TEMPLATE, align.template(512))
    np.testing.assert_allclose(align.template(256) + 1, (align.TEMPLATE + 1) / 2, atol=1e-9)


@pytest.fixture(scope="module")
def official(shared_dir):
    image_module = pytest.importorskip("PIL.Image")
    folder = shared_dir / "data" / "raw"

    def pixels(name):
        return np.asarray(image_module.open(folder / name).convert("RGB"))

    return {
        "photo": pixels("img_1701.jpg"),
        "points": np.loadtxt(folder / "img_1701.points.txt"),
        "crop": pixels("img_1701_aligned.png"),
        "landmarks": np.loadtxt(folder / "img_1701_aligned.landmarks.txt"),
    }


def test_official_crop_and_landmarks_to_the_bit(official):
    crop, landmarks = align.official_crop(official["photo"], official["points"])
    np.testing.assert_array_equal(crop.pixels, official["crop"])
    np.testing.assert_array_equal(landmarks, official["landmarks"])


def test_fit_gives_the_official_crop_too(official):
    points = official["points"].astype(np.float32).astype(np.float64) - 1
    to_crop = align.fit(points)
    crop = align.crop(official["photo"], to_crop, filter="bilinear")
    np.testing.assert_array_equal(crop.pixels, official["crop"])
    landmarks = np.floor(align.transform_points(to_crop, points) + 1.5)
    np.testing.assert_array_equal(landmarks, official["landmarks"])


def test_the_other_direction_of_the_fit_is_another_map(official):
    """Why it is fitted from the template to the photo: the other way gives another scale (0.26690 against 0.26807)."""
    assert align.scale_of(align.official_transform(official["points"])) == pytest.approx(0.26807, abs=5e-6)


@settings(max_examples=100, deadline=None)
@given(
    st.floats(-180, 180),
    st.floats(-5, 5),
    st.floats(-1e4, 1e4),
    st.floats(-1e4, 1e4),
    st.sampled_from([64, 256, 512, 777]),
)
def test_similar_faces_are_found_exactly(degrees, log_scale, x, y, size):
    to_photo = similarity(np.exp(log_scale), degrees, (size / 2, size / 2), (x, y))
    landmarks = align.transform_points(to_photo, align.template(size))
    to_crop = align.fit(landmarks, size)
    tolerance = 1e-9 * max(1.0, abs(x), abs(y)) * max(1.0, np.exp(-log_scale))
    np.testing.assert_allclose(align.transform_points(to_crop, landmarks), align.template(size), atol=tolerance + 1e-9)
    assert align.scale_of(to_crop) == pytest.approx(np.exp(-log_scale), rel=1e-6)
    np.testing.assert_allclose(
        align.invert(align.invert(to_crop)), to_crop, rtol=1e-6, atol=1e-6 * (1 + np.abs(to_crop).max())
    )


def test_fit_is_the_least_squares_of_template_to_photo():
    rng = np.random.default_rng(0)
    for _ in range(20):
        points = align.TEMPLATE * rng.uniform(0.2, 3) + rng.normal(0, 8, (5, 2)) + rng.uniform(-500, 500, 2)
        rows = np.zeros((10, 4))
        rows[0::2] = np.column_stack([align.TEMPLATE[:, 0], -align.TEMPLATE[:, 1], np.ones(5), np.zeros(5)])
        rows[1::2] = np.column_stack([align.TEMPLATE[:, 1], align.TEMPLATE[:, 0], np.zeros(5), np.ones(5)])
        a, b, tx, ty = np.linalg.lstsq(rows, points.reshape(-1), rcond=None)[0]
        np.testing.assert_allclose(align.invert(align.fit(points)), [[a, -b, tx], [b, a, ty]], atol=1e-8)


def test_official_convention_is_ours_shifted_by_one():
    points = align.transform_points(similarity(2.1, 14, (256, 256), (900, 700)), align.TEMPLATE).astype(np.float32) + 3
    theirs, ours = align.official_transform(points + 1), align.fit(points)
    there = align.transform_points(theirs, points.astype(np.float64) + 1)
    np.testing.assert_allclose(there - 1, align.transform_points(ours, points.astype(np.float64)), atol=1e-3)


@pytest.mark.parametrize("size", [1, 64, 300, 512])
def test_crop_of_any_size_shows_the_same_face(size):
    photo = smooth_noise(400, 500)
    landmarks = align.transform_points(similarity(0.4, 9, (256, 256), (250, 200)), align.TEMPLATE)
    crop = align.crop(photo, align.fit(landmarks, size), size)
    assert crop.pixels.shape == (size, size, 3) and crop.to_crop.shape == (2, 3)
    np.testing.assert_allclose(align.transform_points(crop.to_crop, landmarks), align.template(size), atol=1e-8)


def test_outside_the_photo_is_white():
    landmarks = align.TEMPLATE - 256
    crop = align.crop(np.zeros((512, 512, 3), np.uint8), align.fit(landmarks))
    assert (crop.pixels[:250, :250] == 255).all() and (crop.pixels[262:, 262:] == 0).all()


@pytest.mark.parametrize(
    ("landmarks", "size", "said"),
    [
        (np.zeros((4, 2)), 512, r"landmarks_px: shape \[4, 2\] given"),
        (np.full((5, 2), np.nan), 512, "five finite points"),
        (np.full((5, 2), 7.0), 512, "eye, eye, nose tip"),
        (align.TEMPLATE * [-1, 1], 512, "smaller x first"),
        (np.linspace(0, 1, 10).reshape(5, 2) + 1e9, 512, "given"),
        (align.TEMPLATE, 0, "size: 0 given"),
    ],
)
def test_what_is_no_face_is_named(landmarks, size, said):
    with pytest.raises(BadInput, match=said):
        align.fit(landmarks, size)


def test_profile_and_tilted_faces_are_faces():
    for squeeze in (1.0, 0.5, 0.2):
        points = align.transform_points(similarity(1.0, 35, (256, 256), (300, 300)), align.TEMPLATE * [squeeze, 1])
        assert 0.3 < align.scale_of(align.fit(points)) < 3


def test_a_picture_that_is_aligned_already_is_taken_whole():
    from pyapdraw.align import fit, fit_photo, template

    points = template(512) + 3
    whole = fit_photo(points, 512, (512, 512, 3))
    np.testing.assert_array_equal(whole, [[1, 0, 0], [0, 1, 0]])
    np.testing.assert_allclose(fit_photo(template(512), 1024, (512, 512)), [[2, 0, 0.5], [0, 2, 0.5]])
    for moved, shape in ((points + 30, (512, 512)), (points, (512, 600)), (template(256), (512, 512))):
        np.testing.assert_array_equal(fit_photo(moved, 512, shape), fit(moved, 512))
