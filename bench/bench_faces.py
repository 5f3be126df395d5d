"""Faces: speed against facenet-pytorch at equal settings, tracked frames, head roll, jitter.

    PYTHONPATH=. python bench/bench_faces.py [--threads 2] [--repeats 5] [--shared FOLDER]

facenet-pytorch is compared where it is found (see tests/peer_facenet.py); its answers are compared before anything is
timed. Ours and theirs take turns, a round over all photos each, each in its own threads; the median is printed.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

import peer_facenet  # noqa: E402
from cases_faces import error, noisy, placed, portraits, rolled  # noqa: E402

from pyapdraw.faces import Detector  # noqa: E402
from pyapdraw.tracking import Tracker  # noqa: E402

clock = time.perf_counter
SETTLE_S = 0.3  # torch's threads spin for a while after their work and would slow whoever comes next


def elapsed_ms(call):
    start = clock()
    answer = call()
    return (clock() - start) * 1e3, answer


def against_facenet(photos, threads, repeats):
    peer = peer_facenet.load()
    print(f"\nMTCNN at 512x512, {threads} threads, thresholds 0.6 0.7 0.7, factor 0.709")
    print(f"{'min_face':>8} {'points differ':>14} {'boxes differ':>13} {'facenet ms':>11} {'ours ms':>8} {'times':>6}")
    for least in (20, 42, 85):
        ours = Detector(least, threads, method="mtcnn")
        theirs = None
        points = boxes = 0.0
        if peer is not None:
            import torch

            torch.set_num_threads(threads)
            theirs = peer(min_face_size=least, keep_all=True)
            for _, photo, _ in photos:
                found, (b, _, p) = ours.detect(photo), theirs.detect(photo, landmarks=True)
                if len(found) != len(b):
                    sys.exit(f"{len(found)} faces found, facenet-pytorch finds {len(b)}")
                points = max(points, max(abs(f.landmarks_px - q.astype(float)).max() for f, q in zip(found, p)))
                boxes = max(boxes, max(abs(np.array(f.box_px) - q.astype(float)).max() for f, q in zip(found, b)))
        mine, other = [], []
        for _ in range(repeats):
            time.sleep(SETTLE_S)
            mine += [elapsed_ms(lambda: ours.detect(photo))[0] for _, photo, _ in photos]  # noqa: B023
            if theirs is not None:
                time.sleep(SETTLE_S)
                other += [elapsed_ms(lambda: theirs.detect(photo, landmarks=True))[0] for _, photo, _ in photos]  # noqa: B023
        slow = f"{np.median(other):11.1f}" if other else "not there".rjust(11)
        ratio = f"{np.median(other) / np.median(mine):6.1f}" if other else ""
        print(f"{least:8d} {points:11.4f} px {boxes:10.4f} px {slow} {np.median(mine):8.1f} {ratio}")


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
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument(
        "--shared", type=Path, default=next((p / "shared" for p in ROOT.parents if (p / "shared").is_dir()), None)
    )
    parser.add_argument("--cpu", action="store_true", help="count processor time of all threads, for busy machines")
    args = parser.parse_args()
    if args.cpu:
        global clock
        clock = time.process_time
    if args.shared is None:
        sys.exit("--shared: a folder with data/portraits is needed")
    photos = portraits(args.shared)
    against_facenet(photos, args.threads, args.repeats)
    any_roll(photos, args.threads)
    tracked_frames(photos, args.threads)


if __name__ == "__main__":
    main()
