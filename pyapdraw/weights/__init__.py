"""Weights: shipped ones, small files beside this module with a model card (NAME.md) and a line in manifest.json each;
our own files (`store`); and published checkpoints of the papers' authors (`official`).

>>> tensors = load("person_mask")            # doctest: +SKIP
>>> tensors["stem.weight"].dtype             # doctest: +SKIP
dtype('float32')
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np

from pyapdraw.errors import WeightsError
from pyapdraw.weights.official import export_checkpoint, import_checkpoint, read_checkpoint
from pyapdraw.weights.store import Weights, average, read, write

__all__ = [
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
    "verify",
    "write",
]

FOLDER = Path(__file__).parent
MANIFEST = "manifest.json"


def names(folder: Path = FOLDER) -> list[str]:
    """Names of the shipped weights, sorted."""
    return sorted(_manifest(folder))


def load(name: str, folder: Path = FOLDER) -> dict[str, np.ndarray]:
    """Reads one shipped weight file and checks it against its recorded sha256 before anything is parsed.

    name: entry of the manifest, e.g. "person_mask". folder: where the manifest and the files lie.
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


def verify(name: str, folder: Path = FOLDER) -> bytes:
    """Bytes of one shipped weight file, after their sha256 was compared with the manifest. Raises WeightsError."""
    entry = _manifest(folder).get(name)
    if entry is None:
        raise WeightsError(f"weights {name!r} are not shipped; known names: {', '.join(names(folder)) or 'none'}")
    path = folder / entry["file"]
    try:
        data = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"weights {name!r}: cannot read {path}: {error.strerror}") from error
    found = hashlib.sha256(data).hexdigest()
    if found != entry["sha256"]:
        raise WeightsError(f"weights {name!r}: {path} has sha256 {found}, expected {entry['sha256']}")
    return data


def find(path_or_name: str | Path, folder: Path = FOLDER) -> Weights:
    """Weights with their system and configuration: of a file of ours, a published checkpoint, or shipped by name.

    Raises WeightsError: there are none, or they are damaged.
    """
    path = Path(path_or_name)
    if path.is_dir():
        return read_checkpoint(path).weights
    if path.is_file():
        with path.open("rb") as file:
            ours = file.read(9)[8:] == b"{"  # safetensors: the size of the header, then JSON
        return read(path) if ours else read_checkpoint(path).weights
    if str(path_or_name) in names(folder):
        verify(str(path_or_name), folder)
        return read(folder / f"{path_or_name}.safetensors")
    raise WeightsError(f"{path_or_name}: no such file, nor weights of that name; known: {', '.join(names(folder))}")


def record(name: str, folder: Path = FOLDER) -> None:
    """Writes size and sha256 of NAME.safetensors into the manifest; for trainers, after they replaced the file."""
    data = (folder / f"{name}.safetensors").read_bytes()
    entries = _manifest(folder) if (folder / MANIFEST).exists() else {}
    entries[name] = {
        "file": f"{name}.safetensors",
        "size_bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    text = json.dumps(dict(sorted(entries.items())), indent=2)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")


def _widen(value: np.ndarray) -> np.ndarray:
    dtype = np.float32 if value.dtype == np.float16 else value.dtype
    return np.ascontiguousarray(value, dtype=dtype)


def _manifest(folder: Path) -> dict[str, dict]:
    path = folder / MANIFEST
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path}: cannot read the list of shipped weights: {error}") from error
    if not isinstance(entries, dict):
        raise WeightsError(f"{path}: expected an object of weights by name, got {type(entries).__name__}")
    return entries
