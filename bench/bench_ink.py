"""Style `ink`: time of a drawing beside OpenCV's pencil sketch, and how near its drawings are to a trained model's.

    python bench/bench_ink.py [--threads 1 2] [--seconds 2] [--json rows.json]

Speed: bench/record.py; the peer draws another picture, so its answer cannot be compared, and ours must be the same on
any number of threads. Quality, where a shared/ folder with pairs lies beside the checkout: F of ink boundaries within
2 px and tone difference at sigma 4 px (pyapdraw/metrics/boundary.py), a pair a row.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from record import Suite

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import cases_ink as cases

from pyapdraw.errors import WeightsError
from pyapdraw.metrics.boundary import boundary_f, tone_difference
from pyapdraw.style.ink import Ink

PEER = "cv2.pencilSketch"


def pencil_sketch(side_px: int, threads: int) -> Callable[[], object] | None:
    """OpenCV's non-photorealistic sketch of the same picture, or None without OpenCV."""
    try:
        import cv2
    except ImportError:
        return None
    if not hasattr(cv2, "pencilSketch"):
        return None
    cv2.setNumThreads(threads)
    picture = np.ascontiguousarray(cases.face(side_px)[0][:, :, ::-1])
    return lambda: cv2.pencilSketch(picture)


def speed(suite: Suite) -> None:
    """Rows of several sizes, beside the peer at 512 px."""
    for side_px in (256, 512, 1024):
        pixels, mask, landmarks_px = cases.face(side_px)
        alone = Ink(threads=1).draw_crop(pixels, mask, landmarks_px)
        for threads in suite.threads:
            style = Ink(threads=threads)
            candidates: dict[str, Callable[[], object]] = {
                "pyapdraw": lambda s=style, p=pixels, m=mask, l=landmarks_px: s.draw(p, m, l)
            }
            sketch = pencil_sketch(side_px, threads)
            if sketch:
                candidates[PEER] = sketch

            def same_drawing(s=style, p=pixels, m=mask, l=landmarks_px, expected=alone) -> None:
                assert np.array_equal(s.draw(p, m, l), expected), "the drawing depends on the number of threads"

            goals = {"must": {PEER: 1.0}, "aim": {PEER: 5.0}} if sketch and side_px == 512 else {}
            suite.compare(
                f"{side_px} px", candidates, check=same_drawing, threads=threads, pixels=side_px * side_px,
                moved_bytes=5 * side_px * side_px,  # colours and mask in, drawing out
                **goals,
            )  # fmt: skip


def quality(shared: Path) -> None:
    """Prints F and tone difference of each pair and their means."""
    from pyapdraw.faces.masks import PersonMask

    segment = PersonMask()
    rows = []
    print(f"{'pair':>12} {'F':>7} {'tone':>7}")
    for path in sorted((shared / "data" / "pairs" / "photo").glob("*.png")):
        pixels = np.asarray(Image.open(path).convert("RGB"))
        reference = np.asarray(Image.open(path.parents[1] / "drawing" / path.name).convert("L"))
        drawing = Ink().draw_crop(pixels, segment(pixels), cases.TEMPLATE_PX)
        rows.append((boundary_f(drawing, reference), tone_difference(drawing, reference)))
        print(f"{path.stem:>12} {rows[-1][0]:7.3f} {rows[-1][1]:7.4f}")
    mean_f, mean_tone = np.mean(rows, 0)
    print(f"{'mean':>12} {mean_f:7.3f} {mean_tone:7.4f}   (asked for: at least 0.690, at most 0.0720)")


def main() -> int:
    """Speed, then quality where there are pairs."""
    suite = Suite("ink", __doc__)
    speed(suite)
    code = suite.finish()
    for folder in Path(__file__).resolve().parents:
        if (folder / "shared" / "data" / "pairs").is_dir():
            try:
                quality(folder / "shared")
            except WeightsError as error:
                print(f"no quality table: {error}")
            break
    return code


if __name__ == "__main__":
    sys.exit(main())
