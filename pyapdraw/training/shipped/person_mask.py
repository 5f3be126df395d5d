"""Trains the person mask: python -m pyapdraw.training.shipped.person_mask --data DIR --out FILE [--folds K].

How the shipped weights were made stands in weights/person_mask.md.

The network is a U-Net of 3x3 convolutions on the aligned crop at 128 x 128. Two channels carry the position, because
the face is always at the same place; skips are added rather than concatenated, and every batch normalisation is folded
into its convolution when the weights are written, so that inference needs nothing but convolutions, additions and
doubling. Runs on one CPU thread and gives the same weights again for the same seed on the same torch.
"""

from __future__ import annotations

import argparse
import logging
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pyapdraw.training.shipped.person_mask_data import Augment, Portraits, read_portraits
from pyapdraw.training.shipped.person_mask_scenery import backgrounds
from pyapdraw.weights import Weights, write

log = logging.getLogger("pyapdraw.training.shipped.person_mask")

WIDTHS = (8, 16, 32, 64, 96)  # channels at 1/1, 1/2 ... 1/16 of the input
TEST_ONLY = ("fconrad_Portrait_060414a",)  # never trained on
# Portraits of one person or one sitting: they go into the same fold.
SITTINGS = (
    ("girl-2099357_1920", "girl-2122909_1920"),
    ("girl-4024238_1920", "girl-4024240_1920", "girl-4024244_1920"),
    ("pinky-2727846_1920", "pinky-2727874_1920"),
)


@dataclass(frozen=True)
class Config:
    """steps: batches in all. rate: peak of the learning rate, which warms up and then falls as a cosine to zero.

    scenes: drawn backgrounds, beside the real ones.
    """

    steps: int = 2400
    batch: int = 8
    rate: float = 3e-3
    decay: float = 2e-2
    seed: int = 0
    scenes: int = 160


class PersonNet(nn.Module):
    """Logits [N,1,S,S] of crops [N,3,S,S] in [0,1]; S a multiple of 16."""

    def __init__(self) -> None:
        super().__init__()
        first, *_, last = WIDTHS
        self.stem = _conv(5, first)
        self.down = nn.ModuleList(_conv(a, b, stride=2) for a, b in pairwise(WIDTHS))
        self.body = nn.ModuleList(_conv(b, b) for b in WIDTHS[1:])
        self.context = _conv(last, last)
        self.side = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in pairwise(WIDTHS))
        self.up = nn.ModuleList(_conv(a, a) for a in WIDTHS[:-1])
        self.head = nn.Conv2d(first, 1, 1)

    def forward(self, photo: Tensor) -> Tensor:
        """Photos [N,3,S,S] in [0,1] to logits [N,1,S,S] of the person."""
        x = self.stem(torch.cat([photo * 2 - 1, positions(photo)], dim=1))
        skips = []
        for down, body in zip(self.down, self.body):
            skips.append(x)
            x = body(down(x))
        x = self.context(x)
        for level in reversed(range(len(skips))):
            x = F.interpolate(self.side[level](x), scale_factor=2, mode="nearest")
            x = self.up[level](x + skips[level])
        return self.head(x)


def positions(photo: Tensor) -> Tensor:
    """[N,2,S,S]: x and y of the pixel centres, from -1 at the first to 1 at the last."""
    count, _, tall, wide = photo.shape
    x = torch.linspace(-1, 1, wide).view(1, 1, 1, -1).expand(count, 1, tall, wide)
    y = torch.linspace(-1, 1, tall).view(1, 1, -1, 1).expand(count, 1, tall, wide)
    return torch.cat([x, y], dim=1)


def _conv(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )


def mask_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy a pixel plus one minus the soft intersection over union a picture."""
    cross = F.binary_cross_entropy_with_logits(logits, target)
    guess = torch.sigmoid(logits)
    shared = (guess * target).sum(dim=(1, 2, 3))
    either = (guess + target - guess * target).sum(dim=(1, 2, 3))
    return cross + 0.5 * (1 - (shared / either).mean())


def train(portraits: Portraits, config: Config, start: Path | None = None) -> PersonNet:
    """Trains on all given portraits and returns the moving average of the weights, ready for inference.

    start: state of a network to go on from, as `torch.save(net.state_dict())` wrote it.
    """
    torch.manual_seed(config.seed)
    net = PersonNet()
    if start is not None:
        net.load_state_dict(torch.load(start, weights_only=True))
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    scenery = backgrounds(portraits, config.scenes, config.seed)
    augment = Augment(portraits, sample_weights(portraits), scenery, config.seed)
    optimizer = torch.optim.AdamW(net.parameters(), lr=config.rate, weight_decay=config.decay)
    warm_up = max(0.1, 2 / config.steps)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, config.rate, config.steps, pct_start=warm_up)
    average = torch.optim.swa_utils.AveragedModel(
        net, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.985), use_buffers=True
    )
    began, total = time.monotonic(), 0.0
    for step in range(1, config.steps + 1):
        photos, masks = augment.batch(config.batch)
        loss = mask_loss(net(photos.contiguous(memory_format=torch.channels_last)), masks)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        average.update_parameters(net)
        total += loss.item()
        if step % 100 == 0:
            log.info("step %d loss %.4f %.0f s", step, total / 100, time.monotonic() - began)
            total = 0.0
    result = average.module
    assert isinstance(result, PersonNet)
    return result.eval()


def sample_weights(portraits: Portraits) -> Tensor:
    """[N]: each sitting counts once, however many portraits it left."""
    weights = torch.ones(len(portraits.names))
    for sitting in SITTINGS:
        rows = [i for i, name in enumerate(portraits.names) if name in sitting]
        weights[rows] = 1.5 / max(len(rows), 1)
    return weights


@torch.no_grad()
def overlap(net: PersonNet, portraits: Portraits) -> dict[str, float]:
    """Intersection over union by name, both sides cut at one half, at the stored size."""
    result = {}
    for name, photo, mask in zip(portraits.names, portraits.photos, portraits.masks):
        logits = net(F.avg_pool2d(photo[None], 2))
        guess = F.interpolate(logits, scale_factor=2, mode="bilinear", align_corners=False)[0] > 0
        truth = mask > 0.5
        result[name] = (guess & truth).sum().item() / (guess | truth).sum().item()
    return result


def fold_of(portraits: Portraits, folds: int) -> list[int]:
    """The fold of each portrait; a sitting stays together, and the folds are dealt in turn."""
    sitting_of = {name: sitting[0] for sitting in SITTINGS for name in sitting}
    fold: dict[str, int] = {}
    for name in portraits.names:
        fold.setdefault(sitting_of.get(name, name), len(fold) % folds)
    return [fold[sitting_of.get(name, name)] for name in portraits.names]


def fold_network(
    portraits: Portraits, fold: list[int], left_out: int, config: Config
) -> tuple[PersonNet, dict[str, float]]:
    """A network that saw every portrait but those of one fold and the test-only ones, and its overlap on that fold."""
    seen = [i for i, f in enumerate(fold) if f != left_out and portraits.names[i] not in TEST_ONLY]
    unseen = [i for i, f in enumerate(fold) if f == left_out]
    net = train(portraits.pick(seen), config)
    scores = overlap(net, portraits.pick(unseen))
    for name, score in scores.items():
        log.info("fold %d %s %.4f", left_out, name, score)
    return net, scores


def cross_validate(portraits: Portraits, folds: int, config: Config) -> dict[str, float]:
    """Every portrait judged by a network that saw neither it nor its sitting."""
    fold = fold_of(portraits, folds)
    scores: dict[str, float] = {}
    for left_out in range(folds):
        scores |= fold_network(portraits, fold, left_out, config)[1]
    given = [score for name, score in scores.items() if not portraits.drawn[portraits.names.index(name)]]
    log.info("given masks: mean %.4f worst %.4f of %d", np.mean(given), min(given), len(given))
    log.info("all: mean %.4f worst %.4f of %d", np.mean(list(scores.values())), min(scores.values()), len(scores))
    return scores


def folded(net: PersonNet, dtype: type = np.float16) -> dict[str, np.ndarray]:
    """Weights for inference: NAME.weight dtype [kh,kw,I,O] and NAME.bias float32 [O], normalisation folded in."""
    tensors: dict[str, np.ndarray] = {}
    for name, part in net.named_modules():
        if isinstance(part, nn.Sequential):
            conv, norm = part[0], part[1]
            assert isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)
            weight, bias = _normalised(conv, norm)
        elif isinstance(part, nn.Conv2d) and part.bias is not None:
            weight, bias = part.weight, part.bias
        else:
            continue
        tensors[f"{name}.weight"] = weight.detach().permute(2, 3, 1, 0).contiguous().numpy().astype(dtype)
        tensors[f"{name}.bias"] = bias.detach().numpy().astype(np.float32)
    return tensors


def _normalised(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    assert norm.running_mean is not None and norm.running_var is not None
    gain = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    return conv.weight * gain.view(-1, 1, 1, 1), norm.bias - norm.running_mean * gain


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m pyapdraw.training.shipped.person_mask",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with portraits/ and pairs/")
    parser.add_argument("--out", type=Path, required=True, help="safetensors file to write")
    parser.add_argument("--folds", type=int, default=0, help="cross-validate with this many folds first; 0: do not")
    parser.add_argument("--only-fold", type=int, help="of the folds, train just this one and write its network")
    parser.add_argument("--start", type=Path, help="go on from the state that --state wrote")
    parser.add_argument("--state", type=Path, help="write the network before folding here, for --start")
    parser.add_argument("--steps", type=int, default=Config.steps)
    parser.add_argument("--rate", type=float, default=Config.rate)
    parser.add_argument("--seed", type=int, default=Config.seed)
    options = parser.parse_args(arguments)
    if options.only_fold is not None and not 0 <= options.only_fold < options.folds:
        parser.error(
            f"--only-fold: {options.only_fold} given, 0 to {options.folds - 1} expected with --folds {options.folds}"
        )
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    torch.set_num_threads(1)
    portraits = read_portraits(options.data)
    config = Config(steps=options.steps, rate=options.rate, seed=options.seed)
    if options.only_fold is not None:
        net, _ = fold_network(portraits, fold_of(portraits, options.folds), options.only_fold, config)
    else:
        if options.folds:
            cross_validate(portraits, options.folds, config)
        rows = [i for i, name in enumerate(portraits.names) if name not in TEST_ONLY]
        net = train(portraits.pick(rows), config, options.start)
        for name, score in overlap(net, portraits).items():
            log.info("%s %.4f%s", name, score, " (not trained on)" if name in TEST_ONLY else "")
    write(options.out, Weights("person_mask", "network", {}, folded(net)), overwrite=True)
    if options.state:
        torch.save(net.state_dict(), options.state)


if __name__ == "__main__":
    main()
