"""What the pen draws on and looks at: a page, the tones of a face, and the length u that strokes are measured in.

u is one px of a face whose outer eye corners are 146 px apart. Points are complex numbers x + iy in px of the drawing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pyapdraw import _C

UNIT = 146.0  # distance of the outer eye corners in u
CLEAR = 2.2  # u about an eye, where the pen draws alone
_ALONE = _C.Context(1)


@dataclass(frozen=True)
class Sketch:
    """page: uint8 [H,W], written. tone: float32 [H,W], luma relative to the skin's. unit: px a u. turn: direction of
    the line of the eyes. line: of the strokes' widths. under: u below an open eye
    that are cleared of what was drawn there."""

    page: np.ndarray
    tone: np.ndarray
    unit: float
    turn: complex
    line: float = 1.0
    under: float = CLEAR

    def at(self, points: np.ndarray) -> np.ndarray:
        """The tone at points, bilinear."""
        height, width = self.tone.shape
        x, y = np.clip(points.real, 0, width - 1.001), np.clip(points.imag, 0, height - 1.001)
        i, j = y.astype(np.intp), x.astype(np.intp)
        fx, fy = x - j, y - i
        i2, j2 = np.minimum(i + 1, height - 1), np.minimum(j + 1, width - 1)
        above = self.tone[i, j] * (1 - fx) + self.tone[i, j2] * fx
        return above * (1 - fy) + (self.tone[i2, j] * (1 - fx) + self.tone[i2, j2] * fx) * fy

    def stroke(self, points: np.ndarray, widths: np.ndarray) -> None:
        """A stroke along points [P], or strokes [S,P]; widths in u, of the same shape."""
        rows = np.empty((*points.shape, 4), np.float32)
        rows[..., 0], rows[..., 1], rows[..., 2] = points.real, points.imag, widths * (self.unit * self.line)
        rows[..., 3], rows[..., 0, 3] = 1, 0
        _C.strokes(rows.reshape(-1, 4), self.page, _ALONE)

    def clear(self, points: np.ndarray, width: float) -> None:
        """Paper within discs about points; width in u."""
        rows = np.zeros((len(points), 4), np.float32)
        rows[:, 0], rows[:, 1], rows[:, 2] = points.real, points.imag, width * self.unit
        kept = np.full_like(self.page, 255)
        _C.strokes(rows, kept, _ALONE)
        np.maximum(self.page, 255 - kept, out=self.page)


def taper(count: int, start: float, end: float) -> np.ndarray:
    """Weights 0 to 1 of a stroke that swells over the share `start` of its length and fades over the share `end`."""
    t = np.linspace(0, 1, count)
    rise, fall = (np.clip(d / max(share, 1e-6), 0, 1) for d, share in ((t, start), (1 - t, end)))
    return np.sqrt(rise * fall)
