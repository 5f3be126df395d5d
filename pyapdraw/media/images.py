"""Pictures as callers hold them: numpy, torch, CUDA arrays, Pillow images, files; into 8-bit RGB, and back.

What comes out is of the kind that went in: the same library, device and range (0 to 255, or 0 to 1).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from pyapdraw.errors import BadInput
from pyapdraw.files import name_of
from pyapdraw.media.kinds import MAX_PIXELS

WANTED = "[H,W,3] (RGB), [H,W,4] (RGBA), [H,W,1] or [H,W] (grey) expected, channels last"
BAND_PX = 1 << 18


@dataclass(frozen=True)
class Given:
    """pixels: uint8 [H,W,3], upright. name: for messages. back: a drawing uint8 [H,W,3] as the kind that was given."""

    pixels: np.ndarray
    name: str
    back: Callable[[np.ndarray], Any]


def take(image: Any, max_pixels: int = MAX_PIXELS) -> Given:
    """A picture of any kind.

    Args:
        image: numpy array, torch tensor, or CUDA array of CuPy, pycuda, Numba or JAX: [H,W,3], [H,W,4] (laid on white),
            [H,W,1] or [H,W], uint8 or float in 0 to 1; a Pillow image of any mode, turned upright by its EXIF tag; a
            path, the content of a file, or a file opened in binary mode, whose pictures come back as numpy arrays.
        max_pixels: upper limit of a file or a Pillow image, see `photo.read_photo`.

    Raises BadInput, which says what was given.
    """
    if isinstance(image, np.ndarray):
        return Given(rgb_from(image), "image", _numpy_back(image.dtype))
    if isinstance(image, (str, bytes, bytearray, memoryview)) or hasattr(image, "__fspath__") or hasattr(image, "read"):
        from pyapdraw.media.photo import read_photo

        return Given(read_photo(image, max_pixels=max_pixels).pixels, name_of(image), lambda drawing: drawing)
    if _is(image, "PIL.Image", "Image"):
        from PIL import Image

        from pyapdraw.media.photo import rgb_of

        return Given(rgb_of(image, max_pixels=max_pixels), "image", Image.fromarray)
    if _is(image, "torch", "Tensor"):
        return _from_torch(image)
    return _from_library(image)


def rgb_from(array: np.ndarray) -> np.ndarray:
    """uint8 [H,W,3] of a numpy array; one that is so already is given back as it is. Raises BadInput."""
    array = np.asarray(array)
    if array.dtype != np.uint8 and array.dtype.kind != "f":
        raise BadInput(f"image: dtype {array.dtype} given, uint8 (0 to 255) or float (0 to 1) expected")
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        raise BadInput(f"image: shape {list(array.shape)} given, {WANTED}")
    if 0 in array.shape:
        raise BadInput(f"image: shape {list(array.shape)} has no pixels")
    if array.dtype.kind == "f":
        array = _bytes_of(array)
    if array.ndim == 2:
        array = array[:, :, None]
    if array.shape[2] == 1:
        return np.repeat(array, 3, axis=2)
    return _on_white(array) if array.shape[2] == 4 else array


def _bytes_of(array: np.ndarray) -> np.ndarray:
    """Levels 0 to 255 of floats 0 to 1, rounded half up."""
    low, high = float(array.min()), float(array.max())
    if not (low >= 0 and high <= 1):  # NaN too
        raise BadInput(f"image: {array.dtype} values {low:g} to {high:g} given, 0 to 1 expected (or uint8, 0 to 255)")
    kind: Any = np.float64 if array.dtype.itemsize > 4 else np.float32
    out = np.empty(array.shape, np.uint8)
    for rows in _bands(array):
        out[rows] = array[rows].astype(kind) * 255 + 0.5
    return out


def _on_white(rgba: np.ndarray) -> np.ndarray:
    """RGB uint8 [H,W,3] of RGBA uint8 [H,W,4] on white paper, rounded."""
    out = np.empty((*rgba.shape[:2], 3), np.uint8)
    for rows in _bands(rgba):
        alpha = rgba[rows, :, 3:].astype(np.uint32)
        out[rows] = (rgba[rows, :, :3] * alpha + 255 * (255 - alpha) + 127) // 255
    return out


def _bands(array: np.ndarray) -> Iterator[slice]:
    """Some rows at a time: wider numbers of the whole would take many times the memory of the result."""
    step = 1 + BAND_PX // array.shape[1]
    return (slice(y, y + step) for y in range(0, len(array), step))


def _numpy_back(dtype: np.dtype) -> Callable[[np.ndarray], np.ndarray]:
    if dtype == np.uint8:
        return lambda drawing: drawing
    kind = dtype.newbyteorder("=")
    return lambda drawing: (drawing / np.float32(255)).astype(kind) if kind.itemsize <= 4 else drawing / kind.type(255)


def _from_torch(tensor: Any) -> Given:
    import torch  # the caller has it loaded already

    try:
        host = tensor.detach().to("cpu")
        host = (host.float() if host.dtype == torch.bfloat16 else host).numpy()
    except (RuntimeError, TypeError, NotImplementedError) as error:  # sparse, quantised, meta
        raise BadInput(f"image: a tensor of {tensor.dtype} given, a dense uint8 or float tensor expected") from error

    def back(drawing: np.ndarray) -> Any:
        made = torch.from_numpy(drawing).to(tensor.device)
        return made if tensor.dtype == torch.uint8 else (made / 255).to(tensor.dtype)

    return Given(rgb_from(host), "image", back)


def _from_library(array: Any) -> Given:
    """CUDA arrays of the libraries that are known by name; they go over the host."""
    library = type(array).__module__.partition(".")[0]
    modules = sys.modules
    send: Callable[[np.ndarray], Any]
    if library == "cupy":

        def send(host: np.ndarray) -> Any:
            with array.device:
                return modules["cupy"].asarray(host)

        host = array.get()
    elif library == "pycuda":
        host, send = array.get(), modules["pycuda.gpuarray"].to_gpu
    elif library == "numba":
        host, send = array.copy_to_host(), modules["numba.cuda"].to_device
    elif library in ("jax", "jaxlib"):
        device = next(iter(array.devices()))
        host, send = np.asarray(array), lambda host: modules["jax"].device_put(host, device)
    else:
        raise BadInput(
            f"image: {type(array).__module__}.{type(array).__qualname__} given; a numpy, torch or CUDA array, a Pillow "
            "image, a path, bytes or an opened file expected"
        )
    back = _numpy_back(host.dtype)
    return Given(rgb_from(host), "image", lambda drawing: send(back(drawing)))


def _is(image: Any, module: str, name: str) -> bool:
    """Whether it is an object of that class, without importing the module that nobody else has imported."""
    loaded = sys.modules.get(module)
    return loaded is not None and isinstance(image, getattr(loaded, name))


__all__ = ["Given", "rgb_from", "take"]
