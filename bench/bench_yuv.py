"""Frames of 1280x720 between Y'CbCr, RGB and model input, and composition: beside OpenCV, PyAV's swscale and numpy.

    python bench/bench_yuv.py [--threads 1 2] [--seconds 1] [--json FILE]

Answers are compared before anything is timed (OpenCV and swscale round coarsely: up to a few levels).
"""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from record import OURS, Suite

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from cases_images import smooth_noise

from pyapdraw import _C
from pyapdraw.ops import rgb_to_yuv

H, W = 720, 1280
# Bytes read and written for each pixel; a frame with halved chroma has one and a half.
MOVED = {
    "yuv_to_rgb": 4.5, "yuv_to_nchw": 13.5, "rgb_to_yuv": 4.5, "rgb_to_yuv, grey": 2.5, "rgb_to_nchw": 15,
    "nchw_to_rgb": 15, "composite 512 px": 8,
}  # fmt: skip
CODE_VALUE = 2 / 255  # of an image in [-1, 1]


def close(candidates: dict[str, Callable[[], np.ndarray]]) -> None:
    """At most two levels apart on average."""
    mine = candidates[OURS]()
    unit = CODE_VALUE if mine.dtype == np.float32 else 1
    for name, run in candidates.items():
        difference = np.abs(mine.astype(float) - run()).mean() / unit
        assert difference <= 2, f"{name}: answers differ by {difference:.2f} levels on average"


def returning(out: np.ndarray, call: Callable[..., None], *arguments: object) -> Callable[[], np.ndarray]:
    def run() -> np.ndarray:
        call(*arguments)
        return out

    return run


def packed_planes(planes: tuple) -> np.ndarray:
    """I420 in one array, as OpenCV and swscale want it."""
    return np.concatenate([p.reshape(-1) for p in planes]).reshape(H * 3 // 2, W)


def suites(threads: int) -> dict[str, dict]:
    """Operation -> candidates; ours first."""
    ctx, form = _C.Context(threads=threads), _C.YuvFormat()
    rgb = np.repeat(np.repeat(smooth_noise(H // 2, W // 2), 2, 0), 2, 1)
    y, u, v = rgb_to_yuv(rgb)
    out, nchw, grey = np.empty_like(rgb), np.empty((3, H, W), np.float32), np.ascontiguousarray(rgb[..., 1])
    # The three planes of one array, so that ours gives the same packed picture as the peers.
    packed = np.empty((H * 3 // 2, W), np.uint8)
    chroma = packed[H:].reshape(2, H // 2, W // 2)
    planes = (packed[:H], chroma[0], chroma[1])
    part, alpha = rgb[100:612, 300:812].copy(), np.ascontiguousarray(grey[:512, :512])
    deep = [np.broadcast_to(x[..., None], part.shape) for x in (grey[200:712, 400:912], alpha)]
    blended = np.empty_like(part)
    found: dict[str, dict] = {
        "yuv_to_rgb": {OURS: returning(out, _C.yuv_to_rgb, y, u, v, out, form, ctx)},
        "yuv_to_nchw": {OURS: returning(nchw, _C.yuv_to_rgb, y, u, v, nchw, form, ctx)},
        "rgb_to_yuv": {OURS: returning(packed, _C.rgb_to_yuv, rgb, *planes, form, ctx)},
        "rgb_to_yuv, grey": {OURS: returning(packed, _C.rgb_to_yuv, grey, *planes, form, ctx)},
        "rgb_to_nchw": {OURS: returning(nchw, _C.rgb_to_nchw, rgb, nchw, ctx)},
        "nchw_to_rgb": {OURS: returning(out, _C.nchw_to_rgb, nchw, out, ctx)},
        "composite 512 px": {OURS: returning(blended, _C.composite, *deep, part, blended, ctx)},
    }
    with_numpy(found, rgb, nchw, part, deep)
    with_opencv(found, rgb, (y, u, v), threads)
    with_pyav(found, rgb, (y, u, v))
    return found


def with_numpy(found: dict, rgb: np.ndarray, nchw: np.ndarray, part: np.ndarray, deep: list) -> None:
    def blend():
        t = part * (255 - deep[1].astype(np.uint16)) + deep[0].astype(np.uint16) * deep[1] + 127
        return (t // 255).astype(np.uint8)

    found["rgb_to_nchw"]["numpy"] = lambda: np.ascontiguousarray(rgb.transpose(2, 0, 1), np.float32) / 127.5 - 1
    found["nchw_to_rgb"]["numpy"] = lambda: (
        ((nchw + 1) * 127.5 + 0.5).clip(0, 255).astype(np.uint8).transpose(1, 2, 0).copy()
    )
    found["composite 512 px"]["numpy"] = blend


def with_opencv(found: dict, rgb: np.ndarray, planes: tuple, threads: int) -> None:
    try:
        import cv2
    except ImportError:
        return
    cv2.setNumThreads(threads)
    packed = packed_planes(planes)
    found["yuv_to_rgb"]["cv2"] = lambda: cv2.cvtColor(packed, cv2.COLOR_YUV2RGB_I420)
    found["rgb_to_yuv"]["cv2"] = lambda: cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV_I420)


def with_pyav(found: dict, rgb: np.ndarray, planes: tuple) -> None:
    try:
        import av
    except ImportError:
        return
    coloured = av.VideoFrame.from_ndarray(rgb, format="rgb24")
    frame = av.VideoFrame.from_ndarray(packed_planes(planes), format="yuv420p")
    found["yuv_to_rgb"]["PyAV"] = lambda: frame.to_ndarray(format="rgb24")
    found["rgb_to_yuv"]["PyAV"] = lambda: coloured.to_ndarray(format="yuv420p")


def main() -> int:
    suite = Suite("yuv", __doc__)
    for threads in suite.threads:
        for operation, candidates in suites(threads).items():
            pixels = 512 * 512 if "512" in operation else H * W
            suite.compare(
                operation, candidates, check=lambda c=candidates: close(c), threads=threads, pixels=pixels,
                moved_bytes=MOVED[operation] * pixels,
            )  # fmt: skip
    return suite.finish()


if __name__ == "__main__":
    raise SystemExit(main())
