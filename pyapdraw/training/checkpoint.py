"""A training's whole state in one safetensors file: written in one step, read without running anything from it.

A state is a tree of dicts, lists and tuples with tensors and plain values as leaves, such as
`{"net": net.state_dict(), "optimizer": optimizer.state_dict(), "step": 12}`. Tensors are stored as tensors, the tree
around them as JSON in the file's header.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pyapdraw.errors import WeightsError
from pyapdraw.files import atomic_write

KEY = "pyapdraw.training"  # of the header, where the tree stands


def save(path: str | Path, state: Any) -> None:
    """Writes a state; an existing file stays whole until the new one is. Raises OutputError."""
    from safetensors.torch import save as to_bytes

    tensors: dict[str, Tensor] = {}
    tree = _encode(state, tensors)
    with atomic_write(path, overwrite=True) as file:
        file.write(to_bytes(tensors, {KEY: json.dumps(tree)}))


def load(path: str | Path) -> Any:
    """Reads a state, tensors on the CPU. Raises WeightsError: missing, truncated, or not written by `save`."""
    from safetensors import SafetensorError, safe_open

    source = Path(path)
    try:
        with safe_open(source, "pt") as file:
            header = (file.metadata() or {}).get(KEY)
            if header is None:
                raise WeightsError(f"{source}: weights alone given, the checkpoint of a training expected")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{source}: cannot be read as a checkpoint: {error}") from None
    try:
        return _decode(json.loads(header), tensors)
    except (ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"{source}: damaged header of a checkpoint ({error})") from None


def _encode(value: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, Tensor):
        name = str(len(tensors))
        # A copy where memory is shared: each tensor of the file stands alone.
        tensors[name] = value.detach().cpu().contiguous().clone()
        return {"tensor": name}
    if isinstance(value, dict):
        return {"dict": [[_plain(key), _encode(item, tensors)] for key, item in value.items()]}
    if isinstance(value, (list, tuple)):
        return {type(value).__name__: [_encode(item, tensors) for item in value]}
    return _plain(value)


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"a checkpoint holds tensors and plain values, not {type(value).__name__}")


def _decode(value: Any, tensors: dict[str, Tensor]) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "dict":
        return {key: _decode(item, tensors) for key, item in content}
    items = [_decode(item, tensors) for item in content]
    if kind == "list":
        return items
    if kind == "tuple":
        return tuple(items)
    raise ValueError(f"unknown kind {kind!r}")


def same(a: Any, b: Any) -> bool:
    """Whether two states are equal to the bit."""
    if isinstance(a, Tensor) or isinstance(b, Tensor):
        both = isinstance(a, Tensor) and isinstance(b, Tensor)
        return both and a.dtype == b.dtype and a.shape == b.shape and torch.equal(a.cpu(), b.cpu())
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b))
    return a == b
