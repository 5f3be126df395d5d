"""Style `ink`: time of a drawing beside OpenCV's pencil sketch, and how near its drawings are to a trained model's.

    python bench/bench_ink.py            speed, then quality where a shared/ folder with pairs lies beside the checkout
    python bench/bench_ink.py --quick    fewer repetitions

Speed: one process, runs interleaved, medians in ms of wall time; the answer is checked before it is timed.
Quality: F of ink boundaries within 2 px and tone difference at sigma 4 px (pyapdraw/metrics/boundary.py), a pair a row.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import cases_ink as cases

from pyapdraw.errors import WeightsError
from pyapdraw.metrics.boundary import boundary_f, tone_difference
from pyapdraw.models.ink import Ink


def pencil_sketch(side_px: int) -> Callable[[], object] | None:
    """OpenCV's non-photorealistic sketch of the same picture, or None without OpenCV."""
    try:
        import cv2
    except ImportError:
        return None
    if not hasattr(cv2, "pencilSketch"):
        return None
    picture = np.ascontiguousarray(cases.face(side_px)[0][:, :, ::-1])
    return lambda: cv2.pencilSketch(picture)


def medians(runs: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median ms of each, run in turn so that a slow moment of the machine meets all of them."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats + 1):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            times[name].append((time.perf_counter() - start) * 1e3)
    return {name: statistics.median(values[1:]) for name, values in times.items()}


def speed(repeats: int) -> None:
    """Prints ms a drawing at several sizes, one and two threads, and the peer."""
    print(f"{'side px':>8} {'ink 1 thread':>13} {'ink 2 threads':>14} {'pencilSketch':>13}")
    for side_px in (256, 512, 1024):
        pixels, mask, landmarks_px = cases.face(side_px)
        one, two = Ink(threads=1), Ink(threads=2)
        if not np.array_equal(one.draw(pixels, mask, landmarks_px), two.draw(pixels, mask, landmarks_px)):
            raise SystemExit("the drawing depends on the number of threads")
        runs: dict[str, Callable[[], object]] = {
            "one": lambda p=pixels, m=mask, l=landmarks_px, s=one: s.draw(p, m, l),
            "two": lambda p=pixels, m=mask, l=landmarks_px, s=two: s.draw(p, m, l),
        }
        peer = pencil_sketch(side_px)
        if peer:
            runs["peer"] = peer
        ms = medians(runs, repeats if side_px < 1024 else max(3, repeats // 4))
        print(f"{side_px:8d} {ms['one']:13.1f} {ms['two']:14.1f} {ms.get('peer', float('nan')):13.1f}")


def quality(shared: Path) -> None:
    """Prints F and tone difference of each pair and their means."""
    from pyapdraw.mask import PersonMask

    segment = PersonMask()
    rows = []
    print(f"{'pair':>12} {'F':>7} {'tone':>7}")
    for path in sorted((shared / "data" / "pairs" / "photo").glob("*.png")):
        pixels = np.asarray(Image.open(path).convert("RGB"))
        reference = np.asarray(Image.open(path.parents[1] / "drawing" / path.name).convert("L"))
        drawing = Ink().draw(pixels, segment(pixels), cases.TEMPLATE_PX)
        rows.append((boundary_f(drawing, reference), tone_difference(drawing, reference)))
        print(f"{path.stem:>12} {rows[-1][0]:7.3f} {rows[-1][1]:7.4f}")
    mean_f, mean_tone = np.mean(rows, 0)
    print(f"{'mean':>12} {mean_f:7.3f} {mean_tone:7.4f}   (asked for: at least 0.690, at most 0.0720)")


def main() -> int:
    """Speed, then quality where there are pairs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer repetitions")
    speed(5 if parser.parse_args().quick else 40)
    for folder in Path(__file__).resolve().parents:
        if (folder / "shared" / "data" / "pairs").is_dir():
            try:
                quality(folder / "shared")
            except WeightsError as error:
                print(f"no quality table: {error}")
            break
    return 0


if __name__ == "__main__":
    sys.exit(main())
