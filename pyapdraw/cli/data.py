"""`pyapdraw data check`."""

from __future__ import annotations

import argparse
from typing import Any

from pyapdraw.cli import codes
from pyapdraw.cli.standard import show


def add_to(verbs: Any) -> None:
    """Adds the verb to the command line's."""
    data = verbs.add_parser("data", help="look through a folder of portraits before training")
    data.add_argument("action", choices=("check",))
    data.add_argument("folder", metavar="DIR")
    data.add_argument("--photos-only", action="store_true", help="for the first stage: no drawings are needed")
    data.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Prints what is wrong with a folder of portraits, a line a problem."""
    from pyapdraw.data.portraits import problems

    count = 0
    for line in problems(args.folder, drawings=not args.photos_only):
        show(line)
        count += 1
    show(f"{args.folder}: {count} problem{'s' * (count != 1)}" if count else f"{args.folder}: no problems found")
    return codes.SOME_FAILED if count else codes.DONE
