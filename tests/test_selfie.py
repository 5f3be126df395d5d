"""The network behind whole-picture masks: what its published graph computes, whatever the picture's size."""

import threading

import numpy as np
import pytest
import reference_mediapipe as reference

from pyapdraw import weights
from pyapdraw.faces.selfie import Selfie


@pytest.fixture(scope="module")
def network():
    return Selfie()


def picture(height, width, seed=0):
    """Smooth colours and noise."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    waves = [127 + 90 * np.sin(x / (9 + 7 * k) + k) * np.cos(y / (13 + 5 * k)) for k in range(3)]
    return np.clip(np.stack(waves, 2) + random.normal(scale=12, size=(height, width, 3)), 0, 255).astype(np.uint8)


def test_equals_the_float64_definition(network):
    for seed in range(2):
        pixels = picture(512, 512, seed)
        photo = pixels.reshape(256, 2, 256, 2, 3).mean(axis=(1, 3)) / 255
        expected = reference.selfie(weights.load("selfie"), photo)
        assert np.ptp(expected) > 10
        np.testing.assert_allclose(network(pixels), expected, atol=1e-5 * np.abs(expected).max())


def test_finds_a_person(network):
    data = pytest.importorskip("skimage.data")
    likely = network(data.astronaut()) > 0
    assert likely[30:60, 100:125].all()  # the head
    assert not likely[:20, :60].any()  # the sky
    assert not (network(np.full((64, 64, 3), 255, np.uint8)) > 0).any()


@pytest.mark.parametrize("shape", [(1, 1), (1, 700), (5, 3), (256, 256), (300, 97)])
def test_any_size_and_view(network, shape):
    pixels = picture(*shape)
    found = network(pixels)
    assert found.shape == (256, 256) and found.dtype == np.float32 and np.isfinite(found).all()
    wide = np.zeros((shape[0], shape[1] * 2, 3), np.uint8)
    wide[:, ::2] = pixels
    np.testing.assert_array_equal(network(wide[:, ::2]), found)


def test_threads_do_not_disturb_each_other(network):
    pictures = [picture(200, 300, seed) for seed in range(4)]
    alone = [network(p) for p in pictures]
    found: dict[int, np.ndarray] = {}
    threads = [threading.Thread(target=lambda i=i: found.update({i: network(pictures[i])})) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i in range(4):
        np.testing.assert_array_equal(found[i], alone[i])
    np.testing.assert_array_equal(Selfie(threads=1)(pictures[0]), alone[0])


def test_rows_below_repeat_the_last_one(network):
    """As if the picture went on: the same as of a picture that does, up to how crops are averaged."""
    picture = np.random.default_rng(3).integers(0, 256, (251, 256, 3), dtype=np.uint8)
    longer = np.concatenate([picture, np.repeat(picture[-1:], 5, axis=0)])
    odds = network(picture, 5)
    assert odds.shape == (251, 256)
    np.testing.assert_allclose(odds, network(longer)[:251], atol=1e-3)
