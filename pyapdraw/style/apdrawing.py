"""Style `apdrawing`: an artist's line drawing by a hierarchical network [APDrawingGAN].

With weights of `apdrawing.small`, the shipped ones among them, our small network draws on from style ink; with those of
`apdrawing` the paper's, as the authors' test.py does, dropout apart: each drawing is normalised by its own statistics.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pyapdraw import _C, align, runtime
from pyapdraw.errors import BadInput
from pyapdraw.faces.eyes import FacePoints
from pyapdraw.models.rectangles import region_centres
from pyapdraw.style.base import NoOptions, Style, View
from pyapdraw.style.figure import Figure
from pyapdraw.style.ink import Ink, InkOptions
from pyapdraw.style.plan import Plan
from pyapdraw.weights import Weights

CRISP = np.float32(4)  # steeper about the middle grey: a pen leaves no washes. What is ink and what is paper stays
SPECK_PX, SPECK_REACH = 18, 1  # area of ink that is no stroke, px; half the px to other ink, with which it is one
BEYOND = 128  # of the person mask, under which nothing is drawn that style ink does not draw as well
LEAST_SCALE = 0.35  # picture px a px of the crop, under which a face has too little to see and style ink draws it
FINE_SHARE = np.float32(0.6)  # weight of style ink's drawing beside the network's, at the picture's resolution
SMALL = "apdrawing.small"
UNDER = 7.0  # u below the eyes that are cleared of the network's dots
# What the small network draws on from, as it was trained, and the pen that goes over its drawing; that draws beards,
# too, of which the network saw none.
START, PEN = InkOptions(hair="ink", beard="tone"), InkOptions(hair="ink")


class ApDrawing(Style):
    """The style; one object serves several threads.

    Raises WeightsError: weights that do not fit. Unsupported: torch is not installed, which the paper's network needs.
    """

    sizes_px = (align.APDRAWING.width_px,)

    def __init__(
        self,
        plan: Plan,
        weights: Weights,
        options: NoOptions | None = None,
        *,
        where: str | Path = "apdrawing",
        threads: int = 0,
    ) -> None:
        """where: what messages call the weights. threads: worker threads a drawing; 0 = the process default."""
        self.engine = runtime.start(weights, where, plan.runtime, plan.device, threads=threads)
        self._ink = Ink(options=START, threads=threads)
        self._pen = Ink(options=PEN, threads=threads, under=UNDER)

    def draw(self, view: View) -> np.ndarray:
        """As `draw_crop`."""
        points = view.points if self.engine.network == SMALL else None
        return self.draw_crop(view.pixels, view.person, view.landmarks_px, points)

    def draw_crop(
        self, pixels: np.ndarray, mask: np.ndarray, landmarks_px: np.ndarray, points: FacePoints | None = None
    ) -> np.ndarray:
        """As `style.ink.Ink.draw_crop`, for crops of 512 px: uint8 [512,512]. Raises BadInput."""
        (side,) = self.sizes_px
        if np.shape(pixels) != (side, side, 3):
            raise BadInput(f"pixels: {list(np.shape(pixels))} given, an aligned crop [{side},{side},3] expected")
        landmarks = np.asarray(landmarks_px, np.float64)
        given = {"pixels": pixels[None], "mask": np.asarray(mask)[None]}
        if self.engine.network == SMALL:
            ink = self._ink.draw_crop(pixels, mask, landmarks_px, points)
            given |= {"ink": ink[None], "centres": region_centres(landmarks[None], side)}
            levels = np.empty((side, side, 1), np.uint8)
            _C.nchw_to_rgb(CRISP * self.engine.run(given)["drawing"], levels, self._ink.context)
            return self._cleaned(levels[..., 0], ink, pixels, mask, points)
        # As test.py: rectangles where the numbers of a landmark file say, grey levels cut off instead of rounded.
        given["centres"] = region_centres(align.official_landmarks(landmarks)[None], side)
        return ((self.engine.run(given)["drawing"][0] + 1) / 2 * 255).astype(np.uint8)

    def _cleaned(
        self, drawing: np.ndarray, ink: np.ndarray, pixels: np.ndarray, mask: np.ndarray, points: FacePoints | None
    ) -> np.ndarray:
        """What a pen would have made of it: no specks, nothing beyond the person, the features by the pen. In place."""
        np.maximum(drawing, ink, out=drawing, where=np.asarray(mask) < BEYOND)
        _C.remove_specks(drawing, SPECK_PX, 0, SPECK_REACH, self._ink.context)
        if points is not None:
            self._pen.draw_over(drawing, pixels, mask, points)
        return drawing

    def draw_figure(self, figure: Figure) -> np.ndarray:
        """As `style.base.Style`: the head by the network, the body by style ink; all by style ink where the face is
        small."""
        if figure.face_scale < LEAST_SCALE:
            return self._pen.draw_figure(figure)
        body = self._ink.draw_body(figure)
        box = figure.head_box or (0, 0, *body.shape[::-1])
        ink = body if figure.head_box is None else self._ink.draw_head(figure, box)
        head = figure.drawn_crop(self, box, around=ink)
        small = self.engine.network == SMALL
        if small:
            head = _refined(head, ink)
            part = figure.person[box[1] : box[3], box[0] : box[2]]
            np.maximum(head, ink, out=head, where=part < BEYOND)
        figure.join(body, head, box)
        if small:
            self._pen.draw_pen(figure, body)
        return body

    def draw_whole(self, pixels: np.ndarray) -> np.ndarray:
        """Draws a picture without a face as style ink does: the network knows faces alone."""
        return self._ink.draw_whole(pixels)


def _refined(drawing: np.ndarray, fine: np.ndarray) -> np.ndarray:
    """An enlarged drawing uint8 [h,w] with the edges of a finer one, where that has them in the same place: where the
    first is neither ink nor paper, the second decides."""
    both = drawing.astype(np.float32) + FINE_SHARE * fine - (1 + FINE_SHARE) * np.float32(127.5)
    return np.clip(CRISP * both + np.float32(127.5), 0, 255).astype(np.uint8)
