"""What every training needs around its steps: order of the data, checkpoints, averages, logs, several processes.

A trainer has `state() -> tree`, `restore(tree, file)`, `step(batch, number) -> dict of losses`; `run` drives it. On a
CPU a training that was killed and resumed gives the bits of one that was not: the order of the samples and what is
random in them depend on seed, epoch and index, never on the past.
"""

from __future__ import annotations

import json
import math
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Sampler

from pyapdraw.errors import Error, OutputError
from pyapdraw.training import checkpoint

LAST = "last.safetensors"
WRITING_SHARE = 0.05  # of the time that checkpoints may take


class Diverged(Error):
    """A loss became infinite or no number. The last checkpoint holds the last good state."""


class Trainer(Protocol):
    """What `run` drives."""

    def state(self) -> Any:
        """What a checkpoint holds."""

    def restore(self, state: Any, where: str) -> None:
        """Goes on from a state. where: what messages call it. Raises BadInput: of other networks."""

    def step(self, batches: Sequence[Any], number: int) -> dict[str, float]:
        """One step of the optimizers, on one batch a pass. Returns the losses by name."""

    def sheet(self, path: Path) -> None:
        """Writes a sheet of samples."""

    def held_out(self) -> float | None:
        """The figure of the held-out pictures, less is better; None: there are none."""


@dataclass(frozen=True)
class Schedule:
    """steps: in all. batch: samples a process and forward pass. accumulate: passes a step. workers: that read data.
    checkpoint_every: steps; 0: as often as costs a twentieth of the time, for small networks after each step.
    sheet_every, judge_every: steps between sample sheets and held-out figures, 0: none. patience: judgements without
    progress after which the training ends, 0: never."""

    steps: int = 1000
    batch: int = 1
    accumulate: int = 1
    workers: int = 0
    seed: int = 0
    checkpoint_every: int = 0
    sheet_every: int = 500
    judge_every: int = 0
    patience: int = 0
    log_every: int = 10


class Ordered(Sampler[tuple[int, int]]):
    """(epoch, index) without end, each epoch in an order of its own; of several processes each gets its share.

    begin: samples of this process that were had already.
    """

    def __init__(self, count: int, seed: int, begin: int = 0) -> None:
        self.count, self.seed, self.begin = count, seed, begin

    def order(self, epoch: int) -> list[int]:
        """Samples of this process in an epoch."""
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
        whole = torch.randperm(self.count, generator=generator).tolist()
        # Every process makes as many steps: the order is filled up from its start.
        filled = [whole[i % self.count] for i in range(math.ceil(self.count / ranks()) * ranks())]
        return filled[rank() :: ranks()]

    def __iter__(self) -> Iterator[tuple[int, int]]:
        epoch, skip = divmod(self.begin, math.ceil(self.count / ranks()))
        while True:
            for index in self.order(epoch)[skip:]:
                yield epoch, index
            epoch, skip = epoch + 1, 0


def feed(data: Dataset, schedule: Schedule, collate: Any, batches: int) -> Iterator[Any]:
    """Batches without end, behind the first `batches`. data[epoch, index] is one sample."""
    sampler = Ordered(len(data), schedule.seed, batches * schedule.batch)  # type: ignore[arg-type]
    how = {"collate_fn": collate, "num_workers": schedule.workers, "worker_init_fn": _leaves_quietly}
    return iter(DataLoader(data, schedule.batch, sampler=sampler, **how))


def _leaves_quietly(_: int) -> None:
    """A worker that is told to end, as all of a training's processes are by `timeout` or a batch system, is no failure
    for the training to report on top of its own end, nor does it tidy up what is the training's."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))


class Average:
    """Exponential moving average of a network's weights and buffers, which draws better than the last step does.

    The share of the past grows from 1/10 to `decay`, so that a short training is no mixture with its random start.
    """

    def __init__(self, net: nn.Module, decay: float) -> None:
        self.decay, self.updates = decay, 0
        self.tensors = {name: tensor.detach().clone() for name, tensor in net.state_dict().items()}

    @torch.no_grad()
    def update(self, net: nn.Module) -> None:
        """Takes the network in after a step."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        for name, tensor in net.state_dict().items():
            if tensor.is_floating_point():
                self.tensors[name].lerp_(tensor.detach(), 1 - decay)
            else:
                self.tensors[name].copy_(tensor)

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds."""
        return {"updates": self.updates, "tensors": self.tensors}

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on from a state."""
        self.updates = state["updates"]
        for name, tensor in state["tensors"].items():
            self.tensors[name].copy_(tensor)


class Log:
    """One JSON object a line in OUT/log.jsonl, and the same numbers for TensorBoard where it is installed."""

    def __init__(self, folder: Path) -> None:
        """Raises OutputError."""
        path = folder / "log.jsonl"
        try:
            self.file = open(path, "a", encoding="utf-8")  # noqa: SIM115
        except OSError as error:
            raise OutputError(f"{path}: cannot be written: {error.strerror}") from None
        self.board: Any = None
        try:
            from torch.utils.tensorboard import SummaryWriter

            self.board = SummaryWriter(str(folder))
        except ImportError:
            pass

    def write(self, step: int, values: dict[str, float]) -> None:
        """One line with the step and its values."""
        self.file.write(json.dumps({"step": step, **{k: round(v, 7) for k, v in values.items()}}) + "\n")
        self.file.flush()
        if self.board is not None:
            for name, value in values.items():
                self.board.add_scalar(name, value, step)

    def close(self) -> None:
        """Closes what is open."""
        self.file.close()
        if self.board is not None:
            self.board.close()


def rank() -> int:
    """Of this process, 0 without others."""
    return dist.get_rank() if dist.is_initialized() else 0


def ranks() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def join(device: str) -> None:
    """Joins the processes of torchrun, if it started this one."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not dist.is_initialized():
        dist.init_process_group("nccl" if device == "cuda" else "gloo")
        if device == "cuda":
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))


@torch.no_grad()
def share_gradients(parameters: Sequence[nn.Parameter]) -> None:
    """The mean of all processes' gradients, in each of them: one reduction of one flat tensor."""
    if ranks() == 1:
        return
    gradients = [p.grad if p.grad is not None else torch.zeros_like(p) for p in parameters]
    flat = torch.cat([g.flatten().float() for g in gradients])
    dist.all_reduce(flat)
    flat /= ranks()
    for parameter, part in zip(parameters, flat.split([g.numel() for g in gradients])):
        parameter.grad = part.view_as(parameter).to(parameter.dtype)


@torch.no_grad()
def share_weights(net: nn.Module) -> None:
    """The first process's weights and buffers, in all of them."""
    if ranks() > 1:
        for tensor in net.state_dict().values():
            dist.broadcast(tensor, 0)


def check_finite(losses: Mapping[str, float | Tensor], step: int) -> dict[str, float]:
    """The losses as numbers; Diverged names the first that is none."""
    values = {name: float(value) for name, value in losses.items()}
    for name, value in values.items():
        if not math.isfinite(value):
            raise Diverged(
                f"step {step}: the loss {name!r} is {value}; the training stopped, "
                f"{LAST} holds the last good state that was written. A smaller learning rate or float32 is worth a try"
            )
    return values


def run(trainer: Trainer, data: Dataset, collate: Any, schedule: Schedule, out: Path, quiet: bool = False) -> int:
    """Trains to the last step, from OUT/last.safetensors on where there is one. Returns the number of the last step.

    Raises Diverged, OutputError. Where these or an interrupt end it, the last checkpoint that was written stays: in the
    midst of a step there is no state to go on from.
    """
    first, last = rank() == 0, out / LAST
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{out}: {error.strerror}; a folder that can be written expected") from None
    done, best, worse = 0, math.inf, 0
    if last.is_file():
        kept = checkpoint.load(last)
        trainer.restore(kept["trainer"], str(last))
        done, best, worse = kept["step"], kept["best"], kept["worse"]
    log = Log(out) if first else None
    batches_of = feed(data, schedule, collate, done * schedule.accumulate)
    saver = Saver(last, schedule.checkpoint_every)
    progress = _bar(schedule.steps, done, quiet or not first)
    try:
        while done < schedule.steps and not (schedule.patience and worse >= schedule.patience):
            batches = [next(batches_of) for _ in range(schedule.accumulate)]
            values = trainer.step(batches, done + 1)
            done += 1
            if first and (done % schedule.log_every == 0 or done == schedule.steps):
                log.write(done, values)  # type: ignore[union-attr]
                progress.set_postfix({name: f"{value:.3g}" for name, value in values.items()}, refresh=False)
            if first and schedule.sheet_every and done % schedule.sheet_every == 0:
                trainer.sheet(out / f"sheet-{done:06d}.png")
            if schedule.judge_every and done % schedule.judge_every == 0:
                best, worse = _judge(trainer, log, out, (done, best, worse))
            progress.update()
            if first:
                tree = {"step": done, "best": best, "worse": worse}
                saver.maybe(lambda tree=tree: tree | {"trainer": trainer.state()}, done)
    finally:
        progress.close()
        if log is not None:
            log.close()
    if first:
        checkpoint.save(last, {"step": done, "best": best, "worse": worse, "trainer": trainer.state()})
    return done


def _judge(trainer: Trainer, log: Log | None, out: Path, so_far: tuple[int, float, int]) -> tuple[float, int]:
    """The held-out figure (smaller is better), and the state kept where it is the best so far."""
    done, best, worse = so_far
    figure = trainer.held_out()
    if figure is None:
        return best, worse
    if log is not None:
        log.write(done, {"held_out": figure})
    if figure >= best:
        return best, worse + 1
    if rank() == 0:
        tree = {"step": done, "best": figure, "worse": 0}
        checkpoint.save(out / "best.safetensors", tree | {"trainer": trainer.state()})
    return figure, 0


class Saver:
    """Writes the state every so many steps, or as often as costs WRITING_SHARE of the time."""

    def __init__(self, path: Path, every: int) -> None:
        self.path, self.every = path, every
        self.cost_s, self.written_at = 0.0, time.monotonic()

    def maybe(self, state: Any, step: int) -> None:
        """state: a function that gives the tree, called only when it is written."""
        began = time.monotonic()
        due = step % self.every == 0 if self.every else began - self.written_at >= self.cost_s / WRITING_SHARE
        if due:
            checkpoint.save(self.path, state())
            self.written_at = time.monotonic()
            self.cost_s = self.written_at - began


def _bar(steps: int, done: int, quiet: bool) -> Any:
    from tqdm import tqdm

    often_s = 0.1 if sys.stderr.isatty() else 60.0  # a file need not hold every step
    return tqdm(total=steps, initial=done, disable=quiet, unit="step", dynamic_ncols=True, mininterval=often_s)
