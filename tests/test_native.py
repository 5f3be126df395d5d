"""The table of the native core: every operation has a fuzz case in tests/native, which CI runs under the sanitizers, a
line in the stub that mypy reads, and a function of pyapdraw.ops unless it is an inner one.

`make sanitize` builds and runs the driver under AddressSanitizer, UBSan and ThreadSanitizer, which takes minutes.
"""

import importlib.util
import os
import re
import subprocess
from pathlib import Path

import pytest

from pyapdraw import _C, ops

FOLDER = Path(__file__).resolve().parent / "native"


def test_every_operation_has_a_fuzz_case():
    if not FOLDER.is_dir():
        pytest.skip("not run from a source tree")
    cases = {m for path in FOLDER.glob("*.cpp") for m in re.findall(r"^PA_FUZZ\((\w+)\)", path.read_text(), re.M)}
    table = next(iter(_C.backends().values()))
    assert set(table) <= cases, f"add a PA_FUZZ in tests/native: {sorted(set(table) - cases)}"
    # Some public functions are composed of others and have no entry of their own.
    public = (FOLDER.parents[1] / "csrc" / "include" / "pyapdraw" / "ops.h").read_text()
    unknown = {name for name in cases - set(table) if f"void {name}(" not in public}
    assert not unknown, f"a fuzz case of what is no operation: {sorted(unknown)}"


def test_inner_operations_are_those_without_a_function_of_ops():
    table = next(iter(_C.backends().values()))
    assert set(_C.inner_operations()) == set(table) - set(ops.__all__), "say inner or outer in csrc/core/ops.def"


def test_the_stub_is_that_of_the_module():
    path = FOLDER.parents[1] / "csrc" / "bindings" / "stub.py"
    if not path.is_file():
        pytest.skip("not run from a source tree")
    spec = importlib.util.spec_from_file_location("stub", path)
    assert spec is not None and spec.loader is not None
    stub = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(stub)
    text = stub.STUB.read_text(encoding="utf-8")
    by_hand, mark, rest = text.partition(stub.MARK)
    assert mark + rest == stub.written(_C, by_hand), "python csrc/bindings/stub.py writes it anew"
    public = {n for n in dir(_C) if not n.startswith("_")} - {"BareContext"}
    assert not [n for n in public if not re.search(rf"^(def|class) {n}\b", text, re.M)]


def test_ci_runs_the_sanitizers():
    script = FOLDER.parents[1] / ".ci" / "run"
    if not script.is_file():
        pytest.skip("not run from a source tree")
    assert re.search(r"^make sanitize$", script.read_text(), re.M)
    runner = FOLDER / "sanitize.sh"
    assert os.access(runner, os.X_OK), f"{runner.name} cannot be run"
    subprocess.run(["bash", "-n", str(runner)], check=True)
