"""What a style is to everything else: a template, its needs, and how it draws a view of a face.

A style is one file in this folder and one entry in `registry.STYLES`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from pyapdraw import align
from pyapdraw.faces.detector import Face
from pyapdraw.faces.person_mask import PersonMask
from pyapdraw.ops.resize import resize
from pyapdraw.ops.warp_affine import warp_affine

if TYPE_CHECKING:
    from pyapdraw.style.plan import Plan
    from pyapdraw.weights import Weights


class Tools:
    """Makes what styles may need to know of a face: a method a need, called once a view. Safe from several threads."""

    def __init__(self) -> None:
        """Raises WeightsError."""
        self._person = PersonMask()

    def person(self, view: View) -> np.ndarray:
        """Person mask uint8 [H,W], 255 = person, soft at the edges. The network knows faces where APDRAWING has them: a
        crop on another template gets the mask of the face's crop on that one."""
        if view.template is align.APDRAWING:
            return self._person(view.pixels)
        size = align.APDRAWING.width_px
        own = align.crop(view.photo, align.fit(view.face.landmarks_px, size), size)
        between = align.compose(view.crop.to_crop, align.invert(own.to_crop))
        return warp_affine(self._person(own.pixels), between, view.pixels.shape[:2], filter="antialias", border=0)


@dataclass(frozen=True)
class View:
    """What a style sees of a face: the crop, the face in photo px, and what it needs, made when first asked for.

    photo: the whole picture uint8 [H,W,3]. template: of the crop. given: needs that are known already and are not made,
    such as a mask from a file.
    """

    photo: np.ndarray
    crop: align.Crop
    face: Face
    template: align.Template
    tools: Tools
    given: Mapping[str, Any] = field(default_factory=dict)

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
        """Person mask uint8 [H,W], 255 = person."""
        return self.need("person")

    def need(self, name: str) -> Any:
        """A need by its name, at the size of the crop."""
        if name not in self.given:
            return getattr(self.tools, name)(self)
        known, size = self.given[name], self.pixels.shape[:2]
        return known if known.shape[:2] == size else resize(known, size)


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

    def draw_whole(self, pixels: np.ndarray) -> np.ndarray:
        """A picture uint8 [H,W,3] without a face, of any size, as uint8 [H,W]: white paper where a style cannot."""
        return np.full(pixels.shape[:2], 255, np.uint8)
