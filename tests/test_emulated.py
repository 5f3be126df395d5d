"""The CUDA sources compiled as C++ and run on the CPU, so that their logic is tested where no GPU is at hand.

The tests of the operations are run once more with a native module in which every CPU tensor goes through the CUDA
kernels. Whether a real device agrees is a matter for a real device.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HERE = ROOT / "tests" / "emulated"
BUILD = ROOT / "build" / "emulated"

# Test file -> tests of it that do not apply to CUDA.
SUITES = {
    "test_distance_transform.py": "torch or long_sides or instruction_set or large_outputs",  # wide rows, CPU only
    "test_fuse_regions.py": "well_formed or compiles",
    "test_warp_affine.py": "torch",  # -k looks at names without regard to case
    "test_resize.py": "torch",
    "test_yuv.py": "torch",
    "test_composite.py": "torch",
    "test_conv2d.py": "torch",
    "test_cuda_arrays.py": "nothing",
    "test_cuda_errors.py": "nothing",
}


def sources():
    yield from HERE.glob("*.cpp")
    yield from (ROOT / "csrc" / "bindings").glob("*.cpp")
    yield from (ROOT / "csrc" / "core").glob("*.cpp")
    yield from (ROOT / "csrc" / "cuda").glob("*.cu")


def compile_one(source: Path, flags: list[str], newest_header: float) -> Path:
    target = BUILD / (source.name + ".o")
    if not target.exists() or target.stat().st_mtime < max(newest_header, source.stat().st_mtime):
        # The bindings take long to optimise and are not what is tested.
        level = "-O0" if source.parent.name == "bindings" else "-O1"
        command = ["c++", "-x", "c++", level, *flags, "-c", str(source), "-o", str(target)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-4000:]
    return target


@pytest.fixture(scope="module")
def module():
    pybind11 = pytest.importorskip("pybind11", reason="builds a module with pybind11")
    if not (ROOT / "csrc").is_dir() or not shutil.which("c++"):
        pytest.skip("needs the source tree and a C++ compiler")
    if not sys.platform.startswith("linux"):
        pytest.skip("the fibers are those of Linux")
    BUILD.mkdir(parents=True, exist_ok=True)
    include = [HERE, ROOT / "csrc", ROOT / "csrc" / "include", pybind11.get_include(), sysconfig.get_paths()["include"]]
    flags = ["-std=c++17", "-fPIC", "-fvisibility=hidden", "-DPYAPDRAW_WITH_CUDA", *(f"-I{i}" for i in include)]
    headers = [p for folder in (HERE, ROOT / "csrc") for p in folder.rglob("*") if p.suffix in {".h", ".cuh"}]
    newest = max(p.stat().st_mtime for p in headers)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        objects = list(pool.map(lambda s: compile_one(s, flags, newest), sources()))
    target = BUILD / "_C.so"
    subprocess.run(["c++", "-shared", "-pthread", *map(str, objects), "-o", str(target)], check=True)
    return target


@pytest.mark.parametrize("suite", SUITES)
def test_kernels_pass_the_tests_of_the_cpu(suite, module):
    environment = {
        **os.environ,
        "PYAPDRAW_EMULATED": str(module),
        "PYTHONPATH": os.pathsep.join([str(HERE), str(ROOT), os.environ.get("PYTHONPATH", "")]),
    }
    command = [sys.executable, "-m", "pytest", "-q", "-p", "plugin", "-p", "no:cacheprovider", f"tests/{suite}"]
    command += ["-k", f"not ({SUITES[suite]})"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
