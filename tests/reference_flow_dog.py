"""The slow definition of flow_dog: float64, the steps of its docstring one after the other."""

import numpy as np
from reference_ink import blur


def reduce_cells(plane: np.ndarray, factor: int) -> np.ndarray:
    """Mean of each factor x factor cell; cells at the far edges may be smaller."""
    if factor == 1:
        return plane
    h, w = (-(-n // factor) for n in plane.shape)
    cells = [[plane[y * factor : (y + 1) * factor, x * factor : (x + 1) * factor] for x in range(w)] for y in range(h)]
    return np.array([[c.mean() for c in row] for row in cells])


def tensors(picture: np.ndarray, tensor_px: float, factor: int) -> np.ndarray:
    """Smoothed structure tensor [h,w,2,2] of a picture on the grid reduced by `factor`."""
    h, w = picture.shape
    wide = np.pad(picture, 1, mode="edge")
    at = {(i, j): wide[1 + i : 1 + i + h, 1 + j : 1 + j + w] for i in (-1, 0, 1) for j in (-1, 0, 1)}
    gx = sum(k * (at[i, 1] - at[i, -1]) for i, k in ((-1, 1), (0, 2), (1, 1))) / 8
    gy = sum(k * (at[1, j] - at[-1, j]) for j, k in ((-1, 1), (0, 2), (1, 1))) / 8
    xx, xy, yy = (blur(reduce_cells(p, factor), tensor_px / factor) for p in (gx * gx, gx * gy, gy * gy))
    return np.stack([np.stack([xx, xy], -1), np.stack([xy, yy], -1)], -2)


def tangents(tensor: np.ndarray) -> np.ndarray:
    """Eigenvector of the smaller eigenvalue, [h,w,2] (x, y)."""
    return np.linalg.eigh(tensor)[1][..., 0]


def coherence(tensor: np.ndarray) -> np.ndarray:
    """(l1 - l2) / (l1 + l2): 1 where there is one direction only."""
    values = np.linalg.eigvalsh(tensor)
    total = values.sum(-1)
    return (values[..., 1] - values[..., 0]) / np.where(total > 0, total, 1)


def along(picture: np.ndarray, tangent: np.ndarray, sigma: float, factor: int) -> np.ndarray:
    """Gaussian mean along the tangents: Euler steps of 1 px to both sides, bilinear samples."""
    if sigma < 0.3:
        return picture
    h, w = picture.shape
    steps = min(int(2 * sigma + 0.5), 7)
    most = (w - 1.001, h - 1.001)
    total, weights = picture.copy(), 1.0
    start = [np.minimum(g, m) for g, m in zip(np.meshgrid(np.arange(w) * 1.0, np.arange(h) * 1.0), most)]

    def tangent_at(x, y):
        return tangent[((y + 0.5) / factor).astype(int), ((x + 0.5) / factor).astype(int)]

    for sign in (1, -1):
        x, y = start
        direction = sign * tangent_at(x, y)
        for i in range(1, steps + 1):
            x = np.clip(x + direction[..., 0], 0, most[0])
            y = np.clip(y + direction[..., 1], 0, most[1])
            ix, iy = x.astype(int), y.astype(int)
            fx, fy = x - ix, y - iy
            top = picture[iy, ix] * (1 - fx) + picture[iy, ix + 1] * fx
            bottom = picture[iy + 1, ix] * (1 - fx) + picture[iy + 1, ix + 1] * fx
            weight = np.exp(-0.5 * (i / sigma) ** 2)
            total, weights = total + weight * (top * (1 - fy) + bottom * fy), weights + (weight if sign == 1 else 0) * 2
            own = tangent_at(x, y)
            turn = np.where((own * direction).sum(-1) < 0, -1.0, 1.0)
            direction = own * turn[..., None]
    return total / weights


def flow_dog(image, fine_px=0.4, tensor_px=3.03, flow_px=1.85, line_px=1.98, reduce=1) -> np.ndarray:
    """float64 [H, W]."""
    picture = blur(image.astype(np.float64), fine_px)
    smooth = along(picture, tangents(tensors(picture, tensor_px, reduce)), flow_px, reduce)
    return blur(smooth, line_px) - smooth
