"""`pyapdraw styles`."""

from __future__ import annotations

import argparse
from typing import Any

from pyapdraw.cli import codes
from pyapdraw.cli.standard import show


def add_to(verbs: Any) -> None:
    """Adds the verb to the command line's."""
    verbs.add_parser("styles", help="list the styles").set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Prints a line a style."""
    from pyapdraw import styles

    for name, summary in styles().items():
        show(f"{name:12} {summary}")
    return codes.DONE
