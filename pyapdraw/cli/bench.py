"""`pyapdraw bench`."""

from __future__ import annotations

import argparse
from typing import Any

from pyapdraw.cli import codes
from pyapdraw.cli.standard import show


def add_to(verbs: Any) -> None:
    """Adds the verb to the command line's."""
    bench = verbs.add_parser("bench", help="time the native operations beside this machine's measured peaks")
    bench.add_argument("operations", nargs="*", metavar="OP", help="operations (default: all)")
    bench.add_argument("--threads", type=int, default=0, metavar="N", help="default: those of the process")
    bench.add_argument("--seconds", type=float, default=0.3, metavar="S", help="of calls for an operation (0.3)")
    bench.add_argument("--json", metavar="FILE.json", help="write the figures")
    bench.add_argument("--overwrite", action="store_true", help="replace a file that is no earlier record")
    bench.add_argument("--peers", action=argparse.BooleanOptionalAction, default=True,
                       help="also OpenCV, SciPy and torch where they are installed (default: yes)")  # fmt: skip
    bench.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Times the operations and prints a table."""
    from pyapdraw import bench
    from pyapdraw.files import check_record, write_record

    if args.json:
        check_record(args.json, overwrite=args.overwrite)
    options = {"threads": args.threads, "seconds": args.seconds, "with_peers": args.peers}
    record = bench.bench(args.operations, **options, tell=show)
    if args.json:
        write_record(args.json, "bench", record, overwrite=args.overwrite)
    return codes.SOME_FAILED if record["suites"]["native"]["wrong"] else codes.DONE
