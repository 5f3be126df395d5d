"""Drawings back into the picture that they were drawn from.

A drawing fades out over the last 6 % of its crop, so that no hard edge shows where the crop ends inside the frame;
where the crop reaches over the frame's border, that part of it is outside and nothing fades.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from pyapdraw.align import invert, scale_of, transform_points
from pyapdraw.choices import BACKGROUNDS
from pyapdraw.errors import BadInput
from pyapdraw.ops.composite import composite
from pyapdraw.ops.warp_affine import warp_affine

PAPER = 255
FADE = 0.06  # of the crop's width


@dataclass(frozen=True)
class Drawing:
    """A drawing of one crop: pixels uint8 [H, W] or [H, W, 3], white = 255 = paper; mask uint8 [H, W], 255 = person."""

    pixels: np.ndarray
    mask: np.ndarray


@lru_cache(maxsize=16)
def fade(shape: tuple[int, int], margins_px: tuple[int, int, int, int]) -> np.ndarray:
    """uint8 [H, W]: 255 inside, falling smoothly to 0 over the margins (left, top, right, bottom; 0 = no fade there).

    The lower edge is an arc, as a bust is cut, and rises by its margin towards the corners.
    """
    height, width = shape
    down, over = (np.arange(side, dtype=np.float32) + np.float32(0.5) for side in shape)
    left, top, right, bottom = (max(float(m), 1e-3) for m in margins_px)
    across = _smooth(np.clip(np.minimum(over / left, over[::-1] / right), 0.0, 1.0))
    from_top = np.clip(down / top, 0.0, 1.0)
    alpha = np.outer(255.0 * _smooth(from_top), across)
    arc = margins_px[3] * (2 * over / width - 1) ** 2
    rows = slice(max(0, height - 2 * margins_px[3] - 1), height)  # that the arc can reach
    from_bottom = np.clip((down[::-1][rows, None] - arc) / bottom, 0.0, 1.0)
    alpha[rows] = 255.0 * _smooth(np.minimum(from_top[rows, None], from_bottom)) * across
    alpha = (alpha + 0.5).astype(np.uint8)
    alpha.flags.writeable = False
    return alpha


def _smooth(ramp: np.ndarray) -> np.ndarray:
    return ramp * ramp * (3.0 - 2.0 * ramp)


def margins(to_frame: np.ndarray, crop: tuple[int, int], shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """How far a drawing fades at its left, top, right and lower edge, in px of the crop.

    An edge that lies inside the frame fades over FADE of the crop; one at the frame's border or beyond does not, and
    one just inside it fades over no more than what lies between, so that nothing jumps when a face moves. crop: its
    height and width in px.
    """
    height, width = shape[:2]
    down, over = (np.linspace(-0.5, side - 0.5, 9) for side in crop)
    low, bottom, right = np.full(9, -0.5), np.full(9, crop[0] - 0.5), np.full(9, crop[1] - 0.5)
    found = []
    for x, y in ((low, down), (over, low), (right, down), (over, bottom)):
        fx, fy = transform_points(to_frame, np.stack([x, y], 1)).T
        inside = np.minimum(np.minimum(fx + 0.5, width - 0.5 - fx), np.minimum(fy + 0.5, height - 0.5 - fy)).max()
        found.append(int(np.clip(inside / scale_of(to_frame), 0, FADE * crop[1])))
    return found[0], found[1], found[2], found[3]


class Canvas:
    """Collects the drawings of one frame.

    background: "white": paper wherever nothing is drawn; overlapping drawings add their ink. "photo": the photograph
    stays outside the persons, whose masks cut the drawings out. "keep": the photograph stays outside the crops, which
    show the whole drawing. With the photograph, larger faces lie over smaller ones.

    >>> canvas = Canvas(np.zeros((4, 4, 3), np.uint8), "white")
    >>> canvas.result().shape
    (4, 4)
    """

    def __init__(self, frame: np.ndarray, background: str = "white") -> None:
        """frame: uint8 [H, W, 3]; it is not written. Raises BadInput for other arrays or backgrounds."""
        if background not in BACKGROUNDS:
            raise BadInput(f"background: '{background}' given, 'white', 'keep' or 'photo' expected")
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
            raise BadInput(f"frame: {frame.dtype} {list(frame.shape)} given, uint8 [H,W,3] expected")
        self._frame = frame
        self._background = background
        self._parts: list[tuple[Drawing, np.ndarray]] = []

    def add(self, drawing: Drawing, to_crop: np.ndarray) -> None:
        """Put a drawing where its crop was cut; to_crop [2, 3] as in `align.Crop`. Raises BadInput for wrong shapes."""
        p, m = drawing.pixels, drawing.mask
        if p.dtype != np.uint8 or p.ndim not in (2, 3) or p.shape[2:] not in ((), (3,)) or p.size == 0:
            raise BadInput(f"drawing.pixels: {p.dtype} {list(p.shape)} given, uint8 [H,W] or [H,W,3] expected")
        if m.dtype != np.uint8 or m.shape != p.shape[:2]:
            raise BadInput(f"drawing.mask: {m.dtype} {list(m.shape)} given, uint8 {list(p.shape[:2])} expected")
        self._parts.append((drawing, np.asarray(to_crop, np.float64)))

    def result(self, out: np.ndarray | None = None) -> np.ndarray:
        """The picture: uint8 [H, W] for grey drawings on white, else [H, W, 3]; written into `out` if given."""
        grey = self._background == "white" and all(d.pixels.ndim == 2 for d, _ in self._parts)
        shape = self._frame.shape[:2] if grey else self._frame.shape
        if out is None:
            out = np.empty(shape, np.uint8)
        elif out.shape != shape or out.dtype != np.uint8:
            raise BadInput(f"out: {out.dtype} {list(out.shape)} given, uint8 {list(shape)} expected")
        out[...] = PAPER if self._background == "white" else self._frame
        # Smallest crop first, in px of the frame.
        for drawing, to_crop in sorted(self._parts, key=lambda part: part[0].pixels.shape[1] / scale_of(part[1])):
            self._paste(out, drawing, to_crop)
        return out

    def _paste(self, out: np.ndarray, drawing: Drawing, to_crop: np.ndarray) -> None:
        crop = drawing.mask.shape
        to_frame = invert(to_crop)
        x0, y0, x1, y1 = _bounds(to_frame, crop, out.shape)
        if x0 >= x1 or y0 >= y1:
            return
        edges = margins(to_frame, crop, out.shape)
        to_frame[:, 2] -= (x0, y0)
        part, size = out[y0:y1, x0:x1], (y1 - y0, x1 - x0)
        alpha = fade(crop, edges)
        if self._background == "white":
            faded = composite(drawing.pixels, alpha, PAPER)
            ink = warp_affine(faded, to_frame, size, filter="antialias", border=PAPER)
            np.minimum(part, ink[..., None] if ink.ndim < part.ndim else ink, out=part)
            return
        if self._background == "photo":
            alpha = composite(drawing.mask, alpha, 0)
        alpha = warp_affine(alpha, to_frame, size, filter="antialias", border=0)
        pixels = warp_affine(drawing.pixels, to_frame, size, filter="antialias", border=PAPER)
        composite(pixels, alpha, part, out=part)


def _bounds(to_frame: np.ndarray, crop: tuple[int, ...], shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """x0, y0, x1, y1 of the frame's pixels that a crop can touch."""
    low, bottom, right = -1.0, float(crop[0]), float(crop[1])
    corners = transform_points(to_frame, np.array([(low, low), (right, low), (low, bottom), (right, bottom)]))
    first, last = np.floor(corners.min(0)), np.ceil(corners.max(0)) + 1
    limits = (shape[1], shape[0])
    x0, y0 = (int(np.clip(first[i], 0, limits[i])) for i in range(2))
    x1, y1 = (int(np.clip(last[i], 0, limits[i])) for i in range(2))
    return x0, y0, x1, y1


def paste(frame: np.ndarray, drawing: Drawing, to_crop: np.ndarray, background: str = "white") -> np.ndarray:
    """One drawing on one frame: see `Canvas`. Returns uint8 [H, W] for a grey drawing on white, else [H, W, 3]."""
    canvas = Canvas(frame, background)
    canvas.add(drawing, to_crop)
    return canvas.result()


def side_by_side(photo: np.ndarray, drawing: np.ndarray) -> np.ndarray:
    """Photo uint8 [H,W,3] and drawing [H,W] or [H,W,3] next to each other: [H,2W,3]."""
    if drawing.ndim == 2:
        drawing = np.repeat(drawing[:, :, None], 3, axis=2)
    return np.concatenate([photo, drawing], axis=1)
