"""Trains APDrawingGAN [APD19]: `pyapdraw train apdrawing --data DIR --out DIR [--config FILE.toml]`.

Two stages, as in the paper (section 6):

    pretrain   photos of any kind, style ink as the teacher (two tones, lines, jaw lines), without the
               distance-transform loss; ten rounds over thousands of photos in the paper
    formal     photos with an artist's drawings, the whole loss (equation 1), started from what pretrain left

By default as published are Adam with rate 2e-4 and betas (0.5, 0.999), batch 1, the weights of the losses, and
discriminators before the generator on the same drawing, without a history of drawings. Of our own are the form of the
distance-transform loss, the steps and how the rate falls, more augmentation, and that a moving average of the weights
is kept as the result instead of the last step's; recipes/apdrawing_published.toml has the authors' instead.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from pyapdraw import align
from pyapdraw.data.portraits import Item, find
from pyapdraw.errors import BadInput, DeviceError, WeightsError
from pyapdraw.losses import apdrawing as losses
from pyapdraw.metrics.boundary import boundary_f, tone_difference
from pyapdraw.models import apdrawing as models
from pyapdraw.models import apdrawing_small as small
from pyapdraw.models import regions, registry
from pyapdraw.training import gan, loop
from pyapdraw.training.apdrawing_config import Config, Rehearsal, rate_of, read_config, with_steps
from pyapdraw.training.apdrawing_data import Portraits, Sample, collate
from pyapdraw.weights import Weights, write

__all__ = ["WEIGHTS", "Config", "Rehearsal", "Trainer", "rate_of", "read_config", "train", "with_steps"]

SHEET_ROWS = 6
WEIGHTS = "weights.safetensors"


class Drawn(NamedTuple):
    """One pass's portraits, and what the generator makes of them."""

    batch: Sample
    centres: Tensor
    drawings: models.Drawings
    seeds: list[int]  # of dropout, one a portrait


class Trainer(gan.Trainer):
    """Generator, discriminators, their optimisers and the average; see `loop.Trainer`."""

    def __init__(self, config: Config, shown: Portraits, judged: Portraits | None = None, samples: int = 1) -> None:
        """shown: portraits for the sample sheets, unaugmented. judged: held-out ones. samples: of an epoch."""
        self.shown, self.judged, self.samples = shown, judged, samples
        torch.manual_seed(config.schedule.seed)
        levels = min(8, int(math.log2(config.size_px)))
        patches = 3 if config.size_px >= 256 else 2 if config.size_px == 128 else 1
        generator = (
            small.Generator(small.Config())
            if config.network == "small"
            else models.Generator(models.Config(config.ngf, levels, config.norm, config.dropout))
        )
        discriminators = models.Discriminators(models.DiscriminatorConfig(config.ndf, patches, config.norm))
        super().__init__(config, generator, discriminators)
        self.detect_lines = registry.load("apdrawing_lines").to(self.device) if config.lines else None
        self.auxiliary = auxiliary(config).to(self.device) if config.auxiliary else None

    def weights(self) -> Weights:
        """The average, as a weight file holds it."""
        part = "small" if self.config.network == "small" else "generator"
        config = dataclasses.asdict(self.generator.config) | ({} if part == "small" else {"dropout": "off"})
        tensors = {name: tensor.detach().cpu().numpy() for name, tensor in self.average.tensors.items()}
        return Weights("apdrawing", part, config, tensors)

    def load_networks(self, state: dict[str, Any], where: str) -> None:
        """The networks of another training, such as the first stage; discriminators if it had them. where: its file.

        Raises WeightsError: a training of something else. BadInput: of other widths or sizes.
        """
        if isinstance(state, dict) and "judges" in state:  # as 0.1.0 called them
            state = {**state, "discriminators": state["judges"]}
        if not isinstance(state, dict) or not {"config", "generator", "discriminators"} <= state.keys():
            raise WeightsError(f"{where}: a checkpoint of another system's training given, one of apdrawing expected")
        judged = state["config"].get("adversarial", True)
        for name in ("size_px", "ngf", "network", *(["ndf"] if judged else [])):
            given, own = state["config"].get(name, "full"), getattr(self.config, name)
            if given != own:
                raise BadInput(f"{where}: trained with {name} = {given}, {own} expected as configured now")
        self.generator.load_state_dict(state["generator"])
        if judged:
            self.discriminators.load_state_dict(state["discriminators"])
        self.average = loop.Average(self.generator, self.config.average)

    def step(self, batches: Sequence[Sample], number: int) -> dict[str, float]:
        """Discriminators, then the generator, on the same drawings."""
        self.set_rate(rate_of(self.config, number, self.samples))
        parts = [self._drawn(batch, number, i) for i, batch in enumerate(batches)]
        values = self._step_discriminators(parts, number)
        return values | self._step_generator(parts, number)

    def _drawn(self, batch: Sample, number: int, part: int) -> Drawn:
        batch = Sample(*(t.to(self.device) for t in batch))
        centres = self._centres(batch.landmarks)
        seeds = self.seeds(number, part, len(batch.photo))
        photo = batch.photo.contiguous(memory_format=torch.channels_last)
        with self.arithmetic():
            drawings = self.generator(photo, centres, batch.mask, seeds, **self._also(batch))
        return Drawn(batch, centres, models.Drawings(*(x.float() for x in drawings)), seeds)

    def _centres(self, landmarks: Tensor) -> Tensor:
        """Of the rectangles: the paper's network takes the numbers of a landmark file, ours px from 0."""
        if self.config.network == "full":
            filed = align.official_landmarks(landmarks.cpu().numpy())
            landmarks = torch.from_numpy(filed).to(landmarks.device)
        return regions.region_centres(landmarks, self.config.size_px)

    def _also(self, batch: Sample) -> dict[str, Tensor]:
        """What the small network is given too. It pre-trains without ink's drawing, which would be the answer."""
        if self.config.network == "full" or self.config.stage == "pretrain":
            return {}
        return {"ink": batch.ink}

    def _step_discriminators(self, parts: list[Drawn], number: int) -> dict[str, float]:
        totals = self.begin(gan.DISCRIMINATORS)
        for batch, centres, drawings, _ in self._judged(parts):
            with self.arithmetic():
                fake = self.discriminators(batch.photo, drawings.drawing.detach(), centres, batch.mask)
                real = self.discriminators(batch.photo, batch.drawing, centres, batch.mask)
            terms = losses.adversarial_discriminator(fake, real)
            gan.backward({f"discriminators_{name}": term for name, term in terms.items()}, totals, len(parts))
        return self.end(gan.DISCRIMINATORS, totals, number) if totals else {}

    def _judged(self, parts: list[Drawn]) -> list[Drawn]:
        """The parts that the discriminators see: what an artist drew, or all of the first stage."""
        if not self.config.adversarial:
            return []
        if self.config.stage == "pretrain":
            return parts
        return [part for part in parts if not bool(part.batch.taught.any())]

    def _step_generator(self, parts: list[Drawn], number: int) -> dict[str, float]:
        totals = self.begin(gan.GENERATOR)
        judged = self._judged(parts)
        for part in parts:
            batch, centres, drawings, seeds = part
            weights, logits = self.config.weights, None
            if any(part is other for other in judged):
                with self.arithmetic():
                    logits = self.discriminators(batch.photo, drawings.drawing, centres, batch.mask)
            elif self.config.stage == "formal" and bool(batch.taught.any()):
                drawings, weights = _outside_face(drawings, batch.drawing), dataclasses.replace(weights, local=0.0)
            chamfer = self._chamfer(drawings.drawing, batch.drawing, seeds)
            terms = losses.generator_losses(drawings, logits, batch.drawing, centres, batch.mask, chamfer, weights)
            gan.backward(terms, totals, len(parts))
        return self.end(gan.GENERATOR, totals, number)

    def _chamfer(self, drawing: Tensor, target: Tensor, seeds: list[int]) -> losses.Chamfer | None:
        if self.config.stage == "pretrain" or self.config.distance_transform == "none":
            return None
        if self.auxiliary is not None:
            each = [[seed + 7_919 * call for seed in seeds] for call in range(1, 7)]
            return losses.distance_transform_official(drawing, target, self.auxiliary, seeds=each)
        forms = {"ours": losses.distance_transform, "paper": losses.distance_transform_paper}
        found: dict[str, losses.Lines] = {}
        if self.detect_lines is not None:
            found = {
                "target_lines": losses.Lines(*self.detect_lines(target)),
                "drawing_lines": losses.Lines(*self.detect_lines(drawing.detach())),
            }
        form = forms[self.config.distance_transform]
        return form(drawing, target, reach_px=self.config.reach_px or None, **found)

    @torch.no_grad()
    def draw(self, data: Portraits) -> Iterator[tuple[Sample, np.ndarray]]:
        """Every portrait of a data set as it is, and the average's drawing uint8 [S,S]."""
        config = self.generator.config
        if self.config.network == "full":
            self.generator.config = dataclasses.replace(config, dropout="off")
        try:
            with self.averaged():
                for index in range(len(data)):
                    sample = collate([data[0, index]])
                    photo, mask = (t.to(self.device) for t in (sample.photo, sample.mask))
                    centres = self._centres(sample.landmarks).to(self.device)
                    also = {name: value.to(self.device) for name, value in self._also(sample).items()}
                    drawing = self.generator(photo, centres, mask, **also).drawing
                    yield sample, gan.grey_levels(drawing[0, 0])
        finally:
            self.generator.config = config

    def sheet(self, path: Path) -> None:
        """A picture of photos, drawings that were to be learnt, and what the average draws."""
        rows = []
        for sample, drawing in self.draw(self.shown):
            photo = gan.grey_levels(sample.photo[0]).transpose(1, 2, 0)
            rows.append([photo, gan.grey_levels(sample.drawing[0, 0]), drawing])
        gan.write_sheet(path, rows)

    def held_out(self) -> float | None:
        """1 - F + T, mean over the held-out portraits: 0 would be the drawings themselves."""
        if self.judged is None:
            return None
        figures = []
        for sample, drawing in self.draw(self.judged):
            target = gan.grey_levels(sample.drawing[0, 0])
            figures.append(1 - boundary_f(drawing, target) + tone_difference(drawing, target))
        return float(np.mean(figures))


def auxiliary(config: Config) -> models.Auxiliary:
    """The published networks for lines and distances, run as they were: on each drawing's own statistics, with dropout.

    Raises WeightsError. BadInput: made for larger drawings.
    """
    net = registry.load(config.auxiliary, system="apdrawing", part="auxiliary", norm="per_image", dropout="seeded")
    least = 2**net.config.levels
    if config.size_px % least:
        raise BadInput(f"size_px: {config.size_px} given, a multiple of {least} px expected for {config.auxiliary}")
    return net


def _outside_face(drawings: models.Drawings, target: Tensor) -> models.Drawings:
    """Drawings that are right within an ellipse about the face of an aligned portrait, whatever they were."""
    side = target.shape[-1]
    at = torch.arange(side, device=target.device) * (512 / side)
    face = ((at - 256) / 125) ** 2 + (((at - 300) / 150) ** 2)[:, None] < 1
    changed = {name: torch.where(face, target, getattr(drawings, name)) for name in ("drawing", "whole", "fused")}
    return drawings._replace(**changed)


def split(items: Sequence[Item], every: int, names: Sequence[str] = ()) -> tuple[list[Item], list[Item]]:
    """(trained on, held out): every `every`-th is held out, none with 0, and those of the given names.

    Raises BadInput: a name that no portrait has.
    """
    missing = sorted(set(names) - {item.name for item in items}) if names else ()
    if missing:
        raise BadInput(f"held_names: {missing[0]!r} given, one of {', '.join(i.name for i in items)} expected")
    held_out = [
        item for i, item in enumerate(items) if (names and item.name in names) or (every and i % every == every - 1)
    ]
    return [item for item in items if item not in held_out], held_out


def with_rehearsal(items: list[Item], rehearsal: Rehearsal) -> list[Item]:
    """Portraits with drawings, repeated so that those without, which are added, have their share. BadInput."""
    if not rehearsal.share:
        return items
    others = [
        dataclasses.replace(item, drawing=None)
        for item in find(rehearsal.folder)
        if item.name not in rehearsal.without and not item.combined
    ]
    if not others:
        raise BadInput(f"rehearsal: {rehearsal.folder}: no portrait left, at least one expected")
    times = max(1, round(len(others) * (1 - rehearsal.share) / (rehearsal.share * len(items))))
    return items * times + others


def train(folder: str | Path, out: str | Path, config: Config, quiet: bool = False) -> Trainer:
    """Trains, or goes on with the training whose checkpoint lies in `out`.

    Args:
        folder: of portraits, see `portraits.find`; the formal stage needs a drawing for each.
        out: folder for last.safetensors, best.safetensors, log.jsonl, sheets, and at the end weights.safetensors, the
            average, which `pyapdraw draw --weights` and `models.load` take.

    Returns:
        The trainer after its last step.

    Raises:
        BadInput, WeightsError, DeviceError, OutputError; loop.Diverged where a loss is no longer finite.
    """
    if config.device == "cuda" and not torch.cuda.is_available():
        raise DeviceError("device: cuda given, but torch sees no CUDA device here")
    items = [item for item in find(folder) if item.name not in config.without]
    if not items:
        raise BadInput(f"without: every portrait of {folder} is left out, at least one expected to train on")
    undrawn = [item.photo for item in items if not item.drawn]
    if config.stage == "formal" and undrawn:
        count = f"{len(undrawn)} of {len(items)} photos"
        raise BadInput(f"{undrawn[0]}: no drawing of this name, which stage formal needs ({count} without)")
    loop.join(config.device)
    teacher = "ink" if config.stage == "pretrain" else "given"
    seen, held_out = split(items, config.held_out, config.held_names)
    if not seen:
        raise BadInput(f"held_out, held_names: every portrait of {folder} is held out, one to train on expected")
    size_px, seed = config.size_px, config.schedule.seed
    small_net = config.network == "small"
    data = Portraits(with_rehearsal(seen, config.rehearsal), size_px, config.augmentation, seed, teacher, small_net)
    shown = Portraits((held_out or seen)[:SHEET_ROWS], size_px, None, seed, teacher, small_net)
    judged = Portraits(held_out, size_px, None, seed, teacher, small_net) if held_out else None
    samples = math.ceil(len(data) / loop.ranks())  # of an epoch, in each process
    config = with_steps(config, samples)
    trainer = Trainer(config, shown, judged, samples)
    if config.start and not (Path(out) / loop.LAST).is_file():
        from pyapdraw.training import checkpoint

        trainer.load_networks(checkpoint.load(config.start)["trainer"], config.start)
    loop.run(trainer, data, collate, config.schedule, Path(out), quiet)
    if loop.rank() == 0:
        write(Path(out) / WEIGHTS, trainer.weights(), overwrite=True)
    return trainer
