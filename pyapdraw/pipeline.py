"""The sentence of this package: photo -> faces -> aligned crops -> model -> composite -> output.

Everything else serves this file: each stage is one call into the module of its name. A video runs the same
sentence a frame at a time, with tracked faces (`tracking.Tracker`) in the place of freshly detected ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from pyapdraw import align, composite
from pyapdraw.clock import Clock
from pyapdraw.faces.detector import Face

BACKGROUNDS = ("white", "keep", "photo")
CANVAS_PX = 512  # the canvas of the papers' networks; styles that can draw at any size may be given another


class Style(Protocol):
    """What a drawing style is to the pipeline. Networks draw at one canvas size, `ink` at any (sizes_px = None).

    A style may also have draw_whole(pixels uint8 [H,W,3]) -> uint8 [H,W]: a picture without a face."""

    sizes_px: tuple[int, ...] | None

    def draw(self, pixels: np.ndarray, mask: np.ndarray, landmarks_px: np.ndarray) -> np.ndarray:
        """Crop uint8 [S,S,3], person mask uint8 [S,S], points [5,2] in crop px -> drawing uint8 [S,S] or [S,S,3]."""
        ...


class Segmenter(Protocol):
    """Crop uint8 [S,S,3] -> person mask uint8 [S,S], 255 = person."""

    def __call__(self, pixels: np.ndarray) -> np.ndarray: ...


def canvas_size(face: Face, style: Style, largest_px: int) -> int:
    """Side of the crop in px: as near to the photo's own resolution as the style and `largest_px` allow."""
    if style.sizes_px is not None:
        return max((s for s in style.sizes_px if s <= largest_px), default=min(style.sizes_px))
    scale = align.scale_of(align.fit(face.landmarks_px, CANVAS_PX))  # crop px per photo px on the 512 canvas
    native = CANVAS_PX / max(scale, 1e-6)
    return int(min(largest_px, max(256, 64 * round(native / 64))))


def draw_faces(
    pixels: np.ndarray,
    faces: Sequence[Face],
    style: Style,
    segment: Segmenter,
    *,
    background: str = "white",
    largest_px: int = CANVAS_PX,
    still: bool = False,
    clock: Clock | None = None,
) -> np.ndarray:
    """Draws every face of a picture and puts the drawings together on one sheet.

    Args:
        pixels: uint8 [H,W,3] RGB, upright.
        faces: faces in that picture; the first ones lie under the later ones.
        style: the model that draws a crop.
        segment: finds the person in a crop.
        background: "white" paper; "keep" what the style drew behind the person, and the photo beyond the crop;
            "photo" around the person.
        largest_px: upper limit of the crop's side.
        still: the picture is no video frame; if it is an aligned crop already, it is drawn without sampling it anew.
        clock: takes the seconds of the stages align, mask, draw and composite.

    Returns:
        uint8 [H,W] (grey drawings on white paper) or [H,W,3].
    """
    clock = clock or Clock()
    with clock("composite"):
        canvas = composite.Canvas(pixels, background)
    for face in faces:
        with clock("align"):
            size = canvas_size(face, style, largest_px)
            points_px = face.landmarks_px
            to_crop = align.fit_photo(points_px, size, pixels.shape) if still else align.fit(points_px, size)
            crop = align.crop(pixels, to_crop, size)
            landmarks_px = align.transform_points(crop.to_crop, face.landmarks_px)
        with clock("mask"):
            person = segment(crop.pixels)
        with clock("draw"):
            drawing = composite.Drawing(style.draw(crop.pixels, person, landmarks_px), person)
        with clock("composite"):
            canvas.add(drawing, crop.to_crop)
    with clock("composite"):
        return canvas.result()
