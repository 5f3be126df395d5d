"""Quality of a style on a folder of aligned photos with drawings of the same names: `pyapdraw eval`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pyapdraw.artist import Artist
from pyapdraw.errors import BadInput
from pyapdraw.metrics.boundary import boundary_f, tone_difference
from pyapdraw.photo import read_photo


def evaluate_folder(
    photos: str, drawings: str, style: str = "ink", aligned: bool = True
) -> list[tuple[str, float, float]]:
    """Draws every photo and compares it with the given drawing.

    Args:
        photos: folder of square aligned photos.
        drawings: folder of drawings of the same names (any picture suffix) and sizes.
        style: the style to judge. aligned: False finds the faces instead of trusting the alignment.

    Returns:
        (name, F, T) a photo: boundary F1 within 2 px, tone difference at sigma 4 px; the last row is "mean".

    Raises:
        BadInput: no photo, a photo without a drawing, or sizes that differ.
    """
    artist = Artist(style, aligned=aligned, no_face="error")
    rows = []
    for path in sorted(p for p in Path(photos).iterdir() if p.is_file()):
        given = sorted(Path(drawings).glob(f"{path.stem}.*"))
        if not given:
            raise BadInput(f"{drawings}: no drawing named {path.stem}.* for {path}")
        ours, theirs = _grey(artist.draw(read_photo(path).pixels)), _grey(read_photo(given[0]).pixels)
        if ours.shape != theirs.shape:
            raise BadInput(f"{given[0]}: {theirs.shape} px given, the photo's size {ours.shape} expected")
        rows.append((path.stem, boundary_f(ours, theirs), tone_difference(ours, theirs)))
    if not rows:
        raise BadInput(f"{photos}: no photo found")
    return [*rows, ("mean", float(np.mean([r[1] for r in rows])), float(np.mean([r[2] for r in rows])))]


def _grey(pixels: np.ndarray) -> np.ndarray:
    return np.rint(pixels @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)
