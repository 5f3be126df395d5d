"""Flat washes under a drawing: the few colours that a picture's people are made of, laid on as with a broad brush.

A handful of colours are the means of k clusters of the people's pixels; every place of a coarse grid gets the nearest
of them, made lighter, for the ink above brings the darkness.
"""

from __future__ import annotations

import numpy as np

from pyapdraw.ops.composite import composite
from pyapdraw.ops.resize import resize

COLOURS = 7
GRID_PX = 224  # longer side of the grid that washes are decided on
ROUNDS = 8  # of the clustering
MOST_SAMPLES = 4096
THERE = 128  # of the person mask
PAPER = 255
STRENGTH = 0.72  # of a wash; the rest is paper
VIVID = 1.2  # how much further from grey than in the picture
FEWEST = 8  # pixels of people, under which there is nothing to lay on
STEEP = np.clip((np.arange(256) - 127.5) * 3 + 127.5, 0, 255).astype(np.uint8)  # a wash ends where the person does


def palette(pixels: np.ndarray, person: np.ndarray, start: np.ndarray | None = None) -> np.ndarray:
    """The colours of people: float32 [7,3], 0 to 255, from dark to light.

    pixels: uint8 [H,W,3]. person: mask uint8 [H,W]. start: colours to begin with, such as those of the frame
    before; they are also the answer where nobody is, without them paper.
    """
    small, mask = _grid(pixels), _grid(person)
    samples = small[mask >= THERE].astype(np.float32)
    if len(samples) < FEWEST:
        return np.full((COLOURS, 3), PAPER, np.float32) if start is None else start
    samples = samples[:: -(-len(samples) // MOST_SAMPLES)]
    colours = start
    if colours is None:
        order = np.argsort(samples @ np.array([0.3, 0.6, 0.1], np.float32), kind="stable")
        colours = np.stack([part.mean(axis=0) for part in np.array_split(samples[order], COLOURS)])
    for _ in range(ROUNDS):
        nearest = _nearest(samples, colours)
        count = np.bincount(nearest, minlength=COLOURS)
        sums = np.stack([np.bincount(nearest, samples[:, c], COLOURS) for c in range(3)], axis=1)
        colours = np.where(count[:, None] > 0, sums / np.maximum(count, 1)[:, None], colours).astype(np.float32)
    return colours


def wash(pixels: np.ndarray, person: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """Washes of some colours [K,3] where people are, and paper: uint8 [H,W,3] of a picture uint8 [H,W,3] with its mask
    uint8 [H,W]."""
    small = _median(_median(_grid(pixels)))
    grey = colours.mean(axis=1, keepdims=True)
    laid = PAPER - STRENGTH * (PAPER - np.clip(grey + VIVID * (colours - grey), 0, 255))
    flat = laid.astype(np.uint8)[_nearest(small.reshape(-1, 3).astype(np.float32), colours)].reshape(small.shape)
    large = resize(flat, pixels.shape[:2])
    return composite(large, STEEP[person], PAPER)


def _grid(plane: np.ndarray) -> np.ndarray:
    """Shrunk to the grid."""
    height, width = plane.shape[:2]
    share = min(1.0, GRID_PX / max(height, width))
    size = (max(1, round(height * share)), max(1, round(width * share)))
    return plane if size == (height, width) else resize(np.ascontiguousarray(plane), size)


def _nearest(samples: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """Which of some colours [K,3] is nearest to each sample [N,3]."""
    return (samples @ (-2 * colours.T) + (colours * colours).sum(axis=1)).argmin(axis=1)


def _median(plane: np.ndarray) -> np.ndarray:
    """Of each pixel and its eight neighbours, a channel at a time."""
    height, width = plane.shape[:2]
    wide = np.pad(plane, ((1, 1), (1, 1), (0, 0)), mode="edge")
    around = np.stack([wide[y : y + height, x : x + width] for y in range(3) for x in range(3)])
    around.partition(4, axis=0)
    return around[4]
