"""Our own weight files: safetensors whose header says which system and configuration they belong to, with a sha256.

A file is byte for byte what `write` writes for its content, or it is refused. Its sha256 is that of all its other
bytes, and stands at a fixed place: at the front of the header, before what is as the library writes it.

    8 bytes     size of the header
    header      {"__metadata__":{"sha256":"...","config":...,"format":...,"part":...,"system":...},tensors...}, spaces
    tensors     one after the other, in the header's order

In files of 0.1.0 (FORMAT_1) the sha256 covers names, shapes and values of the tensors, not the metadata.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pyapdraw.errors import BadInput, WeightsError
from pyapdraw.files import atomic_write, read_bytes
from pyapdraw.weights import shipped

FORMAT_1, FORMAT = "pyapdraw-1", "pyapdraw-2"
TORCH = (b"PK\x03\x04", b"\x80\x02")  # how files of torch.save begin: zip, and pickle in old ones
# In the order in which the library keeps tensors of a file, those of one dtype by name.
DTYPES = {"U64": "<u8", "I64": "<i8", "F64": "<f8", "F32": "<f4", "U32": "<u4", "I32": "<i4", "F16": "<f2",
          "U16": "<u2", "I16": "<i2", "I8": "|i1", "U8": "|u1", "BOOL": "|b1"}  # fmt: skip
_OPENING = b'{"__metadata__":{"sha256":"'
_DIGEST = slice(8 + len(_OPENING), 8 + len(_OPENING) + 64)  # where the sha256 stands


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
    """Writes a weight file, whole or not at all, and returns the sha256 that its header carries.

    Equal weights make equal files, to the bit.

    Raises OutputError: the file exists already, or cannot be written. WeightsError: a tensor of a dtype that weight
    files do not hold.
    """
    data = encode(str(path), weights)
    with atomic_write(path, overwrite=overwrite) as file:
        file.write(data)
    return data[_DIGEST].decode()


def read(path: str | Path) -> Weights:
    """Reads what `write` wrote, or shipped weights by their name.

    Raises WeightsError: a missing file, another format, or a file that is not byte for byte what `write` writes.
    """
    return decode(str(path), content(path))


def average(paths: Sequence[str | Path]) -> Weights:
    """The mean of weight files of one network, rounded once from float64; counters are the first file's.

    Networks that were trained from the same start, with other lengths, orders or rates, often lie so near each other
    that their mean is better than each (model soups [Wortsman et al. 2022]); not so of networks that began apart.

    Raises WeightsError: no file, one that cannot be read, or files of different networks.
    """
    if not paths:
        raise WeightsError("paths: no weight file given, at least one expected")
    loaded = [read(path) for path in paths]
    first = loaded[0]
    shapes = {name: value.shape for name, value in first.tensors.items()}
    for path, other in zip(paths, loaded):
        if (other.model, other.config) != (first.model, first.config):
            given = f"{other.model} with {other.config}"
            raise WeightsError(f"{path}: {given} given, {first.model} with {first.config} expected as in {paths[0]}")
        if {name: value.shape for name, value in other.tensors.items()} != shapes:
            raise WeightsError(f"{path}: tensors of other names or shapes given than in {paths[0]}")
    means = {
        name: np.mean([other.tensors[name].astype(np.float64) for other in loaded], axis=0).astype(value.dtype)
        for name, value in first.tensors.items()
        if value.dtype.kind == "f"
    }
    return first._replace(tensors=first.tensors | means)


def encode(where: str, weights: Weights) -> bytes:
    """The bytes of a weight file. where: what messages call it. Raises WeightsError: a dtype that it does not hold."""
    tensors = _ordered(where, weights.tensors)
    head = _head({"sha256": "0" * 64, **_about(weights, FORMAT)}, tensors)
    body = b"".join(value.tobytes() for value in tensors.values())
    return b"".join([head[: _DIGEST.start], _digest(head, body).encode(), head[_DIGEST.stop :], body])


def decode(where: str, data: bytes) -> Weights:
    """The content of a weight file. where: what messages call it. Raises WeightsError, as `read`."""
    from safetensors.numpy import load

    about = _metadata(where, data)
    try:
        weights = Weights(about["system"], about["part"], json.loads(about["config"]), load(data))
    except Exception as error:  # the library's parser raises its own type, which is not exported everywhere
        raise WeightsError(f"{where}: not a safetensors file ({error})") from error
    if not isinstance(weights.config, dict):
        raise WeightsError(f"{where}: config {weights.config!r} given, an object expected")
    form, given = about["format"], about["sha256"]
    found = fingerprint(weights.tensors) if form == FORMAT_1 else _digest(data)
    if found != given:
        raise WeightsError(f"{where}: content with sha256 {found} given, {given} expected: the file was altered")
    expected = {"sha256": given, **_about(weights, form)}
    tensors = _ordered(where, weights.tensors)
    head = _head(dict(sorted(expected.items())) if form == FORMAT_1 else expected, tensors)
    if data[: len(head)] != head or len(data) != len(head) + sum(value.nbytes for value in tensors.values()):
        raise WeightsError(f"{where}: not as pyapdraw writes a file of this content: the file was altered")
    return weights


def _about(weights: Weights, form: str) -> dict[str, str]:
    """The metadata but the sha256, sorted."""
    config = json.dumps(weights.config, sort_keys=True)
    return {"config": config, "format": form, "part": weights.part, "system": weights.system}


def _ordered(where: str, tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Tensors as a file has them: in order, C-contiguous, little endian. Raises WeightsError."""
    places = {np.dtype(kind): place for place, kind in enumerate(DTYPES.values())}
    found = {}
    for name, value in tensors.items():
        value = np.asarray(value, order="C")
        value = value.astype(value.dtype.newbyteorder("<"), copy=False)
        if value.dtype not in places:
            raise WeightsError(f"{where}: {name}: {value.dtype} given, numbers of 8 to 64 bits or bool expected")
        found[name] = value
    return dict(sorted(found.items(), key=lambda item: (places[item[1].dtype], item[0])))


def _head(about: dict[str, str], tensors: dict[str, np.ndarray]) -> bytes:
    """Size and header of a file that holds ordered tensors."""
    kinds = {np.dtype(kind): name for name, kind in DTYPES.items()}
    fields: dict[str, Any] = {"__metadata__": about}
    at = 0
    for name, value in tensors.items():
        place = [at, at := at + value.nbytes]
        fields[name] = {"dtype": kinds[value.dtype], "shape": list(value.shape), "data_offsets": place}
    text = json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # so that tensors begin at a multiple of eight bytes
    return len(text).to_bytes(8, "little") + text


def _digest(data: bytes, more: bytes = b"") -> str:
    """sha256 of a file, in one piece or two, but for the bytes where it stands itself."""
    view = memoryview(data)
    digest = hashlib.sha256(view[: _DIGEST.start])
    digest.update(view[_DIGEST.stop :])
    digest.update(more)
    return digest.hexdigest()


def _metadata(where: str, data: bytes) -> dict[str, str]:
    """Of a safetensors file, which has to be one of ours. Raises WeightsError."""
    try:
        size = int.from_bytes(data[:8], "little")
        if not 2 <= size <= len(data) - 8:
            raise ValueError(f"header of {size} bytes in a file of {len(data)} bytes")
        about = json.loads(data[8 : 8 + size]).get("__metadata__") or {}
        if about.get("format") not in (FORMAT_1, FORMAT):
            given = "a training's checkpoint" if "pyapdraw.training" in about else "safetensors of another program"
            raise WeightsError(f"{where}: {given} given, weights of pyapdraw ({FORMAT}) expected")
        missing = [key for key in ("system", "part", "config", "sha256") if not isinstance(about.get(key), str)]
    except (ValueError, AttributeError, RecursionError) as error:
        if data.startswith(TORCH):
            how = "`pyapdraw weights import` makes one of published ones"
            raise WeightsError(f"{where}: a file of torch given, weights of pyapdraw expected; {how}") from error
        raise WeightsError(f"{where}: not a safetensors file ({error})") from error
    if missing:
        raise WeightsError(f"{where}: header without {', '.join(missing)}")
    return about


def fingerprint(tensors: dict[str, np.ndarray]) -> str:
    """The sha256 of FORMAT_1: over names, dtypes, shapes and values, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        value = np.asarray(tensors[name], order="C")
        digest.update(f"{name} {value.dtype.str} {value.shape}\n".encode())
        digest.update(value.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def is_ours(path: str | Path) -> bool:
    """Whether there is a weight file of ours, or shipped weights of that name, altered or not."""
    try:
        return bool(_metadata(str(path), content(path)))
    except WeightsError:
        return False


def content(path: str | Path) -> bytes:
    """All bytes of a file, or of shipped weights by their name. Raises WeightsError."""
    if shipped.is_name(path):
        return shipped.verify(str(path))
    try:
        return read_bytes(path)
    except BadInput as error:
        raise WeightsError(str(error)) from error
