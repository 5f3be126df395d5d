"""Beards as short strokes, laid on a grid in the face's own frame, so that they move with the face in a video.

A dark and rough lower half of a face is a beard; one that is dark alone lies in the shade, or is covered by a mask.
"""

from __future__ import annotations

import numpy as np

from pyapdraw.style.sketch import Sketch, taper

OVAL = (10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
        152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109)  # fmt: skip
LIPS = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185)
CHEEKS = (50, 280, 205, 425)
CHIN = (164, 175, 199, 200, 171, 396, 140, 369)  # and the upper lip
NOSE_BASE = 2
STEP = (4.6, 3.7)  # u between strokes, across and down
ACROSS, ABOVE, BELOW = 95.0, 45.0, 120.0  # u about the base of the nose, where strokes are tried
LIPS_CLEAR, CHIN_BELOW = 3.0, 18.0  # u about the lips without strokes; below the chin with them
SIDES = 45.0  # u beside the nose, where strokes lean outwards most
WHISKERS = 40.0  # u beside the nose, from which on beards reach above its base
DARK, ROUGH = 0.45, 1.3  # medians of a beard: darker than the skin, and rougher than the cheeks
LEAST_ROUGH = 0.004  # of cheeks, which may be out of focus
GATE = 12  # of the places one is looked at for that
PERHAPS = 0.3  # median darkness of the chin, under which no more is looked at
HAIR = 0.3  # darkness of a place with hair
LENGTH, WIDTH = (5.5, 9.5), (0.9, 3.0)  # u; widths from lighter to darker places
POINTS = 7  # of a stroke
MIDDLE, ROUGHNESS = 2.5, 4.0  # u of the windows for a place's tone and its roughness


def _grid() -> np.ndarray:
    """Every stroke that there might be, float64 [P,5]: place in u from the base of the nose, lean, length, bend."""
    random = np.random.default_rng(5)
    x, y = np.meshgrid(np.arange(-ACROSS, ACROSS, STEP[0]), np.arange(-ABOVE, BELOW, STEP[1]))
    x = x + (np.arange(len(x)) % 2)[:, None] * 0.5 * STEP[0] + random.uniform(-0.4, 0.4, x.shape) * STEP[0]
    y = y + random.uniform(-0.4, 0.4, y.shape) * STEP[1]
    ways = (random.uniform(low, high, x.shape) for low, high in ((-0.25, 0.25), LENGTH, (-0.15, 0.15)))
    grid = np.stack([plane.ravel() for plane in (x, y, *ways)], axis=1)
    return grid[(grid[:, 1] > 1) | (np.abs(grid[:, 0]) > WHISKERS)]


_GRID = _grid()


def draw_beard(sketch: Sketch, at: np.ndarray) -> None:
    """Draws the beard of a face, if it has one, in the place of what is there. at: its 468 points."""
    if np.median(1 - sketch.at(at[list(CHIN)])) < PERHAPS:
        return
    level = sketch.turn * sketch.unit
    points = (at - at[NOSE_BASE]) / level
    some = _within(points, _GRID[_GRID[:, 1] > 1][::GATE])
    if not _is_beard(sketch, at[NOSE_BASE] + (some[:, 0] + 1j * some[:, 1]) * level, at[list(CHEEKS)]):
        return
    grid = _within(points, _GRID)
    offset = grid[:, 0] + 1j * grid[:, 1]
    places = at[NOSE_BASE] + offset * level
    dark, _ = _seen(sketch, places)
    hair = dark > HAIR
    grid, offset, places, dark = grid[hair], offset[hair], places[hair], dark[hair]
    sketch.clear(places, 1.7 * STEP[0])
    way = 1j + 0.7 * np.clip(offset.real / SIDES, -1, 1) + grid[:, 2]
    way *= grid[:, 3] * level / np.abs(way)
    t = np.linspace(0, 1, POINTS)
    lines = places[:, None] + way[:, None] * (t - 0.4) + (1j * way * grid[:, 4])[:, None] * t**2
    widths = WIDTH[0] + (WIDTH[1] - WIDTH[0]) * np.clip((dark - HAIR) / 0.55, 0, 1)
    sketch.stroke(lines, widths[:, None] * taper(POINTS, 0.25, 0.6))


def _is_beard(sketch: Sketch, places: np.ndarray, cheeks: np.ndarray) -> bool:
    if len(places) == 0:
        return False
    dark, rough = _seen(sketch, places)
    _, plain = _seen(sketch, cheeks)
    return bool(np.median(dark) >= DARK and np.median(rough) >= ROUGH * max(np.median(plain), LEAST_ROUGH))


def _within(points: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """What of the grid lies on the face, given its points in u from the base of the nose, and not on the lips."""
    oval, lips = points[list(OVAL)], points[list(LIPS)]
    low = oval.imag > oval.imag.mean() + 20
    oval = np.where(low, oval + 1j * CHIN_BELOW * np.clip(oval.imag / max(oval.imag.max(), 1e-6), 0, 1), oval)
    out = lips - lips.mean()
    lips = lips + LIPS_CLEAR * out / np.maximum(np.abs(out), 1e-6)
    offset = grid[:, 0] + 1j * grid[:, 1]
    return grid[_inside(oval, offset) & ~_inside(lips, offset)]


def _seen(sketch: Sketch, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How much darker than the skin places are, and how much tones differ around them."""
    steps = np.linspace(-1, 1, 5)
    around = (steps + 1j * steps[:, None]).ravel() * sketch.unit
    near, wide = (sketch.at(places[:, None] + around * reach) for reach in (MIDDLE, ROUGHNESS))
    return 1 - near.mean(axis=1), (wide - near).std(axis=1)


def _inside(polygon: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Whether points lie inside a polygon, by the edges that a ray to the right crosses."""
    a, b = polygon[:, None], np.roll(polygon, 1)[:, None]
    crossed = (a.imag > points.imag) != (b.imag > points.imag)
    down = np.where(crossed, b.imag - a.imag, 1)
    x = a.real + (b.real - a.real) * (points.imag - a.imag) / down
    return (crossed & (points.real < x)).sum(axis=0) % 2 == 1
