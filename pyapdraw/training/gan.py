"""What every adversarial trainer shares: a generator and discriminators, an optimiser each, the moving average of the
generator that is kept as the result, and one step of either.

A system's trainer says how its networks are made and which losses they have; see `loop.Trainer` for what drives it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pyapdraw.training import loop

GENERATOR, DISCRIMINATORS = 0, 1  # the optimisers
SEED_STRIDE = 1_000_003  # between samples, so that the numbers of a seed's own draws do not meet


class Trainer:
    """Networks on their device, with optimisers and the average. Checkpoints have the same names as the attributes.

    config: a frozen dataclass; of its fields, this uses device, precision ("float32" or "bfloat16"), rate and betas (of
    Adam), average (decay of the moving average) and schedule (`loop.Schedule`).
    """

    generator: Any
    discriminators: Any

    def __init__(self, config: Any, generator: nn.Module, discriminators: nn.Module) -> None:
        self.config, self.generator, self.discriminators = config, generator, discriminators
        self.device = torch.device(config.device)
        nets = (self.generator, self.discriminators)
        for net in nets:
            net.to(self.device, memory_format=torch.channels_last)
            loop.share_weights(net)
        self.optimizers = [torch.optim.Adam(n.parameters(), lr=config.rate, betas=config.betas) for n in nets]
        self.average = loop.Average(self.generator, config.average)

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds."""
        return {
            "config": dataclasses.asdict(self.config),
            "generator": self.generator.state_dict(),
            "discriminators": self.discriminators.state_dict(),
            "optimizers": [o.state_dict() for o in self.optimizers],
            "average": self.average.state(),
        }

    def restore(self, state: dict[str, Any], where: str) -> None:
        """Goes on where a training of the same networks was. where: its file. Raises BadInput where they differ."""
        self.load_networks(state, where)
        for optimizer, kept in zip(self.optimizers, state["optimizers"]):
            optimizer.load_state_dict(kept)
        self.average.restore(state["average"])

    def load_networks(self, state: dict[str, Any], where: str) -> None:
        """The networks of another training, such as an earlier stage."""
        raise NotImplementedError

    def arithmetic(self) -> AbstractContextManager:
        """Around every forward pass: the precision that is configured."""
        if self.config.precision == "float32":
            return nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16)

    def set_rate(self, rate: float) -> None:
        """The learning rate of all optimizers."""
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate

    def seeds(self, number: int, part: int, count: int) -> list[int]:
        """Of what is random in a forward pass: one for each of `count` samples of each part of each step, whatever
        happened before."""
        schedule = self.config.schedule
        first = ((number * schedule.accumulate + part) * loop.ranks() + loop.rank()) * count
        return [schedule.seed + SEED_STRIDE * (first + n) for n in range(count)]

    def begin(self, which: int) -> dict[str, Tensor]:
        """Before the gradients of generator or discriminators are gathered; returns the totals of their losses."""
        self.discriminators.requires_grad_(which == DISCRIMINATORS)
        self.optimizers[which].zero_grad(set_to_none=True)
        return {}

    def end(self, which: int, totals: Mapping[str, Tensor], number: int) -> dict[str, float]:
        """The optimiser's step; returns the losses. Raises Diverged."""
        net = (self.generator, self.discriminators)[which]
        values = loop.check_finite(totals, number)
        loop.share_gradients([p for p in net.parameters() if p.requires_grad])
        self.optimizers[which].step()
        if which == GENERATOR:
            self.average.update(self.generator)
        return values

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Inside, the generator has the average's weights."""
        kept = {name: tensor.clone() for name, tensor in self.generator.state_dict().items()}
        self.generator.load_state_dict(self.average.tensors)
        try:
            yield
        finally:
            self.generator.load_state_dict(kept)


def backward(terms: Mapping[str, Tensor], totals: dict[str, Tensor], parts: int) -> None:
    """Gradients of the sum of the terms, one part of several, and the terms added to the totals."""
    total: Tensor = sum(terms.values()) / parts  # type: ignore[assignment]  # sum begins with 0
    total.backward()
    for name, term in terms.items():
        totals[name] = totals.get(name, 0) + term.detach() / parts


def grey_levels(image: Tensor) -> np.ndarray:
    """[-1,1] to uint8, clipped and rounded."""
    return ((image.float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).cpu().numpy()


def write_sheet(path: Path, rows: Sequence[Sequence[np.ndarray]]) -> None:
    """A picture of rows of pictures uint8 [H,W,3] or [H,W], all of one height and width a row."""
    from PIL import Image

    def rgb(picture: np.ndarray) -> np.ndarray:
        return np.repeat(picture[:, :, None], 3, 2) if picture.ndim == 2 else picture

    Image.fromarray(np.vstack([np.hstack([rgb(picture) for picture in row]) for row in rows])).save(path)
