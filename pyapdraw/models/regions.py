"""The local regions of APDrawingGAN: rectangles around eyes, nose and mouth, hair, background [APD19, section 4.1].

Sizes belong to a frame of 512 px and grow with it. Centres are in px of the frame; a rectangle of width w covers the
columns [x - w/2, x + w/2) of the truncated x, as in `ops.fuse_regions`, which puts the parts back.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from pyapdraw.errors import BadInput
from pyapdraw.models import rectangles
from pyapdraw.models.rectangles import FRAME, LOCALS, PARTS, SIZES, Sizes, corners, region_sizes

__all__ = ["FRAME", "LOCALS", "PARTS", "SIZES", "Sizes", "region_centres", "region_sizes"]


def region_centres(landmarks: Tensor, side: int) -> Tensor:
    """`rectangles.region_centres` of a tensor: int32 [N,4,2] on its device.

    For the paper's networks: of `align.official_landmarks(points_px)`, or the numbers of a landmark file.

    >>> points = torch.tensor([[[201, 247], [311, 247], [256, 312], [207, 371], [305, 371]]])
    >>> region_centres(points, 512).tolist()
    [[[201, 239], [311, 239], [256, 296], [256, 371]]]
    """
    centres = rectangles.region_centres(landmarks.detach().double().cpu().numpy(), side)
    return torch.from_numpy(centres).to(landmarks.device)


def crop(image: Tensor, centres: Tensor, sizes: Sizes, beyond: float = 1.0) -> list[Tensor]:
    """The four rectangles of image [N,C,H,W], each [N,C,h,w].

    Departure: what lies outside the frame is `beyond`; the published code fails there.
    """
    height, width = image.shape[-2:]
    parts: list[list[Tensor]] = [[] for _ in sizes]
    for sample, places in zip(image, corners(centres, sizes)):
        for part, (top, left), (h, w) in zip(parts, places, sizes):
            y0, y1 = (min(max(y, 0), height) for y in (top, top + h))
            x0, x1 = (min(max(x, 0), width) for x in (left, left + w))
            seen = sample[:, y0:y1, x0:x1]
            if seen.shape[1:] != (h, w):
                around = (x0 - left, left + w - x1, y0 - top, top + h - y1)
                if not seen.numel():
                    seen, around = seen.new_full((sample.shape[0], h, w), beyond), (0, 0, 0, 0)
                seen = F.pad(seen, around, value=beyond)
            part.append(seen)
    return [torch.stack(part) for part in parts]


def outside_rectangles(centres: Tensor, sizes: Sizes, side: int) -> Tensor:
    """bool [N,1,side,side]: False inside any of the four rectangles (the `mask` of the published data sets)."""
    outside = torch.ones(len(centres), 1, side, side, dtype=torch.bool)
    for sample, places in zip(outside, corners(centres, sizes)):
        for (top, left), (h, w) in zip(places, sizes):
            sample[:, max(top, 0) : max(top + h, 0), max(left, 0) : max(left + w, 0)] = False
    return outside.to(centres.device)


def masked(image: Tensor, weight: Tensor) -> Tensor:
    """image in [-1,1], black (-1) outside: where `weight` is False, or towards black by soft weights in [0,1]."""
    if weight.dtype == torch.bool:
        return torch.where(weight, image, image.new_full((), -1.0))
    return (image + 1) * weight.to(image.dtype) - 1


def as_bool(mask: Tensor) -> Tensor:
    """A mask as bool, of the same shape: bool, integers (nonzero), or floating point (>= 0.5)."""
    return mask >= 0.5 if mask.dtype.is_floating_point else mask != 0


def unit_range(levels: Tensor) -> Tensor:
    """Grey levels 0 to 255 as float32 in [-1,1], rounded as the published code does."""
    return (levels.float() / 255 - 0.5) / 0.5


def check_inputs(photo: Tensor, centres: Tensor, mask: Tensor, multiple: int) -> None:
    """Raises BadInput unless photo [N,3,S,S], centres [N,4,2] and mask [N,1,S,S] fit each other and the networks."""
    if photo.dim() != 4 or photo.shape[1] != 3 or photo.shape[2] != photo.shape[3] or not photo.is_floating_point():
        raise BadInput(f"photo: {photo.dtype} {tuple(photo.shape)} given, floating point [N, 3, S, S] expected")
    if not len(photo):
        raise BadInput("photo: a batch of 0 given, at least one photo expected")
    if not photo.shape[2] or photo.shape[2] % multiple:
        raise BadInput(f"photo: side of {photo.shape[2]} px given, a multiple of {multiple} px expected")
    if tuple(centres.shape) != (len(photo), 4, 2):
        raise BadInput(f"centres: {tuple(centres.shape)} given, {(len(photo), 4, 2)} expected; see region_centres")
    if centres.is_floating_point() and not bool(torch.isfinite(centres).all()):
        raise BadInput("centres: NaN or infinity given, px of the frame expected")
    if tuple(mask.shape) != (len(photo), 1, *photo.shape[2:]):
        raise BadInput(f"mask: {tuple(mask.shape)} given, {(len(photo), 1, *photo.shape[2:])} expected")
