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
        image: an array of numpy, torch or a CUDA library, [H,W,3], [H,W,4], [H,W,1] or [H,W], uint8 or float in 0 to 1;
            a Pillow image; or the path or content of a photo, or an opened file: see `pyapdraw.artist.Artist.draw`.
        style: a name from `styles()`.
        options: device, runtime, and the fields of `pyapdraw.artist.Options`.

    Returns:
        [H,W,3] RGB, the same kind of array or image as `image`; numpy uint8 for files.
    """
    from pyapdraw.artist import Artist

    return Artist(style, **options).draw(image)


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
