"""The figures of `pyapdraw eval` as losses, with gradients: where ink ends, and how dark it is. Not of a paper.

Drawings are [N,1,H,W] in [-1,1]; below 0 is ink.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from pyapdraw.errors import BadInput


def boundary(drawing: Tensor, target: Tensor, steepness: float = 4.0) -> Tensor:
    """1 - F1 of the ink's boundaries within 2 px: `metrics.boundary_f` with soft membership. Mean over the batch.

    A pixel is ink by the logistic function of -steepness times its value, and boundary as far as a neighbour beside,
    above or below is less so. Grey counts for nothing, so a blurred drawing loses lines and is worth less than one
    whose lines lie a pixel off: what pixel-wise losses do to hair. (The paper has the adversarial loss alone for it.)

    drawing, target: [N,1,H,W] in [-1,1]; the gradient is that of `drawing`. Returns a float32 scalar in [0,1].
    """
    _same_shape(drawing, target)
    ours = _edges(torch.sigmoid(-steepness * drawing.float()))
    with torch.no_grad():
        theirs = _edges((target < 0).float())
        near_theirs = _within_2_px(theirs)
    of_ours, of_theirs = (x.sum((1, 2, 3)) + 1e-3 for x in (ours, theirs))
    precision = (ours * near_theirs).sum((1, 2, 3)) / of_ours
    recall = (theirs * _within_2_px(ours)).sum((1, 2, 3)) / of_theirs
    return (1 - 2 * precision * recall / (precision + recall + 1e-6)).mean()


def _edges(ink: Tensor) -> Tensor:
    """How much each pixel is ink and the least inky of its four neighbours is not."""
    return ink - torch.minimum(ink, -_cross(-ink))


def _within_2_px(x: Tensor) -> Tensor:
    """Largest value within a Euclidean distance of 2 px: the same as two steps to the four neighbours."""
    return _cross(_cross(x))


def _cross(x: Tensor) -> Tensor:
    """Largest of each pixel and its four neighbours."""
    rows = F.max_pool2d(x, (3, 1), 1, (1, 0))
    return torch.maximum(rows, F.max_pool2d(x, (1, 3), 1, (0, 1)))


def tone(drawing: Tensor, target: Tensor, cell_px: int = 8) -> Tensor:
    """Mean absolute difference of the drawings' means over overlapping cells, 0 to 1: `metrics.tone_difference` with a
    box of `cell_px` applied twice, about its Gaussian of 4 px."""
    _same_shape(drawing, target)
    difference = drawing.float() - target.float()
    difference = F.avg_pool2d(F.avg_pool2d(difference, cell_px, 2), cell_px // 2, 1)
    return difference.abs().mean() / 2


def _same_shape(drawing: Tensor, target: Tensor) -> None:
    if drawing.shape != target.shape or drawing.dim() != 4 or not drawing.is_floating_point():
        given = f"{target.dtype} {tuple(target.shape)} given with drawing {drawing.dtype} {tuple(drawing.shape)}"
        raise BadInput(f"target: {given}, floating point drawings [N,1,H,W] of the same shape expected")
