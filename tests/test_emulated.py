"""The CUDA sources compiled as C++ and run on the CPU, so that their logic is tested where no GPU is at hand.

The tests of the operations are run once more with a native module in which every CPU tensor goes through the CUDA
kernels (`--device emulated`). Whether a real device agrees is a matter for a real device.
"""

import os
import re
import subprocess
import sys

import pytest
from cases_emulated import SUITES
from emulated import module

pytestmark = pytest.mark.skipif(module.missing() is not None, reason=str(module.missing()))


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    """In which a suite finds the module built: none of them asks CMake again."""
    pytest.importorskip("pybind11", reason="builds a module with pybind11")
    return {**os.environ, module.BUILT: str(module.build())}


@pytest.mark.parametrize("suite", SUITES)
def test_kernels_pass_the_tests_of_the_cpu(suite, environment, record_counts):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--device", "emulated", f"tests/{suite}"]
    done = subprocess.run(
        command, cwd=module.ROOT, env=environment, capture_output=True, text=True, check=False, timeout=900
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    counts = re.search(r"^\d+ passed.*$", done.stdout, re.MULTILINE)
    assert counts, done.stdout[-2000:]
    record_counts(f"emulated {suite}: {counts.group()}")
