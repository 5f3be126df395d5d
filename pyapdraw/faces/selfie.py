"""The network behind the person mask: MediaPipe's selfie segmentation on native operations.

A MobileNetV3 of 256 x 256 pixels [Howard et al. 2019] with squeeze-and-excitation on the way down and at each skip on
the way up; 103,480 weights, 58 million multiplications. It takes pictures of any kind in which people are seen; where
it sees a white border, it is less sure. What is linear is computed where it costs least: gates multiply the weights of
the convolution behind them, and maps are enlarged after the convolution that makes them narrow, not before.
"""

from __future__ import annotations

import numpy as np

from pyapdraw import _C, weights
from pyapdraw.runtime.native import Executor, Layer, layer

SIDE_PX = 256
LINEAR, RELU = 1.0, 0.0  # slopes below 0
# Of the blocks: the kernel's side and stride, whether a gate follows, whether hard_swish takes the place of ReLU.
BLOCKS = [
    (3, 2, True, False), (3, 2, False, False), (3, 1, False, False), (5, 2, True, True), (5, 1, True, True),
    (5, 1, True, True), (5, 1, True, True), (5, 1, True, True),
]  # fmt: skip
LEVELS = 3  # of the decoder
MANY = 60_000  # values of a map, from which on several threads are the faster


def layer_names() -> list[str]:
    """All layers in the order in which they run."""
    names = ["stem"]
    for i, (_, _, gated, _) in enumerate(BLOCKS):
        gate = [f"block{i}.squeeze", f"block{i}.excite"] if gated else []
        names += [f"block{i}.expand", f"block{i}.depthwise", *gate, f"block{i}.project"]
    names += ["head", "head.excite"]
    for i in reversed(range(LEVELS)):
        names += [f"up{i}.{part}" for part in ("narrow", "squeeze", "excite", "merge", "depthwise")]
    return [*names, "last"]


class Selfie:
    """Callable: picture uint8 [H,W,3] RGB -> log odds of person, float32 [256,256] (fewer rows where some lie below
    it) over the whole picture.

    Safe to call from several threads.
    """

    def __init__(self, threads: int = 0) -> None:
        """threads: most worker threads of a call, 0 for the machine's default. Raises WeightsError."""
        tensors = weights.load("selfie")
        self._depthwise = {n: (tensors[f"{n}.weight"], tensors[f"{n}.bias"]) for n in layer_names() if "depthw" in n}
        layers = {
            name: layer(tensors[f"{name}.weight"], tensors[f"{name}.bias"], _slope(name))
            for name in layer_names()
            if name not in self._depthwise
        }
        self._executor = Executor(layers, threads)
        self._layers, self._context, self._alone = layers, self._executor.context, _C.Context(1)
        self._ones = {count: np.ones(count, np.float32) for count in ((SIDE_PX >> k) ** 2 for k in range(1, 5))}

    def __call__(self, pixels: np.ndarray, below: int = 0) -> np.ndarray:
        """pixels: uint8 [H,W,3], any size. below: rows of the network's 256 that repeat the picture's last one. Returns
        float32 [256 - below,256]."""
        picture = self._executor.maps(_made)["input"]
        tall, wide = pixels.shape[:2]
        box, rows = np.array([[0, 0, wide, tall]], np.int32), SIDE_PX - below
        _C.crop_area(pixels, box, picture[:, :rows, :SIDE_PX], 0, 1 / 255, self._context)
        picture[:, rows:SIDE_PX] = picture[:, rows - 1 : rows]
        skips = [self._swished(self._conv("stem", picture, stride=2))]
        x = skips[0]
        for i, (kernel, stride, gated, swish) in enumerate(BLOCKS):
            x = self._block(f"block{i}", x, kernel, stride, gated, swish)
            if i in (0, 2):
                skips.append(x)
        gate = self._excited("head.excite", self._mean(x))
        x = self._conv("head", x)
        x *= gate
        for i in reversed(range(LEVELS)):
            x = self._up(f"up{i}", skips[i], x)
        quads = self._conv("last", x)
        half = SIDE_PX // 2
        return quads.reshape(half, half, 2, 2).transpose(0, 2, 1, 3).reshape(SIDE_PX, SIDE_PX)[:rows]

    def _conv(self, name: str, x: np.ndarray, stride: int = 1) -> np.ndarray:
        return self._executor.conv(name, x, stride=stride, context=self._for(x))

    def _for(self, x: np.ndarray) -> _C.Context:
        """The threads for work on a map."""
        return self._context if x.size >= MANY else self._alone

    def _mean(self, x: np.ndarray) -> np.ndarray:
        """Of each channel of [1,H,W,C]."""
        ones = self._ones[x.shape[1] * x.shape[2]]
        return (ones @ x.reshape(len(ones), -1)) / np.float32(len(ones))

    def _block(self, name: str, x: np.ndarray, kernel: int, stride: int, gated: bool, swish: bool) -> np.ndarray:
        """An inverted residual block; the sum where input and output are alike."""
        wide = self._conv(f"{name}.expand", x)
        if swish:
            self._swished(wide)
        wide = self._depth(f"{name}.depthwise", wide, kernel, stride, "hard_swish" if swish else "relu")
        project = self._layers[f"{name}.project"]
        if gated:
            gate = self._excited(f"{name}.excite", self._squeezed(name, self._mean(wide)))
            project = project._replace(weight=project.weight * gate[:, None])
        y = self._pointwise(f"{name}.project", wide, project)
        if y.shape == x.shape and name != "block0":
            y += x
        return y

    def _up(self, name: str, skip: np.ndarray, coarse: np.ndarray) -> np.ndarray:
        """A coarse map enlarged onto a skip, whose channels are gated by what both hold."""
        coarse = self._conv(f"{name}.narrow", coarse)
        gate = self._excited(f"{name}.excite", self._squeezed(name, self._mean(skip) + self._mean(coarse)))
        merge = self._layers[f"{name}.merge"]
        x = self._pointwise(f"{name}.merge", skip, merge._replace(weight=merge.weight * gate[:, None]))
        side = self._pointwise(f"{name}.side", coarse, merge._replace(bias=np.zeros_like(merge.bias)))
        _C.add_upsampled(x, side, slope=RELU, how="bilinear", ctx=self._for(x))
        y = self._depth(f"{name}.depthwise", x, 3, 1, "relu")
        y += x
        return y

    def _depth(self, name: str, x: np.ndarray, kernel: int, stride: int, activation: str) -> np.ndarray:
        """Depthwise, padded as TensorFlow's "same": of two sides that differ, the latter is the wider."""
        sides = [-(-side // stride) for side in x.shape[1:3]]
        out = self._executor.room(name, (1, *sides, x.shape[3]))
        pad = max((sides[0] - 1) * stride + kernel - x.shape[1], 0) // 2
        _C.depthwise_conv2d(x, *self._depthwise[name], out, stride, pad, activation, self._for(x))
        return out

    def _pointwise(self, name: str, x: np.ndarray, with_layer: Layer) -> np.ndarray:
        """A convolution of 1 x 1 whose weights belong to this picture."""
        out = self._executor.room(name, (*x.shape[:3], with_layer.bias.size))
        _C.conv2d(x, *with_layer, out, ctx=self._for(x))
        return out

    def _squeezed(self, name: str, mean: np.ndarray) -> np.ndarray:
        weight, bias, _ = self._layers[f"{name}.squeeze"]
        return np.maximum(mean @ weight[0, 0] + bias, 0)

    def _excited(self, name: str, x: np.ndarray) -> np.ndarray:
        weight, bias, _ = self._layers[name]
        return 1 / (1 + np.exp(-np.clip(x @ weight[0, 0] + bias, -80, 80)))  # beyond, float32 has no other answer

    def _swished(self, x: np.ndarray) -> np.ndarray:
        _C.hard_swish(x, self._for(x))
        return x


def _slope(name: str) -> float:
    """Of what is below 0 behind a layer: ReLU behind the head and where a block that is not swished expands."""
    relu = {"head", *(f"block{i}.expand" for i, (_, _, _, swish) in enumerate(BLOCKS) if not swish)}
    return RELU if name in relu else LINEAR


def _made() -> dict[str, np.ndarray]:
    # A row and a column of zeros behind the picture: TensorFlow's "same" of an even side at stride 2.
    return {"input": np.zeros((1, SIDE_PX + 1, SIDE_PX + 1, 3), np.float32)}
