"""SSIM, chamfer and Frechet distance beside slow definitions and other libraries."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyapdraw.errors import BadInput
from pyapdraw.metrics.chamfer import chamfer_distance
from pyapdraw.metrics.fid import fid, frechet_distance
from pyapdraw.metrics.ssim import ssim


def picture(h, w, seed, kind="noise"):
    random = np.random.default_rng(seed)
    if kind == "noise":
        return random.integers(0, 256, (h, w), dtype=np.uint8)
    y, x = np.mgrid[:h, :w]
    return np.uint8(127 + 100 * np.sin(x / (2 + seed % 5)) * np.cos(y / 3))


@settings(max_examples=60, deadline=None)
@given(h=st.integers(11, 40), w=st.integers(11, 40), seed=st.integers(0, 999), kind=st.sampled_from(["noise", "waves"]))
def test_ssim_is_that_of_scikit_image(h, w, seed, kind):
    metrics = pytest.importorskip("skimage.metrics", reason="scikit-image is the peer")
    a, b = picture(h, w, seed, kind), picture(h, w, seed + 1, kind)
    expected = metrics.structural_similarity(
        a, b, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255
    )
    assert ssim(a, b) == pytest.approx(expected, abs=1e-10)


def test_ssim_of_equal_pictures_and_bad_ones():
    a = picture(30, 20, 1)
    assert ssim(a, a) == 1.0 and ssim(a, 255 - a) < 0
    for bad in (a[:10], a.astype(np.float32), np.repeat(a[..., None], 3, 2), a.T):
        with pytest.raises(BadInput, match="b: "):
            ssim(a, bad)


def slow_chamfer(drawing, reference):
    ours, theirs = (np.argwhere(d < 128) for d in (drawing, reference))
    distances = np.sqrt(((ours[:, None] - theirs[None]) ** 2).sum(-1))
    return (distances.min(1).mean() + distances.min(0).mean()) / 2


@settings(max_examples=100, deadline=None)
@given(h=st.integers(1, 14), w=st.integers(1, 14), seed=st.integers(0, 999), ink=st.sampled_from([0.05, 0.4, 0.9]))
def test_chamfer_is_its_definition(h, w, seed, ink):
    random = np.random.default_rng(seed)
    a, b = (np.where(random.random((h, w)) < ink, 0, 255).astype(np.uint8) for _ in range(2))
    if (a < 128).any() and (b < 128).any():
        assert chamfer_distance(a, b) == pytest.approx(slow_chamfer(a, b), rel=1e-6)
        assert chamfer_distance(a, b) == chamfer_distance(b, a)
    assert chamfer_distance(a, a) == 0


def test_chamfer_of_blank_sheets():
    white, line = np.full((3, 4), 255, np.uint8), np.full((3, 4), 255, np.uint8)
    line[1] = 0
    assert chamfer_distance(white, white) == 0 and chamfer_distance(white, line) == chamfer_distance(line, white) == 5
    with pytest.raises(BadInput, match="reference: shape"):
        chamfer_distance(white, line[:2])
    with pytest.raises(BadInput, match="drawing: float64"):
        chamfer_distance(white / 2, line)


@pytest.mark.parametrize(("n", "m", "d"), [(50, 60, 3), (5, 7, 12), (2, 2, 4), (300, 300, 1)])
def test_frechet_distance_is_its_definition(n, m, d):
    linalg = pytest.importorskip("scipy.linalg", reason="SciPy has the square root of a matrix")
    random = np.random.default_rng(n)
    a, b = random.normal(0, 1, (n, d)) @ random.normal(0, 1, (d, d)), random.normal(0.3, 2, (m, d))
    ca, cb = (np.atleast_2d(np.cov(x, rowvar=False)) for x in (a, b))
    root = linalg.sqrtm(ca @ cb + 1e-12 * np.eye(d)).real
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(ca + cb - 2 * root)
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-3, abs=1e-3)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-6) and frechet_distance(a, b) >= 0


def test_fid_takes_any_features():
    pictures = [np.full((8, 8, 3), v, np.uint8) for v in (10, 20, 30)]
    others = [np.full((8, 8, 3), v, np.uint8) for v in (110, 120, 130)]

    def mean_colour(p):
        return p.mean((0, 1))

    assert fid(pictures, pictures, mean_colour) == pytest.approx(0, abs=1e-9)
    assert fid(pictures, others, mean_colour) == pytest.approx(3 * 100**2)
    with pytest.raises(BadInput, match="references: 1 with"):
        fid(pictures, others[:1], mean_colour)
    with pytest.raises(BadInput, match="b: shape"):
        frechet_distance(np.zeros((3, 2)), np.zeros((3, 4)))


@pytest.mark.parametrize("found", ["text", None, [1.0, None], [[1.0], [1.0, 2.0]]])
def test_features_that_are_no_numbers(found):
    with pytest.raises(BadInput, match="features"):
        fid(np.zeros((2, 4, 4, 3), np.uint8), np.zeros((2, 4, 4, 3), np.uint8), lambda picture: found)
