"""How the tensors of the published checkpoints are named and shaped, and what they are called in pyapdraw.models.

A Slot is one tensor: our name, the published name inside its network, and its shape. Nothing here needs torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple


class Slot(NamedTuple):
    """optional: tensors that old files lack (num_batches_tracked came with torch 0.4.1); zero is put in their place."""

    ours: str
    official: str
    shape: tuple[int, ...]
    optional: bool = False


def norm(ours: str, official: str, channels: int) -> Iterator[Slot]:
    """The tensors of a normalisation layer."""
    for name in ("weight", "bias", "running_mean", "running_var"):
        yield Slot(f"{ours}.{name}", f"{official}.{name}", (channels,))
    yield Slot(f"{ours}.num_batches_tracked", f"{official}.num_batches_tracked", (), optional=True)


def conv(ours: str, official: str, shape: Sequence[int], bias: int = 0) -> Iterator[Slot]:
    """bias: channels of the bias, 0 for none."""
    yield Slot(f"{ours}.weight", f"{official}.weight", tuple(shape))
    if bias:
        yield Slot(f"{ours}.bias", f"{official}.bias", (bias,))


def unet_level(level: int) -> str:
    """Where the published U-Net keeps a level: nested blocks, each the child of the one before."""
    return "model.model." if level == 0 else "model.model.1" + ".model.3" * (level - 1) + ".model."


def unet(inputs: int, widths: Sequence[int]) -> Iterator[Slot]:
    """models.apdrawing.UNet with one channel out, in the order of the published nesting: down, then up."""
    last = len(widths) - 1
    steps = list(enumerate(pairwise((inputs, *widths))))
    for i, (a, b) in steps:
        at = unet_level(i)
        yield from conv(f"down.{i}", f"{at}{min(i, 1)}", (b, a, 4, 4))
        if 0 < i < last:
            yield from norm(f"down_norm.{i - 1}", f"{at}2", b)
    for i, (a, b) in reversed(steps):
        at = unet_level(i)
        if i == 0:
            yield from conv("up.0", f"{at}3", (2 * b, 1, 4, 4), bias=1)
            continue
        yield from conv(f"up.{i}", f"{at}{3 if i == last else 5}", (b if i == last else 2 * b, a, 4, 4))
        yield from norm(f"up_norm.{i - 1}", f"{at}{4 if i == last else 6}", a)


def residual(ours: str, official: str, channels: int) -> Iterator[Slot]:
    """layers.ResidualBlock. The published block counts its dropout layer; `without_shift` is for those without."""
    shape = (channels, channels, 3, 3)
    for i, at in ((1, 1), (2, 6)):
        yield from conv(f"{ours}.conv{i}", f"{official}.conv_block.{at}", shape)
        yield from norm(f"{ours}.norm{i}", f"{official}.conv_block.{at + 1}", channels)


def fusion(channels: int, blocks: int = 2) -> Iterator[Slot]:
    """layers.FusionNet."""
    yield from conv("first", "model.1", (channels, 2, 7, 7))
    yield from norm("first_norm", "model.2", channels)
    for i in range(blocks):
        yield from residual(f"blocks.{i}", f"model.{4 + i}", channels)
    yield from conv("last", f"model.{5 + blocks}", (1, channels, 7, 7), bias=1)


def patch_discriminator(inputs: int, channels: int, layers: int = 3) -> Iterator[Slot]:
    """layers.PatchDiscriminator."""
    widths = [channels * min(2**i, 8) for i in range(layers + 1)]
    yield from conv("first", "model.0", (channels, inputs, 4, 4), bias=channels)
    for i, (a, b) in enumerate(pairwise(widths)):
        yield from conv(f"middle.{i}", f"model.{2 + 3 * i}", (b, a, 4, 4))
        yield from norm(f"norms.{i}", f"model.{3 + 3 * i}", b)
    yield from conv("last", f"model.{2 + 3 * layers}", (1, widths[-1], 4, 4), bias=1)


def under(prefix: str, slots: Iterator[Slot]) -> list[Slot]:
    """The slots of one network as part of a larger one."""
    return [slot._replace(ours=f"{prefix}.{slot.ours}") for slot in slots]


def resnet(ngf: int, blocks: int, styles: int = 0) -> Iterator[Slot]:
    """models.apdrawing2.ResNet. With styles the encoder is a sequence of its own, model0."""
    widths = [ngf, 2 * ngf, 4 * ngf]
    encoder = "model0" if styles else "model"
    for i, (a, b) in enumerate(pairwise((3, *widths))):
        kernel = 7 if i == 0 else 3
        yield from conv(f"down.{i}", f"{encoder}.{1 + 3 * i}", (b, a, kernel, kernel))
        yield from norm(f"down_norm.{i}", f"{encoder}.{2 + 3 * i}", b)
    at = 10
    if styles:
        yield from conv("merge", "model.0", (widths[2], widths[2] + styles, 3, 3))
        yield from norm("merge_norm", "model.1", widths[2])
        at = 3
    for i in range(blocks):
        yield from residual(f"blocks.{i}", f"model.{at + i}", widths[2])
    at += blocks
    for i, (a, b) in enumerate(((widths[2], widths[1]), (widths[1], widths[0]))):
        yield from conv(f"up.{i}", f"model.{at + 3 * i}", (a, b, 3, 3))
        yield from norm(f"up_norm.{i}", f"model.{at + 3 * i + 1}", b)
    yield from conv("last", f"model.{at + 7}", (1, ngf, 7, 7), bias=1)


def encoder(inputs: int, ngf: int, levels: int) -> Iterator[Slot]:
    """models.apdrawing2.Encoder."""
    for i, (a, b) in enumerate(pairwise((inputs, *(ngf * 2**k for k in range(levels + 1))))):
        yield from conv(f"encoder.convs.{i}", f"encoder.{max(3 * i - 1, 0)}", (b, a, 4, 4))
        if i:
            yield from norm(f"encoder.norms.{i - 1}", f"encoder.{3 * i}", b)


def classifier(ngf: int, levels: int, features: int, classes: int) -> Iterator[Slot]:
    """models.apdrawing2.Classifier."""
    yield from encoder(3, ngf, levels)
    yield from conv("scores", "fc1", (classes, features), bias=classes)


def auto_encoder(ngf: int, features: int, latent: int) -> Iterator[Slot]:
    """models.apdrawing2.AutoEncoder."""
    yield from encoder(1, ngf, 3)
    yield from conv("code", "fc1", (latent, features), bias=latent)
    yield from conv("decode", "fc2", (features, latent), bias=features)
    for i, (a, b) in enumerate(pairwise((8 * ngf, 4 * ngf, 2 * ngf, ngf))):
        yield from conv(f"up.{i}", f"decoder.{1 + 3 * i}", (a, b, 4, 4))
        yield from norm(f"up_norm.{i}", f"decoder.{2 + 3 * i}", b)
    yield from conv("last", "decoder.10", (ngf, 1, 4, 4))


def continuity(ngf: int) -> Iterator[Slot]:
    """models.apdrawing2.Continuity."""
    widths = (1, ngf, 2 * ngf, 4 * ngf)
    for i, (a, b) in enumerate(pairwise(widths)):
        yield from conv(f"convs.{i}", f"model.{2 * i}", (b, a, 3, 3), bias=b)
    yield from conv("last", "model.6", (1, widths[-1], 11, 11), bias=1)


def without_shift(names: Sequence[str]) -> dict[str, str]:
    """New names where residual blocks were saved without dropout, so that their second half sits one place lower.

    names: of the four-dimensional tensors of one network. Gives {name as saved: name with dropout} prefixes.
    """
    moved = {}
    for name in names:
        block, found, rest = name.partition(".conv_block.")
        if found and rest == "5.weight":
            moved[f"{block}.conv_block.5."] = f"{block}.conv_block.6."
            moved[f"{block}.conv_block.6."] = f"{block}.conv_block.7."
    return moved
