"""The libraries whose CUDA arrays are known by name: their current stream, and new arrays. Never imported from here:
where one of their arrays comes in, the library is there."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Library:
    """stream(array): the handle of the stream that the library's own work on the array would go to.

    empty(shape, dtype, device): a new array; None where results are memory of our own, which wrap() turns into an array
    of the library. read_only: its arrays must not be written.
    """

    name: str
    stream: Callable[[Any], int]
    empty: Callable[[tuple[int, ...], Any, int], Any] | None = None
    wrap: Callable[[Any], Any] = lambda view: view
    read_only: bool = False


def _told_stream(array: Any) -> int:
    """That of __cuda_array_interface__, or the legacy default stream."""
    told = getattr(array, "__cuda_array_interface__", None)
    stream = told.get("stream") if isinstance(told, dict) else None
    return stream if isinstance(stream, int) else 0


def _cupy_stream(array: Any) -> int:
    with array.device:
        return int(sys.modules["cupy"].cuda.get_current_stream().ptr)


def _cupy_empty(shape: tuple[int, ...], dtype: Any, device: int) -> Any:
    cupy = sys.modules["cupy"]
    with cupy.cuda.Device(device):
        return cupy.empty(shape, dtype)


def _pycuda_empty(shape: tuple[int, ...], dtype: Any, device: int) -> Any:
    return sys.modules["pycuda.gpuarray"].empty(shape, dtype)  # in the current context, as the arguments


def _numba_empty(shape: tuple[int, ...], dtype: Any, device: int) -> Any:
    cuda = sys.modules["numba.cuda"]
    with cuda.gpus[device]:
        return cuda.device_array(shape, dtype)


def _jax_wrap(view: Any) -> Any:
    import jax.dlpack

    return jax.dlpack.from_dlpack(view)


_LIBRARIES = {
    "cupy": Library("CuPy", _cupy_stream, _cupy_empty),
    "pycuda": Library("pycuda", _told_stream, _pycuda_empty),
    "numba": Library("Numba", _told_stream, _numba_empty),
}
# Immutable arrays on streams that nobody is told: results are made by us and handed over by DLPack.
_LIBRARIES["jax"] = _LIBRARIES["jaxlib"] = Library("JAX", lambda array: 0, None, _jax_wrap, read_only=True)
_UNKNOWN = Library("the arrays' library", _told_stream)


def library_of(array: Any) -> Library:
    """By the package that its class was defined in."""
    return _LIBRARIES.get(type(array).__module__.partition(".")[0], _UNKNOWN)
