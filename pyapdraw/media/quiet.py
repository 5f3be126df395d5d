"""Pillow without words on stderr, and with our limit of pixels in the place of its own."""

from __future__ import annotations

import ctypes
import functools
import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_readers = 0
_found: tuple[warnings.catch_warnings, int | None] | None = None


@contextmanager
def quiet_pillow(max_pixels: int = 0) -> Iterator[None]:
    """While pictures are read: no warnings of Pillow, no text of libtiff, and up to max_pixels pixels accepted.

    What Pillow logs goes to the handlers that the program has set up, if any.

    Warnings and Pillow's limit belong to the process. Readers of several threads are counted, and the last one puts
    back what the first one found, so that they need not wait for each other.
    """
    global _readers, _found
    from PIL import Image

    _silence()
    with _lock:
        if _readers == 0:
            saved = warnings.catch_warnings()
            saved.__enter__()
            warnings.filterwarnings("ignore", module=r"(PIL|pillow_heif)\b")
            warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
            _found = saved, Image.MAX_IMAGE_PIXELS
        _readers += 1
        if Image.MAX_IMAGE_PIXELS is not None:
            Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS, max_pixels)
    try:
        yield
    finally:
        with _lock:
            _readers -= 1
            if _readers == 0 and _found is not None:
                _found[0].__exit__(None, None, None)
                Image.MAX_IMAGE_PIXELS = _found[1]


@functools.cache
def _silence() -> None:
    """Once a process: no log of Pillow on stderr for want of a handler, and no text of libtiff, which writes about
    every damaged strip to the C library's stderr unless it is told not to.

    libtiff is looked up among the libraries that Pillow itself is linked with; where it is hidden, it stays as it is.
    """
    from PIL import Image

    logging.getLogger("PIL").addHandler(logging.NullHandler())
    try:
        libraries = ctypes.CDLL(Image.core.__file__)
        for name in ("TIFFSetErrorHandler", "TIFFSetErrorHandlerExt", "TIFFSetWarningHandler"):
            set_handler = getattr(libraries, name)
            set_handler.argtypes, set_handler.restype = [ctypes.c_void_p], ctypes.c_void_p
            set_handler(None)
    except (AttributeError, OSError):
        pass
