"""`pyapdraw info`."""

from __future__ import annotations

import argparse
from typing import Any

from pyapdraw.cli import codes
from pyapdraw.cli.standard import show


def add_to(verbs: Any) -> None:
    """Adds the verb to the command line's."""
    info = verbs.add_parser("info", help="version, backends and what they can do")
    info.add_argument("--table", action="store_true", help="only which operation runs on which backend, as Markdown")
    info.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Prints `pyapdraw.info()` as JSON, or its table of operations."""
    import json

    from pyapdraw.about import info, support_table

    show(support_table() if args.table else json.dumps(info(), indent=1))
    return codes.DONE
