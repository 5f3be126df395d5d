"""Faces: speed against facenet-pytorch at equal settings, tracked frames, head roll, jitter.

    python bench/bench_faces.py [--threads 2] [--seconds 5] [--json rows.json]

facenet-pytorch is compared where it is found (see tests/peer_facenet.py). One call is all portraits once. The tables
after it are of quality, and of the time of single frames: median and 95 %.
"""

import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
from record import Suite

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "tests"))

import peer_facenet  # noqa: E402
from cases_faces import error, noisy, placed, portraits, rolled  # noqa: E402

from pyapdraw.faces.detector import Detector  # noqa: E402
from pyapdraw.faces.tracking import Tracker  # noqa: E402

clock = time.perf_counter
PEER = "facenet-pytorch"


def elapsed_ms(call):
    start = clock()
    answer = call()
    return (clock() - start) * 1e3, answer


def against_facenet(suite, photos):
    """All portraits once a call; thresholds 0.6 0.7 0.7, factor 0.709, the least face as named."""
    peer = peer_facenet.load()
    if peer is None:
        print("facenet-pytorch: not there, left out (bench/README.md says how to get it)")
    for least in (20, 42, 85):
        for threads in suite.threads:
            ours = Detector(least, threads, method="mtcnn")
            candidates = {"pyapdraw": lambda d=ours: [d.detect(photo) for _, photo, _ in photos]}
            theirs = None
            if peer is not None:
                import torch

                torch.set_num_threads(threads)
                theirs = peer(min_face_size=least, keep_all=True)
                candidates[PEER] = lambda d=theirs: [d.detect(photo, landmarks=True) for _, photo, _ in photos]
            goals = {"must": {PEER: 3.0}} if theirs is not None else {}
            title = f"MTCNN, {len(photos)} portraits of 512 px, least face {least} px"
            check = partial(same_faces, ours, theirs, photos)
            suite.compare(title, candidates, check=check, threads=threads, pixels=len(photos) * 512 * 512, **goals)


def same_faces(ours, theirs, photos):
    """The same faces, points within 0.1 px."""
    for name, photo, _ in photos if theirs is not None else []:
        found, (boxes, _, points) = ours.detect(photo), theirs.detect(photo, landmarks=True)
        assert len(found) == len(boxes), f"{name}: {len(found)} faces found, facenet-pytorch finds {len(boxes)}"
        apart = max(abs(f.landmarks_px - q.astype(float)).max() for f, q in zip(found, points))
        assert apart <= 0.1, f"{name}: points {apart:.3f} px apart"


def any_roll(photos, threads):
    detector = Detector(threads=threads)
    print("\nAny roll: mean error of the five points in eye distances, one face expected")
    print(f"{'roll':>5} {'ok (<= 0.05)':>13} {'mean':>7} {'most':>7} {'ms':>6}")
    everything = []
    for degrees in range(0, 360, 30):
        errors, times = [], []
        for i, (_, photo, truth) in enumerate(photos):
            image, points = rolled(photo, truth, degrees, expand=i % 2 == 0, fill=255 * (i // 2 % 2))
            ms, found = elapsed_ms(lambda: detector.detect(image))  # noqa: B023
            errors.append(error(found[0].landmarks_px, points) if len(found) == 1 else np.inf)
            times.append(ms)
        good = np.array(errors) <= 0.05
        everything += good.tolist()
        ms, mean, most = np.median(times), np.mean(errors), np.max(errors)
        print(f"{degrees:5d} {good.sum():7d} of {len(good)} {mean:7.4f} {most:7.4f} {ms:6.1f}")
    print(f"  all {sum(everything):7d} of {len(everything)}")


def tracked_frames(photos, threads):
    rng = np.random.default_rng(0)
    print("\nTracking at 1280x720, one head, fresh noise of sigma 4 a frame")
    detector, times, searches = Detector(threads=threads), [], []
    for _, photo, truth in photos[::4]:
        frames = [noisy(placed(photo, truth, (400 + 8 * k, 360))[0], rng) for k in range(40)]
        tracker = Tracker(detector)
        for k, frame in enumerate(frames):
            ms, _ = elapsed_ms(lambda: tracker.update(frame, k / 30))  # noqa: B023
            if k:
                (searches if k % tracker.search_every == 0 else times).append(ms)
    for name, values in (("frame", times), ("frame with a search", searches)):
        print(f"  {name:20} median {np.median(values):5.1f} ms, 95 % {np.percentile(values, 95):5.1f} ms")
    jitter = []
    for _, photo, _ in photos[::3]:
        tracker = Tracker(detector)
        points = np.array([tracker.update(noisy(photo, rng), k / 30)[0].landmarks_px for k in range(35)])[5:]
        jitter.append(np.sqrt(((points - points.mean(0)) ** 2).sum(-1).mean()))
    print(f"  still head, 512x512: landmarks move {np.mean(jitter):.3f} px rms, at most {max(jitter):.3f} (goal 0.1)")


def main():
    suite = Suite("faces", __doc__)
    shared = next((p / "shared" for p in ROOT.parents if (p / "shared").is_dir()), None)
    if shared is None:
        print("no shared/ folder with data/portraits beside the checkout: nothing measured")
        return suite.finish()
    photos = portraits(shared)
    against_facenet(suite, photos)
    code = suite.finish()
    if not suite.quick:
        any_roll(photos, suite.threads[0])
        tracked_frames(photos, suite.threads[0])
    return code


if __name__ == "__main__":
    sys.exit(main())
