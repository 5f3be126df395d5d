"""Slow float64 definitions of the measurements behind style `ink` (csrc/cpu/ink_*.cpp), from its tone plane."""

from __future__ import annotations

import numpy as np


def blur(plane: np.ndarray, sigma_px: float) -> np.ndarray:
    """Gaussian truncated at 2.5 sigma, edge pixels repeated; none below 0.2 px."""
    if sigma_px < 0.2:
        return plane
    radius = int(np.ceil(2.5 * sigma_px))
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma_px) ** 2)
    weights /= weights.sum()
    for axis in (0, 1):
        wide = np.pad(plane, [(radius, radius) if a == axis else (0, 0) for a in (0, 1)], mode="edge")
        plane = sum(w * np.take(wide, range(i, i + plane.shape[axis]), axis) for i, w in enumerate(weights))
    return plane


def reduce_cells(plane: np.ndarray, factor: int) -> np.ndarray:
    """Mean of each factor x factor cell; cells at the far edges may be smaller."""
    size = -(-plane.shape[0] // factor)
    out = np.empty((size, size))
    for y in range(size):
        for x in range(size):
            out[y, x] = plane[y * factor : (y + 1) * factor, x * factor : (x + 1) * factor].mean()
    return out


def tensor(tone: np.ndarray, fine_px: float, tensor_px: float, factor: int) -> np.ndarray:
    """Smoothed structure tensor [low,low,2,2] of a tone plane on the grid reduced by `factor`."""
    wide = np.pad(blur(tone, fine_px), 1, mode="edge")
    n = tone.shape[0]
    at = {(i, j): wide[1 + i : 1 + i + n, 1 + j : 1 + j + n] for i in (-1, 0, 1) for j in (-1, 0, 1)}
    gx = sum(w * (at[i, 1] - at[i, -1]) for i, w in ((-1, 1), (0, 2), (1, 1))) / 8
    gy = sum(w * (at[1, j] - at[-1, j]) for j, w in ((-1, 1), (0, 2), (1, 1))) / 8
    xx, xy, yy = (blur(reduce_cells(p, factor), tensor_px / factor) for p in (gx * gx, gx * gy, gy * gy))
    return np.stack([np.stack([xx, xy], -1), np.stack([xy, yy], -1)], -2)


def tangent(tensors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvector of the smaller eigenvalue [low,low,2] and the coherence (l1 - l2) / (l1 + l2)."""
    values, vectors = np.linalg.eigh(tensors)
    total = values.sum(-1)
    return vectors[..., 0], (values[..., 1] - values[..., 0]) / np.where(total > 0, total, 1)


def along_flow(
    plane: np.ndarray, tx: np.ndarray, ty: np.ndarray, sigma: float, step_px: float, pixel: tuple[int, int]
) -> float:
    """Gaussian mean along the tangent through one pixel: Euler steps to both sides, bilinear samples."""
    steps = min(int(2 * sigma + 0.5), 7)
    limit = plane.shape[0] - 1.001
    total, weights = plane[pixel], 1.0
    for sign in (1, -1):
        x, y = min(float(pixel[1]), limit), min(float(pixel[0]), limit)
        dx, dy = sign * tx[pixel], sign * ty[pixel]
        for i in range(1, steps + 1):
            x, y = np.clip(x + step_px * dx, 0, limit), np.clip(y + step_px * dy, 0, limit)
            ix, iy = int(x), int(y)
            fx, fy = x - ix, y - iy
            top = plane[iy, ix] * (1 - fx) + plane[iy, ix + 1] * fx
            bottom = plane[iy + 1, ix] * (1 - fx) + plane[iy + 1, ix + 1] * fx
            weight = np.exp(-0.5 * (i / sigma) ** 2)
            total, weights = total + weight * (top * (1 - fy) + bottom * fy), weights + weight
            cell = (int(y + 0.5), int(x + 0.5))
            turn = -1 if tx[cell] * dx + ty[cell] * dy < 0 else 1
            dx, dy = turn * tx[cell], turn * ty[cell]
    return total / weights


def strand_mean(tone: np.ndarray, skin: np.ndarray, mask: np.ndarray, dark: float, sigma_px: float) -> np.ndarray:
    """Mean log tone in a Gaussian window, weighted with person and not skin."""
    weight = (1 - skin) * (0.04 + mask / 255) + 0.001
    return blur(weight * np.log(tone + dark), sigma_px) / blur(weight, sigma_px)


def dark_line(smooth: np.ndarray, sigma_px: float) -> np.ndarray:
    """Difference of Gaussians, positive on dark lines, not yet relative to the skin."""
    return blur(smooth, sigma_px) - smooth
