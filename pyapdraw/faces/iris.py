"""The lids and the iris of an eye on a small upright crop: MediaPipe's iris network [Ablavatski et al. 2020] on native
operations.

Bottleneck blocks: 1 x 1 down to half the channels, depthwise 3 x 3, 1 x 1 up again; where the map is halved, the first
convolution is 2 x 2 and the sum takes the largest of four pixels. The trunk ends in two branches of the same kind. 64 x
64 pixels in, of an eye as it looks where the outer corner is at the smaller x; the other eye is mirrored.
"""

from __future__ import annotations

import numpy as np

from pyapdraw import _C, weights
from pyapdraw.runtime.native import Executor, Layer

SIDE_PX = 64
EYE_POINTS, IRIS_POINTS = 71, 5
TRUNK = ("block0", "block1", "block2", "block3", "down0", "block4", "block5", "block6", "block7", "down1")
BRANCH = ("block0", "block1", "down0", "block2", "block3", "down1", "block4", "block5")
BRANCHES = ("eye", "iris")
PARTS = ("narrow", "depthwise", "wide")  # the convolutions of a block


class Iris:
    """Callable: crops float32 [N,64,64,3] in 0 to 1 -> points of the eye float32 [N,71,3] and of the iris [N,5,3].

    x and y are px of the crop, pixel centres at integers; z is depth in the same unit. The first 16 points of the eye
    are its lids: 0 to 8 the lower from the outer corner to the inner, 9 to 15 the upper between them; the rest are brow
    and rim. Of the iris: centre, then right, top, left, bottom of its rim. Safe to call from several threads.
    """

    def __init__(self, threads: int = 0) -> None:
        """threads: most worker threads of a call, 0 for the machine's default. Raises WeightsError."""
        tensors = weights.load("iris")
        names = {key.removesuffix(".weight") for key in tensors if key.endswith(".weight")}
        parts = {name: (tensors[f"{name}.weight"], tensors[f"{name}.bias"]) for name in names}
        self._depthwise = {n.removesuffix(".depthwise"): part for n, part in parts.items() if n.endswith(".depthwise")}
        self._slopes = {key.removesuffix(".slope"): value for key, value in tensors.items() if key.endswith(".slope")}
        layers = {
            name: Layer(*part, self._slopes.get(name, np.ones_like(part[1])))
            for name, part in parts.items()
            if not name.endswith(".depthwise")
        }
        self._executor = Executor(layers, threads)
        self._conv, self._context = self._executor.conv, self._executor.context

    def __call__(self, crops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """crops: float32 [N,64,64,3]."""
        padded = self._executor.room("input", (len(crops), SIDE_PX + 1, SIDE_PX + 1, 3))
        padded[:, :SIDE_PX, :SIDE_PX] = crops
        padded[:, SIDE_PX:] = 0  # TensorFlow's "same" of an even side at stride 2
        padded[:, :, SIDE_PX:] = 0
        x = self._conv("stem", padded, stride=2)
        for name in TRUNK:
            x = self._block(name, x)
        found = []
        for branch, count in zip(BRANCHES, (EYE_POINTS, IRIS_POINTS)):
            y = x
            for name in BRANCH:
                y = self._block(f"{branch}.{name}", y)
            points = self._conv(f"{branch}.out", y).reshape(len(crops), count, 3)
            found.append(points - np.array([0.5, 0.5, 0], np.float32))
        return found[0], found[1]

    def _block(self, name: str, x: np.ndarray) -> np.ndarray:
        """A residual block; one that halves the map where its name says "down"."""
        stride = 2 if "down" in name else 1
        narrow = self._conv(f"{name}.narrow", x, stride=stride)
        inner = self._executor.room(f"{name}.inner", narrow.shape)
        _C.depthwise_conv2d(narrow, *self._depthwise[name], inner, 1, 1, ctx=self._context)
        y = self._conv(f"{name}.wide", inner)
        if stride == 2:
            pooled = self._executor.room(f"{name}.pooled", (*narrow.shape[:3], x.shape[3]))
            _C.max_pool2d(x, pooled, 2, 2, self._context)
            x = pooled
        _C.add_prelu(y, x, self._slopes[name], self._context)
        return y
