"""The iris network: what its published graph computes, and where it sees lids and pupils."""

import numpy as np
import pytest
import reference_mediapipe as reference

from pyapdraw import _C, weights
from pyapdraw.faces.iris import Iris


@pytest.fixture(scope="module")
def network():
    return Iris()


@pytest.fixture(scope="module")
def eye():
    """The astronaut's eye at the smaller x, float32 [64,64,3]: 0.75 px a px."""
    pixels = np.ascontiguousarray(pytest.importorskip("skimage.data").astronaut())
    crop = np.empty((1, 64, 64, 3), np.float32)
    _C.crop_warp(pixels, np.array([[[0.75, 0, 178], [0, 0.75, 74]]]), crop, 0, 1 / 255)
    return crop


def test_equals_the_float64_definition(network, eye):
    noise = np.random.default_rng(0).random((1, 64, 64, 3), np.float32)
    found = network(np.concatenate([eye, noise]))
    for n, crop in enumerate((eye[0], noise[0])):
        expected = reference.iris(weights.load("iris"), crop.astype(np.float64))
        for points, (got, wanted) in zip((71, 5), zip(found, expected)):
            assert wanted.shape == (points, 3)
            np.testing.assert_allclose(got[n], wanted - [0.5, 0.5, 0], atol=1e-3)
    one, two = Iris(threads=1)(eye), Iris(threads=2)(eye)
    for a, b in zip(one, two):
        np.testing.assert_array_equal(a, b)


def test_lids_lie_around_the_pupil(network, eye):
    (lids,), (iris,) = network(eye)
    outer, inner, middle = lids[0, :2], lids[8, :2], iris[0, :2]
    assert outer[0] < middle[0] < inner[0] and 15 < inner[0] - outer[0] < 55
    assert (lids[1:8, 1] > lids[9:16, 1]).all(), "the lower lid lies below the upper one"
    assert lids[9:16, 1].min() - 3 < middle[1] < lids[1:8, 1].max() + 3
    dark = eye[0].sum(axis=2)
    x, y = middle.round().astype(int)
    assert dark[y - 2 : y + 3, x - 2 : x + 3].mean() < 0.6 * dark[50:60, 10:50].mean()


def test_no_crop_gives_no_points(network):
    lids, iris = network(np.empty((0, 64, 64, 3), np.float32))
    assert lids.shape == (0, 71, 3) and iris.shape == (0, 5, 3)
