"""Blocks that several drawing networks share: normalisation, dropout, residual blocks, fusion net, patch discriminator.

All are written for maps of any memory layout; channels last is the fast one on a CPU. Weights of convolutions may be
bfloat16 (`half`), those of normalisations always stay float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pyapdraw import ops
from pyapdraw.errors import BadInput

NORMS = ("per_image", "running")
DROPOUTS = ("off", "seeded")
SLOPE = 0.2  # of every leaky ReLU of these papers
MOMENTUM = 0.1  # of running statistics


class Norm(nn.BatchNorm2d):
    """Batch normalisation (eps 1e-5, momentum 0.1) whose samples never mix.

    mode "per_image": mean and biased variance of each sample by itself, as the published code had them with its batches
    of one, in training and at test. In training mode the running statistics learn as well, from the mean over samples.
    mode "running": the running statistics, which stay as they are.
    """

    def __init__(self, channels: int, mode: str = "per_image"):
        super().__init__(channels, momentum=MOMENTUM)
        self.mode = mode

    def forward(self, x: Tensor, inplace: bool = False) -> Tensor:
        """inplace: x may be overwritten, which saves fresh memory where no gradient is recorded."""
        if self.mode == "running":
            return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps)
        native = self._native(x)
        if not native and not x.is_cuda:
            # With channels last, torch's sums on a CPU are 100 to 10000 times less precise, and its gradient takes up
            # to 40 times as long.
            x = x.contiguous()
        if self.training:
            self._learn(x.detach())
        if native:
            return ops.instance_norm(x, self.weight, self.bias, eps=self.eps, out=x if inplace else None)
        # A group of one channel is a sample's own statistics. torch.group_norm takes maps of a single pixel as well.
        return torch.group_norm(x, self.num_features, self.weight, self.bias, self.eps)

    def _native(self, x: Tensor) -> bool:
        """Whether our own kernel serves, which has no gradient. Compiled and exported graphs hold torch's operation."""
        if torch.compiler.is_compiling() or self.weight.dtype != torch.float32:
            return False
        if torch.is_grad_enabled() and (x.requires_grad or self.weight.requires_grad or self.bias.requires_grad):
            return False
        return x.dtype in (torch.float32, torch.bfloat16) or (x.is_cuda and x.dtype == torch.float16)

    @torch.no_grad()
    def _learn(self, x: Tensor) -> None:
        pixels = x.shape[-2] * x.shape[-1]
        if pixels < 2 or not len(x):
            return  # no unbiased variance
        variance, mean = torch.var_mean(x.float(), (2, 3))
        assert self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None
        self.running_mean.lerp_(mean.mean(0).to(self.running_mean), MOMENTUM)
        self.running_var.lerp_(variance.mean(0).to(self.running_var), MOMENTUM)
        self.num_batches_tracked += 1


class Noise:
    """Dropout masks of one forward pass: every sample has its own generator, so its masks do not depend on the batch.

    seeds: one a sample. The same seeds give the same masks on the same kind of device.
    """

    def __init__(self, seeds: Sequence[int], device: Any):
        self.generators = [torch.Generator(device).manual_seed(int(s) % 2**63) for s in seeds]

    def drop(self, x: Tensor) -> Tensor:
        """Zeroes one half of the values of x [N,C,H,W] and doubles the others."""
        if len(x) != len(self.generators):
            raise BadInput(f"seed: {len(self.generators)} given, one for each of the {len(x)} samples expected")
        keep = torch.empty(x.shape, dtype=x.dtype, device=x.device)
        for sample, generator in zip(keep, self.generators):
            sample.bernoulli_(0.5, generator=generator)
        return x * keep.mul_(2)


def noise_for(count: int, dropout: str, seed: int | Sequence[int], device: Any) -> Noise | None:
    """The masks of a forward pass over `count` samples; None without dropout. One seed serves every sample."""
    if dropout == "off":
        return None
    seeds = list(seed) if isinstance(seed, Sequence) else [seed] * count
    if len(seeds) != count:
        raise BadInput(f"seed: {len(seeds)} given, one for each of the {count} samples expected")
    return Noise(seeds, device)


def to_drawing(conv: Any, x: Tensor, padding: int = 0) -> Tensor:
    """Last layer of a generator, Conv2d or ConvTranspose2d (4x4, stride 2), and its tanh.

    padding: reflected pixels before a convolution that pads nothing.

    One output channel goes through our own kernel: on a CPU torch computes sixteen channels for one.
    """
    transposed = isinstance(conv, nn.ConvTranspose2d)
    known = x.dtype in (torch.float32, torch.bfloat16) or (x.is_cuda and x.dtype == torch.float16)
    if conv.out_channels == 1 and known:
        own = {"up": 2, "padding": 1} if transposed else {"padding": padding, "padding_mode": "reflect"}
        return ops.conv_to_one(x, conv.weight, conv.bias, activation="tanh", **own)
    return torch.tanh(conv(reflected(x, padding) if padding else x))


def reflected(x: Tensor, padding: int) -> Tensor:
    """[N,C,h,w] with `padding` reflected pixels on each side."""
    return F.pad(x, (padding,) * 4, mode="reflect")


class ResidualBlock(nn.Module):
    """x + [reflect, 3x3, norm, ReLU, dropout, reflect, 3x3, norm]; no activation after the sum."""

    def __init__(self, channels: int, norm: str):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, bias=False)
        self.norm1 = Norm(channels, norm)
        self.conv2 = nn.Conv2d(channels, channels, 3, bias=False)
        self.norm2 = Norm(channels, norm)

    def forward(self, x: Tensor, noise: Noise | None = None) -> Tensor:
        """[N,channels,h,w] to the same shape. noise: of dropout; None: none."""
        y = F.relu(self.norm1(self.conv1(reflected(x, 1)), inplace=True), inplace=True)
        if noise is not None:
            y = noise.drop(y)
        return self.norm2(self.conv2(reflected(y, 1)), inplace=True).add_(x)


class FusionNet(nn.Module):
    """The fusion net of [APD19, section 4.1], all at full resolution: global and fused drawing [N,2,H,W] in."""

    def __init__(self, channels: int, norm: str, blocks: int = 2):
        super().__init__()
        self.first = nn.Conv2d(2, channels, 7, bias=False)
        self.first_norm = Norm(channels, norm)
        self.blocks = nn.ModuleList(ResidualBlock(channels, norm) for _ in range(blocks))
        self.last = nn.Conv2d(channels, 1, 7)

    def forward(self, x: Tensor, noise: Noise | None = None) -> Tensor:
        """Two drawings [N,2,H,W] in [-1,1] to one [N,1,H,W]. noise: of dropout; None: none."""
        x = F.relu(self.first_norm(self.first(reflected(x, 3)), inplace=True), inplace=True)
        for block in self.blocks:
            x = block(x, noise)
        return to_drawing(self.last, x, padding=3)


class PatchDiscriminator(nn.Module):
    """The Markovian discriminator of Pix2Pix: logits of overlapping patches (70 px with three strided layers).

    Departure: the published network ends in a sigmoid, whose logarithm the loss takes; here the loss takes logits,
    which is the same value and does not overflow in half precision.
    """

    def __init__(self, inputs: int, channels: int, norm: str, layers: int = 3):
        super().__init__()
        widths = [channels * min(2**i, 8) for i in range(layers + 1)]
        self.first = nn.Conv2d(inputs, channels, 4, 2, 1)
        self.middle = nn.ModuleList(
            nn.Conv2d(a, b, 4, 2 if i + 1 < layers else 1, 1, bias=False) for i, (a, b) in enumerate(pairwise(widths))
        )
        self.norms = nn.ModuleList(Norm(b, norm) for b in widths[1:])
        self.last = nn.Conv2d(widths[-1], 1, 4, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[N,inputs,h,w] in [-1,1] to logits [N,1,h',w']. Raises BadInput: too small an input."""
        least = 3 * 2 ** len(self.middle)  # after the strided layers each of the last two takes one pixel off
        if min(x.shape[-2:]) < least:
            given = f"{x.shape[-1]} x {x.shape[-2]} px"
            raise BadInput(f"layers: {len(self.middle)} given for an input of {given}, at least {least} px expected")
        x = F.leaky_relu(self.first(x), SLOPE, inplace=True)
        for conv, norm in zip(self.middle, self.norms):
            x = F.leaky_relu(norm(conv(x), inplace=True), SLOPE, inplace=True)
        return self.last(x)


def initialise(net: nn.Module, deviation: float = 0.02) -> None:
    """The papers' start: weights N(0, 0.02), scales of normalisations N(1, 0.02), biases 0."""
    for module in net.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
            nn.init.normal_(module.weight, 0.0, deviation)
        elif isinstance(module, Norm):
            nn.init.normal_(module.weight, 1.0, deviation)
        else:
            continue
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def half(net: nn.Module, dtype: torch.dtype = torch.bfloat16) -> nn.Module:
    """Convolutions and linear layers of `net` in another dtype and channels last; normalisations stay float32."""
    for module in net.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            module.to(dtype=dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
        elif isinstance(module, nn.Linear):
            module.to(dtype=dtype)
    return net


def chosen(name: str, value: Any, known: Sequence[str]) -> None:
    """Raises BadInput where `value` is not one of the `known` words."""
    if value not in known:
        raise BadInput(f"{name}: {value!r} given, one of {', '.join(map(repr, known))} expected")


def counted(name: str, value: Any, least: int = 1, most: int = 4096) -> None:
    """Raises BadInput where `value` is no integer from `least` to `most`."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise BadInput(f"{name}: {value!r} given, an integer from {least} to {most} expected")
