"""The pen in the face: eyes and mouth of a drawing as strokes along the contours that the face's points give.

What tones and lines alone make of an eye is often a smudge: here lids, irises and the line of the mouth are drawn where
`faces.points` and `faces.eyes` find them, moved onto the darkest path nearby. Everything is measured in u, which is one
px of a face whose outer eye corners are 146 px apart. Points are complex numbers x + iy in px of the drawing.
"""

from __future__ import annotations

import numpy as np

from pyapdraw.faces.eyes import LIDS_OF_MESH, Eyes, FacePoints
from pyapdraw.faces.people import THERE
from pyapdraw.style.beard import draw_beard
from pyapdraw.style.sketch import CLEAR, UNIT, Sketch, taper

LEAST_SCORE = 0.5  # of the points; below it hands or masks are before the face
LEAST_U = 0.35  # px a u, below which a face is left to the style's own lines
CORNERS = (33, 263)  # outer eye corners
CHEEKS = (50, 280, 205, 425, 151)  # where skin is
INNER_LIP = ((78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308), (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308))
NETWORK_SHARE = 0.7  # of the iris network's lids in the mean with the mesh's
LIT = 0.45  # tone of the skin below an eye, relative to the face's, under which no eye is drawn: hair, glasses, shadow
NARROW = 22.0  # u between an eye's corners, under which it is seen from the side
CLOSED = 0.14  # height of the opening in widths, under which an eye is shut
DARK_IRIS, LIGHT_IRIS = 0.38, 0.55  # tones of irises, relative to the skin's: black, and a ring about the pupil
PUPIL = 0.48  # of an iris
CAVITY = 0.25  # tone in an open mouth under which it is black
OPEN = 3.2  # u between the lips, from which a mouth is open
MARGIN = 25.0  # u around a face, for brows that rise and beards below the chin
POINTS = 25  # of a contour
STEPS = 13  # along its normals
_APART = np.abs(np.subtract.outer(np.arange(STEPS), np.arange(STEPS)))
_TOLL = np.where(_APART <= 2, 0.02 * _APART**2, 1e3)  # of moving from a step to another at the next point
LID_REACH, LOWER_REACH, MOUTH_REACH = 3.0, 1.5, 4.0  # u that contours are moved by at most


def draw_features(
    page: np.ndarray,
    pixels: np.ndarray,
    mask: np.ndarray,
    face: FacePoints,
    line: float = 1.0,
    beard: bool = False,
    under: float = CLEAR,
) -> None:
    """Draws eyes and mouth of a face over what the style has made of them, where the person is.

    page: drawing uint8 [H,W], changed in place. pixels: uint8 [H,W,3]. mask: of the person, uint8 [H,W]. face: its
    points, in px of all three. line: of the strokes' widths. beard: whether one is drawn as strokes,
    too. under: see `Sketch`.
    """
    points = face.points
    at = points[:, 0].astype(np.float64) + 1j * points[:, 1]
    across = at[CORNERS[1]] - at[CORNERS[0]]
    unit = abs(across) / UNIT
    if unit < LEAST_U or face.score < LEAST_SCORE:
        return
    box = _around(at, unit, page.shape)
    if box is None:
        return
    x0, y0, x1, y1 = box
    part, there = page[y0:y1, x0:x1], mask[y0:y1, x0:x1] >= THERE
    luma = pixels[y0:y1, x0:x1] @ np.array([0.3 / 255, 0.6 / 255, 0.1 / 255], np.float32)
    at, eyes = at - complex(x0, y0), face.moved(np.array([[1.0, 0, -x0], [0, 1, -y0]])).eyes
    skin = max(float(np.median(luma[_places(at[list(CHEEKS)], luma.shape)])), 0.05)
    sketch = Sketch(part.copy(), luma / np.float32(skin), unit, across / abs(across), line, under)
    if beard:
        draw_beard(sketch, at)
    _eyes_and_mouth(sketch, at, eyes)
    np.copyto(part, sketch.page, where=there)


def _eyes_and_mouth(sketch: Sketch, at: np.ndarray, eyes: Eyes) -> None:
    irises = eyes.irises[..., 0] + 1j * eyes.irises[..., 1]
    level = float(np.mean([_iris_tone(sketch, iris) for iris in irises]))
    lids = eyes.lids[..., 0] + 1j * eyes.lids[..., 1]
    lids = NETWORK_SHARE * lids + (1 - NETWORK_SHARE) * at[np.array(LIDS_OF_MESH)]
    seen = [_seen(sketch, eye) for eye in lids]
    mouth = _mouth_lines(sketch, *(at[list(line)] for line in INNER_LIP))
    wanted = [line for lines in (*seen, mouth) for line in lines]
    if not wanted:
        return
    lines, dark = snapped(sketch, np.stack([line for line, _ in wanted]), np.array([reach for _, reach in wanted]))
    first = 0
    for eye, iris in zip(seen, irises):
        own = slice(first, first + len(eye))
        if len(eye) == 1:
            _shut_eye(sketch, eye[0][0], lines[own][0], dark[own][0])
        elif eye:
            _open_eye(sketch, lines[own], dark[own][0], iris, level)
        first += len(eye)
    _mouth(sketch, lines[first:], dark[first:])


def _around(at: np.ndarray, unit: float, shape: tuple[int, ...]) -> tuple[int, int, int, int] | None:
    margin = MARGIN * unit
    x0, x1 = (int(np.clip(v, 0, shape[1])) for v in (at.real.min() - margin, at.real.max() + margin))
    y0, y1 = (int(np.clip(v, 0, shape[0])) for v in (at.imag.min() - margin, at.imag.max() + margin))
    return (x0, y0, x1, y1) if min(x1 - x0, y1 - y0) >= 16 else None


def _places(points: np.ndarray, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the pixels at points and their neighbours two px away."""
    around = (points[:, None] + np.array([0, 2, -2, 2j, -2j])).ravel()
    return (
        np.clip(np.rint(around.imag), 0, shape[0] - 1).astype(np.intp),
        np.clip(np.rint(around.real), 0, shape[1] - 1).astype(np.intp),
    )


def along(points: np.ndarray, count: int = POINTS) -> np.ndarray:
    """Points at even distances along a smooth curve through the given ones (Catmull-Rom)."""
    p = np.concatenate([[2 * points[0] - points[1]], points, [2 * points[-1] - points[-2]]])
    t = np.linspace(0, 1, 6, endpoint=False)[:, None]
    a, b, c, d = p[:-3], p[1:-2], p[2:-1], p[3:]
    fine = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
    fine = np.append(fine.T.ravel(), points[-1])
    length = np.concatenate([[0], np.cumsum(np.abs(np.diff(fine)))])
    even = np.linspace(0, length[-1], count)
    return np.interp(even, length, fine.real) + 1j * np.interp(even, length, fine.imag)


def snapped(sketch: Sketch, lines: np.ndarray, reaches: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lines complex [L,P] moved along their normals onto the darkest smooth paths within `reaches` [L] u; and how much
    darker than beside them the tone is there, 0 to 1, [L,P]."""
    tangent = np.gradient(lines, axis=1)
    normal = 1j * tangent / np.maximum(np.abs(tangent), 1e-9)
    steps = np.linspace(-1, 1, STEPS)
    reach = (reaches * sketch.unit)[:, None, None]
    tone = sketch.at(lines[..., None] + normal[..., None] * (steps * reach))
    cost = tone + 0.004 * steps**2
    count = np.arange(len(lines))
    best, came = cost[:, 0], np.empty((lines.shape[1], len(lines), STEPS), np.intp)
    for p in range(1, lines.shape[1]):
        total = best[:, :, None] + _TOLL
        came[p] = total.argmin(axis=1)
        best = total.min(axis=1) + cost[:, p]
    chosen = np.empty(lines.shape, np.intp)
    chosen[:, -1] = best.argmin(axis=1)
    for p in range(lines.shape[1] - 1, 0, -1):
        chosen[:, p - 1] = came[p, count, chosen[:, p]]
    offset = _smooth(steps[chosen] * reach[..., 0])
    here = np.take_along_axis(tone, chosen[..., None], axis=2)[..., 0]
    beside = np.minimum(tone[..., 0], tone[..., -1])
    return lines + normal * offset, _smooth(np.clip(beside - here, 0, 1))


def _smooth(values: np.ndarray) -> np.ndarray:
    """Along the last axis, over five points."""
    wide = np.concatenate([values[..., :1]] * 2 + [values] + [values[..., -1:]] * 2, axis=-1)
    return (wide[..., :-4] + 2 * wide[..., 1:-3] + 3 * values + 2 * wide[..., 3:-1] + wide[..., 4:]) / 9


class Opening:
    """The pixels between two curves from the left to the right, in the frame of the level eyes."""

    def __init__(self, sketch: Sketch, upper: np.ndarray, lower: np.ndarray) -> None:
        self.unit, self.turn = sketch.unit, sketch.turn
        both = np.concatenate([upper, lower])
        margin = 8 * self.unit
        height, width = sketch.page.shape
        x0, x1 = (int(np.clip(v, 0, width)) for v in (both.real.min() - margin, both.real.max() + margin + 1))
        y0, y1 = (int(np.clip(v, 0, height)) for v in (both.imag.min() - margin, both.imag.max() + margin + 1))
        self.part = np.s_[y0:y1, x0:x1]
        y, x = np.mgrid[y0:y1, x0:x1].astype(np.float64)
        self.z = x + 1j * y
        level = self.z * self.turn.conjugate()
        self.x, self.y = level.real, level.imag
        self.above, self.below = (self._curve(line) for line in (upper, lower))
        ends = (upper * self.turn.conjugate()).real
        self.low, self.high = ends.min(), ends.max()

    def _curve(self, line: np.ndarray) -> np.ndarray:
        level = line * self.turn.conjugate()
        order = np.argsort(level.real)
        return np.interp(self.x, level.real[order], level.imag[order])

    def inside(self, grow: float = 0.0, under: float | None = None) -> np.ndarray:
        """float64 [h,w], 1 inside, with a soft edge of a px; `grow` in u beyond the curves, `under` below the lower."""
        more, lower = grow * self.unit, (grow if under is None else under) * self.unit
        depth = np.minimum(self.y - self.above + more, self.below - self.y + lower)
        depth = np.minimum(depth, np.minimum(self.x - self.low, self.high - self.x) + more)
        return np.clip(depth + 0.5, 0, 1)


def _clear(page: np.ndarray, share: np.ndarray) -> None:
    page[...] = np.rint(255 - (255.0 - page) * (1 - share)).astype(np.uint8)


def _ink(page: np.ndarray, share: np.ndarray) -> None:
    np.minimum(page, np.rint(255 * (1 - share)).astype(np.uint8), out=page)


def _iris_tone(sketch: Sketch, iris: np.ndarray) -> float:
    """Median tone half-way between the centre and the rim, at the sides and below, where no lid is."""
    spokes = np.exp(1j * np.pi * np.linspace(-0.15, 1.15, 14)) * sketch.turn
    return float(np.median(sketch.at(iris[0] + 0.65 * np.abs(iris[1:] - iris[0]).mean() * spokes)))


Line = tuple[np.ndarray, float]  # a contour, and how far it may be moved, in u


def _seen(sketch: Sketch, lids: np.ndarray) -> list[Line]:
    """The contours of an eye of 16 points (see `faces.eyes`): upper and lower lid of an open one, the lower of one that
    is shut, nothing where none can be seen."""
    outer, inner = lids[0], lids[8]
    wide, down = abs(inner - outer), 1j * sketch.turn
    under = (outer + inner) / 2 + down * 0.55 * wide + np.linspace(-0.3, 0.3, 7) * wide * sketch.turn
    if wide < NARROW * sketch.unit or float(np.median(sketch.at(under))) < LIT:
        return []
    gap = float(((lids[1:8] - lids[9:16]) * down.conjugate()).real.max())
    if gap < CLOSED * wide:
        return [(along(lids[:9]), LID_REACH)]
    return [(along(lids[[0, 9, 10, 11, 12, 13, 14, 15, 8]]), LID_REACH), (along(lids[:9]), LOWER_REACH)]


def _shut_eye(sketch: Sketch, found: np.ndarray, line: np.ndarray, dark: np.ndarray) -> None:
    opening = Opening(sketch, found, found)
    _clear(sketch.page[opening.part], opening.inside(3.5))
    sketch.stroke(line, (1.4 + 2.0 * np.clip(dark / 0.3, 0, 1)) * taper(POINTS, 0.2, 0.3))


def _open_eye(sketch: Sketch, lines: np.ndarray, dark: np.ndarray, iris: np.ndarray, level: float) -> None:
    """lines: upper and lower lid; iris: centre and rim; level: tone of both irises."""
    upper, lower = lines
    lower[[0, -1]] = upper[[0, -1]]
    opening = Opening(sketch, upper, lower)
    page = sketch.page[opening.part]
    _clear(page, opening.inside(CLEAR, sketch.under))
    _iris(sketch, opening, page, iris, level)
    weight = float(np.clip(dark[4:-4].mean() / 0.3, 0.35, 1))
    sketch.stroke(upper, (1.2 + 2.6 * weight) * np.maximum(taper(POINTS, 0.12, 0.55), 0.3))
    away = (upper[0] - upper[3]) / max(abs(upper[0] - upper[3]), 1e-6)
    lash = upper[0] + (away * np.linspace(0, 5.5, 6) - 1j * sketch.turn * np.linspace(0, 0.8, 6) ** 2) * sketch.unit
    sketch.stroke(lash, (1.0 + 1.6 * weight) * np.linspace(0.9, 0.1, 6))
    sketch.stroke(lower[1:17], 1.15 * taper(16, 0.1, 0.7))


def _iris(sketch: Sketch, opening: Opening, page: np.ndarray, iris: np.ndarray, level: float) -> None:
    u = sketch.unit
    centre = iris[0]
    radius = float(np.clip(np.abs(iris[1:] - centre).mean(), 3.5 * u, 11 * u))
    from_centre = np.abs(opening.z - centre)
    seen = opening.inside(-0.2)
    disc = np.clip(radius - from_centre + 0.5, 0, 1) * seen
    if disc.sum() < 4:
        return
    tone = sketch.tone[opening.part]
    # The black in the middle grows from the pupil to the whole iris as that gets darker: no sudden change in a video.
    light = np.clip((level - DARK_IRIS) / (LIGHT_IRIS - DARK_IRIS), 0, 1)
    pupil = np.clip((1 - (1 - PUPIL) * light) * radius - from_centre + 0.5, 0, 1) * seen
    rim = np.clip(0.75 * u - np.abs(from_centre - radius + 0.6 * u) + 0.5, 0, 1) * seen
    shade = disc * np.clip((1.8 * u - (opening.y - opening.above)) + 0.5, 0, 1)
    _ink(page, np.maximum(np.maximum(rim, pupil), shade))
    inner = np.where((from_centre < 0.8 * radius) & (seen > 0.9), tone, -1.0)
    spot = int(inner.argmax())
    if inner.flat[spot] > level + 0.22:
        near = np.abs(opening.z - opening.z.flat[spot])
        _clear(page, np.clip(max(0.2 * radius, 0.9) - near + 0.5, 0, 1) * seen)
    elif radius > 4:
        near = np.abs(opening.z - (centre + (-0.32 - 0.36j) * sketch.turn * radius))
        _clear(page, np.clip(0.17 * radius - near + 0.5, 0, 1) * seen)


def _mouth_lines(sketch: Sketch, upper: np.ndarray, lower: np.ndarray) -> list[Line]:
    """The lips' inner lines from corner to corner; one of a mouth that is closed, none of one seen from the side."""
    if abs(upper[-1] - upper[0]) < 0.25 * UNIT * sketch.unit:
        return []
    gap = float(((lower - upper)[2:-2] * (1j * sketch.turn).conjugate()).real.mean()) / sketch.unit
    if gap < OPEN:
        return [(along((upper + lower) / 2), MOUTH_REACH)]
    return [(along(upper), LID_REACH), (along(lower), LID_REACH)]


def _mouth(sketch: Sketch, lines: np.ndarray, dark: np.ndarray) -> None:
    """What the style drew of the lips themselves stays."""
    if len(lines) == 1:
        band = Opening(sketch, lines[0], lines[0])
        _clear(sketch.page[band.part], band.inside(3.2))
        widths = 1.4 + 2.4 * np.clip(dark[0] / 0.35, 0, 1)
        sketch.stroke(lines[0], widths * np.maximum(taper(POINTS, 0.25, 0.25), 0.35))
    elif len(lines) == 2:
        upper, lower = lines
        lower[[0, -1]] = upper[[0, -1]]
        opening = Opening(sketch, upper, lower)
        page, tone = sketch.page[opening.part], sketch.tone[opening.part]
        _clear(page, opening.inside(2.0))
        _ink(page, opening.inside(0.0) * np.clip((CAVITY - tone) * 8 + 0.5, 0, 1))
        sketch.stroke(upper, 2.3 * np.maximum(taper(POINTS, 0.2, 0.2), 0.4))
        sketch.stroke(lower, 1.9 * np.maximum(taper(POINTS, 0.2, 0.2), 0.4))
