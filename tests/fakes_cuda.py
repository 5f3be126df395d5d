"""Stand-ins for the CUDA arrays of other libraries, over memory of the host.

With the emulated module (tests/emulated) such an array goes all the way through the CUDA kernels; with the real module
it gets as far as the driver.
"""

import ctypes
import sys
import types
from contextlib import contextmanager, nullcontext

import numpy as np
import pytest
from cases_valid_calls import VALID

from pyapdraw import _C

EMULATED = _C.cpu_backends() == ["emulated"]
STATE = _C.cuda_devices()
LIBRARIES = ["cupy", "pycuda", "numba", "jax"]
emulated = pytest.mark.skipif(not EMULATED, reason="needs the emulated module, under which test_emulated.py runs it")
no_device = pytest.mark.skipif(
    EMULATED or bool(STATE["devices"]) or len(_C.backends()) < 2,
    reason="about a build with CUDA on a machine without a device",
)
_RUNTIME = ctypes.CDLL(_C.__file__) if EMULATED else None
if _RUNTIME is not None:
    _RUNTIME.emulated_record.restype = ctypes.c_char_p
    _RUNTIME.emulated_place.argtypes = [ctypes.c_void_p, ctypes.c_int]


def has_kernel(op: str) -> bool:
    """Whether the CUDA table serves the valid call of an operation."""
    entries = next(iter(_C.backends().values())) if EMULATED else _C.backends().get("cuda", {})
    return entries.get({"yuv_to_nchw": "yuv_to_rgb"}.get(op, op), False)


SERVED = [op for op in VALID if has_kernel(op)]


def lent(call, wrap):
    """The arrays of a valid call, each through `wrap` but those that stay on the host."""
    return {n: a if n in call.numpy_only else wrap(a) for n, a in call.arrays.items()}


def runtime_calls() -> list[tuple[str, int]]:
    """(name, stream or device or bytes) of the calls to the emulated runtime since the last time."""
    lines = _RUNTIME.emulated_record().decode().splitlines()
    return [(name, int(detail)) for name, detail in (line.split() for line in lines)]


def current_device() -> int:
    return _RUNTIME.emulated_device()


@contextmanager
def failing(call: str, code: int, driver: int = 13000):
    """Inside, this call of the emulated runtime fails with this code."""
    _RUNTIME.emulated_fail(call.encode(), code)
    _RUNTIME.emulated_driver(driver)
    try:
        yield
    finally:
        _RUNTIME.emulated_fail(call.encode(), 0)
        _RUNTIME.emulated_driver(13000)


@contextmanager
def placed(array: np.ndarray, device: int):
    """Inside, the memory of `array` belongs to that device; -1: to none."""
    _RUNTIME.emulated_place(array.ctypes.data, device)
    try:
        yield
    finally:
        _RUNTIME.emulated_place(array.ctypes.data, 0)


class Cai:
    """An array with __cuda_array_interface__. entries replace those of the dict; None removes one."""

    def __init__(self, array: np.ndarray, version: int = 3, **entries):
        self.array, self.version, self.entries = array, version, entries

    @property
    def __cuda_array_interface__(self):
        a = self.array
        d = {"shape": a.shape, "typestr": a.dtype.str, "version": self.version, "strides": a.strides}
        d["data"] = (a.ctypes.data if a.size else 0, not a.flags.writeable)
        if self.version >= 3:
            d["stream"] = None
        d |= self.entries
        return {k: v for k, v in d.items() if v is not REMOVED}


REMOVED = object()


class _Tensor(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_index", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.c_void_p),
        ("strides", ctypes.c_void_p),
        ("byte_offset", ctypes.c_uint64),
    ]


_Deleter = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class _Managed(ctypes.Structure):
    _fields_ = [("tensor", _Tensor), ("context", ctypes.c_void_p), ("deleter", _Deleter)]


class _Versioned(ctypes.Structure):
    _fields_ = [
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("context", ctypes.c_void_p),
        ("deleter", _Deleter),
        ("flags", ctypes.c_uint64),
        ("tensor", _Tensor),
    ]


_CODES = {"b": 6, "u": 1, "i": 0, "f": 2}
_new_capsule = ctypes.pythonapi.PyCapsule_New
_new_capsule.restype = ctypes.py_object
_new_capsule.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]


class Dl:
    """An array with __dlpack__. `streams`: what consumers asked for; `deleted`: capsules that they have given back."""

    def __init__(self, array, *, versioned=True, read_only=False, device=(2, 0), major=1):
        self.array, self.versioned, self.read_only, self.device, self.major = array, versioned, read_only, device, major
        self.streams: list[object] = []
        self.deleted = 0
        self._alive: list[object] = []

    def __dlpack_device__(self):
        return self.device

    def __dlpack__(self, *, stream=None, **newer):
        if newer and not self.versioned:
            raise TypeError("__dlpack__() got an unexpected keyword argument 'max_version'")
        self.streams.append(stream)
        a = self.array
        shape = (ctypes.c_int64 * a.ndim)(*a.shape)
        strides = (ctypes.c_int64 * a.ndim)(*(s // a.itemsize for s in a.strides))
        tensor = _Tensor(a.ctypes.data, *self.device, a.ndim, _CODES[a.dtype.kind], a.itemsize * 8, 1,
                         ctypes.addressof(shape), ctypes.addressof(strides), 0)  # fmt: skip

        def delete(_):
            self.deleted += 1

        deleter = _Deleter(delete)
        if self.versioned:
            managed = _Versioned(self.major, 0, None, deleter, int(self.read_only), tensor)
        else:
            managed = _Managed(tensor, None, deleter)
        self._alive += [shape, strides, deleter, managed]
        name = b"dltensor_versioned" if self.versioned else b"dltensor"
        return _new_capsule(ctypes.addressof(managed), name, None)


def fake_library(name: str):
    """(module tree for sys.modules, class of its arrays): the parts of a library that results are made with."""
    module = (
        "jaxlib._jax" if name == "jax" else {"cupy": "cupy", "pycuda": "pycuda.gpuarray", "numba": "numba.cuda"}[name]
    )
    base = Dl if name == "jax" else Cai
    kind = type("Array", (base,), {"__module__": module, "device": nullcontext()})

    def empty(shape, dtype):
        made = kind(np.full(shape, 99, dtype))
        return made

    tree = {name: types.ModuleType(name)}
    if name == "cupy":
        stream = types.SimpleNamespace(ptr=77)
        tree["cupy"].empty = empty
        tree["cupy"].cuda = types.SimpleNamespace(get_current_stream=lambda: stream, Device=lambda i: nullcontext())
    elif name == "pycuda":
        tree["pycuda.gpuarray"] = types.ModuleType("pycuda.gpuarray")
        tree["pycuda.gpuarray"].empty = empty
    elif name == "numba":
        tree["numba.cuda"] = types.ModuleType("numba.cuda")
        tree["numba.cuda"].device_array = empty
        tree["numba.cuda"].gpus = [nullcontext(), nullcontext()]
    else:
        tree["jax.dlpack"] = types.ModuleType("jax.dlpack")
        tree["jax.dlpack"].from_dlpack = lambda x: kind(host(x))
        tree["jax"].dlpack = tree["jax.dlpack"]
    return tree, kind


def host(x) -> np.ndarray:
    """What an array holds whose CUDA memory is the host's. A copy."""
    if isinstance(x, np.ndarray):
        return x
    if hasattr(x, "array"):
        return x.array
    d = x.__cuda_array_interface__
    lent = types.SimpleNamespace(__array_interface__={k: d[k] for k in ("shape", "typestr", "strides")} | {
        "data": d["data"], "version": 3})  # fmt: skip
    return np.array(lent) if 0 not in d["shape"] else np.empty(d["shape"], d["typestr"])


@contextmanager
def installed(tree):
    """The modules of a fake library in sys.modules, inside."""
    before = {name: sys.modules.get(name) for name in tree}
    sys.modules.update(tree)
    try:
        yield
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module
