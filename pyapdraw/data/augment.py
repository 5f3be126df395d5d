"""Portraits with random geometry and light, the same again for the same numbers.

The paper turns its photos by up to 10 degrees and enlarges them by up to a tenth [APD19, section 6]; the published
code adds mirror images. All three happen here as one map a sample, so that nothing is sampled twice; colours, which the
paper leaves alone, are varied because a few dozen portraits hold few lights.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pyapdraw import align
from pyapdraw.data.portraits import Portrait
from pyapdraw.ops import warp_affine


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
        points[align.MIRRORED] if flip else points,
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
