"""The network of apdrawing_small.py on native operations, for live drawing without torch.

Maps are float32 with channels last; each thread keeps its own. How the weights were trained is told in
weights/apdrawing.md.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from pyapdraw import _C, align
from pyapdraw.errors import BadInput
from pyapdraw.models.apdrawing_small_numbers import CELLS_PX, FLAT, GIVEN, HEADS, SLOPE, SMOOTH
from pyapdraw.models.rectangles import PARTS, corners, region_sizes
from pyapdraw.ops.fuse_regions import fuse_regions
from pyapdraw.runtime.native import Executor, Layer, layer, plane

SIDE = align.APDRAWING.width_px
LINEAR = ("side", "stem")  # the local networks' first layers: what they add up to is activated


class Network:
    """The generator. Safe to use from several threads.

    Args:
        tensors: as `apdrawing_small.Generator` has them.
        threads: worker threads a drawing; 0 = the process default.
        half: convolutions may round to bfloat16, which takes half the time where the processor has it.
    """

    def __init__(self, tensors: Mapping[str, np.ndarray], threads: int = 0, half: bool = True) -> None:
        self._net = Folded(tensors)
        self._executor = Executor(self._net.layers, threads, half)
        self._conv, self._context = self._executor.same, self._executor.context
        # The networks for eyes, nose and mouth are small: they share the threads better than each of them could.
        self._workers = min(len(PARTS), threads or _C.default_threads())
        self._pool: ThreadPoolExecutor | None = None
        self._pool_of = 0

    def run(self, pixels: np.ndarray, mask: np.ndarray, ink: np.ndarray, centres: np.ndarray) -> dict[str, np.ndarray]:
        """The ports of `apdrawing.small`, see `models.registry.PORTS`. Raises BadInput: another shape."""
        if pixels.shape[1:] != (SIDE, SIDE, 3):
            raise BadInput(f"pixels: {list(pixels.shape)} given, aligned crops [N,{SIDE},{SIDE},3] expected")
        each = zip(pixels, np.asarray(mask) >= 128, ink, centres)
        return {"drawing": np.stack([self.forward(p, m, i, c[None]) for p, m, i, c in each])}

    def forward(self, pixels: np.ndarray, person: np.ndarray, ink: np.ndarray, centres: np.ndarray) -> np.ndarray:
        """uint8 [S,S,3], bool [S,S], uint8 [S,S], int32 [1,4,2] -> float32 [S,S] in [-1,1]."""
        maps = self._maps()
        planes = maps["planes"]
        self._given(maps, pixels, person, ink)
        features = self._whole(maps)
        _, hair, background = self._heads(maps, features)
        parts = self._parts(planes[2:], features[0], centres)
        fuse_regions(parts, centres, hair, background, person[None, None], out=planes[None, None, 1])
        return self._fusion(maps)

    def _unshuffle(self, planes: np.ndarray, out: np.ndarray) -> None:
        """[K,S,S] to its blocks of 2 x 2 pixels side by side: 4 K channels of [1,S/2,S/2,C]."""
        _C.pixel_unshuffle(planes, out[0], ctx=self._context)

    def _given(self, maps: dict[str, Any], pixels: np.ndarray, person: np.ndarray, ink: np.ndarray) -> None:
        """What the networks read: as planes, and unshuffled."""
        inked, sides, *contrasts = maps["planes"][2:]
        _C.rgb_to_nchw(ink[..., None], inked[None], self._context)
        _C.rgb_to_nchw(person.view(np.uint8)[..., None] * np.uint8(255), sides[None], self._context)
        for contrast, cell in zip(contrasts, CELLS_PX):
            _C.local_contrast(pixels, contrast, cell, FLAT, self._context)
        self._unshuffle(maps["planes"][2:], maps["given"])

    def _whole(self, maps: dict[str, Any]) -> np.ndarray:
        skips = maps["skips"]
        self._conv("whole.stem", maps["given"], skips[0])
        for level in range(3):
            inner = maps["inner"][level]
            self._conv(f"whole.down.{level}", skips[level], inner[..., : inner.shape[3] - 2 * (level == 2)], stride=2)
            self._conv(f"whole.body.{level}", inner, skips[level + 1])
        x = skips[3]
        for level in reversed(range(3)):
            side = self._conv(f"whole.side.{level}", x, maps["side"][level])
            _C.add_upsampled(skips[level], side, ctx=self._context)
            x = self._conv(f"whole.up.{level}", skips[level], maps["up"][level])
        return x

    def _heads(self, maps: dict[str, Any], features: np.ndarray) -> list[np.ndarray]:
        """The drawings of the global network, of hair and of background, each [1,1,S,S]."""
        both = maps["heads"]  # features, ink
        self._unshuffle(maps["planes"][2:3], both[..., -4:])
        self._conv("shared", features, both[..., :-4])
        outs = (maps["planes"][0], *maps["masked"])
        return [self._head(name, both, out[None, None]) for name, out in zip(HEADS, outs)]

    def _head(self, name: str, maps: np.ndarray, out: np.ndarray) -> np.ndarray:
        """`apdrawing_small.Head` of maps [1,S/2,S/2,C] with their bases, to [1,1,S,S]."""
        kernel, bias = self._net.heads[name]
        how = _C.ConvToOne(2, 1, "zeros", "tanh")
        _C.conv_to_one(maps.transpose(0, 3, 1, 2), kernel, bias, out, how, self._context)
        return out

    def _parts(self, planes: np.ndarray, features: np.ndarray, centres: np.ndarray) -> list[np.ndarray]:
        """The drawings [1,1,h,w] of eyes, nose and mouth."""
        places = zip(PARTS, corners(centres, sizes := region_sizes(SIDE))[0], sizes)
        if self._workers > 1 and self._pool_of != os.getpid():  # a forked process has none of the threads
            self._pool, self._pool_of = ThreadPoolExecutor(self._workers, "pyapdraw-part"), os.getpid()
        run = self._pool.map if self._pool else map
        return list(run(lambda place: self._part(planes, features, *place), places))

    def _part(
        self, planes: np.ndarray, features: np.ndarray, name: str, corner: tuple[int, int], size: tuple[int, int]
    ) -> np.ndarray:
        kind = {"eyel": "eye", "eyer": "mirrored"}.get(name, name)
        (top, left), (tall, wide), context = corner, size, _C.Context(1 if self._workers > 1 else self._context.threads)
        kernel, bias = self._net.lasts[kind]
        x = np.zeros((1, tall, wide, even(GIVEN)), np.float32)
        x[0, :, :, :GIVEN] = window(planes.transpose(1, 2, 0), top, left, tall, wide)
        both = np.zeros((1, tall, wide, kernel.shape[1]), np.float32)  # features, ink
        both[..., -1] = x[..., 0]
        y = both[..., : self._net.layers[f"{kind}.stem"].bias.size]
        z = np.empty(y.shape, np.float32)
        self._conv(f"{kind}.stem", x, y, context=context)
        rows, columns = ((first + count + 1) // 2 - first // 2 for first, count in ((top, tall), (left, wide)))
        inside = window(features, top // 2, left // 2, rows, columns)[None]
        side = np.empty((1, rows, columns, y.shape[3]), np.float32)
        self._conv(f"{kind}.side", inside, side, context=context)
        _C.add_upsampled(y, side, top % 2, left % 2, SLOPE, ctx=context)
        self._conv(f"{kind}.body.0", y, z, context=context)
        self._conv(f"{kind}.body.1", z, y, context=context)
        drawing = np.empty((1, 1, tall, wide), np.float32)
        how = _C.ConvToOne(1, 1, "zeros", "tanh")
        _C.conv_to_one(both.transpose(0, 3, 1, 2), kernel, bias, drawing, how, context)
        return drawing

    def _fusion(self, maps: dict[str, Any]) -> np.ndarray:
        both = maps["fusion"]  # features, then the global network's drawing, the fused one, ink
        self._unshuffle(maps["planes"][:3], both[..., -12:])
        self._conv("fusion_inner", both[..., -12:], both[..., :-12])
        return self._head("fusion", both[..., :-4], np.empty((1, 1, SIDE, SIDE), np.float32))[0, 0]

    def _maps(self) -> dict[str, Any]:
        return self._executor.maps(self._made)

    def _made(self) -> dict[str, Any]:
        layers = self._net.layers
        widths = [layers["whole.stem"].bias.size, *(layers[f"whole.down.{level}"].bias.size for level in range(3))]
        sides = [SIDE >> (level + 1) for level in range(4)]
        made: dict[str, Any] = {
            "planes": np.empty((2 + GIVEN, SIDE, SIDE), np.float32),  # global and fused drawing, then what is given
            "masked": np.empty((2, SIDE, SIDE), np.float32),  # hair, background
            "skips": [plane(side, width) for side, width in zip(sides, widths)],
            "inner": [plane(sides[i + 1], widths[i + 1] + 2 * (i == 2)) for i in range(3)],
            "side": [plane(sides[i + 1], widths[i]) for i in range(3)],
            "up": [plane(sides[i], widths[i]) for i in range(3)],
        }
        # One after the other in the same memory, so that caches hold more of all this.
        channels = {"given": 4 * GIVEN, "heads": widths[0] + 4, "fusion": widths[0] + 12}
        memory = np.zeros(max(channels.values()) * sides[0] ** 2, np.float32)
        for name, count in channels.items():
            made[name] = memory[: count * sides[0] ** 2].reshape(1, sides[0], sides[0], count)
        line = np.linspace(-1, 1, sides[3], dtype=np.float32)
        made["inner"][2][..., -2] = line[None, :]
        made["inner"][2][..., -1] = line[:, None]
        return made


class Folded:
    """Weights of `apdrawing_small.Generator` as the native operations take them.

    layers: by name; "mirrored" is the eye's network for the right eye. heads: name -> kernel [C,1,4,4], bias [1].
    lasts: those of eye, nose, mouth over features and ink, [1,C,3,3], and bias [1].
    """

    def __init__(self, tensors: Mapping[str, np.ndarray]) -> None:
        self.layers: dict[str, Layer] = {}
        for name, weight in tensors.items():
            if name.endswith(".weight"):
                stem = name.removesuffix(".weight")
                of_whole = stem in ("whole.stem", "fusion_inner")
                if of_whole:
                    weight = unshuffled(weight)
                elif stem.endswith("stem"):  # that read maps of `even` channels
                    weight = np.pad(weight, ((0, 0), (0, weight.shape[1] % 2), (0, 0), (0, 0)))
                linear = not of_whole and any(each in stem.split(".") for each in LINEAR)
                weight = np.ascontiguousarray(weight.transpose(2, 3, 1, 0))
                self.layers[stem] = layer(weight, tensors[f"{stem}.bias"], 1.0 if linear else SLOPE)
        for name in [name for name in self.layers if name.startswith("eye.")]:
            weight, bias, slope = self.layers[name]
            self.layers[name.replace("eye.", "mirrored.")] = Layer(np.ascontiguousarray(weight[:, ::-1]), bias, slope)
        self.heads = {name: (head_kernel(tensors, name), tensors[f"{name}.bias"]) for name in (*HEADS, "fusion")}
        self.lasts = {
            name: (last_kernel(tensors, name), tensors[f"{name}.last.bias"]) for name in ("eye", "nose", "mouth")
        }
        self.lasts["mirrored"] = (np.ascontiguousarray(self.lasts["eye"][0][..., ::-1]), self.lasts["eye"][1])


def head_kernel(tensors: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    """`apdrawing_small.Head.kernel`: float32 [width + 4 bases,1,4,4]."""
    line = np.zeros((2, 4), np.float32)
    for pixel in range(2):
        line[pixel, pixel : pixel + 3] = SMOOTH
    change = np.einsum("cij,iy,jx->cyx", tensors[f"{name}.last"].reshape(-1, 2, 2), line, line)
    taken = np.zeros((4, 4, 4), np.float32)
    for pixel in range(4):
        taken[pixel, pixel // 2 + 1, pixel % 2 + 1] = 1
    return np.concatenate([change, *(gain * taken for gain in tensors[f"{name}.gain"])])[:, None].astype(np.float32)


def last_kernel(tensors: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    """The last convolution of `apdrawing_small.Part`, [1,C,3,3]: features, zeros to an even C, ink with its gain."""
    features = tensors[f"{name}.last.weight"]
    count = features.shape[1]
    kernel = np.zeros((1, even(count + 1), 3, 3), np.float32)
    kernel[:, :count] = features
    kernel[:, -1, 1, 1] = tensors[f"{name}.gain"]
    return kernel


def unshuffled(weight: np.ndarray) -> np.ndarray:
    """A kernel [O,I,2a,2b] of stride 2 as [O,4I,a,b] on maps whose blocks of 2 x 2 pixels lie side by side."""
    outputs, inputs, tall, wide = weight.shape
    blocks = weight.reshape(outputs, inputs, tall // 2, 2, wide // 2, 2)
    return blocks.transpose(0, 1, 3, 5, 2, 4).reshape(outputs, 4 * inputs, tall // 2, wide // 2)


def window(x: np.ndarray, top: int, left: int, tall: int, wide: int) -> np.ndarray:
    """x[top:top+tall, left:left+wide] of [H,W,C]; beyond the frame all is 1, as for `regions.crop`."""
    rows, columns = (slice(max(a, 0), max(a + n, 0)) for a, n in ((top, tall), (left, wide)))
    seen = x[rows, columns]
    if seen.shape[:2] == (tall, wide):
        return seen
    whole = np.ones((tall, wide, x.shape[2]), np.float32)
    down, right = max(-top, 0), max(-left, 0)
    whole[down : down + seen.shape[0], right : right + seen.shape[1]] = seen
    return whole


def even(channels: int) -> int:
    """Channels of a map whose odd number has a zero beside it, which makes pairs of bfloat16."""
    return channels + channels % 2
