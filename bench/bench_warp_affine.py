"""Crops of 512 px out of photos, whole photos to 512 px, and drawings back into a frame: beside OpenCV and Pillow.

    python bench/bench_warp_affine.py [--threads 1 2] [--seconds 0.5]

Answers are compared before anything is timed. OpenCV's warp rounds its coordinates to 1/32 px, and neither peer has a
filtered warp: "cv2 area + warp" reduces the whole photo first, which is what a program without one would do.
"""

import argparse
import os
import sys
from pathlib import Path

import numpy as np
from timing import interleaved, table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from cases_images import PHOTOS, similarity, smooth_noise

from pyapdraw import _C
from pyapdraw.composite import Canvas, Drawing


def photo(name: str) -> tuple[np.ndarray, np.ndarray]:
    height, width, scale = PHOTOS[name]
    tiles = max(1, height // 1000)
    pixels = np.tile(smooth_noise(-(-height // tiles), -(-width // tiles)), (tiles, tiles, 1))[:height, :width]
    return np.ascontiguousarray(pixels), similarity(scale, 6, (width / 2, height / 2), (256, 256))


def close(mine: np.ndarray, theirs: np.ndarray, mean: float) -> None:
    difference = np.abs(mine.astype(int) - theirs)
    assert difference.mean() <= mean, f"answers differ by {difference.mean():.2f} on average"


def warps(pixels: np.ndarray, matrix: np.ndarray, threads: int) -> dict:
    out, ctx = np.empty((512, 512, 3), np.uint8), _C.Context(threads=threads)

    def ours(filter):
        _C.warp_affine(pixels, matrix, out, filter, "constant", 255.0, ctx)
        return out

    found = {"bilinear": lambda: ours("bilinear"), "antialias": lambda: ours("antialias")}
    try:
        import cv2
    except ImportError:
        return found
    cv2.setNumThreads(threads)
    border = {"borderMode": cv2.BORDER_CONSTANT, "borderValue": (255, 255, 255)}
    scale = float(np.sqrt(np.linalg.det(matrix[:, :2])))
    half = matrix @ np.array([[1 / scale, 0, 0.5 / scale - 0.5], [0, 1 / scale, 0.5 / scale - 0.5], [0, 0, 1]])

    def reduced():
        small = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        return cv2.warpAffine(small, half, (512, 512), flags=cv2.INTER_LINEAR, **border)

    found["cv2 warp"] = lambda: cv2.warpAffine(pixels, matrix, (512, 512), flags=cv2.INTER_LINEAR, **border)
    found["cv2 area + warp"] = reduced
    close(ours("bilinear"), found["cv2 warp"](), 1.0)
    close(ours("antialias"), reduced(), 3.0)
    return found


def resizes(pixels: np.ndarray, threads: int) -> dict:
    out, ctx = np.empty((512, 512, 3), np.uint8), _C.Context(threads=threads)

    def ours():
        _C.resize(pixels, out, ctx)
        return out

    found = {"resize": ours}
    try:
        import cv2

        cv2.setNumThreads(threads)
        found["cv2 area"] = lambda: cv2.resize(pixels, (512, 512), interpolation=cv2.INTER_AREA)
        close(ours(), found["cv2 area"](), 4.0)
    except ImportError:
        pass
    from PIL import Image

    image = Image.fromarray(pixels)
    found["Pillow"] = lambda: np.asarray(image.resize((512, 512), Image.Resampling.BILINEAR))
    close(ours(), found["Pillow"](), 1.0)
    return found


def pastes() -> dict:
    """A 512 px drawing put back into a 720p frame at scale 1; on the process's threads."""
    frame = smooth_noise(720, 1280)
    side = np.arange(512)
    pixels = np.where((side[:, None] + side) % 16 < 3, 0, 255).astype(np.uint8)
    drawing = Drawing(pixels, np.full((512, 512), 255, np.uint8))
    to_crop = similarity(1.0, 6, (640, 360), (256, 256))

    def one(background, out):
        canvas = Canvas(frame, background)
        canvas.add(drawing, to_crop)
        return canvas.result(out)

    grey, colour = np.empty((720, 1280), np.uint8), np.empty((720, 1280, 3), np.uint8)
    return {b: (lambda b=b, o=o: one(b, o)) for b, o in (("white", grey), ("keep", colour), ("photo", colour))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, nargs="+", default=sorted({1, min(2, os.cpu_count() or 1)}))
    parser.add_argument("--seconds", type=float, default=0.5)
    args = parser.parse_args()
    for threads in args.threads:
        for title, candidates in (("crop to 512 px", warps), ("photo to 512 px", lambda p, _, t: resizes(p, t))):
            rows: list[list[str]] = []
            for name in PHOTOS:
                times = interleaved(candidates(*photo(name), threads), args.seconds)
                rows = rows or [[f"{title}, ms, {threads} threads", *times]]
                rows.append([name, *(f"{t:.2f}" for t in times.values())])
            print(table(rows) + "\n")
    times = interleaved(pastes(), args.seconds)
    print(table([["drawing into a 720p frame, ms", *times], ["512 px", *(f"{t:.2f}" for t in times.values())]]))


if __name__ == "__main__":
    main()
