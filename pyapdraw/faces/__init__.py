"""Faces: found in photos at any head roll, tracked in videos; their points, and the people they belong to.

>>> import numpy as np
>>> person_mask(np.zeros((48, 64, 3), np.uint8)).shape
(48, 64)
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from pyapdraw.faces.detector import Detector, Face

if TYPE_CHECKING:
    import numpy as np


def mesh(rgb: Any, face: Face | np.ndarray) -> np.ndarray:
    """468 points of a face [Kartynnik et al. 2019]: float32 [468,3], px of the picture, z in the same unit with less
    for nearer.

    rgb: uint8 [H,W,3], upright. face: as `Detector.detect` gives it, or its five landmarks [5,2]; any head roll.
    Raises BadInput, WeightsError.
    """
    from pyapdraw.faces.points import five_of

    return _mesh()(rgb, five_of(face))[0][0]


def points68(rgb: Any, face: Face | np.ndarray) -> np.ndarray:
    """The 68 points of iBUG's numbering: float32 [68,2], px of the picture. Arguments and errors as `mesh`."""
    from pyapdraw.faces import points

    return points.points68(mesh(rgb, face)[None])[0]


def parts(rgb: Any, face: Face | np.ndarray) -> dict[str, np.ndarray]:
    """Masks uint8 [H,W] of a face's parts by name: face, eye_left, eye_right, brow_left, brow_right, nose, lips, mouth;
    left is the smaller x of the upright face. Arguments and errors as `mesh`."""
    from pyapdraw.faces.part_masks import part_masks

    return part_masks(mesh(rgb, face), rgb.shape[:2])


def person_mask(rgb: Any, faces: Any = ()) -> np.ndarray:
    """The people of a picture uint8 [H,W,3]: uint8 [H,W], 255 = person, soft at the edges.

    faces: those that are known, `Face`s or landmarks [5,2]; small people are then looked at one by one. Raises
    BadInput, WeightsError.
    """
    return _masks()(rgb, [getattr(face, "landmarks_px", face) for face in faces])


@cache
def _mesh() -> Any:
    from pyapdraw.faces.points import Mesh

    return Mesh()


@cache
def _masks() -> Any:
    from pyapdraw.faces.masks import PersonMask

    return PersonMask()


__all__ = ["Detector", "Face", "mesh", "parts", "person_mask", "points68"]
