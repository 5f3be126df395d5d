"""Portraits with known landmarks, and pictures made from them."""

from functools import cache

import numpy as np
from PIL import Image


def portraits(shared):
    """[(name, photo uint8 [H,W,3], landmarks float64 [5,2])]: the files count pixels from 1."""
    folder = shared / "data" / "portraits"
    return [_portrait(folder, path.stem) for path in sorted((folder / "photo").glob("*.png"))]


@cache
def _portrait(folder, name):
    photo = np.asarray(Image.open(folder / "photo" / f"{name}.png").convert("RGB"))
    return name, photo, np.loadtxt(folder / "landmarks" / f"{name}.txt") - 1


def rolled(photo, points, degrees, *, expand=True, fill=0):
    """The photo and its points turned clockwise about its centre."""
    h, w = photo.shape[:2]
    image = Image.fromarray(photo).rotate(-degrees, Image.Resampling.BICUBIC, expand=expand, fillcolor=(fill,) * 3)
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    middle = np.array([image.width - 1, image.height - 1]) / 2
    return np.asarray(image), (points - [(w - 1) / 2, (h - 1) / 2]) @ turn.T + middle


def error(found, truth):
    """Mean distance of five points in eye distances."""
    return np.linalg.norm(found - truth, axis=1).mean() / np.linalg.norm(truth[1] - truth[0])


def noisy(image, rng, sigma=4.0):
    return np.clip(image + rng.normal(scale=sigma, size=image.shape), 0, 255).astype(np.uint8)


def placed(photo, points, centre, *, size=(1280, 720), scale=1.0, degrees=0.0):
    """The photo's middle at `centre` of a grey frame of that size, with its points."""
    angle = np.deg2rad(degrees)
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    middle = (np.array(photo.shape[1::-1]) - 1) / 2
    back = np.linalg.inv(turn)
    shift = middle - back @ centre + 0.5 - back @ [0.5, 0.5]  # PIL counts from pixel corners
    data = (*back[0], shift[0], *back[1], shift[1])
    frame = Image.fromarray(photo).transform(
        size, Image.Transform.AFFINE, data, Image.Resampling.BICUBIC, fillcolor=(90, 100, 110)
    )
    return np.asarray(frame), (points - middle) @ turn.T + centre
