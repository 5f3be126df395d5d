"""The losses of the papers, a module a system, on torch: `pyapdraw.losses.apdrawing` and the others are imported when
first asked for, so that naming them needs torch and `import pyapdraw` does not."""

from __future__ import annotations

import importlib
from types import ModuleType

from pyapdraw.need import need

__all__ = ["apdrawing", "apdrawing2", "figures"]


def __getattr__(name: str) -> ModuleType:
    """Raises Unsupported where torch is missing."""
    if name not in __all__:
        raise AttributeError(f"module 'pyapdraw.losses' has no attribute {name!r}")
    need("torch", extra="train", why=f"pyapdraw.losses.{name}")
    return importlib.import_module(f"pyapdraw.losses.{name}")


def __dir__() -> list[str]:
    return [*globals(), *__all__]
