"""Every operation of the native table has a trial in tests/native, and CI runs them under the sanitizers.

`make sanitize` builds and runs the driver under AddressSanitizer, UBSan and ThreadSanitizer, which takes minutes.
"""

import os
import re
import subprocess
from pathlib import Path

import pytest

from pyapdraw import _C

FOLDER = Path(__file__).resolve().parent / "native"


def test_every_operation_has_a_trial():
    if not FOLDER.is_dir():
        pytest.skip("not run from a source tree")
    trials = {m for path in FOLDER.glob("*.cpp") for m in re.findall(r"^PA_TRIAL\((\w+)\)", path.read_text(), re.M)}
    table = next(iter(_C.backends().values()))
    assert set(table) <= trials, f"add a PA_TRIAL in tests/native: {sorted(set(table) - trials)}"
    # Some public functions are composed of others and have no entry of their own.
    public = (FOLDER.parents[1] / "csrc" / "include" / "pyapdraw" / "ops.h").read_text()
    unknown = {name for name in trials - set(table) if f"void {name}(" not in public}
    assert not unknown, f"a trial of what is no operation: {sorted(unknown)}"


def test_ci_runs_the_sanitizers():
    script = FOLDER.parents[1] / ".ci" / "run"
    if not script.is_file():
        pytest.skip("not run from a source tree")
    assert re.search(r"^make sanitize$", script.read_text(), re.M)
    runner = FOLDER / "sanitize.sh"
    assert os.access(runner, os.X_OK), f"{runner.name} cannot be run"
    subprocess.run(["bash", "-n", str(runner)], check=True)
