"""The slow definition of warp_affine: one output pixel at a time, in float64."""

import math

import numpy as np
from reference_resize import resize


def inverse(matrix: np.ndarray) -> list[list[float]]:
    (a, b, c), (d, e, f) = matrix.tolist()
    det = a * e - b * d
    rows = [[e / det, -b / det, 0.0], [-d / det, a / det, 0.0]]
    for r in rows:
        r[2] = -(r[0] * c + r[1] * f)
    return rows


def bilinear(image: np.ndarray, rows: list[list[float]], size: tuple[int, int], border: float | str) -> np.ndarray:
    """float64 [h, w, C], not rounded; `rows` maps output to image coordinates."""
    height, width = image.shape[:2]

    def tap(x: int, y: int) -> np.ndarray:
        if border == "edge":
            return image[min(max(y, 0), height - 1), min(max(x, 0), width - 1)].astype(np.float64)
        inside = 0 <= x < width and 0 <= y < height
        return image[y, x].astype(np.float64) if inside else np.full(image.shape[2], float(border))

    out = np.empty((*size, image.shape[2]))
    for y in range(size[0]):
        for x in range(size[1]):
            sx, sy = ((r[0] * x + r[1] * y) + r[2] for r in rows)
            sx, sy = min(max(sx, -2.0), width + 1.0), min(max(sy, -2.0), height + 1.0)
            u, v = math.floor(sx), math.floor(sy)
            if border != "edge" and not (-1 <= u < width and -1 <= v < height):
                out[y, x] = border  # itself: a blend of it might be rounded
                continue
            fx, fy = sx - u, sy - v
            top = (1.0 - fx) * tap(u, v) + fx * tap(u + 1, v)
            bottom = (1.0 - fx) * tap(u, v + 1) + fx * tap(u + 1, v + 1)
            out[y, x] = (1.0 - fy) * top + fy * bottom
    return out


def warp_affine(image: np.ndarray, matrix: np.ndarray, size, filter="bilinear", border=255) -> np.ndarray:
    """[h, w] or [h, w, C] of the image's dtype; uint8 rounded half up."""
    deep = image if image.ndim == 3 else image[:, :, None]
    rows = inverse(np.asarray(matrix, np.float64))
    if filter == "antialias":
        sizes = list(deep.shape[:2])
        for row, axis in ((rows[0], 1), (rows[1], 0)):
            n, step = deep.shape[axis], math.hypot(row[0], row[1])
            if step > 1.0:
                sizes[axis] = max(1, math.floor(n / step + 0.5))
                scale = sizes[axis] / n
                row[:] = [row[0] * scale, row[1] * scale, (row[2] + 0.5) * scale - 0.5]
        if tuple(sizes) != deep.shape[:2]:
            deep = resize(deep, tuple(sizes))
            if image.dtype == np.uint8:
                deep = np.floor(deep + 0.5)
    out = bilinear(deep, rows, size, border)
    out = np.floor(out + 0.5).astype(np.uint8) if image.dtype == np.uint8 else out.astype(np.float32)
    return out if image.ndim == 3 else out[:, :, 0]
