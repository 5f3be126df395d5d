"""The slow definitions of the Y'CbCr conversions: 3x3 matrices in float64, not rounded."""

import numpy as np

KR_KB = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722), "bt2020": (0.2627, 0.0593)}


def from_rgb(matrix: str) -> np.ndarray:
    """R'G'B' of 0..1 to Y' of 0..1 and Cb, Cr of -1/2..1/2."""
    kr, kb = KR_KB[matrix]
    y = np.array([kr, 1 - kr - kb, kb])
    return np.stack([y, (np.eye(3)[2] - y) / (2 * (1 - kb)), (np.eye(3)[0] - y) / (2 * (1 - kr))])


def quantisation(full_range: bool, bits: int):
    """code = value * gain + zero, for Y, Cb, Cr."""
    unit, top = 2 ** (bits - 8), 2**bits - 1
    gain = np.array([top] * 3 if full_range else [219 * unit, 224 * unit, 224 * unit], np.float64)
    zero = np.array([0 if full_range else 16 * unit, 128 * unit, 128 * unit], np.float64)
    return gain, zero


def blocks(shape, chroma_shape):
    return [1 if c == n else 2 for n, c in zip(shape, chroma_shape)]


def yuv_to_rgb(y, u, v, matrix="bt601", full_range=False, bits=8) -> np.ndarray:
    """float64 [H, W, 3] of 0..255, clamped."""
    tall, wide = blocks(y.shape, u.shape)
    h, w = y.shape
    gain, zero = quantisation(full_range, bits)
    planes = [y, *(np.repeat(np.repeat(c, tall, 0), wide, 1)[:h, :w] for c in (u, v))]
    codes = np.stack(planes, -1).astype(np.float64)
    return np.clip(255 * ((codes - zero) / gain) @ np.linalg.inv(from_rgb(matrix)).T, 0, 255)


def rgb_to_yuv(image, chroma_shape, matrix="bt601", full_range=False):
    """(y, u, v) float64 codes; chroma of the mean of each block's pixels."""
    if image.ndim == 2:
        image = np.repeat(image[:, :, None], 3, 2)
    gain, zero = quantisation(full_range, 8)
    codes = (image / 255.0) @ from_rgb(matrix).T * gain + zero
    tall, wide = blocks(image.shape[:2], chroma_shape)
    chroma = np.empty((*chroma_shape, 2))
    for i in range(chroma_shape[0]):
        for j in range(chroma_shape[1]):
            chroma[i, j] = codes[tall * i : tall * (i + 1), wide * j : wide * (j + 1), 1:].mean((0, 1))
    return codes[..., 0], np.clip(chroma[..., 0], 0, 255), np.clip(chroma[..., 1], 0, 255)
