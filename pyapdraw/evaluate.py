"""How good a style is on aligned photos with given drawings: `pyapdraw eval`."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from pyapdraw.artist import Artist
from pyapdraw.data.portraits import Item, Portrait, Reader, find, grey, pictures
from pyapdraw.errors import BadInput
from pyapdraw.media.photo import write_image
from pyapdraw.metrics.boundary import boundary_f, tone_difference
from pyapdraw.metrics.chamfer import chamfer_distance
from pyapdraw.metrics.fid import fid
from pyapdraw.metrics.ssim import ssim
from pyapdraw.ops import resize
from pyapdraw.table import table

SHEET_PX = 256  # of one picture on the contact sheet


@dataclass(frozen=True)
class Figures:
    """Of one drawing beside the given one, or their means. f: boundary F1 within 2 px, 1 is best; t: difference of
    tone at sigma 4 px, 0 is best; chamfer_px: mean distance of ink to ink, both ways; ssim: 1 is best."""

    name: str
    f: float
    t: float
    chamfer_px: float
    ssim: float


@dataclass(frozen=True)
class Report:
    """rows: one a photo. mean: over all. fid: Frechet distance of the two sets, where features were given."""

    style: str
    rows: list[Figures]
    mean: Figures
    fid: float | None = None


def items_of(photos: str | Path, drawings: str | Path | None = None) -> list[Item]:
    """Portraits with drawings: a data set (see `training.portraits`), or two folders with files of the same names.

    Raises BadInput: no photo, or one without a drawing.
    """
    if drawings is None:
        items = find(photos)
    else:
        given = pictures(Path(drawings))
        items = [Item(name, path, given.get(name)) for name, path in pictures(Path(photos)).items()]
    if not items:
        raise BadInput(f"{photos}: no photo found")
    for item in items:
        if not item.drawn:
            raise BadInput(f"{drawings or photos}: no drawing named {item.name}.* for {item.photo}")
    return items


def evaluate(
    items: Sequence[Item],
    style: str = "ink",
    *,
    aligned: bool = True,
    weights: str | Path | None = None,
    features: Callable[[np.ndarray], np.ndarray] | None = None,
    sheet: str | Path | None = None,
    options: Mapping[str, Any] | None = None,
) -> Report:
    """Draws every photo at 512 px and compares it with the given drawing.

    Args:
        items: portraits with drawings, aligned. Landmarks and masks are used where they are given.
        style: the style to judge. aligned: False finds the faces anew instead of trusting alignment and landmarks.
        weights: a weight file instead of the style's shipped one.
        features: picture uint8 [H,W,3] -> [D] for the Frechet distance (`metrics.fid`); None: it is left out.
        sheet: picture file to write, a row a portrait: photo, given drawing, our drawing.
        options: of the style.

    Raises:
        BadInput, naming the file: unreadable, or sizes that differ. OutputError: the sheet cannot be written.
    """
    artist = Artist(style, weights=weights, aligned=aligned, no_face="error", **(options or {}))
    reader = Reader(aligned=True)
    rows, ours, theirs, strips = [], [], [], []
    for item in items:
        portrait = reader(item)
        assert portrait.drawing is not None
        drawing = _drawn(artist, item, portrait)
        rows.append(compare(item.name, drawing, portrait.drawing))
        if features is not None:
            ours.append(_rgb(drawing))
            theirs.append(_rgb(portrait.drawing))
        if sheet is not None:
            strips.append(np.hstack([_small(p) for p in (portrait.pixels, _rgb(portrait.drawing), _rgb(drawing))]))
    distance = None if features is None else fid(ours, theirs, features)
    if sheet is not None:
        write_image(np.vstack(strips), sheet, overwrite=True)
    return Report(style, rows, _mean(rows), distance)


def compare(name: str, drawing: np.ndarray, reference: np.ndarray) -> Figures:
    """All figures of two drawings uint8 [S,S]."""
    return Figures(
        name,
        boundary_f(drawing, reference),
        tone_difference(drawing, reference),
        chamfer_distance(drawing, reference),
        ssim(drawing, reference),
    )


def _drawn(artist: Artist, item: Item, portrait: Portrait) -> np.ndarray:
    if artist.options.aligned:
        faces = [artist.aligned_face(portrait.pixels, portrait.landmarks_px)]
        pixels = artist.draw_pixels(portrait.pixels, faces, person=None if item.mask is None else portrait.mask)
    else:
        pixels = artist.draw_pixels(portrait.pixels)
    return pixels if pixels.ndim == 2 else grey(pixels)


def _rgb(drawing: np.ndarray) -> np.ndarray:
    return np.repeat(drawing[:, :, None], 3, axis=2)


def _small(picture: np.ndarray) -> np.ndarray:
    return resize(picture, SHEET_PX)


def _mean(rows: Sequence[Figures]) -> Figures:
    names = [field.name for field in fields(Figures)][1:]
    return Figures("mean", *(float(np.mean([getattr(row, name) for row in rows])) for name in names))


def as_text(report: Report) -> str:
    """The figures as a Markdown table, and the distance of the sets below it."""
    rows = [["picture", "F", "T", "chamfer px", "SSIM"]]
    for row in (*report.rows, report.mean):
        rows.append([row.name, f"{row.f:.4f}", f"{row.t:.4f}", f"{row.chamfer_px:.3f}", f"{row.ssim:.4f}"])
    distance = "" if report.fid is None else f"\nFrechet distance of the two sets: {report.fid:.3f}"
    return table(rows) + distance


def features_named(name: str) -> Callable[[np.ndarray], np.ndarray]:
    """The function MODULE:FUNCTION for the Frechet distance. Raises BadInput: there is none."""
    module, colon, function = name.partition(":")
    try:
        found: Any = getattr(importlib.import_module(module), function) if colon and module and function else None
    except (ImportError, AttributeError):
        found = None
    if not callable(found):
        raise BadInput(f"--fid: {name!r} given, an importable MODULE:FUNCTION from a picture to features expected")
    return found
