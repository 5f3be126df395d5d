"""The chamfer distance against its definition and against OpenCV, to the bit."""

import numpy as np
import pytest
from arrays import Guarded, laid_out, layouts
from cases_distance_transform import CASES
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_distance_transform_chamfer import distance_transform_chamfer as reference

from pyapdraw import _C
from pyapdraw.errors import BadInput
from pyapdraw.ops import distance_transform, distance_transform_chamfer

seeds, shares = st.integers(0, 2**32), st.sampled_from([0.0, 0.01, 0.1, 0.5, 1.0])


@settings(max_examples=1000, deadline=None)
@given(st.integers(1, 9), st.integers(1, 40), shares, seeds, layouts, st.sampled_from(_C.cpu_backends()))
def test_is_the_definition(height, width, share, seed, layout, backend):
    rng = np.random.default_rng(seed)
    sites = (rng.random((height, width)) < share) * rng.integers(1, 256, (height, width), dtype=np.uint8)
    out = Guarded(sites.shape, np.float32, layout if layout != "transposed" else "plain")
    _C.use_backend(backend)
    try:
        _C.distance_transform_chamfer(laid_out(sites, layout), out.view)
    finally:
        _C.use_backend(_C.cpu_backends()[0])
    np.testing.assert_array_equal(out.view, reference(sites))
    out.check()


@pytest.fixture
def opencv():
    cv2 = pytest.importorskip("cv2", reason="OpenCV is the definition here")
    before = cv2.ipp.useIPP()
    cv2.ipp.setUseIPP(False)
    yield lambda sites: cv2.distanceTransform((sites == 0).astype(np.uint8), cv2.DIST_L2, 5)
    cv2.ipp.setUseIPP(before)


@settings(max_examples=300, deadline=None)
@given(st.integers(1, 70), st.integers(1, 120), st.sampled_from([0.0, 0.0005, 0.01, 0.3, 1.0]), seeds)
def test_is_opencv(height, width, share, seed):
    cv2 = pytest.importorskip("cv2", reason="OpenCV is the definition here")
    cv2.ipp.setUseIPP(False)
    sites = np.random.default_rng(seed).random((height, width)) < share
    theirs = cv2.distanceTransform((~sites).astype(np.uint8), cv2.DIST_L2, 5)
    np.testing.assert_array_equal(distance_transform_chamfer(sites), theirs)


@pytest.mark.parametrize("name", CASES)
def test_cases_are_opencv(name, opencv):
    sites = CASES[name](700)
    np.testing.assert_array_equal(distance_transform_chamfer(sites), opencv(sites))


def test_values_at_the_limit_are_opencv(opencv):
    sites = np.zeros((3, 66_100), bool)
    sites[1, 5] = True
    found = distance_transform_chamfer(sites)
    np.testing.assert_array_equal(found, opencv(sites))
    assert found.max() == np.float32(65533.805) and found[1, 65_000] == 64_995


def test_is_near_the_exact_distance():
    sites = CASES["line drawing a"](400)
    exact = distance_transform(sites)
    assert (np.abs(distance_transform_chamfer(sites) - exact) <= 0.02 * exact + 1e-3).all()


def test_batches_and_threads():
    images = [CASES[name](90) for name in ("line drawing a", "diagonal", "no ink", "circle")]
    sites = np.stack(images).reshape(2, 2, 90, 90)
    expected = np.stack([distance_transform_chamfer(image) for image in images]).reshape(sites.shape)
    for threads in (1, 2, 3, 8):
        out = np.empty(sites.shape, np.float32)
        _C.distance_transform_chamfer(sites, out, _C.Context(threads=threads))
        assert out.tobytes() == expected.tobytes()
    for shape in [(0, 5), (5, 0), (0, 3, 4)]:
        assert distance_transform_chamfer(np.zeros(shape, bool)).shape == shape


def test_what_cannot_work_is_named():
    with pytest.raises(BadInput, match="sites: dtype float32 given"):
        distance_transform_chamfer(np.zeros((4, 6), np.float32))
    with pytest.raises(BadInput, match=r"out: shape \[4,5\] given"):
        distance_transform_chamfer(np.zeros((4, 6), bool), out=np.empty((4, 5), np.float32))
    memory = np.zeros(96, np.uint8)
    with pytest.raises(BadInput, match="out: shares memory with sites"):
        distance_transform_chamfer(memory[:24].reshape(4, 6), out=memory.view(np.float32).reshape(4, 6))


class TestTorch:
    @pytest.fixture(autouse=True)
    def torch(self):
        return pytest.importorskip("torch", reason="the torch operator needs torch")

    def test_same_as_numpy_and_well_formed(self, torch):
        sites = CASES["circle"](40)
        tensor, out = torch.from_numpy(sites), torch.empty(40, 40)
        expected = distance_transform_chamfer(sites)
        np.testing.assert_array_equal(distance_transform_chamfer(tensor).numpy(), expected)
        assert distance_transform_chamfer(tensor, out=out) is out
        np.testing.assert_array_equal(out.numpy(), expected)
        for given_sites in (tensor, torch.zeros(2, 0, 3, dtype=torch.uint8), torch.eye(9).byte().T[::2]):
            torch.library.opcheck(torch.ops.pyapdraw.distance_transform_chamfer.default, (given_sites,))

    def test_compiles_into_one_graph(self, torch):
        def normalised(sites):
            distance = distance_transform_chamfer(sites)
            return distance / distance.max()

        sites = torch.eye(12, dtype=torch.bool)
        compiled = torch.compile(normalised, fullgraph=True, backend="aot_eager")
        torch.testing.assert_close(compiled(sites), normalised(sites))
