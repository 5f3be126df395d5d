"""What stands behind persons in training: the portraits' own backgrounds, textures, and drawn walls, rooms and gardens.

All float32 [3,P,P] in [0,1], P = STORE_PX. Leaves and flowers are most of it, because two dozen portraits hold too few
of them: a network that has seen little but walls takes every busy background for hair.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFilter
from torch import Tensor

from pyapdraw.training.shipped.person_mask_data import STORE_PX, Portraits, picture_tensor

# Public-domain pictures that scikit-image brings; the first four are grey and take two colours.
TEXTURES = ("brick", "grass", "gravel", "moon", "coffee", "chelsea", "rocket", "hubble_deep_field")
GREY_TEXTURES = 4


def backgrounds(portraits: Portraits, count: int, seed: int) -> Tensor:
    """float32 [K,3,P,P]: own backgrounds, the person filled in or torn to patches; textures; `count` drawn ones."""
    generator = torch.Generator().manual_seed(seed)
    keep = (portraits.masks < 0.03).float()
    keep = -F.max_pool2d(-keep, 9, stride=1, padding=4)  # away from soft edges and loose hair
    scenes = list(_filled(portraits.photos, keep))
    for photo, free in zip(portraits.photos, keep):
        scenes += _patchworks(photo, free[0], 3, generator)
    scenes += _textures(generator)
    scenes += [_drawn(i, generator) for i in range(count)]
    return torch.stack(scenes)


def _filled(photos: Tensor, keep: Tensor) -> Tensor:
    """Fills what is not kept from coarser and coarser averages of what is (pull-push over a pyramid of halves)."""
    levels = [(photos * keep, keep)]
    while levels[-1][0].shape[-1] > 1:
        levels.append((F.avg_pool2d(levels[-1][0], 2), F.avg_pool2d(levels[-1][1], 2)))
    filled = levels[-1][0] / levels[-1][1].clamp_min(1e-6)
    for colour, weight in reversed(levels[:-1]):
        filled = F.interpolate(filled, size=colour.shape[-1], mode="bilinear", align_corners=False)
        known = (weight * 4).clamp(max=1)
        filled = filled * (1 - known) + colour / weight.clamp_min(1e-6) * known
    return filled.clamp(0, 1)


def _patchworks(photo: Tensor, free: Tensor, count: int, generator: torch.Generator) -> list[Tensor]:
    """Backgrounds of square patches of the photo where nobody is, soft at their seams; none if there is no room."""
    for side in (96, 64, 40):
        fits = -F.max_pool2d(-free[None, None], side, stride=4)[0, 0]
        places = torch.nonzero(fits > 0) * 4
        if len(places) >= 8:
            break
    else:
        return []
    made = []
    for _ in range(count):
        zoom = 1 + 1.5 * torch.rand(1, generator=generator).item()
        wide = int(side * zoom) // 4 * 4
        ramp = torch.sin((torch.arange(wide) + 0.5) / wide * math.pi)
        window = ramp[:, None] * ramp[None, :] + 1e-3
        total, weight = torch.zeros(3, STORE_PX + wide, STORE_PX + wide), torch.zeros(STORE_PX + wide, STORE_PX + wide)
        for top in range(0, STORE_PX + 1, 3 * wide // 4):
            for left in range(0, STORE_PX + 1, 3 * wide // 4):
                y, x = places[int(torch.randint(len(places), (1,), generator=generator))].tolist()
                patch = photo[:, y : y + side, x : x + side]
                if torch.rand(1, generator=generator).item() < 0.5:
                    patch = patch.flip(2)
                patch = F.interpolate(patch[None], size=wide, mode="bilinear", align_corners=False)[0]
                total[:, top : top + wide, left : left + wide] += patch * window
                weight[top : top + wide, left : left + wide] += window
        inner = slice(wide // 8, wide // 8 + STORE_PX)
        made.append((total / weight.clamp_min(1e-6))[:, inner, inner])
    return made


def _textures(generator: torch.Generator) -> list[Tensor]:
    try:
        from skimage import data
    except ImportError:
        return []
    squares = []
    for i, name in enumerate(TEXTURES):
        image = Image.fromarray(getattr(data, name)()).convert("RGB")
        for _ in range(4):
            side = int(min(image.size) * (0.3 + 0.7 * torch.rand(1, generator=generator).item()))
            left = int(torch.randint(image.width - side + 1, (1,), generator=generator).item())
            top = int(torch.randint(image.height - side + 1, (1,), generator=generator).item())
            square = picture_tensor(image.crop((left, top, left + side, top + side)))
            if i < GREY_TEXTURES:
                dark, light = _hue(generator) * 0.3, _hue(generator)
                square = dark + (light - dark) * square
            squares.append(square)
    return squares


def _drawn(index: int, generator: torch.Generator) -> Tensor:
    """[3,P,P]: by turns a wall, a fading wall, clouds, blurred lights, blocks like rooms and streets, gardens."""
    first, second = torch.rand(2, 3, 1, 1, generator=generator)
    if index % 3 == 0:  # studio walls are light or dark rather than colourful
        first = first.mean() + 0.2 * (first - first.mean())
        second = first + 0.3 * (second - 0.5)
    kind = index % 8
    if kind == 0:
        weight = torch.zeros(1, STORE_PX, STORE_PX)
    elif kind == 1:
        ramp = torch.rand(1, 1, 2, 2, generator=generator)
        weight = F.interpolate(ramp, size=STORE_PX, mode="bilinear", align_corners=True)[0]
    elif kind == 2:
        weight = _clouds(generator)
    elif kind < 5:
        return _shapes(kind == 3, first, second, generator)
    else:
        return _garden(generator)
    return (first + (second - first) * weight).clamp(0, 1)


def _clouds(generator: torch.Generator) -> Tensor:
    weight = torch.zeros(1, STORE_PX, STORE_PX)
    side, roughness, amplitude = 2, 0.4 + 0.5 * torch.rand(1, generator=generator).item(), 0.5
    while side <= STORE_PX:
        noise = torch.randn(1, 1, side, side, generator=generator) * amplitude
        weight = weight + F.interpolate(noise, size=STORE_PX, mode="bicubic", align_corners=True)[0]
        side, amplitude = side * 2, amplitude * roughness
    return torch.sigmoid(2 * weight)


def _shapes(lights: bool, first: Tensor, second: Tensor, generator: torch.Generator) -> Tensor:
    image = Image.new("RGB", (STORE_PX, STORE_PX), _colour(first))
    draw = ImageDraw.Draw(image)
    for _ in range(40 if lights else 14):
        x, y, wide, tall = torch.rand(4, generator=generator).tolist()
        colour = second.flatten().lerp(torch.rand(3, generator=generator), 0.6)
        x, y = (x * 1.2 - 0.2) * STORE_PX, (y * 1.2 - 0.2) * STORE_PX
        if lights:
            radius = (0.02 + 0.08 * wide) * STORE_PX
            draw.ellipse([x, y, x + radius, y + radius], fill=_colour(colour))
        else:
            draw.rectangle([x, y, x + wide**2 * STORE_PX, y + tall * STORE_PX], fill=_colour(colour))
    return _blurred(image, 6, generator)


def _garden(generator: torch.Generator) -> Tensor:
    """Leaves over leaves from dark to light, in one or two hues, with clusters of petals or without."""
    leaf, petal = _hue(generator), _hue(generator)
    if torch.rand(1, generator=generator).item() < 0.6:
        leaf = torch.tensor([0.35, 0.7, 0.2]).view(3, 1, 1).lerp(leaf, 0.25)
    image = Image.new("RGB", (STORE_PX, STORE_PX), _colour(leaf * 0.15))
    draw = ImageDraw.Draw(image)
    size, light = (
        0.04 + 0.14 * torch.rand(1, generator=generator).item(),
        0.4 + 0.8 * torch.rand(1, generator=generator).item(),
    )
    leaves = min(int(3 / size**2), 450)
    for i in range(leaves):
        shade = light * (0.25 + 0.75 * i / leaves) * (0.6 + 0.7 * torch.rand(1, generator=generator).item())
        tint = leaf + 0.12 * torch.randn(3, 1, 1, generator=generator)
        _leaf(draw, torch.rand(2, generator=generator) * STORE_PX, size, _colour(tint * shade), generator)
    for _ in range(int(torch.randint(0, 10, (1,), generator=generator).item())):
        middle = torch.rand(2, generator=generator) * STORE_PX
        for _ in range(12):
            at = middle + torch.randn(2, generator=generator) * size * 0.4 * STORE_PX
            shade = 0.6 + 0.6 * torch.rand(1, generator=generator).item()
            tint = petal + 0.08 * torch.randn(3, 1, 1, generator=generator)
            _leaf(draw, at, size * 0.6, _colour(tint * shade), generator)
    return _blurred(image, 4, generator)


def _leaf(
    draw: ImageDraw.ImageDraw, middle: Tensor, size: float, fill: tuple[int, ...], generator: torch.Generator
) -> None:
    length, width, angle = torch.rand(3, generator=generator).tolist()
    length, width = size * (0.5 + length) * STORE_PX / 2, 0.25 + 0.4 * width
    along = torch.tensor([math.cos(angle * 7), math.sin(angle * 7)])
    across = torch.tensor([-along[1], along[0]])
    outline = []
    for k in range(10):
        turn = 2 * math.pi * k / 10
        point = middle + length * (
            math.cos(turn) * along + width * math.sin(turn) * abs(math.sin(turn)) ** 0.5 * across
        )
        outline.append(tuple(point.tolist()))
    draw.polygon(outline, fill=fill)


def _hue(generator: torch.Generator) -> Tensor:
    """A clear colour [3,1,1]: its strongest channel 0.7 to 1."""
    colour = torch.rand(3, 1, 1, generator=generator)
    return colour / colour.max() * (0.7 + 0.3 * torch.rand(1, generator=generator).item())


def _blurred(image: Image.Image, most_px: float, generator: torch.Generator) -> Tensor:
    radius_px = most_px * torch.rand(1, generator=generator).item() ** 2
    return picture_tensor(image.filter(ImageFilter.GaussianBlur(radius_px)))


def _colour(value: Tensor) -> tuple[int, ...]:
    return tuple(int(v * 255) for v in value.flatten().clamp(0, 1))
