"""MTCNN, the cascade of three small nets that the APDrawingGAN paper detects faces with, on the native core.

Source: Zhang, Zhang, Li, Qiao, "Joint Face Detection and Alignment using Multi-task Cascaded Convolutional
Networks", IEEE SPL 2016. P-net looks at every position of an image pyramid, R-net and O-net at the boxes that are
left; O-net also gives five points. The steps and conventions (boxes in 1-based pixels, "area" resizing, order of
suppression) are those of facenet-pytorch 2.6.0, whose weights these are, so that points and boxes agree with it;
`cascade` is that algorithm. Detection at any head roll and tracking run its nets in another order, with the last one
on rotated squares: see `pyapdraw.faces.landmarks`, `pyapdraw.faces.detector` and `pyapdraw.faces.tracking`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np

from pyapdraw import _C, weights
from pyapdraw.runtime.native import Executor, Layer

CELL_PX = 12  # what one P-net output sees, at a stride of 2
STRIDE_PX = 2
REFINE_PX = 24
OUTPUT_PX = 48
MEAN, SCALE = 127.5, 1 / 128
GREY = 127  # for pixels that are not there
BATCH = 64  # crops a net is given at once, and the first layer's bytes in a stripe of P-net: both bound memory
STRIPE_BYTES = 1 << 20


@dataclass(frozen=True)
class Settings:
    """min_face_px: smallest side of a face. thresholds: scores that pass P-, R- and O-net. factor: pyramid step.
    levels: first and end of those of the pyramid that are looked at, finest first.
    """

    min_face_px: float = 20.0
    thresholds: tuple[float, float, float] = (0.6, 0.7, 0.7)
    factor: float = 0.709
    levels: tuple[int, int | None] = (0, None)


@dataclass(frozen=True)
class Found:
    """What a cascade found: boxes float32 [N,4] x0,y0,x1,y1, scores [N] and points [N,5,2].

    Numbers are the published ones: the nets were trained on 1-based pixels, so a pixel centre is at its index plus one.
    """

    boxes: np.ndarray
    scores: np.ndarray
    points: np.ndarray


@cache
def _layers() -> dict[str, Layer]:
    tensors = weights.load("mtcnn")
    names = sorted({key.rsplit(".", 1)[0] for key in tensors})
    layers = {n: Layer(*(tensors[f"{n}.{kind}"] for kind in ("weight", "bias", "slope"))) for n in names}
    # Ten output channels fill no vector register: sixteen with zeros are faster, and the next layer reads ten.
    first = layers["pnet.conv1"]
    extra = 16 - first.weight.shape[3]
    layers["pnet.conv1"] = Layer(
        np.pad(first.weight, ((0, 0), (0, 0), (0, 0), (0, extra))),
        np.pad(first.bias, (0, extra)),
        np.pad(first.slope, (0, extra)),
    )
    for net in ("rnet", "onet"):
        dense = layers[f"{net}.dense"]
        flat = dense.weight.reshape(1, 1, -1, dense.weight.shape[3])
        layers[f"{net}.dense"] = Layer(flat, dense.bias, dense.slope)
    return layers


def _probability(logit: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logit))


class Nets:
    """The three nets as functions of normalised channel-last crops. Safe from several threads.

    threads: 0 means the process default.
    """

    def __init__(self, threads: int = 0) -> None:
        self._executor = Executor(_layers(), threads)
        self._conv = self._executor.conv
        self.layers, self.context = self._executor.layers, self._executor.context

    def propose(self, x: np.ndarray) -> np.ndarray:
        """P-net. x: float32 [1,h,w,3], sides >= 12 -> float32 [h',w',5]: class logit, box offsets in sides.

        Works in stripes of rows whose activations stay in the cache; neighbouring stripes share ten input rows.
        """
        height, width = x.shape[1:3]
        rows, columns = ((side - 1) // 2 - 4 for side in (height, width))
        out = np.empty((1, rows, columns, self.layers["pnet.heads"].weight.shape[3]), np.float32)
        channels = self.layers["pnet.conv2"].weight.shape[2]
        step = max(16, STRIPE_BYTES // (2 * 64 * width))
        for first in range(0, rows, step):
            last = min(first + step, rows)
            part = x[:, 2 * first : height if last == rows else 2 * last + 10]
            y = self._pool(self._conv("pnet.conv1", part), 2)
            y = self._conv("pnet.conv3", self._conv("pnet.conv2", y[..., :channels]))
            self._conv("pnet.heads", y, out[:, first:last])
        return out[0]

    def refine(self, crops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """R-net. crops: float32 [N,24,24,3] -> scores float32 [N], box offsets float32 [N,4]."""
        y = self._head("rnet", crops, pools=(3, 3))
        return _probability(y[:, 0]), y[:, 1:5]

    def output(self, crops: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """O-net. crops: float32 [N,48,48,3] -> scores [N], box offsets [N,4], points [N,5,2] in crop sides."""
        y = self._head("onet", crops, pools=(3, 3, 2))
        return _probability(y[:, 0]), y[:, 1:5], y[:, 5:].reshape(-1, 2, 5).transpose(0, 2, 1)

    def _head(self, net: str, crops: np.ndarray, pools: tuple[int, ...]) -> np.ndarray:
        out = np.empty((1, 1, len(crops), self.layers[f"{net}.heads"].weight.shape[3]), np.float32)
        for start in range(0, len(crops), BATCH):
            x = crops[start : start + BATCH]
            for i, kernel in enumerate(pools, 1):
                x = self._pool(self._conv(f"{net}.conv{i}", x), kernel)
            x = self._conv(f"{net}.conv{len(pools) + 1}", x)
            x = self._conv(f"{net}.dense", x.reshape(1, 1, len(x), -1))  # dense: a 1x1 convolution over a row of crops
            self._conv(f"{net}.heads", x, out[:, :, start : start + BATCH])
        return out[0, 0]

    def _pool(self, x: np.ndarray, kernel: int) -> np.ndarray:
        n, h, w, c = x.shape
        size = [max(0, side - kernel + 1) // 2 + 1 for side in (h, w)]
        out = self._executor.room(f"pool{c}", (n, *size, c))
        _C.max_pool2d(x, out, kernel, 2, self.context)
        return out

    def crop(self, image: np.ndarray, boxes: np.ndarray, height: int, width: int) -> np.ndarray:
        """Area-resized normalised crops. image: uint8 [H,W,3]; boxes: int32 [N,4] -> float32 [N,height,width,3]."""
        out = np.empty((len(boxes), height, width, image.shape[2]), np.float32)
        _C.crop_area(image, boxes, out, MEAN, SCALE, self.context)
        return out

    def mean_crop(self, image: np.ndarray, boxes: np.ndarray, height: int, width: int) -> np.ndarray:
        """Area-resized crops that stay uint8 [N,height,width,3]."""
        out = np.empty((len(boxes), height, width, image.shape[2]), np.float32)
        _C.crop_area(image, boxes, out, -0.5, 1.0, self.context)
        return out.astype(np.uint8)

    def mean_warp(self, image: np.ndarray, to_image: np.ndarray, side: int) -> np.ndarray:
        """One warped crop that stays uint8 [side,side,3], grey outside the image. to_image: float64 [1,2,3]."""
        out = np.empty((1, side, side, image.shape[2]), np.float32)
        _C.crop_warp(image, to_image, out, GREY, 1.0, self.context)
        out += GREY + 0.5
        return out[0].astype(np.uint8)

    def warp(self, image: np.ndarray, to_image: np.ndarray, out: np.ndarray) -> None:
        """Normalised crops by affine maps, antialiased up to 4 image px a crop px.

        image: uint8, or float32 that is normalised already; to_image: float64 [N,2,3]; out: float32 [N,size,size,3].
        """
        mean, scale = (MEAN, SCALE) if image.dtype == np.uint8 else (0.0, 1.0)
        _C.crop_warp(image, to_image, out, mean, scale, self.context)


def keep_best(boxes: np.ndarray, scores: np.ndarray, threshold: float, *, minimum: bool = False) -> np.ndarray:
    """Indices int [K] of the boxes that survive greedy suppression, best score first.

    minimum: overlap is measured against the smaller box and sides count their last pixel, else against the union.
    """
    # Scores saturate at 1, so that ties are common: broken as facenet-pytorch does, in either suppression.
    order = np.argsort(scores)[::-1] if minimum else np.argsort(-scores, kind="stable")
    keep = np.empty(len(order), np.bool_)
    _C.nms(np.ascontiguousarray(boxes[order, :4], dtype=np.float32), keep, threshold, float(minimum), minimum)
    return order[keep]


def pyramid(height: int, width: int, settings: Settings) -> list[float]:
    """Scales at which P-net sees faces from min_face_px up to the shorter side, finest first."""
    scale = CELL_PX / settings.min_face_px
    scales, side = [], min(height, width) * scale
    while side >= CELL_PX:
        scales.append(scale)
        scale *= settings.factor
        side *= settings.factor
    return scales


def _proposals(nets: Nets, image: np.ndarray, scale: float, settings: Settings) -> np.ndarray:
    """Boxes of one pyramid level after suppression: float32 [N,9] x0,y0,x1,y1,score,offsets, 1-based px."""
    h, w = image.shape[:2]
    whole = np.array([[0, 0, w, h]], np.int32)
    y = nets.propose(nets.crop(image, whole, int(h * scale + 1), int(w * scale + 1)))
    limit = settings.thresholds[0]
    row, column = np.nonzero(y[..., 0] >= math.log(limit / (1 - limit)))
    hit = y[row, column]
    corner = np.stack([column, row], 1).astype(np.float32) * STRIDE_PX
    first, last = np.floor((corner + 1) / np.float32(scale)), np.floor((corner + CELL_PX) / np.float32(scale))
    boxes = np.concatenate([first, last, _probability(hit[:, :1]), hit[:, 1:]], 1)
    return boxes[keep_best(boxes, boxes[:, 4], 0.5)]


def _square(boxes: np.ndarray) -> np.ndarray:
    """The square of the longer side about each box's centre."""
    sides = boxes[:, 2:4] - boxes[:, :2]
    longer = sides.max(axis=1, keepdims=True)
    corner = boxes[:, :2] + sides * np.float32(0.5) - longer * np.float32(0.5)
    return np.concatenate([corner, corner + longer], 1)


def _move(boxes: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    sides = boxes[:, 2:4] - boxes[:, :2] + 1
    return boxes + offsets * np.tile(sides, 2)


def _clip(boxes: np.ndarray, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """1-based boxes -> (half-open int32 boxes inside the image, which of them have pixels)."""
    limits = [width, height]
    whole = np.trunc(np.clip(boxes, -(2**30), 2**30)).astype(np.int32)
    first, last = np.maximum(whole[:, :2], 1), np.minimum(whole[:, 2:4], limits)
    clipped = np.concatenate([first - 1, last], 1).astype(np.int32)
    return np.ascontiguousarray(clipped), ((last > first - 1).all(1) & (first <= limits).all(1))


def _second(nets: Nets, image: np.ndarray, boxes: np.ndarray, settings: Settings) -> tuple[np.ndarray, np.ndarray]:
    clipped, alive = _clip(boxes, *image.shape[:2])
    boxes, clipped = boxes[alive], clipped[alive]
    scores, offsets = nets.refine(nets.crop(image, clipped, REFINE_PX, REFINE_PX))
    good = scores > settings.thresholds[1]
    boxes, scores, offsets = boxes[good], scores[good], offsets[good]
    pick = keep_best(boxes, scores, 0.7)
    return _square(_move(boxes[pick], offsets[pick])), scores[pick]


def _third(nets: Nets, image: np.ndarray, boxes: np.ndarray, settings: Settings) -> Found:
    clipped, alive = _clip(boxes, *image.shape[:2])
    boxes, clipped = boxes[alive], clipped[alive]
    scores, offsets, points = nets.output(nets.crop(image, clipped, OUTPUT_PX, OUTPUT_PX))
    good = scores > settings.thresholds[2]
    boxes, scores, offsets, points = boxes[good], scores[good], offsets[good], points[good]
    sides = boxes[:, 2:4] - boxes[:, :2] + 1
    points = boxes[:, None, :2] + points * sides[:, None] - 1
    boxes = _move(boxes, offsets)
    pick = keep_best(boxes, scores, 0.7, minimum=True)
    return Found(boxes[pick], scores[pick], points[pick])


def candidates(
    nets: Nets, image: np.ndarray, settings: Settings, known: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """What P-net and R-net leave of an image uint8 [H,W,3]: square boxes float32 [N,4], 1-based px, and scores [N].

    known: float [K,3], centre x, y and radius of places that are left out.
    """
    h, w = image.shape[:2]
    levels = [_proposals(nets, image, scale, settings) for scale in pyramid(h, w, settings)[slice(*settings.levels)]]
    boxes = np.concatenate([np.empty((0, 9), np.float32), *levels])
    if known is not None:
        away = (boxes[:, None, :2] + boxes[:, None, 2:4]) / 2 - known[:, :2]
        boxes = boxes[(np.hypot(away[..., 0], away[..., 1]) > known[:, 2]).all(axis=1)]
    boxes = boxes[keep_best(boxes, boxes[:, 4], 0.7)]
    sides = boxes[:, 2:4] - boxes[:, :2]
    return _second(nets, image, _square(boxes[:, :4] + boxes[:, 5:] * np.tile(sides, 2)), settings)


def cascade(nets: Nets, image: np.ndarray, settings: Settings) -> Found:
    """Upright faces of an image uint8 [H,W,3], best score first; agrees with facenet-pytorch."""
    return _third(nets, image, candidates(nets, image, settings)[0], settings)
