"""The CUDA sources compiled as C++ and run on the CPU, so that their logic is tested where no GPU is at hand.

The tests of the operations are run once more with a native module in which every CPU tensor goes through the CUDA
kernels (`--device emulated`). Whether a real device agrees is a matter for a real device.
"""

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from cases_emulated import SUITES
from emulated import module

pytestmark = pytest.mark.skipif(module.missing() is not None, reason=str(module.missing()))


def run(suite: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--device", "emulated"]
    return subprocess.run(
        [*command, f"tests/{suite}"], cwd=module.ROOT, capture_output=True, text=True, check=False, timeout=900
    )


@pytest.fixture(scope="module")
def runs(request):
    """All chosen suites, begun at once, a core each: an emulated kernel uses one."""
    pytest.importorskip("pybind11", reason="builds a module with pybind11")
    module.build()
    chosen = [item.callspec.params["suite"] for item in request.session.items if item.path == request.path]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield {suite: pool.submit(run, suite) for suite in chosen}
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("suite", SUITES)
def test_kernels_pass_the_tests_of_the_cpu(suite, runs, record_counts):
    done = runs[suite].result()
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    counts = re.search(r"^\d+ passed.*$", done.stdout, re.MULTILINE)
    assert counts, done.stdout[-2000:]
    record_counts(f"emulated {suite}: {counts.group()}")
