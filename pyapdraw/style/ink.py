"""Style `ink`: a portrait photo, or whole people, as a brush-and-pen drawing at any size.

Two-tone regions plus lines, aware of what a face is:

    [RL10]  Rosin & Lai, Towards artistic minimal rendering, NPAR 2010 (two tones and lines; [APD19] pre-trains with it)
    [KLC07] Kang, Lee & Chui, Coherent line drawing, NPAR 2007 (difference of Gaussians along an edge flow)
    [WKO12] Winnemoeller, Kyprianidis & Olsen, XDoG, Computers & Graphics 36(6), 2012 (soft thresholds, tensor flow)
    [APD19] Yi et al., APDrawingGAN, CVPR 2019, section 6 (jaw lines must be added to such drawings)

Stages, each a native file `csrc/cpu/ink_<stage>.cpp` (constants in `csrc/core/ink_style.h`):

    prepare   luma; what lies outside the photo; the person
    skin      soft label from two colour classes and the place in the face's frame
    flow      structure tensor, its tangent, smoothing along it [KLC07, WKO12 2.6]
    tone      contrast of strands, locks and masses [RL10]; difference of Gaussians and its ridges [WKO12 eq. 5]
    compose   one score a pixel from these; its zero contour with anti-aliasing; folds and outline of whole figures
    jaw       the best path from ear to ear through the chin, as a tapered stroke [APD19]
    specks    no salt: small areas go

The pen (`pen.py`) then draws eyes and mouth anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real

import numpy as np

from pyapdraw import _C
from pyapdraw.composite import enlarge
from pyapdraw.errors import BadInput
from pyapdraw.faces.eyes import FacePoints
from pyapdraw.ops.resize import resize
from pyapdraw.style import ink_whole
from pyapdraw.style.base import SteadyTools, Style, Tools, View
from pyapdraw.style.figure import Figure
from pyapdraw.style.pen import draw_features
from pyapdraw.style.plan import Plan
from pyapdraw.style.sketch import CLEAR
from pyapdraw.style.wash import wash

HAIR, BEARD = ("tone", "ink"), ("strokes", "tone")
LEAST, MOST = 0.25, 4.0  # of line and detail
# Sides and scales that the native drawing takes: a figure beyond is drawn at another size.
SIDES_PX, SCALES = (16, 8192), (1 / 32, 16.0)
LEAST_PEN = 0.3  # scale of a face, below which its points are not asked for


@dataclass(frozen=True)
class InkOptions:
    """line: width of lines, 1 = usual. detail: how many weak lines and strands there are, 1 = usual. hair: "tone", by
    its own lightness: what is not dark as outline and strands; or "ink", all of it as a black mass with highlights, as
    the artist of the APDrawing set does. beard: "strokes", many short ones; or "tone", as hair. pen: whether eyes,
    mouth and such a beard are drawn as strokes in the frame of the face. colour: whether flat washes of the people's
    own colours lie under the drawing. Raises BadInput."""

    line: float = 1.0
    detail: float = 1.0
    hair: str = "tone"
    beard: str = "strokes"
    pen: bool = True
    colour: bool = False

    def __post_init__(self) -> None:
        for name in ("line", "detail"):
            value = getattr(self, name)
            if not (isinstance(value, Real) and LEAST <= float(value) <= MOST):
                raise BadInput(f"{name}: {value!r} given, {LEAST:g} to {MOST:g} expected")
        for name, words in (("hair", HAIR), ("beard", BEARD)):
            if getattr(self, name) not in words:
                raise BadInput(f"{name}: {getattr(self, name)!r} given, one of {', '.join(words)} expected")
        for name in ("pen", "colour"):
            if not isinstance(getattr(self, name), bool):
                raise BadInput(f"{name}: {getattr(self, name)!r} given, true or false expected")


class Ink(Style):
    """The weight-free style. Holds no state: one object serves any number of threads and sizes.

    Args:
        plan, weights: as for every style; neither says anything here.
        threads: worker threads a drawing; 0 = the process default. under: see `sketch.Sketch`.
    """

    Options = InkOptions

    def __init__(
        self,
        plan: Plan | None = None,
        weights: None = None,
        options: InkOptions | None = None,
        *,
        threads: int = 0,
        under: float = CLEAR,
    ) -> None:
        self.context = _C.Context(threads=threads)
        self.options, self._under = options or InkOptions(), under

    def draw(self, view: View) -> np.ndarray:
        """As `draw_crop`, with the features of the face by the pen."""
        points = view.points if self.options.pen else None
        return self.draw_crop(view.pixels, view.person, view.landmarks_px, points)

    def draw_crop(
        self, pixels: np.ndarray, mask: np.ndarray, landmarks_px: np.ndarray, points: FacePoints | None = None
    ) -> np.ndarray:
        """Draws one aligned crop.

        Args:
            pixels: uint8 [S,S,3] RGB, aligned (eyes level, about 0.215 S apart). Exactly white areas that touch the
                border count as lying outside the photo: nothing is drawn there.
            mask: uint8 [S,S], 255 = person, soft edges welcome.
            landmarks_px: float [5,2], (x, y) in crop px: eye at smaller x, other eye, nose tip, mouth corner at
                smaller x, other mouth corner.
            points: of the face, in crop px: the pen draws its features; None: no pen.

        Returns:
            uint8 [S,S], 0 = ink, 255 = paper, anti-aliased; the same for any number of threads.

        Raises:
            BadInput: another shape, dtype or size; landmarks that are no face (not finite, eyes in one place).
        """
        drawing = self._drawn(pixels, mask, landmarks_px, scale=0, figure=False)
        if points is not None:
            self.draw_over(drawing, pixels, mask, points)
        return drawing

    def draw_figure(self, figure: Figure) -> np.ndarray:
        """As `style.base.Style`: the body at its own scale, the head at the face's."""
        drawing = self.draw_body(figure)
        box = figure.head_box
        if box is not None:
            figure.join(drawing, self.draw_head(figure, box), box)
        if self.options.pen:
            self.draw_pen(figure, drawing)
        return drawing

    def draw_head(self, figure: Figure, box: tuple[int, int, int, int]) -> np.ndarray:
        """What is in a box (x0, y0, x1, y1) of the figure, with lines for the face, uint8."""
        part = np.s_[box[1] : box[3], box[0] : box[2]]
        points = figure.landmarks_px - box[:2]
        return self._drawn(figure.pixels[part], figure.person[part], points, scale=figure.face_scale, figure=True)

    def draw_pen(self, figure: Figure, drawing: np.ndarray) -> None:
        """The features of the face over a drawing uint8 [h,w] of the figure, in place, if it is large enough."""
        if figure.face_scale >= LEAST_PEN:
            self.draw_over(drawing, figure.pixels, figure.person, figure.points)

    def draw_over(self, drawing: np.ndarray, pixels: np.ndarray, mask: np.ndarray, points: FacePoints) -> None:
        """The features of a face by the pen, over a drawing uint8 [H,W] of pixels and mask, in place."""
        how = self.options
        draw_features(drawing, pixels, mask, points, how.line, how.beard == "strokes", self._under)

    def draw_body(self, figure: Figure) -> np.ndarray:
        """The whole person with lines for the body, uint8 [h,w]."""
        scale = figure.face_scale if figure.head_box is None else figure.body_scale
        height, width = figure.person.shape
        least, most = SIDES_PX
        size = (
            min(max(round(height * figure.body_share), least), most),
            min(max(round(width * figure.body_share), least), most),
        )
        if size == (height, width):
            return self._drawn(figure.pixels, figure.person, figure.landmarks_px, scale=scale, figure=True)
        pixels, mask = resize(figure.pixels, size), resize(figure.person, size)
        share = np.array([size[1] / width, size[0] / height])
        points = (figure.landmarks_px + 0.5) * share - 0.5
        small = self._drawn(pixels, mask, points, scale=scale * float(share.min()), figure=True)
        return enlarge(small, (height, width))

    def _drawn(
        self, pixels: np.ndarray, mask: np.ndarray, landmarks_px: np.ndarray, *, scale: float, figure: bool
    ) -> np.ndarray:
        """scale: px a px of the style's lengths, 0: that of an aligned crop. figure: more than a bust is there."""
        drawing = np.empty(np.shape(pixels)[:2], np.uint8)
        landmarks = np.ascontiguousarray(landmarks_px, dtype=np.float64)
        how = self.options
        scale = min(max(scale, SCALES[0]), SCALES[1]) if scale else 0
        options = _C.InkOptions(scale, how.line, how.detail, how.hair == "tone", figure)
        _C.ink(pixels, mask, landmarks, drawing, options, self.context)
        return drawing

    def wash(self, pixels: np.ndarray, person: np.ndarray, tools: Tools | SteadyTools) -> np.ndarray | None:
        """As `style.base.Style`."""
        return wash(pixels, person, tools.palette(pixels, person)) if self.options.colour else None

    def draw_whole(self, pixels: np.ndarray) -> np.ndarray:
        """Draws a picture without a face, of any size: uint8 [H,W,3] RGB -> uint8 [H,W] as `draw`."""
        return ink_whole.draw_whole(pixels)
