"""Distance transforms beside OpenCV (precise), edt and SciPy: same images and threads, answers checked first.

    python bench/bench_distance_transform.py [--sizes 256 512 1024] [--threads 1 2] [--seconds 0.5]

Columns: our milliseconds, then each peer's milliseconds and how many times as long it takes (x). "cv2 5x5" is the
approximate mask of the official training code; it is listed because it is what the exact map replaces.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from timing import interleaved, table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from cases_distance_transform import CASES

from pyapdraw import _C
from pyapdraw.ops import distance_transform


def peers(sites: np.ndarray, threads: int) -> dict:
    """Name -> (call, largest error in px that still counts as exact, or None for a peer known to be approximate)."""
    found = {}
    inverse = (~sites).astype(np.uint8)
    try:
        import cv2

        cv2.setNumThreads(threads)
        found["cv2 precise"] = (lambda: cv2.distanceTransform(inverse, cv2.DIST_L2, cv2.DIST_MASK_PRECISE), 1e-3)
        found["cv2 5x5"] = (lambda: cv2.distanceTransform(inverse, cv2.DIST_L2, 5), None)
    except ImportError:
        pass
    try:
        import edt

        found["edt"] = (lambda: edt.edt(inverse, parallel=threads), 1e-3)
    except ImportError:
        pass
    try:
        from scipy import ndimage

        if threads == 1:
            found["scipy"] = (lambda: ndimage.distance_transform_edt(inverse), 1e-3)
    except ImportError:
        pass
    return found


def one_row(name: str, sites: np.ndarray, threads: int, seconds: float) -> list[str]:
    out = np.empty(sites.shape, np.float32)
    context = _C.Context(threads=threads)
    others = peers(sites, threads)
    expected = distance_transform(sites)
    for peer, (call, tolerance) in others.items():
        if tolerance is not None and np.abs(call() - expected).max() > tolerance:
            raise SystemExit(f"{peer} disagrees on {name}")
    calls = {"pyapdraw": lambda: _C.distance_transform(sites, out, False, context)}
    calls.update({peer: call for peer, (call, _) in others.items()})
    ms = interleaved(calls, seconds)
    ours = ms.pop("pyapdraw")
    return [
        f"{sites.shape[0]} {name}",
        str(threads),
        f"{ours:.2f}",
        *(f"{m:.2f} ({m / ours:.1f}x)" for m in ms.values()),
    ]


def pair_rows(size: int, threads: int, seconds: float) -> list[list[str]]:
    """Both maps of a drawing: one call against two."""
    rows = [["both maps", "threads", "pyapdraw pair", "pyapdraw twice", "cv2 precise twice"]]
    for images in (1, 16):
        ink = np.stack([CASES["line drawing a"](size)] * images)
        paper, to_ink, to_paper = ~ink, *np.empty((2, *ink.shape), np.float32)
        context = _C.Context(threads=threads)

        def twice(ink=ink, paper=paper, to_ink=to_ink, to_paper=to_paper, context=context):
            _C.distance_transform(ink, to_ink, False, context)
            _C.distance_transform(paper, to_paper, False, context)

        calls = {
            "pair": lambda: _C.distance_transform_pair(ink, to_ink, to_paper, False, context),  # noqa: B023
            "twice": twice,
        }
        one = [peers(i, threads)["cv2 precise"][0] for x in (ink, paper) for i in x]
        calls["cv2"] = lambda: [call() for call in one]  # noqa: B023
        ms = interleaved(calls, seconds)
        ours = ms["pair"]
        rows.append([f"{images} x {size} line drawing", str(threads), f"{ours:.2f}"])
        rows[-1] += [f"{m:.2f} ({m / ours:.1f}x)" for m in list(ms.values())[1:]]
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 512, 1024])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--seconds", type=float, default=0.5, help="spent on each row")
    given = parser.parse_args()
    for threads in given.threads:
        names = list(peers(CASES["point"](8), threads))
        rows = [["image", "threads", "pyapdraw", *names]]
        for size in given.sizes:
            rows += [one_row(n, c(size), threads, given.seconds) for n, c in CASES.items() if c(size).any()]
        print(table(rows) + "\n", flush=True)
        if "cv2 precise" in names:
            print(table(pair_rows(512, threads, given.seconds)) + "\n", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
