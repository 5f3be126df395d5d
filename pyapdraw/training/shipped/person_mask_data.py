"""Pictures for the person mask: reading, and the augmentation that makes two dozen portraits go far.

Everything is a float32 torch tensor in [0,1], [N,C,H,W], at twice the network's size when stored and at the network's
size after `Augment`. The portraits are aligned, so any two of them can be cut into each other: a person inside
another person's silhouette teaches short hair, a person in front of another one long hair of a second colour.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFilter
from torch import Tensor

from pyapdraw.training.shipped.person_mask_outlines import ASTRONAUT_CROP, OUTLINES

SIZE_PX = 128  # side of the network's input
STORE_PX = 2 * SIZE_PX


@dataclass(frozen=True)
class Portraits:
    """names [N]; photos float32 [N,3,P,P] and masks float32 [N,1,P,P] in [0,1], P = STORE_PX; drawn: mask by hand."""

    names: list[str]
    photos: Tensor
    masks: Tensor
    drawn: list[bool]

    def pick(self, rows: list[int]) -> Portraits:
        """Those of some rows."""
        return Portraits(
            [self.names[i] for i in rows], self.photos[rows], self.masks[rows], [self.drawn[i] for i in rows]
        )


def read_portraits(folder: Path) -> Portraits:
    """Reads portraits/photo/NAME.png with portraits/mask/NAME.png, and every photo that OUTLINES has an outline of.

    Args:
        folder: holds portraits/ and, optionally, pairs/photo/.
    """
    rows = [
        (path.stem, _picture(path), _picture(folder / "portraits" / "mask" / path.name, "L"), False)
        for path in sorted((folder / "portraits" / "photo").glob("*.png"))
    ]
    for name, outline in OUTLINES.items():
        path = folder / "pairs" / "photo" / f"{name}.png"
        photo = _picture(path) if path.is_file() else _astronaut() if name == "astronaut" else None
        if photo is not None:
            rows.append((name, photo, outline_mask(outline), True))
    names, photos, masks, drawn = zip(*rows)
    return Portraits(list(names), torch.stack(photos), torch.stack(masks), list(drawn))


def outline_mask(outline: list[int], canvas_px: int = 512) -> Tensor:
    """float32 [1,P,P] of a closed outline (x, y by turns, pixels of the crop), its edge about as soft as theirs."""
    image = Image.new("L", (canvas_px, canvas_px))
    ImageDraw.Draw(image).polygon(outline, fill=255)
    return picture_tensor(image.filter(ImageFilter.GaussianBlur(3)))


class Augment:
    """Random batches: which portrait, on what, in whose silhouette, in which light, seen how."""

    def __init__(self, portraits: Portraits, weights: Tensor, scenery: Tensor, seed: int) -> None:
        """weights [N]: how often each portrait is taken. scenery [K,3,P,P]: backgrounds to put behind."""
        self.portraits, self.scenery = portraits, scenery
        self.weights = weights
        self.random = torch.Generator().manual_seed(seed)

    def batch(self, count: int) -> tuple[Tensor, Tensor]:
        """Photos [count,3,S,S] and soft masks [count,1,S,S], S = SIZE_PX."""
        rows = torch.multinomial(self.weights, count, replacement=True, generator=self.random)
        scenes = torch.randint(len(self.scenery), (count,), generator=self.random)
        photos, masks = self._warp(self.portraits.photos[rows], self.portraits.masks[rows])
        scenery, _ = self._warp(self.scenery[scenes], None, wild=True)
        photo, mask = self._compose(photos, masks, scenery)
        photo = self._recolour(photo, mask)
        photo = self._see(photo)
        return photo, mask

    # -- shape ---------------------------------------------------------------------------------------------------

    def _warp(self, photos: Tensor, masks: Tensor | None, wild: bool = False) -> tuple[Tensor, Tensor]:
        count = len(photos)
        angle = self._spread(count, 0.12 if not wild else 0.5)
        scale = torch.exp(self._spread(count, 0.09 if not wild else 0.4))
        stretch = torch.exp(self._spread(count, 0.05))
        flip = torch.where(self._chance(count, 0.5), -1.0, 1.0)
        shift = self._spread(2 * count, 0.035 if not wild else 0.4).view(count, 2)
        cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
        matrix = torch.stack(
            [cos * flip * stretch, -sin, shift[:, 0], sin * flip * stretch, cos, shift[:, 1]], dim=1
        ).view(count, 2, 3)
        grid = F.affine_grid(matrix, [count, 3, SIZE_PX, SIZE_PX], align_corners=False)
        bumps = self._normal(count, 2, 5, 5) * 0.03
        bumps = F.interpolate(bumps, size=SIZE_PX, mode="bicubic", align_corners=True)
        grid = grid + bumps.permute(0, 2, 3, 1)
        if masks is None:
            return F.grid_sample(photos, grid, padding_mode="reflection", align_corners=False), photos
        # Outside the photo there is nobody and white, as alignment leaves it, or its last row and column go on.
        planes = torch.cat([photos - 1, masks], dim=1)
        outside = "border" if self._chance(1, 0.5).item() else "zeros"
        planes = F.grid_sample(planes, grid, padding_mode=outside, align_corners=False)
        return (planes[:, :3] + 1).clamp(0, 1), planes[:, 3:]

    # -- who is in front of what -----------------------------------------------------------------------------------

    def _compose(self, photos: Tensor, masks: Tensor, scenery: Tensor) -> tuple[Tensor, Tensor]:
        """Of ten: three as they are, one before another person, two in another's silhouette, four elsewhere."""
        count = len(scenery)
        photo, other = photos, photos.roll(1, 0)
        mask, other_mask = self._crisp(masks), self._crisp(masks.roll(1, 0))
        kind = torch.rand(count, generator=self.random).view(-1, 1, 1, 1)
        cut, behind, plain = kind < 0.17, (kind >= 0.17) & (kind < 0.27), kind >= 0.70
        back = torch.where(behind, self._toned(other) * other_mask + scenery * (1 - other_mask), scenery)
        alpha = torch.where(cut, mask * other_mask, mask)
        composite = photo * alpha + back * (1 - alpha)
        label = torch.where(behind, torch.maximum(mask, other_mask), alpha)
        photo = torch.where(plain, photo, composite)
        label = torch.where(plain, masks, label)
        return photo, label

    def _crisp(self, mask: Tensor) -> Tensor:
        """The masks are softer than hair is: a composite gets a random, steeper edge at a random level."""
        count = len(mask)
        level = (0.5 + self._spread(count, 0.12)).view(-1, 1, 1, 1)
        width = (0.15 + 0.6 * torch.rand(count, generator=self.random)).view(-1, 1, 1, 1)
        width = torch.minimum(width, 2 * torch.minimum(level, 1 - level))  # nobody stays nobody
        return ((mask - level) / width + 0.5).clamp(0, 1)

    # -- colours ---------------------------------------------------------------------------------------------------

    def _recolour(self, photo: Tensor, mask: Tensor) -> Tensor:
        count = len(photo)
        person = self._hair(photo)
        person = self._toned(person)
        clothes = torch.sigmoid((self._rows() - 0.80 - self._spread(count, 0.06).view(-1, 1, 1, 1)) * 40)
        dressed = self._toned(person, strength=2.5)
        person = torch.where(self._chance(count, 0.4).view(-1, 1, 1, 1), person + (dressed - person) * clothes, person)
        behind = self._toned(photo, strength=1.5)
        night = 0.15 + 0.5 * torch.rand(count, 1, 1, 1, generator=self.random)  # dark hair on dark leaves
        behind = torch.where(self._chance(count, 0.15).view(-1, 1, 1, 1), behind * night, behind)
        photo = person * mask + behind * (1 - mask)
        return self._light(photo)

    def _hair(self, photo: Tensor) -> Tensor:
        """Dark parts take a random colour: black hair turns brown, blond, grey or red; light hair turns dark."""
        count = len(photo)
        luma = photo.mean(dim=1, keepdim=True)
        level = (0.38 + self._spread(count, 0.06)).view(-1, 1, 1, 1)
        dark = torch.sigmoid((level - luma) / 0.05)
        base = torch.rand(count, 1, 1, 1, generator=self.random) * 0.75
        warm = torch.rand(count, 1, 1, 1, generator=self.random) * 0.6
        tint = base * torch.cat([torch.ones_like(warm), 1 - 0.45 * warm, 1 - warm], dim=1)
        gain = 0.6 + 1.2 * torch.rand(count, 1, 1, 1, generator=self.random)
        dyed = (photo * gain + tint * 0.8).clamp(0, 1)
        chosen = self._chance(count, 0.4).view(-1, 1, 1, 1)
        return torch.where(chosen, photo + (dyed - photo) * dark, photo)

    def _toned(self, photo: Tensor, strength: float = 1.0) -> Tensor:
        """Gain a channel, gamma, contrast, saturation; three times in ten nothing."""
        count = len(photo)
        gain = torch.exp(self._spread(3 * count, 0.08 * strength).view(count, 3, 1, 1))
        gamma = torch.exp(self._spread(count, 0.2 * strength).view(count, 1, 1, 1))
        before = photo
        photo = (photo * gain).clamp(0.003, 1) ** gamma
        contrast = torch.exp(self._spread(count, 0.12).view(count, 1, 1, 1))
        middle = photo.mean(dim=(1, 2, 3), keepdim=True)
        photo = (photo - middle) * contrast + middle + self._spread(count, 0.04 * strength).view(count, 1, 1, 1)
        grey = photo.mean(dim=1, keepdim=True)
        colourful = torch.exp(self._spread(count, 0.3 * strength)).view(-1, 1, 1, 1)
        toned = (grey + (photo - grey) * colourful).clamp(0, 1)
        return torch.where(self._chance(count, 0.7).view(-1, 1, 1, 1), toned, before)

    def _light(self, photo: Tensor) -> Tensor:
        """Light from one side, a smooth shade, a colour cast over all, sometimes black and white."""
        count = len(photo)
        shade = F.interpolate(self._normal(count, 1, 3, 3) * 0.18, size=SIZE_PX, mode="bicubic", align_corners=True)
        photo = photo * torch.exp(torch.where(self._chance(count, 0.5).view(-1, 1, 1, 1), shade, 0 * shade))
        photo = self._toned(photo.clamp(0, 1), strength=0.5)
        grey = photo.mean(dim=1, keepdim=True)
        cast = torch.exp(self._spread(3 * count, 0.05).view(count, 3, 1, 1))
        return torch.where(self._chance(count, 0.12).view(-1, 1, 1, 1), grey * cast, photo).clamp(0, 1)

    # -- camera ----------------------------------------------------------------------------------------------------

    def _see(self, photo: Tensor) -> Tensor:
        """Blur, noise, blocky chroma, a hidden patch."""
        count = len(photo)
        small = F.interpolate(F.avg_pool2d(photo, 2), scale_factor=2, mode="bilinear", align_corners=False)
        blur = torch.rand(count, 1, 1, 1, generator=self.random) * self._chance(count, 0.4).view(-1, 1, 1, 1)
        photo = photo + (small - photo) * blur
        sharp = photo + (photo - small) * 0.8
        photo = torch.where(self._chance(count, 0.15).view(-1, 1, 1, 1), sharp, photo)
        level = torch.rand(count, 1, 1, 1, generator=self.random) ** 2 * 0.06
        photo = photo + self._normal(*photo.shape) * level
        blocky = F.interpolate(F.avg_pool2d(photo, 4), scale_factor=4, mode="nearest")
        colour = blocky - blocky.mean(dim=1, keepdim=True) + photo.mean(dim=1, keepdim=True)
        photo = torch.where(self._chance(count, 0.2).view(-1, 1, 1, 1), colour, photo)
        for row in torch.nonzero(self._chance(count, 0.2))[:, 0].tolist():
            top, left = torch.randint(SIZE_PX - 32, (2,), generator=self.random).tolist()
            tall, wide = torch.randint(6, 32, (2,), generator=self.random).tolist()
            photo[row, :, top : top + tall, left : left + wide] = torch.rand(3, 1, 1, generator=self.random)
        return photo.clamp(0, 1)

    def _spread(self, count: int, sigma: float) -> Tensor:
        return self._normal(count).clamp(-2.5, 2.5) * sigma

    def _normal(self, *shape: int) -> Tensor:
        return torch.randn(*shape, generator=self.random)

    def _chance(self, count: int, odds: float) -> Tensor:
        return torch.rand(count, generator=self.random) < odds

    @staticmethod
    def _rows() -> Tensor:
        return torch.linspace(0, 1, SIZE_PX).view(1, 1, -1, 1)


def _picture(path: Path, mode: str = "RGB") -> Tensor:
    with Image.open(path) as image:
        return picture_tensor(image.convert(mode))


def _astronaut() -> Tensor | None:
    try:
        from skimage import data
    except ImportError:
        return None
    image = Image.fromarray(data.astronaut())
    crop = image.transform((512, 512), Image.Transform.AFFINE, ASTRONAUT_CROP, Image.Resampling.BILINEAR)
    return picture_tensor(crop)


def picture_tensor(image: Image.Image) -> Tensor:
    """float32 [C,P,P] in [0,1], reduced by averaging."""
    image = image.resize((STORE_PX, STORE_PX), Image.Resampling.BOX)
    pixels = np.asarray(image, np.float32) / 255
    return torch.from_numpy(pixels.reshape(STORE_PX, STORE_PX, -1).transpose(2, 0, 1).copy())
