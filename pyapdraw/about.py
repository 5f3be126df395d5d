"""What this installation is and can do: `pyapdraw.info()` and `pyapdraw info`."""

from __future__ import annotations

import importlib.metadata
import platform
from typing import Any

from pyapdraw import _C
from pyapdraw.table import table


def info() -> dict[str, Any]:
    """Version, machine, native backends with their operations, CUDA devices or the reason why there are none, threads,
    styles, installed optional packages."""
    from pyapdraw.style.registry import STYLES

    packages: dict[str, str | None] = {}
    for name in ("numpy", "pillow", "av", "safetensors", "torch", "tensorrt", "pycuda", "cupy", "numba", "jax"):
        try:
            packages[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            packages[name] = None
    return {
        "version": _C.__version__,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "threads": _C.default_threads(),
        "backends": {name: sorted(op for op, there in ops.items() if there) for name, ops in _C.backends().items()},
        "cuda": _C.cuda_devices(),
        "styles": {name: entry.runtimes() for name, entry in STYLES.items()},
        "packages": packages,
    }


def support_table() -> str:
    """Which operation of the native core has kernels on which backend of this build, as a Markdown table."""
    backends = _C.backends()
    operations = next(iter(backends.values()))
    rows = [[f"`{op}`", *("yes" if there[op] else "-" for there in backends.values())] for op in operations]
    return table([["operation", *backends], *rows])
