"""MTCNN, the cascade of three small nets that the APDrawingGAN paper detects faces with, on the native core.

Source: Zhang, Zhang, Li, Qiao, "Joint Face Detection and Alignment using Multi-task Cascaded Convolutional
Networks", IEEE SPL 2016. P-net looks at every position of an image pyramid, R-net and O-net at the boxes that are
left; O-net also gives five points. The steps and conventions (boxes in 1-based pixels, "area" resizing, order of
suppression) are those of facenet-pytorch 2.6.0, whose weights these are, so that points and boxes agree with it;
`cascade` is that algorithm, and `output_at` the last net alone at any rotated square, which detection at any head
roll and tracking are built on (`pyapdraw.faces`, `pyapdraw.tracking`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np

from pyapdraw import _C, weights
from pyapdraw.ops.conv2d import max_pool2d

CELL_PX = 12  # what one P-net output sees, at a stride of 2
STRIDE_PX = 2
REFINE_PX = 24
OUTPUT_PX = 48
MEAN, SCALE = 127.5, 1 / 128
BATCH = 256  # crops a net is given at once: bounds memory for crowds


@dataclass(frozen=True)
class Settings:
    """min_face_px: smallest side of a face; thresholds: scores in [0,1] that pass P-, R- and O-net; factor: pyramid step."""

    min_face_px: float = 20.0
    thresholds: tuple[float, float, float] = (0.6, 0.7, 0.7)
    factor: float = 0.709


@dataclass(frozen=True)
class Found:
    """What a cascade found. boxes float32 [N,4] x0,y0,x1,y1 and points float32 [N,5,2], 0-based px; scores float32 [N]."""

    boxes: np.ndarray
    scores: np.ndarray
    points: np.ndarray


@dataclass(frozen=True)
class Layer:
    weight: np.ndarray
    bias: np.ndarray
    slope: np.ndarray

    def __call__(self, x: np.ndarray, ctx: _C.Context) -> np.ndarray:
        kh, kw, _, outputs = self.weight.shape
        out = np.empty((x.shape[0], x.shape[1] - kh + 1, x.shape[2] - kw + 1, outputs), np.float32)
        _C.conv2d(x, self.weight, self.bias, self.slope, out, 1, 0, ctx)
        return out


@cache
def _layers() -> dict[str, Layer]:
    tensors = weights.load("mtcnn")
    names = sorted({key.rsplit(".", 1)[0] for key in tensors})
    layers = {n: Layer(*(tensors[f"{n}.{kind}"] for kind in ("weight", "bias", "slope"))) for n in names}
    # Ten output channels fill no vector register: sixteen with zeros are faster, and the next layer reads ten.
    first = layers["pnet.conv1"]
    extra = 16 - first.weight.shape[3]
    layers["pnet.conv1"] = Layer(
        np.pad(first.weight, ((0, 0), (0, 0), (0, 0), (0, extra))), np.pad(first.bias, (0, extra)), np.pad(first.slope, (0, extra))
    )
    return layers


def _probability(logit: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logit))


class Nets:
    """The three nets as functions of normalised channel-last crops. Holds no state: safe from several threads.

    threads: 0 means the process default.
    """

    def __init__(self, threads: int = 0) -> None:
        self.layers = _layers()
        self.context = _C.Context(threads)
        self.threads = threads

    def propose(self, x: np.ndarray) -> np.ndarray:
        """P-net. x: float32 [1,h,w,3], sides >= 12 -> float32 [h',w',5]: class logit, box offsets (fractions of its side)."""
        layers, ctx = self.layers, self.context
        x = max_pool2d(layers["pnet.conv1"](x, ctx), 2, 2, ceil=True, threads=self.threads)
        x = layers["pnet.conv2"](x[..., : layers["pnet.conv2"].weight.shape[2]], ctx)
        return layers["pnet.heads"](layers["pnet.conv3"](x, ctx), ctx)[0]

    def refine(self, crops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """R-net. crops: float32 [N,24,24,3] -> scores float32 [N], box offsets float32 [N,4]."""
        y = self._head("rnet", crops, pools=((3, 2), (3, 2)))
        return _probability(y[:, 0]), y[:, 1:5]

    def output(self, crops: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """O-net. crops: float32 [N,48,48,3] -> scores [N], box offsets [N,4], points [N,5,2] as fractions of the crop."""
        y = self._head("onet", crops, pools=((3, 2), (3, 2), (2, 2)))
        return _probability(y[:, 0]), y[:, 1:5], y[:, 5:].reshape(-1, 2, 5).transpose(0, 2, 1)

    def _head(self, net: str, crops: np.ndarray, pools: tuple[tuple[int, int], ...]) -> np.ndarray:
        layers, ctx = self.layers, self.context
        parts = []
        for start in range(0, len(crops), BATCH):
            x = crops[start : start + BATCH]
            for i, (kernel, stride) in enumerate(pools, 1):
                x = max_pool2d(layers[f"{net}.conv{i}"](x, ctx), kernel, stride, ceil=True, threads=self.threads)
            x = layers[f"{net}.conv{len(pools) + 1}"](x, ctx)
            dense = layers[f"{net}.dense"]
            x = x.reshape(1, 1, len(x), -1)  # a dense layer is a 1x1 convolution over the row of crops
            x = Layer(dense.weight.reshape(1, 1, -1, dense.weight.shape[3]), dense.bias, dense.slope)(x, ctx)
            parts.append(layers[f"{net}.heads"](x, ctx)[0, 0])
        return np.concatenate(parts) if parts else np.empty((0, layers[f"{net}.heads"].weight.shape[3]), np.float32)

    def crop(self, image: np.ndarray, boxes: np.ndarray, height: int, width: int) -> np.ndarray:
        """Area-resized normalised crops. image: uint8 [H,W,3]; boxes: int32 [N,4], inside -> float32 [N,height,width,3]."""
        out = np.empty((len(boxes), height, width, image.shape[2]), np.float32)
        _C.crop_area(image, boxes, out, MEAN, SCALE, self.context)
        return out

    def warp(self, image: np.ndarray, to_image: np.ndarray, size: int) -> np.ndarray:
        """Normalised crops by affine maps. image: uint8, or float32 normalised already; to_image: float64 [N,2,3]."""
        out = np.empty((len(to_image), size, size, image.shape[2]), np.float32)
        mean, scale = (MEAN, SCALE) if image.dtype == np.uint8 else (0.0, 1.0)
        _C.crop_warp(image, np.ascontiguousarray(to_image, dtype=np.float64), out, mean, scale, self.context)
        return out


def keep_best(boxes: np.ndarray, scores: np.ndarray, threshold: float, *, minimum: bool = False) -> np.ndarray:
    """Indices int [K] of the boxes that survive greedy suppression, best score first.

    minimum: overlap is measured against the smaller box and sides count their last pixel, else against the union.
    """
    order = np.argsort(-scores, kind="stable")
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


def _second(nets: Nets, image: np.ndarray, boxes: np.ndarray, settings: Settings) -> np.ndarray:
    clipped, alive = _clip(boxes, *image.shape[:2])
    boxes, clipped = boxes[alive], clipped[alive]
    scores, offsets = nets.refine(nets.crop(image, clipped, REFINE_PX, REFINE_PX))
    good = scores > settings.thresholds[1]
    boxes, scores, offsets = boxes[good], scores[good], offsets[good]
    pick = keep_best(boxes, scores, 0.7)
    return _square(_move(boxes[pick], offsets[pick]))


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


def cascade(nets: Nets, image: np.ndarray, settings: Settings) -> Found:
    """Upright faces of an image uint8 [H,W,3] (C-contiguous rows), best score first; agrees with facenet-pytorch."""
    h, w = image.shape[:2]
    levels = [_proposals(nets, image, scale, settings) for scale in pyramid(h, w, settings)]
    boxes = np.concatenate([np.empty((0, 9), np.float32), *levels])
    boxes = boxes[keep_best(boxes, boxes[:, 4], 0.7)]
    sides = boxes[:, 2:4] - boxes[:, :2]
    boxes = _square(boxes[:, :4] + boxes[:, 5:] * np.tile(sides, 2))
    return _third(nets, image, _second(nets, image, boxes, settings), settings)
