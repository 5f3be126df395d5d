"""Slow definitions of crop_area, crop_warp and nms in float64."""

import math

import numpy as np


def crop_area(image, box, height, width):
    x0, y0, x1, y1 = box
    bw, bh = x1 - x0, y1 - y0
    out = np.zeros((height, width, image.shape[2]))
    for i in range(height):
        rows = slice(y0 + i * bh // height, y0 + -(-(i + 1) * bh // height))
        for j in range(width):
            columns = slice(x0 + j * bw // width, x0 + -(-(j + 1) * bw // width))
            out[i, j] = image[rows, columns].astype(np.float64).mean(axis=(0, 1))
    return out


def sample(image, x, y, outside):
    h, w = image.shape[:2]
    if not (-0.5 <= x <= w - 0.5 and -0.5 <= y <= h - 0.5):
        return np.full(image.shape[2], float(outside))
    x, y = min(max(x, 0), w - 1), min(max(y, 0), h - 1)
    x0, y0 = min(int(x), max(w - 2, 0)), min(int(y), max(h - 2, 0))
    x1, y1, fx, fy = min(x0 + 1, w - 1), min(y0 + 1, h - 1), x - x0, y - y0
    p = image.astype(np.float64)
    return (p[y0, x0] * (1 - fx) + p[y0, x1] * fx) * (1 - fy) + (p[y1, x0] * (1 - fx) + p[y1, x1] * fx) * fy


def crop_warp(image, m, height, width, outside):
    side = math.sqrt(abs(np.linalg.det(m[:, :2])))
    taps = min(4, max(1, math.ceil(side - 0.25)))
    steps = (np.arange(taps) + 0.5) / taps - 0.5
    out = np.zeros((height, width, image.shape[2]))
    for v in range(height):
        for u in range(width):
            for dv in steps:
                for du in steps:
                    x, y = m @ [u + du, v + dv, 1]
                    out[v, u] += sample(image, x, y, outside) / taps**2
    return out


def nms(boxes, threshold, side, minimum):
    def area(b):
        return (b[2] - b[0] + side) * (b[3] - b[1] + side)

    keep = []
    for i, b in enumerate(boxes.astype(np.float64)):
        for k in keep:
            a = boxes[k].astype(np.float64)
            w, h = (min(a[j + 2], b[j + 2]) - max(a[j], b[j]) + side for j in (0, 1))
            both = max(0.0, w) * max(0.0, h)
            whole = min(area(a), area(b)) if minimum else area(a) + area(b) - both
            if both > threshold * whole:
                break
        else:
            keep.append(i)
    return [i in keep for i in range(len(boxes))]
