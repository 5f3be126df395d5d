"""The run of the tests itself: skipped tests are counted by reason, the slow lane is as written, interrupts arrive."""

import os
import subprocess
import sys
from pathlib import Path

import cases_slow
import pytest

HERE = Path(__file__).resolve().parent
MADE = """
import signal
import pytest

@pytest.mark.parametrize("n", range(3))
def test_device(n, record_counts):
    record_counts("3 things")
    pytest.skip("no device:\\n  none found")

@pytest.mark.skipif(True, reason="another system")
def test_system():
    pass

def test_interrupts_arrive():
    assert signal.getsignal(signal.SIGINT) is not signal.SIG_IGN
"""


@pytest.mark.parametrize("processes", [0, 2])
def test_skips_and_counts_are_told_once_and_interrupts_arrive(tmp_path, processes):
    if processes:
        pytest.importorskip("xdist", reason="pytest-xdist is not installed")
    (tmp_path / "test_made.py").write_text(MADE)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "conftest", "-p", "no:cacheprovider", "test_made.py"]
    command += [f"-n{processes}"] if processes else []
    ignoring = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *command]  # as `nohup ... &` starts it
    paths = os.pathsep.join(filter(None, [str(HERE), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        ignoring, cwd=tmp_path, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert "SKIPPED 3: no device: none found" in lines and "SKIPPED 1: another system" in lines, done.stdout
    assert sum("SKIPPED" in line for line in lines) == 2 and lines.count("3 things") == 1, done.stdout
    assert "1 passed, 4 skipped" in lines[-1]


def test_the_list_of_slow_tests_is_right(pytestconfig):
    """Its files and words exist, and every file but those that stand for a long build has a quick test."""
    assert not pytestconfig.stash[cases_slow.FAULTS]
