"""468 points of a face on an upright crop: MediaPipe's face mesh [Kartynnik et al. 2019] on native operations.

Residual blocks of a depthwise and a 1 x 1 convolution; where the map is halved, the sum takes the largest of four
pixels, and channels that it lacks are zeros. 192 x 192 pixels in; the crop is the square about the face, half as wide
again as it, turned so that the eyes are level. The face at the larger x is the person's left.
"""

from __future__ import annotations

import numpy as np

from pyapdraw import _C, weights
from pyapdraw.runtime.native import Executor, Layer

SIDE_PX = 192
POINTS = 468
TRUNK = ("block0", "block1", "down0", "block2", "block3", "down1", "block4", "block5", "down2", "block6", "block7",
         "down3", "block8", "block9")  # fmt: skip
TO_POINTS = ("points.down", "points.block0", "points.block1")


class FaceMesh:
    """Callable: crops float32 [N,192,192,3] in 0 to 1 -> points float32 [N,468,3] and scores float32 [N].

    x and y of a point are px of the crop, pixel centres at integers; z is depth in the same unit, less is nearer.
    Safe to call from several threads.
    """

    def __init__(self, threads: int = 0) -> None:
        """threads: most worker threads of a call, 0 for the machine's default. Raises WeightsError."""
        tensors = weights.load("face_mesh")
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
        """crops: float32 [N,192,192,3]."""
        padded = self._executor.room("input", (len(crops), SIDE_PX + 1, SIDE_PX + 1, 3))
        padded[:, :SIDE_PX, :SIDE_PX] = crops
        padded[:, SIDE_PX:] = 0  # TensorFlow's "same" of an even side at stride 2
        padded[:, :, SIDE_PX:] = 0
        x = self._conv("stem", padded, stride=2)
        for name in TRUNK:
            x = self._block(name, x)
        face = x
        for name in TO_POINTS:
            x = self._block(name, x)
        x = self._block("points.block2", self._conv("points.narrow", x))
        points = self._conv("points.out", x).reshape(len(crops), POINTS, 3)
        x = self._conv("score.narrow", self._block("score.down", face))
        score = self._conv("score.out", self._block("score.block", x)).reshape(len(crops))
        return points - np.array([0.5, 0.5, 0], np.float32), 1 / (1 + np.exp(-score))

    def _block(self, name: str, x: np.ndarray) -> np.ndarray:
        """A residual block; one that halves the map where its name says "down"."""
        stride = 2 if "down" in name else 1
        weight, bias = self._depthwise[name]
        sides = [side // stride for side in x.shape[1:3]]
        inner = self._executor.room(f"{name}.inner", (len(x), *sides, x.shape[3]))
        _C.depthwise_conv2d(x, weight, bias, inner, stride, 1 if stride == 1 else 0, ctx=self._context)
        y = self._conv(f"{name}.pointwise", inner)
        if stride == 2:
            pooled = self._executor.room(f"{name}.pooled", inner.shape)
            _C.max_pool2d(x, pooled, 2, 2, self._context)
            x = pooled
        _C.add_prelu(y, x, self._slopes[name], self._context)
        return y
