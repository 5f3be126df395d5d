"""The sentence of this package: photo -> faces -> aligned crops -> model -> composite -> output.

Everything else serves this file: each stage is one call into the module of its name. A video runs the same
sentence a frame at a time, with tracked faces (`faces.tracking.Tracker`) in the place of freshly detected ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pyapdraw import align, composite
from pyapdraw.clock import Clock
from pyapdraw.faces.detector import Face
from pyapdraw.style.base import Style, Tools, View


@dataclass(frozen=True)
class How:
    """background: "white" paper; "keep" what the style drew behind the person, and the photo beyond the crop; "photo"
    around the person. largest_px: upper limit of the crop's width; None: that of the style's template. still: the
    picture is no video frame; if it is an aligned crop already, it is drawn without sampling it anew. given: needs of
    the style that are known already, see `style.base.View`."""

    background: str = "white"
    largest_px: int | None = None
    still: bool = False
    given: Mapping[str, Any] = field(default_factory=dict)


def canvas_width(face: Face, style: Style, largest_px: int) -> int:
    """Width of the crop in px: as near to the photo's own resolution as the style and `largest_px` allow."""
    if style.sizes_px is not None:
        return max((s for s in style.sizes_px if s <= largest_px), default=min(style.sizes_px))
    template = style.template
    scale = align.scale_of(align.fit(face.landmarks_px, template.width_px, template))  # crop px per photo px
    native = template.width_px / max(scale, 1e-6)
    return int(min(largest_px, max(256, 64 * round(native / 64))))


def draw_faces(
    pixels: np.ndarray,
    faces: Sequence[Face],
    style: Style,
    tools: Tools,
    how: How | None = None,
    clock: Clock | None = None,
) -> np.ndarray:
    """Draws every face of a picture and puts the drawings together on one page.

    Args:
        pixels: uint8 [H,W,3] RGB, upright.
        faces: faces in that picture; the first ones lie under the later ones.
        style: draws a crop. tools: make what the style needs to know of it.
        how: see there.
        clock: takes the seconds of the stages align, mask (needs), draw and composite.

    Returns:
        uint8 [H,W] (grey drawings on white paper) or [H,W,3].
    """
    clock, how = clock or Clock(), how or How()
    with clock("composite"):
        canvas = composite.Canvas(pixels, how.background)
    for face in faces:
        with clock("align"):
            crop = aligned(pixels, face, style, how)
            view = View(pixels, crop, face, style.template, tools, how.given)
        with clock("mask"):
            for need in ("person", *style.needs):
                getattr(view, need)
        with clock("draw"):
            drawing = composite.Drawing(style.draw(view), view.person)
        with clock("composite"):
            canvas.add(drawing, crop.to_crop)
    with clock("composite"):
        return canvas.result()


def aligned(pixels: np.ndarray, face: Face, style: Style, how: How) -> align.Crop:
    """The crop of a face on the template of the style."""
    template, points = style.template, face.landmarks_px
    width = canvas_width(face, style, how.largest_px or template.width_px)
    to_crop = (
        align.fit_photo(points, width, pixels.shape, template) if how.still else align.fit(points, width, template)
    )
    return align.crop(pixels, to_crop, template.shape_px(width))
