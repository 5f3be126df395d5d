"""Trains the line detectors of [APD19, section 5] from style ink's drawings: two-tone picture -> its lines.

    python -m pyapdraw.training.shipped.apdrawing_lines --data PORTRAITS --out apdrawing_lines.safetensors

What a line is, is said by morphology: ink that no disc of WIDTH_PX inside the ink covers, and the same of paper. The
networks learn to see that in drawings that are blurred, noisy and not quite black or white, as generators make them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from pyapdraw import ops, weights
from pyapdraw.data.augment import Augmentation
from pyapdraw.data.portraits import find
from pyapdraw.files import check_output
from pyapdraw.models.apdrawing_lines import WIDTH_PX, Config, LineDetectors
from pyapdraw.training.apdrawing_data import Portraits

WITHOUT = ("fconrad_Portrait_060414a",)  # kept for tests


def lines(ink: Tensor) -> Tensor:
    """Ink that is narrower than WIDTH_PX: bool [N,1,H,W] of the same, less its opening by a disc."""
    radius = WIDTH_PX / 2
    inside = ops.distance_transform(~ink) > radius
    nothing = ~inside.any(-1, keepdim=True).any(-2, keepdim=True)
    return ink & ((ops.distance_transform(inside) > radius) | nothing)


def spoilt(drawing: Tensor, random: torch.Generator) -> Tensor:
    """A two-tone drawing as a generator might have made it."""
    blurred = F.avg_pool2d(drawing, 3, 1, 1, count_include_pad=False)
    share = torch.rand(1, generator=random)
    faint = 0.6 + 0.4 * torch.rand(1, generator=random)
    noise = 0.1 * torch.rand(1, generator=random) * torch.randn(drawing.shape, generator=random)
    return ((drawing * (1 - share) + blurred * share) * faint + noise).clamp(-1, 1)


def overlap(found: Tensor, truth: Tensor) -> float:
    """Intersection over union."""
    union = (found | truth).sum()
    return float((found & truth).sum() / union) if union else 1.0


def train(data: Portraits, steps: int, rate: float, seed: int) -> LineDetectors:
    """data: with ink as the teacher."""
    torch.manual_seed(seed)
    random = torch.Generator().manual_seed(seed)
    net = LineDetectors(Config())
    optimizer = torch.optim.Adam(net.parameters(), lr=rate)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1.0, 2 * (steps - step) / steps)
        drawing = data[divmod(step, len(data))].drawing[None].sign()
        truths = lines(drawing < 0), lines(drawing >= 0)
        logits = net.logits(spoilt(drawing, random))
        loss = sum(F.binary_cross_entropy_with_logits(x, t.float()) for x, t in zip(logits, truths))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[union-attr]
        optimizer.step()
        if (step + 1) % 100 == 0:
            print(f"step {step + 1}: loss {float(loss):.4f}", flush=True)
    return net.eval()


def judged(net: LineDetectors, data: Portraits) -> list[float]:
    """Mean overlap with the definition of black and of white lines."""
    rows = []
    for index in range(len(data)):
        drawing = data[0, index].drawing[None].sign()
        truths = lines(drawing < 0), lines(drawing >= 0)
        rows.append([overlap(found, truth) for found, truth in zip(net(drawing), truths)])
    return np.mean(rows, 0).tolist()


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m pyapdraw.training.shipped.apdrawing_lines", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--data", type=Path, required=True, help="folder of portraits")
    parser.add_argument("--out", type=Path, required=True, help="weight file to write")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--rate", type=float, default=5e-3)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    check_output(options.out, overwrite=True)  # before a training that could not be kept
    items = [item for item in find(options.data) if item.name not in WITHOUT]
    held_out, seen = items[::5], [item for i, item in enumerate(items) if i % 5]
    augmentation = Augmentation(scale=(0.8, 1.4))
    net = train(Portraits(seen, 512, augmentation, options.seed, "ink"), options.steps, options.rate, options.seed)
    black, white = judged(net, Portraits(held_out, 512, None, 0, "ink"))
    print(
        f"overlap with the definition on {len(held_out)} portraits not trained on: black {black:.4f}, white {white:.4f}"
    )
    tensors = {name: tensor.numpy() for name, tensor in net.state_dict().items()}
    kept = weights.Weights("apdrawing", "lines", {"width": net.config.width}, tensors)
    weights.write(options.out, kept, overwrite=True)


if __name__ == "__main__":
    main()
