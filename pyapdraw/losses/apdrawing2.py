"""Losses of APDrawingGAN++ [APD20]: those of [APD19] with remapped distances, and line continuity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pyapdraw.errors import BadInput
from pyapdraw.losses import apdrawing as base
from pyapdraw.models import regions
from pyapdraw.models.apdrawing2 import Continuity, Drawings, border_weights, hair_weights, region_sizes
from pyapdraw.models.layers import chosen

REMAPS = ("exp", "atan", "sigmoid", "tanh", "pow2")


@dataclass(frozen=True)
class LossWeights(base.LossWeights):
    """As published; its training script has 40 for line_continuity."""

    distance_transform: float = 0.35
    line_continuity: float = 10.0


def remap(distance: Tensor, kind: str = "exp", steepness: float = 10.0) -> Tensor:
    """Bends distances in [0,1] onto [0,1]: "exp" counts far lines more, "atan", "sigmoid" and "tanh" near ones.

    With x = steepness: (e^(d x/3) - 1) / (e^(x/3) - 1) for "exp" (x itself up to 1), f(d x) / f(x) for "atan" and
    "tanh", the same less one half for "sigmoid", d^2 for "pow2".

    >>> [round(d, 3) for d in remap(torch.tensor([0.0, 0.5, 1.0])).tolist()]
    [0.0, 0.159, 1.0]
    """
    chosen("kind", kind, REMAPS)
    if not steepness > 0:
        raise BadInput(f"steepness: {steepness!r} given, a positive number expected")
    if kind == "pow2":
        return distance.square()
    top = torch.tensor(steepness / 3 if kind == "exp" and steepness > 1 else steepness, dtype=distance.dtype)
    top = top.to(distance.device)
    bend: Any = {
        "exp": torch.expm1,
        "atan": torch.atan,
        "tanh": torch.tanh,
        "sigmoid": lambda x: torch.sigmoid(x) - 0.5,
    }[kind]
    return bend(distance * top) / bend(top)


def line_continuity(
    drawing: Tensor,
    regressor: Continuity,
    offset: tuple[int, int] = (0, 0),
    face_mask: Tensor | None = None,
) -> Tensor:
    """Mean of (1 - R(patch)) over the 11x11 patches of a grid that have both ink and paper.

    drawing: [N,1,H,W]. offset: (y, x) of the grid, from 0 to what whole patches leave over; the published code draws it
    at random below that. face_mask: [N,1,H,W] in [0,1]; patches count 1 + its value at their centre.

    Departures: patches are chosen sample by sample in a batch, where the published code had batches of one; 0 where no
    patch has both, where it fails.
    """
    side, (height, width) = Continuity.SIDE, drawing.shape[-2:]
    rows, columns = height // side, width // side
    if not all(0 <= at <= size - side * count for at, size, count in zip(offset, (height, width), (rows, columns))):
        most = (height - side * rows, width - side * columns)
        raise BadInput(f"offset: {offset} given, (0, 0) to {most} expected")
    y, x = offset
    area = (slice(None), slice(None), slice(y, y + side * rows), slice(x, x + side * columns))
    patches = drawing[area].unfold(2, side, side).unfold(3, side, side)
    white = (patches >= 0).sum((-2, -1))
    mixed = ((white >= 1) & (white <= side * side - 1)).flatten()
    chosen_patches = patches.reshape(-1, 1, side, side)[mixed]
    if not len(chosen_patches):
        return drawing.sum() * 0.0
    broken = 1 - regressor(chosen_patches).float()
    if face_mask is not None:
        centres = face_mask[area][..., side // 2 :: side, side // 2 :: side]
        broken = broken * (1 + centres.flatten()[mixed].float())
    return broken.mean()


def local_targets(target: Tensor, centres: Tensor, mask: Tensor, border: str = "soft") -> dict[str, Tensor]:
    """The six regions of a target drawing, by the names of regions.LOCALS.

    With soft borders, as published, the four rectangles fade to mid-grey, though the drawings that they are compared
    with (Drawings) fade to black.
    """
    person, sizes = regions.as_bool(mask), region_sizes(target.shape[-1])
    rims = border_weights(sizes, border)
    parts = [part * rim.to(part) for part, rim in zip(regions.crop(target, centres, sizes), rims)]
    views = [*parts, regions.masked(target, hair_weights(centres, sizes, person, border))]
    return dict(zip(regions.LOCALS, [*views, regions.masked(target, ~person)]))


def generator_losses(
    drawings: Drawings,
    logits: Mapping[str, Tensor],
    target: Tensor,
    targets: Mapping[str, Tensor],
    chamfer: base.Chamfer | None,
    continuity: Tensor | None,
    weights: LossWeights | None = None,
) -> dict[str, Tensor]:
    """The weighted terms of the generator's loss; the loss is their sum.

    targets: `local_targets(target, ...)`. chamfer: `distance_transform_official(..., remap=remap)` as published, or any
    form of losses.apdrawing. continuity: of line_continuity. None: without.
    """
    weights = weights or LossWeights()
    terms = base.adversarial_generator(logits, weights.local_adversarial)
    terms["l1"] = weights.l1 * base.pixelwise(drawings.drawing, target)
    terms["local"] = weights.local * base.local_transfer(drawings.local, targets)
    if chamfer is not None:
        terms["dt_to_drawing"] = weights.distance_transform * chamfer.to_drawing
        terms["dt_to_target"] = weights.distance_transform * chamfer.to_target
    if continuity is not None:
        terms["line_continuity"] = weights.line_continuity * continuity
    return terms
