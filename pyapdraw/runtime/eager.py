"""The engine that runs every network: torch, operation by operation."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from pyapdraw.errors import Unsupported
from pyapdraw.models import registry
from pyapdraw.runtime import Engine
from pyapdraw.weights import Weights


def start(loaded: Weights, where: str | Path, device: str, precision: str, threads: int) -> Engine:
    """See `runtime.start`. Raises Unsupported: torch is not installed, or another precision than float32."""
    if precision == "bfloat16":
        raise Unsupported("precision: bfloat16 given, float32 or auto expected with runtime eager")
    network = registry.made(loaded, where)
    made_in = os.getpid()

    def call(**arrays: np.ndarray) -> dict[str, np.ndarray]:
        import torch

        nonlocal made_in
        if made_in != os.getpid():  # torch would wait for threads that a forked process has not
            torch.set_num_threads(1)
            made_in = os.getpid()
        with torch.inference_mode():
            found = network.run(**{name: torch.from_numpy(np.ascontiguousarray(a)) for name, a in arrays.items()})
        return {name: tensor.numpy() for name, tensor in found.items()}

    return Engine(loaded.model, "eager", device, "float32", call)
