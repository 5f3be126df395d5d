"""The slow definition of local_contrast, in float64."""

import numpy as np


def local_contrast(image: np.ndarray, cell: int, flat: float) -> np.ndarray:
    luma = image.astype(np.float64) @ (0.299, 0.587, 0.114) / 127.5 - 1
    rows, columns = (side // cell for side in luma.shape)
    cells = luma.reshape(rows, cell, columns, cell)
    mean, square = cells.mean((1, 3)), (cells**2).mean((1, 3))
    out = np.empty_like(luma)
    for y in range(luma.shape[0]):
        for x in range(luma.shape[1]):
            m, q = (between(values, (y + 0.5) / cell - 0.5, (x + 0.5) / cell - 0.5) for values in (mean, square))
            out[y, x] = (luma[y, x] - m) / np.sqrt(max(q - m * m, 0) + flat**2)
    return out


def between(values: np.ndarray, y: float, x: float) -> float:
    """Bilinear, the outer values reaching on."""
    total = 0.0
    for i, row_share in shares(y, values.shape[0]):
        for j, column_share in shares(x, values.shape[1]):
            total += row_share * column_share * values[i, j]
    return total


def shares(at: float, count: int):
    at = min(max(at, 0.0), count - 1.0)
    first = int(at)
    return [(first, 1 - (at - first)), (min(first + 1, count - 1), at - first)]
