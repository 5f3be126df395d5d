"""Samples of system 1: portraits with random geometry and light, the same again for the same seed.

The paper turns its photos by up to 10 degrees and enlarges them by up to a tenth [APD19, section 6]; the published
code adds mirror images. All three happen here as one map a sample, so that nothing is sampled twice; colours, which the
paper leaves alone, are varied because a few dozen portraits hold few lights. What is random depends on seed, epoch and
index only, not on how many workers there are or where a training was resumed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from pyapdraw import align
from pyapdraw.data.portraits import Item, Portrait, Reader
from pyapdraw.errors import BadInput
from pyapdraw.ops import warp_affine
from pyapdraw.style.ink import Ink

MIRRORED = [1, 0, 2, 4, 3]  # the points of a mirrored face in our order


@dataclass(frozen=True)
class Augmentation:
    """Ranges of what is random. turn_deg: rotation either way. scale: of the crop. flip: odds of a mirror image.
    shift: either way, in shares of the side. light: strength of gain, gamma and tint, 0 to 1. noise: most of its
    standard deviation, in levels of 255. grey: odds of a photo without colour."""

    turn_deg: float = 10.0
    scale: tuple[float, float] = (1.0, 1.1)
    flip: float = 0.5
    shift: float = 0.02
    light: float = 0.5
    noise: float = 4.0
    grey: float = 0.1


NONE = Augmentation(turn_deg=0, scale=(1, 1), flip=0, shift=0, light=0, noise=0, grey=0)


class Sample(NamedTuple):
    """Of one portrait, or of a batch with [N] in front. In [-1,1], white = 1."""

    photo: Tensor  # float32 [3,S,S]
    drawing: Tensor  # float32 [1,S,S]
    mask: Tensor  # bool [1,S,S], person
    landmarks: Tensor  # float32 [5,2], px from 0; what the paper's networks take: align.official_landmarks
    item: Tensor  # int64 [], its number
    ink: Tensor  # float32 [1,S,S], what style ink draws of the photo; ones where it was not asked for
    taught: Tensor  # bool [], whether the drawing is that of style ink


class Portraits(Dataset):
    """Items as samples. A portrait without a drawing, or any with teacher="ink", gets the one that style ink makes of
    the augmented photo, jaw lines included: the teacher of the first stage [APD19, section 6].

    Args:
        items: of `portraits.find`.
        size_px: side of a sample.
        augmentation: None: the portraits as they are.
        seed: of everything random.
        teacher: "given" or "ink".
        with_ink: whether samples carry ink's drawing of their photo.

    Raises:
        BadInput: no items, or a file that cannot be read, when its turn comes.
    """

    def __init__(
        self,
        items: Sequence[Item],
        size_px: int = 512,
        augmentation: Augmentation | None = None,
        seed: int = 0,
        teacher: str = "given",
        with_ink: bool = False,
    ) -> None:
        if not items:
            raise BadInput("items: none given, at least one portrait expected")
        if teacher not in ("given", "ink"):
            raise BadInput(f"teacher: {teacher!r} given, one of given, ink expected")
        self.items, self.size_px, self.seed, self.teacher = list(items), size_px, seed, teacher
        self.augmentation, self.with_ink = augmentation or NONE, with_ink
        self._reader = Reader(size_px)
        self._ink = Ink(threads=1)
        self._kept: dict[int, Portrait] = {}

    def __len__(self) -> int:
        return len(self.items)

    def portrait(self, index: int) -> Portrait:
        """The portrait as it was read, kept for the next epochs."""
        if index not in self._kept:
            self._kept[index] = self._reader(self.items[index])
        return self._kept[index]

    def __getitem__(self, at: tuple[int, int]) -> Sample:
        """at: (epoch, index)."""
        epoch, index = at
        portrait = self.portrait(index)
        random = np.random.default_rng([self.seed, epoch, index])
        seen = moved(portrait, self.augmentation, random)
        pixels = relit(seen.pixels, self.augmentation, random)
        taught = seen.drawing is None or self.teacher == "ink"
        drawn = taught or self.with_ink
        ink = np.full(pixels.shape[:2], 255, np.uint8)
        if drawn:
            ink = self._ink.draw_crop(pixels, seen.mask, seen.landmarks_px)
        drawing = ink if taught or seen.drawing is None else seen.drawing
        return Sample(
            torch.from_numpy(pixels.transpose(2, 0, 1).astype(np.float32)) / 127.5 - 1,
            torch.from_numpy(drawing[None].astype(np.float32)) / 127.5 - 1,
            torch.from_numpy(seen.mask[None] >= 128),
            torch.from_numpy(seen.landmarks_px.astype(np.float32)),
            torch.tensor(index),
            torch.from_numpy(ink[None].astype(np.float32)) / 127.5 - 1,
            torch.tensor(taught),
        )


def geometry(size_px: int, augmentation: Augmentation, random: np.random.Generator) -> tuple[np.ndarray, bool]:
    """A map [2,3] within the crop, about the middle of the face, and whether it mirrors."""
    flip = bool(random.random() < augmentation.flip)
    angle = np.deg2rad(random.uniform(-augmentation.turn_deg, augmentation.turn_deg))
    scale = random.uniform(*augmentation.scale)
    shift = random.uniform(-augmentation.shift, augmentation.shift, 2) * size_px
    linear = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    if flip:
        linear = linear @ np.diag([-1.0, 1.0])
    # Mirrored about the middle column, so that a flip alone moves no pixel between columns.
    middle = np.array([(size_px - 1) / 2, align.template(size_px)[2, 1]])
    return np.column_stack([linear, middle + shift - linear @ middle]), flip


def moved(portrait: Portrait, augmentation: Augmentation, random: np.random.Generator) -> Portrait:
    """Photo, drawing, mask and points through one random map; beyond the photo all is white and nobody is."""
    size_px = len(portrait.pixels)
    affine, flip = geometry(size_px, augmentation, random)
    if np.allclose(affine, np.eye(2, 3)):
        return portrait

    def warped(picture: np.ndarray, border: int) -> np.ndarray:
        return warp_affine(picture, affine, size_px, filter="antialias", border=border)

    points = align.transform_points(affine, portrait.landmarks_px)
    return Portrait(
        portrait.name,
        warped(portrait.pixels, 255),
        None if portrait.drawing is None else warped(portrait.drawing, 255),
        warped(portrait.mask, 0),
        points[MIRRORED] if flip else points,
    )


def relit(pixels: np.ndarray, augmentation: Augmentation, random: np.random.Generator) -> np.ndarray:
    """Another light: gamma, gain, tint, noise, now and then without colour. White beyond the photo stays white."""
    strength = augmentation.light
    gamma = np.exp(random.uniform(-0.35, 0.35) * strength)
    gain = np.exp(random.uniform(-0.3, 0.2) * strength)
    tint = np.exp(random.uniform(-0.15, 0.15, 3) * strength)
    without_colour = random.random() < augmentation.grey
    sigma = random.uniform(0, augmentation.noise)
    if strength == 0 and sigma == 0 and not without_colour:
        return pixels
    levels = np.arange(256) / 255
    curve = 255 * (levels**gamma)[:, None] * gain * tint  # [256,3]
    lit = np.take_along_axis(curve.astype(np.float32), pixels.reshape(-1, 3), 0).reshape(pixels.shape)
    if without_colour:
        lit = np.repeat(lit.mean(axis=2, keepdims=True), 3, axis=2)
    if sigma > 0:
        lit = lit + random.standard_normal(lit.shape, np.float32) * np.float32(sigma)
    beyond = (pixels == 255).all(axis=2, keepdims=True)
    return np.where(beyond, 255, np.clip(np.rint(lit), 0, 254)).astype(np.uint8)


def collate(samples: Sequence[Sample]) -> Sample:
    """A batch."""
    return Sample(*(torch.stack(column) for column in zip(*samples)))
