"""The CUDA sources compiled as C++ and run on the CPU, so that their logic is tested where no GPU is at hand.

The tests of the operations are run once more with a native module in which every CPU tensor goes through the CUDA
kernels (`--device emulated`). Whether a real device agrees is a matter for a real device.
"""

import os
import re
import subprocess
import sys
from collections import Counter

import pytest
from cases_emulated import GROUPS
from emulated import module

pytestmark = pytest.mark.skipif(module.missing() is not None, reason=str(module.missing()))


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    """In which a suite finds the module built: none of them asks CMake again."""
    pytest.importorskip("pybind11", reason="builds a module with pybind11")
    return {**os.environ, module.BUILT: str(module.build())}


@pytest.mark.parametrize("group", GROUPS, ids=" ".join)
def test_kernels_pass_the_tests_of_the_cpu(group, environment, record_counts):
    command = [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", "--device", "emulated"]
    command += [f"tests/{suite}" for suite in group]
    done = subprocess.run(
        command, cwd=module.ROOT, env=environment, capture_output=True, text=True, check=False, timeout=900
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    passed = Counter(re.findall(r"^tests/(\S+?)::.* PASSED", done.stdout, re.MULTILINE))
    for suite in group:
        assert passed[suite], f"{suite}: no test passed\n{done.stdout[-2000:]}"
        record_counts(f"emulated {suite}: {passed[suite]} passed")
