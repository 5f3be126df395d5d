"""Standard input and output: the one photo that comes in, the drawing that goes out, and what is said meanwhile.

A reader that goes (`| head`) ends the talk, not the work; a full disk or a closed output is an error in one sentence.
"""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO

from pyapdraw.errors import BadInput, OutputError
from pyapdraw.files import write_failed

OUTPUT = "<standard output>"
# Control characters, and those that turn the direction of writing: a name must not steer the terminal.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def opened_input() -> IO[bytes]:
    """Standard input, to be read as bytes. Raises BadInput: it is closed."""
    if sys.stdin is None:
        raise BadInput("<standard input>: is closed, a photo expected")
    return sys.stdin.buffer


def write(content: bytes) -> None:
    """Bytes to standard output. Raises OutputError; BrokenPipeError: nobody reads any more."""
    if sys.stdout is None:
        raise OutputError(f"{OUTPUT}: is closed, a file or a pipe expected")
    with _writing():
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()


def show(text: str) -> None:
    """What a command was asked for, on standard output. Raises OutputError; BrokenPipeError: nobody reads any more."""
    with _writing():
        print(text, flush=True)


@contextmanager
def _writing() -> Iterator[None]:
    """What the system says while standard output is written becomes an OutputError."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        hush()
        raise write_failed(OUTPUT, error) from error


def say(text: str) -> None:
    """A line about the work on standard output, as long as it can be written; that it cannot is told once."""
    try:
        show(one_line(text))
    except BrokenPipeError:
        hush()
    except OutputError as error:
        complain(str(error))


def complain(text: str) -> None:
    """A line on standard error, if there is one."""
    if sys.stderr is None:
        return
    with suppress(OSError):  # there is nowhere left to say it
        print(f"pyapdraw: {one_line(text)}", file=sys.stderr, flush=True)


def one_line(text: str) -> str:
    """The text with control characters escaped, which file names may hold.

    >>> one_line("a\\nb.jpg")
    'a\\\\nb.jpg'
    """
    return _UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


@contextmanager
def listening() -> Iterator[None]:
    """While a command runs: names that the terminal cannot show are escaped, and at the end all is written out.
    Raises OutputError."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        yield
    finally:
        try:
            if sys.stdout is not None:
                sys.stdout.flush()
        except BrokenPipeError:
            hush()
        except OSError as error:
            hush()
            raise write_failed(OUTPUT, error) from error


def hush() -> None:
    """What goes to standard output goes nowhere from now on."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
