"""The lids and irises of a face, from its 468 points: the iris network (`iris`) on an upright crop of each eye."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pyapdraw import _C
from pyapdraw.faces.iris import SIDE_PX, Iris
from pyapdraw.faces.points import EYE_CORNERS, cut

REACH = 2.3  # side of an eye's crop, in distances of its corners
LIDS = 16  # points of the network's eye that are lids
# The same points among the 468: lower lid from the outer corner to the inner, upper lid between them.
LIDS_OF_MESH = (
    (33, 7, 163, 144, 145, 153, 154, 155, 133, 246, 161, 160, 159, 158, 157, 173),
    (263, 249, 390, 373, 374, 380, 381, 382, 362, 466, 388, 387, 386, 385, 384, 398),
)


@dataclass(frozen=True)
class Eyes:
    """Of a face: lids float64 [2,16,2], of the eye at the smaller x and of the other, each the lower lid from the outer
    corner to the inner (9 points) and the upper between them (7); irises [2,5,2]: centre and four points of the rim."""

    lids: np.ndarray
    irises: np.ndarray


@dataclass(frozen=True)
class FacePoints:
    """points: float64 [468,3]; eyes: see there; both in px of one picture. score: near 1 for a face."""

    points: np.ndarray
    eyes: Eyes
    score: float

    def moved(self, to: np.ndarray) -> FacePoints:
        """The same through an affine map [2,3]; z keeps its unit."""
        points = np.column_stack([self.points[:, :2] @ to[:, :2].T + to[:, 2], self.points[:, 2]])
        lids, irises = (part @ to[:, :2].T + to[:, 2] for part in (self.eyes.lids, self.eyes.irises))
        return FacePoints(points, Eyes(lids, irises), self.score)


class FindEyes:
    """Callable: picture uint8 [H,W,3] and the 468 points [468,3] of a face -> Eyes. Safe from several threads."""

    def __init__(self, threads: int = 0) -> None:
        """threads: most worker threads of a call, 0 for the machine's default. Raises WeightsError."""
        self._network = Iris(threads)
        self._context = _C.Context(threads)

    def __call__(self, pixels: np.ndarray, points: np.ndarray) -> Eyes:
        """Both in px of the picture."""
        at = points[:, 0].astype(np.float64) + 1j * points[:, 1]
        corners = at[list(EYE_CORNERS)].reshape(2, 2)  # outer and inner; inner and outer of the other eye
        across = corners[1, 1] - corners[0, 0]
        turn = across / max(abs(across), 1e-9)
        crops = np.empty((2, SIDE_PX, SIDE_PX, 3), np.float32)
        squares = []
        for n, (a, b) in enumerate(corners):
            step = REACH * max(abs(b - a), 1e-3) / SIDE_PX * turn
            corner = (a + b) / 2 - step * (SIDE_PX - 1) / 2 * (1 + 1j)
            cut(pixels, corner, step, crops[n : n + 1], self._context)
            squares.append((corner, step))
        crops[1] = crops[1, :, ::-1].copy()
        found = []
        for eyes in self._network(crops):
            eyes = eyes[:, :, :2].astype(np.float64)
            eyes[1, :, 0] = SIDE_PX - 1 - eyes[1, :, 0]
            placed = [corner + step * (e[:, 0] + 1j * e[:, 1]) for (corner, step), e in zip(squares, eyes)]
            found.append(np.stack([np.stack([p.real, p.imag], 1) for p in placed]))
        return Eyes(found[0][:, :LIDS], found[1])
