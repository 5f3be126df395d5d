"""A drawn face for tests of style `ink`: any size, with the mask and landmarks that belong to it."""

from __future__ import annotations

import numpy as np

TEMPLATE_PX = np.array([[201, 247], [311, 247], [256, 312], [207, 371], [305, 371]], np.float64)  # at 512 px


def _ellipse(u, v, cu, cv, ru, rv):
    return ((u - cu) / ru) ** 2 + ((v - cv) / rv) ** 2 < 1


def face(side_px: int = 512, seed: int = 0, noise: float = 2.0):
    """Crop uint8 [S,S,3], mask uint8 [S,S], landmarks float64 [5,2]: head, hair with strands, dark clothes."""
    rng = np.random.default_rng(seed)
    grid = (np.arange(side_px) + 0.5) * 512 / side_px - 0.5
    v, u = np.meshgrid(grid, grid, indexing="ij")
    photo = np.empty((side_px, side_px, 3))
    photo[:] = (150, 160, 175)
    clothes = (v > 470) & (np.abs(u - 256) < 90 + 2.2 * (v - 470))
    hair = _ellipse(u, v, 256, 235, 165, 200) & (v < 400)
    head = _ellipse(u, v, 256, 300, 122, 152)
    neck = (np.abs(u - 256) < 62) & (v > 400) & (v < 490)
    strands = 12 * np.sin(1.1 * u + 3 * np.sin(v / 40))
    photo[hair] = np.stack([60 + strands, 45 + strands, 40 + strands], -1)[hair]
    photo[neck] = (170, 120, 100)
    photo[clothes] = (35, 35, 45)
    photo[head & (v > 170)] = (214, 164, 140)
    for cu in (201, 311):
        photo[_ellipse(u, v, cu, 247, 28, 11)] = (235, 232, 230)
        photo[_ellipse(u, v, cu, 247, 10, 10)] = (50, 40, 40)
        photo[_ellipse(u, v, cu, 214, 40, 7)] = (80, 60, 55)
    photo[_ellipse(u, v, 244, 322, 6, 4) | _ellipse(u, v, 268, 322, 6, 4)] = (90, 50, 45)
    photo[_ellipse(u, v, 256, 372, 49, 12)] = (180, 80, 85)
    photo[(np.abs(v - 371) < 1.5) & (np.abs(u - 256) < 47)] = (80, 30, 35)
    photo += rng.normal(0, noise, photo.shape)
    mask = np.where(hair | head | neck | clothes, 255, 0).astype(np.uint8)
    landmarks_px = (TEMPLATE_PX + 0.5) * side_px / 512 - 0.5
    return np.clip(photo, 0, 255).astype(np.uint8), mask, landmarks_px


def figure(height: int, width: int, seed: int = 0):
    """Picture uint8 [H,W,3], mask, landmarks: the head of `face`, two fifths of the width, above a light shirt and dark
    trousers with a fold."""
    rng = np.random.default_rng(seed)
    side = max(16, round(0.8 * width))
    head, head_mask, landmarks_px = face(side, seed)
    left = (width - side) // 2
    v, u = np.mgrid[:height, :width] * 512 / side
    u = u - 256 * width / side
    pixels = np.empty((height, width, 3))
    pixels[:] = (150, 160, 175)
    body = (v > 440) & (np.abs(u) < 190)
    pixels[body] = (205, 200, 190)
    pixels[body & (np.abs(v - 560 - 0.3 * u) < 5)] = (150, 145, 140)
    pixels[body & (v > 700)] = (40, 42, 50)
    pixels += rng.normal(0, 2, pixels.shape)
    pixels = np.clip(pixels, 0, 255).astype(np.uint8)
    mask = np.where(body, 255, 0).astype(np.uint8)
    rows = min(height, round(440 * side / 512))
    pixels[:rows, left : left + side] = head[:rows]
    mask[:rows, left : left + side] = head_mask[:rows]
    return pixels, mask, landmarks_px + np.array([left, 0])
