"""What a style is to everything else: a template, its needs, and how it draws a view of a face.

A style is one file in this folder and one entry in `registry.STYLES`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from pyapdraw import align
from pyapdraw.faces.detector import Face
from pyapdraw.faces.eyes import Eyes, FacePoints, FindEyes
from pyapdraw.faces.masks import PersonMask
from pyapdraw.faces.points import Mesh
from pyapdraw.faces.tracking import STEADY_DT_S, OneEuro
from pyapdraw.ops.resize import resize
from pyapdraw.ops.warp_affine import warp_affine
from pyapdraw.style.wash import PAPER, palette

if TYPE_CHECKING:
    from pyapdraw.style.figure import Figure
    from pyapdraw.style.plan import Plan
    from pyapdraw.weights import Weights


LEAST_PX = 256  # of a crop's width, where the style draws any
JUMP = 0.5  # of the eye distance between frames, beyond which a face's points are not those of the frame before
MOST_FACES = 256  # whose points are remembered
KEPT = 1  # frames that a person mask serves beside its own
RESTS = 2  # weight of the mask before in the new one, where hardly anything has moved
THUMB_PX = 64  # shorter side of what frames are compared by, at least
FOLLOWS = 0.1  # share of a frame's own colours in those of its washes
STILL, QUIET = 0.06, 6.0  # motion of a face, in eye distances, and of a picture, grey levels, that is next to none


class Tools:
    """Makes what styles may need to know of a picture or a face: a method a need. Safe from several threads."""

    def __init__(self) -> None:
        """Raises WeightsError."""
        self._person, self._mesh, self._eyes = PersonMask(), Mesh(), FindEyes()

    def person(self, pixels: np.ndarray, faces: Sequence[Face], *, crop: bool = False) -> np.ndarray:
        """Mask uint8 [H,W] of the people of a picture uint8 [H,W,3], 255 = person, soft at the edges. faces: those of
        the picture. crop: it is a crop, which a person fills."""
        return self._person(pixels, [face.landmarks_px for face in faces], again=not crop)

    def points(self, pixels: np.ndarray, face: Face, near: np.ndarray | None = None) -> FacePoints:
        """468 points and the eyes of a face of a picture, in px of that. near: [468,3], where they are about."""
        if near is None:
            (points,), (score,) = self._mesh(pixels, face.landmarks_px[None])
        else:
            (points,), (score,) = self._mesh.follow(pixels, near[None].astype(np.float32))
        return FacePoints(points.astype(np.float64), self._eyes(pixels, points), float(score))

    def palette(self, pixels: np.ndarray, person: np.ndarray) -> np.ndarray:
        """As `style.wash.palette`."""
        return palette(pixels, person)


@dataclass
class Known:
    """Of a face in a video: where it was when its points were found, and how many frames ago."""

    face: Face
    points: FacePoints
    filter: OneEuro
    age: int = 0


class SteadyTools:
    """The tools for the frames of one video, in order: the person mask is kept for a frame where hardly anything has
    moved since it was made, which takes half of its time, and outlines rest; the points of a face are filtered as the
    tracker's, so that the features of a still head rest. For one thread."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._known: dict[int | None, Known] = {}
        self.dt_s = STEADY_DT_S  # since the frame before; who feeds frames sets it
        self._age, self._mask = 0, np.empty((0, 0), np.uint8)
        self._seen: tuple[Any, np.ndarray | None, np.ndarray | None] = None, None, None
        self._palette: np.ndarray | None = None

    def __getattr__(self, need: str) -> Any:
        return getattr(self._tools, need)

    def person(self, pixels: np.ndarray, faces: Sequence[Face], *, crop: bool = False) -> np.ndarray:
        """As `Tools.person`."""
        who = pixels.shape, crop, [face.track for face in faces]
        step = max(1, min(pixels.shape[:2]) // THUMB_PX)
        small = pixels[::step, ::step].astype(np.int16)
        points = None if crop else np.stack([face.landmarks_px for face in faces]) if faces else None
        self._age += 1
        rests = who == self._seen[0] and not _moved(points, self._seen[1]) and not _changed(small, self._seen[2])
        if not rests or self._age > KEPT:
            mask = self._tools.person(pixels, faces, crop=crop)
            if rests:  # sensor noise moves soft edges to and fro
                mask = ((mask.astype(np.uint16) + RESTS * self._mask.astype(np.uint16)) // (1 + RESTS)).astype(np.uint8)
            self._age, self._mask, self._seen = 0, mask, (who, points, small)
        return self._mask

    def points(self, pixels: np.ndarray, face: Face) -> FacePoints:
        """As `Tools.points`."""
        known = self._known.get(face.track)
        if known and np.abs(known.face.landmarks_px - face.landmarks_px).max() > JUMP * _eye_distance(face):
            known = None
        if known and known.age < KEPT:
            known.age += 1
            return known.points.moved(_similarity(known.face.landmarks_px, face.landmarks_px))
        found = self._tools.points(pixels, face, known.points.points if known else None)
        filtered = known.filter if known else OneEuro()
        points = self._calm(found, filtered, self.dt_s * (KEPT + 1))
        if len(self._known) > MOST_FACES:
            self._known.clear()
        self._known[face.track] = Known(face, points, filtered)
        return points

    def palette(self, pixels: np.ndarray, person: np.ndarray) -> np.ndarray:
        """As `style.wash.palette`; the colours follow those of the frames before slowly."""
        colours = palette(pixels, person, self._palette)
        if (colours == PAPER).all():  # nobody was there yet, and what is all paper is no start to go on from
            return colours
        if self._palette is not None:
            colours = self._palette + np.float32(FOLLOWS) * (colours - self._palette)
        self._palette = colours
        return colours

    @staticmethod
    def _calm(found: FacePoints, filtered: OneEuro, dt_s: float) -> FacePoints:
        parts = [found.points[:, :2], found.eyes.lids.reshape(-1, 2), found.eyes.irises.reshape(-1, 2)]
        at = np.concatenate(parts)
        calm = filtered(at[:, 0] + 1j * at[:, 1], dt_s)
        calm = np.stack([calm.real, calm.imag], 1)
        points = np.column_stack([calm[: len(parts[0])], found.points[:, 2]])
        lids, irises = np.split(calm[len(parts[0]) :], [len(parts[1])])
        eyes = Eyes(lids.reshape(found.eyes.lids.shape), irises.reshape(found.eyes.irises.shape))
        return FacePoints(points, eyes, found.score)


def _similarity(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """The map [2,3] that brings landmarks [5,2] nearest to others by turning, scaling and moving them."""
    a, b = (points[:, 0] + 1j * points[:, 1] for points in (before, after))
    middle = a.mean()
    scale = np.vdot(a - middle, b - b.mean()) / max(np.vdot(a - middle, a - middle).real, 1e-9)
    shift = b.mean() - scale * middle
    return np.array([[scale.real, -scale.imag, shift.real], [scale.imag, scale.real, shift.imag]])


def _eye_distance(face: Face) -> float:
    return float(np.hypot(*(face.landmarks_px[1] - face.landmarks_px[0])))


def _moved(points: np.ndarray | None, before: np.ndarray | None) -> bool:
    """Whether faces, landmarks [N,5,2], have moved by more than STILL of their eye distance."""
    if points is None or before is None:
        return points is not before
    eyes = np.linalg.norm(before[:, 1] - before[:, 0], axis=1)
    return bool((np.abs(points - before).max(axis=(1, 2)) > STILL * eyes).any())


def _changed(small: np.ndarray, before: np.ndarray | None) -> bool:
    return before is None or bool(np.abs(small - before).mean() > QUIET)


@dataclass(frozen=True)
class Picture:
    """A picture and what is known of all of it, made when first asked for.

    pixels: uint8 [H,W,3]. faces: in px of it. given: what is known already and is not made, such as a mask from a file,
    of any size. still: no video frame: there is time to draw all that can be seen.
    """

    pixels: np.ndarray
    faces: Sequence[Face]
    tools: Tools | SteadyTools
    given: Mapping[str, Any] = field(default_factory=dict)
    still: bool = True

    @cached_property
    def person(self) -> np.ndarray:
        """Mask uint8 [H,W] of all people, 255 = person."""
        if "person" not in self.given:
            return self.tools.person(self.pixels, self.faces)
        known, size = self.given["person"], self.pixels.shape[:2]
        return known if known.shape[:2] == size else resize(known, size)


@dataclass(frozen=True)
class View:
    """What a style sees of a face: the crop, the face in photo px, and what it needs, made when first asked for.

    picture: what the crop was cut from. template: of the crop.
    """

    picture: Picture
    crop: align.Crop
    face: Face
    template: align.Template

    @property
    def pixels(self) -> np.ndarray:
        """uint8 [H,W,3] RGB."""
        return self.crop.pixels

    @cached_property
    def landmarks_px(self) -> np.ndarray:
        """float64 [5,2], (x, y) in crop px: eye at smaller x, other eye, nose tip, mouth corners likewise."""
        return align.transform_points(self.crop.to_crop, self.face.landmarks_px)

    @cached_property
    def person(self) -> np.ndarray:
        """Person mask uint8 [H,W], 255 = person: the given one, or of the crop by itself."""
        size = self.pixels.shape[:2]
        if "person" not in self.picture.given:
            return self.picture.tools.person(self.pixels, [self.face], crop=True)
        whole = self.picture.person
        if whole.shape == size and np.array_equal(self.crop.to_crop, np.eye(2, 3)):
            return whole
        return warp_affine(whole, self.crop.to_crop, size, filter="antialias", border=0)

    @cached_property
    def points(self) -> FacePoints:
        """468 points and the eyes, in px of the crop."""
        return self.picture.tools.points(self.picture.pixels, self.face).moved(self.crop.to_crop)

    def need(self, name: str) -> Any:
        """A need by its name: what is given, or what the tools make of this view."""
        given = self.picture.given
        return given[name] if name in given else getattr(self.picture.tools, name)(self)


@dataclass(frozen=True)
class NoOptions:
    """Of a style without options of its own."""


class Style:
    """A drawing style; one object serves several threads at once.

    `options` is an object of `Options`, a frozen record of the style's own. plan and weights: how its network runs, and
    the network's weights, which messages call `where`; a style without a network is not given `where`.
    """

    template: ClassVar[align.Template] = align.APDRAWING
    sizes_px: ClassVar[tuple[int, ...] | None] = None  # widths of the canvas it can draw on; None: 16 to 8192
    needs: ClassVar[tuple[str, ...]] = ()  # of Tools; the person is there in any case, for the composition
    Options: ClassVar[type] = NoOptions

    def __init__(self, plan: Plan, weights: Weights | None, options: Any, *, where: str | Path = "") -> None:
        raise NotImplementedError

    def draw(self, view: View) -> np.ndarray:
        """The drawing uint8 [H,W] or [H,W,3] of a view [H,W,3]; white = 255 = paper."""
        raise NotImplementedError

    def draw_figure(self, figure: Figure) -> np.ndarray:
        """The drawing uint8 [H,W] of a person, of the size of the figure; white = 255 = paper. Of a style that draws
        crops alone: the crop's drawing, and paper around it."""
        return figure.drawn_crop(self, (0, 0, *figure.pixels.shape[1::-1]))

    def wash(self, pixels: np.ndarray, person: np.ndarray, tools: Tools | SteadyTools) -> np.ndarray | None:
        """What lies under a drawing, uint8 [H,W,3]; None: paper. pixels: uint8 [H,W,3], person: mask."""

    def width_px(self, landmarks_px: np.ndarray, largest_px: int) -> int:
        """Width of a face's crop: as near to the picture's own resolution as the style, `largest_px` and the least of
        256 px allow."""
        if self.sizes_px is not None:
            return max((s for s in self.sizes_px if s <= largest_px), default=min(self.sizes_px))
        width = self.template.width_px
        scale = align.scale_of(align.fit(landmarks_px, width, self.template))  # crop px per picture px
        return int(min(largest_px, max(LEAST_PX, 64 * round(width / max(scale, 1e-6) / 64))))

    def draw_whole(self, pixels: np.ndarray) -> np.ndarray:
        """A picture uint8 [H,W,3] without a face, of any size, as uint8 [H,W]: white paper where a style cannot."""
        return np.full(pixels.shape[:2], 255, np.uint8)
