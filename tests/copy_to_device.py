"""`--device cuda`: the tests of the CPU kernels on a GPU, unchanged.

`install()` puts a DeviceCopies in the place of `pyapdraw._C`. Where an operation gets arrays of the CPU, this copies
their memory to the device, with strides, overlaps and alignment as they were and a guard zone around, makes the call
there, and copies everything back. Device "cpu" stands for the GPU in the tests of the copies themselves.
"""

import ctypes
import re
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np

GUARD = 512  # bytes on both sides of what was copied, multiple of the alignment that is kept
PATTERN = 0xA5
KINDS = frozenset("?BHilqefd")  # numpy's letters for the element types of the core

# Arguments that the core reads on the CPU, whatever the device of the others.
HOST: dict[str, frozenset[str]] = {
    "ink": frozenset({"landmarks"}),
    "ink_planes": frozenset({"landmarks"}),
    "warp_affine": frozenset({"matrix"}),
    "crop_yuv": frozenset({"to_crop"}),
    "paste_yuv": frozenset({"to_crop"}),
    "modulated_conv2d": frozenset({"filter"}),
}


@dataclass
class Span:
    """Bytes low to high of the CPU's memory and, once copied, the buffer that holds them behind its guard zone."""

    low: int
    high: int
    buffer: Any = None

    def host(self) -> np.ndarray:
        return np.ctypeslib.as_array((ctypes.c_uint8 * (self.high - self.low)).from_address(self.low))

    @property
    def offset(self) -> int:
        """Of the first byte in the buffer: as far from a multiple of 256 as on the CPU."""
        return GUARD + self.low % 256


class DeviceArray:
    """What the binding borrows: a pointer with shape and strides in bytes."""

    def __init__(self, pointer: int, like: np.ndarray):
        self.__cuda_array_interface__ = {
            "data": (pointer, not like.flags.writeable), "shape": like.shape, "strides": like.strides,
            "typestr": like.dtype.str if like.dtype != bool else "|b1", "version": 3,
        }  # fmt: skip


def extent(x: Any) -> tuple[int, int]:
    """First byte that a numpy array or a torch tensor touches, and the first behind it."""
    if isinstance(x, np.ndarray):
        return np.lib.array_utils.byte_bounds(x) if x.size else (x.ctypes.data, x.ctypes.data)
    reach = sum((n - 1) * s for n, s in zip(x.shape, x.stride())) if x.numel() else -1
    return x.data_ptr(), x.data_ptr() + (reach + 1) * x.element_size()


def merged(extents: list[tuple[int, int]]) -> list[Span]:
    """Spans that overlap become one: arguments may be parts of the same memory."""
    spans: list[Span] = []
    for low, high in sorted(extents):
        if spans and low < spans[-1].high:
            spans[-1].high = max(spans[-1].high, high)
        else:
            spans.append(Span(low, high))
    return spans


class DeviceCopies:
    """Has every name of the native module; the operations copy their arrays. poison: scratch memory is handed out
    full of NaN patterns. lent: memory of the CPU is given out as that of a CUDA device (for the emulated one)."""

    def __init__(self, module: Any, device: str = "cuda", poison: bool = True, lent: bool = False):
        import torch

        self._module, self._device, self._torch, self._poison = module, torch.device(device), torch, poison
        self.lends = lent or self._device.type == "cuda"
        self._operations = set().union(*module.backends().values())
        self._names: dict[str, list[str]] = {}
        self.calls = 0
        self.__spec__, self.__name__ = module.__spec__, module.__name__

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._module, name)
        if name not in self._operations:
            return value

        def operation(*args: Any, **kwargs: Any) -> Any:
            return self._call(name, value, args, kwargs)

        operation.__doc__, operation.__name__ = value.__doc__, name
        return operation

    def __dir__(self) -> list[str]:
        return dir(self._module)

    def _arguments(self, name: str, native: Any) -> list[str]:
        """The names of its arguments, which pybind11 writes into the first line of the docstring."""
        if name not in self._names:
            self._names[name] = re.findall(r"(\w+): ", native.__doc__.split("\n")[0])
        return self._names[name]

    def _copied(self, x: Any) -> bool:
        if isinstance(x, np.ndarray):
            whole = all(s % max(x.itemsize, 1) == 0 for s in x.strides)
            return x.dtype.char in KINDS and x.dtype.isnative and x.ndim <= 5 and x.flags.aligned and whole
        return isinstance(x, self._torch.Tensor) and x.device.type == "cpu"

    def _call(self, name: str, native: Any, args: tuple, kwargs: dict[str, Any]) -> Any:
        names = self._arguments(name, native)
        given = {**dict(zip(names, args)), **kwargs}
        if len(given) != len(args) + len(kwargs):
            return native(*args, **kwargs)  # too many, or twice: the binding says so
        ours = {n: x for n, x in given.items() if n not in HOST.get(name, ()) and self._copied(x)}
        if not ours:
            return native(**given)
        self.calls += 1
        spans = merged([extent(x) for x in ours.values()])
        for span in spans:
            self._upload(span)
        given |= {n: self._view(x, spans) for n, x in ours.items()}
        if self.lends:
            given["ctx"] = self._context(given.get("ctx"))
        try:
            return native(**given)
        finally:
            if self._device.type == "cuda":
                self._torch.cuda.synchronize()
            writable = any(not isinstance(x, np.ndarray) or x.flags.writeable for x in ours.values())
            for span in spans:
                self._download(span, writable)

    def _context(self, given: Any) -> Any:
        """On the default stream, with scratch memory from torch's allocator."""

        def allocate(count: int) -> Any:
            block = self._torch.empty(count, dtype=self._torch.uint8, device=self._device)
            return block.fill_(255) if self._poison else block

        threads = 0 if given is None else given.threads
        return self._module.Context(threads=threads, stream=0, allocate=allocate)

    def _upload(self, span: Span) -> None:
        data = np.full(span.offset + span.high - span.low + GUARD, PATTERN, np.uint8)
        data[span.offset : span.offset + span.high - span.low] = span.host()
        span.buffer = self._torch.from_numpy(data).to(self._device)
        if self._device.type == "cpu":
            span.buffer = span.buffer.clone()

    def _download(self, span: Span, writable: bool) -> None:
        data = span.buffer.cpu().numpy()
        end = span.offset + span.high - span.low
        guard = (data[: span.offset] == PATTERN).all() and (data[end:] == PATTERN).all()
        assert guard, "the kernel wrote outside its arrays"
        changed = not np.array_equal(data[span.offset : end], span.host())
        if changed:
            assert writable, "the kernel wrote to read-only arrays"
            span.host()[:] = data[span.offset : end]

    def _view(self, x: Any, spans: list[Span]) -> Any:
        low, high = extent(x)
        span = next(s for s in spans if s.low <= low and high <= s.high)
        start = x.ctypes.data if isinstance(x, np.ndarray) else x.data_ptr()
        offset = span.offset + start - span.low
        if not isinstance(x, np.ndarray):
            empty = self._torch.empty(0, dtype=x.dtype, device=self._device)
            return empty.set_(span.buffer.untyped_storage(), offset // x.element_size(), x.shape, x.stride())
        if self.lends:
            return DeviceArray(span.buffer.data_ptr() + offset, x)
        view = np.ndarray(x.shape, x.dtype, span.buffer.numpy().data, offset, x.strides)
        view.flags.writeable = x.flags.writeable
        return view


def missing(device: str = "cuda") -> str | None:
    """What this machine lacks for it, if anything."""
    try:
        import torch
    except ImportError:
        return "needs torch to hold memory of the GPU"
    if device == "cuda" and not torch.cuda.is_available():
        return "torch finds no CUDA device"
    from pyapdraw import _C

    return None if "cuda" in _C.backends() else "this build of pyapdraw has no CUDA kernels"


def install(device: str = "cuda", poison: bool = True) -> DeviceCopies:
    """For the whole process. Modules that hold the native one by name get it too."""
    import pyapdraw
    from pyapdraw import _C

    copies = DeviceCopies(_C, device, poison)
    sys.modules["pyapdraw._C"] = copies  # type: ignore[assignment]
    pyapdraw._C = copies  # type: ignore[assignment]
    for name, module in list(sys.modules.items()):
        if name.startswith("pyapdraw.") and getattr(module, "_C", None) is _C:
            module._C = copies
    return copies
