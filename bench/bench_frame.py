"""A 720p frame to what a model reads and back: YUV 4:2:0 planes -> float32 crop [3,512,512] in [-1,1], and a drawing
[512,512] in [-1,1] faded into the frame's planes.

    python bench/bench_frame.py [--threads 2] [--seconds 1] [--json FILE]

"numpy" is plain vectorised numpy: both matrices in float32, pixels taken by index maps that were made before (nearest
pixel, which is less work than ours). "OpenCV" is cvtColor, warpAffine, blobFromImage; back: two warpAffine, blendLinear
on the rectangle of the crop, cvtColor of the frame. "OpenCV planes" pastes as we do, into the planes themselves, so
that no frame is converted back. At scale 0.75 ours reduces the frame before sampling, which no peer does.
"""

import sys
from pathlib import Path

import numpy as np
from record import OURS, Suite

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from cases_images import similarity, smooth_noise

from pyapdraw import _C
from pyapdraw.align import invert, transform_points
from pyapdraw.composite import fade
from pyapdraw.ops import crop_yuv, nchw_to_rgb, paste_yuv, rgb_to_yuv, yuv_to_rgb

H, W, SIDE = 720, 1280, 512


class Frame:
    """The input of one case, and what every candidate may prepare once for a camera."""

    def __init__(self, scale: float):
        self.rgb = np.repeat(np.repeat(smooth_noise(H // 2, W // 2), 2, 0), 2, 1)
        self.y, self.u, self.v = rgb_to_yuv(self.rgb)
        self.packed = np.concatenate([p.reshape(-1) for p in (self.y, self.u, self.v)]).reshape(H * 3 // 2, W)
        self.to_crop = similarity(scale, 6, (W / 2, H / 2), (SIDE / 2, SIDE / 2))
        at = np.arange(SIDE)
        self.drawn = np.where((at[:, None] + at) % 32 < 5, -1, 1).astype(np.float32)
        self.alpha = fade((SIDE, SIDE), (30, 30, 30, 30))
        corners = transform_points(invert(self.to_crop), np.array([(x, y) for x in (-1, SIDE) for y in (-1, SIDE)]))
        low, high = np.floor(corners.min(0)).astype(int) & ~1, (np.ceil(corners.max(0)).astype(int) + 2) & ~1
        self.columns, self.rows = (slice(max(a, 0), min(b, n)) for a, b, n in zip(low, high, (W, H)))
        self.to_part = invert(self.to_crop)
        self.to_part[:, 2] -= (self.columns.start, self.rows.start)
        self.part = (self.rows.stop - self.rows.start, self.columns.stop - self.columns.start)


class Ours:
    def __init__(self, frame: Frame):
        self.f = frame
        self.crop = np.empty((1, 3, SIDE, SIDE), np.float32)
        self.planes = [p.copy() for p in (frame.y, frame.u, frame.v)]

    def forth(self):
        return crop_yuv(self.f.y, self.f.u, self.f.v, to_crop=self.f.to_crop, size=SIDE, out=self.crop)

    def back(self):
        drawing = nchw_to_rgb(self.f.drawn[None, None])[0, :, :, 0]
        paste_yuv(*self.planes, drawing=drawing, alpha=self.f.alpha, to_crop=self.f.to_crop)
        return self.planes


class Numpy:
    def __init__(self, frame: Frame):
        self.f = f = frame
        self.inverse = np.array([[1.164, 0, 1.596], [1.164, -0.392, -0.813], [1.164, 2.017, 0]], np.float32)
        self.forward = np.array([[0.257, 0.504, 0.098], [-0.148, -0.291, 0.439], [0.439, -0.368, -0.071]], np.float32)
        self.to_frame = self._nearest(invert(f.to_crop), (SIDE, SIDE), (H, W))
        self.from_crop = self._nearest(np.linalg.inv(np.vstack([f.to_part, [0, 0, 1]]))[:2], f.part, (SIDE, SIDE))
        self.covered = self._inside(np.linalg.inv(np.vstack([f.to_part, [0, 0, 1]]))[:2], f.part)

    @staticmethod
    def _places(affine, size):
        y, x = np.mgrid[: size[0], : size[1]]
        return (affine[0, 0] * x + affine[0, 1] * y + affine[0, 2], affine[1, 0] * x + affine[1, 1] * y + affine[1, 2])

    def _nearest(self, affine, size, source):
        x, y = self._places(affine, size)
        return np.clip(np.rint(y), 0, source[0] - 1).astype(int), np.clip(np.rint(x), 0, source[1] - 1).astype(int)

    def _inside(self, affine, size):
        x, y = self._places(affine, size)
        return ((x > -0.5) & (x < SIDE - 0.5) & (y > -0.5) & (y < SIDE - 0.5)).astype(np.float32)

    def rgb(self):
        f, m = self.f, self.inverse
        y = (f.y.astype(np.float32) - 16) * m[0, 0]
        u, v = (np.repeat(np.repeat(p, 2, 0), 2, 1).astype(np.float32) - 128 for p in (f.u, f.v))
        planes = [y + m[0, 2] * v, y + m[1, 1] * u + m[1, 2] * v, y + m[2, 1] * u]
        return np.stack([np.clip(p + 0.5, 0, 255).astype(np.uint8) for p in planes], -1)

    def forth(self):
        self.frame = self.rgb()
        crop = self.frame[self.to_frame]
        return (crop.transpose(2, 0, 1)[None].astype(np.float32)) * (1 / 127.5) - 1

    def back(self):
        f = self.f
        drawing = (f.drawn + 1) * 127.5
        alpha = f.alpha[self.from_crop] * self.covered * np.float32(1 / 255)
        frame = self.frame.copy()
        part = frame[f.rows, f.columns]
        mixed = part + (drawing[self.from_crop][..., None] - part) * alpha[..., None]
        frame[f.rows, f.columns] = (mixed + 0.5).astype(np.uint8)
        r, g, b = (frame[..., i].astype(np.float32) for i in range(3))
        m = self.forward
        y, u, v = (m[i, 0] * r + m[i, 1] * g + m[i, 2] * b for i in range(3))
        y = (y + 16.5).astype(np.uint8)
        u, v = ((p.reshape(H // 2, 2, W // 2, 2).mean((1, 3)) + 128.5).astype(np.uint8) for p in (u, v))
        return [y, u, v]


class OpenCV:
    def __init__(self, frame: Frame, planes: bool):
        import cv2

        self.cv2, self.f, self.planes = cv2, frame, planes
        self.own = [p.copy() for p in (frame.y, frame.u, frame.v)]

    def forth(self):
        cv2 = self.cv2
        self.frame = cv2.cvtColor(self.f.packed, cv2.COLOR_YUV2RGB_I420)
        crop = cv2.warpAffine(self.frame, self.f.to_crop, (SIDE, SIDE), borderValue=(255, 255, 255))
        return cv2.dnn.blobFromImage(crop, 1 / 127.5, mean=(127.5, 127.5, 127.5))

    def pasted(self):
        cv2, f = self.cv2, self.f
        drawing = cv2.convertScaleAbs(f.drawn, alpha=127.5, beta=127.5)
        size = f.part[::-1]
        pixels = cv2.warpAffine(drawing, f.to_part, size, borderValue=255)
        opacity = cv2.multiply(cv2.warpAffine(f.alpha, f.to_part, size), 1.0, scale=1 / 255, dtype=cv2.CV_32F)
        return pixels, opacity

    def back(self):
        return self.back_planes() if self.planes else self.back_rgb()

    def back_rgb(self):
        cv2, f = self.cv2, self.f
        pixels, opacity = self.pasted()
        part = np.ascontiguousarray(self.frame[f.rows, f.columns])
        mixed = cv2.blendLinear(cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB), part, opacity, 1 - opacity)
        frame = self.frame.copy()
        frame[f.rows, f.columns] = mixed
        packed = cv2.cvtColor(frame, cv2.COLOR_RGB2YUV_I420).reshape(-1)
        y, u, v = np.split(packed, [H * W, H * W * 5 // 4])
        return [y.reshape(H, W), u.reshape(H // 2, W // 2), v.reshape(H // 2, W // 2)]

    def back_planes(self):
        cv2, f = self.cv2, self.f
        pixels, opacity = self.pasted()
        luma = cv2.convertScaleAbs(pixels, alpha=219 / 255, beta=16)
        windows = [(f.rows, f.columns)] + [tuple(slice(s.start // 2, s.stop // 2) for s in (f.rows, f.columns))] * 2
        half = cv2.resize(opacity, (f.part[1] // 2, f.part[0] // 2), interpolation=cv2.INTER_AREA)
        grey = np.full(half.shape, 128, np.uint8)
        for plane, window, own, weight in zip(self.own, windows, (luma, grey, grey), (opacity, half, half)):
            plane[window] = cv2.blendLinear(own, np.ascontiguousarray(plane[window]), weight, 1 - weight)
        return self.own


def close(mine, theirs, mean: float, what: str) -> None:
    difference = float(np.abs(np.asarray(mine, np.float32) - theirs).mean())
    assert difference <= mean, f"{what}: answers differ by {difference:.3f} on average, {mean} expected"


def compare(suite: Suite, scale: float, threads: int) -> None:
    frame = Frame(scale)
    known: dict = {OURS: Ours(frame), "numpy": Numpy(frame)}
    try:
        import cv2

        cv2.setNumThreads(threads)
        known |= {"OpenCV": OpenCV(frame, False), "OpenCV planes": OpenCV(frame, True)}
    except ImportError:
        print("OpenCV is not installed: numpy is the only peer")

    def check():
        exact = yuv_to_rgb(frame.y, frame.u, frame.v)
        planes = [Ours(frame).forth(), *(known[n].forth() for n in known)]
        for name, crop in zip(list(known), planes[1:]):
            close(planes[0], crop, 0.03, f"crop of {name}")
        fresh = Ours(frame).back()
        for name in known:
            if name != OURS:
                for mine, theirs in zip(fresh, known[name].back()):
                    close(mine, theirs, 3.0, f"planes of {name}")
        known[OURS] = Ours(frame)
        if "OpenCV planes" in known:
            known["OpenCV planes"] = OpenCV(frame, True)
        close(exact, known["numpy"].frame, 1.5, "frame of numpy")

    check()
    for name in known:
        known[name].forth()
    asked = {"must": {"numpy": 5, "OpenCV": 3}, "aim": {"numpy": 12, "OpenCV": 4}}
    asked = {k: {n: x for n, x in v.items() if n in known} for k, v in asked.items()}

    def both(c):
        c.forth()
        c.back()

    work = {"threads": threads, "pixels": H * W}
    label = f"720p, scale {scale}"
    # Under the crop the frame has one and a half bytes a pixel; the crop twelve, the drawing four and one of opacity.
    there = SIDE * SIDE * (1.5 / scale**2 + 12)
    back = SIDE * SIDE * (2 * 1.5 / scale**2 + 5)
    suite.compare(
        f"{label}: there and back", {n: lambda c=c: both(c) for n, c in known.items()}, moved_bytes=there + back,
        **asked, **work,
    )  # fmt: skip
    suite.compare(f"{label}: frame to crop", {n: c.forth for n, c in known.items()}, moved_bytes=there, **work)
    suite.compare(f"{label}: drawing to frame", {n: c.back for n, c in known.items()}, moved_bytes=back, **work)


def main() -> int:
    suite = Suite("frame", __doc__)
    for threads in suite.threads:
        if threads != _C.default_threads():
            print(f"ours runs on {_C.default_threads()} threads; set PYAPDRAW_THREADS for {threads}")
        for scale in (1.0, 0.75):
            compare(suite, scale, threads)
    return suite.finish()


if __name__ == "__main__":
    raise SystemExit(main())
