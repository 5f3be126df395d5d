"""Weights: shipped ones (`shipped`), our own files (`store`), and published checkpoints of the papers' authors
(`official`). The name of shipped weights works wherever a file of ours does.

>>> tensors = load("selfie")            # doctest: +SKIP
>>> tensors["stem.weight"].dtype             # doctest: +SKIP
dtype('float32')
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from pyapdraw.errors import WeightsError
from pyapdraw.weights import pix2pix_files, shipped, store
from pyapdraw.weights.official import export_checkpoint, import_checkpoint, read_checkpoint
from pyapdraw.weights.shipped import FOLDER, MANIFEST, names, record, verify
from pyapdraw.weights.store import Weights, average, read, write

__all__ = [
    "FOLDER",
    "MANIFEST",
    "Weights",
    "average",
    "export_checkpoint",
    "find",
    "import_checkpoint",
    "load",
    "names",
    "read",
    "read_checkpoint",
    "record",
    "sources",
    "verify",
    "write",
]


def load(name: str, folder: Path = FOLDER) -> dict[str, np.ndarray]:
    """Reads one shipped weight file and checks it against its recorded sha256 before anything is parsed.

    name: entry of the manifest, e.g. "selfie". folder: where the manifest and the files lie.
    Returns tensors by name: numpy, C-contiguous; float16 storage is widened to float32, other dtypes stay.
    Raises WeightsError: unknown name, missing file, wrong checksum, or a file that is not safetensors.
    """
    data = verify(name, folder)
    from safetensors.numpy import load as parse

    try:
        tensors = parse(data)
    except Exception as error:  # the parser raises its own type, which is not exported everywhere
        raise WeightsError(f"weights {name!r}: not a safetensors file ({error})") from error
    return {key: _widen(value) for key, value in tensors.items()}


def find(
    path_or_name: str | Path, folder: Path = FOLDER, *, system: str | None = None, part: str | None = None
) -> Weights:
    """Weights with their system and configuration: of a file of ours, a published checkpoint, or shipped by name.

    system, part: what they have to be, such as "apdrawing" and "generator"; None: what the file says, or what is found
    by `read_checkpoint`.
    Raises WeightsError: there are none, they are damaged, of another system or part, or fit two systems and nothing
    tells which. BadInput: an unknown system or part of a published checkpoint.
    """
    if os.path.isdir(path_or_name) or (os.path.isfile(path_or_name) and not _is_ours(path_or_name)):
        return read_checkpoint(path_or_name, system, part=part).weights
    if os.path.isfile(path_or_name):
        loaded = read(path_or_name)
    elif str(path_or_name) in names(folder):
        loaded = store.decode(str(path_or_name), verify(str(path_or_name), folder))
    elif os.path.exists(path_or_name):
        raise WeightsError(f"{path_or_name}: a device or a pipe given, a file expected")
    else:
        raise WeightsError(f"{path_or_name}: no such file, nor weights of that name; known: {', '.join(names(folder))}")
    if system not in (None, loaded.system) or part not in (None, loaded.part):
        asked = f"{part or 'weights'} of {system or loaded.system}"
        raise WeightsError(f"{path_or_name}: {loaded.part} of {loaded.system} given, {asked} expected")
    return loaded


def sources(path_or_name: str | Path) -> list[Path]:
    """Files that are read for weights, given as to `find`: what is made of them may replace none of these."""
    if shipped.is_name(path_or_name):
        return [shipped.path_of(str(path_or_name))]
    return pix2pix_files.around(Path(path_or_name))


def _is_ours(path: str | Path) -> bool:
    """Whether a file is safetensors: the size of the header, then JSON."""
    try:
        with open(path, "rb") as file:
            return file.read(9)[8:] == b"{"
    except OSError as error:
        raise WeightsError(f"{path}: cannot read: {error.strerror}") from error


def _widen(value: np.ndarray) -> np.ndarray:
    dtype = np.float32 if value.dtype == np.float16 else value.dtype
    return np.ascontiguousarray(value, dtype=dtype)
