"""What comes beside a photo that is an aligned crop already, in the published layout: NAME.txt with five landmarks and
NAME.png with a person mask. `pyapdraw draw --aligned --landmarks ... --masks ...` and the data sets read them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pyapdraw import align
from pyapdraw.errors import BadInput
from pyapdraw.media.photo import read_photo
from pyapdraw.ops.resize import resize

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".ppm", ".tif", ".tiff", ".avif")


def named_as(place: str | Path, photo: Path, suffixes: tuple[str, ...] = PICTURES) -> Path:
    """The file of a photo's name in a folder, or `place` itself where that is a file. Raises BadInput: none there."""
    place = Path(place)
    if place.is_file():
        return place
    if not place.is_dir():
        raise BadInput(f"{place}: no such file or folder")
    for suffix in suffixes:
        path = place / f"{photo.stem}{suffix}"
        if path.is_file():
            return path
    raise BadInput(f"{place}: no {photo.stem}{suffixes[0]} for {photo} in this folder, one expected")


def read_landmarks(path: Path, side_px: int) -> np.ndarray:
    """Five lines "x y", eye at smaller x, other eye, nose, mouth corner at smaller x, other corner -> float64 [5,2].

    As they stand in the file, where the first pixel is 1; everything else here counts from 0. What the paper's networks
    make of that: `align.official_landmarks`.
    Raises BadInput: another number of lines, words that are no number, points outside the photo, or left and right
    exchanged.
    """
    try:
        rows = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        points = np.array([[float(value) for value in row] for row in rows], np.float64)
    except (OSError, ValueError) as error:
        raise BadInput(f"{path}: cannot be read as landmarks ({error}), five lines 'x y' expected") from None
    if points.shape != (5, 2) or not np.isfinite(points).all():
        raise BadInput(f"{path}: {len(rows)} lines given, five lines 'x y' of finite numbers expected")
    if (points < 0).any() or (points > side_px).any():
        raise BadInput(f"{path}: {points.tolist()} given, points inside the photo of {side_px} px expected")
    for first, second, what in ((0, 1, "eyes"), (3, 4, "mouth corners")):
        if points[first, 0] >= points[second, 0]:
            given = f"{points[first].tolist()} before {points[second].tolist()}"
            raise BadInput(f"{path}: {given} given, the {what} are exchanged: smaller x first expected")
    return points


def read_aligned_landmarks(path: Path, photo: Path, shape: tuple[int, ...]) -> np.ndarray:
    """Landmarks of a photo [H,W,...] in px from 0: float64 [5,2].

    Raises BadInput, also where they are not those of an aligned crop (`align.fit_photo`).
    """
    if shape[0] != shape[1]:
        raise BadInput(f"{photo}: {shape[1]}x{shape[0]} px given, a square aligned photo expected beside {path}")
    points = read_landmarks(path, shape[1]) - 1
    if not np.allclose(align.fit_photo(points, shape[1], shape), np.eye(2, 3)):
        near = align.template(shape[1]).round().tolist()
        raise BadInput(f"{path}: {points.round(1).tolist()} given, points near {near} expected of an aligned photo; "
                       "without --aligned it is aligned here")  # fmt: skip
    return points


def read_mask(path: Path, photo: Path, shape: tuple[int, ...]) -> np.ndarray:
    """Person mask uint8 [H,W] (255 = person) for a photo [H,W,...]; one of another size but the same shape, to a pixel
    or a hundredth, is resized. BadInput."""
    mask = read_grey(path)
    if mask.shape == tuple(shape[:2]):
        return mask
    off = abs(mask.shape[0] * shape[1] - mask.shape[1] * shape[0])
    if off > max(max(mask.shape), 0.01 * mask.shape[1] * shape[0]):
        given = f"{mask.shape[1]}x{mask.shape[0]} px"
        raise BadInput(f"{path}: {given} given, the shape of {photo}, {shape[1]}x{shape[0]} px, expected")
    return resize(mask, tuple(shape[:2]))


def read_grey(path: Path) -> np.ndarray:
    """A mask file as it is, uint8 [H,W]. Raises BadInput: a coloured picture, or none."""
    pixels = read_photo(path).pixels
    if np.ptp(pixels.astype(np.int16), axis=2).max(initial=0) > 0:
        raise BadInput(f"{path}: a coloured picture given, a grey mask (white = person) expected")
    return np.ascontiguousarray(pixels[:, :, 0])
