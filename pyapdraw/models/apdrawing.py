"""APDrawingGAN [APD19]: Yi, Liu, Lai, Rosin: APDrawingGAN: Generating Artistic Portrait Drawings from Face Photos with
Hierarchical GANs, CVPR 2019.

    section 4.1, G_global, G_l*       UNet, as `whole` and the six local networks of Generator
    section 4.1, fusion network       layers.FusionNet, as `fusion`
    section 4.1, min-pooled combination  ops.fuse_regions
    section 4.2, D_global, D_l*       Discriminators of layers.PatchDiscriminator
    section 5, line detectors         Auxiliary: UNets for lines and, as in the published code, for distance maps

Widths, levels and the order of layers are those of the published code, so that its weights fit
(`weights.import_checkpoint`).

>>> net = build(Config(ngf=4, levels=6)).eval()
>>> photo, mask = torch.zeros(1, 3, 64, 64), torch.ones(1, 1, 64, 64)
>>> net(photo, torch.tensor([[[25, 30], [39, 30], [32, 37], [32, 46]]]), mask).drawing.shape
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
from pyapdraw.models import regions
from pyapdraw.models.layers import (
    DROPOUTS,
    NORMS,
    SLOPE,
    FusionNet,
    Noise,
    Norm,
    PatchDiscriminator,
    chosen,
    counted,
    initialise,
    noise_for,
    to_drawing,
)


@dataclass(frozen=True)
class Config:
    """Of the generator.

    ngf: channels of the first level of every network. levels: times the global U-Net halves its input, whose side must
    be a multiple of 2 ** levels. norm: "per_image" (each sample's own statistics, as the published tests ran) or
    "running". dropout: "off", or "seeded" (the published code left it on at test). seed: of the masks where a call
    gives none. fusion: "min" (darkest wins) or "max".
    """

    ngf: int = 64
    levels: int = 8
    norm: str = "per_image"
    dropout: str = "off"
    seed: int = 0
    fusion: Literal["min", "max"] = "min"

    def __post_init__(self) -> None:
        counted("ngf", self.ngf)
        counted("levels", self.levels, 5, 12)
        counted("seed", self.seed, -(2**63), 2**63)
        chosen("norm", self.norm, NORMS)
        chosen("dropout", self.dropout, DROPOUTS)
        chosen("fusion", self.fusion, ("min", "max"))


class Drawings(NamedTuple):
    """What the generator makes of N photos, in [-1,1], white = 1. The names of the published code in brackets."""

    drawing: Tensor  # [N,1,S,S] the result (fake_B)
    whole: Tensor  # [N,1,S,S] of the global network (fake_B0)
    fused: Tensor  # [N,1,S,S] local drawings, min-pooled (fake_B1)
    eyel: Tensor  # [N,1,h,w] of the local networks, as are the next three
    eyer: Tensor
    nose: Tensor
    mouth: Tensor
    hair: Tensor  # [N,1,S,S], black outside its region (fake_B_hair)
    background: Tensor  # [N,1,S,S], black on the person (fake_B_bg)

    @property
    def local(self) -> dict[str, Tensor]:
        """The six local drawings by the names of regions.LOCALS."""
        return {name: getattr(self, name) for name in regions.LOCALS}


class UNet(nn.Module):
    """U-Net of 4x4 convolutions of stride 2, skips concatenated, ending in tanh [APD19, section 4.1].

    inputs: channels in. widths: channels after each halving. dropout: levels (index into widths) with dropout on the
    way up. Level 0 has no normalisation, the innermost level none on the way down.
    """

    def __init__(self, inputs: int, widths: Sequence[int], norm: str, dropout: Sequence[int] = ()):
        super().__init__()
        steps = list(pairwise((inputs, *widths)))
        last = len(widths) - 1
        self.dropout = frozenset(dropout)
        self.down = nn.ModuleList(nn.Conv2d(a, b, 4, 2, 1, bias=False) for a, b in steps)
        self.down_norm = nn.ModuleList(Norm(b, norm) for b in widths[1:-1])
        # The innermost level has no skip beside it; level 0 ends in the drawing and has the only bias.
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(b if i == last else 2 * b, a if i else 1, 4, 2, 1, bias=i == 0)
            for i, (a, b) in enumerate(steps)
        )
        self.up_norm = nn.ModuleList(Norm(a, norm) for a, _ in steps[1:])

    def forward(self, x: Tensor, noise: Noise | None = None) -> Tensor:
        """[N,inputs,h,w], sides divisible by 2^levels, to a drawing [N,1,h,w] in [-1,1]. noise: None: no dropout."""
        last = len(self.down) - 1
        skips = []
        for i, conv in enumerate(self.down):
            x = conv(x)
            if 0 < i < last:
                x = self.down_norm[i - 1](x, inplace=True)
            if i < last:
                # In place: the way up takes the ReLU of the skip, which is the same before and after the leaky one.
                x = F.leaky_relu(x, SLOPE, inplace=True)
                skips.append(x)
        x = F.relu(x, inplace=True)
        for i in range(last, 0, -1):
            x = self.up_norm[i - 1](self.up[i](x), inplace=True)
            if noise is not None and i in self.dropout:
                x = noise.drop(x)
            x = F.relu(torch.cat([skips[i - 1], x], 1), inplace=True)
        return to_drawing(self.up[0], x)


def whole_widths(ngf: int, levels: int) -> list[int]:
    """Channels of the global U-Net (the published unet_256 with 8 levels) and of the auxiliary ones."""
    return [ngf * min(2**i, 8) for i in range(levels)]


def whole_unet(inputs: int, ngf: int, levels: int, norm: str) -> UNet:
    """The net of the whole picture, with dropout on the inner levels [APD19, section 4.1]."""
    return UNet(inputs, whole_widths(ngf, levels), norm, dropout=range(4, levels - 1))


class Generator(nn.Module):
    """The hierarchical generator G of [APD19, section 4.1]: global network, six local ones, fusion."""

    config_class = Config

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        ngf, norm = config.ngf, config.norm
        self.whole = whole_unet(3, ngf, config.levels, norm)
        self.eyel, self.eyer, self.nose, self.mouth = (UNet(3, [ngf, 2 * ngf, 4 * ngf], norm) for _ in regions.PARTS)
        self.hair, self.background = (UNet(3, [ngf, 2 * ngf, 2 * ngf, 2 * ngf], norm, dropout=[2]) for _ in range(2))
        self.fusion = FusionNet(ngf, norm)
        initialise(self)

    def forward(
        self, photo: Tensor, centres: Tensor, mask: Tensor, seed: int | Sequence[int] | None = None
    ) -> Drawings:
        """Draws aligned photos.

        photo: [N,3,S,S] in [-1,1], S a multiple of 2 ** levels. centres: [N,4,2] (x, y) in px of eye, eye, nose, mouth,
        as `regions.region_centres` makes them. mask: [N,1,S,S] of the person, bool or >= 0.5. seed: of the dropout
        masks, one or one a sample; no effect with dropout "off". Networks in bfloat16 (`layers.half`) take the photo in
        any dtype; the drawings come in the photo's.

        Raises BadInput: a shape that does not fit.
        """
        regions.check_inputs(photo, centres, mask, 2**self.config.levels)
        given = self.config.seed if seed is None else seed
        noise = noise_for(len(photo), self.config.dropout, given, photo.device)
        x = photo.to(self.fusion.last.weight.dtype).contiguous(memory_format=torch.channels_last)
        sizes = region_sizes(photo.shape[-1])
        person = regions.as_bool(mask)
        skin = person & regions.outside_rectangles(centres, sizes, photo.shape[-1]).to(person.device)
        whole = self.whole(x, noise)
        nets = (self.eyel, self.eyer, self.nose, self.mouth)
        parts = [net(part, noise) for net, part in zip(nets, regions.crop(x, centres, sizes))]
        hair = self.hair(regions.masked(x, skin), noise)
        background = self.background(regions.masked(x, ~person), noise)
        fused = ops.fuse_regions(parts, centres, hair, background, person, mode=self.config.fusion)
        drawing = self.fusion(torch.cat([whole, fused], 1), noise)
        hair, background = regions.masked(hair, skin), regions.masked(background, ~person)
        return Drawings(*(d.to(photo.dtype) for d in (drawing, whole, fused, *parts, hair, background)))

    def run(self, pixels: Tensor, mask: Tensor, centres: Tensor) -> dict[str, Tensor]:
        """The ports of `apdrawing`, see `models.registry.PORTS`."""
        photo = regions.unit_range(pixels.permute(0, 3, 1, 2))
        return {"drawing": self(photo, centres, (mask >= 128)[:, None]).drawing[:, 0]}


def region_sizes(side: int) -> list[tuple[int, int]]:
    """(height, width) of the four rectangles of [APD19] in a frame of `side` px."""
    return regions.region_sizes(side)


@dataclass(frozen=True)
class DiscriminatorConfig:
    """ndf: channels of the first layer. layers: 3 gives the paper's 70 px patches; small frames need fewer (1 at
    64 px). norm as for the generator."""

    ndf: int = 64
    layers: int = 3
    norm: str = "per_image"

    def __post_init__(self) -> None:
        counted("ndf", self.ndf)
        counted("layers", self.layers, 1, 6)
        chosen("norm", self.norm, NORMS)


class Discriminators(nn.Module):
    """D_global and the six D_l of [APD19, section 4.2]; each sees its region of photo and drawing."""

    config_class = DiscriminatorConfig

    def __init__(self, config: DiscriminatorConfig):
        super().__init__()
        self.config = config
        for name in ("whole", *regions.LOCALS):
            self.add_module(name, PatchDiscriminator(4, config.ndf, config.norm, config.layers))
        initialise(self)

    def forward(self, photo: Tensor, drawing: Tensor, centres: Tensor, mask: Tensor) -> dict[str, Tensor]:
        """Logits [N,1,h,w] by name: "whole" and those of regions.LOCALS. Inputs as for Generator; drawing [N,1,S,S]."""
        regions.check_inputs(photo, centres, mask, 1)
        both = torch.cat([photo, drawing], 1)
        person = regions.as_bool(mask)
        sizes = region_sizes(photo.shape[-1])
        skin = person & regions.outside_rectangles(centres, sizes, photo.shape[-1]).to(person.device)
        return self.judge(both, centres, sizes, skin, ~person)

    def judge(
        self, both: Tensor, centres: Tensor, sizes: regions.Sizes, hair: Tensor, background: Tensor
    ) -> dict[str, Tensor]:
        """Logits of photo and drawing `both` [N,4,S,S] with given regions: masks bool, or soft weights."""
        views = [both, *regions.crop(both, centres, sizes)]
        views += [regions.masked(both, hair), regions.masked(both, background)]
        return {name: self.get_submodule(name)(x) for name, x in zip(("whole", *regions.LOCALS), views)}


@dataclass(frozen=True)
class AuxiliaryConfig:
    """As Config; the published networks have 9 levels, for drawings of 512 px."""

    ngf: int = 64
    levels: int = 9
    norm: str = "per_image"
    dropout: str = "off"
    seed: int = 0

    def __post_init__(self) -> None:
        Config(self.ngf, self.levels, self.norm, self.dropout, self.seed)


class Auxiliary(nn.Module):
    """Frozen networks behind the published distance-transform loss, drawing [N,1,S,S] to a map [N,1,S,S] in [-1,1].

    to_ink, to_paper: imitate the distance to the nearest black and white pixel, (map + 1) / 2 of the largest (DT1,
    DT2).
    ink_lines: negative on black lines (Line1). paper_lines: not negative on white lines (Line2).
    The published code ran them with "per_image" statistics and dropout.
    """

    config_class = AuxiliaryConfig
    NAMES = ("to_ink", "to_paper", "ink_lines", "paper_lines")

    def __init__(self, config: AuxiliaryConfig):
        super().__init__()
        self.config = config
        for name in self.NAMES:
            self.add_module(name, whole_unet(1, config.ngf, config.levels, config.norm))
        initialise(self)
        self.requires_grad_(False)

    def forward(self, name: str, drawing: Tensor, seed: int | Sequence[int] | None = None) -> Tensor:
        """The map `name` of NAMES."""
        chosen("name", name, self.NAMES)
        given = self.config.seed if seed is None else seed
        noise = noise_for(len(drawing), self.config.dropout, given, drawing.device)
        return self.get_submodule(name)(drawing, noise)


def build(config: Config | None = None) -> Generator:
    """The generator; the paper's without a config."""
    return Generator(config or Config())
