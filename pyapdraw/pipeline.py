"""The sentence of this package: photo -> faces -> aligned crops -> model -> composite -> output.

Everything else serves this file: each stage is one call into the module of its name. A video runs the same
sentence a frame at a time, with tracked faces (`faces.tracking.Tracker`) in the place of freshly detected ones.
Whole people take the place of crops where the frame is "whole": they are cut out and drawn where they stand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pyapdraw import align, composite
from pyapdraw.clock import Clock
from pyapdraw.faces.detector import Face
from pyapdraw.faces.people import people
from pyapdraw.style.base import Picture, SteadyTools, Style, Tools, View
from pyapdraw.style.figure import Figure
from pyapdraw.style.ink_whole import draw_scene


@dataclass(frozen=True)
class How:
    """most: how many of the faces, the first ones, are drawn; None: all. frame: "whole": people where they stand in the
    picture; "bust": the largest face's aligned crop, which becomes the page; "aligned": the same of a picture that is a
    crop already, laid back into it. background: "draw", thin lines of the scene; or see `composite.page`. width_px: of
    a crop; None: as the face's size in the picture asks for, up to largest_px. still: the picture is no video frame; if
    it is an aligned crop already, it is drawn without sampling it anew. given: see `style.base.Picture`."""

    most: int | None = None
    frame: str = "whole"
    background: str = "white"
    width_px: int | None = None
    largest_px: int = 2048
    still: bool = False
    given: Mapping[str, Any] = field(default_factory=dict)


def draw_faces(
    pixels: np.ndarray,
    faces: Sequence[Face],
    style: Style,
    tools: Tools | SteadyTools,
    how: How | None = None,
    clock: Clock | None = None,
) -> np.ndarray:
    """Draws the people of a picture on one page.

    Args:
        pixels: uint8 [H,W,3] RGB, upright.
        faces: their faces in that picture, the largest first.
        style: draws them. tools: make what the style needs to know.
        how: see there.
        clock: takes the seconds of the stages align, mask (needs), draw and composite.

    Returns:
        uint8 [H,W] (grey drawings on white paper) or [H,W,3]; of a bust [S,S] or [S,S,3].
    """
    clock, how = clock or Clock(), how or How()
    if how.frame != "whole":
        return draw_bust(Picture(pixels, faces, tools, how.given), faces[0], style, how, clock)
    with clock("align"):
        work = composite.Work(pixels)
        small = [work.face(face) for face in faces]
        picture = Picture(work.pixels, small, tools, how.given, how.still)
    with clock("mask"):
        cast = people(picture.person, [face.landmarks_px for face in small])
    page = composite.blank(picture.pixels)
    for face, person in list(zip(small, cast))[: how.most]:
        if person is None:
            continue
        figure = Figure(picture, person.box_px, face)
        with clock("draw"):
            drawing = style.draw_figure(figure)
        with clock("composite"):
            composite.add(page, person.keep(drawing), person.box_px)
    if how.background == "draw":
        with clock("draw"):
            scene = draw_scene(picture.pixels, picture.person)
        composite.add(page, scene, (0, 0, *scene.shape[::-1]))
    with clock("draw"):
        wash = style.wash(picture.pixels, picture.person, tools)
    with clock("composite"):
        large = work.enlarged(page)
        if wash is not None:
            large = composite.over(large, wash)
        return composite.page(large, pixels, lambda: work.enlarged(picture.person, crisp=False), how.background)


def draw_bust(picture: Picture, face: Face, style: Style, how: How, clock: Clock) -> np.ndarray:
    """The aligned crop of a face as the page: uint8 [S,S] or [S,S,3]."""
    template, points = style.template, face.landmarks_px
    with clock("align"):
        own = style.width_px(points, how.width_px or how.largest_px)
        wide = how.width_px or min(how.largest_px, max(own, template.width_px))
        crop = aligned(picture.pixels, points, own, template, how)
        view = View(picture, crop, face, template)
    with clock("mask"):
        for need in ("person", *style.needs):
            getattr(view, need)
    with clock("draw"):
        drawing = style.draw(view)
        wash = style.wash(view.pixels, view.person, picture.tools)
    with clock("composite"):
        if how.frame == "bust" and drawing.shape[:2] != template.shape_px(wide):
            drawing = composite.enlarge(drawing, template.shape_px(wide))
            if how.background == "photo":
                view = View(picture, aligned(picture.pixels, points, wide, template, how), face, template)
        if wash is not None:
            drawing = composite.over(drawing, wash)
        # What the style drew behind the person is there in any case.
        background = "photo" if how.background == "photo" else "white"
        made = composite.page(drawing, view.pixels, lambda: view.person, background)
        return made if how.frame == "bust" else align.put_back(made, crop.to_crop, picture.pixels.shape[:2])


def aligned(pixels: np.ndarray, points: np.ndarray, width: int, template: align.Template, how: How) -> align.Crop:
    """The crop of a face, of which five points are known, on a canvas that wide."""
    to_crop = (
        align.fit_photo(points, width, pixels.shape, template) if how.still else align.fit(points, width, template)
    )
    return align.crop(pixels, to_crop, template.shape_px(width))
