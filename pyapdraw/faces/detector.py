"""Faces of a photo: boxes and five landmarks, at any head roll.

MTCNN finds upright faces only. `Detector` therefore runs its first two nets on the photo in four directions, refines
every candidate along its own roll (`faces.landmarks`), and keeps the answers that are sure of themselves: a high
score, and the same points from neighbouring squares.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pyapdraw.errors import BadInput
from pyapdraw.faces import landmarks, mtcnn
from pyapdraw.faces.landmarks import Look, Poses

SMALLEST_PX = 20.0  # the least side of a face that MTCNN was trained for
FACES_ACROSS = 12  # by default the shorter side of a photo holds at most this many faces
WORK_FACE_PX = 24.0  # the photo is shrunk until its smallest face has this side: what R-net looks at
LARGEST_SEARCH_PX = 1600  # longest side of the shrunk photo in the search for faces smaller than that
MOST_WORK_PX = 1_000_000  # of the shrunk photo: only a photo more than 12 times as long as it is wide would have more
STRIP = 4  # longer than this many times its width, a picture is turned by half right angles in pieces
PIECE = 3  # length of a piece in widths; neighbours share one width, which holds every face that the strip holds
TURNS_DEG = (0, 90, 180, 270)
HALF_TURNS_DEG = (45, 135, 225, 315)  # tried too when the others find nothing
PASS = (0.6, 0.6)  # scores that go on from P-net and R-net; O-net decides
MOST_CANDIDATES = 2000  # squares that O-net looks at
ALIVE = (0.3, 0.5)  # O-net score of one square that goes on, in the first round and the second
SURE = 0.85  # quality of a face whose roll is beyond doubt; upside-down looks stay below 0.7
LEAST_SCORE = 0.8  # mean O-net score of a face
MOST_SPREAD = 0.06  # of its points over neighbouring squares, in eye distances; real faces have 0.01 to 0.03
SPREAD_COST = 3.0  # what a spread of one eye distance costs in score, when answers for one place compete
SAME_PLACE, SAME_SIZE = 0.3, 0.5  # two squares are one face: centres within that of the larger side, sides that alike
METHODS = ("any-roll", "mtcnn")


@dataclass(frozen=True, eq=False)
class Face:
    """A face in a photo. Pixel centres are at integers, x right, y down.

    box_px: (x0, y0, x1, y1), axis-parallel. landmarks_px: float64 [5,2]: eye at the smaller x, other eye, nose tip,
    mouth corner at the smaller x, other corner, as seen in the face's own upright frame. score: 0 to 1.
    track: number that stays with a person through a video, None in photos.
    """

    box_px: tuple[float, float, float, float]
    landmarks_px: np.ndarray
    score: float
    track: int | None = None


@dataclass(frozen=True)
class Search:
    """Where to look: least face side, head rolls (each found within 60 degrees), width of a grey frame in shorter sides
    (for faces that the border cuts), and levels of the pyramid (see `mtcnn.Settings`).
    """

    smallest_px: float
    turns_deg: tuple[int, ...] = TURNS_DEG
    margin: float = 0.0
    levels: tuple[int, int | None] = (0, None)


class Detector:
    """Finds faces. Cheap to keep, safe from several threads.

    Args:
        min_face_px: least side of a face box, px; None: a twelfth of the shorter side but at least 20, and 20 where
            that finds nothing.
        threads: worker threads, 0 = the process default.
        method: "any-roll", or "mtcnn": the published cascade alone, which needs nearly upright faces; its numbers
            are facenet-pytorch's. That cascade was trained on 1-based pixels: see `mtcnn.Found`.
        thresholds, factor: of the published cascade; used by "mtcnn" only.
    """

    def __init__(
        self,
        min_face_px: float | None = None,
        threads: int = 0,
        *,
        method: str = "any-roll",
        thresholds: tuple[float, float, float] = (0.6, 0.7, 0.7),
        factor: float = 0.709,
    ) -> None:
        if min_face_px is not None and not min_face_px >= mtcnn.CELL_PX:
            raise BadInput(f"min_face_px: {min_face_px} given, at least {mtcnn.CELL_PX} expected")
        if method not in METHODS:
            raise BadInput(f"method: {method!r} given, one of {', '.join(METHODS)} expected")
        if not 0 < factor < 1 or len(thresholds) != 3 or not all(0 < t < 1 for t in thresholds):
            raise BadInput(
                f"thresholds {thresholds}, factor {factor} given, three numbers and a number in (0,1) expected"
            )
        self.min_face_px = min_face_px
        self.method = method
        self.thresholds = thresholds
        self.factor = factor
        self.nets = mtcnn.Nets(threads)

    def detect(self, rgb: np.ndarray) -> list[Face]:
        """Faces of a photo, largest box first.

        rgb: uint8 [H,W,3] or grey [H,W]. Raises BadInput for another shape or dtype.
        """
        image = check_image(rgb)
        if self.method == "mtcnn":
            settings = mtcnn.Settings(self.min_face_px or SMALLEST_PX, self.thresholds, self.factor)
            return _from_cascade(mtcnn.cascade(self.nets, image, settings))
        smallest = self.smallest_px(image)
        found = self._upright_first(image, smallest)
        if not found:
            found = self.search(image, Search(smallest, turns_deg=(*TURNS_DEG, *HALF_TURNS_DEG), margin=0.25))
        if self.min_face_px is None:
            least = max(SMALLEST_PX, max(image.shape[:2]) * SMALLEST_PX / LARGEST_SEARCH_PX)
            # Faces near the limit are rarely alone below it; and without any, the photo may show distant ones only.
            while smallest > least and (not found or side_px(found[-1]) < 2 * smallest):
                smallest = max(least, smallest / 2) if found else least
                more = self.search(image, Search(smallest), poses_of(found))
                found = largest_first(found + more)
                if not more:
                    break
        return found

    def _upright_first(self, image: np.ndarray, smallest_px: float) -> list[Face]:
        """Beside faces that are surely upright, others are looked for from half the size of the largest only."""
        upright, quality = self._search(image, Search(smallest_px, TURNS_DEG[:1]), None)
        if not upright:
            return self.search(image, Search(smallest_px, TURNS_DEG[1:]))
        if min(quality) < SURE:  # perhaps seen upside down: all directions compete
            return self.search(image, Search(smallest_px))
        rest = Search(max(smallest_px, side_px(upright[0]) / 2), TURNS_DEG[1:])
        return largest_first(upright + self.search(image, rest, poses_of(upright)))

    def smallest_px(self, image: np.ndarray) -> float:
        """Least face side that is looked for at first."""
        if self.min_face_px is not None:
            return self.min_face_px
        h, w = image.shape[:2]
        return max(SMALLEST_PX, min(h, w) / FACES_ACROSS, WORK_FACE_PX * math.sqrt(h * w / MOST_WORK_PX))

    def search(self, image: np.ndarray, what: Search, known: Poses | None = None) -> list[Face]:
        """Faces at the places that `what` says, largest first, without those at known places.

        image: uint8 [H,W,3] of `check_image`.
        """
        return largest_first(self._search(image, what, known)[0])

    def _search(self, image: np.ndarray, what: Search, known: Poses | None) -> tuple[list[Face], list[float]]:
        """As `search`, with the quality of each face: its score less the cost of its spread."""
        poses, scores = self._candidates(image, what, known)
        poses = poses[distinct(poses, scores, angle_deg=45)[:MOST_CANDIDATES]]
        for least in ALIVE:  # one square each: from up to 90 degrees off to a few
            poses = poses[plausible(poses, image)]
            if not len(poses):
                return [], []
            seen = landmarks.look(self.nets, landmarks.sources(self.nets, image, poses), poses, landmarks.ONE)
            alive = seen.scores >= least
            poses, scores = landmarks.fit(seen.points[alive]), seen.scores[alive]
        if known is not None:
            away = abs(poses.centre[:, None] - known.centre) > np.maximum(poses.side_px[:, None], known.side_px) / 3
            poses, scores = poses[away.all(axis=1)], scores[away.all(axis=1)]
        return self._confirm(image, poses[distinct(poses, scores, angle_deg=45)])

    def _confirm(self, image: np.ndarray, poses: Poses) -> tuple[list[Face], list[float]]:
        """Refines poses by several squares each and keeps the sure ones, largest first, with their quality."""
        poses = poses[plausible(poses, image)]
        if not len(poses):
            return [], []
        where = landmarks.sources(self.nets, image, poses)
        poses = landmarks.fit(landmarks.look(self.nets, where, poses, landmarks.FOUR).points)
        seen = landmarks.look(self.nets, where, poses, landmarks.FOUR)
        sure = np.flatnonzero((seen.scores >= LEAST_SCORE) & (seen.spread <= MOST_SPREAD))
        quality = seen.scores - SPREAD_COST * seen.spread
        best = sure[distinct(poses[sure], quality[sure], angle_deg=180)]
        best = best[np.argsort(-poses.side_px[best], kind="stable")]
        return [face_of(seen, poses, int(i)) for i in best], quality[best].tolist()

    def _candidates(self, image: np.ndarray, what: Search, known: Poses | None) -> tuple[Poses, np.ndarray]:
        """What P-net and R-net leave in the photo turned each way, as squares in the photo, with scores."""
        work, zoom, shift = self._work_copy(image, what)
        settings = mtcnn.Settings(what.smallest_px / zoom.real, (*PASS, 0.5), levels=what.levels)
        scales, centres, scores = [], [], []
        for turned, turn, origin in self._views(work, what.turns_deg):
            origin -= shift
            places = None
            if known is not None:
                centre = (complex(0.5, 0.5) + known.centre).real / zoom.real + 1j * (
                    known.centre.imag + 0.5
                ) / zoom.imag
                centre = (centre - complex(0.5, 0.5) - origin) / turn
                places = np.stack([centre.real + 1, centre.imag + 1, known.side_px / zoom.real / 2], 1)
            boxes, score = mtcnn.candidates(self.nets, turned, settings, places)
            corner, far = (boxes[:, i].astype(np.float64) + 1j * boxes[:, i + 1] - (1 + 1j) for i in (0, 2))
            centre = turn * (corner + far) / 2 + origin + (0.5 + 0.5j)
            centres.append(centre.real * zoom.real + 1j * centre.imag * zoom.imag - (0.5 + 0.5j))
            scales.append((far - corner).real * zoom.real / mtcnn.OUTPUT_PX * turn)
            scores.append(score)
        scale, centre = np.concatenate(scales), np.concatenate(centres)
        return Poses(scale, centre - scale * landmarks.CENTRE), np.concatenate(scores)

    def _work_copy(self, image: np.ndarray, what: Search) -> tuple[np.ndarray, complex, complex]:
        """The photo shrunk, lightened and framed in grey; its pixel in photo px along x + i y; the frame in its px."""
        h, w = image.shape[:2]
        work, zoom = image, 1 + 1j
        shrink = what.smallest_px / WORK_FACE_PX
        if shrink >= 1.2:
            size = max(1, round(h / shrink)), max(1, round(w / shrink))
            work = self.nets.mean_crop(image, np.array([[0, 0, w, h]], np.int32), *size)[0]
            zoom = complex(w / size[1], h / size[0])
        lights = np.percentile(work[::8, ::8], 98)
        if lights < landmarks.DARK * 255:
            gain = min(landmarks.MOST_GAIN, landmarks.LIGHT * 255 / max(1.0, float(lights)))
            work = np.minimum(np.arange(256) * gain, 255).astype(np.uint8)[work]
        frame = round(what.margin * min(work.shape[:2]))
        if frame:
            work = np.pad(work, ((frame, frame), (frame, frame), (0, 0)), constant_values=mtcnn.GREY)
        return work, zoom, complex(frame, frame)

    def _views(self, work: np.ndarray, turns_deg: tuple[int, ...]) -> Iterator[tuple[np.ndarray, complex, complex]]:
        """(work, or a piece, turned so that faces of that roll stand upright; turn; origin): work = turn * it + origin.

        A strip is turned by half right angles in pieces: the square about all of it would hold its length squared.
        """
        h, w = work.shape[:2]
        for turn_deg in turns_deg:
            if turn_deg % 90 == 0:
                quarter = turn_deg // 90 % 4
                origin = (0j, w - 1 + 0j, complex(w - 1, h - 1), complex(0, h - 1))[quarter]
                yield np.ascontiguousarray(np.rot90(work, quarter)), 1j**quarter, origin
            elif max(h, w) <= STRIP * min(h, w):
                yield self._half_turned(work, turn_deg, 2 * max(h, w))
            else:
                for x, y, piece in _pieces(work):
                    turned, turn, origin = self._half_turned(piece, turn_deg, sum(piece.shape[:2]))
                    yield turned, turn, origin + complex(x, y)

    def _half_turned(self, image: np.ndarray, turn_deg: int, reach_px: int) -> tuple[np.ndarray, complex, complex]:
        """As `_views`, by an odd multiple of 45 degrees. reach_px: of the image along both of its sides together."""
        h, w = image.shape[:2]
        turn = complex(math.cos(math.radians(turn_deg)), math.sin(math.radians(turn_deg)))
        side = math.ceil((abs(turn.real) + abs(turn.imag)) / 2 * reach_px)
        origin = complex(w - 1, h - 1) / 2 - turn * complex(side - 1, side - 1) / 2
        to_image = np.array([[[turn.real, -turn.imag, origin.real], [turn.imag, turn.real, origin.imag]]])
        return self.nets.mean_warp(image, to_image, side), turn, origin


def _pieces(strip: np.ndarray) -> Iterator[tuple[int, int, np.ndarray]]:
    """x, y and pixels of overlapping pieces of a long picture; none of one that is too narrow for any face."""
    short, length = sorted(strip.shape[:2])
    if short < mtcnn.CELL_PX:
        return
    for start in range(0, length - short, (PIECE - 1) * short):
        end = min(start + PIECE * short, length)
        if strip.shape[0] == length:
            yield 0, start, strip[start:end]
        else:
            yield start, 0, strip[:, start:end]


def check_image(rgb: np.ndarray) -> np.ndarray:
    """uint8 [H,W,3] with adjacent channels, from [H,W,3] or grey [H,W]. Raises BadInput."""
    if not isinstance(rgb, np.ndarray) or rgb.dtype != np.uint8:
        kind = f"{rgb.dtype} array" if isinstance(rgb, np.ndarray) else type(rgb).__name__
        raise BadInput(f"rgb: {kind} given, a numpy uint8 array expected")
    if rgb.ndim not in (2, 3) or (rgb.ndim == 3 and rgb.shape[2] != 3) or rgb.size == 0:
        raise BadInput(f"rgb: shape {list(rgb.shape)} given, [H,W,3] or [H,W] with at least one pixel expected")
    if rgb.ndim == 2:
        rgb = np.repeat(rgb[:, :, None], 3, axis=2)
    return rgb if rgb.strides[2] == 1 else np.ascontiguousarray(rgb)


def face_of(seen: Look, poses: Poses, i: int, track: int | None = None) -> Face:
    """The record of one answer. Its box is parallel to the axes and fits the ellipse in the turned box."""
    left, top, right, bottom = seen.box[i]
    scale = poses.scale[i]
    centre = scale * complex(left + right, top + bottom) / 2 + poses.shift[i]
    half = complex(right - left, bottom - top) / 2
    x = math.hypot(scale.real * half.real, scale.imag * half.imag)
    y = math.hypot(scale.imag * half.real, scale.real * half.imag)
    points = np.stack([seen.points[i].real, seen.points[i].imag], 1)
    x, y, middle = float(x), float(y), complex(centre)
    box = (middle.real - x, middle.imag - y, middle.real + x, middle.imag + y)
    return Face(box, points, float(seen.scores[i]), track)


def largest_first(faces: list[Face]) -> list[Face]:
    """Sorted by falling area of the box."""
    return sorted(faces, key=lambda f: (f.box_px[0] - f.box_px[2]) * (f.box_px[3] - f.box_px[1]))


def poses_of(faces: list[Face]) -> Poses:
    """The squares of known faces, from their landmarks."""
    points = np.array([f.landmarks_px for f in faces]).reshape(-1, 5, 2)
    return landmarks.fit(points[..., 0] + 1j * points[..., 1])


def side_px(face: Face) -> float:
    """Geometric mean of the sides of its box."""
    x0, y0, x1, y1 = face.box_px
    return math.sqrt((x1 - x0) * (y1 - y0))


def _from_cascade(found: mtcnn.Found) -> list[Face]:
    rows = zip(found.boxes.tolist(), found.points.astype(np.float64), found.scores.tolist())
    return largest_first([Face((box[0], box[1], box[2], box[3]), points, score) for box, points, score in rows])


def plausible(poses: Poses, image: np.ndarray) -> np.ndarray:
    """Which squares have a size and a centre that a face in this image can have: bool [N]."""
    h, w = image.shape[:2]
    centre, side = poses.centre, poses.side_px
    inside = (abs(centre.real - w / 2) < 0.6 * w + 1) & (abs(centre.imag - h / 2) < 0.6 * h + 1)
    return inside & (side >= 8) & (side <= 2.5 * max(h, w))


def distinct(poses: Poses, quality: np.ndarray, angle_deg: float) -> np.ndarray:
    """Indices, best first, of poses that are not the same place, size and roll (within angle_deg) as a better one."""
    order = np.argsort(-quality, kind="stable")
    centre, side, turn = poses.centre[order], poses.side_px[order], poses.scale[order] / abs(poses.scale[order])
    alive = np.ones(len(order), bool)
    limit = math.cos(math.radians(min(angle_deg, 180))) - 1e-6
    for i in range(len(order)):
        if alive[i]:
            near = abs(centre - centre[i]) < SAME_PLACE * np.maximum(side, side[i])
            alike = np.minimum(side, side[i]) > SAME_SIZE * np.maximum(side, side[i])
            same = near & alike & ((turn * turn[i].conj()).real >= limit)
            same[: i + 1] = False
            alive &= ~same
    return order[alive]
