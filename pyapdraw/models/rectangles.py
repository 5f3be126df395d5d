"""The local regions of [APD19, section 4.1] as numbers: rectangles about eyes, nose and mouth. No torch.

`regions.py` cuts them out of maps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from pyapdraw.align import APDRAWING
from pyapdraw.errors import BadInput

PARTS = ("eyel", "eyer", "nose", "mouth")  # "l": the eye at the smaller x
LOCALS = (*PARTS, "hair", "background")
SIZES = ((80, 112), (80, 112), (96, 96), (80, 128))  # (height, width) in a frame of 512 px
FRAME = APDRAWING.width_px

Sizes = Sequence[tuple[int, int]]


def region_sizes(side: int, sizes: Sizes = SIZES, multiple: int = 8) -> list[tuple[int, int]]:
    """(height, width) of the four rectangles in a frame of `side` px.

    Departure: where a size is not a multiple of what the networks halve it by (frames other than 256 k px), the nearest
    multiple is taken; the published sizes would not come back to themselves.
    """

    def near(size: int) -> int:
        return max(multiple, multiple * math.floor(size * side / FRAME / multiple + 0.5))

    return [(near(h), near(w)) for h, w in sizes]


def region_centres(landmarks: np.ndarray, side: int) -> np.ndarray:
    """Centres int32 [N,4,2] of the rectangles from five landmarks [N,5,2] (eye, eye, nose tip, mouth corners) in px.

    Eyes: 8 px above the eye; nose: 16 px above its tip; mouth: midway between the corners (all at 512 px). Truncated
    to integers, as the training code does.

    Raises BadInput: another shape, or eyes in the wrong order.

    >>> points = [[[201, 247], [311, 247], [256, 312], [207, 371], [305, 371]]]
    >>> region_centres(np.array(points), 512).tolist()
    [[[201, 239], [311, 239], [256, 296], [256, 371]]]
    """
    if landmarks.ndim != 3 or landmarks.shape[1:] != (5, 2):
        raise BadInput(f"landmarks: {tuple(landmarks.shape)} given, [N, 5, 2] expected")
    points = landmarks.astype(np.float64)
    if (points[:, 0, 0] >= points[:, 1, 0]).any():
        raise BadInput("landmarks: the first eye is not left of the second, expected the eye at the smaller x first")
    centres = np.concatenate([points[:, :3], np.trunc((points[:, 3:4] + points[:, 4:]) / 2)], 1)
    centres[:, :3, 1] -= np.array([8.0, 8.0, 16.0]) * side / FRAME
    return np.trunc(centres).astype(np.int32)


def corners(centres: Any, sizes: Sizes) -> list[list[tuple[int, int]]]:
    """(top, left) of each rectangle of each sample; centres [N,4,2], (x, y), of numpy or torch."""

    def start(centre: float, size: int) -> int:
        return math.floor(math.trunc(centre) - size / 2)

    return [[(start(y, h), start(x, w)) for (x, y), (h, w) in zip(sample, sizes)] for sample in centres.tolist()]
