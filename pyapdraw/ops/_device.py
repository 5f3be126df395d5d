"""CUDA arrays of CuPy, pycuda, Numba, JAX and whatever speaks their protocols: no copies, results of the same library.

An operation is written for numpy arrays and torch tensors. `takes_device_arrays` lends it an `ArrayView` for any other
array, and gives back arrays of the library that the arguments came from. The call runs on that library's current
stream; other producers' streams are waited for on the device, never by the host.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import inspect
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from pyapdraw import _C
from pyapdraw.errors import BadInput, DeviceError
from pyapdraw.ops._libraries import Library, library_of

_stream: contextvars.ContextVar[int | None] = contextvars.ContextVar("stream", default=None)
# Arrays whose library may reuse their memory before our stream has come to the end of the call.
_held: deque[tuple[Any, list[ArrayView]]] = deque()
_lock = threading.Lock()
# Arguments that are read on the host whatever they are.
HOST = frozenset({"matrix", "to_crop", "resample_filter"})


@contextlib.contextmanager
def on_stream(stream: Any) -> Iterator[None]:
    """Calls with CUDA arrays of other libraries than torch run on this stream inside the block, in this thread.

    stream: a handle as an integer, or a stream of CuPy, pycuda, Numba or torch.
    """
    token = _stream.set(_handle(stream))
    try:
        yield
    finally:
        _stream.reset(token)


def _handle(stream: Any) -> int:
    for name in ("ptr", "cuda_stream", "handle"):
        value = getattr(stream, name, None)
        if value is not None:
            stream = getattr(value, "value", value)  # Numba's is a ctypes pointer
            break
    try:
        return int(stream or 0)
    except (TypeError, ValueError):
        raise BadInput(f"stream: {stream!r} given, an integer handle or a stream object expected") from None


class ArrayView(_C.DeviceArray):
    """Device memory with the part of an array's interface that the operations use. Its content is never read here."""

    call: Call
    owner: Any = None  # the array of its library that this is all of

    @property
    def dtype(self) -> Any:
        """As numpy's."""
        return _numpy_dtype(self.dtype_name)

    def _part(self, offset: int, shape: Sequence[int], steps: Sequence[int]) -> ArrayView:
        part = ArrayView(self, offset, shape, steps)
        part.call = self.call
        return part

    def __getitem__(self, index: Any) -> ArrayView:
        offset, shape, steps = 0, [], []
        axes = iter(zip(self.shape, self.steps))
        for i in index if isinstance(index, tuple) else (index,):
            if i is None:
                shape.append(1)
                steps.append(0)
                continue
            n, step = next(axes)
            if isinstance(i, slice):
                start, stop, stride = i.indices(n)
                count = len(range(start, stop, stride))
                offset += start * step if count else 0
                shape.append(count)
                steps.append(step * stride)
            else:
                if not -n <= i < n:
                    raise IndexError(i)
                offset += i % n * step
        for n, step in axes:
            shape.append(n)
            steps.append(step)
        return self._part(offset, shape, steps)

    def permute(self, *axes: int) -> ArrayView:
        """The same memory with its axes in another order."""
        return self._part(0, [self.shape[a] for a in axes], [self.steps[a] for a in axes])

    def expand(self, *shape: int) -> ArrayView:
        """Axes of length 1 repeated, and new ones in front."""
        new = len(shape) - self.ndim
        old = [(1, 0)] * new + list(zip(self.shape, self.steps))
        return self._part(0, shape, [0 if n == 1 else s for n, s in old])

    def full(self, value: Any, dtype: Any) -> ArrayView:
        """One element on the same device, without axes."""
        one = self.call.empty((1,), dtype, self.device)
        one.set(np.asarray(value, dtype).tobytes(), self.call.stream)
        return one[0]


def _numpy_dtype(name: str) -> Any:
    if name != "bfloat16":
        return np.dtype(name)
    known = sys.modules.get("ml_dtypes")  # a library that has such arrays has brought it along
    return np.dtype(known.bfloat16) if known else name


class Call:
    """One call of an operation: the stream it runs on, what it borrows and what it makes."""

    def __init__(self, first: Any) -> None:
        self.library: Library = library_of(first)
        chosen = _stream.get()
        self.stream: int = self.library.stream(first) if chosen is None else chosen
        self.views: list[ArrayView] = []

    def borrow(self, name: str, array: Any) -> Any:
        """A ArrayView of a foreign array; lists of them item by item; anything else as it is."""
        if isinstance(array, list | tuple):
            items = [self.borrow(f"{name}[{i}]", a) for i, a in enumerate(array)]
            return tuple(items) if isinstance(array, tuple) else items
        if not is_foreign(array):
            return array
        view = ArrayView(array, name, self.stream)
        view.owner = array
        view.read_only = view.read_only or library_of(array).read_only
        return self._add(view)

    def _add(self, view: ArrayView) -> ArrayView:
        view.call = self
        self.views.append(view)
        if view.stream is not None and not _C.same_stream(self.stream, view.stream):
            _C.order_streams(self.stream, view.stream, view.device)
        return view

    def empty(self, shape: Sequence[int], dtype: Any, device: int) -> ArrayView:
        """A new array of the library, or memory of our own where the library cannot lend any."""
        if self.library.empty is None:
            kind = dtype if isinstance(dtype, str) else str(np.dtype(dtype))
            own = _C.DeviceArray.empty([int(n) for n in shape], kind, device)
            own.stream = self.stream
            view = ArrayView(own, 0, own.shape, own.steps)
        else:
            made = self._from_library(tuple(int(n) for n in shape), dtype, device)
            view = ArrayView(made, "out", self.stream)
            view.owner = made
        return self._add(view)

    def _from_library(self, shape: tuple[int, ...], dtype: Any, device: int) -> Any:
        assert self.library.empty is not None
        try:
            return self.library.empty(shape, dtype, device)
        except Exception as e:
            if "memory" not in f"{type(e).__name__} {e}".lower():
                raise
            text = f"out: {self.library.name} has no memory for {list(shape)} of {dtype} ({e})"
            raise DeviceError(text) from e

    def context(self, like: ArrayView) -> Any:
        """For a native call, with scratch memory of the same library."""
        return _C.Context(stream=self.stream, allocate=lambda n: self.empty((n,), np.uint8, like.device))

    def finish(self) -> None:
        """Producers go on after this call; what only DLPack keeps alive is kept until then."""
        for view in self.views:
            if view.stream is not None and not _C.same_stream(self.stream, view.stream):
                _C.order_streams(view.stream, self.stream, view.device)
        lent = [v for v in self.views if v.by_dlpack]
        if not lent and not _held:
            return
        with _lock:
            while _held and _held[0][0].passed:
                _held.popleft()
            if lent:
                _held.append((_C.Mark(self.stream, lent[0].device), lent))

    def returned(self, answer: Any) -> Any:
        """Arrays of the library instead of ArrayViews."""
        if isinstance(answer, tuple):
            return tuple(self.returned(a) for a in answer)
        if not isinstance(answer, ArrayView):
            return answer
        return self.library.wrap(answer) if answer.owner is None else answer.owner


def is_foreign(x: Any) -> bool:
    """Whether x is an array of another library than numpy and torch, by the protocols that it speaks."""
    kind = type(x)
    if isinstance(x, np.ndarray | ArrayView) or not (
        hasattr(kind, "__cuda_array_interface__") or hasattr(kind, "__dlpack__")
    ):
        return False
    torch = sys.modules.get("torch")
    return torch is None or not isinstance(x, torch.Tensor)


_plain_types: set[type] = {np.ndarray, int, float, str, bool, type(None)}  # and what is found to be none of ours


def _plain(values: Iterable[Any]) -> bool:
    """Whether there is no foreign array among them. What most calls pay for the others: 0.1 us a value."""
    for x in values:
        kind = type(x)
        if kind in _plain_types:
            continue
        if kind is tuple or kind is list:
            if not _plain(x):
                return False
        elif is_foreign(x):
            return False
        else:
            _plain_types.add(kind)
    return True


def _first_foreign(values: Iterable[Any]) -> Any:
    for x in values:
        found = _first_foreign(x) if isinstance(x, list | tuple) else x if is_foreign(x) else None
        if found is not None:
            return found
    return None


def _is_compiling() -> bool:
    compiler = sys.modules.get("torch.compiler")
    return compiler is not None and compiler.is_compiling()


def takes_device_arrays(op: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator of a public operation, whose body may then meet an ArrayView wherever it expects a numpy array."""
    names = tuple(inspect.signature(op).parameters)

    @functools.wraps(op)
    def public(*args: Any, **options: Any) -> Any:
        if _is_compiling():
            return op(*args, **options)
        if _plain(args) and _plain(options.values()):
            return op(*args, **options)
        if len(args) > len(names):
            return op(*args, **options)  # raises the TypeError that it should
        given = (*zip(names, args), *options.items())
        first = _first_foreign(a for name, a in given if name not in HOST)
        if first is None:
            return op(*args, **options)
        call = Call(first)
        try:
            answer = op(**{name: a if name in HOST else call.borrow(name, a) for name, a in given})
            call.finish()
        finally:
            call.views.clear()  # they know the call: without this, a circle would keep the memory
        return call.returned(answer)

    return public
