"""The styles by name. A style is made on first use, so listing them loads nothing."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

from pyapdraw.errors import BadInput


@dataclass(frozen=True)
class Entry:
    """A style: where its class is, what it draws, and what can run it (device -> runtimes, best first)."""

    name: str
    target: str  # "module:Class"
    summary: str
    runtimes: dict[str, tuple[str, ...]]

    def create(self) -> Any:
        """Makes the style object (see `pipeline.Style`)."""
        module, cls = self.target.split(":")
        return getattr(importlib.import_module(module), cls)()


STYLES: dict[str, Entry] = {
    "ink": Entry(
        "ink",
        "pyapdraw.models.ink:Ink",
        "brush and pen: two-tone regions with flow-guided lines; no weights, any size",
        {"cpu": ("native",)},
    ),
}


def find(name: str) -> Entry:
    """The entry of a style; BadInput names the known ones."""
    if name not in STYLES:
        raise BadInput(f"style: {name!r} given, one of {', '.join(STYLES)} expected")
    return STYLES[name]
