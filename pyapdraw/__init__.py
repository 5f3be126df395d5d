"""pyapdraw: portraits into drawings, from photos and live video, on a CPU or a GPU.

    import pyapdraw
    drawing = pyapdraw.draw(photo)              # uint8 [H,W,3] in, uint8 [H,W,3] out
    pyapdraw.draw_video("in.mp4", "out.mp4")

`draw` for one picture, `draw_video` for a video, `Artist` for many, `styles()` and `info()` to see what there is;
native operations are in `pyapdraw.ops`. Neither importing nor drawing loads torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyapdraw._C import __version__
from pyapdraw.errors import BadInput, DeviceError, Error, OutputError, Unsupported, WeightsError

if TYPE_CHECKING:
    from pyapdraw.artist import Artist

__all__ = [
    "Artist", "BadInput", "DeviceError", "Error", "OutputError", "Unsupported", "WeightsError",
    "__version__", "draw", "draw_video", "info", "ops", "styles",
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


def draw_video(source: Any, target: Any, style: str = "ink", **options: Any) -> dict[str, Any]:
    """Draws a video, as the command line does: every frame, with its time, the sound and the captions.

    Args:
        source: path of a video or of a moving GIF or PNG.
        target: path of the new video; its suffix decides: .mp4, .m4v, .mov, .mkv, .webm or .gif.
        style: a name from `styles()`.
        options: start, end (seconds, or text like "1:02:03.5"), crf (0 best, to 51; 20), side_by_side, overwrite,
            max_pixels of a frame, progress (a bar on stderr; None: on a terminal), device, runtime, and the fields of
            `pyapdraw.artist.Options`.

    Returns:
        The report: frames, times, tracks and what became of them, faces of every frame.

    Raises:
        BadInput: no readable video, or a wrong option. OutputError: the target cannot be written, or exists.
    """
    from pyapdraw.frame_artist import draw_video

    return draw_video(source, target, style, **options)


def styles() -> dict[str, str]:
    """Style names and what they draw."""
    from pyapdraw.style.registry import STYLES

    return {name: entry.summary for name, entry in STYLES.items()}


def __getattr__(name: str) -> Any:  # what costs time to import is imported when first asked for
    import importlib

    if name == "Artist":
        return importlib.import_module("pyapdraw.artist").Artist
    if name == "info":
        return importlib.import_module("pyapdraw.about").info
    if name in ("faces", "ops", "models", "runtime", "metrics", "losses", "weights"):
        return importlib.import_module(f"pyapdraw.{name}")
    raise AttributeError(f"module 'pyapdraw' has no attribute {name!r}")
