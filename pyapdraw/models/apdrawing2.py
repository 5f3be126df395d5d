"""APDrawingGAN++ [APD20]: Yi, Xia, Liu, Lai, Rosin: Line Drawings for Face Portraits from Photos using Global and Local
Structure based GANs, TPAMI 2020. What differs from [APD19] (models/apdrawing.py):

    generators                 ResNet for U-Net; the hair's takes a style code
    style classifiers          Classifier, as `mouth_style` (2 classes) and `hair_style` (3 classes)
    auto-encoders              AutoEncoder, as `refine`: facial features inside compact masks, two for the mouth
    soft borders               border_weights, hair_weights
    line continuity            Continuity, in Auxiliary; the loss is losses.apdrawing2.line_continuity

Classifiers and auto-encoders are trained beforehand and stay as they are; they are needed to draw.

>>> net = build(Config(ngf=2, side=64, hair_levels=4, whole_blocks=1, local_blocks=1, frame_blocks=1)).eval()
>>> photo, mask, compact = torch.zeros(1, 3, 64, 64), torch.ones(1, 1, 64, 64), torch.zeros(1, 4, 64, 64)
>>> net(photo, torch.tensor([[[25, 30], [39, 30], [32, 37], [32, 46]]]), mask, compact).drawing.shape
torch.Size([1, 1, 64, 64])
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pyapdraw import ops
from pyapdraw.errors import BadInput
from pyapdraw.models import apdrawing, regions
from pyapdraw.models.layers import (
    DROPOUTS,
    NORMS,
    SLOPE,
    FusionNet,
    Noise,
    Norm,
    ResidualBlock,
    chosen,
    counted,
    initialise,
    noise_for,
    reflected,
    to_drawing,
)

SIZES = ((80, 112), (80, 112), (96, 96), (112, 128))  # as in [APD19], with a taller mouth
RIM = 5  # px over which a soft border falls off, at any frame size
MOUTH_STYLES, HAIR_STYLES = 2, 3


@dataclass(frozen=True)
class Config:
    """Of the generator.

    ngf: channels of the first layer of every network. whole_blocks, local_blocks, frame_blocks: residual blocks of the
    global network, of the facial features', of hair and background. side: of the frame in px, which classifiers and
    auto-encoders are made for, a multiple of 16. mouth_levels, hair_levels: halvings of the classifiers after their
    first. *_latent: codes of the auto-encoders. border: "soft" as published, or "hard" as in [APD19]. norm, dropout,
    seed, fusion: as apdrawing.Config.
    """

    ngf: int = 64
    whole_blocks: int = 9
    local_blocks: int = 3
    frame_blocks: int = 6
    side: int = 512
    mouth_levels: int = 3
    hair_levels: int = 6
    nose_latent: int = 1024
    eye_latent: int = 1024
    mouth_latent: int = 1024
    norm: str = "per_image"
    dropout: str = "off"
    seed: int = 0
    fusion: Literal["min", "max"] = "min"
    border: str = "soft"

    def __post_init__(self) -> None:
        for name in ("ngf", "nose_latent", "eye_latent", "mouth_latent"):
            counted(name, getattr(self, name), 1, 1 << 16)
        for name in ("whole_blocks", "local_blocks", "frame_blocks", "mouth_levels"):
            counted(name, getattr(self, name), 1, 100)
        counted("side", self.side, 32, 1 << 14)
        if self.side % 16:
            raise BadInput(f"side: {self.side} given, a multiple of 16 expected")
        counted("hair_levels", self.hair_levels, 1, (self.side & -self.side).bit_length() - 2)
        counted("mouth_levels", self.mouth_levels, 1, 3)  # rectangles are multiples of 16 px
        counted("seed", self.seed, -(2**63), 2**63)
        chosen("norm", self.norm, NORMS)
        chosen("dropout", self.dropout, DROPOUTS)
        chosen("fusion", self.fusion, ("min", "max"))
        chosen("border", self.border, ("soft", "hard"))


class Drawings(NamedTuple):
    """As apdrawing.Drawings. The four facial features are refined and, with soft borders, fade to black at the rim,
    which is what the local loss compares. Styles: int64 [N]."""

    drawing: Tensor
    whole: Tensor
    fused: Tensor
    eyel: Tensor
    eyer: Tensor
    nose: Tensor
    mouth: Tensor
    hair: Tensor
    background: Tensor
    mouth_style: Tensor  # 0 "white", 1 "black": which auto-encoder refined the mouth
    hair_style: Tensor  # 0 to 2

    @property
    def local(self) -> dict[str, Tensor]:
        """The six local drawings by the names of regions.LOCALS."""
        return {name: getattr(self, name) for name in regions.LOCALS}


class ResNet(nn.Module):
    """7x7, two halvings, residual blocks, two doublings, 7x7, tanh. styles: channels of a code that joins the features
    after the second halving, at every pixel alike, through a convolution of its own (padded with zeros)."""

    def __init__(self, ngf: int, blocks: int, norm: str, styles: int = 0):
        super().__init__()
        widths = [ngf, 2 * ngf, 4 * ngf]
        self.styles = styles
        self.down = nn.ModuleList([nn.Conv2d(3, ngf, 7, bias=False)])
        self.down.extend(nn.Conv2d(a, b, 3, 2, 1, bias=False) for a, b in pairwise(widths))
        self.down_norm = nn.ModuleList(Norm(width, norm) for width in widths)
        if styles:
            self.merge = nn.Conv2d(widths[-1] + styles, widths[-1], 3, 1, 1, bias=False)
            self.merge_norm = Norm(widths[-1], norm)
        self.blocks = nn.ModuleList(ResidualBlock(widths[-1], norm) for _ in range(blocks))
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(b, a, 3, 2, 1, output_padding=1, bias=False) for a, b in reversed(list(pairwise(widths)))
        )
        self.up_norm = nn.ModuleList(Norm(width, norm) for width in (widths[1], widths[0]))
        self.last = nn.Conv2d(ngf, 1, 7)

    def forward(self, x: Tensor, noise: Noise | None = None, code: Tensor | None = None) -> Tensor:
        """code: [N, styles]."""
        x = reflected(x, 3)
        for conv, norm in zip(self.down, self.down_norm):
            x = F.relu(norm(conv(x), inplace=True), inplace=True)
        if self.styles:
            assert code is not None
            x = torch.cat([x, code.to(x.dtype)[:, :, None, None].expand(-1, -1, *x.shape[-2:])], 1)
            x = F.relu(self.merge_norm(self.merge(x), inplace=True), inplace=True)
        for block in self.blocks:
            x = block(x, noise)
        for conv, norm in zip(self.up, self.up_norm):
            x = F.relu(norm(conv(x), inplace=True), inplace=True)
        return to_drawing(self.last, x, padding=3)


class Encoder(nn.Module):
    """4x4 convolutions of stride 2, channels doubling: one, then `levels` more with normalisation."""

    def __init__(self, inputs: int, ngf: int, levels: int, norm: str):
        super().__init__()
        widths = [inputs, *(ngf * 2**i for i in range(levels + 1))]
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 4, 2, 1, bias=False) for a, b in pairwise(widths))
        self.norms = nn.ModuleList(Norm(width, norm) for width in widths[2:])

    def forward(self, x: Tensor) -> Tensor:
        """[N,inputs,h,w] to features [N,ngf*2^levels,h/2^(levels+1),w/2^(levels+1)]."""
        x = self.convs[0](x)
        for conv, norm in zip(list(self.convs)[1:], self.norms):
            x = norm(conv(F.leaky_relu(x, SLOPE)), inplace=True)
        return x


class Classifier(nn.Module):
    """Scores [N, classes] of pictures [N,3,h,w] of one size."""

    def __init__(self, ngf: int, levels: int, size: tuple[int, int], classes: int, norm: str):
        super().__init__()
        self.encoder = Encoder(3, ngf, levels, norm)
        self.scores = nn.Linear(ngf * 2**levels * (size[0] >> levels + 1) * (size[1] >> levels + 1), classes)

    def forward(self, x: Tensor) -> Tensor:
        """Pictures [N,3,h,w] in [-1,1] to scores [N,classes]."""
        return self.scores(self.encoder(x).flatten(1))


class AutoEncoder(nn.Module):
    """A drawing [N,1,h,w] of a facial feature through a code of `latent` numbers and back."""

    def __init__(self, ngf: int, size: tuple[int, int], latent: int, norm: str):
        super().__init__()
        self.shape = (8 * ngf, size[0] // 16, size[1] // 16)
        features = self.shape[0] * self.shape[1] * self.shape[2]
        self.encoder = Encoder(1, ngf, 3, norm)
        self.code = nn.Linear(features, latent)
        self.decode = nn.Linear(latent, features)
        widths = [8 * ngf, 4 * ngf, 2 * ngf, ngf]
        self.up = nn.ModuleList(nn.ConvTranspose2d(a, b, 4, 2, 1, bias=False) for a, b in pairwise(widths))
        self.up_norm = nn.ModuleList(Norm(width, norm) for width in widths[1:])
        self.last = nn.ConvTranspose2d(ngf, 1, 4, 2, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Drawings [N,1,h,w] in [-1,1] to drawings of that shape."""
        x = self.decode(F.relu(self.code(self.encoder(x).flatten(1)))).unflatten(1, self.shape)
        for conv, norm in zip(self.up, self.up_norm):
            x = norm(conv(F.relu(x)), inplace=True)
        return to_drawing(self.last, F.relu(x))


class Generator(nn.Module):
    """The generator of [APD20]: as apdrawing.Generator, with styles, refinement and soft borders."""

    config_class = Config

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        ngf, norm = config.ngf, config.norm
        sizes = region_sizes(config.side)
        self.whole = ResNet(ngf, config.whole_blocks, norm)
        self.eyel, self.eyer, self.nose, self.mouth = (ResNet(ngf, config.local_blocks, norm) for _ in regions.PARTS)
        self.hair = ResNet(ngf, config.frame_blocks, norm, styles=HAIR_STYLES)
        self.background = ResNet(ngf, config.frame_blocks, norm)
        self.fusion = FusionNet(ngf, norm)
        self.mouth_style = Classifier(ngf, config.mouth_levels, sizes[3], MOUTH_STYLES, norm)
        self.hair_style = Classifier(ngf, config.hair_levels, (config.side, config.side), HAIR_STYLES, norm)
        eyes, nose, mouth = config.eye_latent, config.nose_latent, config.mouth_latent
        kinds = {"eyel": (0, eyes), "eyer": (1, eyes), "nose": (2, nose)}
        kinds |= {"mouth_white": (3, mouth), "mouth_black": (3, mouth)}
        self.refine = nn.ModuleDict({n: AutoEncoder(ngf, sizes[i], size, norm) for n, (i, size) in kinds.items()})
        initialise(self)
        for fixed in self.fixed():
            fixed.requires_grad_(False)

    def fixed(self) -> list[nn.Module]:
        """Networks that were trained beforehand."""
        return [self.mouth_style, self.hair_style, self.refine]

    def train(self, mode: bool = True) -> Generator:
        """As in torch; the networks that do not learn stay in evaluation mode."""
        super().train(mode)
        for fixed in self.fixed():
            fixed.eval()
        return self

    def forward(
        self,
        photo: Tensor,
        centres: Tensor,
        mask: Tensor,
        part_masks: Tensor,
        seed: int | Sequence[int] | None = None,
    ) -> Drawings:
        """Draws aligned photos, as apdrawing.Generator does.

        photo: [N,3,S,S] with the side of the configuration. part_masks: [N,4,S,S] of eye, eye, nose, mouth, bool or
        >= 0.5: compact, inside which the auto-encoders' drawing counts. Others as there.
        """
        self._check(photo, centres, mask, part_masks)
        given = self.config.seed if seed is None else seed
        noise = noise_for(len(photo), self.config.dropout, given, photo.device)
        x = photo.to(self.fusion.last.weight.dtype).contiguous(memory_format=torch.channels_last)
        sizes = region_sizes(self.config.side)
        person = regions.as_bool(mask)
        skin = hair_weights(centres, sizes, person, self.config.border)
        rims = [rim.to(x) for rim in border_weights(sizes, self.config.border)]
        whole = self.whole(x, noise)
        # Faded to mid-grey at the rim: the weights multiply values in [-1,1].
        crops = [part * rim for part, rim in zip(regions.crop(x, centres, sizes), rims)]
        hair_photo = regions.masked(x, skin)
        mouth_style = self.mouth_style(crops[3]).argmax(1)
        hair_style = self.hair_style(hair_photo).argmax(1)
        nets = (self.eyel, self.eyer, self.nose, self.mouth)
        parts = [net(part, noise) for net, part in zip(nets, crops)]
        parts = self._refined(parts, centres, sizes, part_masks, mouth_style)
        hair = self.hair(hair_photo, noise, F.one_hot(hair_style, HAIR_STYLES))
        background = self.background(regions.masked(x, ~person), noise)
        weights = torch.cat([skin.float(), (~person).float()], 1)
        fused = ops.fuse_regions(parts, centres, hair, background, weights, mode=self.config.fusion)
        drawing = self.fusion(torch.cat([whole, fused], 1), noise)
        parts = [regions.masked(part, rim) for part, rim in zip(parts, rims)]
        hair, background = regions.masked(hair, skin), regions.masked(background, ~person)
        made = (drawing, whole, fused, *parts, hair, background)
        return Drawings(*[d.to(photo.dtype) for d in made], mouth_style, hair_style)  # type: ignore[call-arg]

    def _refined(
        self, parts: list[Tensor], centres: Tensor, sizes: regions.Sizes, part_masks: Tensor, mouth_style: Tensor
    ) -> list[Tensor]:
        mouths = [self.refine[("mouth_white", "mouth_black")[k]] for k in mouth_style.tolist()]
        better = [self.refine[name](part) for name, part in zip(("eyel", "eyer", "nose"), parts)]
        better.append(torch.cat([net(sample[None]) for net, sample in zip(mouths, parts[3])]))
        crops = regions.crop(regions.as_bool(part_masks), centres, sizes, beyond=0)
        inside = [compact[:, i : i + 1] for i, compact in enumerate(crops)]
        return [torch.where(w, new, old) for w, new, old in zip(inside, better, parts)]

    def _check(self, photo: Tensor, centres: Tensor, mask: Tensor, part_masks: Tensor) -> None:
        regions.check_inputs(photo, centres, mask, 4)
        side = self.config.side
        if photo.shape[-1] != side:
            raise BadInput(f"photo: side of {photo.shape[-1]} px given, {side} px expected, which the networks are for")
        if tuple(part_masks.shape) != (len(photo), 4, side, side):
            raise BadInput(f"part_masks: {tuple(part_masks.shape)} given, {(len(photo), 4, side, side)} expected")


def region_sizes(side: int) -> list[tuple[int, int]]:
    """(height, width) of the four rectangles in a frame of `side` px, multiples of 16 for the auto-encoders."""
    return regions.region_sizes(side, SIZES, 16)


def border_weights(sizes: regions.Sizes, border: str = "soft") -> list[Tensor]:
    """float32 [1,1,h,w] of the four rectangles: 1/6 on the outermost row and column, 1 from the sixth on."""
    weights = []
    for h, w in sizes:
        to_edge = torch.minimum(_to_edge(h)[:, None], _to_edge(w)[None, :])
        weight = ((to_edge + 1) / (RIM + 1)).clamp(max=1)
        weights.append((weight if border == "soft" else torch.ones_like(weight))[None, None])
    return weights


def _to_edge(size: int) -> Tensor:
    at = torch.arange(size, dtype=torch.float32)
    return torch.minimum(at, size - 1 - at)


def hair_weights(centres: Tensor, sizes: regions.Sizes, person: Tensor, border: str = "soft") -> Tensor:
    """How much the hair's drawing counts, [N,1,S,S]: with hard borders bool, on the person outside all rectangles.

    With soft borders float32: inside the rectangles' union it falls off from 5/6 on the outline to 0 in the sixth
    pixel, counted along the row to an outline pixel in a rectangle's first or last column, or along the column to one
    in a first or last row.
    """
    side = person.shape[-1]
    outside = regions.outside_rectangles(centres, sizes, side)
    if border == "hard":
        return person & outside.to(person.device)
    around = F.pad(outside.float(), (1, 1, 1, 1), value=1.0)
    neighbours = [around[..., 2:, 1:-1], around[..., :-2, 1:-1], around[..., 1:-1, 2:], around[..., 1:-1, :-2]]
    outline = ~outside & (torch.stack(neighbours).amax(0) > 0)
    columns, rows = _edges(centres, sizes, side)
    falling = torch.zeros(outside.shape, device=outside.device)
    for step in range(RIM, -1, -1):  # the nearest last, so that it stays
        for axis, edge in ((-1, outline & columns), (-2, outline & rows)):
            for shift in (step, -step):
                falling[_shifted(edge, shift, axis)] = 1 - (step + 1) / (RIM + 1)
    weight = torch.where(outside, torch.ones_like(falling), falling)
    return weight.to(person.device) * person


def _edges(centres: Tensor, sizes: regions.Sizes, side: int) -> tuple[Tensor, Tensor]:
    """Columns [N,1,1,side] and rows [N,1,side,1] that are the first or last of a rectangle."""
    columns, rows = (torch.zeros(len(centres), side, dtype=torch.bool) for _ in range(2))
    for n, places in enumerate(regions.corners(centres, sizes)):
        for (top, left), (h, w) in zip(places, sizes):
            for flags, ends in ((columns, (left, left + w - 1)), (rows, (top, top + h - 1))):
                for end in ends:
                    if 0 <= end < side:
                        flags[n, end] = True
    return columns[:, None, None, :].to(centres.device), rows[:, None, :, None].to(centres.device)


def _shifted(flags: Tensor, by: int, axis: int) -> Tensor:
    moved = torch.roll(flags, by, axis)
    at = torch.arange(flags.shape[axis], device=flags.device)
    fresh = (at >= by) & (at < flags.shape[axis] + by)  # nothing comes in from the other side
    return moved & (fresh if axis == -1 else fresh[:, None])


class Discriminators(apdrawing.Discriminators):
    """As in [APD19], with the taller mouth and, for hair, the soft weights."""

    def forward(
        self, photo: Tensor, drawing: Tensor, centres: Tensor, mask: Tensor, border: str = "soft"
    ) -> dict[str, Tensor]:
        """As `apdrawing.Discriminators`. border: of the hair, "soft" or "hard" (`hair_weights`)."""
        regions.check_inputs(photo, centres, mask, 1)
        person, sizes = regions.as_bool(mask), region_sizes(photo.shape[-1])
        skin = hair_weights(centres, sizes, person, border)
        return self.judge(torch.cat([photo, drawing], 1), centres, sizes, skin, ~person)


class Continuity(nn.Module):
    """Regressor of line continuity on patches [P,1,11,11]: [P], near 1 where lines go on."""

    SIDE = 11

    def __init__(self, ngf: int):
        super().__init__()
        widths = [1, ngf, 2 * ngf, 4 * ngf]
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 3, 1, 1) for a, b in pairwise(widths))
        self.last = nn.Conv2d(widths[-1], 1, self.SIDE)

    def forward(self, patches: Tensor) -> Tensor:
        """Patches [P,1,11,11] in [-1,1] to [P]."""
        for conv in self.convs:
            patches = F.leaky_relu(conv(patches), SLOPE, inplace=True)
        return self.last(patches).flatten()


class Auxiliary(apdrawing.Auxiliary):
    """The frozen networks of [APD19]'s published loss, and the regressor of line continuity."""

    def __init__(self, config: apdrawing.AuxiliaryConfig):
        super().__init__(config)
        self.continuity = Continuity(config.ngf)
        initialise(self.continuity)
        self.continuity.requires_grad_(False)


def build(config: Config | None = None) -> Generator:
    """The generator; the paper's without a config."""
    return Generator(config or Config())
