"""Where the parts of a face are, as masks, from its 468 points."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from pyapdraw.errors import BadInput

FINE = 4  # outlines are filled at that many times the size, so that edges are soft

# Outlines among the 468 points, in their order around; "left" is the side of the smaller x of the upright face.
OUTLINES: dict[str, tuple[int, ...]] = {
    "face": (10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176,
             149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
    "eye_left": (33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7),
    "eye_right": (263, 466, 388, 387, 386, 385, 384, 398, 362, 382, 381, 380, 374, 373, 390, 249),
    "brow_left": (70, 63, 105, 66, 107, 55, 65, 52, 53, 46),
    "brow_right": (300, 293, 334, 296, 336, 285, 295, 282, 283, 276),
    "nose": (168, 417, 351, 419, 248, 456, 420, 279, 358, 327, 326, 2, 97, 98, 129, 49, 198, 236, 3, 196, 122, 193),
    "lips": (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146),
    "mouth": (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95),
}  # fmt: skip


def part_masks(points: np.ndarray, size: tuple[int, int]) -> dict[str, np.ndarray]:
    """Masks uint8 [H,W] of a face's parts, 255 inside, with soft edges: face, eye_left, eye_right, brow_left,
    brow_right, nose, lips (without the mouth), mouth (between the lips).

    points: [468,3] or [468,2], px of the picture. size: its (height, width). Raises BadInput.
    """
    at = np.asarray(points, np.float64)
    if at.ndim != 2 or at.shape[0] != 468 or at.shape[1] not in (2, 3) or not np.isfinite(at).all():
        raise BadInput(f"points: {list(at.shape)} given, finite points [468,3] of a face expected")
    made = {name: _filled(at[list(outline), :2], size) for name, outline in OUTLINES.items()}
    made["lips"] = np.minimum(made["lips"], 255 - made["mouth"])
    return made


def _filled(outline: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A polygon as uint8 [H,W]; only the box about it is worked on."""
    height, width = size
    mask = np.zeros(size, np.uint8)
    x0, y0 = np.maximum(np.floor(outline.min(axis=0)).astype(int) - 1, 0)
    x1, y1 = np.minimum(np.ceil(outline.max(axis=0)).astype(int) + 2, (width, height))
    if x0 >= x1 or y0 >= y1:
        return mask
    fine = Image.new("L", (int(x1 - x0) * FINE, int(y1 - y0) * FINE))
    corners = (outline - (x0, y0) + 0.5) * FINE - 0.5
    ImageDraw.Draw(fine).polygon([(float(x), float(y)) for x, y in corners], fill=255)
    blocks = np.asarray(fine, np.float32).reshape(y1 - y0, FINE, x1 - x0, FINE)
    mask[y0:y1, x0:x1] = np.rint(blocks.mean(axis=(1, 3))).astype(np.uint8)
    return mask
