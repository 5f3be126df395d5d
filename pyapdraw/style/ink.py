"""Style `ink`: an aligned portrait photo as a brush-and-pen drawing, without weights, at any size.

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
    compose   one score a pixel from these; its zero contour with anti-aliasing
    jaw       the best path from ear to ear through the chin, as a tapered stroke [APD19]
    specks    no salt: small areas go
"""

from __future__ import annotations

import numpy as np

from pyapdraw import _C
from pyapdraw.style import ink_whole
from pyapdraw.style.base import NoOptions, Style, View
from pyapdraw.style.plan import Plan


class Ink(Style):
    """The weight-free style. Holds no state: one object serves any number of threads and sizes.

    Args:
        plan, weights, options: as for every style; none of them says anything here.
        threads: worker threads a drawing; 0 = the process default.
    """

    needs = ("person",)

    def __init__(
        self, plan: Plan | None = None, weights: None = None, options: NoOptions | None = None, *, threads: int = 0
    ) -> None:
        self.context = _C.Context(threads=threads)

    def draw(self, view: View) -> np.ndarray:
        """As `draw_crop`."""
        return self.draw_crop(view.pixels, view.person, view.landmarks_px)

    def draw_crop(self, pixels: np.ndarray, mask: np.ndarray, landmarks_px: np.ndarray) -> np.ndarray:
        """Draws one aligned crop.

        Args:
            pixels: uint8 [S,S,3] RGB, aligned (eyes level, about 0.215 S apart). Exactly white areas that touch the
                border count as lying outside the photo: nothing is drawn there.
            mask: uint8 [S,S], 255 = person, soft edges welcome.
            landmarks_px: float [5,2], (x, y) in crop px: eye at smaller x, other eye, nose tip, mouth corner at
                smaller x, other mouth corner.

        Returns:
            uint8 [S,S], 0 = ink, 255 = paper, anti-aliased; the same for any number of threads.

        Raises:
            BadInput: another shape, dtype or size; landmarks that are no face (not finite, eyes in one place).
        """
        drawing = np.empty(np.shape(pixels)[:2], np.uint8)
        landmarks = np.ascontiguousarray(landmarks_px, dtype=np.float64)
        _C.ink(pixels, mask, landmarks, drawing, self.context)
        return drawing

    def draw_whole(self, pixels: np.ndarray) -> np.ndarray:
        """Draws a picture without a face, of any size: uint8 [H,W,3] RGB -> uint8 [H,W] as `draw`."""
        return ink_whole.draw_whole(pixels)
