from concurrent.futures import ThreadPoolExecutor

import numpy as np
import peer_facenet
import pytest
from cases_faces import error, noisy, portraits, rolled
from PIL import Image

from pyapdraw.errors import BadInput
from pyapdraw.faces import mtcnn
from pyapdraw.faces.detector import Detector


@pytest.fixture(scope="module")
def detector():
    return Detector()


@pytest.fixture(scope="module")
def astronaut():
    return pytest.importorskip("skimage.data").astronaut()


SETTINGS = [(20, (0.6, 0.7, 0.7), 0.709), (42, (0.6, 0.7, 0.7), 0.709), (60, (0.5, 0.6, 0.8), 0.8)]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_cascade_agrees_with_facenet(shared_dir, settings):
    """The same faces; points within 0.1 px, boxes within 0.5 px (measured: 0.0003 px)."""
    peer = peer_facenet.load()
    if peer is None:
        pytest.skip("facenet-pytorch is not installed in build/peers")
    least, thresholds, factor = settings
    theirs = peer(min_face_size=least, thresholds=list(thresholds), factor=factor, keep_all=True)
    ours = Detector(least, method="mtcnn", thresholds=thresholds, factor=factor)
    for name, photo, _ in portraits(shared_dir)[::3]:
        boxes, scores, points = theirs.detect(photo, landmarks=True)
        found = ours.detect(photo)
        assert len(found) == len(boxes), name
        for face, box, score, five in zip(found, boxes, scores, points):
            np.testing.assert_allclose(face.box_px, box.astype(float), atol=0.5, err_msg=name)
            np.testing.assert_allclose(face.landmarks_px, five.astype(float), atol=0.1, err_msg=name)
            assert abs(face.score - score) < 1e-4


def test_cascade_keeps_facenets_numbers(astronaut):
    """What facenet-pytorch 2.6.0 answers at min_face_size 20, recorded."""
    (face,) = Detector(20, method="mtcnn").detect(astronaut)
    np.testing.assert_allclose(face.box_px, [181.05, 62.16, 267.75, 172.05], atol=0.1)
    five = [[205.01, 101.73], [246.76, 103.71], [224.67, 128.96], [201.72, 139.25], [245.27, 141.86]]
    np.testing.assert_allclose(face.landmarks_px, five, atol=0.05)


def test_stripes_of_p_net_join_seamlessly(monkeypatch):
    nets = mtcnn.Nets(1)
    image = np.random.default_rng(0).normal(size=(1, 151, 97, 3)).astype(np.float32)
    striped = nets.propose(image)
    monkeypatch.setattr(mtcnn, "STRIPE_BYTES", 1 << 30)
    assert striped.shape == (71, 44, 5) and np.array_equal(striped, nets.propose(image))


def test_any_roll(shared_dir, detector):
    """22 portraits x 12 rolls, on black and white, canvas grown or not: 98 % within 0.05 eye distances."""
    errors = []
    for i, (_, photo, truth) in enumerate(portraits(shared_dir)):
        for j, degrees in enumerate(range(0, 360, 30)):
            image, points = rolled(photo, truth, degrees, expand=(i + j) % 2 == 0, fill=255 * (i // 2 % 2))
            found = detector.detect(image)
            errors.append(error(found[0].landmarks_px, points) if len(found) == 1 else np.inf)
    assert np.mean(np.array(errors) <= 0.05) >= 0.98
    assert np.mean(errors) < 0.026


def test_roll_of_a_free_picture(astronaut, detector):
    (upright,) = detector.detect(astronaut)
    for degrees in (45, 100, 180, 260):
        image, points = rolled(astronaut, upright.landmarks_px, degrees)
        (face,) = detector.detect(image)
        assert error(face.landmarks_px, points) < 0.02
    x0, y0, x1, y1 = upright.box_px
    assert x0 < upright.landmarks_px[:, 0].min() and upright.landmarks_px[:, 0].max() < x1
    assert y0 < upright.landmarks_px[:, 1].min() and upright.landmarks_px[:, 1].max() < y1
    assert upright.landmarks_px[0, 0] < upright.landmarks_px[1, 0]


def test_crowd_of_two_hundred(shared_dir, detector):
    photos = portraits(shared_dir)
    tile, sheet, truths = 64, np.zeros((640, 1280, 3), np.uint8), []
    for i in range(200):
        _, photo, truth = photos[i % len(photos)]
        y, x = i // 20 * tile, i % 20 * tile
        sheet[y : y + tile, x : x + tile] = Image.fromarray(photo).resize((tile, tile), Image.Resampling.LANCZOS)
        truths.append((truth + 0.5) * tile / 512 - 0.5 + [x, y])
    found = detector.detect(sheet)
    centres = np.array([f.landmarks_px.mean(0) for f in found])
    errors = []
    for truth in truths:
        nearest = np.linalg.norm(centres - truth.mean(0), axis=1).argmin()
        errors.append(error(found[nearest].landmarks_px, truth))
    assert len(found) <= 202
    assert np.mean(np.array(errors) < 0.1) >= 0.98
    areas = [(f.box_px[2] - f.box_px[0]) * (f.box_px[3] - f.box_px[1]) for f in found]
    assert areas == sorted(areas, reverse=True)


def test_harder_pictures(shared_dir, detector):
    """Dark, noisy, small, large, cut by the border, grey: found, and the points are where they belong."""
    rng = np.random.default_rng(0)
    for _, photo, truth in portraits(shared_dir)[1::7]:
        eyes = np.linalg.norm(truth[1] - truth[0])
        left = int(truth[:, 0].mean() - eyes)
        large = np.asarray(Image.fromarray(photo).resize((2600, 2600), Image.Resampling.BILINEAR))
        small = np.asarray(Image.fromarray(photo).resize((48, 48), Image.Resampling.LANCZOS))
        cases = {
            "dark": ((photo * 0.2).astype(np.uint8), truth, 0.06),
            "noisy": (noisy(photo, rng, 40), truth, 0.06),
            "grey": (photo.mean(axis=2).astype(np.uint8), truth, 0.05),
            "mirrored view": (photo[:, ::-1], [511, 0] + truth[[1, 0, 2, 4, 3]] * [-1, 1], 0.05),
            "cut": (photo[:, left:], truth - [left, 0], 0.08),
            "large": (large, (truth + 0.5) * 2600 / 512 - 0.5, 0.05),
            "small": (small, (truth + 0.5) * 48 / 512 - 0.5, 0.08),
        }
        for name, (image, points, limit) in cases.items():
            found = detector.detect(image)
            assert len(found) == 1 and error(found[0].landmarks_px, points) < limit, name


def test_no_face(detector):
    rng = np.random.default_rng(0)
    assert detector.detect(rng.integers(0, 256, (300, 400, 3), np.uint8)) == []
    smooth = Image.fromarray(rng.integers(0, 256, (20, 30, 3), np.uint8)).resize((480, 320), Image.Resampling.BICUBIC)
    assert detector.detect(np.asarray(smooth)) == []
    for shape in ((1, 1, 3), (1, 300, 3), (300, 1), (12, 12, 3), (13, 40)):
        for value in (0, 255):
            assert detector.detect(np.full(shape, value, np.uint8)) == []


def test_animals_and_textures_are_no_faces(detector):
    data = pytest.importorskip("skimage.data")
    for name in ("chelsea", "coffee", "brick", "camera", "coins"):  # those that come with the package
        assert detector.detect(np.ascontiguousarray(getattr(data, name)())) == [], name


def test_same_answer_from_any_number_of_threads(astronaut, detector):
    (one,) = Detector(threads=1).detect(astronaut)
    with ThreadPoolExecutor(4) as pool:
        many = list(pool.map(detector.detect, [astronaut] * 8))
    for (face,) in many:
        assert face.box_px == one.box_px and np.array_equal(face.landmarks_px, one.landmarks_px)


@pytest.mark.parametrize(
    "image, message",
    [
        (np.zeros((5, 5, 3), np.float32), "float32 array given"),
        (np.zeros((5, 5, 4), np.uint8), r"shape \[5, 5, 4\]"),
        (np.zeros((0, 5, 3), np.uint8), "at least one pixel"),
        ([[1]], "list given"),
    ],
)
def test_wrong_images_are_refused(detector, image, message):
    with pytest.raises(BadInput, match=message):
        detector.detect(image)


@pytest.mark.parametrize(
    "options", [{"min_face_px": 5}, {"min_face_px": float("nan")}, {"method": "haar"}, {"factor": 1.0}]
)
def test_wrong_options_are_refused(options):
    with pytest.raises(BadInput, match=next(iter(options))):
        Detector(**options)


def test_shipped_weights_are_the_published_ones():
    torch = pytest.importorskip("torch")
    from pyapdraw import weights
    from pyapdraw.training.shipped.mtcnn_convert import convert

    if peer_facenet.load() is None:
        pytest.skip("facenet-pytorch is not installed in build/peers")
    folder = peer_facenet.folder()
    expected = {}
    for net in ("pnet", "rnet", "onet"):
        state = torch.load(folder / "data" / f"{net}.pt", weights_only=True)
        expected |= convert(net, {key: value.numpy() for key, value in state.items()})
    shipped = weights.load("mtcnn")
    assert shipped.keys() == expected.keys()
    assert all(np.array_equal(shipped[key], expected[key]) for key in expected)
