"""A small hierarchical network of our own for live drawing, with the anatomy of APDrawingGAN [APD19, section 4.1].

    whole       a U-Net at half resolution over person, contrasts and the drawing of style ink: global context
    eye, nose, mouth  local networks at full resolution, one for both eyes, whose right one is shown in a mirror
    hair, background  local drawings from the features of `whole`
    fusion      ops.fuse_regions (darkest wins) and a network over global and fused drawing

Departures from the paper, all for speed and because a few drawings must suffice: every network starts from the drawing
of style ink and learns what to change in it; of the photo they see contrasts alone, so that light and hair colour do
not matter; locals see the global network's features; no normalisation; convolutions of 3x3 at half resolution, so that
a drawing of 512 px costs 1.7 GMAC instead of the paper's 88.

>>> net = Generator(Config()).eval()
>>> sum(p.numel() for p in net.parameters()) < 400_000
True
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pyapdraw import ops
from pyapdraw.errors import BadInput
from pyapdraw.models import regions
from pyapdraw.models.apdrawing import Drawings, region_sizes
from pyapdraw.models.apdrawing_small_numbers import CELLS_PX, FLAT, GIVEN, SLOPE, SMOOTH
from pyapdraw.models.layers import counted

LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class Config:
    """width: channels at half resolution; the three deeper levels have 2, 4 and 6 times as many. local: channels of the
    networks for eye, nose and mouth."""

    width: int = 16
    local: int = 12

    def __post_init__(self) -> None:
        counted("width", self.width, 1, 256)
        counted("local", self.local, 1, 256)


def conv(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Conv2d:
    """A convolution that keeps the side, or divides it by an even stride."""
    return nn.Conv2d(inputs, outputs, kernel, stride, (kernel - 1) // 2)


def active(x: Tensor) -> Tensor:
    """The activation after every layer."""
    return F.leaky_relu(x, SLOPE)


def doubled(x: Tensor) -> Tensor:
    """[N,C,h,w] to [N,C,2h,2w], by repetition."""
    return F.interpolate(x, scale_factor=2.0, mode="nearest")


class Whole(nn.Module):
    """The U-Net: [N,GIVEN,S,S] to features [N,width,S/2,S/2]. The deepest level also knows where each pixel lies."""

    def __init__(self, width: int):
        super().__init__()
        widths = [width, 2 * width, 4 * width, 6 * width]
        pairs = list(pairwise(widths))
        self.stem = conv(GIVEN, width, 6, 2)
        self.down = nn.ModuleList(conv(a, b, stride=2) for a, b in pairs)
        self.body = nn.ModuleList(conv(b + 2 * (b == widths[-1]), b) for _, b in pairs)
        self.side = nn.ModuleList(conv(b, a, 1) for a, b in pairs)
        self.up = nn.ModuleList(conv(a, a) for a, _ in pairs)

    def forward(self, x: Tensor) -> Tensor:
        """[N,GIVEN,S,S] in [-1,1] to features [N,width,S/2,S/2]."""
        x = active(self.stem(x))
        skips = []
        for level, (down, body) in enumerate(zip(self.down, self.body)):
            skips.append(x)
            x = active(down(x))
            if level == len(self.down) - 1:
                x = torch.cat([x, place(x)], 1)
            x = active(body(x))
        for level in reversed(range(len(self.up))):
            x = active(self.up[level](skips[level] + doubled(self.side[level](x))))
        return x


class Head(nn.Module):
    """Maps at half resolution, and drawings to start from, to a drawing [N,1,S,S] in [-1,1].

    `last` makes four pixels of each; a binomial filter over them has a zero where pixels alternate, for they would
    learn to draw grey as a chequerboard otherwise. With the drawings, as four channels each, all is one transposed
    convolution of 4 x 4 (`kernel`).
    """

    def __init__(self, width: int, bases: int, gain: float):
        super().__init__()
        self.last = nn.Parameter(torch.empty(width, 4))
        self.bias = nn.Parameter(torch.zeros(1))
        self.gain = nn.Parameter(torch.full((bases,), gain))

    def kernel(self) -> Tensor:
        """[width + 4 bases,1,4,4]."""
        line = self.last.new_zeros(2, 4)
        for pixel in range(2):
            line[pixel, pixel : pixel + 3] = line.new_tensor(SMOOTH)
        change = torch.einsum("cij,iy,jx->cyx", self.last.view(-1, 2, 2), line, line)
        taken = self.last.new_zeros(4, 4, 4)
        for pixel in range(4):
            taken[pixel, pixel // 2 + 1, pixel % 2 + 1] = 1.0
        return torch.cat([change, *(gain * taken for gain in self.gain)])[:, None]

    def forward(self, maps: Tensor, bases: Sequence[Tensor]) -> Tensor:
        """Maps [N,width,S/2,S/2] and drawings [N,1,S,S] to a drawing [N,1,S,S] in [-1,1]."""
        maps = torch.cat([maps.float(), *(F.pixel_unshuffle(base, 2) for base in bases)], 1)
        maps = maps.contiguous(memory_format=torch.channels_last)
        return ops.conv_to_one(maps, self.kernel(), self.bias, up=2, padding=1, activation="tanh")


class Part(nn.Module):
    """A local network at full resolution: [N,GIVEN,h,w] and features [N,width,h,w] to a drawing [N,1,h,w]."""

    def __init__(self, features: int, width: int):
        super().__init__()
        self.stem = conv(GIVEN, width)
        self.side = conv(features, width, 1)
        self.body = nn.ModuleList(conv(width, width) for _ in range(2))
        self.last = conv(width, 1)
        self.gain = nn.Parameter(torch.full((1,), 2.0))

    def forward(self, x: Tensor, features: Tensor) -> Tensor:
        """[N,GIVEN,h,w] in [-1,1] and features [N,features,h,w] to a drawing [N,1,h,w] in [-1,1]."""
        y = active(self.stem(x) + self.side(features))
        for body in self.body:
            y = active(body(y))
        return torch.tanh(self.last(y) + self.gain * x[:, :1])


class Generator(nn.Module):
    """See above."""

    config_class = Config

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        width = config.width
        self.whole = Whole(width)
        self.shared = conv(width, width)
        self.whole_head, self.hair, self.background = (Head(width, 1, 2.0) for _ in range(3))
        self.eye, self.nose, self.mouth = (Part(width, config.local) for _ in range(3))
        self.fusion_inner = conv(3, width, 6, 2)  # global drawing, fused drawing, ink
        self.fusion = Head(width, 2, 1.5)
        start(self)

    def forward(
        self,
        photo: Tensor,
        centres: Tensor,
        mask: Tensor,
        seed: int | Sequence[int] | None = None,
        *,
        ink: Tensor | None = None,
    ) -> Drawings:
        """Draws aligned photos.

        photo: [N,3,S,S] in [-1,1], S a multiple of 32. centres: [N,4,2] (x, y) in px of eye, eye, nose, mouth, as
        `regions.region_centres` makes them. mask: [N,1,S,S] of the person, bool or >= 0.5. ink: [N,1,S,S] in [-1,1],
        what style ink draws of that photo; None: no drawing to start from (zeros), as in pre-training. seed: not used.

        Raises BadInput: a shape that does not fit.
        """
        regions.check_inputs(photo, centres, mask, 32)
        if ink is None:
            ink = torch.zeros_like(photo[:, :1])
        if ink.shape != mask.shape:
            raise BadInput(f"ink: {tuple(ink.shape)} given, {tuple(mask.shape)} expected")
        person = regions.as_bool(mask)
        given = torch.cat([ink, person.to(ink.dtype) * 2 - 1, contrast(photo)], 1)
        given = given.contiguous(memory_format=torch.channels_last)
        features = self.whole(given)
        maps = active(self.shared(features))
        whole, hair, background = (head(maps, [ink]) for head in (self.whole_head, self.hair, self.background))
        parts = self._parts(given, features, centres)
        fused = ops.fuse_regions(parts, centres, hair, background, person)
        drawing = self.fusion(active(self.fusion_inner(torch.cat([whole, fused, ink], 1))), [whole, fused])
        sizes = region_sizes(photo.shape[-1])
        skin = person & regions.outside_rectangles(centres, sizes, photo.shape[-1]).to(person.device)
        hair, background = regions.masked(hair, skin), regions.masked(background, ~person)
        return Drawings(*(drawing, whole, fused, *parts, hair, background))

    def run(self, pixels: Tensor, mask: Tensor, centres: Tensor, ink: Tensor) -> dict[str, Tensor]:
        """The ports of `apdrawing.small`, see `models.registry.PORTS`."""
        photo, person = regions.unit_range(pixels.permute(0, 3, 1, 2)), (mask >= 128)[:, None]
        return {"drawing": self(photo, centres, person, ink=regions.unit_range(ink)[:, None]).drawing[:, 0]}

    def _parts(self, given: Tensor, features: Tensor, centres: Tensor) -> list[Tensor]:
        sizes = region_sizes(given.shape[-1])
        seen = regions.crop(torch.cat([given, doubled(features)], 1), centres, sizes)
        parts = []
        for name, x in zip(regions.PARTS, seen):
            if name == "eyer":
                x = x.flip(-1)
            net = self.get_submodule("eye" if name.startswith("eye") else name)
            drawing = net(x[:, :GIVEN], x[:, GIVEN:]).float()
            parts.append(drawing.flip(-1) if name == "eyer" else drawing)
        return parts


@torch.no_grad()
def contrast(photo: Tensor) -> Tensor:
    """Luma minus its mean around, in standard deviations there: float32 [N,3,S,S], a channel a grid of CELLS_PX.

    A strand in black hair and one in fair hair look alike here, which a few dozen portraits could not teach. Means and
    mean squares are those of cells, bilinear between their centres.
    """
    luma = (photo.float() * photo.new_tensor(LUMA, dtype=torch.float32).view(1, 3, 1, 1)).sum(1, keepdim=True)
    moments = torch.cat([luma, luma * luma], 1)
    maps = []
    for cell in CELLS_PX:
        around = F.interpolate(F.avg_pool2d(moments, cell), luma.shape[-2:], mode="bilinear", align_corners=False)
        mean, square = around.split(1, 1)
        maps.append((luma - mean) / (square - mean * mean).clamp(min=0).add(FLAT**2).sqrt())
    return torch.cat(maps, 1)


def place(x: Tensor) -> Tensor:
    """x and y of every pixel, -1 to 1: [N,2,H,W], H = W."""
    line = torch.linspace(-1, 1, x.shape[-1], dtype=x.dtype, device=x.device)
    grid = torch.stack([line.expand(len(line), -1), line[:, None].expand(-1, len(line))])
    return grid.expand(len(x), -1, -1, -1)


def start(net: Generator) -> None:
    """He et al.'s start; what changes a drawing begins at a tenth of it."""
    for name, module in net.named_modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, SLOPE)
            if name.endswith("last"):
                module.weight.data.mul_(0.1)
            assert module.bias is not None
            nn.init.zeros_(module.bias)
        elif isinstance(module, Head):
            nn.init.normal_(module.last, 0.0, 0.1 * (2 / len(module.last)) ** 0.5)


def build(config: Config | None = None) -> Generator:
    """The generator; the shipped one's shape without a config."""
    return Generator(config or Config())
