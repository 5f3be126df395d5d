"""Style `apdrawing`: an artist's line drawing by a hierarchical network [APDrawingGAN].

With weights of `apdrawing.small`, the shipped ones among them, our small network draws on from style ink; with those of
`apdrawing` the paper's, as the authors' test.py does, dropout apart: each drawing is normalised by its own statistics.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pyapdraw import _C, align, runtime
from pyapdraw.errors import BadInput
from pyapdraw.models.rectangles import region_centres
from pyapdraw.style.base import NoOptions, Style, View
from pyapdraw.style.figure import Figure
from pyapdraw.style.ink import Ink, InkOptions
from pyapdraw.style.plan import Plan
from pyapdraw.weights import Weights

CRISP = np.float32(2)  # steeper about the middle grey: a pen leaves no washes. What is ink and what is paper stays
SMALL = "apdrawing.small"


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
        # As the network was trained: it draws on from these drawings.
        self._ink = Ink(options=InkOptions(hair="ink", pen=False), threads=threads)

    def draw(self, view: View) -> np.ndarray:
        """As `draw_crop`."""
        return self.draw_crop(view.pixels, view.person, view.landmarks_px)

    def draw_crop(self, pixels: np.ndarray, mask: np.ndarray, landmarks_px: np.ndarray) -> np.ndarray:
        """As `style.ink.Ink.draw_crop`, for crops of 512 px: uint8 [512,512]. Raises BadInput."""
        (side,) = self.sizes_px
        if np.shape(pixels) != (side, side, 3):
            raise BadInput(f"pixels: {list(np.shape(pixels))} given, an aligned crop [{side},{side},3] expected")
        points, given = np.asarray(landmarks_px, np.float64), {"pixels": pixels[None], "mask": np.asarray(mask)[None]}
        if self.engine.network == SMALL:
            ink = self._ink.draw_crop(pixels, mask, landmarks_px)[None]
            given |= {"ink": ink, "centres": region_centres(points[None], side)}
            levels = np.empty((side, side, 1), np.uint8)
            _C.nchw_to_rgb(CRISP * self.engine.run(given)["drawing"], levels, self._ink.context)
            return levels[..., 0]
        # As test.py: rectangles where the numbers of a landmark file say, grey levels cut off instead of rounded.
        given["centres"] = region_centres(align.official_landmarks(points)[None], side)
        return ((self.engine.run(given)["drawing"][0] + 1) / 2 * 255).astype(np.uint8)

    def draw_figure(self, figure: Figure) -> np.ndarray:
        """As `style.base.Style`: the head by the network, the body by style ink."""
        body = self._ink.draw_body(figure)
        box = figure.head_box or (0, 0, *body.shape[::-1])
        return figure.join(body, figure.drawn_crop(self, box), box)

    def draw_whole(self, pixels: np.ndarray) -> np.ndarray:
        """Draws a picture without a face as style ink does: the network knows faces alone."""
        return self._ink.draw_whole(pixels)
