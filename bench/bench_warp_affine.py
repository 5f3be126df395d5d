"""Crops of 512 px out of photos, whole photos to 512 px, and drawings back into a frame: beside OpenCV and Pillow.

    python bench/bench_warp_affine.py [--threads 1 2] [--seconds 1] [--json FILE]

Answers are compared before anything is timed. OpenCV's warp rounds its coordinates to 1/32 px, and neither peer has a
filtered warp: "cv2 area + warp" reduces the whole photo first, which is what a program without one would do.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from record import OURS, Suite

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from cases_images import PHOTOS, similarity, smooth_noise

from pyapdraw import _C, align, composite
from pyapdraw.ops import warp_affine


def photo(name: str) -> tuple[np.ndarray, np.ndarray]:
    height, width, scale = PHOTOS[name]
    tiles = max(1, height // 1000)
    pixels = np.tile(smooth_noise(-(-height // tiles), -(-width // tiles)), (tiles, tiles, 1))[:height, :width]
    return np.ascontiguousarray(pixels), similarity(scale, 6, (width / 2, height / 2), (256, 256))


def close(candidates: dict[str, Callable[[], np.ndarray]], mean: dict[str, float]) -> None:
    """At most so many levels from ours on average."""
    mine = candidates[OURS]().astype(int)
    for name, most in mean.items():
        if name in candidates:
            difference = np.abs(mine - candidates[name]()).mean()
            assert difference <= most, f"{name}: answers differ by {difference:.2f} on average, at most {most} expected"


def warps(pixels: np.ndarray, matrix: np.ndarray, threads: int) -> tuple[dict, dict]:
    """Candidates of the unfiltered and of the filtered warp."""
    out, ctx = np.empty((512, 512, 3), np.uint8), _C.Context(threads=threads)

    def ours(filter):
        _C.warp_affine(pixels, matrix, out, filter, "constant", 255.0, ctx)
        return out

    bilinear, antialias = {OURS: lambda: ours("bilinear")}, {OURS: lambda: ours("antialias")}
    try:
        import cv2
    except ImportError:
        return bilinear, antialias
    cv2.setNumThreads(threads)
    border = {"borderMode": cv2.BORDER_CONSTANT, "borderValue": (255, 255, 255)}
    scale = float(np.sqrt(np.linalg.det(matrix[:, :2])))
    half = matrix @ np.array([[1 / scale, 0, 0.5 / scale - 0.5], [0, 1 / scale, 0.5 / scale - 0.5], [0, 0, 1]])

    def reduced():
        small = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        return cv2.warpAffine(small, half, (512, 512), flags=cv2.INTER_LINEAR, **border)

    bilinear["cv2 warp"] = lambda: cv2.warpAffine(pixels, matrix, (512, 512), flags=cv2.INTER_LINEAR, **border)
    antialias["cv2 area + warp"] = reduced
    return bilinear, antialias


def resizes(pixels: np.ndarray, threads: int) -> dict:
    out, ctx = np.empty((512, 512, 3), np.uint8), _C.Context(threads=threads)

    def ours():
        _C.resize(pixels, out, ctx)
        return out

    found = {OURS: ours}
    try:
        import cv2

        cv2.setNumThreads(threads)
        found["cv2 area"] = lambda: cv2.resize(pixels, (512, 512), interpolation=cv2.INTER_AREA)
    except ImportError:
        pass
    from PIL import Image

    image = Image.fromarray(pixels)
    found["Pillow"] = lambda: np.asarray(image.resize((512, 512), Image.Resampling.BILINEAR))
    return found


def pastes() -> dict:
    """A 512 px drawing put back into a 720p frame at scale 1; on the process's threads."""
    frame = smooth_noise(720, 1280)
    side = np.arange(512)
    drawing = np.where((side[:, None] + side) % 16 < 3, 0, 255).astype(np.uint8)
    mask = np.full((512, 512), 255, np.uint8)
    to_frame = align.invert(similarity(1.0, 6, (640, 360), (256, 256)))

    def white():
        page = composite.blank(frame)
        ink = warp_affine(drawing, to_frame, (720, 1280), filter="antialias", border=255)
        composite.add(page, ink, (0, 0, 1280, 720))
        return page

    def photo():
        alpha = warp_affine(mask, to_frame, (720, 1280), filter="antialias", border=0)
        return composite.page(white(), frame, lambda: alpha, "photo")

    return {"white": white, "photo": photo}


def compare(suite: Suite, name: str, threads: int) -> None:
    pixels, matrix = photo(name)
    bilinear, antialias = warps(pixels, matrix, threads)
    under_the_crop = 512 * 512 / abs(np.linalg.det(matrix[:, :2]))
    for case, candidates, most in (
        ("warp, bilinear", bilinear, {"cv2 warp": 1.0}),
        ("warp, antialias", antialias, {"cv2 area + warp": 3.0}),
        ("resize", resizes(pixels, threads), {"cv2 area": 4.0, "Pillow": 1.0}),
    ):
        suite.compare(
            f"{case}, {name} to 512 px", candidates, check=lambda c=candidates, m=most: close(c, m), threads=threads,
            pixels=512 * 512,
            moved_bytes=3 * (512 * 512 + (pixels.size / 3 if case == "resize" else under_the_crop)),
        )  # fmt: skip


def main() -> int:
    suite = Suite("warp_affine", __doc__)
    for threads in suite.threads:
        for name in PHOTOS:
            compare(suite, name, threads)
    for background, run in pastes().items():
        suite.compare(f"512 px drawing into a 720p frame, {background}", {OURS: run}, threads=_C.default_threads())
    return suite.finish()


if __name__ == "__main__":
    raise SystemExit(main())
