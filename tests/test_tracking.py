import numpy as np
import pytest
from cases_faces import error, noisy, placed, portraits

from pyapdraw.faces.detector import Detector
from pyapdraw.faces.tracking import OneEuro, Tracker

FPS = 30


@pytest.fixture(scope="module")
def detector():
    return Detector()


def run(tracker, frames, start=0):
    return [tracker.update(frame, (start + k) / FPS) for k, frame in enumerate(frames)]


def test_one_euro_is_an_exponential_filter_at_rest_and_follows_motion():
    rest = OneEuro(min_cutoff_hz=1.0, beta=0.0)
    rest(np.zeros(1, complex), 1 / FPS)
    rate = 2 * np.pi / FPS
    assert rest(np.ones(1, complex), 1 / FPS)[0] == pytest.approx(rate / (1 + rate))
    fast = OneEuro()
    for k in range(60):
        value = fast(np.array([20.0 * k + 0j]), 1 / FPS)
    assert 0 < 20 * 59 - value[0].real < 2


def test_still_head_rests(shared_dir, detector):
    """One photo with fresh sensor noise a frame: landmarks stay within 0.1 px rms (measured: 0.03)."""
    rng = np.random.default_rng(0)
    for _, photo, truth in portraits(shared_dir)[::7]:
        faces = run(Tracker(detector), [noisy(photo, rng) for _ in range(25)])
        assert all(len(f) == 1 and f[0].track == 0 for f in faces)
        points = np.array([f[0].landmarks_px for f in faces[5:]])
        assert np.sqrt(((points - points.mean(0)) ** 2).sum(-1).mean()) <= 0.1
        boxes = np.array([f[0].box_px for f in faces[5:]])
        assert boxes.std(0).max() < 0.5
        assert error(points.mean(0), truth) < 0.05


def test_moving_head_does_not_lag(shared_dir, detector):
    rng = np.random.default_rng(0)
    _, photo, truth = portraits(shared_dir)[1]
    tracker, offsets = Tracker(detector), []
    for k in range(40):
        frame, points = placed(photo, truth, (300 + 20 * max(0, min(k, 30) - 5), 360))
        (face,) = tracker.update(noisy(frame, rng), k / FPS)
        assert face.track == 0
        offsets.append((face.landmarks_px - points).mean(0)[0])
    assert np.abs(np.array(offsets) - offsets[4]).max() <= 2.5  # the first moving frame
    assert np.abs(np.array(offsets[8:]) - offsets[4]).max() <= 2


def test_rolling_camera_keeps_the_track(shared_dir, detector):
    rng = np.random.default_rng(0)
    _, photo, truth = portraits(shared_dir)[4]
    tracker = Tracker(detector)
    for k in range(73):
        frame, points = placed(photo, truth, (640, 360), scale=0.9, degrees=5 * k)
        (face,) = tracker.update(noisy(frame, rng), k / FPS)
        assert face.track == 0 and error(face.landmarks_px, points) < 0.06


def test_cut_gives_a_new_person_a_new_number(shared_dir, detector):
    rng = np.random.default_rng(0)
    people = portraits(shared_dir)
    for a, b in zip(people[::5], people[1::5]):
        tracker = Tracker(detector)
        before = run(tracker, [noisy(a[1], rng) for _ in range(3)])
        after = run(tracker, [noisy(b[1], rng) for _ in range(3)], start=3)
        assert [[f.track for f in faces] for faces in before] == [[0]] * 3
        assert [[f.track for f in faces] for faces in after] == [[1]] * 3
        assert error(after[0][0].landmarks_px, b[2]) < 0.05


def test_flash_is_no_cut(shared_dir, detector):
    _, photo, _ = portraits(shared_dir)[2]
    flash = np.minimum(photo * 1.5 + 40, 255).astype(np.uint8)
    faces = run(Tracker(detector), [photo] * 3 + [flash] * 2 + [photo] * 3)
    assert [[f.track for f in frame] for frame in faces] == [[0]] * 8


def test_face_leaves_and_another_comes(shared_dir, detector):
    _, photo, truth = portraits(shared_dir)[2]
    empty = placed(photo, truth, (-2000, 360))[0]
    there = placed(photo, truth, (500, 360))[0]
    tracker = Tracker(detector)
    faces = run(tracker, [there] * 4 + [empty] * 12 + [there] * 8)
    numbers = [[f.track for f in frame] for frame in faces]
    assert numbers[:4] == [[0]] * 4
    assert numbers[15] == [] and numbers[12] == []  # a quarter of a second is held at most
    assert numbers[-1] == [1]


def test_second_face_is_found_beside_the_first(shared_dir, detector):
    (_, one, points), (_, two, _) = portraits(shared_dir)[2:4]
    frame = placed(one, points, (300, 360))[0].copy()
    both = frame.copy()
    both[104:616, 700:1212] = two
    faces = run(Tracker(detector), [frame] * 4 + [both] * 14)
    assert [f.track for f in faces[3]] == [0]
    assert sorted(f.track for f in faces[-1]) == [0, 1]


def test_short_occlusion_keeps_the_number(shared_dir, detector):
    _, photo, truth = portraits(shared_dir)[2]
    there = placed(photo, truth, (500, 360))[0]
    hidden = there.copy()
    hidden[200:560, 300:700] = 60
    faces = run(Tracker(detector), [there] * 4 + [hidden] * 4 + [there] * 6)
    assert all(len(frame) == 1 for frame in faces)
    assert {f.track for frame in faces for f in frame} == {0}


def test_odd_times_and_reset(detector):
    astronaut = pytest.importorskip("skimage.data").astronaut()
    tracker = Tracker(detector)
    for time_s in (0.0, 0.0, -1.0, 100.0, 100.01, float("nan")):
        (face,) = tracker.update(astronaut, time_s)
        assert face.track == 0 and np.isfinite(face.landmarks_px).all()
    tracker.reset()
    assert [f.track for f in tracker.update(astronaut, 0.0)] == [1]
    assert tracker.update(np.zeros((1, 1, 3), np.uint8), 1.0) == []  # another size: another video
    assert tracker.update(np.zeros((2, 300), np.uint8), 1.1) == []
    assert [f.track for f in tracker.update(astronaut, 1.2)] == [2]
    assert tracker.update(np.zeros_like(astronaut), 9.0) == []  # a long gap is not held over
