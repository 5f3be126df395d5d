"""Drawings of people onto one page, of the size of the picture that they stand in."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from pyapdraw.choices import BACKGROUNDS
from pyapdraw.errors import BadInput
from pyapdraw.faces.detector import Face
from pyapdraw.ops.composite import composite
from pyapdraw.ops.resize import resize

PAPER = 255
STRIP_PX = 1 << 20  # enlarged in strips of about this many pixels
WORK_PX = 4_000_000  # people are drawn in a picture of at most this size, and the drawing is enlarged


class Work:
    """A picture as it is drawn: shrunk where it is larger than `most_px`, and the way back.

    >>> Work(np.zeros((3, 4, 3), np.uint8)).pixels.shape
    (3, 4, 3)
    """

    def __init__(self, pixels: np.ndarray, most_px: int = WORK_PX) -> None:
        """pixels: uint8 [H,W,3]."""
        self._size = height, width = pixels.shape[:2]
        share = min(1.0, (most_px / max(height * width, 1)) ** 0.5)
        size = (max(1, round(height * share)), max(1, round(width * share)))
        self.pixels = pixels if share == 1 else resize(pixels, size)
        self._scale = np.array([size[1] / max(width, 1), size[0] / max(height, 1)])

    def face(self, face: Face) -> Face:
        """A face of the picture, in px of `pixels`."""
        if (self._scale == 1).all():
            return face
        x0, y0, x1, y1 = face.box_px
        (x0, y0), (x1, y1) = (self._moved(np.array(point)) for point in ((x0, y0), (x1, y1)))
        return replace(face, box_px=(x0, y0, x1, y1), landmarks_px=self._moved(np.asarray(face.landmarks_px)))

    def _moved(self, points: np.ndarray) -> np.ndarray:
        return (points + 0.5) * self._scale - 0.5

    def enlarged(self, plane: np.ndarray, *, crisp: bool = True) -> np.ndarray:
        """A plane uint8 of the size of `pixels` at the picture's. crisp: edges stay as steep as they were."""
        if plane.shape[:2] == self._size:
            return plane
        return enlarge(plane, self._size) if crisp else resize(plane, self._size)


def enlarge(drawing: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A drawing uint8 [h,w] at another size (height, width), its edges as steep as they were where that is larger."""
    gain = max(1.0, size[0] / drawing.shape[0], size[1] / drawing.shape[1])
    steep = np.clip((np.arange(256) - 127.5) * gain + 128, 0, 255).astype(np.uint8)
    large = resize(drawing, size)
    rows = max(1, STRIP_PX // size[1])
    for top in range(0, size[0], rows):
        np.take(steep, large[top : top + rows], out=large[top : top + rows], mode="clip")
    return large


def blank(pixels: np.ndarray) -> np.ndarray:
    """Paper of the size of a picture: uint8 [H,W]."""
    return np.full(pixels.shape[:2], PAPER, np.uint8)


def add(page: np.ndarray, drawing: np.ndarray, box_px: tuple[int, int, int, int]) -> None:
    """Adds the ink of a drawing uint8 [h,w] to a page uint8 [H,W], in place. box_px: x0, y0, x1, y1 on the page."""
    x0, y0, x1, y1 = box_px
    part = page[y0:y1, x0:x1]
    np.minimum(part, drawing, out=part)


def over(drawing: np.ndarray, wash: np.ndarray) -> np.ndarray:
    """The ink of a drawing uint8 [H,W] on washes uint8 [h,w,3], which are brought to its size: uint8 [H,W,3]."""
    under = wash if wash.shape[:2] == drawing.shape else resize(wash, drawing.shape)
    return composite(np.zeros_like(drawing), 255 - drawing, under)


def page(
    drawing: np.ndarray, pixels: np.ndarray, person: Callable[[], np.ndarray], background: str = "white"
) -> np.ndarray:
    """What is behind the people.

    Args:
        drawing: uint8 [H,W] or [H,W,3]. pixels: the picture uint8 [H,W,3]. person: gives its mask uint8 [H,W].
        background: "white": the drawing as it is; "photo": the picture where there is no person; "keep": the same, with
            what was drawn beyond the person as well.

    Returns:
        uint8 [H,W] for a grey drawing on white, else [H,W,3].
    """
    if background not in BACKGROUNDS:
        raise BadInput(f"background: {background!r} given, one of {', '.join(BACKGROUNDS)} expected")
    if background in ("white", "draw"):
        return drawing
    laid = composite(drawing, person(), pixels)
    if background == "keep":
        np.minimum(laid, drawing if drawing.ndim == 3 else drawing[..., None], out=laid)
    return laid


def side_by_side(photo: np.ndarray, drawing: np.ndarray) -> np.ndarray:
    """Photo uint8 [H,W,3] and drawing [h,w] or [h,w,3] next to each other, as high as the photo: [H,W+w',3]."""
    height = photo.shape[0]
    if drawing.shape[0] != height:
        drawing = resize(drawing, (height, max(1, round(drawing.shape[1] * height / drawing.shape[0]))))
    if drawing.ndim == 2:
        drawing = np.repeat(drawing[:, :, None], 3, axis=2)
    return np.concatenate([photo, drawing], axis=1)
