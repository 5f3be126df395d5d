"""Networks on native operations, without torch: what each of them would otherwise write for itself.

Maps are float32 [N,H,W,C]. A network keeps an `Executor` and writes its forward pass with it.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from pyapdraw import _C


class Layer(NamedTuple):
    """A convolution: weight [kh,kw,I,O], bias [O], and slope [O] for results below 0 (1: linear, 0: ReLU)."""

    weight: np.ndarray
    bias: np.ndarray
    slope: np.ndarray


def layer(weight: np.ndarray, bias: np.ndarray, slope: float) -> Layer:
    """A Layer with one slope for all channels."""
    return Layer(weight, bias, np.full(bias.shape, slope, np.float32))


class Executor:
    """The layers of one network, the threads that run them, and maps that each calling thread has for itself.

    Args:
        layers: by name. threads: worker threads a call; 0 = the process default.
        half: convolutions may round to bfloat16, which takes half the time where the processor has it.
    """

    def __init__(self, layers: Mapping[str, Layer], threads: int = 0, half: bool = False) -> None:
        self.layers = layers
        self.context = _C.Context(threads)
        self._run = _C.conv2d_bf16 if half else _C.conv2d
        self._local = threading.local()

    def conv(
        self,
        name: str,
        x: np.ndarray,
        out: np.ndarray | None = None,
        *,
        stride: int = 1,
        pad: int = 0,
        context: _C.Context | None = None,
    ) -> np.ndarray:
        """The layer's convolution and slope. out: None: room of this thread under the layer's name."""
        weight, bias, slope = self.layers[name]
        if out is None:
            height, width = ((side + 2 * pad - k) // stride + 1 for side, k in zip(x.shape[1:3], weight.shape))
            out = self.room(name, (x.shape[0], height, width, weight.shape[3]))
        self._run(x, weight, bias, slope, out, stride, pad, context or self.context)
        return out

    def same(
        self, name: str, x: np.ndarray, out: np.ndarray, *, stride: int = 1, context: _C.Context | None = None
    ) -> np.ndarray:
        """`conv` with zeros around, so that at stride 1 the map keeps its size."""
        return self.conv(name, x, out, stride=stride, pad=(self.layers[name].weight.shape[0] - 1) // 2, context=context)

    def room(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        """This thread's memory of that name: fresh memory would cost as much as a layer, in page faults."""
        count = math.prod(shape)
        known = self._local.__dict__
        if name not in known or known[name].size < count:
            known[name] = np.empty(count, np.float32)
        return known[name][:count].reshape(shape)

    def maps(self, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """This thread's maps, made on its first call; what is constant in them is set once."""
        found = getattr(self._local, "maps", None)
        if found is None:
            found = self._local.maps = make()
        return found


def plane(side_px: int, channels: int) -> np.ndarray:
    """Maps of zeros, float32 [1,S,S,C]."""
    return np.zeros((1, side_px, side_px, channels), np.float32)
