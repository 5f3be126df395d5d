"""The cases of `pyapdraw bench`: inputs, the call, and a slow definition in numpy that its answer is held against."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from pyapdraw import _C


@dataclass(frozen=True)
class Case:
    """run: one call of ours. check: raises AssertionError. pixels, flop, moved_bytes: of one call, 0 = no meaning."""

    title: str
    run: Callable[[], object]
    check: Callable[[], None]
    peers: dict[str, Callable[[], object]] = field(default_factory=dict)
    pixels: int = 0
    flop: float = 0
    moved_bytes: float = 0


def peer(name: str) -> Any:
    """A package to compare with, or None where it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def opencv(threads: int) -> Any:
    """OpenCV set to a number of threads, None where it is not installed."""
    cv2 = peer("cv2")
    if cv2 is not None:
        cv2.setNumThreads(threads)
    return cv2


def torch_on(threads: int) -> Any:
    """torch set to a number of threads, None where it is not installed."""
    torch = peer("torch")
    if torch is not None:
        torch.set_num_threads(threads)
    return torch


def agree(got: Any, wanted: Any, most: float, who: str = "answer") -> None:
    """No element further apart than `most`."""
    difference = np.abs(np.asarray(got, np.float64) - np.asarray(wanted, np.float64)).max(initial=0)
    assert difference <= most, f"{who} differs by {difference:.3g}, at most {most:g} expected"


def picture(height: int, width: int) -> np.ndarray:
    """A soft colour picture, uint8 [H, W, 3]."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    waves = [np.sin((x + 9 * c) / 31) * np.cos((y - 7 * c) / (17 + 5 * c)) for c in range(3)]
    return (127.5 + 120 * np.stack(waves, axis=2)).astype(np.uint8)


def line_drawing(height: int, width: int) -> np.ndarray:
    """Lines along the contours of soft waves, about a tenth of the pixels: bool [H, W]."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    waves = np.sin(x / 43) * np.cos(y / 37) + 0.5 * np.sin((x + 2 * y) / 71)
    return np.abs(waves * 5 % 1 - 0.5) < 0.05


def _distances(sites: np.ndarray) -> np.ndarray:
    at = np.argwhere(sites).astype(np.float64)
    y, x = np.mgrid[: sites.shape[0], : sites.shape[1]]
    return np.sqrt(((y[..., None] - at[:, 0]) ** 2 + (x[..., None] - at[:, 1]) ** 2).min(-1))


def distance_transform(threads: int) -> list[Case]:
    """Line drawings of 512 and 1024 px."""
    cv2, ndimage, ctx = opencv(threads), peer("scipy.ndimage"), _C.Context(threads=threads)
    cases = []
    for side in (512, 1024):
        ink, out = line_drawing(side, side), np.empty((side, side), np.float32)
        paper = (~ink).astype(np.uint8)
        peers: dict[str, Callable[[], object]] = {}
        if cv2 is not None:
            peers["OpenCV precise"] = partial(cv2.distanceTransform, paper, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        if ndimage is not None:
            peers["SciPy"] = partial(ndimage.distance_transform_edt, paper)

        def run(ink: np.ndarray = ink, out: np.ndarray = out) -> np.ndarray:
            _C.distance_transform(ink, out, False, ctx=ctx)
            return out

        def check(run: Any = run, ink: np.ndarray = ink, peers: Any = peers) -> None:
            small = np.ascontiguousarray(ink[:40, :56])
            got = np.empty(small.shape, np.float32)
            _C.distance_transform(small, got, False, ctx=ctx)
            agree(got, _distances(small), 1e-5)
            for name, other in peers.items():
                agree(other(), run(), 1e-3, name)

        cases.append(Case(f"distance_transform {side}", run, check, peers, side * side, 0, 5 * side * side))
    return cases


def distance_transform_pair(threads: int) -> list[Case]:
    """Both maps of eight line drawings of 512 px."""
    ctx, ink = _C.Context(threads=threads), np.stack([line_drawing(512, 512)] * 8)
    outs = [np.empty(ink.shape, np.float32) for _ in range(2)]

    def run() -> None:
        _C.distance_transform_pair(ink, outs[0], outs[1], False, ctx=ctx)

    def check() -> None:
        run()
        for out, sites in zip(outs, (ink, ~ink)):
            one = np.empty(ink.shape[1:], np.float32)
            _C.distance_transform(sites[0], one, False, ctx=ctx)
            agree(out[0], one, 0)

    return [Case("distance_transform_pair 8 x 512", run, check, {}, ink.size, 0, 9 * ink.size)]


def _triangle(n_in: int, n_out: int) -> np.ndarray:
    scale = n_in / n_out
    centre = (np.arange(n_out)[:, None] + 0.5) * scale
    weights = np.maximum(0, 1 - np.abs(np.arange(n_in)[None] + 0.5 - centre) / max(1, scale))
    return weights / weights.sum(1, keepdims=True)


def resize(threads: int) -> list[Case]:
    """A photo of 1280 x 720 px to 512 px."""
    cv2, ctx = opencv(threads), _C.Context(threads=threads)
    image, out = picture(720, 1280), np.empty((512, 512, 3), np.uint8)
    peers: dict[str, Callable[[], object]] = {}
    if cv2 is not None:
        peers["OpenCV area"] = lambda: cv2.resize(image, (512, 512), interpolation=cv2.INTER_AREA)

    def run() -> np.ndarray:
        _C.resize(image, out, ctx=ctx)
        return out

    def check() -> None:
        down, across = _triangle(720, 512), _triangle(1280, 512)
        agree(run(), np.einsum("yh,hwc,xw->yxc", down, image.astype(np.float64), across, optimize=True), 1)
        if peers:
            agree(peers["OpenCV area"](), run(), 12, "OpenCV area")  # another filter

    return [Case("resize 1280x720 to 512", run, check, peers, out.size // 3, 0, image.size + out.size)]


def warp_affine(threads: int) -> list[Case]:
    """A crop of 512 px, slightly turned, out of a photo of 1280 x 720 px."""
    cv2, ctx = opencv(threads), _C.Context(threads=threads)
    image, out = picture(720, 1280), np.empty((512, 512, 3), np.uint8)
    matrix = np.array([[0.98, 0.12, -300.0], [-0.12, 0.98, 20.0]])
    peers: dict[str, Callable[[], object]] = {}
    if cv2 is not None:
        white = (255, 255, 255)
        peers["OpenCV"] = lambda: cv2.warpAffine(image, matrix, (512, 512), flags=cv2.INTER_LINEAR, borderValue=white)

    def run() -> np.ndarray:
        _C.warp_affine(image, matrix, out, "bilinear", "constant", 255.0, ctx=ctx)
        return out

    def check() -> None:
        inverse = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))[:2]
        y, x = np.mgrid[:512, :512]
        sx, sy = (r[0] * x + r[1] * y + r[2] for r in inverse)
        left, top = np.floor(sx).astype(int), np.floor(sy).astype(int)
        padded = np.pad(image.astype(np.float64), ((9, 9), (9, 9), (0, 0)), constant_values=255)
        expected = np.zeros(out.shape)
        for dy in (0, 1):
            for dx in (0, 1):
                weight = (1 - np.abs(sx - left - dx)) * (1 - np.abs(sy - top - dy))
                row, column = np.clip(top + dy + 9, 0, 737), np.clip(left + dx + 9, 0, 1297)
                expected += weight[..., None] * padded[row, column]
        agree(run(), expected, 0.51)
        if peers:
            agree(peers["OpenCV"](), run(), 3, "OpenCV")  # rounds coordinates to 1/32 px

    return [Case("warp_affine 512", run, check, peers, 512 * 512, 0, 2 * out.size)]


def yuv_to_rgb(threads: int) -> list[Case]:
    """A 4:2:0 video frame of 1280 x 720 px."""
    cv2, ctx = opencv(threads), _C.Context(threads=threads)
    y = (16 + picture(720, 1280)[:, :, 0] * (219 / 255)).astype(np.uint8)
    chroma = (16 + picture(360, 640) * (224 / 255)).astype(np.uint8)
    u, v, out = chroma[:, :, 1].copy(), chroma[:, :, 2].copy(), np.empty((720, 1280, 3), np.uint8)
    planes = np.concatenate([y.ravel(), u.ravel(), v.ravel()]).reshape(1080, 1280)
    peers: dict[str, Callable[[], object]] = {}
    if cv2 is not None:
        peers["OpenCV"] = lambda: cv2.cvtColor(planes, cv2.COLOR_YUV2RGB_I420)
    form = _C.YuvFormat("bt601", False, 8)

    def run() -> np.ndarray:
        _C.yuv_to_rgb(y, u, v, out, form, ctx=ctx)
        return out

    def check() -> None:
        luma = (y.astype(np.float64) - 16) * 255 / 219
        b, r = ((np.kron(c, np.ones((2, 2))) - 128) * 255 / 224 for c in (u, v))
        green = luma - 0.114 * 1.772 / 0.587 * b - 0.299 * 1.402 / 0.587 * r
        agree(run(), np.clip(np.stack([luma + 1.402 * r, green, luma + 1.772 * b], -1), 0, 255), 1)
        if peers:
            agree(peers["OpenCV"](), run(), 4, "OpenCV")

    return [Case("yuv_to_rgb 720p", run, check, peers, y.size, 0, 4.5 * y.size)]


def layouts(threads: int) -> list[Case]:
    """A frame of 1280 x 720 px to what models read, and back."""
    ctx, image = _C.Context(threads=threads), picture(720, 1280)
    planes, back = np.empty((3, 720, 1280), np.float32), np.empty_like(image)

    def there() -> None:
        _C.rgb_to_nchw(image, planes, ctx=ctx)

    def again() -> None:
        _C.nchw_to_rgb(planes, back, ctx=ctx)

    def check_there() -> None:
        there()
        agree(planes, image.transpose(2, 0, 1) / 127.5 - 1, 1e-6)

    def check_again() -> None:
        there()
        again()
        agree(back, image, 0)

    return [
        Case("rgb_to_nchw 720p", there, check_there, {}, image.size // 3, 0, 5 * image.size),
        Case("nchw_to_rgb 720p", again, check_again, {}, image.size // 3, 0, 5 * image.size),
    ]


def composite(threads: int) -> list[Case]:
    """A colour drawing of 512 px over a picture."""
    ctx = _C.Context(threads=threads)
    drawing, under = picture(512, 512), picture(512, 512)[::-1].copy()
    alpha = np.ascontiguousarray(np.broadcast_to(picture(512, 512)[:, :, 1:2], drawing.shape))
    out = np.empty_like(drawing)

    def run() -> None:
        _C.composite(drawing, alpha, under, out, ctx=ctx)

    def check() -> None:
        run()
        agree(out, under + (drawing.astype(np.float64) - under) * alpha / 255, 0.51)

    return [Case("composite 512", run, check, {}, 512 * 512, 0, 4 * drawing.size)]


def fuse_regions(threads: int) -> list[Case]:
    """Four face parts, hair and background of one 512 px frame."""
    ctx, rng = _C.Context(threads=threads), np.random.default_rng(0)
    sizes = ((40, 56), (40, 56), (48, 48), (40, 64))
    parts = [rng.uniform(-1, 1, (1, 1, *s)).astype(np.float32) for s in sizes]
    hair, background = (rng.uniform(-1, 1, (1, 1, 512, 512)).astype(np.float32) for _ in range(2))
    centres = np.array([[[180, 230], [330, 230], [256, 300], [256, 380]]], np.float64)
    mask, out, none = rng.random((1, 1, 512, 512)) < 0.5, np.empty_like(hair), np.empty(0, np.uint8)

    def run() -> None:
        eyes_nose_mouth = parts[0], parts[1], parts[2], parts[3]
        _C.fuse_regions(*eyes_nose_mouth, centres, hair, background, mask, out, none, ctx=ctx)

    def check() -> None:
        run()
        expected = np.ones((512, 512), np.float32)
        inside = np.zeros((512, 512), bool)
        for part, (x, y), (h, w) in zip(parts, centres[0].astype(int), sizes):
            box = slice(y - h // 2, y - h // 2 + h), slice(x - w // 2, x - w // 2 + w)
            expected[box] = np.minimum(expected[box], part[0, 0])
            inside[box] = True
        person = mask[0, 0]
        expected = np.where(person & ~inside, np.minimum(expected, hair[0, 0]), expected)
        agree(out[0, 0], np.where(person, expected, np.minimum(expected, background[0, 0])), 0)

    return [Case("fuse_regions 512", run, check, {}, 512 * 512, 0, 13 * 512 * 512)]


def conv2d(threads: int) -> list[Case]:
    """3 x 3, 64 to 64 channels, 64 px."""
    ctx, torch, rng = _C.Context(threads=threads), torch_on(threads), np.random.default_rng(0)
    x = rng.standard_normal((1, 64, 64, 64)).astype(np.float32)
    weight = rng.standard_normal((3, 3, 64, 64)).astype(np.float32) / 24
    zero, one, out = np.zeros(64, np.float32), np.ones(64, np.float32), np.empty((1, 64, 64, 64), np.float32)
    peers: dict[str, Callable[[], object]] = {}
    if torch is not None:
        tx = torch.from_numpy(x).permute(0, 3, 1, 2)  # channels_last in memory, as ours
        tw = torch.from_numpy(weight).permute(3, 2, 0, 1).contiguous(memory_format=torch.channels_last)

        def theirs() -> np.ndarray:
            with torch.no_grad():
                return torch.nn.functional.conv2d(tx, tw, padding=1).permute(0, 2, 3, 1).numpy()

        peers["torch"] = theirs

    def run() -> np.ndarray:
        _C.conv2d(x, weight, zero, one, out, 1, 1, ctx=ctx)
        return out

    def check() -> None:
        padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))).astype(np.float64)
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))[:, :4, :4]
        agree(run()[:, :4, :4], np.einsum("nyxcij,ijco->nyxo", windows, weight), 1e-4)
        if peers:
            agree(peers["torch"](), run(), 1e-4, "torch")

    return [Case("conv2d 3x3 64 to 64, 64 px", run, check, peers, 64 * 64, 2 * 9 * 64 * 64 * 64 * 64)]


def bias_act(threads: int) -> list[Case]:
    """64 channels of 128 px: bias, leaky ReLU, gain and clamp."""
    ctx, torch, rng = _C.Context(threads=threads), torch_on(threads), np.random.default_rng(0)
    x, b = rng.standard_normal((1, 64, 128, 128)).astype(np.float32), rng.standard_normal(64).astype(np.float32)
    out, how = np.empty_like(x), _C.BiasAct("lrelu", 0.2, 2**0.5, 1.5)
    peers: dict[str, Callable[[], object]] = {}
    if torch is not None:
        tx, tb = torch.from_numpy(x), torch.from_numpy(b)[:, None, None]
        leaky = torch.nn.functional.leaky_relu
        peers["torch"] = lambda: leaky(tx + tb, 0.2).mul_(2**0.5).clamp_(-1.5, 1.5).numpy()

    def run() -> np.ndarray:
        _C.bias_act(x, b, out, how, 1, ctx=ctx)
        return out

    def check() -> None:
        value = x.astype(np.float64) + b[:, None, None]
        agree(run(), np.clip(np.where(value > 0, value, 0.2 * value) * 2**0.5, -1.5, 1.5), 1e-5)
        if peers:
            agree(peers["torch"](), run(), 1e-5, "torch")

    return [Case("bias_act lrelu 64 x 128 px", run, check, peers, x.size, 0, 8 * x.size)]


def upfirdn2d(threads: int) -> list[Case]:
    """64 channels of 128 px to 256 px by the filter (1, 3, 3, 1)."""
    ctx, rng = _C.Context(threads=threads), np.random.default_rng(0)
    x = rng.standard_normal((1, 64, 128, 128)).astype(np.float32)
    taps = np.outer((1, 3, 3, 1), (1, 3, 3, 1)).astype(np.float32) / 64
    out = np.empty((1, 64, 256, 256), np.float32)
    how = _C.Resampling((2, 2), (1, 1), (2, 1, 2, 1), False, 4.0)

    def run() -> None:
        _C.upfirdn2d(x, taps, out, how, ctx=ctx)

    def check() -> None:
        run()
        wide = np.zeros((64, 259, 259))
        wide[:, 2:258:2, 2:258:2] = x[0]
        expected = sum(4 * taps[i, j] * wide[:, i : i + 256, j : j + 256] for i in range(4) for j in range(4))
        agree(out[0], expected, 1e-5)

    flop, moved = 2 * 4 * out.size, 4 * (x.size + out.size)  # four of the sixteen taps meet samples
    return [Case("upfirdn2d up 2, 64 x 128 px", run, check, {}, 256 * 256, flop, moved)]


def modulated_conv2d(threads: int) -> list[Case]:
    """3 x 3, 128 to 128 channels, 64 px, demodulated, leaky ReLU; the peer as StyleGAN2 does it in training."""
    ctx, torch, rng = _C.Context(threads=threads), torch_on(threads), np.random.default_rng(0)
    x = rng.standard_normal((1, 128, 64, 64)).astype(np.float32)
    weight = rng.standard_normal((128, 128, 3, 3)).astype(np.float32)
    styles, bias = rng.uniform(0.5, 1.5, (1, 128)).astype(np.float32), rng.standard_normal(128).astype(np.float32)
    out, none = np.empty_like(x), np.empty(0, np.float32)
    peers: dict[str, Callable[[], object]] = {}
    if torch is not None:
        tx, tw, ts, tb = (torch.from_numpy(a) for a in (x, weight, styles, bias))

        def theirs() -> np.ndarray:
            with torch.no_grad():
                own = tw * ts[0][None, :, None, None]
                own = own * (own.square().sum((1, 2, 3), keepdim=True) + 1e-8).rsqrt()
                y = torch.nn.functional.conv2d(tx, own, tb, padding=1)
                return torch.nn.functional.leaky_relu(y, 0.2).numpy()

        peers["torch"] = theirs

    def run() -> np.ndarray:
        _C.modulated_conv2d(x, weight, styles, none, none, bias, out, True, 1, 1, "lrelu", 0.2, 1.0, -1.0, ctx=ctx)
        return out

    def check() -> None:
        own = weight.astype(np.float64) * styles[0][:, None, None]
        own /= np.sqrt((own**2).sum((1, 2, 3), keepdims=True) + 1e-8)
        padded = np.pad(x[0], ((0, 0), (1, 1), (1, 1)))[:, :8, :8]
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
        value = np.einsum("iyxjk,oijk->oyx", windows, own) + bias[:, None, None]
        agree(run()[0, :, :6, :6], np.where(value > 0, value, 0.2 * value), 1e-3)
        if peers:
            agree(peers["torch"](), run(), 1e-3, "torch")

    flop = 2.0 * 9 * 128 * 128 * 64 * 64
    return [Case("modulated_conv2d 128 to 128, 64 px", run, check, peers, 64 * 64, flop)]


CASES: dict[str, Callable[[int], list[Case]]] = {
    "distance_transform": distance_transform,
    "distance_transform_pair": distance_transform_pair,
    "fuse_regions": fuse_regions,
    "modulated_conv2d": modulated_conv2d,
    "bias_act": bias_act,
    "upfirdn2d": upfirdn2d,
    "conv2d": conv2d,
    "resize": resize,
    "warp_affine": warp_affine,
    "yuv_to_rgb": yuv_to_rgb,
    "layouts": layouts,
    "composite": composite,
}
