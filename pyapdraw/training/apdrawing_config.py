"""Settings of a training of APDrawingGAN, from a TOML file or as they are."""

from __future__ import annotations

import dataclasses
import functools
import math
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyapdraw.data.augment import Augmentation
from pyapdraw.errors import BadInput
from pyapdraw.losses import apdrawing as losses
from pyapdraw.training import loop

STAGES = ("pretrain", "formal")
PRECISIONS = ("float32", "bfloat16")
CHAMFERS = ("ours", "paper", "official", "none")
RECIPES = Path(__file__).parent / "recipes"
RANGES: dict[str, tuple[float, float]] = {  # of settings that no other check bounds, both ends allowed
    "fall": (0, 1), "average": (0, 1), "held_out": (0, math.inf), "reach_px": (0, math.inf),
    "schedule.steps": (0, math.inf), "schedule.batch": (1, math.inf), "schedule.accumulate": (1, math.inf),
    "schedule.workers": (0, math.inf), "schedule.seed": (0, 2**32), "schedule.checkpoint_every": (0, math.inf),
    "schedule.sheet_every": (0, math.inf), "schedule.judge_every": (0, math.inf), "schedule.patience": (0, math.inf),
    "schedule.log_every": (1, math.inf), "augmentation.turn_deg": (0, 180), "augmentation.flip": (0, 1),
    "augmentation.shift": (0, 1), "augmentation.light": (0, 1), "augmentation.noise": (0, 255),
    "augmentation.grey": (0, 1),
}  # fmt: skip


@dataclass(frozen=True)
class Rehearsal:
    """Portraits without drawings among those with: a few drawings do not say how all hair is drawn, so that outside the
    face style ink remains the teacher on them.

    folder: of portraits. share: of the samples, 0: none. without: names that are left out.
    """

    folder: str = ""
    share: float = 0.0
    without: tuple[str, ...] = ()


@dataclass(frozen=True)
class Config:
    """A whole training; a TOML file holds the same names, nested ones as tables.

    stage: see above. size_px: of a sample. ngf, ndf: widths of generator and discriminators. norm, dropout: see
    `models.apdrawing.Config`. rate, betas: of Adam. fall: share of the steps, at the end, in which the rate falls to
    zero. epochs: rounds over the portraits at the full rate and rounds in which it falls, as the published code counts
    them (`rate_of`), in the place of `fall` and schedule.steps; (0, 0): these count. average: decay of the moving
    average, 0: the last step's weights. precision: of the networks' arithmetic. distance_transform: form of the loss
    (`losses.apdrawing`), none in the first stage; "official" needs auxiliary: a file or folder with the published
    networks for lines and distances. held_out: every so-many-th portrait is judged instead of trained on; 0: none.
    start: a checkpoint of an earlier training to begin from.
    network: "full", the paper's, or "small" (`models.apdrawing_small`), which starts from ink's drawing. held_names:
    portraits that are judged instead of trained on, by name; without: those that are left out. adversarial: whether
    discriminators take part. reach_px: distances of that loss count up to here, 0: all; lines: only what our line
    detectors find counts. rehearsal: see there.
    """

    stage: str = "formal"
    size_px: int = 512
    ngf: int = 64
    ndf: int = 64
    norm: str = "per_image"
    dropout: str = "seeded"
    rate: float = 2e-4
    betas: tuple[float, float] = (0.5, 0.999)
    fall: float = 0.5
    epochs: tuple[int, int] = (0, 0)
    average: float = 0.999
    precision: str = "float32"
    device: str = "cpu"
    distance_transform: str = "ours"
    auxiliary: str = ""
    held_out: int = 0
    start: str = ""
    network: str = "full"
    held_names: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    adversarial: bool = True
    reach_px: float = 0.0
    lines: bool = False
    rehearsal: Rehearsal = field(default_factory=Rehearsal)
    weights: losses.LossWeights = field(default_factory=losses.LossWeights)
    augmentation: Augmentation = field(default_factory=Augmentation)
    schedule: loop.Schedule = field(default_factory=loop.Schedule)

    def __post_init__(self) -> None:
        for name, given, allowed in (
            ("stage", self.stage, STAGES),
            ("precision", self.precision, PRECISIONS),
            ("distance_transform", self.distance_transform, CHAMFERS),
            ("device", self.device, ("cpu", "cuda")),
            ("network", self.network, ("full", "small")),
        ):
            if given not in allowed:
                raise BadInput(f"{name}: {given!r} given, one of {', '.join(allowed)} expected")
        if self.size_px < 64 or self.size_px & (self.size_px - 1):
            raise BadInput(f"size_px: {self.size_px} given, a power of two from 64 up expected")
        if min(self.epochs) < 0:
            raise BadInput(f"epochs: {list(self.epochs)} given, two numbers from 0 up expected")
        self._check_distances()
        self._check_numbers()
        if not 0 < self.rate < 1:
            raise BadInput(f"rate: {self.rate} given, a learning rate between 0 and 1 expected")
        if not 0 <= self.rehearsal.share < 1 or bool(self.rehearsal.folder) != bool(self.rehearsal.share):
            given = f"folder {self.rehearsal.folder!r}, share {self.rehearsal.share}"
            raise BadInput(f"rehearsal: {given} given, both or none expected, the share below 1")
        if self.rehearsal.share and self.schedule.batch != 1:
            raise BadInput(f"schedule.batch: {self.schedule.batch} given, 1 expected with a rehearsal")

    def _check_numbers(self) -> None:
        ranges = RANGES | {f"weights.{f.name}": (0, math.inf) for f in dataclasses.fields(self.weights)}
        for name, (least, most) in ranges.items():
            given: Any = functools.reduce(getattr, name.split("."), self)  # type: ignore[arg-type]
            if not (least <= given <= most and math.isfinite(given)):
                expected = f"from {least} up" if most == math.inf else f"from {least} to {most}"
                raise BadInput(f"{name}: {given} given, a number {expected} expected")
        if not all(0 <= beta < 1 for beta in self.betas):
            raise BadInput(f"betas: {list(self.betas)} given, two numbers from 0 to below 1 expected")
        low, high = self.augmentation.scale
        if not 0 < low <= high < math.inf:
            raise BadInput(f"augmentation.scale: {[low, high]} given, two numbers above 0, the smaller first, expected")

    def _check_distances(self) -> None:
        official = self.distance_transform == "official"
        if official and (self.lines or self.reach_px):
            given = "lines" if self.lines else f"reach_px = {self.reach_px}"
            raise BadInput(f"distance_transform: 'official' given with {given}, which belong to the other forms")
        if self.stage == "formal" and official != bool(self.auxiliary):
            given = f"{self.distance_transform!r} given with auxiliary = {self.auxiliary!r}"
            raise BadInput(f"distance_transform: {given}; the published networks are expected with 'official' alone")


def rate_of(config: Config, number: int, samples: int) -> float:
    """Learning rate of step `number`, from 1. samples: of an epoch and process.

    With `epochs` by the published rule, once an epoch: full, then falling by equal steps to 0, which the last epoch
    has; with (300, 0) it is the only one that is not full.
    """
    if sum(config.epochs):
        full, falling = config.epochs
        finished = (number - 1) * config.schedule.batch * config.schedule.accumulate // samples
        return config.rate * (1 - max(0, finished + 2 - full) / (falling + 1))
    left = (config.schedule.steps - number + 1) / max(1.0, config.fall * config.schedule.steps)
    return config.rate * min(1.0, left)


def with_steps(config: Config, samples: int) -> Config:
    """The configuration with the steps that its epochs come to. samples: as for `rate_of`."""
    if not sum(config.epochs):
        return config
    schedule = config.schedule
    steps = math.ceil(sum(config.epochs) * samples / (schedule.batch * schedule.accumulate))
    return dataclasses.replace(config, schedule=dataclasses.replace(schedule, steps=steps))


def read_config(path: str | Path | None, **changes: Any) -> Config:
    """A configuration from a TOML file, or a recipe by its name, and changes that come before it.

    Raises BadInput naming file and key.
    """
    values: dict[str, Any] = {}
    if path is not None:
        values = _read_toml(Path(path))
    for name, value in changes.items():
        place = values
        *tables, key = name.split(".")
        for table in tables:
            place = place.setdefault(table, {})
            if not isinstance(place, dict):
                raise BadInput(f"{name}: {table} = {place!r} given elsewhere, a table of settings expected")
        place[key] = value
    return _record(Config, values, str(path or "configuration"))


def _read_toml(path: Path) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        from pyapdraw.need import need

        tomllib = need("tomli", extra="train", why="a configuration file")
    if not path.exists() and (RECIPES / f"{path}.toml").is_file():
        path = RECIPES / f"{path}.toml"
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        recipes = ", ".join(sorted(recipe.stem for recipe in RECIPES.glob("*.toml")))
        raise BadInput(f"{path}: {error.strerror}; a TOML file, or one of the recipes {recipes}, expected") from None
    except ValueError as error:
        raise BadInput(f"{path}: cannot be read as TOML: {error}") from None


def _record(cls: Any, values: dict[str, Any], where: str) -> Any:
    """A dataclass from a table; nested dataclasses from nested tables."""
    fields = {f.name: f for f in dataclasses.fields(cls)}
    unknown = sorted(set(values) - set(fields))
    if unknown:
        raise BadInput(f"{where}: {unknown[0]!r} is no setting, one of {', '.join(fields)} expected")
    defaults, made = cls(), {}
    for name, value in values.items():
        kept = getattr(defaults, name)
        if dataclasses.is_dataclass(kept):
            if not isinstance(value, dict):
                raise BadInput(f"{where}: {name} = {value!r} given, a table expected")
            made[name] = _record(type(kept), value, f"{where}, [{name}]")
        else:
            made[name] = _value(f"{where}: {name}", value, kept)
    return cls(**made)


def _value(what: str, value: Any, kept: Any) -> Any:
    """The value in the type of the default."""
    if isinstance(kept, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kept == () and isinstance(value, (list, tuple)) and all(isinstance(v, str) for v in value):
        return tuple(value)
    if isinstance(kept, tuple) and isinstance(value, (list, tuple)) and len(value) == len(kept):
        return tuple(_value(what, v, k) for v, k in zip(value, kept))
    if type(value) is not type(kept):
        raise BadInput(f"{what} = {value!r} given, {type(kept).__name__} as in {kept!r} expected")
    return value
