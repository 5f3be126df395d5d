"""How drawings look, by figures that need no drawing to compare with: `pyapdraw eval look`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pyapdraw import align
from pyapdraw.artist import Artist
from pyapdraw.data.aligned import named_as, read_mask
from pyapdraw.data.portraits import grey
from pyapdraw.faces import parts
from pyapdraw.faces.detector import Face
from pyapdraw.media.photo import read_photo, write_image
from pyapdraw.metrics.cleanliness import grey_share, specks
from pyapdraw.ops.resize import resize
from pyapdraw.ops.warp_affine import warp_affine
from pyapdraw.table import table

BUST_PX = 512
FEATURES = {"eye_left": 0.05, "eye_right": 0.05, "mouth": 0.01}  # least share of ink in the place of each
LIKE = 0.05  # of the eye distance, within which the points of the photo are found again in the drawing
BEYOND = 8  # px of a 512 px picture around the given people, that outlines may lie in
SHEET_PX = 384  # height of a row of the sheet


@dataclass(frozen=True)
class Look:
    """Of one picture. faces: how many were found; what follows but the leak is of the largest one's bust at 512 px, nan
    or nothing without. leak: share of the page that is ink beyond the people. specks, grey: see `metrics.cleanliness`.
    features: those of eyes and mouth that there is ink for. likeness: mean distance of the five points found in the
    bust from those of the photo, in eye distances; inf: no face is found in it. group: the folder that it lies in."""

    name: str
    group: str
    faces: int
    leak: float
    specks: float
    grey: float
    features: tuple[str, ...]
    likeness: float


def look(
    photos: Sequence[Path],
    style: str = "ink",
    *,
    weights: str | Path | None = None,
    options: Mapping[str, Any] | None = None,
    masks: str | Path | None = None,
    sheet: str | Path | None = None,
) -> list[Look]:
    """Draws photos, whole and as busts, and looks at them.

    Args:
        photos: files. style, weights, options: what draws.
        masks: folder of NAME.png with the people of each photo; None: those found here, from which ink hardly strays.
        sheet: picture file to write, a row a photo: the photo, the whole drawing, the bust.

    Raises:
        BadInput, naming the file. Unsupported: SciPy is missing. OutputError: the sheet cannot be written.
    """
    artist = Artist(style, weights=weights, no_face="draw", **(options or {}))
    rows, strips = [], []
    for path in photos:
        pixels = read_photo(path).pixels
        found = artist.choose(artist.find(pixels))
        whole = _grey(artist.draw_pixels(pixels, found))
        bust = _bust(artist, pixels, found[0]) if found else None
        mask = read_mask(named_as(masks, path), path, pixels.shape) if masks else artist.tools.person(pixels, found)
        rows.append(_row(artist, path, pixels, found, whole, bust, mask))
        if sheet is not None:
            strips.append([pixels, whole, bust if bust is not None else np.full((8, 8), 255, np.uint8)])
    if sheet is not None:
        write_image(_sheet(strips), sheet, overwrite=True)
    return rows


def _bust(artist: Artist, pixels: np.ndarray, face: Face) -> np.ndarray:
    drawn = _grey(artist.with_options(frame="bust").draw_pixels(pixels, [face]))
    return drawn if drawn.shape[0] == BUST_PX else resize(drawn, BUST_PX)


def _row(
    artist: Artist,
    path: Path,
    pixels: np.ndarray,
    found: Sequence[Face],
    whole: np.ndarray,
    bust: np.ndarray | None,
    mask: np.ndarray,
) -> Look:
    around = _grown(mask >= 128, max(1, round(BEYOND * max(mask.shape) / 512)))
    leak = float(((whole < 128) & ~around).mean())
    if bust is None:
        return Look(path.stem, path.parent.name, 0, leak, float("nan"), float("nan"), (), float("nan"))
    to_crop = align.fit(found[0].landmarks_px, BUST_PX)
    places = parts(pixels, found[0])
    seen = []
    for feature, least in FEATURES.items():
        place = np.maximum(places["mouth"], places["lips"]) if feature == "mouth" else places[feature]
        inside = warp_affine(place, to_crop, BUST_PX, filter="antialias", border=0) >= 128
        share = (bust[inside] < 128).mean() if inside.any() else 0.0
        if least <= share <= 0.9:
            seen.append(feature)
    points = align.transform_points(to_crop, found[0].landmarks_px)
    likeness = _likeness(artist, bust, points)
    return Look(path.stem, path.parent.name, len(found), leak, specks(bust), grey_share(bust), tuple(seen), likeness)


def _likeness(artist: Artist, bust: np.ndarray, points: np.ndarray) -> float:
    """How far the points of the face in a bust lie from those of the photo [5,2], in px of the bust."""
    eyes = float(np.hypot(*(points[1] - points[0])))
    found = artist.detector.detect(np.repeat(bust[..., None], 3, axis=2))
    off = [np.hypot(*(face.landmarks_px - points).T).mean() / eyes for face in found]
    return float(min(off, default=np.inf))


def _grown(area: np.ndarray, px: int) -> np.ndarray:
    """bool [H,W]: within px of it, along rows and columns."""
    for axis in range(2):
        padded = np.pad(area.astype(np.int32), [(px + 1, px) if k == axis else (0, 0) for k in range(2)])
        total = np.cumsum(padded, axis=axis)
        count = area.shape[axis]
        take = [np.arange(2 * px + 1, 2 * px + 1 + count), np.arange(count)]
        area = np.take(total, take[0], axis=axis) - np.take(total, take[1], axis=axis) > 0
    return area


def _grey(drawing: np.ndarray) -> np.ndarray:
    return drawing if drawing.ndim == 2 else grey(drawing)


def _sheet(strips: list[list[np.ndarray]]) -> np.ndarray:
    rows = []
    for strip in strips:
        pictures = [np.repeat(p[..., None], 3, axis=2) if p.ndim == 2 else p for p in strip]
        rows.append(np.hstack([resize(p, (SHEET_PX, max(1, round(p.shape[1] * SHEET_PX / len(p))))) for p in pictures]))
    wide = max(row.shape[1] for row in rows)
    return np.vstack([np.pad(row, ((0, 0), (0, wide - row.shape[1]), (0, 0)), constant_values=255) for row in rows])


def as_text(rows: Sequence[Look]) -> str:
    """The figures as a Markdown table, and below it what they come to, also of each group where there are several."""
    lines = [["picture", "faces", "ink beyond people", "specks", "grey", "features", "likeness"]]
    for row in rows:
        lines.append([row.name, str(row.faces), f"{row.leak:.2%}", f"{row.specks:.0f}", f"{row.grey:.3%}",
                      " ".join(row.features), f"{row.likeness:.3f}"])  # fmt: skip
    groups = list(dict.fromkeys(row.group for row in rows))
    said = [f"{group}: {_summary([row for row in rows if row.group == group])}" for group in groups]
    return "\n".join([table(lines), *(said if len(groups) > 1 else []), _summary(rows)])


def _summary(rows: Sequence[Look]) -> str:
    faced = [row for row in rows if row.faces]
    if not faced:
        return f"no face in {len(rows)} pictures"
    like = np.array([row.likeness for row in faced])
    whole = sum(len(row.features) == len(FEATURES) for row in faced)
    leak, loose, grey_part = (np.array([getattr(row, of) for row in rows]) for of in ("leak", "specks", "grey"))
    return "; ".join([
        f"{len(faced)} of {len(rows)} pictures with a face",
        f"ink beyond people {leak.mean():.2%} on average",
        f"specks: median {np.nanmedian(loose):.0f}",
        f"grey {np.nanmean(grey_part):.3%}",
        f"both eyes and the mouth in {whole}",
        f"points found within {LIKE:.0%} of the eye distance in {(like <= LIKE).sum()}, median {np.median(like):.3f}",
    ])  # fmt: skip
