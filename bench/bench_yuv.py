"""Frames of 1280x720 between Y'CbCr, RGB and model input, and composition: beside OpenCV, PyAV's swscale and numpy.

    python bench/bench_yuv.py [--threads 1 2] [--seconds 0.5]

Answers are compared before anything is timed (OpenCV and swscale round coarsely: up to a few levels).
"""

import argparse
import os
import sys
from pathlib import Path

import numpy as np
from timing import interleaved, table

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from cases_images import smooth_noise

from pyapdraw import _C
from pyapdraw.ops import rgb_to_yuv

H, W = 720, 1280


def close(mine: np.ndarray, theirs: np.ndarray) -> None:
    difference = np.abs(mine.astype(int) - theirs).mean()
    assert difference <= 2, f"answers differ by {difference:.2f} on average"


def suites(threads: int) -> dict[str, dict]:
    """Operation -> candidates; "ours" first."""
    ctx, form = _C.Context(threads=threads), _C.YuvFormat()
    rgb = np.repeat(np.repeat(smooth_noise(H // 2, W // 2), 2, 0), 2, 1)
    y, u, v = rgb_to_yuv(rgb)
    out, nchw, grey = np.empty_like(rgb), np.empty((3, H, W), np.float32), np.ascontiguousarray(rgb[..., 1])
    planes = tuple(np.empty_like(p) for p in (y, u, v))
    part, alpha = rgb[100:612, 300:812].copy(), np.ascontiguousarray(grey[:512, :512])
    deep = [np.broadcast_to(x[..., None], part.shape) for x in (grey[200:712, 400:912], alpha)]
    found = {
        "yuv_to_rgb": {"ours": lambda: _C.yuv_to_rgb(y, u, v, out, form, ctx)},
        "yuv_to_nchw": {"ours": lambda: _C.yuv_to_rgb(y, u, v, nchw, form, ctx)},
        "rgb_to_yuv": {"ours": lambda: _C.rgb_to_yuv(rgb, *planes, form, ctx)},
        "rgb_to_yuv, grey": {"ours": lambda: _C.rgb_to_yuv(grey, *planes, form, ctx)},
        "rgb_to_nchw": {"ours": lambda: _C.rgb_to_nchw(rgb, nchw, ctx)},
        "nchw_to_rgb": {"ours": lambda: _C.nchw_to_rgb(nchw, out, ctx)},
        "composite 512 px": {"ours": lambda: _C.composite(*deep, part, part, ctx)},
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
    packed = np.concatenate([p.reshape(-1) for p in planes]).reshape(H * 3 // 2, W)
    close(rgb, cv2.cvtColor(packed, cv2.COLOR_YUV2RGB_I420))
    close(packed, cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV_I420))
    found["yuv_to_rgb"]["cv2"] = lambda: cv2.cvtColor(packed, cv2.COLOR_YUV2RGB_I420)
    found["rgb_to_yuv"]["cv2"] = lambda: cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV_I420)


def with_pyav(found: dict, rgb: np.ndarray, planes: tuple) -> None:
    try:
        import av
    except ImportError:
        return
    coloured = av.VideoFrame.from_ndarray(rgb, format="rgb24")
    packed = np.concatenate([p.reshape(-1) for p in planes]).reshape(H * 3 // 2, W)
    frame = av.VideoFrame.from_ndarray(packed, format="yuv420p")
    close(rgb, frame.to_ndarray(format="rgb24"))
    found["yuv_to_rgb"]["PyAV"] = lambda: frame.reformat(format="rgb24")
    found["rgb_to_yuv"]["PyAV"] = lambda: coloured.reformat(format="yuv420p")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, nargs="+", default=sorted({1, min(2, os.cpu_count() or 1)}))
    parser.add_argument("--seconds", type=float, default=0.5)
    args = parser.parse_args()
    names = ["ours", "cv2", "PyAV", "numpy"]
    for threads in args.threads:
        rows = [[f"1280x720, ms, {threads} threads", *names]]
        for operation, candidates in suites(threads).items():
            times = interleaved(candidates, args.seconds)
            rows.append([operation, *(f"{times[n]:.2f}" if n in times else "" for n in names)])
        print(table(rows) + "\n")


if __name__ == "__main__":
    main()
