"""pytest plugin: `pyapdraw._C` becomes the module that runs the CUDA sources on the CPU (see cuda_runtime.h)."""

import importlib.util
import os
import sys

# Before anything imports pyapdraw: the real module must not be loaded beside this one.
_spec = importlib.util.spec_from_file_location("pyapdraw._C", os.environ["PYAPDRAW_EMULATED"])
_C = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_C)
sys.modules["pyapdraw._C"] = _C

import pyapdraw  # noqa: E402

pyapdraw._C = _C
assert _C.cpu_backends() == ["cuda"], _C.cpu_backends()
