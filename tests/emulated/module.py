"""The native module whose CPU tensors go through the CUDA kernels: built, and put in the place of `pyapdraw._C`.

`python -m pytest --device emulated tests/test_resize.py` (conftest.py) runs any test file with it.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

from locked import locked

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "emulated"
BUILT = "PYAPDRAW_EMULATED_MODULE"  # environment: the module that a parent process has just built


def missing() -> str | None:
    """What this machine lacks to build it, if anything."""
    if not sys.platform.startswith("linux"):
        return "the emulated device is written for Linux"
    if not (ROOT / "csrc").is_dir():
        return "needs the source tree"
    for tool in ("c++", "cmake", "ninja"):
        if not find(tool):
            return f"needs {tool}"
    return None


def find(tool: str) -> str | None:
    return shutil.which(tool, path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))


def build(target: str = "_C") -> Path:
    """Only what has changed is compiled; nothing where all is up to date.

    Suites run side by side and each asks for it, so one at a time: two that configure one folder disturb each other.
    """
    if target == "_C" and BUILT in os.environ:
        return Path(os.environ[BUILT])
    with locked(BUILD / "lock"):
        return build_alone(target)


def build_alone(target: str) -> Path:
    configure = [find("cmake"), "-S", ROOT, "-B", BUILD, "-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={find('ninja')}"]
    configure += ["-DPYAPDRAW_EMULATED=ON", f"-DPython_EXECUTABLE={sys.executable}"]
    for command in (configure, [find("cmake"), "--build", BUILD, "--target", target]):
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{target} for the emulated device does not build:\n{done.stdout[-6000:]}{done.stderr}")
    (built,) = (path for path in BUILD.glob(f"{target}*") if path.is_file())
    return built


def install(path: Path) -> None:
    """Before anything imports pyapdraw: the real module must not be loaded beside this one."""
    assert "pyapdraw._C" not in sys.modules, "pyapdraw is loaded already"
    spec = importlib.util.spec_from_file_location("pyapdraw._C", path)
    _C = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(_C)
    sys.modules["pyapdraw._C"] = _C
    import pyapdraw

    pyapdraw._C = _C
    assert _C.cpu_backends() == ["emulated"], _C.cpu_backends()
