"""Samples of system 1: portraits with random geometry and light (`data.augment`), the same again for the same seed.

What is random depends on seed, epoch and index only, not on how many workers there are or where a training was resumed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from pyapdraw.data.augment import NONE, Augmentation, moved, relit
from pyapdraw.data.portraits import Item, Portrait, Reader
from pyapdraw.errors import BadInput
from pyapdraw.faces.detector import Face
from pyapdraw.style.apdrawing import START
from pyapdraw.style.base import Tools
from pyapdraw.style.ink import Ink


class Sample(NamedTuple):
    """Of one portrait, or of a batch with [N] in front. In [-1,1], white = 1."""

    photo: Tensor  # float32 [3,S,S]
    drawing: Tensor  # float32 [1,S,S]
    mask: Tensor  # bool [1,S,S], person
    landmarks: Tensor  # float32 [5,2], px from 0; what the paper's networks take: align.official_landmarks
    item: Tensor  # int64 [], its number
    ink: Tensor  # float32 [1,S,S], what style ink draws of the photo, pen and all; ones where it was not asked for
    taught: Tensor  # bool [], whether the drawing is that of style ink


class Portraits(Dataset):
    """Items as samples. A portrait without a drawing, or any with teacher="ink", gets the one that style ink makes of
    the augmented photo, with jaw lines and the pen's eyes and mouths: the teacher of the first stage [APD19, section
    6].

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
        self._ink, self._tools = Ink(options=START, threads=1), Tools()
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
            (x0, y0), (x1, y1) = seen.landmarks_px.min(axis=0), seen.landmarks_px.max(axis=0)
            points = self._tools.points(pixels, Face((x0, y0, x1, y1), seen.landmarks_px, 1.0))
            ink = self._ink.draw_crop(pixels, seen.mask, seen.landmarks_px, points)
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


def collate(samples: Sequence[Sample]) -> Sample:
    """A batch."""
    return Sample(*(torch.stack(column) for column in zip(*samples)))
