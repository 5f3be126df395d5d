"""The engine of networks that are written on native operations: no package beside this one is needed."""

from __future__ import annotations

from pathlib import Path

from pyapdraw.models import registry
from pyapdraw.runtime import Engine
from pyapdraw.weights import Weights


def start(loaded: Weights, where: str | Path, device: str, precision: str, threads: int) -> Engine:
    """See `runtime.start`."""
    network = registry.native(loaded, threads, half=precision != "float32")
    return Engine(loaded.model, "native", device, "float32" if precision == "float32" else "bfloat16", network.run)
