"""Shipped weights: small files beside this module with a model card (NAME.md) and a line in manifest.json each.

They are weight files as `store` writes them. Theirs in the manifest is the sha256 of the whole file, as `sha256sum`
prints it, for what is published has to be comparable with common tools; the one in the header serves files of users.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from pyapdraw.errors import WeightsError

FOLDER = Path(__file__).parent
MANIFEST = "manifest.json"


def names(folder: Path = FOLDER) -> list[str]:
    """Names of the shipped weights, sorted."""
    return sorted(_manifest(folder))


def is_name(path_or_name: str | Path, folder: Path = FOLDER) -> bool:
    """Whether shipped weights are meant: a name of theirs, and no file or folder that is there."""
    return not os.path.exists(path_or_name) and str(path_or_name) in names(folder)


def path_of(name: str, folder: Path = FOLDER) -> Path:
    """The file of shipped weights. Raises WeightsError: unknown name."""
    entry = _manifest(folder).get(name)
    if entry is None:
        raise WeightsError(f"weights {name!r} are not shipped; known names: {', '.join(names(folder)) or 'none'}")
    return folder / entry["file"]


def verify(name: str, folder: Path = FOLDER) -> bytes:
    """Bytes of one shipped weight file, after their sha256 was compared with the manifest. Raises WeightsError."""
    path = path_of(name, folder)
    expected = _manifest(folder)[name]["sha256"]
    try:
        data = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"weights {name!r}: cannot read {path}: {error.strerror}") from error
    found = hashlib.sha256(data).hexdigest()
    if found != expected:
        raise WeightsError(f"weights {name!r}: {path} has sha256 {found}, expected {expected}")
    return data


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


def _manifest(folder: Path) -> dict[str, dict]:
    path = folder / MANIFEST
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path}: cannot read the list of shipped weights: {error}") from error
    if not isinstance(entries, dict):
        raise WeightsError(f"{path}: expected an object of weights by name, got {type(entries).__name__}")
    return entries
