"""Losses of APDrawingGAN [APD19, section 5]: adversarial, pixel-wise, distance transform, local transfer.

Each function is unweighted; `LossWeights` has the weights of equation 1 and `generator_losses` puts them together.
The line-promoting distance-transform loss L_DT (equations 4 and 5) comes in three forms, all giving a `Chamfer`:

    distance_transform           ours, the default: exact distances, a gradient in both directions
    distance_transform_paper     the value of equations 4 and 5
    distance_transform_official  what the published code computes, with its frozen networks and its constant half

Drawings are [N,1,H,W] in [-1,1]; below 0 is ink, the rest paper.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from pyapdraw import ops
from pyapdraw.errors import BadInput
from pyapdraw.losses.figures import boundary, tone
from pyapdraw.models import regions
from pyapdraw.models.apdrawing import Auxiliary, Drawings, region_sizes


@dataclass(frozen=True)
class LossWeights:
    """lambda_1 to lambda_3 of [APD19, section 7], and the weight of local discriminators in the generator's loss.

    Departure, as in the published code: the paper weighs all alike, as the discriminators' own loss does.
    Of our own, 0 by default: between, of the pixel-wise loss for global and fused drawing; boundary, tone: see below.
    """

    l1: float = 100.0
    distance_transform: float = 0.1
    local: float = 25.0
    local_adversarial: float = 0.25
    adversarial: float = 1.0
    between: float = 0.0
    boundary: float = 0.0
    tone: float = 0.0


class Chamfer(NamedTuple):
    """The two halves of equation 5, sums over pixels and means over the batch: float32 scalars."""

    to_drawing: Tensor  # d_CM(a, G(p)): from the lines of the target to the drawing
    to_target: Tensor  # d_CM(G(p), a): from the lines of the drawing to the target

    @property
    def total(self) -> Tensor:
        """Their sum, equation 5 [APD19]."""
        return self.to_drawing + self.to_target


class Lines(NamedTuple):
    """Line pixels that a detector found, bool [N,1,H,W]: the sets Theta_b and Theta_w of equation 4."""

    black: Tensor
    white: Tensor


# Adversarial loss, equation 2 -----------------------------------------------------------------------------------------


def adversarial_discriminator(fake: Mapping[str, Tensor], real: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Loss of all seven discriminators: "fake" and "real" halves of their cross-entropies, summed, times one half.

    fake, real: logits by name as `Discriminators` gives them; the drawing behind `fake` must be detached.
    """
    return {
        "fake": 0.5 * _sum(_cross_entropy(x, 0.0) for x in fake.values()),
        "real": 0.5 * _sum(_cross_entropy(x, 1.0) for x in real.values()),
    }


def adversarial_generator(fake: Mapping[str, Tensor], local_weight: float = 0.25) -> dict[str, Tensor]:
    """Loss of the generator: "gan" of the global discriminator, "gan_local" of the six others.

    Departure from equation 2, as in the published code: the non-saturating form, and locals weigh one quarter.
    """
    local = _sum(_cross_entropy(x, 1.0) for name, x in fake.items() if name != "whole")
    return {"gan": _cross_entropy(fake["whole"], 1.0), "gan_local": local_weight * local}


def _cross_entropy(logits: Tensor, label: float) -> Tensor:
    logits = logits.float()
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, label))


# Pixel-wise and local transfer loss, equations 3 and 6 ----------------------------------------------------------------


def pixelwise(drawing: Tensor, target: Tensor) -> Tensor:
    """L_L1, equation 3: the mean absolute difference."""
    _same_shape(drawing, target)
    return (drawing.float() - target.float()).abs().mean()


def local_targets(target: Tensor, centres: Tensor, mask: Tensor) -> dict[str, Tensor]:
    """The six regions of a target drawing, by the names of regions.LOCALS; centres and mask as for the generator."""
    person = regions.as_bool(mask)
    sizes = region_sizes(target.shape[-1])
    skin = person & regions.outside_rectangles(centres, sizes, target.shape[-1]).to(person.device)
    views = [*regions.crop(target, centres, sizes), regions.masked(target, skin), regions.masked(target, ~person)]
    return dict(zip(regions.LOCALS, views))


def local_transfer(drawings: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> Tensor:
    """L_local, equation 6: the sum over six regions of their mean absolute difference.

    As in the published code, the means of hair and background run over the whole frame, in which both images are black
    outside the region, so that their weight grows with the region.
    """
    return _sum(pixelwise(drawings[name], targets[name]) for name in regions.LOCALS)


# Line-promoting distance-transform loss, equations 4 and 5 ------------------------------------------------------------


def distance_transform(
    drawing: Tensor,
    target: Tensor,
    *,
    target_lines: Lines | None = None,
    drawing_lines: Lines | None = None,
    reach_px: float | None = None,
) -> Chamfer:
    """L_DT with exact distances and a gradient in both directions.

    Equation 4 sums over the line pixels p of one drawing the distance in px to the nearest pixel of the same colour in
    the other, which is zero unless the two differ at p. Here each such p counts by its membership in the colour that
    the drawing has there: (1 + |x|) / 2, where x in [-1,1] is its value. The gradient is what follows from the
    membership, with distances held fixed: a pixel of paper where the target has a line far from all ink is pulled
    towards ink, ink far from the ink of the target towards paper, each by half its distance. For two-tone drawings the
    value is that of equations 4 and 5. (Departure: hard sets and exact distances have no gradient.)

    Args:
        drawing: the generator's, floating point [N,1,H,W]; carries the gradient. target: the artist's, of that shape.
        target_lines, drawing_lines: line pixels to count; as in the published code they count where the drawing's
            colour agrees. None: all pixels.
        reach_px: distances count up to here. None: the diagonal of the image, which also stands for the distance to a
            colour that an image does not have at all, so that constant images give finite losses and gradients.

    >>> blank, line = torch.ones(1, 1, 3, 3), torch.ones(1, 1, 3, 3)
    >>> blank[..., 0], line[..., 2] = -1, -1
    >>> [float(half) for half in distance_transform(blank, line)]
    [9.0, 9.0]
    """
    return _soft(drawing, _maps(drawing, target, reach_px), target_lines, drawing_lines)


def distance_transform_paper(
    drawing: Tensor,
    target: Tensor,
    *,
    target_lines: Lines | None = None,
    drawing_lines: Lines | None = None,
    reach_px: float | None = None,
) -> Chamfer:
    """The value of equations 4 and 5: sums of exact distances in px over hard sets of line pixels.

    Arguments as for distance_transform; line sets count whatever the drawing's colour. Departures: the paper does not
    say how a gradient passes the binarised drawing; here it is that of distance_transform. A colour that is absent is
    at the distance `reach_px`, not infinitely far.
    """
    maps = _maps(drawing, target, reach_px)
    target_lines = target_lines or Lines(maps.target_ink, ~maps.target_ink)
    drawing_lines = drawing_lines or Lines(maps.drawing_ink, ~maps.drawing_ink)
    hard = (
        _line_sum(target_lines, maps.drawing_ink, maps.drawing_other),
        _line_sum(drawing_lines, maps.target_ink, maps.target_other),
    )
    soft = _soft(drawing, maps, target_lines, drawing_lines)
    return Chamfer(*(value + (s - s.detach()) for value, s in zip(hard, soft)))


def distance_transform_official(
    drawing: Tensor,
    target: Tensor,
    auxiliary: Auxiliary,
    target_maps: tuple[Tensor, Tensor] | None = None,
    *,
    remap: Callable[[Tensor], Tensor] | None = None,
    seeds: Sequence[int | Sequence[int]] | None = None,
) -> Chamfer:
    """What the published code computes, for parity with it and with weights trained by it.

    Distances of the drawing come from two networks, in [0,1]; those of the target are chamfer distances divided by
    their largest. Line pixels: the detector's output and the drawing's value agree in sign. `to_target` selects from
    constant maps by comparisons, so it has no gradient; neither is there a guard for constant targets, whose maps are
    NaN.

    target_maps: `official_maps(target)`, computed here where None. remap: applied to all maps (APDrawingGAN++).
    seeds: of the networks' dropout, where it is on: for each of the six calls in their order one, or one a sample.
    """
    _same_shape(drawing, target)
    remap = remap or (lambda distance: distance)
    near_ink, near_paper = official_maps(target) if target_maps is None else target_maps
    given: list[Any] = [None] * 6 if seeds is None else list(seeds)
    if len(given) != 6:
        raise BadInput(f"seeds: {len(given)} given, 6 expected")

    def lines(image: Tensor, first: Any, second: Any) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            black = (image < 0) & (auxiliary("ink_lines", image, first) < 0)
            white = (image >= 0) & (auxiliary("paper_lines", image, second) >= 0)
        return black, white

    to_ink = remap(auxiliary("to_ink", drawing, given[0]).float() / 2 + 0.5)
    to_paper = remap(auxiliary("to_paper", drawing, given[1]).float() / 2 + 0.5)
    black, white = lines(target, given[2], given[3])
    to_drawing = (to_ink[black].sum() + to_paper[white].sum()) / len(drawing)
    black, white = lines(drawing.detach(), given[4], given[5])
    near_ink, near_paper = remap(near_ink.float()), remap(near_paper.float())
    to_target = (near_ink[black].sum() + near_paper[white].sum()) / len(drawing)
    return Chamfer(to_drawing, to_target)


def official_maps(target: Tensor) -> tuple[Tensor, Tensor]:
    """The published data set's distance maps of a drawing [N,1,H,W]: to the nearest black, to the nearest white pixel.

    OpenCV's 5x5 chamfer distances of the drawing at 8 bits, thresholded at 127, each divided by its own maximum. As
    there, a constant drawing gives one map of NaN (0 / 0) and one of ones.
    """
    white = ((target.float() / 2 + 0.5) * 255).to(torch.uint8) > 127
    white = white.cpu()  # that operation has no CUDA kernel; a data set computes these maps beforehand
    maps = (ops.distance_transform_chamfer(sites) for sites in (~white, white))
    near_ink, near_paper = ((d / d.amax((-2, -1), keepdim=True)).to(target.device) for d in maps)
    return near_ink, near_paper


class _Maps(NamedTuple):
    drawing_ink: Tensor  # bool
    target_ink: Tensor
    drawing_other: Tensor  # float32: distance to the nearest pixel of the other colour in the drawing
    target_other: Tensor


@torch.no_grad()
def _maps(drawing: Tensor, target: Tensor, reach_px: float | None) -> _Maps:
    _same_shape(drawing, target)
    reach = math.hypot(*drawing.shape[-2:]) if reach_px is None else float(reach_px)
    if not 0 < reach < math.inf:
        raise BadInput(f"reach_px: {reach_px!r} given, a positive number expected")
    ink = torch.cat([drawing < 0, target < 0])
    to_ink, to_paper = ops.distance_transform_pair(ink)
    other = to_ink.add_(to_paper).clamp_(max=reach)  # one of the two is zero at every pixel
    count = len(drawing)
    return _Maps(ink[:count], ink[count:], other[:count], other[count:])


def _soft(drawing: Tensor, maps: _Maps, target_lines: Lines | None, drawing_lines: Lines | None) -> Chamfer:
    """The sums of distance_transform. Maps carry the sign that the drawing's value has to lose where the two differ,
    and 0 elsewhere: then (1 + |x|) times a distance is (sign + x) times the signed distance."""
    with torch.no_grad():
        sign = maps.target_ink.view(torch.int8) - maps.drawing_ink.view(torch.int8)
        first = _signed(maps.drawing_other, sign, target_lines, maps.target_ink)
        second = _signed(maps.target_other, sign, drawing_lines, maps.drawing_ink)
    return Chamfer(*_Membership.apply(drawing, sign, first, second))


def _signed(other: Tensor, sign: Tensor, lines: Lines | None, ink: Tensor) -> Tensor:
    if lines is not None:
        sign = sign * torch.where(ink, lines.black, lines.white)
    return other * sign


@torch.no_grad()
def _line_sum(lines: Lines, ink: Tensor, other: Tensor) -> Tensor:
    """Equation 4: distances to ink from black lines, to paper from white ones, over an image with this ink."""
    total = (other * (lines.black & ~ink)).sum() + (other * (lines.white & ink)).sum()
    return total / max(len(ink), 1)


class _Membership(torch.autograd.Function):
    """The sums of (sign + x) / 2 times a map over pixels, means over the batch, for two maps.

    float32, or float64 for float64 x. One function, because a dozen small operations and their backward would take
    longer than the distances.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, sign: Tensor, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(first, second)
        ctx.dtype = x.dtype
        value = (x.to(_wide(x.dtype)) + sign).reshape(-1)
        count = 2 * max(len(x), 1)
        first, second = (torch.dot(value, d.reshape(-1).to(value.dtype)) / count for d in (first, second))
        return first, second

    @staticmethod
    def backward(ctx: Any, grad_first: Tensor, grad_second: Tensor) -> tuple[Tensor, None, None, None]:
        first, second = ctx.saved_tensors
        count = 2 * max(len(first), 1)
        slope = first.to(_wide(ctx.dtype)) * (grad_first / count)
        slope.addcmul_(second.to(slope.dtype), grad_second / count)
        return slope.to(ctx.dtype), None, None, None


def _wide(dtype: torch.dtype) -> torch.dtype:
    return torch.float64 if dtype == torch.float64 else torch.float32


# The whole, equation 1 ------------------------------------------------------------------------------------------------


def generator_losses(
    drawings: Drawings,
    logits: Mapping[str, Tensor] | None,
    target: Tensor,
    centres: Tensor,
    mask: Tensor,
    chamfer: Chamfer | None,
    weights: LossWeights | None = None,
) -> dict[str, Tensor]:
    """The weighted terms of the generator's loss; their sum is equation 1.

    logits: of the discriminators for drawings.drawing; None without them. chamfer: of any form; None without L_DT
    (pre-training).
    """
    weights = weights or LossWeights()
    terms = {}
    if logits is not None:
        terms = adversarial_generator(logits, weights.local_adversarial)
        terms = {name: weights.adversarial * term for name, term in terms.items()}
    terms["l1"] = weights.l1 * pixelwise(drawings.drawing, target)
    if weights.local:
        terms["local"] = weights.local * local_transfer(drawings.local, local_targets(target, centres, mask))
    if chamfer is not None:
        terms["dt_to_drawing"] = weights.distance_transform * chamfer.to_drawing
        terms["dt_to_target"] = weights.distance_transform * chamfer.to_target
    if weights.between:
        both = pixelwise(drawings.whole, target) + pixelwise(drawings.fused, target)
        terms["between"] = weights.between * both
    if weights.boundary:
        terms["boundary"] = weights.boundary * boundary(drawings.drawing, target)
    if weights.tone:
        terms["tone"] = weights.tone * tone(drawings.drawing, target)
    return terms


def _sum(values: Any) -> Tensor:
    return torch.stack(list(values)).sum()


def _same_shape(drawing: Tensor, target: Tensor) -> None:
    if drawing.shape != target.shape or drawing.dim() < 3 or not drawing.is_floating_point():
        raise BadInput(
            f"target: {target.dtype} {tuple(target.shape)} given with drawing {drawing.dtype} {tuple(drawing.shape)}, "
            "floating point images of the same shape expected"
        )
