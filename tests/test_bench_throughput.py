"""bench/test_throughput.py as a program: kernels are checked, timed by pytest-benchmark, and kept with their rates."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pyapdraw import _C, bench

SUITE = Path(__file__).resolve().parents[1] / "bench" / "test_throughput.py"

pytest.importorskip("pytest_benchmark", reason="pytest-benchmark is not installed")
if not SUITE.is_file():
    pytest.skip("not run from a source tree", allow_module_level=True)


def test_every_case_is_checked_timed_and_kept(tmp_path):
    kept = tmp_path / "kept.json"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", SUITE, "-k", "resize or rgb_to_nchw"]
    command += [f"--benchmark-json={kept}", "--benchmark-min-rounds=2", "--benchmark-max-time=0.01"]
    # A benchmark that takes itself for one of several test processes times nothing.
    alone = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_XDIST")}
    done = subprocess.run(command, cwd=SUITE.parents[1], capture_output=True, text=True, check=False, env=alone)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    timed = json.loads(kept.read_text())["benchmarks"]
    assert {entry["group"] for entry in timed} == {"resize", "layouts"}
    assert len(timed) == 2 * len({1, _C.default_threads()})
    for entry in timed:
        rates = entry["extra_info"]
        assert entry["stats"]["rounds"] >= 2 and rates["MP/s"] > 0 and rates["GB/s"] > 0, entry


def test_a_wrong_answer_is_not_timed():
    spec = importlib.util.spec_from_file_location("throughput", SUITE)
    suite = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(suite)

    def wrong():
        raise AssertionError("answer differs")

    with pytest.raises(AssertionError, match="answer differs"):
        suite.test_throughput(lambda run: pytest.fail("timed"), "resize", bench.Case("resize", wrong, wrong))
