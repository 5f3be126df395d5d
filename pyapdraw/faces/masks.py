"""The person mask: which pixels of a picture belong to people, hair and clothes included.

A network (`selfie`) looks at the whole picture, and a second time at people who fill little of it, at each group of
faces by itself. A guided filter enlarges its answers so that the edges follow those of the picture [He, Sun, Tang:
"Guided Image Filtering", PAMI 2013]. Nothing here needs torch.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pyapdraw import _C
from pyapdraw.errors import BadInput
from pyapdraw.faces.selfie import Selfie
from pyapdraw.ops.composite import composite
from pyapdraw.ops.resize import resize

RADIUS = 4  # of the guided filter, in network pixels: as far as the network's edges are off
EPSILON = 1e-3  # variance of grey that counts as an edge
GAIN = 1.6  # the filter leaves a soft veil where person and background hardly differ: steeper around one half
BELOW = 5  # rows that go on below a picture: who stands in it has no legs down to its edge
ENOUGH = 0.6  # share of the picture beyond which a second look at a person's box sees nothing new
MOST_LOOKS = 6  # at groups of faces, the largest first
# Reach above, below and beside the eyes of the boxes about one of several people, down to the feet and to the hips, and
# of a head; in eye distances along the face.
FIGURE, BODY, HEAD = (4.0, 27.0, 7.0), (4.0, 9.0, 4.5), (3.5, 3.5, 2.5)
MARGIN = 0.08  # of a box's side, over which its answer passes into that of the whole picture
LEAST_SHARE = 1e-3  # of a picture: fewer pixels of people are not looked at again


class PersonMask:
    """Callable: picture uint8 [H,W,3] RGB -> mask uint8 [H,W], 255 = person, 128 and more = rather person than not.

    Safe to call from several threads.
    """

    def __init__(self, threads: int = 0) -> None:
        """threads: most worker threads of a call, 0 for the machine's default. Raises WeightsError."""
        self._network = Selfie(threads)
        self._context = _C.Context(threads)

    def __call__(self, pixels: np.ndarray, faces: Sequence[np.ndarray] = (), again: bool = True) -> np.ndarray:
        """pixels: uint8 [H,W,3], any size. faces: landmarks [5,2] of each face that is known. again: look a second time
        at people who fill little of the picture. Raises BadInput."""
        pixels = _checked(pixels)
        if faces and (turns := _quarter_turns(faces[0])):  # the network knows people who stand
            turned = [_turned(np.asarray(points, np.float64), turns, pixels.shape) for points in faces]
            mask = self(np.ascontiguousarray(np.rot90(pixels, turns)), turned, again)
            return np.ascontiguousarray(np.rot90(mask, -turns))
        height, width = pixels.shape[:2]
        frame = photo_box(pixels)
        odds = self._network(_part(pixels, frame), BELOW)
        mask = self._refined(odds, _part(pixels, frame), (height, width), frame)
        for box in self._boxes(odds, frame, faces) if again else ():
            self._look_again(pixels, frame, box, mask)
        return mask

    def _boxes(self, odds: np.ndarray, frame: Box, faces: Sequence[np.ndarray]) -> list[Box]:
        """What to look at again: where the people are who do not fill most of the picture."""
        there = _person_box(odds, frame)
        if len(faces) > 1:
            reaches = ([_clip(_reach(points, reach), frame) for points in faces] for reach in (FIGURE, BODY))
            boxes = [box for group in reaches for box in _groups(group)[:MOST_LOOKS]]
        elif faces:
            head = _clip(_reach(faces[0], HEAD), frame)
            boxes = [_both(head, there) if there else _clip(_reach(faces[0], BODY), frame)]
        else:
            boxes = [there] if there else []
        return [box for box in boxes if 0 < _area(box) < ENOUGH * _area(frame)]

    def _look_again(self, pixels: np.ndarray, frame: Box, box: Box, mask: np.ndarray) -> None:
        """Puts what the network sees in a box in the place of what it saw of the whole, in `mask`."""
        x0, y0, x1, y1 = box
        near = self._refined(self._network(_part(pixels, box), BELOW), _part(pixels, box), (y1 - y0, x1 - x0))
        part = mask[y0:y1, x0:x1]
        composite(near, _ramps(box, frame), part, out=part)

    def _refined(
        self, odds: np.ndarray, part: np.ndarray, size: tuple[int, int], frame: Box | None = None
    ) -> np.ndarray:
        """The mask uint8 of `size`, whose part `frame` is the picture that log odds [h,w] belong to."""
        mask = np.zeros(size, np.uint8)
        inner = mask if frame is None else _part(mask, frame)
        likely = 1 / (1 + np.exp(-np.clip(odds, -30, 30)))
        _C.guided_upsample(likely, np.ascontiguousarray(part), inner, RADIUS, EPSILON, GAIN, self._context)
        return mask


Box = tuple[int, int, int, int]  # x0, y0, x1, y1, the last two beyond it


def photo_box(pixels: np.ndarray) -> Box:
    """The box of a picture that holds more than the exact white which lies beyond the photo in an aligned crop; the
    whole picture, where that is white altogether."""
    height, width = pixels.shape[:2]
    corners = pixels[[0, 0, -1, -1], [0, -1, 0, -1]]
    if not (corners == 255).all(axis=1).any():
        return 0, 0, width, height
    dark = pixels.min(axis=2) < 255
    rows, columns = np.flatnonzero(dark.any(axis=1)), np.flatnonzero(dark.any(axis=0))
    if not rows.size:
        return 0, 0, width, height
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _quarter_turns(points: np.ndarray) -> int:
    """How often a picture is to be turned to the left by a right angle, until a face of it stands upright."""
    down = np.mean(points[3:], axis=0) - np.mean(points[:2], axis=0)
    return round(float(np.degrees(np.arctan2(down[1], down[0])) - 90) / 90) % 4


def _turned(points: np.ndarray, turns: int, shape: tuple[int, ...]) -> np.ndarray:
    """Where points (x, y) of a picture lie after `turns` of `np.rot90`."""
    height, width = shape[:2]
    for _ in range(turns):
        points, height, width = np.stack([points[:, 1], width - 1 - points[:, 0]], 1), width, height
    return points


def _part(plane: np.ndarray, box: Box) -> np.ndarray:
    x0, y0, x1, y1 = box
    return plane[y0:y1, x0:x1]


def _both(a: Box, b: Box) -> Box:
    """The box about two boxes."""
    return min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])


def _area(box: Box) -> int:
    return max(0, box[2] - box[0]) * max(0, box[3] - box[1])


def _reach(points: np.ndarray, reach: tuple[float, float, float]) -> tuple[float, float, float, float]:
    """The box about a face and what may belong to its person. reach: see BODY."""
    above, below, beside = reach
    points = np.asarray(points, np.float64)
    eyes, mouth = points[:2].mean(axis=0), points[3:].mean(axis=0)
    down = mouth - eyes
    size = max(float(np.hypot(*(points[1] - points[0]))), 0.8 * float(np.hypot(*down)), 1.0)
    down = down / max(float(np.hypot(*down)), 1e-6) * size
    across = np.array([-down[1], down[0]])
    corners = np.array([eyes + v * down + u * across for v in (-above, below) for u in (-beside, beside)])
    return (*corners.min(axis=0), *corners.max(axis=0))


def _clip(box: tuple[float, float, float, float], frame: Box) -> Box:
    x0, x1 = (int(np.clip(round(v), frame[0], frame[2])) for v in (box[0], box[2]))
    y0, y1 = (int(np.clip(round(v), frame[1], frame[3])) for v in (box[1], box[3]))
    return x0, y0, x1, y1


def _groups(boxes: list[Box]) -> list[Box]:
    """Boxes that overlap by much become one; the largest first."""
    left = sorted((box for box in boxes if _area(box)), key=_area, reverse=True)
    found: list[Box] = []
    while left:
        box = left.pop(0)
        for i, other in enumerate(found):
            both = _both(box, other)
            if _area(both) < 1.15 * _area(other) or _area(both) < 0.85 * (_area(box) + _area(other)):
                found.pop(i)
                left.insert(0, both)
                break
        else:
            found.append(box)
    return sorted(found, key=_area, reverse=True)


def _person_box(odds: np.ndarray, frame: Box) -> Box | None:
    """The box about all that is rather person than not, a fifth wider; None: there is next to nothing."""
    there = odds > 0
    if there.mean() < LEAST_SHARE:
        return None
    rows, columns = np.flatnonzero(there.any(axis=1)), np.flatnonzero(there.any(axis=0))
    wide, tall = (frame[2] - frame[0]) / there.shape[1], (frame[3] - frame[1]) / there.shape[0]
    x0, x1 = columns[0] * wide, (columns[-1] + 1) * wide
    y0, y1 = rows[0] * tall, (rows[-1] + 1) * tall
    grow = 0.1 * max(x1 - x0, y1 - y0)
    return _clip((frame[0] + x0 - grow, frame[1] + y0 - grow, frame[0] + x1 + grow, frame[1] + y1 + grow), frame)


def _ramps(box: Box, frame: Box) -> np.ndarray:
    """uint8 [h,w]: 255, falling to 0 towards those edges of the box that lie inside the frame."""
    sides = []
    for low, high, first, last in ((box[1], box[3], frame[1], frame[3]), (box[0], box[2], frame[0], frame[2])):
        at, margin = np.arange(high - low) + 0.5, max(1.0, MARGIN * (high - low))
        start = at / margin if low > first else np.ones(high - low)
        end = at[::-1] / margin if high < last else np.ones(high - low)
        sides.append(np.clip(np.minimum(start, end), 0, 1))
    return np.round(255 * np.outer(*sides)).astype(np.uint8)


def shrunk(mask: np.ndarray, most_px: int) -> np.ndarray:
    """A mask [H,W] with its longer side at most `most_px`."""
    share = min(1.0, most_px / max(mask.shape))
    size = (max(1, round(mask.shape[0] * share)), max(1, round(mask.shape[1] * share)))
    return mask if size == mask.shape else resize(mask, size)


def _checked(pixels: np.ndarray) -> np.ndarray:
    if not isinstance(pixels, np.ndarray):
        raise BadInput(f"pixels: {type(pixels).__name__} given, a picture uint8 [H,W,3] is expected")
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.size == 0:
        raise BadInput(f"pixels: {pixels.dtype} {list(pixels.shape)} given, a picture uint8 [H,W,3] is expected")
    return pixels if pixels.strides[2] == 1 else np.ascontiguousarray(pixels)
