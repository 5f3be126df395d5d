"""Folders of portraits as training material: aligned photos with landmarks, person masks and, where there are any,
drawings. Two layouts are read:

    published   PHASE/NAME.png, photo and drawing side by side in one picture twice as wide as high; landmarks in
                landmark/ALL/NAME.txt or landmark/NAME.txt, masks in mask/ALL/NAME.png, mask/bg/NAME.png or
                mask/NAME.png (beside PHASE or above it)
    plain       photo/ (or photos/), drawing/ (drawings/), landmarks/ (landmark/), mask/ (masks/); all but the first
                may be missing, also for single photos; or simply a folder of photos

What is missing is made: five landmarks by our detector, the alignment by `align`, the mask by `PersonMask`. A
landmark file says that its photo is aligned already. `problems` names everything that is wrong with a folder.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pyapdraw import align
from pyapdraw.data.aligned import PICTURES, read_grey, read_landmarks
from pyapdraw.errors import BadInput
from pyapdraw.faces.detector import Detector
from pyapdraw.faces.masks import PersonMask
from pyapdraw.media.photo import read_photo
from pyapdraw.ops import resize

FOLDERS = {
    "photo": ("photo", "photos"),
    "drawing": ("drawing", "drawings"),
    "landmarks": ("landmarks", "landmark", "landmark/ALL"),
    "mask": ("mask", "masks", "mask/ALL", "mask/bg"),
}
PHASES = ("train", "test", "val")


@dataclass(frozen=True)
class Item:
    """One portrait by its files. combined: `photo` holds the drawing too, in its right half."""

    name: str
    photo: Path
    drawing: Path | None = None
    landmarks: Path | None = None
    mask: Path | None = None
    combined: bool = False

    @property
    def drawn(self) -> bool:
        """Whether an artist's drawing belongs to the photo."""
        return self.combined or self.drawing is not None


@dataclass(frozen=True)
class Portrait:
    """pixels uint8 [S,S,3], aligned; drawing uint8 [S,S] or None; mask uint8 [S,S], 255 = person; landmarks_px float64
    [5,2] in px of the crop, from 0."""

    name: str
    pixels: np.ndarray
    drawing: np.ndarray | None
    mask: np.ndarray
    landmarks_px: np.ndarray


def pictures(folder: Path) -> dict[str, Path]:
    """Picture files of a folder by their names without suffix. Raises BadInput where two share one."""
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.is_file() and path.suffix.lower() in PICTURES:
            if path.stem in found:
                raise BadInput(f"{path}: {found[path.stem].name} has the same name, one picture a name expected")
            found[path.stem] = path
    return found


def find(folder: str | Path) -> list[Item]:
    """The portraits of a folder in either layout, by name. Raises BadInput: no such folder, or no photo in it."""
    root = Path(folder)
    if not root.is_dir():
        raise BadInput(f"{root}: no such folder, a folder of portraits expected")
    photos = _first(root, "photo")
    items = _plain(root, photos) if photos else _published(root) or _plain(root, root)
    if not items:
        expected = "photo/ with pictures, or pictures with photo and drawing side by side in train/"
        raise BadInput(f"{root}: no portrait found; {expected}, expected")
    return items


def _first(root: Path, kind: str) -> Path | None:
    return next((root / name for name in FOLDERS[kind] if (root / name).is_dir()), None)


def _beside(root: Path, kind: str, name: str) -> Path | None:
    """The file of that name in whichever folder of its kind has it."""
    suffixes = (".txt",) if kind == "landmarks" else PICTURES
    for folder in FOLDERS[kind]:
        for suffix in suffixes:
            path = root / folder / f"{name}{suffix}"
            if path.is_file():
                return path
    return None


def _plain(root: Path, photos: Path) -> list[Item]:
    def file_of(kind: str, name: str) -> Path | None:
        return _beside(root, kind, name)

    return [
        Item(name, path, file_of("drawing", name), file_of("landmarks", name), file_of("mask", name))
        for name, path in pictures(photos).items()
    ]


def _published(root: Path) -> list[Item]:
    """Combined pictures in the folder itself or in its phases; landmarks and masks beside them or above."""
    items = []
    for folder in (root, *(root / phase for phase in PHASES)):
        for name, path in pictures(folder).items():
            if _is_double(path):
                near = [(_beside(place, kind, name)) for kind in ("landmarks", "mask") for place in (root, root.parent)]
                items.append(Item(name, path, None, near[0] or near[1], near[2] or near[3], combined=True))
    return items


def _is_double(path: Path) -> bool:
    from PIL import Image

    try:
        with Image.open(path) as image:
            return image.width == 2 * image.height
    except OSError:
        return False


class Reader:
    """Loads items at one size; keeps the detector and the mask network, so each process needs its own.

    Landmark files call the first pixel 1, portraits 0. aligned: photos without landmarks are crops already, with their
    points where the template has them, and no face is looked for.
    """

    def __init__(self, size_px: int = align.APDRAWING.width_px, aligned: bool = False) -> None:
        self.size_px, self.aligned = size_px, aligned
        self._detector: Detector | None = None
        self._segment: PersonMask | None = None

    def __call__(self, item: Item) -> Portrait:
        """Raises BadInput, naming the file: unreadable, sizes that do not belong together, no face, points outside."""
        pixels = read_photo(item.photo).pixels
        drawing = None
        if item.combined:
            half = pixels.shape[1] // 2
            pixels, drawing = pixels[:, :half], grey(pixels[:, half:])
        elif item.drawing is not None:
            drawing = grey(read_photo(item.drawing).pixels)
        if drawing is not None and drawing.shape != pixels.shape[:2]:
            expected = f"the size of {item.photo}, {_size(pixels)}"
            raise BadInput(f"{item.drawing}: {_size(drawing)} given, {expected}, expected")
        mask = None if item.mask is None else read_grey(item.mask)
        if item.landmarks is not None or self.aligned:
            return self._aligned(item, pixels, drawing, mask)
        return self._found(item, pixels, drawing, mask)

    def _aligned(self, item: Item, pixels: np.ndarray, drawing: np.ndarray | None, mask: np.ndarray | None) -> Portrait:
        """A photo with a landmark file, aligned by whoever wrote it, or one that is said to be aligned."""
        if pixels.shape[0] != pixels.shape[1]:
            why = " of an aligned one" if item.landmarks is None else f" beside {item.landmarks}"
            raise BadInput(f"{item.photo}: {_size(pixels)} given, a square photo expected{why}")
        if item.landmarks is None:
            points = align.template(pixels.shape[1])
        else:
            points = read_landmarks(item.landmarks, pixels.shape[1]) - 1
        scale = self.size_px / pixels.shape[1]
        pixels, drawing = self._sized(pixels), None if drawing is None else self._sized(drawing)
        mask = self._mask_of(pixels) if mask is None else self._sized(mask)
        return Portrait(item.name, pixels, drawing, mask, (points + 0.5) * scale - 0.5)

    def _found(self, item: Item, pixels: np.ndarray, drawing: np.ndarray | None, mask: np.ndarray | None) -> Portrait:
        """A photo whose face has to be found; drawing and mask go through the same map."""
        self._detector = self._detector or Detector()
        faces = self._detector.detect(pixels)
        if not faces:
            raise BadInput(f"{item.photo}: no face found; a portrait, or landmarks/{item.name}.txt beside it, expected")
        points = faces[0].landmarks_px
        to_crop = align.fit_photo(points, self.size_px, pixels.shape)
        if mask is not None and mask.shape != pixels.shape[:2]:
            raise BadInput(f"{item.mask}: {_size(mask)} given, the size of {item.photo}, {_size(pixels)}, expected")
        crop = align.crop(pixels, to_crop, self.size_px).pixels
        drawing = None if drawing is None else align.crop(drawing, to_crop, self.size_px).pixels
        mask = self._mask_of(crop) if mask is None else _warped_mask(mask, to_crop, self.size_px)
        return Portrait(item.name, crop, drawing, mask, align.transform_points(to_crop, points))

    def _mask_of(self, crop: np.ndarray) -> np.ndarray:
        self._segment = self._segment or PersonMask(threads=1)
        return self._segment(crop)

    def _sized(self, picture: np.ndarray) -> np.ndarray:
        if picture.shape[:2] == (self.size_px, self.size_px):
            return picture
        return resize(picture, self.size_px)


def _warped_mask(mask: np.ndarray, to_crop: np.ndarray, size_px: int) -> np.ndarray:
    """Outside the photo nobody is."""
    return 255 - align.crop(255 - mask, to_crop, size_px).pixels


def grey(pixels: np.ndarray) -> np.ndarray:
    """uint8 [H,W,3] -> uint8 [H,W] by the published weights 0.299, 0.587, 0.114, rounded."""
    return np.rint(pixels @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)


def _size(picture: np.ndarray) -> str:
    return f"{picture.shape[1]}x{picture.shape[0]} px"


def problems(folder: str | Path, *, drawings: bool = True) -> Iterator[str]:
    """One line for everything in a folder that would stop or spoil a training.

    drawings: whether each photo needs one. Nothing is written; every file is read.
    """
    try:
        items = find(folder)
    except BadInput as error:
        yield str(error)
        return
    reader = Reader()
    for item in items:
        if drawings and not item.drawn:
            yield f"{item.photo}: no drawing of this name in {' or '.join(FOLDERS['drawing'])}/"
        try:
            portrait = reader(item)
        except BadInput as error:
            yield str(error)
            continue
        yield from _doubtful(item, portrait)
    yield from _orphans(Path(folder), {item.name for item in items})


def _doubtful(item: Item, portrait: Portrait) -> Iterator[str]:
    """What can be read and is hardly meant."""
    away = np.linalg.norm(portrait.landmarks_px - align.template(len(portrait.pixels)), axis=1).max()
    if away > 0.15 * len(portrait.pixels):
        yield f"{item.landmarks or item.photo}: a point lies {away:.0f} px from its place in an aligned portrait"
    share = (portrait.mask >= 128).mean()
    if not 0.05 <= share <= 0.98:
        yield f"{item.mask or item.photo}: {100 * share:.0f} % of the mask is person, 5 to 98 % expected"
    if portrait.drawing is not None:
        ink = (portrait.drawing < 128).mean()
        if not 0.002 <= ink <= 0.8:
            yield f"{item.drawing or item.photo}: {100 * ink:.1f} % of the drawing is ink, 0.2 to 80 % expected"


def _orphans(root: Path, names: set[str]) -> Iterator[str]:
    """Files beside the photos that belong to none of them: misnamed, or the photo is missing."""
    for kind in ("drawing", "landmarks", "mask"):
        for folder in FOLDERS[kind]:
            for path in sorted((root / folder).glob("*")) if (root / folder).is_dir() else ():
                if path.is_file() and path.stem not in names:
                    yield f"{path}: no photo of this name"


__all__ = ["Item", "Portrait", "Reader", "find", "grey", "problems"]
