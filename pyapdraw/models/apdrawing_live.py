"""Style `apdrawing`: the network of apdrawing_small.py with shipped weights, on native operations, without torch.

Maps are float32 with channels last; each thread keeps its own. How the weights were trained is told in
weights/apdrawing.md.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np

from pyapdraw import _C
from pyapdraw.errors import BadInput, WeightsError
from pyapdraw.models.ink import Ink
from pyapdraw.models.rectangles import PARTS, corners, region_centres, region_sizes
from pyapdraw.ops.conv_to_one import conv_to_one
from pyapdraw.ops.fuse_regions import fuse_regions
from pyapdraw.weights import Weights, find

SIDE = 512
SLOPE = 0.1  # of the leaky ReLUs
CELLS_PX = (4, 16, 32)  # of the grids on which the photo's luma is put in relation to its surroundings
FLAT = 0.04  # standard deviation of luma in [-1,1] that counts as flat
GIVEN = 2 + len(CELLS_PX)  # channels in: ink, person, contrasts
HEADS = ("whole_head", "hair", "background")
SMOOTH = (0.25, 0.5, 0.25)


def style(weights: str | Path | None = None) -> ApDrawing | ApDrawingTorch:
    """Style `apdrawing`.

    weights: a file of `pyapdraw train apdrawing` or of `pyapdraw weights import`, or a published checkpoint; None: the
    shipped ones. The paper's network runs in torch. Raises WeightsError: none of these, or of another system.
    """
    weights = "apdrawing" if weights is None else weights
    held = find(weights)
    if held.model == "apdrawing.small":
        return ApDrawing(held=held)
    if held.model != "apdrawing":
        raise WeightsError(f"{weights}: weights of {held.model!r} given, those of a generator of apdrawing expected")
    return ApDrawingTorch(weights)


class ApDrawing:
    """The style. Safe to use from several threads.

    Args:
        threads: worker threads a drawing; 0 = the process default.
        held: other weights of that network; None: the shipped ones.
        half: convolutions may round to bfloat16, which takes half the time where the processor has it.
    """

    sizes_px: tuple[int, ...] | None = (SIDE,)

    def __init__(self, threads: int = 0, held: Weights | None = None, half: bool = True) -> None:
        """Raises WeightsError."""
        held = held or find("apdrawing")
        self._net, self._run_conv = Folded(held.tensors), _C.conv2d_bf16 if half else _C.conv2d
        self._ink, self._context, self._local = Ink(threads), _C.Context(threads), threading.local()

    def draw(self, pixels: np.ndarray, mask: np.ndarray, landmarks_px: np.ndarray) -> np.ndarray:
        """As `models.ink.Ink.draw`, for crops of 512 px: uint8 [512,512]. Raises BadInput."""
        if np.shape(pixels) != (SIDE, SIDE, 3):
            raise BadInput(f"pixels: {list(np.shape(pixels))} given, an aligned crop [512,512,3] expected")
        ink = self._ink.draw(pixels, mask, landmarks_px)
        centres = region_centres(np.asarray(landmarks_px, np.float64)[None], SIDE)
        drawing = self.forward(pixels, np.asarray(mask) >= 128, ink, centres)
        return np.rint(drawing * 127.5 + 127.5).astype(np.uint8)

    def forward(self, pixels: np.ndarray, person: np.ndarray, ink: np.ndarray, centres: np.ndarray) -> np.ndarray:
        """uint8 [S,S,3], bool [S,S], uint8 [S,S], int32 [1,4,2] -> float32 [S,S] in [-1,1]."""
        maps = self._maps()
        given = maps["given"]
        np.take(TO_UNIT, ink, out=maps["ink"])
        given[0, :, :, 0] = maps["ink"]
        given[0, :, :, 1] = SIGNS[person.view(np.uint8)]
        self._contrasts(pixels, given[0])
        features = self._whole(maps)
        frames = self._heads(maps, features)
        parts = self._parts(given[0], features[0], centres)
        hair, background = (x[None, None] for x in frames[1:])
        fused = fuse_regions(parts, centres, hair, background, person[None, None])[0, 0]
        return self._fusion(maps, frames[0], fused)

    def _conv(self, name: str, x: np.ndarray, out: np.ndarray, stride: int = 1, slope: float = SLOPE) -> np.ndarray:
        weight, bias = self._net.convs[name]
        slopes = self._net.slopes(bias.size, slope)
        self._run_conv(x, weight, bias, slopes, out, stride, (weight.shape[0] - 1) // 2, self._context)
        return out

    def _contrasts(self, pixels: np.ndarray, given: np.ndarray) -> None:
        """`apdrawing_small.contrast` into the last channels of [S,S,GIVEN]."""
        for channel, cell in enumerate(CELLS_PX):
            _C.local_contrast(pixels, given[:, :, 2 + channel], cell, FLAT, self._context)

    def _whole(self, maps: dict[str, Any]) -> np.ndarray:
        skips = maps["skips"]
        self._conv("whole.stem", maps["given"], skips[0], stride=2)
        for level in range(3):
            inner = maps["inner"][level]
            self._conv(f"whole.down.{level}", skips[level], inner[..., : inner.shape[3] - 2 * (level == 2)], stride=2)
            self._conv(f"whole.body.{level}", inner, skips[level + 1])
        x = skips[3]
        for level in reversed(range(3)):
            side = self._conv(f"whole.side.{level}", x, maps["side"][level], slope=1)
            _, tall, wide, channels = side.shape
            skips[level].reshape(tall, 2, wide, 2, channels)[...] += side.reshape(tall, 1, wide, 1, channels)
            x = self._conv(f"whole.up.{level}", skips[level], maps["up"][level])
        return x

    def _heads(self, maps: dict[str, Any], features: np.ndarray) -> list[np.ndarray]:
        """The drawings of the global network, of hair and of background, each [S,S]."""
        both = maps["heads"]
        self._conv("shared", features, both[..., :-4])
        unshuffle(maps["ink"], both[0, :, :, -4:])
        return [self._head(name, both) for name in HEADS]

    def _head(self, name: str, maps: np.ndarray) -> np.ndarray:
        """`apdrawing_small.Head` of maps [1,S/2,S/2,C] with their bases: [S,S]."""
        kernel, bias = self._net.heads[name]
        return conv_to_one(maps.transpose(0, 3, 1, 2), kernel, bias, up=2, padding=1, activation="tanh")[0, 0]

    def _parts(self, given: np.ndarray, features: np.ndarray, centres: np.ndarray) -> list[np.ndarray]:
        sizes = region_sizes(SIDE)
        drawings = []
        for name, (top, left), (tall, wide) in zip(PARTS, corners(centres, sizes)[0], sizes):
            kind = {"eyel": "eye", "eyer": "mirrored"}.get(name, name)
            x = window(given, top, left, tall, wide)[None]
            y = np.empty((1, tall, wide, self._net.convs[f"{kind}.stem"][1].size), np.float32)
            z, last = np.empty_like(y), np.empty((1, tall, wide, 1), np.float32)
            self._conv(f"{kind}.stem", x, y, slope=1)
            rows, columns = (np.arange(first, first + size) // 2 for first, size in ((top, tall), (left, wide)))
            inside = window(features, rows[0], columns[0], rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1)
            side = np.empty((1, *inside.shape[:2], y.shape[3]), np.float32)
            self._conv(f"{kind}.side", inside[None], side, slope=1)
            y += side[:, (rows - rows[0])[:, None], columns - columns[0]]
            np.maximum(y, SLOPE * y, out=y)
            self._conv(f"{kind}.body.0", y, z)
            self._conv(f"{kind}.body.1", z, y)
            self._conv(f"{kind}.last", y, last, slope=1)
            last[..., 0] += self._net.gains[kind] * x[..., 0]
            drawings.append(np.tanh(last[..., 0])[:, None])
        return drawings

    def _fusion(self, maps: dict[str, Any], whole: np.ndarray, fused: np.ndarray) -> np.ndarray:
        three, both = maps["three"], maps["fusion"]
        for channel, drawing in enumerate((whole, fused, maps["ink"])):
            three[0, :, :, channel] = drawing
        width = both.shape[3] - 8
        self._conv("fusion_inner", three, both[..., :width], stride=2)
        unshuffle(whole, both[0, :, :, width : width + 4])
        unshuffle(fused, both[0, :, :, width + 4 :])
        return self._head("fusion", both)

    def _maps(self) -> dict[str, Any]:
        """The calling thread's maps; what is constant in them is set once."""
        found = getattr(self._local, "maps", None)
        if found is not None:
            return found
        convs = self._net.convs
        widths = [convs["whole.stem"][1].size, *(convs[f"whole.down.{level}"][1].size for level in range(3))]
        sides = [SIDE >> (level + 1) for level in range(4)]
        made: dict[str, Any] = {
            "ink": np.empty((SIDE, SIDE), np.float32),
            "given": plane(SIDE, even(GIVEN)),
            "skips": [plane(side, width) for side, width in zip(sides, widths)],
            "inner": [plane(sides[i + 1], widths[i + 1] + 2 * (i == 2)) for i in range(3)],
            "side": [plane(sides[i + 1], widths[i]) for i in range(3)],
            "up": [plane(sides[i], widths[i]) for i in range(3)],
            "heads": plane(sides[0], convs["shared"][1].size + 4),
            "three": plane(SIDE, even(3)),
            "fusion": plane(sides[0], convs["fusion_inner"][1].size + 8),
        }
        line = np.linspace(-1, 1, sides[3], dtype=np.float32)
        made["inner"][2][..., -2] = line[None, :]
        made["inner"][2][..., -1] = line[:, None]
        self._local.maps = made
        return made


class ApDrawingTorch:
    """The style by the paper's network (`models.apdrawing`), with weights of any width, in torch.

    As the published tests ran, each drawing is normalised by its own statistics. Safe to use from several threads.
    """

    sizes_px: tuple[int, ...] | None = (SIDE,)

    def __init__(self, weights: str | Path) -> None:
        """Raises WeightsError. Unsupported: torch is not installed."""
        from pyapdraw.models import registry

        self._net = registry.load(weights)

    def draw(self, pixels: np.ndarray, mask: np.ndarray, landmarks_px: np.ndarray) -> np.ndarray:
        """As `ApDrawing.draw`."""
        import torch

        photo = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1))).float()[None] / 127.5 - 1
        centres = torch.from_numpy(region_centres(np.asarray(landmarks_px, np.float64)[None], SIDE))
        person = torch.from_numpy(np.ascontiguousarray(mask >= 128))[None, None]
        with torch.inference_mode():
            drawing = self._net(photo, centres, person).drawing[0, 0].numpy()
        return np.rint(drawing * 127.5 + 127.5).astype(np.uint8)


class Folded:
    """Weights of `apdrawing_small.Generator` as the native operations take them.

    convs: name -> weight [kh,kw,I,O], bias [O]; "mirrored" is the eye's network for the right eye. heads: name ->
    kernel [C,1,4,4], bias [1]. gains: of the ink in eye, nose, mouth.
    """

    def __init__(self, tensors: dict[str, np.ndarray]) -> None:
        self.convs = {}
        for name, weight in tensors.items():
            if name.endswith(".weight"):
                stem = name.removesuffix(".weight")
                if stem.endswith(("stem", "fusion_inner")):  # that read maps of `even` channels
                    weight = np.pad(weight, ((0, 0), (0, weight.shape[1] % 2), (0, 0), (0, 0)))
                self.convs[stem] = (np.ascontiguousarray(weight.transpose(2, 3, 1, 0)), tensors[f"{stem}.bias"])
        for name in [name for name in self.convs if name.startswith("eye.")]:
            weight, bias = self.convs[name]
            self.convs[name.replace("eye.", "mirrored.")] = (np.ascontiguousarray(weight[:, ::-1]), bias)
        self.heads = {name: (head_kernel(tensors, name), tensors[f"{name}.bias"]) for name in (*HEADS, "fusion")}
        self.gains = {name: tensors[f"{name}.gain"] for name in ("eye", "nose", "mouth")}
        self.gains["mirrored"] = self.gains["eye"]
        self._slopes: dict[tuple[int, float], np.ndarray] = {}

    def slopes(self, size: int, slope: float) -> np.ndarray:
        key = (size, float(slope))
        if key not in self._slopes:
            self._slopes[key] = np.full(size, slope, np.float32)
        return self._slopes[key]


def head_kernel(tensors: dict[str, np.ndarray], name: str) -> np.ndarray:
    """`apdrawing_small.Head.kernel`: float32 [width + 4 bases,1,4,4]."""
    line = np.zeros((2, 4), np.float32)
    for pixel in range(2):
        line[pixel, pixel : pixel + 3] = SMOOTH
    change = np.einsum("cij,iy,jx->cyx", tensors[f"{name}.last"].reshape(-1, 2, 2), line, line)
    taken = np.zeros((4, 4, 4), np.float32)
    for pixel in range(4):
        taken[pixel, pixel // 2 + 1, pixel % 2 + 1] = 1
    return np.concatenate([change, *(gain * taken for gain in tensors[f"{name}.gain"])])[:, None].astype(np.float32)


def unshuffle(drawing: np.ndarray, out: np.ndarray) -> None:
    """[S,S] to its four pixels side by side, [S/2,S/2,4]."""
    for pixel in range(4):
        out[:, :, pixel] = drawing[pixel // 2 :: 2, pixel % 2 :: 2]


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


def plane(side: int, channels: int) -> np.ndarray:
    return np.zeros((1, side, side, channels), np.float32)


TO_UNIT = (np.arange(256, dtype=np.float32) / np.float32(127.5) - 1).astype(np.float32)
SIGNS = np.array([-1, 1], np.float32)
