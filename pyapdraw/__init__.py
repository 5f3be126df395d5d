"""pyapdraw: portraits into drawings, from photos and live video, on a CPU or a GPU.

    import pyapdraw
    drawing = pyapdraw.draw(photo)              # uint8 [H,W,3] in, uint8 [H,W,3] out

`draw` for one picture, `Artist` for many, `styles()` and `info()` to see what there is; native operations are in
`pyapdraw.ops`. Neither importing nor drawing loads torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyapdraw._C import __version__
from pyapdraw.errors import BadInput, DeviceError, Error, OutputError, Unsupported, WeightsError

if TYPE_CHECKING:
    from pyapdraw.artist import Artist

__all__ = [
    "Artist", "BadInput", "DeviceError", "Error", "OutputError", "Unsupported", "WeightsError",
    "__version__", "draw", "info", "ops", "styles",
]  # fmt: skip


def draw(image: Any, style: str = "ink", **options: Any) -> Any:
    """Draws a picture.

    Args:
        image: uint8 [H,W,3] RGB or [H,W] grey, numpy or torch; or the path of a photo (the result is numpy then).
        style: a name from `styles()`.
        options: device, runtime, and the fields of `pyapdraw.artist.Options`.

    Returns:
        uint8 [H,W,3], the same kind of array as `image`.
    """
    from pyapdraw.artist import Artist

    artist = Artist(style, **options)
    if isinstance(image, (str, bytes)) or hasattr(image, "__fspath__"):
        from pyapdraw.photo import read_photo

        image = read_photo(image).pixels
    return artist.draw(image)


def styles() -> dict[str, str]:
    """Style names and what they draw."""
    from pyapdraw.models.registry import STYLES

    return {name: entry.summary for name, entry in STYLES.items()}


def __getattr__(name: str) -> Any:  # what costs time to import is imported when first asked for
    import importlib

    if name == "Artist":
        return importlib.import_module("pyapdraw.artist").Artist
    if name == "info":
        return importlib.import_module("pyapdraw.about").info
    if name in ("ops", "models", "metrics", "losses", "weights"):
        return importlib.import_module(f"pyapdraw.{name}")
    raise AttributeError(f"module 'pyapdraw' has no attribute {name!r}")
