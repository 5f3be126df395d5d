"""468 points of every face of a picture, from the five landmarks of the detector, at any head roll.

The network (`face_mesh`) wants the square about a face, half as wide again as it and turned so that the eyes are level.
The first look's square comes from the five landmarks, the second's from the points that the first has found, as
MediaPipe follows a face from frame to frame [Kartynnik et al. 2019]; where it starts is then forgotten.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pyapdraw import _C
from pyapdraw.errors import BadInput
from pyapdraw.faces.face_mesh import POINTS, SIDE_PX, FaceMesh

EYE_CORNERS = (33, 133, 362, 263)  # outer and inner, of the eye at the smaller x of an upright face, then of the other
# The five landmarks among the points: half-way between the lids, nose tip, corners of the mouth. Of several candidates
# those that lie nearest to the given landmarks of 22 portraits.
EYES, NOSE, MOUTH = ((159, 145), (386, 374)), 4, (61, 291)
FIRST_SIDE = 3.7  # of the first square, in distances of the eyes or from their middle to the mouth's, the larger
MARGIN = 1.5  # of the second, in sides of the box about the points
MOST_SHRINK = 3.5  # image px a crop px, above which the image is shrunk first: the warp antialiases up to 4


class Mesh:
    """Callable: picture and landmarks of its faces -> 468 points and a score for each. Safe from several threads."""

    def __init__(self, threads: int = 0) -> None:
        """threads: most worker threads of a call, 0 for the machine's default. Raises WeightsError."""
        self._network = FaceMesh(threads)
        self._context = _C.Context(threads)

    def __call__(self, pixels: np.ndarray, landmarks_px: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """pixels: uint8 [H,W,3] RGB. landmarks_px: [N,5,2], eyes, nose tip and mouth corners of N faces.

        Returns float32 [N,468,3], px of the picture, z in the same unit with less for nearer, and scores float32 [N],
        near 1 for a face. Raises BadInput.
        """
        pixels, landmarks = _checked(pixels, landmarks_px)
        if not len(landmarks):
            return np.empty((0, POINTS, 3), np.float32), np.empty(0, np.float32)
        points, _ = self._look(pixels, *first_squares(landmarks))
        return self._look(pixels, *squares(points))

    def follow(self, pixels: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """As a call, from the points [N,468,3] of the frame before: one look instead of two."""
        return self._look(pixels, *squares(points))

    def _look(self, pixels: np.ndarray, corner: np.ndarray, step: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The network on squares: corner [N] is the centre of their first pixel in the picture, step [N] from pixel to
        pixel along a row, both as x + iy."""
        crops = np.empty((len(corner), SIDE_PX, SIDE_PX, 3), np.float32)
        for n in range(len(corner)):
            cut(pixels, corner[n], step[n], crops[n : n + 1], self._context)
        found, scores = self._network(crops)
        at = found[..., 0] + 1j * found[..., 1]
        at = corner[:, None] + step[:, None] * at
        return np.stack([at.real, at.imag, found[..., 2] * abs(step)[:, None]], axis=2).astype(np.float32), scores


def cut(pixels: np.ndarray, corner: complex, step: complex, out: np.ndarray, context: _C.Context) -> None:
    """A square of a picture uint8 [H,W,3], black beyond it, as float32 [1,S,S,3] of 0 to 1 in `out`. corner: where the
    centre of its first pixel lies in the picture; step: from pixel to pixel along a row; both as x + iy."""
    k, origin = 1, 0j
    if abs(step) > MOST_SHRINK:
        pixels, k, origin = _shrunk(pixels, corner, step, out.shape[1], context)
    at, along = (corner - origin) / k, step / k
    maps = np.array([[[along.real, -along.imag, at.real], [along.imag, along.real, at.imag]]])
    _C.crop_warp(pixels, maps, out, 0, 1 / 255, context)


def _shrunk(
    pixels: np.ndarray, corner: complex, step: complex, side_px: int, context: _C.Context
) -> tuple[np.ndarray, int, complex]:
    """The surroundings of a large square in blocks of k x k pixels, k, and the centre of the first block."""
    height, width = pixels.shape[:2]
    k = min(max(2, round(abs(step) / 2)), height, width)
    corners = corner + step * (side_px - 1) * np.array([0, 1, 1j, 1 + 1j])
    x0, y0 = (int(np.clip(low - k, 0, limit - k)) for low, limit in
              ((corners.real.min(), width), (corners.imag.min(), height)))  # fmt: skip
    across = int(np.clip(corners.real.max() + k, x0 + k, width) - x0) // k
    down = int(np.clip(corners.imag.max() + k, y0 + k, height) - y0) // k
    small = np.empty((1, down, across, 3), np.float32)
    box = np.array([[x0, y0, x0 + across * k, y0 + down * k]], np.int32)
    _C.crop_area(np.ascontiguousarray(pixels), box, small, ctx=context)
    return small[0], k, complex(x0, y0) + (k - 1) / 2 * (1 + 1j)


def five_of(face: Any) -> np.ndarray:
    """Landmarks float64 [1,5,2] of a Face or an array [5,2]. Raises BadInput."""
    landmarks = np.asarray(getattr(face, "landmarks_px", face), np.float64)
    if landmarks.shape != (5, 2):
        raise BadInput(f"face: {list(landmarks.shape)} given, a Face or five points [5,2] expected")
    return landmarks[None]


def first_squares(landmarks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Squares (see `Mesh._look`) about faces of which five landmarks [N,5,2] are known."""
    left, right, _, mouth_left, mouth_right = (landmarks[:, i, 0] + 1j * landmarks[:, i, 1] for i in range(5))
    eyes, mouth = (left + right) / 2, (mouth_left + mouth_right) / 2
    side = FIRST_SIDE * np.maximum(np.maximum(abs(right - left), abs(mouth - eyes)), 1e-3)
    return _about(eyes + (mouth - eyes) * 0.4, side, right - left)


def squares(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Squares (see `Mesh._look`) about faces of which the points [N,468,3] are known."""
    at = points[..., 0].astype(np.float64) + 1j * points[..., 1]
    across = at[:, EYE_CORNERS[3]] - at[:, EYE_CORNERS[0]]
    turn = across / np.maximum(abs(across), 1e-9)
    level = at * turn.conj()[:, None]  # in the frame of the level eyes
    x, y = ((part.min(axis=1), part.max(axis=1)) for part in (level.real, level.imag))
    middle = (x[0] + x[1] + 1j * (y[0] + y[1])) / 2 * turn
    return _about(middle, MARGIN * np.maximum(x[1] - x[0], y[1] - y[0]), across)


def five(points: np.ndarray) -> np.ndarray:
    """The five landmarks [N,5,2] of points [N,468,3]."""
    eyes = [points[:, list(pair), :2].mean(axis=1) for pair in EYES]
    return np.stack([*eyes, points[:, NOSE, :2], points[:, MOUTH[0], :2], points[:, MOUTH[1], :2]], axis=1)


# Of iBUG's 68 points the jaw's 17 lie evenly between the ears and the chin along these outlines; the others are points
# of the 468: brows, bridge and base of the nose, eyes, lips outside and inside, each as it is numbered there.
JAWS = ((127, 234, 93, 132, 58, 172, 136, 150, 149, 176, 148, 152),
        (152, 377, 400, 378, 379, 365, 397, 288, 361, 323, 454, 356))  # fmt: skip
IBUG = (
    70, 63, 105, 66, 107, 336, 296, 334, 293, 300,
    168, 197, 5, 4, 75, 97, 2, 326, 305,
    33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380,
    61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181, 78, 82, 13, 312, 308, 317, 14, 87,
)  # fmt: skip


def points68(points: np.ndarray) -> np.ndarray:
    """The 68 points [N,68,2] of iBUG's numbering, of points [N,468,3]."""
    found = np.empty((len(points), 68, 2), points.dtype)
    found[:, 17:] = points[:, IBUG, :2]
    for n, face in enumerate(points):
        for first, outline in zip((0, 8), JAWS):
            line = face[list(outline), :2]
            length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
            even = np.linspace(0, length[-1], 9)
            found[n, first : first + 9] = np.stack([np.interp(even, length, line[:, k]) for k in range(2)], axis=1)
    return found


def _about(middle: np.ndarray, side: np.ndarray, across: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    turn = np.where(across == 0, 1, across / np.maximum(abs(across), 1e-9))
    step = side / SIDE_PX * turn
    return middle - step * (SIDE_PX - 1) / 2 * (1 + 1j), step


def _checked(pixels: np.ndarray, landmarks_px: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        given = f"{pixels.dtype} {list(pixels.shape)}" if isinstance(pixels, np.ndarray) else type(pixels).__name__
        raise BadInput(f"pixels: {given} given, a picture uint8 [H,W,3] expected")
    landmarks = np.asarray(landmarks_px, np.float64)
    if landmarks.ndim != 3 or landmarks.shape[1:] != (5, 2) or not np.isfinite(landmarks).all():
        raise BadInput(f"landmarks_px: {list(landmarks.shape)} given, five finite points a face, [N,5,2], expected")
    if pixels.size == 0:
        raise BadInput(f"pixels: {list(pixels.shape)} given, a picture with pixels expected")
    return pixels, landmarks
