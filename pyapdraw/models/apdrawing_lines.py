"""Line detectors of [APD19, section 5]: which pixels of a drawing are black lines, and which are white ones.

The published code has two U-Nets of 67 million weights, trained on data that is not public. Ours are small stacks of
convolutions, trained from style ink's drawings (training/shipped/apdrawing_lines.py): a line is what is narrower than
WIDTH_PX, and drawings need not be two-tone to be read. Frozen; no gradient passes.

>>> detect = LineDetectors(Config())
>>> [found.shape for found in detect(torch.ones(1, 1, 32, 32))]
[torch.Size([1, 1, 32, 32]), torch.Size([1, 1, 32, 32])]
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pyapdraw.models.layers import SLOPE, counted

WIDTH_PX = 9  # a line is narrower than a disc of this diameter
DILATIONS = (1, 1, 2, 4, 1)


@dataclass(frozen=True)
class Config:
    """width: channels of every layer but the last."""

    width: int = 8

    def __post_init__(self) -> None:
        counted("width", self.width, 1, 64)


class LineDetector(nn.Module):
    """[N,1,H,W] in [-1,1] to logits [N,1,H,W] of black lines. It sees 19 x 19 pixels."""

    def __init__(self, width: int):
        super().__init__()
        widths = [1, *[width] * (len(DILATIONS) - 1), 1]
        self.layers = nn.ModuleList(
            nn.Conv2d(a, b, 3, padding=d, dilation=d, padding_mode="replicate")
            for (a, b), d in zip(pairwise(widths), DILATIONS)
        )

    def forward(self, x: Tensor) -> Tensor:
        """[N,1,H,W] to logits of that shape."""
        for layer in self.layers[:-1]:
            x = F.leaky_relu(layer(x), SLOPE)
        return self.layers[-1](x)


class LineDetectors(nn.Module):
    """Both detectors: that of white lines looks at the negative."""

    config_class = Config

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.black, self.white = LineDetector(config.width), LineDetector(config.width)

    def logits(self, drawing: Tensor) -> tuple[Tensor, Tensor]:
        """Of black and of white lines; drawing [N,1,H,W] in [-1,1]."""
        return self.black(drawing), self.white(-drawing)

    @torch.no_grad()
    def forward(self, drawing: Tensor) -> tuple[Tensor, Tensor]:
        """Masks bool [N,1,H,W] of black and white lines, as `losses.apdrawing.Lines` takes them."""
        black, white = self.logits(drawing.float())
        return black > 0, white > 0
