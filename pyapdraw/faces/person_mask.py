"""The person mask: which pixels of an aligned crop belong to the person, hair and clothes included.

A small network of this project (training/shipped/person_mask.py, weights/person_mask.md) looks at the crop at 128 x 128
pixels. Where it is unsure, the colours of what it is sure of decide: two histograms a crop, as in GrabCut [Rother,
Kolmogorov, Blake 2004] but in one pass and as a bounded vote. A guided filter enlarges the answer so that the edges
follow those of the crop. Nothing here needs torch.
"""

from __future__ import annotations

import numpy as np

from pyapdraw import _C, weights
from pyapdraw.errors import BadInput
from pyapdraw.runtime.native import Executor, Layer, layer, plane

SIZE_PX = 128  # side of the network's input
COLOURS = 16  # levels a channel of the histograms
SURE = 0.8  # a pixel this likely on either side begins to count in its histogram
VOTE = 0.6  # weight of the logarithm of the ratio of the histograms, which is cut at +-VOTE_MOST
VOTE_MOST = 3.0
RADIUS = 4  # of the guided filter, in network pixels: as far as the network's edges are off
EPSILON = 1e-3  # variance of grey that counts as an edge; 3e-4 to 1e-2 give the same overlap to 0.0003
GAIN = 1.6  # the filter leaves a soft veil where crop and background hardly differ: steeper around one half


class PersonMask:
    """Callable: crop uint8 [S,S,3] RGB -> mask uint8 [S,S], 255 = person, 128 and more = rather person than not.

    The crop is aligned as align.py does it (eyes level, at 0.39 and 0.61 of the width and 0.48 of the height): the
    network knows by its position where a face is. Any side S from 1 px. Safe to call from several threads.
    """

    def __init__(self, threads: int = 0) -> None:
        """threads: most worker threads of a call, 0 for the machine's default. Raises WeightsError."""
        tensors = weights.load("person_mask")
        names = sorted({key.rpartition(".")[0] for key in tensors})
        self._executor = Executor({name: _layer(name, tensors) for name in names}, threads)
        self._conv, self._layers = self._executor.same, self._executor.layers
        self._levels = sum(name.startswith("down.") for name in names)
        self._context = self._executor.context

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        """pixels: crop uint8 [S,S,3]. Returns uint8 [S,S]. Raises BadInput."""
        pixels = _checked(pixels)
        logits = self.logits(pixels)
        logits += VOTE * colour_votes(logits, self._buffers()["input"][0, :, :, :3])
        likely = 1 / (1 + np.exp(-logits))
        mask = np.empty(pixels.shape[:2], np.uint8)
        _C.guided_upsample(likely, pixels, mask, RADIUS, EPSILON, GAIN, self._context)
        return mask

    def logits(self, pixels: np.ndarray) -> np.ndarray:
        """The network's own answer, float32 [128,128]: log odds of person, for crop uint8 [S,S,3]."""
        buffers = self._buffers()
        pixels = np.ascontiguousarray(pixels)
        tall, wide = pixels.shape[:2]
        box = np.array([[0, 0, wide, tall]], np.int32)
        _C.crop_area(pixels, box, buffers["input"][..., :3], 127.5, 1 / 127.5, self._context)
        self._conv("stem", buffers["input"], buffers["skip.0"])
        for level in range(self._levels):
            self._conv(f"down.{level}", buffers[f"skip.{level}"], buffers[f"inner.{level}"], stride=2)
            self._conv(f"body.{level}", buffers[f"inner.{level}"], buffers[f"skip.{level + 1}"])
        x = buffers[f"inner.{self._levels - 1}"]
        self._conv("context", buffers[f"skip.{self._levels}"], x)
        for level in reversed(range(self._levels)):
            side, skip = buffers[f"side.{level}"], buffers[f"skip.{level}"]
            self._conv(f"side.{level}", x, side)
            _add_doubled(skip, side)
            x = buffers[f"up.{level}"]
            self._conv(f"up.{level}", skip, x)
        self._conv("head", x, buffers["logits"])
        return buffers["logits"][0, :, :, 0].copy()

    def _buffers(self) -> dict[str, np.ndarray]:
        """Feature maps of the calling thread, float32 [1,h,w,C]."""
        return self._executor.maps(self._made)

    def _made(self) -> dict[str, np.ndarray]:
        made = {"input": plane(SIZE_PX, 5), "logits": plane(SIZE_PX, 1)}
        position = np.linspace(-1, 1, SIZE_PX, dtype=np.float32)
        made["input"][..., 3] = position[None, :]
        made["input"][..., 4] = position[:, None]
        made["skip.0"] = plane(SIZE_PX, self._layers["stem"].bias.size)
        for level in range(self._levels):
            side_px = SIZE_PX >> level
            above, below = self._layers[f"side.{level}"].bias.size, self._layers[f"down.{level}"].bias.size
            made[f"inner.{level}"] = plane(side_px // 2, below)
            made[f"skip.{level + 1}"] = plane(side_px // 2, below)
            made[f"side.{level}"] = plane(side_px // 2, above)
            made[f"up.{level}"] = plane(side_px, above)
        return made


def colour_votes(logits: np.ndarray, photo: np.ndarray) -> np.ndarray:
    """How much more at home each pixel's colour is on the person than behind, by the surest pixels of the same crop.

    logits float32 [h,w]; photo float32 [h,w,3] in -1..1. Returns float32 [h,w], log ratios within +-VOTE_MOST.
    """
    levels = np.minimum((photo + 1) * (COLOURS / 2), COLOURS - 1).astype(np.intp)
    colour = (levels[..., 0] * COLOURS + levels[..., 1]) * COLOURS + levels[..., 2]
    likely = 1 / (1 + np.exp(-logits))
    shares = []
    for side in (likely, 1 - likely):
        weight = np.maximum(side - SURE, 0) / (1 - SURE)
        counts = np.bincount(colour.ravel(), weight.ravel(), COLOURS**3).reshape(COLOURS, COLOURS, COLOURS)
        shares.append(_neighbours(counts) / (27 * max(float(weight.sum()), 1)))
    floor = 2e-4  # of all pixels: a colour rarer than this tells nothing
    votes = np.log((shares[0] + floor) / (shares[1] + floor)).ravel()[colour]
    return np.clip(_neighbours(votes) / 9, -VOTE_MOST, VOTE_MOST).astype(np.float32)


def _neighbours(values: np.ndarray) -> np.ndarray:
    """Sum of every element and its neighbours along all axes."""
    for axis in range(values.ndim):
        line = np.moveaxis(values, axis, 0)
        total = line.copy()
        total[1:] += line[:-1]
        total[:-1] += line[1:]
        values = np.moveaxis(total, 0, axis)
    return values


def _add_doubled(skip: np.ndarray, side: np.ndarray) -> None:
    """skip [1,2h,2w,C] += side [1,h,w,C], every pixel of which counts for two by two."""
    _, tall, wide, channels = side.shape
    blocks = skip.reshape(tall, 2, wide, 2, channels)
    blocks += side.reshape(tall, 1, wide, 1, channels)


def _layer(name: str, tensors: dict[str, np.ndarray]) -> Layer:
    """One convolution: 1 x 1 ones are linear, the others end in ReLU."""
    weight = tensors[f"{name}.weight"]
    return layer(weight, tensors[f"{name}.bias"], 1.0 if weight.shape[0] == 1 else 0.0)


def _checked(pixels: np.ndarray) -> np.ndarray:
    if not isinstance(pixels, np.ndarray):
        raise BadInput(f"pixels: {type(pixels).__name__} given, a crop uint8 [S,S,3] is expected")
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise BadInput(f"pixels: {pixels.dtype} {list(pixels.shape)} given, a crop uint8 [S,S,3] is expected")
    if pixels.shape[0] != pixels.shape[1] or pixels.shape[0] == 0:
        raise BadInput(f"pixels: {pixels.shape[1]} x {pixels.shape[0]} px given, a square aligned crop is expected")
    return np.ascontiguousarray(pixels)
