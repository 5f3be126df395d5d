"""Files: how one is read whole, and how one is written (all of it or nothing)."""

from __future__ import annotations

import errno
import json
import os
import secrets
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from pyapdraw.errors import BadInput, OutputError

NAME_BYTES = 255  # of one file name: the limit of every common file system


def name_of(source) -> str:
    """How messages call a source: the path as it was given, or what kind of buffer or opened file it is."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        return f"<{len(source)} bytes in memory>"
    if hasattr(source, "read"):
        name = getattr(source, "name", None)
        name = "<standard input>" if name == "<stdin>" else name
        return name if isinstance(name, str) else f"<{type(source).__name__}>"
    return str(source)


def regular_file(source: str | os.PathLike) -> Path:
    """The path, if a readable, non-empty regular file is there (no folder, device or pipe). Raises BadInput."""
    path = Path(source)
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise BadInput(f"{path}: no such file") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL inside the name
        raise BadInput(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if stat.S_ISDIR(status.st_mode):
        raise BadInput(f"{path}: is a folder, expected a file")
    if not stat.S_ISREG(status.st_mode):
        raise BadInput(f"{path}: is a device or a pipe, expected a regular file")
    if status.st_size == 0:
        raise BadInput(f"{path}: is empty (0 bytes)")
    return path


def read_bytes(source, limit_bytes: int | None = None) -> bytes:
    """Content of a path, a buffer or a file opened in binary mode (from its start if it can go there), at most
    limit_bytes of it. Raises BadInput."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        if len(source) == 0:
            raise BadInput("picture is empty (0 bytes in memory)")
        return bytes(memoryview(source)[:limit_bytes])
    if hasattr(source, "read"):
        return _read_opened(source, limit_bytes)
    path = regular_file(source)
    try:
        with open(path, "rb") as file:
            return file.read(-1 if limit_bytes is None else limit_bytes)
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror or error}") from None


def _read_opened(file, limit_bytes: int | None) -> bytes:
    name = name_of(file)
    try:
        if getattr(file, "seekable", bool)():
            file.seek(0)
        content = file.read(-1 if limit_bytes is None else limit_bytes)
    except (OSError, ValueError) as error:  # ValueError: it is closed
        raise BadInput(f"{name}: cannot be read: {error}") from None
    if not isinstance(content, bytes):
        raise BadInput(f"{name}: reads {type(content).__name__}, a file opened in binary mode ('rb') expected")
    if not content:
        raise BadInput(f"{name}: is empty (0 bytes)")
    return content


# --- writing -------------------------------------------------------------------------------------------------------


def same_file(path: Path, source) -> bool:
    """Whether a path and a source (path or buffer) are one and the same existing file."""
    try:
        return isinstance(source, (str, os.PathLike)) and os.path.samefile(path, source)
    except (OSError, ValueError):
        return False


def names_folder(path: str | os.PathLike) -> bool:
    """Whether a path is a folder, or, where nothing is there, was written as one, with a separator at its end."""
    return os.path.isdir(path) or os.fspath(path).endswith(("/", os.sep))


def check_output(path: str | os.PathLike, *, overwrite: bool = False, inputs: Iterable = ()) -> Path:
    """The output path, if it may be written: its folder exists and allows it, nothing is there yet (or overwrite is
    set), and it is none of the inputs. Raises OutputError."""
    if names_folder(path):
        raise OutputError(f"{path}: is a folder, expected a file name")
    path = Path(path)
    try:
        if not path.parent.is_dir():
            raise OutputError(f"{path}: the folder {path.parent} does not exist")
        path.lstat()
        is_there = True
    except FileNotFoundError:
        is_there = False
    except (OSError, ValueError) as error:  # a name that is too long, or holds a NUL
        raise OutputError(f"{path}: cannot be written: {getattr(error, 'strerror', None) or error}") from None
    if len(os.fsencode(path.name)) > NAME_BYTES:
        raise OutputError(f"{path}: the name has more than {NAME_BYTES} bytes")
    for source in inputs:
        if same_file(path, source):
            raise OutputError(f"{path}: output and input are the same file")
    if is_there and not overwrite:
        raise OutputError(f"{path}: exists already; ask for overwriting (--overwrite) or choose another name")
    if path.exists() and not path.is_file():
        raise OutputError(f"{path}: is a device or a pipe, expected a regular file")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise OutputError(f"{path}: no permission to write in the folder {path.parent}")
    return path


def temporary_name(path: Path, ending: str = ".part") -> Path:
    """A fresh hidden name in the folder of path: a rename between the two never crosses a file system."""
    return path.with_name(shortened(f".{path.name}", f".{secrets.token_hex(4)}{ending}"))


def shortened(stem: str, ending: str) -> str:
    """The name stem + ending, the stem cut between characters where the whole is more than a file name can hold."""
    room = NAME_BYTES - len(os.fsencode(ending))
    return (
        os.fsencode(stem)[:room].decode("utf-8", "ignore") + ending if len(os.fsencode(stem)) > room else stem + ending
    )


def write_failed(path, error: BaseException) -> OutputError:
    """OutputError for what the system said while path was written."""
    code = getattr(error, "errno", None)
    if code in (errno.ENOSPC, errno.EDQUOT):
        return OutputError(f"{path}: could not be written: no space left on the device")
    if code == errno.EFBIG:
        return OutputError(f"{path}: could not be written: file larger than the system allows")
    return OutputError(f"{path}: could not be written: {getattr(error, 'strerror', None) or error}")


def put_in_place(temporary: Path, path: Path) -> None:
    """Flush temporary to the disk and give it the name path, in one step. Raises OSError."""
    with open(temporary, "rb+") as file:
        os.fsync(file.fileno())
    os.replace(temporary, path)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Make the new name itself durable; file systems that cannot are let off."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        os.close(handle)


@contextmanager
def atomic_write(path: str | os.PathLike, *, overwrite: bool = False, inputs: Iterable = ()) -> Iterator[IO[bytes]]:
    """A binary file to write into; the name path shows the old content or the whole new one, never a part.

    Whatever ends the block early, an interrupt included, leaves path as it was and removes what had been written.
    Raises OutputError, also when the disk is full."""
    path = check_output(path, overwrite=overwrite, inputs=inputs)
    temporary = temporary_name(path)
    try:
        with open(temporary, "xb") as file:
            yield file
        put_in_place(temporary, path)
    except OSError as error:
        raise write_failed(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


# --- records: the JSON files that tell of a run ----------------------------------------------------------------------

_OURS = b'{\n "pyapdraw": "'


def check_record(path: str | os.PathLike, *, overwrite: bool = False, inputs: Iterable = ()) -> Path:
    """As check_output, but an earlier record of ours may be replaced: no other file is, unless overwrite is set."""
    path = Path(path)
    if path.suffix.lower() != ".json":
        raise OutputError(f"{path}: a file of figures given, a name that ends in .json expected")
    return check_output(path, overwrite=overwrite or _is_record(path), inputs=inputs)


def write_record(
    path: str | os.PathLike, kind: str, record: dict[str, Any], *, overwrite: bool = False, inputs: Iterable = ()
) -> None:
    """Write a JSON file that says of itself what it is (`{"pyapdraw": kind, ...}`). Raises OutputError."""
    path = check_record(path, overwrite=overwrite, inputs=inputs)
    text = json.dumps({"pyapdraw": kind, **record}, indent=1, default=float)
    with atomic_write(path, overwrite=True, inputs=inputs) as file:
        file.write(text.encode() + b"\n")


def _is_record(path: Path) -> bool:
    try:
        with open(regular_file(path), "rb") as file:
            return file.read(len(_OURS)) == _OURS
    except (OSError, BadInput):
        return False
