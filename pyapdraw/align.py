"""Faces to aligned crops: the similarity transform of the APDrawingGAN family, and back.

Coordinates are 0-based with pixel centres at integers, x right, y down, except in the `official_` functions, which
speak the 1-based convention of the authors' MATLAB files. Where the two meet is `official_landmarks`.
"""

from dataclasses import dataclass

import numpy as np

from pyapdraw.errors import BadInput
from pyapdraw.ops._images import Size, size_of
from pyapdraw.ops.warp_affine import Filter, warp_affine


@dataclass(frozen=True)
class Template:
    """Where the five points of a face lie on a canvas.

    design: eye at smaller x, other eye, nose tip, mouth corner at smaller x, other corner, in units of its own; the
    canvas is `extent` of them wide about `centre`. width_px: of the canvas that published networks draw on. aspect:
    height of the canvas, in widths. first_px: what px of the design's convention are called that are 0 here.
    """

    name: str
    design: tuple[tuple[float, float], ...]
    centre: tuple[float, float]
    extent: float
    width_px: int
    aspect: float = 1.0
    first_px: float = 1.0

    def shape_px(self, width_px: int | None = None) -> tuple[int, int]:
        """(height, width) of the canvas."""
        width = self.width_px if width_px is None else _checked_size(width_px)
        return max(1, round(width * self.aspect)), width

    def points_px(self, width_px: int | None = None) -> np.ndarray:
        """Where the points lie on a canvas of that width: float64 [5, 2], 0-based px."""
        return self._published(self.width_px if width_px is None else width_px) - self.first_px

    def _published(self, width_px: int) -> np.ndarray:
        middle = np.array([width_px / 2.0, width_px * self.aspect / 2.0])
        return (np.array(self.design) - np.array(self.centre)) / self.extent * width_px + middle


# In the authors' 480-unit frame, padded to 560 [APD19, preprocess script]; their px begin at 1.
APDRAWING = Template(
    "apdrawing",
    design=((180, 230), (300, 230), (240, 301), (186, 365.6), (294, 365.6)),
    centre=(240.0, 240.0),
    extent=560.0,
    width_px=512,
)


def template(size: int = APDRAWING.width_px) -> np.ndarray:
    """Where the five points of a face lie in a square crop of the APDrawingGAN family: float64 [5, 2], 0-based px."""
    return APDRAWING.points_px(size)


TEMPLATE = template()
MIRRORED = [1, 0, 2, 4, 3]  # the points of a mirrored face in our order
ALIGNED_WITHIN = 0.025  # of the side; what `fit_photo` takes for an aligned crop


@dataclass(frozen=True)
class Crop:
    """An aligned face: pixels uint8 [H, W, 3]; to_crop float64 [2, 3] maps photo to crop coordinates."""

    pixels: np.ndarray
    to_crop: np.ndarray


def invert(affine: np.ndarray) -> np.ndarray:
    """The inverse of a [2, 3] affine map."""
    linear = np.linalg.inv(affine[:, :2])
    return np.column_stack([linear, -linear @ affine[:, 2]])


def compose(second: np.ndarray, first: np.ndarray) -> np.ndarray:
    """The affine map [2, 3] that is `first` and then `second`."""
    linear = second[:, :2] @ first[:, :2]
    return np.column_stack([linear, second[:, :2] @ first[:, 2] + second[:, 2]])


def transform_points(affine: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points [L, 2] through an affine map [2, 3]."""
    return points @ affine[:, :2].T + affine[:, 2]


def scale_of(to_crop: np.ndarray) -> float:
    """Crop px per photo px of a map (root of its determinant)."""
    return float(np.sqrt(abs(np.linalg.det(to_crop[:, :2]))))


def fit(landmarks_px: np.ndarray, size: int = APDRAWING.width_px, on: Template = APDRAWING) -> np.ndarray:
    """The map from photo to crop coordinates that brings a face onto the template.

    The similarity (rotation, scale, shift; no reflection) is fitted by least squares from the template to the photo and
    then inverted, as the official pipeline does; fitting the other way gives another scale and landmarks a pixel off.

    Args:
        landmarks_px: [5, 2] in photo coordinates: eye at smaller x, other eye, nose tip, mouth corner at smaller x,
            other corner, left and right as in the upright face.
        size: width of the crop in px. on: the template.

    Returns:
        float64 [2, 3].

    Raises:
        BadInput: not five finite points, or points that coincide or are no face (mirrored, wrong order), or size < 1.
    """
    return _fit(landmarks_px, on.points_px(_checked_size(size)))


def fit_photo(landmarks_px: np.ndarray, size: int, shape: tuple[int, ...], on: Template = APDRAWING) -> np.ndarray:
    """As `fit`, but a picture that is an aligned crop already is taken whole, so that it is not sampled anew.

    That is a picture of shape [H, W, ...] like the canvas whose corners would move by less than ALIGNED_WITHIN of it,
    about what two detectors differ by. For still pictures: in a video the switch between the two would show.
    """
    to_crop = fit(landmarks_px, size, on)
    height, width = shape[:2]
    if (height, width) != on.shape_px(width):
        return to_crop
    scale = size / width
    whole = np.array([[scale, 0, (scale - 1) / 2], [0, scale, (scale - 1) / 2]])
    corners = np.array([(0, 0), (width - 1, 0), (0, height - 1), (width - 1, height - 1)], np.float64)
    moved = np.abs(transform_points(to_crop, corners) - transform_points(whole, corners)).max()
    return whole if moved < ALIGNED_WITHIN * size else to_crop


def _checked_size(size: int) -> int:
    if size < 1:
        raise BadInput(f"size: {size} given, at least 1 px expected")
    return size


def _fit(landmarks: np.ndarray, target: np.ndarray) -> np.ndarray:
    points = np.asarray(landmarks, np.float64)
    if points.shape != (5, 2) or not np.isfinite(points).all():
        raise BadInput(f"landmarks_px: shape {list(points.shape)} given, five finite points [5,2] expected")
    t, p = target - target.mean(0), points - points.mean(0)
    power, spread = (t * t).sum(), (p * p).sum()
    cosine, sine = (t * p).sum() / power, (t[:, 0] * p[:, 1] - t[:, 1] * p[:, 0]).sum() / power
    # 1 for an exact copy of the template, above 0.8 even in profile, 0.17 for its mirror image.
    likeness = np.sqrt((cosine**2 + sine**2) * power / spread) if spread > 0 else 0.0
    if likeness < 0.3 or spread < 1e-12 * (1 + (points**2).sum()):
        expected = "eye, eye, nose tip, mouth corner, mouth corner of a face, smaller x first, expected"
        raise BadInput(f"landmarks_px: {points.tolist()} given; {expected}")
    to_photo = np.array([[cosine, -sine], [sine, cosine]])
    shift = points.mean(0) - to_photo @ target.mean(0)
    return invert(np.column_stack([to_photo, shift]))


def crop(
    pixels: np.ndarray, to_crop: np.ndarray, size: Size = APDRAWING.width_px, filter: Filter = "antialias"
) -> Crop:
    """Cut an aligned crop out of a photo.

    Args:
        pixels: uint8 [H, W, 3].
        to_crop: [2, 3] from `fit`.
        size: side of the crop in px, the one given to `fit`, or its (height, width).
        filter: "antialias" (fit for any photo size) or "bilinear" (as the official pipeline). See `ops.warp_affine`.

    Returns:
        Crop; what lies outside the photo is white.

    Raises:
        BadInput: wrong shape or dtype, or a map without inverse.
    """
    shape = size_of(size)
    _checked_size(min(shape))
    return Crop(warp_affine(pixels, to_crop, shape, filter=filter, border=255), np.asarray(to_crop, np.float64))


def put_back(drawing: np.ndarray, to_crop: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """The drawing uint8 of a crop in a picture of that shape, paper around it."""
    if drawing.shape[:2] == shape and np.array_equal(to_crop, np.eye(2, 3)):
        return drawing
    return warp_affine(drawing, invert(to_crop), shape, filter="antialias", border=255)


def official_transform(points_1based: np.ndarray, size: int = APDRAWING.width_px) -> np.ndarray:
    """The map of the authors' pipeline from photo to crop, both 1-based: float64 [2, 3].

    `points_1based`: [5, 2] as in their `facial5point` files. Their detector writes single precision, so the points are
    rounded to it: text files with fewer digits then give the same transform, and the same crop to the bit.
    """
    return _fit(np.asarray(points_1based, np.float32).astype(np.float64), APDRAWING._published(_checked_size(size)))


def official_landmarks(points_px: np.ndarray) -> np.ndarray:
    """What the authors' landmark file would hold of points in px from 0: integers, which call the first pixel 1.

    Their networks take these numbers for indices from 0, an offset of one pixel that trained weights have learnt. So
    whatever runs or trains the paper's networks (`models.apdrawing`, `models.apdrawing2`) gives them this; everything
    else, our small network included, speaks px from 0.

    >>> official_landmarks(np.array([193.0, 247.2])).tolist()
    [194, 248]
    """
    return np.floor(np.asarray(points_px, np.float64) + 1.5).astype(np.int64)


def official_crop(
    pixels: np.ndarray, points_1based: np.ndarray, size: int = APDRAWING.width_px
) -> tuple[Crop, np.ndarray]:
    """What the authors' pipeline makes of a photo and its points, bit for bit.

    Returns:
        The crop (its to_crop is 0-based, as everywhere here), and their landmark file's content: int [5, 2], as
        `official_landmarks`.
    """
    to_crop = official_transform(points_1based, size)
    points = np.asarray(points_1based, np.float32).astype(np.float64)
    landmarks = official_landmarks(transform_points(to_crop, points) - 1.0)
    to_crop[:, 2] += to_crop[:, :2].sum(1) - 1.0
    return crop(pixels, to_crop, size, "bilinear"), landmarks
