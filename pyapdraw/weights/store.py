"""Our own weight files: safetensors whose header says which system and configuration they belong to, with a sha256."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pyapdraw.errors import OutputError, WeightsError

FORMAT = "pyapdraw-1"


class Weights(NamedTuple):
    """One weight file. part: of the system ("generator", "discriminators", "auxiliary"). config: of its networks."""

    system: str
    part: str
    config: dict[str, Any]
    tensors: dict[str, np.ndarray]

    @property
    def model(self) -> str:
        """Its name in `pyapdraw.models`."""
        return self.system if self.part == "generator" else f"{self.system}.{self.part}"


def write(path: str | Path, weights: Weights, *, overwrite: bool = False) -> str:
    """Writes a weight file, whole or not at all, and returns the sha256 of its tensors, which the header carries.

    Equal weights make equal files, to the bit.

    Raises OutputError: the file exists already, or cannot be written.
    """
    from safetensors.numpy import save

    tensors = {name: np.asarray(value, order="C") for name, value in weights.tensors.items()}
    digest = fingerprint(tensors)
    about = {"format": FORMAT, "system": weights.system, "part": weights.part, "sha256": digest}
    about["config"] = json.dumps(weights.config, sort_keys=True)
    put(path, _ordered(save(tensors, about)), overwrite=overwrite)
    return digest


def read(path: str | Path) -> Weights:
    """Reads what `write` wrote, after its sha256 was compared.

    Raises WeightsError: a missing file, another format, a header that lacks what is expected, altered tensors.
    """
    from safetensors.numpy import load

    data = content(path)
    about = header(path, data)
    try:
        tensors = load(data)
    except Exception as error:  # the parser raises its own type, which is not exported everywhere
        raise WeightsError(f"{path}: not a safetensors file ({error})") from error
    found = fingerprint(tensors)
    if found != about["sha256"]:
        raise WeightsError(
            f"{path}: tensors with sha256 {found} given, {about['sha256']} expected: the file was altered"
        )
    return Weights(about["system"], about["part"], about["config"], tensors)


def average(paths: Sequence[str | Path]) -> Weights:
    """The mean of weight files of one network, rounded once from float64; counters are the first file's.

    Networks that were trained from the same start, with other lengths, orders or rates, often lie so near each other
    that their mean is better than each (model soups [Wortsman et al. 2022]); not so of networks that began apart.

    Raises WeightsError: no file, one that cannot be read, or files of different networks.
    """
    if not paths:
        raise WeightsError("paths: no weight file given, at least one expected")
    held = [read(path) for path in paths]
    first = held[0]
    shapes = {name: value.shape for name, value in first.tensors.items()}
    for path, other in zip(paths, held):
        if (other.model, other.config) != (first.model, first.config):
            given = f"{other.model} with {other.config}"
            raise WeightsError(f"{path}: {given} given, {first.model} with {first.config} expected as in {paths[0]}")
        if {name: value.shape for name, value in other.tensors.items()} != shapes:
            raise WeightsError(f"{path}: tensors of other names or shapes given than in {paths[0]}")
    means = {
        name: np.mean([other.tensors[name].astype(np.float64) for other in held], axis=0).astype(value.dtype)
        for name, value in first.tensors.items()
        if value.dtype.kind == "f"
    }
    return first._replace(tensors=first.tensors | means)


def header(path: str | Path, data: bytes) -> dict[str, Any]:
    """The metadata of a weight file, its config parsed. Raises WeightsError."""
    try:
        size = int.from_bytes(data[:8], "little")
        if not 2 <= size <= len(data) - 8:
            raise ValueError(f"header of {size} bytes in a file of {len(data)} bytes")
        about = json.loads(data[8 : 8 + size]).get("__metadata__") or {}
        if about.get("format") != FORMAT:
            raise WeightsError(f"{path}: safetensors of another program given, one of pyapdraw ({FORMAT}) expected")
        missing = [key for key in ("system", "part", "config", "sha256") if not isinstance(about.get(key), str)]
        if missing:
            raise WeightsError(f"{path}: header without {', '.join(missing)}")
        about["config"] = json.loads(about["config"])
    except (ValueError, AttributeError) as error:
        raise WeightsError(f"{path}: not a safetensors file ({error})") from error
    if not isinstance(about["config"], dict):
        raise WeightsError(f"{path}: config {about['config']!r} given, an object expected")
    return about


def fingerprint(tensors: dict[str, np.ndarray]) -> str:
    """sha256 over names, dtypes, shapes and values, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        value = np.asarray(tensors[name], order="C")
        digest.update(f"{name} {value.dtype.str} {value.shape}\n".encode())
        digest.update(value.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _ordered(data: bytes) -> bytes:
    """The same file with its metadata sorted: the library writes them in another order in every process."""
    size = int.from_bytes(data[:8], "little")
    fields = json.loads(data[8 : 8 + size])
    fields["__metadata__"] = dict(sorted(fields["__metadata__"].items()))
    text = json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # so that tensors begin at a multiple of eight bytes
    return len(text).to_bytes(8, "little") + text + data[8 + size :]


def content(path: str | Path) -> bytes:
    """All bytes of a file. Raises WeightsError."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise WeightsError(f"{path}: cannot read: {error.strerror}") from error


def put(path: str | Path, data: bytes, *, overwrite: bool = False) -> None:
    """Writes a file by way of a temporary one beside it. Raises OutputError."""
    import tempfile

    path = Path(path)
    if path.exists() and not overwrite:
        raise OutputError(f"{path}: exists already; --overwrite (overwrite=True) replaces it")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as part:
            try:
                part.write(data)
                part.flush()
                os.chmod(part.name, 0o644)
                os.replace(part.name, path)
            except BaseException:
                os.unlink(part.name)
                raise
    except OSError as error:
        raise OutputError(f"{path}: cannot write: {error.strerror}") from error
