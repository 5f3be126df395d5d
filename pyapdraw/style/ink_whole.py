"""A whole picture with the pen of style ink: for pictures without a face.

The lines of ink's faces (differences of Gaussians along the edge flow, as thin as their ridge: see ink.py for
the sources) and its black masses, found everywhere: tones are relative to the light around instead of the skin's, and
strokes that stand alone go, as specks do there. Every threshold is soft, so that noise moves lines little.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pyapdraw.ops.flow_dog import flow_dog
from pyapdraw.ops.resize import resize
from pyapdraw.ops.rgb_to_yuv import rgb_to_yuv

WORK_PX, WORK_SIDE_PX = 600_000, 8192  # the drawing is decided on a picture of at most this size
STRIP_PX = 1 << 18  # and drawn in strips of about this many pixels
# Lengths are px where the picture is as large as a 512 px square; see csrc/core/ink_style.h for their kin.
FINE_PX, TENSOR_PX, FLOW_PX, MOST_FLOW_PX, LINE_PX, CELL_PX = 1.0, 3.03, 1.85, 3.5, 1.98, 2.0
LINE_LOW, LINE_THIN = 0.04, 0.35  # weakest line; share of the ridge's height at which its ink ends
DARK, DARK_GAIN = 0.3, 10.0  # share of the light around below which all is ink
NEAR, LEAST_LIGHT = 0.6, 0.2  # share of the near surroundings in that light, and its floor
ALONE, AMONG = 0.065, 0.135  # share of ink around a stroke, at which it goes and at which it stays
MOST = 2.0  # of a score, to either side
SCENE_LOW, SCENE_PX, SCENE_ALONE = 0.045, 1.2, (0.04, 0.08)  # the same of a scene behind people: strong edges, thinly
# Share of the ridge's height at which its ink ends, and the share of ink around, over so many cells to each side, from
# which on leaves and grass are left out.
SCENE_THIN, SCENE_REACH, SCENE_FULL = 0.6, 9, 0.075
EDGE = 0.06  # floor of the slope that the anti-aliasing divides by


def draw_whole(pixels: np.ndarray) -> np.ndarray:
    """uint8 [H,W,3] RGB -> uint8 [H,W], 0 = ink, 255 = paper, anti-aliased. A picture less than 2 px wide or high stays
    paper. Takes about 60 bytes a pixel of the working picture, and 7 of the picture itself."""
    return _drawn(pixels, _score)


def draw_scene(pixels: np.ndarray, person: np.ndarray) -> np.ndarray:
    """What is behind the people as thin lines: as draw_whole, without black masses, and paper where `person` uint8
    [H,W] has people and a little around them."""
    height, width = pixels.shape[:2]
    around = _box(_resized(person, (max(1, height // 8), max(1, width // 8))).astype(np.float32), 1)
    clear = _resized(np.clip(255 - 4 * around, 0, 255), (height, width)).astype(np.uint8)
    return 255 - _scaled(255 - _drawn(pixels, _scene_score), clear)


def _scaled(plane: np.ndarray, share: np.ndarray) -> np.ndarray:
    """uint8 plane times share / 255, in strips."""
    rows = max(16, STRIP_PX // plane.shape[1])
    for top in range(0, len(plane), rows):
        part = np.s_[top : top + rows]
        plane[part] = plane[part].astype(np.uint16) * share[part] // 255
    return plane


def _drawn(pixels: np.ndarray, score_of: Callable[[np.ndarray, float], np.ndarray]) -> np.ndarray:
    height, width = pixels.shape[:2]
    drawing = np.full((height, width), 255, np.uint8)
    if min(height, width) < 2:
        return drawing
    shrink = min(1.0, (WORK_PX / (height * width)) ** 0.5, WORK_SIDE_PX / max(height, width))
    size = (max(2, round(height * shrink)), max(2, round(width * shrink)))
    pen = max(0.5, (size[0] * size[1]) ** 0.5 / 512)
    luma = _resized(rgb_to_yuv(np.ascontiguousarray(pixels), full_range=True)[0], size)
    score = _resized(score_of(luma.astype(np.float32) * np.float32(1 / 255), pen), (height, width))
    edge = EDGE / (pen * max(1.0, height / size[0]))
    rows = max(16, STRIP_PX // width)
    for top in range(0, height, rows):
        last = min(height, top + rows)
        above, below = max(0, top - 1), min(height, last + 1)
        paper = _coverage(score[above:below], edge)[top - above : last - above]
        drawing[top:last] = (255 * paper + 0.5).astype(np.uint8)
    return drawing


def _score(tone: np.ndarray, pen: float) -> np.ndarray:
    """float32 [H,W], negative = ink: the smaller one of the scores of lines and of darkness."""
    size, light = tone.shape, _light(tone)
    score = _lines(tone, light, pen, LINE_LOW, LINE_PX)
    half = (max(2, size[0] // 2), max(2, size[1] // 2))
    np.minimum(score, (_resized(_resized(tone, half), size) / light - DARK) * DARK_GAIN, out=score)
    return _alone_gone(score, pen, (ALONE, AMONG))


def _scene_score(tone: np.ndarray, pen: float) -> np.ndarray:
    score = _alone_gone(_lines(tone, _light(tone), pen, SCENE_LOW, SCENE_PX, SCENE_THIN), pen, SCENE_ALONE)
    many = _box(_cells(np.clip(-score, 0, 1), _cell(pen), np.add) / _cell(pen) ** 2, SCENE_REACH)
    score += _resized(2 * MOST * np.clip((many - SCENE_FULL) / (0.5 * SCENE_FULL), 0, 1), score.shape)
    return np.minimum(score, MOST, out=score)


def _lines(
    tone: np.ndarray, light: np.ndarray, pen: float, low: float, line_px: float, thin: float = LINE_THIN
) -> np.ndarray:
    """Score of the lines at least `low` darker, of the light around, than what is beside them. thin: see LINE_THIN."""
    dip = flow_dog(
        tone,
        fine_px=FINE_PX * pen,
        tensor_px=TENSOR_PX * pen,
        flow_px=min(MOST_FLOW_PX, FLOW_PX * pen),
        line_px=line_px * pen,
        reduce=2,
    )
    dip /= light
    ridge = _resized(_box(_highest(_cells(dip, _cell(pen), np.maximum)), 1), tone.shape)
    return np.maximum((low - dip) * (2 / low), (thin - dip / np.maximum(ridge, 1e-3)) / 0.3)


def _alone_gone(score: np.ndarray, pen: float, shares: tuple[float, float]) -> np.ndarray:
    """The score without strokes that stand alone; in place. shares: as ALONE and AMONG."""
    alone, among = shares
    np.clip(score, -MOST, MOST, out=score)
    ink = _box(_cells(np.clip(-score, 0, 1), _cell(pen), np.add) / _cell(pen) ** 2, 2)
    score += _resized(2 * MOST * np.clip((among - ink) / (among - alone), 0, 1), score.shape)
    return np.minimum(score, MOST, out=score)


def _cell(pen: float) -> int:
    return max(2, round(CELL_PX * pen))


def _light(tone: np.ndarray) -> np.ndarray:
    """The light around every pixel, with a share of that of the whole picture."""
    small = _resized(tone, tuple(max(2, side // 16) for side in tone.shape))
    around = NEAR * _box(_box(small, 1), 1) + (1 - NEAR) * float(small.mean())
    return _resized(np.maximum(around, LEAST_LIGHT), tone.shape)


def _coverage(score: np.ndarray, edge: float) -> np.ndarray:
    """Coverage of paper, 0 to 1, of the score's zero contour."""
    wide = np.pad(score, 1, mode="edge")
    down, across = wide[2:, 1:-1] - wide[:-2, 1:-1], wide[1:-1, 2:] - wide[1:-1, :-2]
    slope = np.float32(0.5) * np.sqrt(down * down + across * across) + np.float32(edge)
    return np.clip(np.float32(0.5) + score / slope, 0, 1)


def _resized(plane: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    if plane.shape == tuple(size):
        return plane
    return resize(plane if plane.dtype == np.uint8 else np.ascontiguousarray(plane, np.float32), size)


def _cells(plane: np.ndarray, cell: int, fold: np.ufunc) -> np.ndarray:
    """The pixels of each square cell folded into one; the last cells repeat the border."""
    plane = np.pad(plane, [(0, -side % cell) for side in plane.shape], mode="edge")
    rows = plane[::cell]
    for i in range(1, cell):
        rows = fold(rows, plane[i::cell])
    cells = rows[:, ::cell]
    for i in range(1, cell):
        cells = fold(cells, rows[:, i::cell])
    return cells


def _highest(plane: np.ndarray) -> np.ndarray:
    """The highest of each cell and its eight neighbours."""
    wide = np.pad(plane, 1, mode="edge")
    rows = np.maximum(np.maximum(wide[:-2], wide[1:-1]), wide[2:])
    return np.maximum(np.maximum(rows[:, :-2], rows[:, 1:-1]), rows[:, 2:])


def _box(plane: np.ndarray, reach: int) -> np.ndarray:
    """Mean over a square of 2 reach + 1; border values repeat."""
    wide = np.pad(plane.astype(np.float32), reach, mode="edge")
    count = 2 * reach + 1
    rows = np.add.reduce([wide[i : len(wide) - count + 1 + i] for i in range(count)])
    return np.add.reduce([rows[:, i : wide.shape[1] - count + 1 + i] for i in range(count)]) / count**2
