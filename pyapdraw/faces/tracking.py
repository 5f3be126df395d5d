"""Faces through time: the same number for the same person, and landmarks that rest when the head rests.

A known face costs one look of O-net at the square where it is expected, so no search is needed on most frames; every
few frames one direction of the picture is searched for new faces. Landmarks pass the One-Euro filter (Casiez, Roussel,
Vogel, "1 Euro Filter", CHI 2012), which smooths slow points strongly and fast ones hardly at all. A cut is told from
motion by the faces themselves: a patch of the same face correlates with the frame before by more than 0.99, one of
another person by less than 0.93.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np

from pyapdraw import _C
from pyapdraw.faces import landmarks
from pyapdraw.faces.detector import (
    Detector,
    Face,
    Search,
    check_image,
    distinct,
    face_of,
    largest_first,
    plausible,
    side_px,
)
from pyapdraw.faces.landmarks import Look, Poses
from pyapdraw.faces.mtcnn import OUTPUT_PX, Nets

SEARCH_EVERY = 4  # frames between searches for new faces, each in one direction and for half of the sizes
IDLE_TURNS_DEG = (0, 90, 0, 270, 0, 180)  # searched one a frame while no face is known
EXTRA_TURNS_DEG = (0, 0, 90, 0, 270, 0, 180)  # and beside known ones, counted from the roll of the largest
HOLD_S = 0.25  # how long a face that is not seen stays
KEEP_SCORE, KEEP_SPREAD = 0.6, 0.1  # laxer than detection: hands and turns of the head
SAME_PERSON, SAME_IN_CUT = 0.9, 0.96  # correlation of patches in a changed picture, and where all else says cut
CHANGED, LOOKS_ALIKE = 12.0, 0.8  # thumbnails: mean difference of 255, correlation
STEADY_DT_S, MOST_DT_S = 1 / 30, 1e3  # the first is taken where times do not rise, or jump by the second
AHEAD_S = 0.1  # how far motion is foreseen
PATCH_PX = 12
NOWHERE = landmarks.TEMPLATE - 1e9  # the points of no face
MANY = 4  # with more faces than this, each gets two squares a frame instead of four


class OneEuro:
    """The filter for points in the plane (complex numbers, px); each point has its own speed.

    min_cutoff_hz: cut-off of a resting point. beta: Hz of cut-off gained per px/s; the lag of fast motion is
    1 / (2 pi beta) px. speed_cutoff_hz: smoothing of the speed itself.
    """

    def __init__(self, min_cutoff_hz: float = 0.8, beta: float = 0.16, speed_cutoff_hz: float = 4.0) -> None:
        self.min_cutoff_hz, self.beta, self.speed_cutoff_hz = min_cutoff_hz, beta, speed_cutoff_hz
        self.value: np.ndarray | None = None
        self.speed: np.ndarray | None = None

    def __call__(self, points: np.ndarray, dt_s: float) -> np.ndarray:
        """Filtered points. points: complex [L]; dt_s: seconds since the call before."""
        if self.value is None or self.speed is None:
            self.value, self.speed = points.copy(), np.zeros_like(points)
            return self.value
        share = _share(self.speed_cutoff_hz, dt_s)
        self.speed = self.speed + share * ((points - self.value) / dt_s - self.speed)
        share = _share(self.min_cutoff_hz + self.beta * abs(self.speed), dt_s)
        self.value = self.value + share * (points - self.value)
        return self.value


def _share(cutoff_hz, dt_s: float):
    """Weight of a new sample in an exponential filter: 1 / (1 + tau / dt)."""
    rate = 2 * math.pi * cutoff_hz * dt_s
    return rate / (1 + rate)


@dataclass
class Track:
    """One person. points, speed: complex [5], as measured, px and px/s; patch: normalised [144]."""

    number: int
    points: np.ndarray
    face: Face
    filter: OneEuro
    patch: np.ndarray
    speed: np.ndarray = field(default_factory=lambda: np.zeros(5, np.complex128))
    box: np.ndarray = field(default_factory=lambda: np.zeros(4))  # in crop px of the fitted pose
    unseen_s: float = 0.0


class Tracker:
    """Follows the faces of one video, one frame after the other. Not for several threads at once.

    Args:
        detector: whose nets and least face size are used; default a new one.
        search_every: frames between searches for new faces.
        hold_s: seconds that a face which is not seen any more is still reported, where it was last.
    """

    def __init__(
        self, detector: Detector | None = None, *, search_every: int = SEARCH_EVERY, hold_s: float = HOLD_S
    ) -> None:
        self.detector = detector or Detector()
        self.search_every = max(1, search_every)
        self.hold_s = hold_s
        self._next = 0
        self.dt_s = STEADY_DT_S  # between the last two frames
        self.reset()

    def reset(self) -> None:
        """Forgets all faces; the next frame is searched in all directions. Numbers are not used again."""
        self.tracks: list[Track] = []
        self._time_s: float | None = None
        self._thumb: np.ndarray | None = None
        self._shape: tuple[int, ...] = ()
        self._frames = 0

    def update(self, rgb: np.ndarray, time_s: float) -> list[Face]:
        """Faces of the next frame, largest first, each with its `track`.

        rgb: uint8 [H,W,3] or grey [H,W]; time_s: its presentation time, seconds. Raises BadInput for another array.
        """
        image = check_image(rgb)
        dt_s = STEADY_DT_S if self._time_s is None else time_s - self._time_s
        if not 0 < dt_s < MOST_DT_S:
            dt_s = STEADY_DT_S
        if image.shape != self._shape:
            self.reset()
            self._shape = image.shape
        self.dt_s = dt_s
        changed, cut = self._compare(image)
        alike = SAME_IN_CUT if cut else SAME_PERSON if changed else -1.0
        fresh = self._time_s is None
        self._time_s = time_s
        lost = self._follow(image, dt_s, alike)
        if cut and lost:
            self.tracks = [t for t in self.tracks if t.unseen_s == 0]
            fresh = not self.tracks
        self._search(image, fresh or (cut and not self.tracks), lost)
        self.tracks = [t for t in self.tracks if t.unseen_s <= self.hold_s]
        self._frames += 1
        return largest_first([t.face for t in self.tracks])

    def _compare(self, image: np.ndarray) -> tuple[bool, bool]:
        """Whether the picture changed much since the frame before, and whether it did as a cut does."""
        coarse = image[:: max(1, image.shape[0] // 90), :: max(1, image.shape[1] // 160)]
        out = np.empty((1, 9, 16, 3), np.float32)
        _C.crop_area(coarse, np.array([[0, 0, coarse.shape[1], coarse.shape[0]]], np.int32), out)
        before, self._thumb = self._thumb, out.ravel()
        if before is None or float(abs(self._thumb - before).mean()) <= CHANGED:
            return False, False
        a, b = self._thumb - self._thumb.mean(), before - before.mean()
        return True, float(a @ b) < LOOKS_ALIKE * float(np.linalg.norm(a) * np.linalg.norm(b))

    def _follow(self, image: np.ndarray, dt_s: float, alike: float) -> bool:
        """Looks for every known face where it is expected, as alike as that; returns whether one is not there."""
        if not self.tracks:
            return False
        nets = self.detector.nets
        poses = landmarks.fit(np.stack([t.points + t.speed * min(dt_s, AHEAD_S) for t in self.tracks]))
        squares = landmarks.FOUR if len(self.tracks) <= MANY else landmarks.TWO
        seen = landmarks.look(nets, landmarks.sources(nets, image, poses), poses, squares)
        fitted = landmarks.fit(seen.points)
        good = (seen.scores >= KEEP_SCORE) & (seen.spread <= KEEP_SPREAD) & plausible(fitted, image)
        alone = set(distinct(fitted, seen.scores - 1e-3 * np.arange(len(fitted)), angle_deg=180).tolist())
        patches = _patches(nets, image, fitted)
        for i, track in enumerate(self.tracks):
            same = float(track.patch @ patches[i]) >= alike
            if good[i] and same and i in alone:
                self._renew(track, seen, poses, i, patches[i], dt_s + track.unseen_s)
            else:
                track.unseen_s += dt_s
        return any(t.unseen_s > 0 for t in self.tracks)

    def _renew(self, track: Track, seen: Look, poses: Poses, i: int, patch: np.ndarray, dt_s: float) -> None:
        """Takes one answer into a track: measured points, speed, and the filtered face that is reported."""
        points = seen.points[i]
        jump = abs(points.mean() - track.points.mean()) > poses.side_px[i]
        track.speed = np.full(5, (0 if jump else (points - track.points).mean() / dt_s), np.complex128)
        track.points, track.patch, track.unseen_s = points, patch, 0.0
        fitted = landmarks.fit(points[None])
        box = _rebase(seen.box[i], poses[i : i + 1], fitted)
        track.box = box if not track.box.any() else track.box + 0.2 * (box - track.box)
        smooth = track.filter(points, dt_s)[None]
        answer = Look(smooth, seen.scores[i : i + 1], seen.spread[i : i + 1], track.box[None])
        track.face = face_of(answer, landmarks.fit(smooth), 0, track.number)

    def _search(self, image: np.ndarray, fresh: bool, lost: bool) -> None:
        """Looks for new faces where it is time to: everywhere at the start and after a cut, else in one direction."""
        detector, smallest = self.detector, self.detector.smallest_px(image)
        known = landmarks.fit(np.stack([t.points for t in self.tracks if t.unseen_s == 0] or [NOWHERE]))
        if fresh:
            found = detector.detect(image)
        elif not self.tracks:
            turn_deg = IDLE_TURNS_DEG[self._frames % len(IDLE_TURNS_DEG)]
            found = detector.search(image, Search(smallest, (turn_deg,)))
        elif lost or self._frames % self.search_every == 0:
            largest = max(self.tracks, key=lambda t: abs(t.points[0] - t.points[4]))
            roll_deg = math.degrees(np.angle(landmarks.fit(largest.points[None]).scale[0]))
            count = self._frames // self.search_every
            extra = 0 if lost else EXTRA_TURNS_DEG[count // 2 % len(EXTRA_TURNS_DEG)]
            turn_deg = (round(roll_deg / 90) * 90 + extra) % 360
            levels = (0, None) if lost else ((0, 1), (1, None))[count % 2]
            if extra:
                smallest = max(smallest, side_px(largest.face) / 2)
            found = detector.search(image, Search(smallest, (turn_deg,), levels=levels), known)
        else:
            return
        self._take(image, found)

    def _take(self, image: np.ndarray, found: list[Face]) -> None:
        """Gives found faces to the unseen track at their place that they look like, or a new number."""
        if not found:
            return
        points = np.stack([f.landmarks_px[:, 0] + 1j * f.landmarks_px[:, 1] for f in found])
        poses = landmarks.fit(points)
        patches = _patches(self.detector.nets, image, poses)
        for i, face in enumerate(found):
            unseen = [t for t in self.tracks if t.unseen_s > 0]
            near = [t for t in unseen if abs(t.points.mean() - poses.centre[i]) < poses.side_px[i]]
            for track in near:
                if float(track.patch @ patches[i]) >= SAME_PERSON:
                    track.points, track.patch, track.unseen_s = points[i], patches[i], 0.0
                    track.speed, track.filter = np.zeros(5, np.complex128), OneEuro()
                    track.face = replace(face, track=track.number)
                    track.filter(points[i], STEADY_DT_S)
                    break
            else:
                track = Track(self._next, points[i], replace(face, track=self._next), OneEuro(), patches[i])
                track.filter(points[i], STEADY_DT_S)
                self.tracks.append(track)
                self._next += 1


def _patches(nets: Nets, image: np.ndarray, poses: Poses) -> np.ndarray:
    """Small upright pictures of the faces, float32 [N,432], zero mean and unit length, to compare by their product."""
    crops = np.empty((len(poses), PATCH_PX, PATCH_PX, image.shape[2]), np.float32)
    for n, source in enumerate(landmarks.sources(nets, image, poses)):
        scale = poses.scale[n] * OUTPUT_PX / PATCH_PX
        corner = poses.centre[n] - scale * (PATCH_PX - 1) / 2 * (1 + 1j) - source.corner
        to_image = np.array([[[scale.real, -scale.imag, corner.real], [scale.imag, scale.real, corner.imag]]])
        nets.warp(source.image, to_image / source.shrink, crops[n : n + 1])
    flat = crops.reshape(len(crops), -1)
    flat -= flat.mean(axis=1, keepdims=True)
    return flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)


def _rebase(box: np.ndarray, old: Poses, new: Poses) -> np.ndarray:
    """A box in crop px of one pose, in crop px of another of nearly the same roll. Both hold one pose."""
    ratio = abs(old.scale[0]) / abs(new.scale[0])
    centre = old.scale[0] * complex(box[0] + box[2], box[1] + box[3]) / 2 + old.shift[0]
    centre = (centre - new.shift[0]) / new.scale[0]
    half = (box[2] - box[0]) / 2 * ratio, (box[3] - box[1]) / 2 * ratio
    return np.array([centre.real - half[0], centre.imag - half[1], centre.real + half[0], centre.imag + half[1]])
