"""A person of a picture, to be drawn whole: where the head ends, and how large the lines of head and body are.

The lines of a style have the lengths that fit a face 512 px wide. In a photo of a whole figure the face is small, and
lines of its scale would be a hair's breadth on the body: body and clothes have a scale of their own, between that of
the face and that of a picture of this size, and meet the head's drawing at the neck.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from pyapdraw import align
from pyapdraw.faces.detector import Face
from pyapdraw.faces.eyes import FacePoints
from pyapdraw.ops.composite import composite
from pyapdraw.ops.warp_affine import warp_affine
from pyapdraw.style.base import Picture, Style, View

ONE_SCALE = 1.3  # body and head are drawn at once where their scales differ by less
HEAD = (-40.0, -140.0, 552.0, 484.0)  # left, top, right, bottom of what is drawn as the head, px of the template
SEAM = (452.0, 466.0)  # between these rows of the template the body's drawing takes over
STEEP = np.clip((np.arange(256) - 127.5) * 3 + 127.5, 0, 255).astype(np.uint8)  # what the two have in common is no wash
LEAST_PX = 16  # of a side that can be drawn
# Scale at which a body is drawn that has a larger one, in photos and in frames, and how much smaller is worth it.
FINEST, FINEST_FRAME, WORTH = 0.8, 0.6, 0.85
SOFT_PX = 15  # over which a crop's drawing fades into what is around it
MOST_CROP_PX = 2048  # width of a crop that is drawn by itself


@dataclass(frozen=True)
class Figure:
    """picture: what the person is part of. box_px: x0, y0, x1, y1 of it in the picture. face: in px of the picture."""

    picture: Picture
    box_px: tuple[int, int, int, int]
    face: Face

    @cached_property
    def pixels(self) -> np.ndarray:
        """uint8 [h,w,3] of the box."""
        return _part(self.picture.pixels, self.box_px)

    @cached_property
    def person(self) -> np.ndarray:
        """Mask uint8 [h,w] of the box: everybody's, so that no line is drawn where people touch."""
        return _part(self.picture.person, self.box_px)

    @cached_property
    def landmarks_px(self) -> np.ndarray:
        """float64 [5,2] in px of the box."""
        return np.asarray(self.face.landmarks_px, np.float64) - self.box_px[:2]

    @cached_property
    def points(self) -> FacePoints:
        """468 points of the face and its eyes, in px of the box."""
        to_box = np.array([[1.0, 0, -self.box_px[0]], [0, 1, -self.box_px[1]]])
        return self.picture.tools.points(self.picture.pixels, self.face).moved(to_box)

    @cached_property
    def to_template(self) -> np.ndarray:
        """float64 [2,3] from px of the box to those of the template at 512 px."""
        return align.fit(self.landmarks_px)

    @cached_property
    def face_scale(self) -> float:
        """Picture px a px of the template, for the head."""
        return 1 / align.scale_of(self.to_template)

    @cached_property
    def body_scale(self) -> float:
        """The same for the body: the geometric mean of the face's and of a crop as large as the picture."""
        wide = max(self.picture.pixels.shape[:2]) / align.APDRAWING.width_px
        return self.face_scale * max(1.0, (wide / self.face_scale) ** 0.5)

    @cached_property
    def body_share(self) -> float:
        """Of the picture's px: at what size the body is drawn, whose lines are wide enough to be enlarged."""
        finest = FINEST if self.picture.still else FINEST_FRAME
        share = min(1.0, finest / self.body_scale)
        return share if self.head_box is not None and share < WORTH else 1.0

    @cached_property
    def head_box(self) -> tuple[int, int, int, int] | None:
        """x0, y0, x1, y1 of the head in px of the box; None: body and head are drawn at once, or it is too small."""
        if self.body_scale < ONE_SCALE * self.face_scale:
            return None
        left, top, right, bottom = HEAD
        corners = np.array([(left, top), (right, top), (left, bottom), (right, bottom)])
        corners = align.transform_points(align.invert(self.to_template), corners)
        height, width = self.pixels.shape[:2]
        (x0, y0), (x1, y1) = np.floor(corners.min(axis=0)), np.ceil(corners.max(axis=0)) + 1
        x0, x1 = (int(np.clip(v, 0, width)) for v in (x0, x1))
        y0, y1 = (int(np.clip(v, 0, height)) for v in (y0, y1))
        return (x0, y0, x1, y1) if min(x1 - x0, y1 - y0) >= LEAST_PX else None

    def drawn_crop(self, style: Style, box: tuple[int, int, int, int], around: np.ndarray | None = None) -> np.ndarray:
        """What a style draws of the aligned crop, uint8, put back into a box (x0, y0, x1, y1) of the figure. around:
        what is there beyond the crop, uint8 of the box; None: paper."""
        template, points, picture = style.template, self.face.landmarks_px, self.picture
        width = style.width_px(points, MOST_CROP_PX)
        shape = template.shape_px(width)
        crop = align.crop(picture.pixels, align.fit(points, width, template), shape)
        known = replace(picture, given={**picture.given, "person": picture.person})
        drawing = style.draw(View(known, crop, self.face, template))
        to_box = align.invert(crop.to_crop)
        to_box[:, 2] -= np.add(self.box_px[:2], box[:2])
        size = box[3] - box[1], box[2] - box[0]
        placed = warp_affine(drawing, to_box, size, filter="antialias", border=255)
        if around is None:
            return placed
        return composite(placed, warp_affine(_soft_edged(shape), to_box, size, border=0), around)

    def join(self, body: np.ndarray, head: np.ndarray, box: tuple[int, int, int, int]) -> np.ndarray:
        """The drawing `head` uint8 of the box (x0, y0, x1, y1) put into `body` uint8 [h,w], in place; returns that."""
        x0, y0, x1, y1 = box
        across, down, shift = self.to_template[1]
        v = across * np.arange(x0, x1, dtype=np.float32) + (down * np.arange(y0, y1, dtype=np.float32) + shift)[:, None]
        alpha = np.clip((SEAM[1] - v) * np.float32(255 / (SEAM[1] - SEAM[0])), 0, 255).astype(np.uint8)
        part = body[y0:y1, x0:x1]
        composite(head, alpha, part, out=part)
        seam = (alpha > 0) & (alpha < 255)
        part[seam] = STEEP[part[seam]]
        return body


def _soft_edged(shape: tuple[int, int]) -> np.ndarray:
    """255, down to 0 towards the edges: uint8 of a shape."""
    y, x = (np.minimum(np.arange(side), np.arange(side)[::-1]) for side in shape)
    return np.minimum(np.minimum(y[:, None], x) * (255 // SOFT_PX), 255).astype(np.uint8)


def _part(plane: np.ndarray, box: tuple[int, int, int, int]) -> np.ndarray:
    x0, y0, x1, y1 = box
    return plane[y0:y1, x0:x1]
