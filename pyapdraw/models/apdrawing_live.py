"""Style `apdrawing`: the network of apdrawing_small.py with shipped weights, on native operations, without torch.

Maps are float32 with channels last; each thread keeps its own. How the weights were trained is told in
weights/apdrawing.md.
"""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from pyapdraw import _C, align
from pyapdraw.errors import BadInput, WeightsError
from pyapdraw.models.ink import Ink
from pyapdraw.models.rectangles import PARTS, corners, region_centres, region_sizes
from pyapdraw.ops.fuse_regions import fuse_regions
from pyapdraw.weights import Weights, find

SIDE = 512
SLOPE = 0.1  # of the leaky ReLUs
CELLS_PX = (4, 16, 32)  # of the grids on which the photo's luma is put in relation to its surroundings
FLAT = 0.04  # standard deviation of luma in [-1,1] that counts as flat
GIVEN = 2 + len(CELLS_PX)  # channels in: ink, person, contrasts
CRISP = np.float32(2)  # steeper about the middle grey: a pen leaves no washes. What is ink and what is paper stays
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
    return ApDrawingTorch(held, weights)


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
        # The networks for eyes, nose and mouth are small: they share the threads better than each of them could.
        self._workers = min(len(PARTS), threads or _C.default_threads())
        self._pool: ThreadPoolExecutor | None = None
        self._pool_of = 0

    def draw(self, pixels: np.ndarray, mask: np.ndarray, landmarks_px: np.ndarray) -> np.ndarray:
        """As `models.ink.Ink.draw`, for crops of 512 px: uint8 [512,512]. Raises BadInput."""
        if np.shape(pixels) != (SIDE, SIDE, 3):
            raise BadInput(f"pixels: {list(np.shape(pixels))} given, an aligned crop [512,512,3] expected")
        ink = self._ink.draw(pixels, mask, landmarks_px)
        centres = region_centres(np.asarray(landmarks_px, np.float64)[None], SIDE)
        drawing = self.forward(pixels, np.asarray(mask) >= 128, ink, centres)
        levels = np.empty((SIDE, SIDE, 1), np.uint8)
        _C.nchw_to_rgb(CRISP * drawing[None], levels, self._context)
        return levels[..., 0]

    def draw_whole(self, pixels: np.ndarray) -> np.ndarray:
        """Draws a picture without a face as style ink does: the network knows faces alone."""
        return self._ink.draw_whole(pixels)

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

    def _conv(
        self,
        name: str,
        x: np.ndarray,
        out: np.ndarray,
        stride: int = 1,
        slope: float = SLOPE,
        context: _C.Context | None = None,
    ) -> np.ndarray:
        weight, bias = self._net.convs[name]
        slopes = self._net.slopes(bias.size, slope)
        self._run_conv(x, weight, bias, slopes, out, stride, (weight.shape[0] - 1) // 2, context or self._context)
        return out

    def _unshuffle(self, planes: np.ndarray, out: np.ndarray) -> None:
        """[K,S,S] to its blocks of 2 x 2 pixels side by side: 4 K channels of [1,S/2,S/2,C]."""
        _C.pixel_unshuffle(planes, out[0], ctx=self._context)

    def _given(self, maps: dict[str, Any], pixels: np.ndarray, person: np.ndarray, ink: np.ndarray) -> None:
        """What the networks read: as planes, and unshuffled."""
        inked, sides, *contrasts = maps["planes"][2:]
        _C.rgb_to_nchw(ink[..., None], inked[None], self._context)
        _C.rgb_to_nchw(person.view(np.uint8)[..., None] * np.uint8(255), sides[None], self._context)
        for plane, cell in zip(contrasts, CELLS_PX):
            _C.local_contrast(pixels, plane, cell, FLAT, self._context)
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
            side = self._conv(f"whole.side.{level}", x, maps["side"][level], slope=1)
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
        y = both[..., : self._net.convs[f"{kind}.stem"][1].size]
        z = np.empty(y.shape, np.float32)
        self._conv(f"{kind}.stem", x, y, slope=1, context=context)
        rows, columns = ((first + count + 1) // 2 - first // 2 for first, count in ((top, tall), (left, wide)))
        inside = window(features, top // 2, left // 2, rows, columns)[None]
        side = np.empty((1, rows, columns, y.shape[3]), np.float32)
        self._conv(f"{kind}.side", inside, side, slope=1, context=context)
        _C.add_upsampled(y, side, top % 2, left % 2, SLOPE, context)
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
        """The calling thread's maps; what is constant in them is set once."""
        found = getattr(self._local, "maps", None)
        if found is not None:
            return found
        convs = self._net.convs
        widths = [convs["whole.stem"][1].size, *(convs[f"whole.down.{level}"][1].size for level in range(3))]
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
        self._local.maps = made
        return made


class ApDrawingTorch:
    """The style by the paper's network (`models.apdrawing`), with weights of any width, in torch.

    As the authors' test.py, dropout apart: each drawing is normalised by its own statistics, rectangles lie where the
    numbers of a landmark file say (`align.official_landmarks`), and grey levels are cut off instead of rounded. Safe to
    use from several threads; in a forked process torch is set to one thread.
    """

    sizes_px: tuple[int, ...] | None = (SIDE,)

    def __init__(self, held: Weights, where: str | Path) -> None:
        """where: what messages call the weights. Raises WeightsError. Unsupported: torch is not installed."""
        from pyapdraw.models import registry

        self._net = registry.made(held, where)
        self._made_in = os.getpid()

    def draw(self, pixels: np.ndarray, mask: np.ndarray, landmarks_px: np.ndarray) -> np.ndarray:
        """As `ApDrawing.draw`."""
        import torch

        if self._made_in != os.getpid():  # torch would wait for threads that a forked process has not
            torch.set_num_threads(1)
            self._made_in = os.getpid()
        photo = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1))).float()[None]
        photo = (photo / 255 - 0.5) / 0.5  # rounded as there
        centres = torch.from_numpy(region_centres(align.official_landmarks(landmarks_px)[None], SIDE))
        person = torch.from_numpy(np.ascontiguousarray(mask >= 128))[None, None]
        with torch.inference_mode():
            drawing = self._net(photo, centres, person).drawing[0, 0].numpy()
        return ((drawing + 1) / 2 * 255).astype(np.uint8)

    def draw_whole(self, pixels: np.ndarray) -> np.ndarray:
        """As `ApDrawing.draw_whole`."""
        return Ink().draw_whole(pixels)


class Folded:
    """Weights of `apdrawing_small.Generator` as the native operations take them.

    convs: name -> weight [kh,kw,I,O], bias [O]; "mirrored" is the eye's network for the right eye. heads: name ->
    kernel [C,1,4,4], bias [1]. lasts: those of eye, nose, mouth over features and ink, [1,C,3,3], and bias [1].
    """

    def __init__(self, tensors: dict[str, np.ndarray]) -> None:
        self.convs = {}
        for name, weight in tensors.items():
            if name.endswith(".weight"):
                stem = name.removesuffix(".weight")
                if stem in ("whole.stem", "fusion_inner"):
                    weight = unshuffled(weight)
                elif stem.endswith("stem"):  # that read maps of `even` channels
                    weight = np.pad(weight, ((0, 0), (0, weight.shape[1] % 2), (0, 0), (0, 0)))
                self.convs[stem] = (np.ascontiguousarray(weight.transpose(2, 3, 1, 0)), tensors[f"{stem}.bias"])
        for name in [name for name in self.convs if name.startswith("eye.")]:
            weight, bias = self.convs[name]
            self.convs[name.replace("eye.", "mirrored.")] = (np.ascontiguousarray(weight[:, ::-1]), bias)
        self.heads = {name: (head_kernel(tensors, name), tensors[f"{name}.bias"]) for name in (*HEADS, "fusion")}
        self.lasts = {
            name: (last_kernel(tensors, name), tensors[f"{name}.last.bias"]) for name in ("eye", "nose", "mouth")
        }
        self.lasts["mirrored"] = (np.ascontiguousarray(self.lasts["eye"][0][..., ::-1]), self.lasts["eye"][1])
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


def last_kernel(tensors: dict[str, np.ndarray], name: str) -> np.ndarray:
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


def plane(side: int, channels: int) -> np.ndarray:
    return np.zeros((1, side, side, channels), np.float32)
