"""Five landmarks at any head roll: O-net on upright squares that are cut out along the face, again and again.

O-net is trained on upright faces and fails from 45 degrees of roll. But from a start within 90 degrees its points,
fitted by a template, give a better square, and two or three rounds converge: what it finds then moves with the face
under any rotation. A few squares at once, moved and mirrored, are averaged: the mean has less noise than one answer,
and their spread tells a face (1 to 3 % of the eye distance) from a mistake such as an upside-down look (above 5 %).

Poses are similarities from crop to image, image = scale * crop + shift in complex numbers x + iy, so that the angle of
`scale` is the head roll and 48 |scale| the side of the square. Pixel centres are at integers on both sides.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pyapdraw import align
from pyapdraw.faces.mtcnn import OUTPUT_PX, Nets

# Mean answer of O-net on converged crops of frontal portraits, made symmetric, in px of its 48 px crop.
TEMPLATE = (np.array([0.332 + 0.372j, 0.668 + 0.372j, 0.5 + 0.594j, 0.34 + 0.728j, 0.66 + 0.728j]) * OUTPUT_PX) - (
    0.5 + 0.5j
)
EYES = abs(TEMPLATE[1] - TEMPLATE[0])  # eye distance in crop px
CENTRE = (OUTPUT_PX - 1) / 2 * (1 + 1j)

# Squares of one look: shift in sides, log of the size, mirrored.
ONE = ((0.0, 0.0, 0.0, False),)
TWO = ((-0.02, 0.0, 0.0, False), (0.02, 0.0, 0.0, True))
FOUR = ((-0.03, -0.03, 0.0, False), (0.03, 0.03, 0.0, False), (-0.03, 0.03, 0.0, True), (0.03, -0.03, 0.0, True))
EIGHT = (
    *FOUR,
    (0.0, -0.04, 0.06, False),
    (0.0, 0.04, -0.06, False),
    (-0.04, 0.0, 0.06, True),
    (0.04, 0.0, -0.06, True),
)

MOST_SHRINK = 3.5  # image px a crop px, above which the image is shrunk first: the warp antialiases up to 4
PATCH_SIDES = 2.0  # of a shrunk copy, in sides of the square: room for rotation and motion


DARK, LIGHT, MOST_GAIN = 0.5, 0.85, 8.0  # lights (98th percentile of 0 to 1) below which a picture is raised, and to


@dataclass(frozen=True)
class Poses:
    """Squares in the image. scale, shift: complex128 [N]."""

    scale: np.ndarray
    shift: np.ndarray

    def __len__(self) -> int:
        return len(self.scale)

    def __getitem__(self, index) -> Poses:
        return Poses(self.scale[index], self.shift[index])

    @property
    def centre(self) -> np.ndarray:
        """Of the squares in image pixels, x + iy: complex128 [N]."""
        return self.scale * CENTRE + self.shift

    @property
    def side_px(self) -> np.ndarray:
        """Of the squares in image pixels: float64 [N]."""
        return abs(self.scale) * OUTPUT_PX


@dataclass(frozen=True)
class Look:
    """Answers at N poses. points: complex128 [N,5], image px; scores, spread (of the points, in eye distances): [N].

    box: float64 [N,4], the face's left, top, right and bottom in crop px of its pose.
    """

    points: np.ndarray
    scores: np.ndarray
    spread: np.ndarray
    box: np.ndarray


@dataclass(frozen=True)
class Source:
    """An image to sample from, and where it lies: photo = image * shrink + corner."""

    image: np.ndarray
    shrink: int = 1
    corner: complex = 0j


def pose_at(centre: complex, side_px: float, turn: complex = 1 + 0j) -> tuple[complex, complex]:
    """(scale, shift) of the square with that centre and side, `turn` (|turn| = 1) the direction of its x axis."""
    scale = side_px / OUTPUT_PX * turn
    return scale, centre - scale * CENTRE


def fit(points: np.ndarray) -> Poses:
    """Poses that bring the template nearest to points complex [N,5]: least squares over similarities."""
    template = TEMPLATE - TEMPLATE.mean()
    mean = points.mean(axis=1, keepdims=True)
    scale = (points - mean) @ template.conj() / np.vdot(template, template).real
    return Poses(scale, mean[:, 0] - scale * TEMPLATE.mean())


def sources(nets: Nets, image: np.ndarray, poses: Poses) -> list[Source]:
    """One source a pose: the image itself, or a shrunk copy of the surroundings where the square is large."""
    height, width = image.shape[:2]
    found = []
    for centre, side in zip(poses.centre, poses.side_px):
        if side <= MOST_SHRINK * OUTPUT_PX:
            found.append(Source(image))
            continue
        k = max(2, round(side / (2 * OUTPUT_PX)))
        reach = PATCH_SIDES / 2 * side
        k = min(k, width, height)
        x0, y0 = (int(np.clip(c - reach, 0, limit - k)) for c, limit in ((centre.real, width), (centre.imag, height)))
        x1 = int(np.clip(centre.real + reach, x0 + k, width))
        y1 = int(np.clip(centre.imag + reach, y0 + k, height))
        w, h = (x1 - x0) // k, (y1 - y0) // k
        box = np.array([[x0, y0, x0 + w * k, y0 + h * k]], np.int32)
        found.append(Source(nets.crop(image, box, h, w)[0], k, complex(x0, y0) + (k - 1) / 2 * (1 + 1j)))
    return found


def look(nets: Nets, where: list[Source], poses: Poses, squares=FOUR) -> Look:
    """O-net at every pose, on several squares each. where: a source a pose."""
    count = len(squares)
    moved = [_moved(poses, square) for square in squares]  # count x (scale [N], across [N], shift [N])
    crops = np.empty((len(poses), count, OUTPUT_PX, OUTPUT_PX, where[0].image.shape[2] if where else 3), np.float32)
    for n, source in enumerate(where):
        maps = np.empty((count, 2, 3))
        for j, (x_axis, y_axis, shift) in enumerate(moved):
            corner = shift[n] - source.corner
            maps[j] = [[x_axis[n].real, y_axis[n].real, corner.real], [x_axis[n].imag, y_axis[n].imag, corner.imag]]
        nets.warp(source.image, maps / source.shrink, crops[n])
    flat = crops.reshape(-1, *crops.shape[2:])
    _lighten(flat)
    scores, offsets, points = nets.output(flat)
    points = points.astype(np.float64).reshape(len(poses), count, 5, 2) * OUTPUT_PX - 0.5
    answers = np.empty((len(poses), count, 5), np.complex128)
    for j, (x_axis, y_axis, shift) in enumerate(moved):
        answers[:, j] = x_axis[:, None] * points[:, j, :, 0] + y_axis[:, None] * points[:, j, :, 1] + shift[:, None]
        if squares[j][3]:
            answers[:, j] = answers[:, j, align.MIRRORED]
    mean = answers.mean(axis=1)
    spread = np.sqrt((abs(answers - mean[:, None]) ** 2).mean(axis=(1, 2))) / (abs(poses.scale) * EYES)
    return Look(mean, scores.reshape(-1, count).mean(axis=1), spread, _boxes(offsets.reshape(-1, count, 4), squares))


def _lighten(crops: np.ndarray) -> None:
    """Raises dark crops to usual light, in place. crops: float32 [N,48,48,3], black at -1."""
    sample = crops[:, ::4, ::4]
    lights = (1 + sample.mean(axis=(1, 2, 3)) + 2 * sample.std(axis=(1, 2, 3))) / 2
    for n in np.flatnonzero(lights < DARK):
        crops[n] = np.minimum((crops[n] + 1) * min(MOST_GAIN, LIGHT / max(lights[n], 1e-3)) - 1, 1)


def _moved(poses: Poses, square: tuple[float, float, float, bool]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x axis, y axis and shift of each pose's moved square: image = x_axis * u + y_axis * v + shift."""
    dx, dy, grow, mirrored = square
    scale = poses.scale * np.exp(grow)
    shift = poses.centre + poses.scale * OUTPUT_PX * complex(dx, dy) - scale * CENTRE
    if mirrored:
        return -scale, 1j * scale, shift + scale * (OUTPUT_PX - 1)
    return scale, 1j * scale, shift


def _boxes(offsets: np.ndarray, squares) -> np.ndarray:
    """Mean regressed box in crop px of the pose. offsets: [N,J,4] of the moved squares, in sides."""
    total = np.zeros((len(offsets), 4))
    for j, (dx, dy, grow, mirrored) in enumerate(squares):
        left, top, right, bottom = (offsets[:, j] + [0, 0, 1, 1]).astype(np.float64).T - 0.5
        if mirrored:
            left, right = -right, -left
        box = np.stack([left, top, right, bottom], 1) * np.exp(grow) + [dx, dy, dx, dy]
        total += (box + 0.5) * OUTPUT_PX - 0.5
    return total / len(squares)
