"""`pyapdraw train`. Importing this loads no torch: the trainers do, when they run."""

from __future__ import annotations

import argparse
from typing import Any

from pyapdraw.cli import codes
from pyapdraw.cli.settings import setting
from pyapdraw.cli.standard import complain

SYSTEMS = ("apdrawing",)


def add_to(verbs: Any) -> None:
    """Adds the verb to the command line's."""
    train = verbs.add_parser("train", help="train a system, or go on with a training that was stopped")
    train.add_argument("system", choices=SYSTEMS)
    train.add_argument("--data", required=True, metavar="DIR", help="folder of portraits; see `pyapdraw data check`")
    train.add_argument("--out", required=True, metavar="DIR", help="checkpoints, log and sheets; goes on from there")
    train.add_argument("--config", metavar="FILE.toml|RECIPE", help="settings, such as the recipe apdrawing_published")
    train.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", dest="settings",
                       help="one setting, such as ngf=16 or schedule.steps=500; comes before the file")  # fmt: skip
    train.add_argument("--stage", choices=("pretrain", "formal"), help="short for --set stage=...")
    train.add_argument("--device", choices=("cpu", "cuda"), help="short for --set device=...")
    train.add_argument("-q", "--quiet", action="store_true", help="no progress bar")
    train.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Trains, or goes on training."""
    from pyapdraw.need import need

    need("torch", extra="train", why="a training")
    from pyapdraw.training import apdrawing, loop

    changes = dict(setting(text) for text in args.settings)
    changes |= {name: value for name in ("stage", "device") if (value := getattr(args, name))}
    config = apdrawing.read_config(args.config, **changes)
    try:
        apdrawing.train(args.data, args.out, config, quiet=args.quiet)
    except loop.Diverged as error:
        complain(str(error))
        return codes.SOME_FAILED
    return codes.DONE
