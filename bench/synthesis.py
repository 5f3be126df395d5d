"""The synthesis network of StyleGAN2: the layer list of config f with random weights, or the layers of a state dict in
the published names; whatever computes a layer.

A layer is a function `layer(x, weight, styles, *, noise, bias, taps, up, demodulate, activation, clamp)`, and `widened`
doubles the size of the image that the toRGB layers add up.
"""

from dataclasses import dataclass

import torch

LATENT = 512
TAPS = (0.125, 0.375, 0.375, 0.125)


@dataclass
class Weights:
    """One layer: styles = latent @ affine.T / sqrt(latent size) + affine_bias."""

    weight: torch.Tensor
    affine: torch.Tensor
    affine_bias: torch.Tensor
    bias: torch.Tensor
    noise: torch.Tensor | None  # [1, 1, H, W], multiplied by its strength; None for toRGB
    up: int = 1

    def styles(self, latent):
        return torch.addmm(self.affine_bias, latent, self.affine.T, alpha=latent.shape[1] ** -0.5)

    def to(self, dtype) -> "Weights":
        return Weights(self.weight.to(dtype), self.affine, self.affine_bias, self.bias, self.noise, self.up)


@dataclass
class Block:
    """The layers of one resolution; the first block has no conv0."""

    conv0: Weights | None
    conv1: Weights
    to_rgb: Weights

    def to(self, dtype) -> "Block":
        parts = (self.conv0, self.conv1, self.to_rgb)
        return Block(*(None if part is None else part.to(dtype) for part in parts))


def channels(side: int) -> int:
    return min(32768 // side, 512)


def random_network(size: int, seed: int = 0) -> tuple[torch.Tensor, list[Block]]:
    """The constant [1, 512, 4, 4] and a block for every resolution from 4 to size."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=generator)

    def weights(inputs, outputs, k, side, up=1):
        noise = 0.1 * normal(1, 1, side, side) if k == 3 else None
        bias = 0.1 * normal(outputs)
        return Weights(normal(outputs, inputs, k, k), normal(inputs, LATENT), torch.ones(inputs), bias, noise, up)

    blocks = []
    for level in range(2, size.bit_length()):
        side = 1 << level
        inputs, outputs = channels(side // 2), channels(side)
        conv0 = weights(inputs, outputs, 3, side, up=2) if side > 4 else None
        blocks.append(Block(conv0, weights(outputs, outputs, 3, side), weights(outputs, 3, 1, side)))
    return normal(1, channels(4), 4, 4), blocks


def network_of(state: dict[str, torch.Tensor]) -> tuple[torch.Tensor, list[Block]]:
    """The same from the tensors of a generator under their published names, "synthesis.b4.const" and so on."""

    def weights(name, up=1):
        if f"{name}.weight" not in state:
            return None
        noise = state.get(f"{name}.noise_const")
        noise = None if noise is None else (noise * state[f"{name}.noise_strength"])[None, None]
        affine = [state[f"{name}.affine.{part}"] for part in ("weight", "bias")]
        return Weights(state[f"{name}.weight"], *affine, state[f"{name}.bias"], noise, up)

    sides = sorted({int(name.split(".")[1][1:]) for name in state if name.startswith("synthesis.b")})
    blocks = [
        Block(*(weights(f"synthesis.b{side}.{part}", up) for part, up in (("conv0", 2), ("conv1", 1), ("torgb", 1))))
        for side in sides
    ]
    return state["synthesis.b4.const"][None], blocks


def synthesis(constant, blocks, latents, layer, widened, clamp=256.0):
    """latents [N, rows, size] -> image [N, 3, S, S]; toRGB shares its row with the next block's conv0."""
    taps = torch.tensor(TAPS)
    x, image, row = constant.expand(len(latents), -1, -1, -1), None, 0

    def run(x, weights, latent, **options):
        return layer(
            x, weights.weight, weights.styles(latent), noise=weights.noise, bias=weights.bias, taps=taps,
            up=weights.up, **options,
        )  # fmt: skip

    for block in blocks:
        for weights in (block.conv0, block.conv1):
            if weights is not None:
                x = run(x, weights, latents[:, row], demodulate=True, activation="lrelu", clamp=clamp)
                row += 1
        rgb = rgb_layer(run, x, block.to_rgb, latents[:, row], clamp)
        image = rgb if image is None else widened(image, taps) + rgb
    return image


def rgb_layer(run, x, weights, latent, clamp):
    """In float32 (float64 for float64), in which the image adds up. There is no demodulation; the affine layer, so the
    styles, carry the gain 1 / sqrt(inputs)."""
    gain = weights.weight.shape[1] ** -0.5
    scaled = Weights(weights.weight, weights.affine * gain, weights.affine_bias * gain, weights.bias, None)
    rgb = run(x, scaled, latent, demodulate=False, activation="linear", clamp=clamp)
    return rgb if rgb.dtype == torch.float64 else rgb.float()
