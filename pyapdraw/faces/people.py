"""Whose is which pixel: the people of a picture, told apart by their faces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pyapdraw.faces.masks import shrunk
from pyapdraw.ops.composite import composite
from pyapdraw.ops.warp_affine import warp_affine

GRID_PX = 192  # longer side of the grid on which pixels are given to people
BODY = 7.0  # length of the line from a face downwards that a pixel's distance is measured to, in eye distances
THERE = 24  # of the mask, 0 to 255: what belongs to somebody
MARGIN = 2  # cells about a person


@dataclass(frozen=True)
class Person:
    """box_px: x0, y0, x1, y1 of the picture, the last two beyond it. own: uint8 [h,w] of the box, 255 where pixels are
    rather this person's than another's; None: there is nobody else."""

    box_px: tuple[int, int, int, int]
    own: np.ndarray | None

    def keep(self, drawing: np.ndarray) -> np.ndarray:
        """A drawing uint8 [h,w] of the box with paper where others are."""
        return drawing if self.own is None else composite(drawing, self.own, 255)


def people(mask: np.ndarray, faces: Sequence[np.ndarray]) -> list[Person | None]:
    """The people of a mask uint8 [H,W], one for each face (landmarks [5,2]); None where the mask has nobody for it.

    A pixel belongs to the nearest face, in eye distances from a line that goes down from it.
    """
    small = shrunk(mask, GRID_PX)
    height, width = mask.shape
    tall, wide = height / small.shape[0], width / small.shape[1]
    y = (np.arange(small.shape[0]) + 0.5) * tall - 0.5
    x = (np.arange(small.shape[1]) + 0.5) * wide - 0.5
    there = small >= THERE
    nearest = np.zeros(small.shape, np.intp)
    if len(faces) > 1:
        nearest = np.argmin([_distance(x[None, :], y[:, None], points) for points in faces], axis=0)
    found: list[Person | None] = []
    for i in range(len(faces)):
        own = there & (nearest == i)
        if not own.any():
            found.append(None)
            continue
        rows, columns = np.flatnonzero(own.any(axis=1)), np.flatnonzero(own.any(axis=0))
        low = max(0, rows[0] - MARGIN), max(0, columns[0] - MARGIN)
        high = min(small.shape[0], rows[-1] + 1 + MARGIN), min(small.shape[1], columns[-1] + 1 + MARGIN)
        box = int(low[1] * wide), int(low[0] * tall), round(high[1] * wide), round(high[0] * tall)
        box = _with_face(box, faces[i], (height, width))
        whose = None
        if len(faces) > 1:
            cells = np.where(nearest == i, np.uint8(255), np.uint8(0))
            to_box = np.array([[wide, 0, (wide - 1) / 2 - box[0]], [0, tall, (tall - 1) / 2 - box[1]]])
            whose = warp_affine(cells, to_box, (box[3] - box[1], box[2] - box[0]), border="edge")
        found.append(Person(box, whose))
    return found


def _with_face(box: tuple[int, int, int, int], points: np.ndarray, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The box with the face in it, as far as that is in the picture: all that is drawn is measured by the face."""
    (left, top), (right, bottom) = np.floor(np.min(points, axis=0)), np.ceil(np.max(points, axis=0)) + 1
    x, y = (sorted((int(np.clip(low, 0, side)), int(np.clip(high, 0, side)))) for low, high, side in
            ((left, right, size[1]), (top, bottom, size[0])))  # fmt: skip
    return min(box[0], x[0]), min(box[1], y[0]), max(box[2], x[1]), max(box[3], y[1])


def _distance(x: np.ndarray, y: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Of pixels from a person's line, in eye distances."""
    eyes, mouth = np.mean(points[:2], axis=0), np.mean(points[3:], axis=0)
    down = mouth - eyes
    size = max(float(np.hypot(*(points[1] - points[0]))), 0.8 * float(np.hypot(*down)), 1e-3)
    down = down / max(float(np.hypot(*down)), 1e-6)
    dx, dy = x - eyes[0], y - eyes[1]
    along = np.clip(dx * down[0] + dy * down[1], 0, BODY * size)
    return np.hypot(dx - along * down[0], dy - along * down[1]) / size
