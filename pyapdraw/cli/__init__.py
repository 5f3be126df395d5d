"""The command line: `pyapdraw draw photo.jpg -o drawing.png`.

One module a verb, with `add_to(verbs)` and `run(args)`; exit codes are in `codes`.
"""

from __future__ import annotations

import argparse
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pyapdraw.cli import bench, codes, data, draw, eval, info, styles, train, weights
from pyapdraw.cli.standard import complain, hush, listening


def parser() -> argparse.ArgumentParser:
    """The whole command line; a test holds it against the public contract."""
    from pyapdraw._C import __version__

    top = argparse.ArgumentParser(prog="pyapdraw", description="Portraits into drawings, from photos and videos.")
    top.add_argument("--version", action="version", version=f"pyapdraw {__version__}")
    verbs = top.add_subparsers(dest="verb", required=True, metavar="COMMAND")
    for verb in (draw, styles, info, bench, weights, eval, train, data):
        verb.add_to(verbs)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    from pyapdraw.errors import DeviceError, Error, OutputError, Unsupported

    try:
        with _ended_as_by_ctrl_c(), listening():
            args = parser().parse_args(argv)
            return args.run(args)
    except KeyboardInterrupt as e:
        complain(f"interrupted; {e}" if e.args else "interrupted")
        return codes.INTERRUPTED
    except BrokenPipeError:
        hush()
        return codes.DONE
    except Error as e:
        complain(str(e))
        if isinstance(e, OutputError):
            return codes.NOT_WRITTEN
        return codes.NO_BACKEND if isinstance(e, (DeviceError, Unsupported)) else codes.WRONG_USAGE


@contextmanager
def _ended_as_by_ctrl_c() -> Iterator[None]:
    """SIGTERM tidies up as Ctrl-C does: no temporary file stays, a video's part is closed."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGTERM, stop)
    except ValueError:  # not the main thread: whoever runs it decides
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
